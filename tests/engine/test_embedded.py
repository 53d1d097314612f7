"""The embedded engine starts by itself, ends with its program, and comes back after a crash."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.engine import templates
from tests.engines import MODEL

from turnkeep.engine.embedded import BUILT_IN_WINDOW, EmbeddedEngine
from turnkeep.errors import EngineUnreachable, MissingExtra, UsageError
from turnkeep.wire.exchange import Request, TextDelta

REX = Request(messages=[{"role": "user", "content": "My dog is called Rex."}], temperature=0)
ENDLESS = Request(messages=REX.messages, max_tokens=-1, sampling={"ignore_eos": True})
END_SECONDS = 15.0  # for a process to end; it takes about one


async def reply(engine: EmbeddedEngine, request: Request = REX) -> str:
    async with aclosing(engine.stream(request)) as deltas:
        return "".join([delta.text async for delta in deltas if isinstance(delta, TextDelta)])


@asynccontextmanager
async def open_engine(engine: EmbeddedEngine) -> AsyncIterator[EmbeddedEngine]:
    try:
        yield engine
    finally:
        await engine.close()


def kill_child(engine: EmbeddedEngine) -> None:
    """Crash it."""
    assert engine._child is not None
    assert engine._child._process is not None
    engine._child._process.kill()
    engine._child._process.wait()


def is_listening(address: str) -> bool:
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=1):
            return True
    except OSError:
        return False


def wait_until_gone(address: str) -> None:
    deadline = time.monotonic() + END_SECONDS
    while is_listening(address):
        assert time.monotonic() < deadline, "the engine outlived its program"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine()
    yield engine
    asyncio.run(engine.close())


def test_it_answers_with_the_model_that_comes_with_it(engine: EmbeddedEngine) -> None:
    assert asyncio.run(reply(engine)) == "Got it. Your dog is called Rex."


def test_it_tells_what_it_is(engine: EmbeddedEngine) -> None:
    info = asyncio.run(engine.probe())
    assert (info.url, engine.url) == ("embedded:reader.gguf", "embedded:reader.gguf")
    assert (info.kind, info.model, info.window) == ("llama.cpp", "reader.gguf", BUILT_IN_WINDOW)
    assert info.counts
    assert repr(engine) == "EmbeddedEngine('embedded:reader.gguf')"


def test_it_counts_and_warms(engine: EmbeddedEngine) -> None:
    async def main() -> None:
        assert await engine.count(REX)
        assert await engine.count_texts(["Rex", ""]) == [2, 0]
        said = Request(messages=[*REX.messages, {"role": "assistant", "content": "Got it."}])
        warmed = await engine.warm(said)
        assert warmed is not None
        assert warmed.prompt_tokens

    asyncio.run(main())


def test_several_loops_use_one_child(engine: EmbeddedEngine) -> None:
    asyncio.run(reply(engine))
    child = engine._child
    asyncio.run(reply(engine))
    assert engine._child is child


def test_nobody_else_may_use_it(engine: EmbeddedEngine) -> None:
    asyncio.run(reply(engine))
    assert engine._engine is not None
    parts = urlsplit(engine._engine.client.url)
    assert parts.hostname == "127.0.0.1"
    stranger = EmbeddedEngine()
    assert engine._child is not None
    assert len(engine._child.key) > 20
    assert engine._child.key not in f"{engine!r} {stranger!r} {engine._engine.client!r}"
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(b"GET /props HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 401 " in connection.recv(100)


def test_the_loop_runs_on_while_it_starts() -> None:
    async def main() -> int:
        ticks = 0
        async with open_engine(EmbeddedEngine()) as engine:
            start = asyncio.create_task(engine.probe())
            while not start.done():
                ticks += 1
                await asyncio.sleep(0.005)
            await start
        return ticks

    assert asyncio.run(main()) > 5


def test_calls_at_the_same_time_start_one_child() -> None:
    async def main() -> None:
        async with open_engine(EmbeddedEngine()) as engine:
            children = set()

            async def probe() -> None:
                await engine.probe()
                children.add(engine._child)

            await asyncio.gather(*(probe() for _ in range(5)))
            assert len(children) == 1

    asyncio.run(main())


def test_a_caller_that_gives_up_does_not_stop_the_start() -> None:
    async def main() -> str:
        async with open_engine(EmbeddedEngine()) as engine:
            first = asyncio.create_task(engine.probe())
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            child = engine._child
            said = await reply(engine)
            assert engine._child is child
            return said

    assert asyncio.run(main()) == "Got it. Your dog is called Rex."


def test_closing_ends_it_and_it_can_be_opened_again() -> None:
    async def main() -> None:
        engine = EmbeddedEngine()
        await engine.close()  # nothing has started
        await engine.probe()
        assert engine._engine is not None
        address = engine._engine.client.url
        await engine.close()
        assert not is_listening(address)
        await engine.close()
        assert await reply(engine) == "Got it. Your dog is called Rex."
        await engine.close()

    asyncio.run(main())


def test_closing_while_it_starts_leaves_nothing() -> None:
    async def main() -> None:
        engine = EmbeddedEngine()
        start = asyncio.create_task(engine.probe())
        await asyncio.sleep(0)
        child = engine._child
        assert child is not None
        await engine.close()
        with pytest.raises(EngineUnreachable):
            await start
        assert not child.alive

    asyncio.run(main())


def test_an_engine_that_is_forgotten_ends_without_a_warning() -> None:
    engine = EmbeddedEngine()
    asyncio.run(engine.probe())
    assert engine._engine is not None
    address = engine._engine.client.url
    del engine
    gc.collect()
    assert not is_listening(address)


# -- what it serves


def test_a_file_of_the_users_is_served_with_its_own_window() -> None:
    async def main() -> None:
        async with open_engine(EmbeddedEngine(MODEL, threads=1)) as engine:
            info = await engine.probe()
            assert (info.window, info.window_source) == (2048, "loaded")

    asyncio.run(main())


def test_a_window_is_taken_and_a_template_too() -> None:
    async def main() -> None:
        engine = EmbeddedEngine(window=600, chat_template=templates.SYSTEM_LATE)
        async with open_engine(engine):
            info = await engine.probe()
            # llama.cpp loads a multiple of 256; what was asked for is kept to all the same.
            assert (info.window, info.window_source) == (600, "user")
            assert info.template.base_in == "first_user"

    asyncio.run(main())


def test_a_model_may_be_named_only_if_it_is_served() -> None:
    async def main() -> None:
        async with open_engine(EmbeddedEngine(model="reader.gguf")) as engine:
            assert (await engine.probe()).model == "reader.gguf"
        async with open_engine(EmbeddedEngine(model="gpt-9")) as engine:
            with pytest.raises(UsageError, match=r"does not serve 'gpt-9': it serves reader\.gguf"):
                await engine.probe()

    asyncio.run(main())


def refusal(engine: EmbeddedEngine) -> UsageError:
    with pytest.raises(UsageError) as caught:
        asyncio.run(engine.probe())
    assert engine._child is None  # nothing was started
    return caught.value


def test_a_window_beyond_what_the_model_learned_is_refused() -> None:
    assert "5,000 tokens is more than the 2,048" in str(refusal(EmbeddedEngine(window=5000)))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    assert "There is no file" in str(refusal(EmbeddedEngine(tmp_path / "none.gguf")))
    (tmp_path / "text.gguf").write_text("hello")
    assert "not a whole GGUF" in str(refusal(EmbeddedEngine(str(tmp_path / "text.gguf"))))


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)  # as Python itself marks what is not there
    error = refusal(EmbeddedEngine())
    assert isinstance(error, MissingExtra)
    assert "pip install 'turnkeep[embedded]'" in str(error)


def test_a_damaged_model_says_what_llama_cpp_said(tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    path.write_bytes(MODEL.read_bytes()[:1_000_000])
    engine = EmbeddedEngine(path)
    with pytest.raises(EngineUnreachable) as caught:
        asyncio.run(engine.probe())
    assert "could not start" in str(caught.value)
    assert "failed to load model" in str(caught.value)
    assert "\n" not in str(caught.value)
    asyncio.run(engine.close())


# -- crashes


def test_after_a_crash_it_is_started_again() -> None:
    async def main() -> None:
        async with open_engine(EmbeddedEngine()) as engine:
            assert await reply(engine) == "Got it. Your dog is called Rex."
            kill_child(engine)
            assert await reply(engine) == "Got it. Your dog is called Rex."
            kill_child(engine)  # it has worked in between: so it may start once more
            assert await reply(engine) == "Got it. Your dog is called Rex."

    asyncio.run(main())


def test_a_crash_that_repeats_is_said() -> None:
    async def main() -> None:
        async with open_engine(EmbeddedEngine()) as engine:
            await engine.probe()
            kill_child(engine)
            await engine.probe()
            kill_child(engine)
            with pytest.raises(EngineUnreachable, match="stopped again"):
                await engine.probe()
            await engine.probe()  # and a person who tries again gets another start

    asyncio.run(main())


def test_a_crash_in_mid_reply_fails_that_reply() -> None:
    async def main() -> None:
        async with open_engine(EmbeddedEngine()) as engine:
            async with aclosing(engine.stream(ENDLESS)) as deltas:
                while not isinstance(await anext(deltas), TextDelta):
                    pass
                kill_child(engine)
                with pytest.raises(EngineUnreachable, match="The embedded engine stopped"):
                    [delta async for delta in deltas]
            assert await reply(engine) == "Got it. Your dog is called Rex."

    asyncio.run(main())


# -- the program's end

PROGRAM = """
import asyncio, os, signal, sys, time
from turnkeep.engine.embedded import EmbeddedEngine
from turnkeep.wire.exchange import Request
engine = EmbeddedEngine()
asyncio.run(engine.probe())
print(engine._engine.client.url, flush=True)
sys.stdin.readline()  # it has been looked at while it ran
"""
INTERRUPTED = """
interrupted = []
signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
print("ready", flush=True)
while not interrupted:
    time.sleep(0.01)
