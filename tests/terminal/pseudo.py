"""A terminal to type into: a real pseudo-terminal with the chat in it, and what its screen shows."""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import pexpect
import pyte

WAIT_SECONDS = 30.0  # for a busy machine; as a rule a tenth of a second is enough
LEAVE_HINT = "Ctrl-D or /quit ends the chat."


TURNKEEP = (sys.executable, "-m", "turnkeep")


class Terminal:
    """Runs `turnkeep` with these arguments.

    Args:
        arguments: of the command.
        columns: width of the terminal.
        rows: height of the terminal.
        program: the program, and what comes before the arguments.
        environ: further variables.
    """

    def __init__(
        self,
        *arguments: str,
        columns: int = 80,
        rows: int = 24,
        program: tuple[str, ...] = TURNKEEP,
        **environ: str,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.child = pexpect.spawn(
            program[0], [*program[1:], *arguments], dimensions=(rows, columns), timeout=WAIT_SECONDS,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environ},
        )  # fmt: skip
        # Answers where the cursor is, when asked.
        self.screen.write_process_input = self.child.send  # type: ignore[method-assign]  # pyte's seam for this

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()  # pexpect's own patience is a tenth of a second: too short on a busy machine
        self.child.close()

    @property
    def text(self) -> str:
        """What stands in the scrollback and on the screen, without spaces at line ends."""
        above = [
            "".join(line[column].data for column in range(len(line) and max(line) + 1))
            for line in self.screen.history.top
        ]
        return "\n".join(line.rstrip() for line in [*above, *self.screen.display]).rstrip()

    def wait(self, words: str, times: int = 1) -> str:
        """Read until the words stand there that many times. Returns the text."""
        return self._until(lambda: self.text.count(words) >= times, f"{words!r} {times} times")

    def wait_grown(self, after: str, lines: int) -> str:
        """Read until more than that many lines with words stand below the last `after`. Returns the text."""
        return self._until(lambda: self._below(after) > lines, f"{lines} lines after {after!r}")

    def _below(self, after: str) -> int:
        _, found, below = self.text.rpartition(after)
        return sum(bool(line.strip()) for line in below.split("\n")) if found else 0

    def wait_gone(self, words: str) -> str:
        """Read until the words stand nowhere any more. Returns the text."""
        return self._until(lambda: words not in self.text, f"the end of {words!r}")

    def wait_ready(self) -> str:
        """Read until the line below the input is there: the chat waits for what is typed."""
        return self._until(
            lambda: self._bottom.startswith(("base ", "█", "▓", "░", "·")), "the line below the input"
        )

    @property
    def _bottom(self) -> str:
        return next((line for line in reversed(self.screen.display) if line.strip()), "")

    def _until(self, done: Callable[[], bool], what: str) -> str:
        deadline = time.monotonic() + WAIT_SECONDS
        while not done():
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{what} did not come:\n{self.text[-2_000:]}")
        return self.text

    def _read(self, seconds: float) -> bool:
        """Take what was written; False when nothing came in time, or nothing will."""
        try:
            block = self.child.read_nonblocking(65_536, timeout=max(0.0, seconds))
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        self.raw += block
        self._stream.feed(block)
        return True

    def type(self, keys: str) -> None:
        """Press keys."""
        self.child.send(keys)

    def say(self, message: str, *, until: str, times: int = 1) -> str:
        """Send a message and wait for words, then for the next prompt. Returns the text."""
        before = self.text.count(until)
        self.type(f"{message}\r")
        self.wait(until, before + times)
        return self.wait_ready()

    def answered(self, message: str) -> str:
        """Send a message, and wait until it is answered, whatever the answer is. Returns the reply."""
        before = self._inputs().count(message)
        self.type(f"{message}\r")
        self._until(
            lambda: self._inputs().count(message) > before and self._inputs()[-1] == "",
            f"a reply to {message!r}",
        )
        said = self.text.rpartition(f"› {message}\n")[2]
        return said.partition("\n›")[0].strip()

    def _inputs(self) -> list[str]:
        """What stands at each prompt."""
        return [line.removeprefix("›").strip() for line in self.text.split("\n") if line.startswith("›")]

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a person drags the window's corner."""
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def end(self) -> int:
        """Read to the end. Returns the exit status."""
        while self._read(WAIT_SECONDS):
            pass
        self.child.close()
        status = self.child.exitstatus
        assert status is not None, f"ended by signal {self.child.signalstatus}"
        return int(status)
