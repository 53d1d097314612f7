"""How a call reaches the database: a function and its arguments, handed to the thread, in one transaction."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from ..migrations import load_migrations
from ..secret import Secret
from .database import BUSY_SECONDS, Database, explain, open_database
from .worker import Worker

P = ParamSpec("P")
T = TypeVar("T")


class Calls:
    """A database in a thread of its own, opened by the first call.

    Args:
        path: the file; made, with its folders, if it is not there. None: in memory.
        busy_seconds: how long a call waits for other processes that write.
        secret: what opens the file where it is encrypted; a new file is then made so. None: it is not.
    """

    def __init__(
        self, path: str | Path | None, *, busy_seconds: float = BUSY_SECONDS, secret: Secret | None = None
    ) -> None:
        self.path = None if path is None else Path(path).absolute()
        self._secret = secret
        opener = partial(
            open_database, self.path, load_migrations("sqlite"), busy_seconds=busy_seconds, secret=secret
        )
        self._worker = Worker(opener, survives_fork=path is not None)

    @property
    def seals_texts(self) -> bool:
        """Whether the file is encrypted, so that texts that are kept elsewhere are to be sealed."""
        return self._secret is not None

    def secret_of(self, copy: Path) -> Secret | None:
        """What opens a copy of this file; None where it is not encrypted: it may have been made before this was."""
        if self._secret is None:
            return None
        from .encrypt import encryption_method

        return None if encryption_method(copy) is None else self._secret

    async def _read(
        self, work: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._run(Database.reading, lambda database: work(database, *args, **kwargs))

    async def _write(
        self, work: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._run(Database.writing, lambda database: work(database, *args, **kwargs))

    async def _note(
        self, work: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write what a power cut may take back."""
        return await self._run(Database.noting, lambda database: work(database, *args, **kwargs))

    async def _erase(
        self, work: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write what takes text out, and then empty the write-ahead log of it."""
        result = await self._write(work, *args, **kwargs)
        await self._worker.run(_empty_log)
        return result

    async def _run(
        self,
        transaction: Callable[[Database], AbstractContextManager[None]],
        work: Callable[[Database], T],
    ) -> T:
        def job(database: Database) -> T:
            try:
                with transaction(database):
                    return work(database)
            except sqlite3.Error as error:
                raise explain(error, database.where) from error

        return await self._worker.run(job, "read" if transaction is Database.reading else "write")


def _empty_log(database: Database) -> None:
    """Move the write-ahead log into the file and cut it to nothing.

    Where another process reads at this moment nothing happens; a later checkpoint overwrites the log.
    """
    try:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise explain(error, database.where) from error