async def ask():
    request = Request(messages=[{"role": "user", "content": "My dog is called Rex."}], temperature=0)
    return [delta async for delta in engine.stream(request)][-1].finish_reason
print(asyncio.run(ask()), flush=True)
"""


@contextmanager
def running_program(end: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a program that uses the engine; it and the engine's address. Nothing of it is left at the end."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    try:
        address = program.stdout.readline().strip()
        assert is_listening(address)
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
        yield program, address
        program.communicate(timeout=END_SECONDS)
        wait_until_gone(address)
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize(
    "end", ["", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["returns", "exits", "is killed"]
)
def test_it_ends_with_the_program(end: str) -> None:
    with running_program(end) as (program, address):
        program.wait(END_SECONDS)
        wait_until_gone(address)
        assert not is_listening(address)


def test_it_ends_with_the_program_though_a_fork_holds_its_pipe() -> None:
    fork = "if os.fork() == 0:\n    os.close(1)\n    sys.stdin.read()\n    os._exit(0)\nos._exit(0)"
    with running_program(fork) as (program, address):
        program.wait(END_SECONDS)
        wait_until_gone(address)  # the fork goes when our end of its standard input closes, after this
        assert not is_listening(address)


def test_ctrl_c_in_the_terminal_does_not_end_it() -> None:
    with running_program(INTERRUPTED) as (program, _):
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to all processes in front
        assert program.stdout.readline() == "stop\n"
