"""The line that moves while one waits: what the engine is doing, on one line that leaves no trace."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

from rich.console import Console

from .screen import Signs, one_line

TICK_SECONDS = 0.1
SHOW_SECONDS_AFTER = 2.0  # a wait shorter than this needs no clock


class Waiting:
    """A spinner with a text. Nothing is drawn where a line cannot be taken back."""

    def __init__(self, console: Console, signs: Signs) -> None:
        self._console, self._signs = console, signs
        self._draws = console.is_terminal and not console.is_dumb_terminal
        self._task: asyncio.Task[None] | None = None
        self._text = ""
        self._began = 0.0

    def start(self, text: str) -> None:
        """Show the line, or change its text."""
        self._text = text
        if self._draws and self._task is None:
            self._began = time.monotonic()
            self._task = asyncio.get_running_loop().create_task(self._spin())

    def stop(self) -> None:
        """Take the line away; the cursor stands where it began."""
        if self._task is not None:
            self.make_way()
            self._task.cancel()
            self._task = None

    def make_way(self) -> None:
        """Take the line away until its next tick: something else is printed here, and it goes on below."""
        if self._task is not None:
            self._write("\r\x1b[K")

    @contextlib.contextmanager
    def shown(self, text: str) -> Iterator[None]:
        """Show the line inside of the block."""
        self.start(text)
        try:
            yield
        finally:
            self.stop()

    async def _spin(self) -> None:
        turns = 0
        while True:
            sign = self._signs.spinner[turns % len(self._signs.spinner)]
            # One cell is left free: some terminals break the line when its last cell is filled.
            self._write(f"\r{one_line(f'{sign} {self._line()}', self._console.width - 1, '')}\x1b[K")
            turns += 1
            await asyncio.sleep(TICK_SECONDS)

    def _line(self) -> str:
        seconds = time.monotonic() - self._began
        return f"{self._text} {seconds:.0f} s" if seconds >= SHOW_SECONDS_AFTER else self._text

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()
