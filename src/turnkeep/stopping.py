"""Break work off when it is asked for, in the task that does it.

A task that only waits for the wish would cost a turn more than what it waits for.
"""

import asyncio
from collections.abc import Callable, Coroutine


class Stop(asyncio.Event):
    """An event that calls back at once when it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.called: Callable[[], None] | None = None  # by `set`

    def set(self) -> None:
        """Set it, and have whoever listens break off."""
        super().set()
        if self.called is not None:
            self.called()


async def run_until(stop: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Do the work until it is done, or until `stop` breaks it off, whatever it waits for.

    Args:
        stop: any event; a `Stop` needs no task that waits for it.
        work: is cancelled when `stop` is set, and has ended when this returns.
    """
    if stop.is_set():
        work.close()
        return
    breaking = _Breaking()
    watch = None
    if isinstance(stop, Stop):
        stop.called = breaking.off
    else:
        watch = asyncio.ensure_future(_call_when(stop, breaking.off))
    try:
        await work
    except asyncio.CancelledError:
        if not breaking.asked or breaking.by_others():
            raise
    finally:
        if isinstance(stop, Stop):
            stop.called = None
        if watch is not None:
            watch.cancel()
        breaking.end()


async def _call_when(stop: asyncio.Event, call: Callable[[], None]) -> None:
    await stop.wait()
    call()


class _Breaking:
    """Cancels the task that it was made in, and takes that back when the work has ended."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._over = False
        self.asked = False  # the task was cancelled, by us

    def off(self) -> None:
        """Cancel; from within the task, as soon as it waits for something."""
        if asyncio.current_task() is self._task:
            asyncio.get_running_loop().call_soon(self.off)
        elif not self._over and not self.asked:
            self.asked = True
            self._task.cancel()

    def by_others(self) -> bool:
        """Whether somebody else has cancelled the task as well."""
        return self._task.cancelling() - 1 > self._before

    def end(self) -> None:
        """The work has ended: nothing is cancelled any more."""
        self._over = True
        if self.asked:
            self._task.uncancel()
