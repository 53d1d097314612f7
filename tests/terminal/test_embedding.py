"""`turnkeep embed` and searching by meaning, with the real small model where there is one."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.embed.model import model_folder
from tests.store.writer import OWNER, Writer
from turnkeep.cli import run
from turnkeep.embed.builtin import NAME
from turnkeep.errors import EngineUnreachable
from turnkeep.settings import load_settings
from turnkeep.store.sqlite import SqliteStore
from turnkeep.terminal.embedding import index_lines, open_searcher


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("TURNKEEP_HOME", str(home))
    return home


@pytest.fixture
def with_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has the model, as one has where it was installed."""
    monkeypatch.setattr("turnkeep.embed.connect.find_model", model_folder)


@pytest.fixture
def two_conversations(own_home: Path) -> None:
    async def main() -> None:
        store = SqliteStore(own_home / "turnkeep.db")
        ana = await Writer.begin(store, "ana")
        await ana.say("My puppy chewed my slippers again.", "Oh no!")
        await ana.say("I sail to the island on Sunday.", "Take a coat.")
        await (await Writer.begin(store, "ben")).say("The concert was loud.", "Which band?")
        await store.close()

    asyncio.run(main())


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    status = run(list(arguments))
    out, err = capsys.readouterr()
    assert (status, err) == (0, ""), err
    return str(out).splitlines()


def test_installing_says_where_the_model_is(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = printed(capsys, "embed", "install")
    assert str(model_folder()) in line
    assert "found by their meaning from now on" in line


def test_all_conversations_are_indexed_and_then_found_by_meaning(
    with_model: None, two_conversations: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(capsys, "embed", "index")
    assert {"ana: 2 of 2 turns", "ben: 1 of 1 turns"} <= set(lines)
    (first, *_) = printed(capsys, "search", "trouble with my dog")
    assert first == "ana, turn 1, user: My puppy chewed my slippers again."
    (first, *_) = printed(capsys, "search", "going by boat", "--in", "ana", "--by", "meaning")
    assert first == "ana, turn 2, user: I sail to the island on Sunday."
    assert run(["search", "trouble with my dog", "--by", "words"]) == 1
    assert run(["search", "trouble with my dog", "--embeddings", "off"]) == 1


def test_indexing_again_embeds_nothing_again(
    with_model: None, two_conversations: None, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "embed", "index")
    again = printed(capsys, "embed", "index")
    assert sorted(again) == ["ana: 2 of 2 turns", "ben: 1 of 1 turns"]

    async def count() -> list[int]:
        store = SqliteStore(own_home / "turnkeep.db")
        rows = await store.list_conversations(OWNER)
        counts = [len(await store.load_vectors(OWNER, row.id, NAME, after=0, limit=99)) for row in rows]
        await store.close()
        return sorted(counts)

    assert asyncio.run(count()) == [2, 4]


def test_where_nothing_was_said_nothing_is_indexed(
    with_model: None, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "embed", "index") == ["There is nothing to index yet."]
    assert not own_home.exists()


def test_an_engine_that_is_away_is_told_in_one_sentence(
    two_conversations: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["embed", "index", "--embeddings", "http://127.0.0.1:1"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("turnkeep: Nobody answers at http://127.0.0.1:1")
    assert err.count("\n") == 1
    # A search goes on with the words.
    assert printed(capsys, "search", "slippers", "--embeddings", "http://127.0.0.1:1")


def test_an_error_in_between_closes_the_embedder(with_model: None, own_home: Path) -> None:
    async def fail(store: SqliteStore) -> None:
        async with open_searcher(load_settings(), store) as searcher:
            assert searcher.embedder is not None
            await searcher.embedder.prepare()
            raise EngineUnreachable("no")

    async def main() -> None:
        store = SqliteStore(own_home / "turnkeep.db")
        with pytest.raises(EngineUnreachable):
            await fail(store)
        assert [thread for thread in threading.enumerate() if thread.name == "turnkeep-embedder"] == []
        assert [line async for line in index_lines(load_settings(), store)] == [
            "There is nothing to index yet."
        ]
        await store.close()

    asyncio.run(main())


def test_without_the_arithmetic_the_commands_say_how_to_get_it(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'simsimd' else find(name, package)\n"
    )
    path = f"{blocked}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [sys.executable, "-m", "turnkeep", "embed", "install"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'turnkeep[embed]'" in done.stderr
    assert done.stderr.count("\n") == 1
