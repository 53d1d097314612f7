"""One thread that owns a database connection, and how coroutines hand it work.

SQLite blocks: a commit waits for the disk, a lock for another process. So the
connection lives in a thread of its own and the event loop never waits. Work is
done in the order in which it is handed in. It is done even when the coroutine
that waits for it is cancelled: a message that was handed in is kept.

What has come together while the thread was busy is done together, in one transaction with a
savepoint for each: of a commit, most is waiting for the disk and writing pages that all share.
Nobody gets an answer before that commit; when it fails, each is done again alone.

The thread and its connection are made when the first work comes, and anew in a
forked process: an SQLite connection must not cross a fork, nor be closed there.
"""

import asyncio
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias, TypeVar

from ...errors import StoreError
from .database import Database

T = TypeVar("T")


MOST_TOGETHER = 64  # pieces of work in one transaction, so that the first does not wait long for the last

Kind: TypeAlias = Literal["read", "write", "alone"]


@dataclass(slots=True)
class _Job:
    """Work for the thread, and where the answer goes. Work None: close and end."""

    work: Callable[[Database], object] | None
    kind: Kind
    loop: asyncio.AbstractEventLoop
    reply: "asyncio.Future[Any]"  # Any: the future of whatever the work returns
    result: object = None
    error: BaseException | None = None

    def do(self, database: Database) -> None:
        """Do the work; what it raises is raised again where it was handed in."""
        assert self.work is not None
        self.result = self.error = None
        try:
            self.result = self.work(database)
        except BaseException as error:
            self.error = error

    def deliver(self) -> None:
        """Give the answer, in the loop that waits for it."""
        if self.reply.done():  # nobody waits any more
            return
        if self.error is None:
            self.reply.set_result(self.result)
        else:
            self.reply.set_exception(self.error)


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

    async def run(self, work: Callable[[Database], T], kind: Kind = "alone") -> T:
        """Have the thread do `work` and give back what it returns or raises.

        Args:
            work: asks the database.
            kind: "read" and "write" may be done together with others, in one transaction: they open
                theirs by `Database.reading`, `writing` or `noting`, and do nothing else that lasts.
                They may be done twice, the first time without effect.
        """
        if self._closed:
            raise StoreError("The store is closed: open another one.")
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[T] = loop.create_future()
        self._live_inbox().put(_Job(work, kind, loop, reply))
        return await reply

    async def close(self) -> None:
        """Finish the work handed in, close the connection and end the thread."""
        self._closed = True
        inbox, self._inbox = self._inbox, None
        if inbox is None or self._pid != os.getpid():
            return
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[None] = loop.create_future()
        inbox.put(_Job(None, "alone", loop, reply))
        await reply

    def _live_inbox(self) -> _Inbox:
        inbox = self._inbox
        if inbox is not None and self._pid == os.getpid():  # as nearly always: without waiting for the lock
            return inbox
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
    taken: tuple[_Job | None] | None
    job = inbox.get()
    while job is not None and job.work is not None:
        jobs, taken = [job], None
        while job.kind != "alone" and len(jobs) < MOST_TOGETHER and not inbox.empty():
            another = inbox.get()
            if another is None or another.kind == "alone":
                taken = (another,)  # it comes next
                break
            jobs.append(another)
        try:
            database = database or open_database()
        except BaseException as error:  # raised again where the work was handed in
            for each in jobs:
                each.error = error
        else:
            if len(jobs) == 1 or not _do_together(database, jobs):
                for each in jobs:
                    each.do(database)
        _answer(jobs)
        job = inbox.get() if taken is None else taken[0]
    if database is not None:
        database.close()
    if job is not None:
        _answer([job])


def _do_together(database: Database, jobs: Sequence[_Job]) -> bool:
    """Do all in one transaction; False, and nothing has happened, where that cannot be."""
    try:
        with database.group(write=any(job.kind == "write" for job in jobs)):
            for job in jobs:
                job.do(database)
                if not database.in_transaction:
                    return False  # SQLite has taken all of it back, as it does where the disk is full
    except sqlite3.Error:
        return False
    return True


def _answer(jobs: Sequence[_Job]) -> None:
    """Hand the answers over, to each loop at once."""
    for loop in {job.loop for job in jobs}:
        mine = [job for job in jobs if job.loop is loop]
        try:
            loop.call_soon_threadsafe(_deliver, mine)
        except RuntimeError:
            pass  # the loop is closed, and with it whoever waited


def _deliver(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.deliver()
