"""One thread that owns a database connection, and how coroutines hand it work.

SQLite blocks: a commit waits for the disk, a lock for another process. So the
connection lives in a thread of its own and the event loop never waits. Work is
done in the order in which it is handed in. It is done even when the coroutine
that waits for it is cancelled: a message that was handed in is kept.

The thread and its connection are made when the first work comes, and anew in a
forked process: an SQLite connection must not cross a fork, nor be closed there.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

from ...errors import StoreError
from .database import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    """Work for the thread, and where the answer goes. Work None: close and end."""

    work: Callable[[Database], object] | None
    loop: asyncio.AbstractEventLoop
    reply: "asyncio.Future[Any]"  # Any: the future of whatever the work returns

    def answer(self, result: object, error: BaseException | None = None) -> None:
        def deliver() -> None:
            if self.reply.done():  # nobody waits any more
                return
            if error is None:
                self.reply.set_result(result)
            else:
                self.reply.set_exception(error)

        try:
            self.loop.call_soon_threadsafe(deliver)
        except RuntimeError:
            pass  # the loop is closed, and with it whoever waited


_Inbox = SimpleQueue[_Job | None]


class Worker:
    """Runs work on a connection of its own.

    Args:
        open_database: opens the connection; called in the thread, again after it failed.
        survives_fork: whether a forked process may open it anew (a file) or not (memory).
    """

    def __init__(self, open_database: Callable[[], Database], *, survives_fork: bool) -> None:
        self._open_database = open_database
        self._survives_fork = survives_fork
        self._inbox: _Inbox | None = None
        self._pid = 0  # the process whose thread serves the inbox
        self._closed = False
        self._starting = threading.Lock()

    async def run(self, work: Callable[[Database], T]) -> T:
        """Have the thread do `work` and give back what it returns or raises."""
        if self._closed:
            raise StoreError("The store is closed: open another one.")
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[T] = loop.create_future()
        self._live_inbox().put(_Job(work, loop, reply))
        return await reply

    async def close(self) -> None:
        """Finish the work handed in, close the connection and end the thread."""
        self._closed = True
        inbox, self._inbox = self._inbox, None
        if inbox is None or self._pid != os.getpid():
            return
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[None] = loop.create_future()
        inbox.put(_Job(None, loop, reply))
        await reply

    def _live_inbox(self) -> _Inbox:
        with self._starting:
            if self._inbox is not None and self._pid == os.getpid():
                return self._inbox
            if self._inbox is not None and not self._survives_fork:
                raise StoreError("A store in memory stays in the process that made it: use a file.")
            self._inbox, self._pid = SimpleQueue(), os.getpid()
            arguments = (self._inbox, self._open_database)
            threading.Thread(target=_serve, args=arguments, name="turnkeep-store", daemon=True).start()
            # A store that is dropped without close() ends its thread all the same.
            weakref.finalize(self, self._inbox.put, None)
            return self._inbox


def _serve(inbox: _Inbox, open_database: Callable[[], Database]) -> None:
    # The connection is known to this frame only, which a forked process leaves
    # alone: closing it there would take the files away from under this process.
    database: Database | None = None
    while (job := inbox.get()) is not None and job.work is not None:
        try:
            if database is None:
                database = open_database()
            result = job.work(database)
        except BaseException as error:  # raised again where the work was handed in
            job.answer(None, error)
        else:
            job.answer(result)
    if database is not None:
        database.close()
    if job is not None:
        job.answer(None)
