"""What comes through a pipe is read like a file, and stays nowhere, however the process ends."""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.portable.files import write_log
from tests.portable.test_carrying import files_of_all_programs, kinds, whole_export
from tests.stores import with_store

from turnkeep.carrying import Wish, import_file
from turnkeep.cli import run
from turnkeep.portable.piped import Piped
from turnkeep.portable.recognise import recognise
from turnkeep.store.sqlite import SqliteStore

CANARY = b"zora.quill@canary-mail.example "


def test_several_read_it_at_their_own_places() -> None:
    with Piped(io.BytesIO(b"one\ntwo\nthree")) as piped:
        first, second = piped.open("rb"), piped.open("rb")
        assert first.readline() == b"one\n"
        assert second.read() == b"one\ntwo\nthree"
        assert first.read(3) == b"two"
        assert first.seek(-5, os.SEEK_END) == 8
        assert first.read() == b"three"
        assert first.seek(0) == 0
        assert first.seek(4, os.SEEK_CUR) == 4
        assert first.readline() == b"two\n"
        assert piped.stat().st_size == 13


def test_what_all_programs_wrote_comes_in_as_it_does_from_files(tmp_path: Path) -> None:
    said: list[list[str]] = []
    paths = files_of_all_programs(tmp_path)
    for piped in (False, True):

        async def work(store: SqliteStore) -> None:
            for path in paths:
                with Piped(io.BytesIO(path.read_bytes())) as pipe:
                    source = pipe if piped else path  # noqa: B023 - run at once
                    assert recognise(source) == recognise(path)
                    found = import_file(store, "local", source, Wish(), lambda done, total: None)
                    assert set(kinds([outcome async for outcome in found])) == {"imported"}
            said.append(sorted(said_in(await whole_export(store))))

        with_store(None, work)
    assert said[0] == said[1]
    assert len(said[0]) > 10


def said_in(export: str) -> list[str]:
    """What an export says of turns, without its times."""
    rows = [json.loads(line) for line in export.splitlines()]
    return [json.dumps([body for _, body, _ in row["items"]]) for row in rows if row["kind"] == "turn"]


def test_a_log_that_was_kept_with_a_write_ahead_log_is_read(tmp_path: Path) -> None:
    path = write_log(tmp_path / "logs.db")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert path.read_bytes()[18:20] == b"\2\2"
    with Piped(io.BytesIO(path.read_bytes())) as piped:
        assert recognise(piped) == "llm"


@pytest.mark.parametrize("form", [[], ["--format", "llm"]])
@pytest.mark.parametrize("content", [b"SQLite format 3\0 and nothing", b"{", b""])
def test_what_is_damaged_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    form: list[str], content: bytes,
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert run(["import", "-", "--db", str(tmp_path / "a.db"), *form]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "database is damaged" in line if form else line.startswith("turnkeep: Standard input is ")


def test_nothing_of_it_is_left_when_the_process_is_killed(tmp_path: Path) -> None:
    temporary, home = tmp_path / "temporary", tmp_path / "home"
    temporary.mkdir()
    environ = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    child = subprocess.Popen(
        [sys.executable, "-m", "turnkeep", "import", "-", "--db", str(home / "a.db")],
        stdin=subprocess.PIPE, env={**environ, "TURNKEEP_HOME": str(home)},
    )  # fmt: skip
    assert child.stdin is not None
    try:
        child.stdin.write(CANARY * 100_000)  # far more than a pipe holds: most of it has been taken and kept
        child.stdin.flush()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdin.close()
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in left if CANARY.strip() in path.read_bytes()] == []
    assert list(temporary.iterdir()) == []
