import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.engines import RealEngine
from turnkeep.cli import run
from turnkeep.terminal.piped import MAX_LINE_BYTES, Lines, read_message


def read_lines(*blocks: bytes) -> list[bytes]:
    """Write blocks into a pipe and read them as lines."""
    reader, writer = os.pipe()

    def write() -> None:
        with open(writer, "wb") as file:
            file.writelines(blocks)

    thread = threading.Thread(target=write)
    thread.start()

    async def work() -> list[bytes]:
        lines = Lines(reader)
        found = [line async for line in lines.read()]
        assert lines.number == len(found)
        return found

    try:
        return asyncio.run(work())
    finally:
        thread.join()
        os.close(reader)


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"", []),
        (b"one\n", [b"one"]),
        (b"one\ntwo", [b"one", b"two"]),
        (b"\n\n", [b"", b""]),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
        (b"x" * 200_000 + b"\ny\n", [b"x" * 200_000, b"y"]),
    ],
)
def test_input_is_read_line_by_line(written: bytes, lines: list[bytes]) -> None:
    assert read_lines(written) == lines


def test_a_line_without_end_is_not_held_in_memory() -> None:
    (cut, last) = read_lines(*[b"x" * 1_000_000] * (MAX_LINE_BYTES // 1_000_000 + 2), b"\nlast\n")
    assert len(cut) < MAX_LINE_BYTES
    assert read_message(cut, 1) is None
    assert last == b"last"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello", "hello"),
        (b"hello\r", "hello"),
        ("\ufeffgrüß dich".encode(), "grüß dich"),
        (b" \t ", ""),
        (b"", ""),
        (b"\r", ""),
        (b"\xff", None),
        (b"a\0b", None),
        ("hello".encode("utf-16"), None),
        (b"/help", "/help"),
    ],
)
def test_a_line_is_a_message_or_blank_or_no_text(line: bytes, message: str | None) -> None:
    assert read_message(line, 1) == message


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "turnkeep", "chat", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "TURNKEEP_HOME": str(home)},
    )  # fmt: skip


def test_a_reply_comes_before_the_next_line_is_written(llama: RealEngine, tmp_path: Path) -> None:
    with start(tmp_path, "--engine", llama.url, "--temperature", "0") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"My name is Ana.\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"Got it. Your name is Ana.\n"
        os.kill(process.pid, signal.SIGINT)  # while it waits for input
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_terminated_reply_is_kept_as_cut_off(
    llama: RealEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "long.toml"
    config.write_text("max_tokens = 1800\n[sampling]\nignore_eos = true\nseed = 7\n")
    with start(tmp_path, "cut", "--engine", llama.url, "--config", str(config)) as process:
        assert process.stdin is not None
        process.stdin.write(b"Tell me.\n")
        process.stdin.flush()
        while b"half" not in (seen := partial_of(tmp_path)):
            assert process.poll() is None, seen
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 143
        assert process.stdout is not None
        assert process.stdout.read() == b"", "no half reply is written as a reply"
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path))
    assert run(["show", "cut"]) == 0
    assert ", cut off\nyou: Tell me.\nmodel: " in capsys.readouterr().out


def partial_of(home: Path) -> bytes:
    """Ask the store whether the reply has begun; b"half" when it has."""
    from turnkeep.store.sqlite import SqliteStore

    async def work() -> bytes:
        store = SqliteStore(home / "turnkeep.db")
        try:
            row = await store.find_conversation("local", "cut")
            if row is None or row.turns == 0:
                return b"not asked yet"
            return b"half" if await store.load_partial("local", row.id, 1) else b"not begun"
        finally:
            await store.close()

    return asyncio.run(work())
