"""The built-in embedder's process: started when it is needed, started again when it died, gone at the end."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.embed.model import model_folder

from turnkeep.embed import builtin
from turnkeep.embed.builtin import PORTION_CHARACTERS, BuiltInEmbedder, find_model, split_portions
from turnkeep.embed.minilm import MiniLM
from turnkeep.errors import EngineProtocolError, EngineUnreachable, MissingExtra, TurnkeepError, UsageError

TEXTS = ["My dog is called Biscuit.", "Wo steht mein Fahrrad?", "", "我的猫叫小白。"]
Use = Callable[[BuiltInEmbedder], Awaitable[None]]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Every process that an embedder starts, in order."""
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: what Popen takes
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr("turnkeep.embed.builtin.subprocess.Popen", Recorded)
    yield started
    assert all(process.poll() is not None for process in started), "a process outlived its embedder"


def use(work: Use, folder: Path | None = None) -> None:
    """Run with an embedder, and close it."""

    async def main() -> None:
        embedder = BuiltInEmbedder(folder)
        try:
            await work(embedder)
        finally:
            await embedder.close()

    asyncio.run(main())


def instead_of_python(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have a shell script started in place of the embedder's own program."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))


async def refused(embedder: BuiltInEmbedder, kind: type[TurnkeepError]) -> str:
    with pytest.raises(kind) as caught:
        await embedder.embed(["x", "y"])
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_it_gives_the_models_vectors_of_any_number_of_texts(processes: list[Any]) -> None:
    expected = MiniLM(model_folder()).pack(TEXTS)

    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        await embedder.prepare()
        assert await embedder.embed(TEXTS) == pytest.approx(expected)
        assert await embedder.embed([]) == []
        together = await asyncio.gather(*(embedder.embed([text]) for text in TEXTS * 3))
        assert [len(vectors) for vectors in together] == [1] * 12
        assert together[0] == together[4] == together[8]
        assert len(processes) == 1


def test_a_process_that_died_unasked_is_started_again(processes: list[Any]) -> None:
    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        before = await embedder.embed(TEXTS)
        processes[0].kill()
        processes[0].wait()
        assert await embedder.embed(TEXTS) == before
        assert len(processes) == 2


def test_a_process_that_dies_while_it_is_asked_is_told_once_and_started_again(processes: list[Any]) -> None:
    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        before = await embedder.embed(TEXTS)
        processes[0].send_signal(signal.SIGSTOP)
        asked = asyncio.ensure_future(embedder.embed(TEXTS))
        await asyncio.sleep(0)  # the order is in the thread's queue
        processes[0].kill()
        with pytest.raises(EngineUnreachable, match="built-in embedder stopped: it will be started again"):
            await asked
        assert await embedder.embed(TEXTS) == before


def test_ctrl_c_is_for_the_chat_and_does_not_end_it(processes: list[Any]) -> None:
    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        await embedder.prepare()
        processes[0].send_signal(signal.SIGINT)
        await embedder.prepare()
        assert len(processes) == 1


def test_it_ends_when_nothing_was_embedded_for_a_while(
    processes: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin, "IDLE_SECONDS", 0.01)

    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        await embedder.prepare()
        assert await asyncio.to_thread(processes[0].wait, 30) == 0
        await embedder.prepare()
        assert len(processes) == 2


def test_who_gives_up_waiting_leaves_it_usable(processes: list[Any]) -> None:
    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        asked = asyncio.ensure_future(embedder.embed(TEXTS))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert len(await embedder.embed(TEXTS)) == len(TEXTS)
        assert len(processes) == 1


def test_it_serves_one_event_loop_after_another_and_starts_again_after_it_was_closed(
    processes: list[Any],
) -> None:
    embedder = BuiltInEmbedder()
    asyncio.run(embedder.close())  # nothing to end yet
    first = asyncio.run(embedder.embed(TEXTS[:1]))
    assert asyncio.run(embedder.embed(TEXTS[:1])) == first
    assert len(processes) == 1
    asyncio.run(embedder.close())
    assert processes[0].poll() == 0
    assert asyncio.run(embedder.embed(TEXTS[:1])) == first
    asyncio.run(embedder.close())
    assert len(processes) == 2


def test_a_model_that_is_not_installed_is_asked_for_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "find_model", lambda: None)

    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        assert "run turnkeep embed install" in await refused(embedder, UsageError)


def test_what_it_computes_with_is_asked_for_by_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(builtin, "has_arithmetic", lambda: False)

    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        assert "pip install 'turnkeep[embed]'" in await refused(embedder, MissingExtra)


def test_a_folder_without_a_whole_model_is_told_with_the_reason(tmp_path: Path) -> None:
    async def work(embedder: BuiltInEmbedder) -> None:
        sentence = await refused(embedder, EngineUnreachable)
        assert "config.json" in sentence
        assert "run turnkeep embed install" in sentence

    use(work, tmp_path)


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("exit 3", EngineUnreachable, "stopped"),
        ("printf '{\"rea'", EngineUnreachable, "stopped"),
        ("echo '{\"ready\": 384}'", EngineUnreachable, "stopped"),
        ('echo \'{"ready": 2}\'; read line; echo \'{"vectors": 1, "bytes": 2}\'; printf ab', EngineProtocolError, "broke off"),
        ('echo \'{"ready": 2}\'; read line; echo \'{"vectors": 2, "bytes": 2}\'; printf abc', EngineProtocolError, "broke off"),
    ],
)  # fmt: skip
def test_a_process_that_says_less_than_it_should_is_told_in_one_sentence(
    script: str, kind: type[TurnkeepError], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_python(tmp_path, monkeypatch, script)

    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        assert words in await refused(embedder, kind)


def test_a_program_that_cannot_be_started_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))

    @use
    async def _(embedder: BuiltInEmbedder) -> None:
        assert "could not start (No such file" in await refused(embedder, EngineUnreachable)


def test_a_forked_process_starts_its_own(processes: list[Any]) -> None:
    embedder = BuiltInEmbedder()
    first = asyncio.run(embedder.embed(TEXTS[:1]))
    embedder._pid = os.getpid() + 1  # as after a fork, whose child has no thread
    assert asyncio.run(embedder.embed(TEXTS[:1])) == first
    assert len(processes) == 2
    asyncio.run(embedder.close())
    processes[0].communicate()  # the parent's own end closes it


def test_the_model_is_found_where_its_package_is_and_only_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(builtin, "PACKAGE", "model-of-a-test")
    assert find_model() is None
    package = tmp_path / "model_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('it must never be imported')\n")
    assert find_model() is None
    (package / "model").mkdir()
    (package / "model/model.safetensors").write_bytes(b"")
    assert find_model() == package / "model"


@given(st.lists(st.text(max_size=600), max_size=12))
def test_portions_are_small_and_hold_all_texts_in_their_order(texts: list[str]) -> None:
    portions = list(split_portions(texts))
    assert [text for portion in portions for text in portion] == texts
    assert all(
        len(portion) == 1 or 0 < sum(map(len, portion)) <= PORTION_CHARACTERS or not any(portion)
        for portion in portions
    )
