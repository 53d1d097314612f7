"""Who hears Ctrl-C, and how the program ends when it is told to from outside.

While a reply streams, Ctrl-C stops the reply; at the prompt it is a key and clears the line;
elsewhere it ends the program. SIGTERM and a closed terminal end it too, after what was said is kept.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType

_ENDING = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Interrupts:
    """Routes signals on the running loop; made by the task that ends when one says so."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "made inside of a task"
        self._loop, self._task = asyncio.get_running_loop(), task
        self._action: Callable[[], object] | None = None
        self.ended_by: int | None = None  # number of the signal that ends the program
        self._listen(signal.SIGINT, self._on_interrupt)
        for name in _ENDING:
            if hasattr(signal, name):
                number = getattr(signal, name)
                self._listen(number, partial(self._end, number))

    @contextlib.contextmanager
    def heard_by(self, action: Callable[[], object]) -> Iterator[None]:
        """Inside of the block an interrupt calls `action` and does not end the program."""
        before, self._action = self._action, action
        try:
            yield
        finally:
            self._action = before

    @property
    def exit_status(self) -> int:
        """The status by which shells know the signal."""
        return 128 + (self.ended_by or signal.SIGINT)

    def _on_interrupt(self) -> None:
        if self._action is not None:
            self._action()
        else:
            self._end(signal.SIGINT)

    def _end(self, number: int) -> None:
        if self.ended_by is None:  # a second signal must not interrupt the keeping of what was said
            self.ended_by = number
            self._task.cancel()

    def _listen(self, number: int, heard: Callable[[], object]) -> None:
        if sys.platform != "win32":
            self._loop.add_signal_handler(number, heard)
            return

        def pass_on(_number: int, _frame: FrameType | None) -> None:
            self._loop.call_soon_threadsafe(heard)

        signal.signal(number, pass_on)
