"""Open a database file safely, and say what is wrong with it in one sentence.

Knows files, modes, pragmas, migrations and SQLite's error codes; nothing of conversations.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ... import private
from ...errors import StoreDamaged, StoreError, StoreFull, StoreLocked, StoreTooNew
from ..migrations import Migration
from ..secret import Secret

APPLICATION_ID = 0x746B6570  # "tkep", in the file's header: this is a turnkeep database
OLDEST_SQLITE = (3, 35, 0)  # RETURNING, and what else the statements use
KEYS = "conversation_key"  # the table of the keys of conversations
BUSY_SECONDS = 30.0  # writes take milliseconds; who waits longer than this waits for something broken

# Errors of the disk itself that mean "cannot write" (sqlite.org/rescode.html); ENOSPC is SQLITE_FULL.
_WRITE_FAILURES = frozenset(
    {
        "SQLITE_IOERR_WRITE",
        "SQLITE_IOERR_FSYNC",
        "SQLITE_IOERR_DIR_FSYNC",
        "SQLITE_IOERR_TRUNCATE",
        "SQLITE_IOERR_SHMOPEN",
        "SQLITE_IOERR_SHMSIZE",
    }
)


class Database(sqlite3.Connection):
    """A connection that knows its path and how durable its commits are."""

    where: str  # for messages: the path, or what stands for it
    relaxed = "FULL"  # how `noting` synchronises: "NORMAL" where that cannot harm the file
    sealed = False  # whether what was said is encrypted (sealed.py)
    named = "c.name = ?"  # finds a conversation `c` of an owner `o` by its name
    _synchronous = "FULL"
    _grouped = False  # transactions are parts of one that is open

    def digest_alias(self, text: str) -> str | bytes:
        """What stands for an alias in its table."""
        return text

    def term_digests(self, owner: int, conversation: int) -> Callable[[int], int]:  # noqa: ARG002 - of encrypted ones
        """What turns the numbers of terms into those that stand in a conversation's index."""
        return int

    def opened(self, table: str, column: str, row: str, keys: str = KEYS) -> str:  # noqa: ARG002 - of encrypted ones
        """What stands for the text of a column in SQL.

        Args:
            table: the table.
            column: its column.
            row: what the statement calls the row: OLD, say.
            keys: the table that holds the keys of conversations.
        """
        return f"{row}.{column}"

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read one moment's state, whatever others write meanwhile."""
        if self._grouped:
            yield
            return
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write all or nothing; on the disk when this ends."""
        if self._grouped:
            with self._part():
                yield
            return
        self._set_synchronous("FULL")
        # IMMEDIATE: a reader that turns writer late can be refused at once, whatever the timeout.
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Write all or nothing, without waiting for the disk.

        The commit survives the death of every process, but a power cut may take it back until
        the next `writing`: enough for leases (their holders die too), pieces of a streaming
        reply and counted sizes.
        """
        if self._grouped:
            with self._part():
                yield
            return
        self._set_synchronous(self.relaxed)
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    def _set_synchronous(self, level: str) -> None:
        if self._synchronous != level:
            self.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def unlock(self, secret: Secret | None) -> None:
        """See that the texts can be read; an encrypted database cannot without its secret.

        Raises:
            StoreLocked: it is encrypted.
        """
        assert secret is None
        known = self.execute("SELECT 1 FROM sqlite_master WHERE name = 'encryption'").fetchone()
        if known and self.execute("SELECT 1 FROM encryption").fetchone():
            raise StoreLocked(
                f"{self.where} is encrypted: set TURNKEEP_PASSPHRASE, or encryption_key_file, to what opens it."
            )

    @contextmanager
    def group(self, *, write: bool) -> Iterator[None]:
        """Make one transaction of all that are made within; each is still all or nothing.

        On the disk when this ends, what was only noted too.
        """
        if write:
            self._set_synchronous("FULL")
        with self._transaction("BEGIN IMMEDIATE" if write else "BEGIN"):
            self._grouped = True
            try:
                yield
            finally:
                self._grouped = False

    @contextmanager
    def _part(self) -> Iterator[None]:
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            raise
        self.execute("RELEASE part")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self.execute(begin)
        try:
            yield
            if self.in_transaction:
                self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK")
            raise


def open_database(
    path: Path | None,
    migrations: Sequence[Migration],
    *,
    busy_seconds: float = BUSY_SECONDS,
    secret: Secret | None = None,
    locked: bool = False,
) -> Database:
    """Open the database, made and brought up to date where it must be.

    Args:
        path: its file; None: one in memory.
        migrations: all steps, in order.
        busy_seconds: how long to wait for other processes.
        secret: what opens it where it is encrypted; an empty one becomes so.
        locked: nothing that can be encrypted will be read or written: it needs no secret.

    Raises:
        StoreError: or the subclass that says what is wrong, in one sentence.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            f"This Python has SQLite {sqlite3.sqlite_version}, and turnkeep needs 3.35 or newer: "
            "use a newer Python."
        )
    where = "The store in memory" if path is None else str(path)
    try:
        if path is not None:
            private.make_file(path)
        return _open(path, where, migrations, busy_seconds, secret, locked=locked)
    except sqlite3.Error as error:
        raise explain(error, where) from error
    except OSError as error:
        raise StoreFull(_unwritable(where, error.strerror or str(error))) from error


def explain(error: sqlite3.Error, where: str) -> StoreError:
    """Turn SQLite's error into the one to raise: one sentence that says what to do."""
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", "")
    match None if code is None else code & 0xFF:  # the low byte is the kind, the rest details
        case sqlite3.SQLITE_NOTADB:
            return StoreDamaged(
                f"{where} is not a turnkeep database, or damaged: name another file, or put back a copy."
            )
        case sqlite3.SQLITE_ERROR if "user-defined function" in str(
            error
        ):  # of sealed.py: it could not open a value
            return StoreDamaged(_damaged(where, "an encrypted value is not what was written in its place"))
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR:  # ERROR: a table is not what it should be
            return StoreDamaged(_damaged(where, str(error)))
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"No space is left for {where}: free some and try again.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreFull(_unwritable(where, str(error)))
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(f"{where} is held by another program: close that one, or try again.")
    if name in _WRITE_FAILURES:
        return StoreFull(_unwritable(where, str(error)))
    if code is None and "decode" in str(error).lower():  # Python's own: text that is not UTF-8
        return StoreDamaged(_damaged(where, "text that is not UTF-8"))
    return StoreError(f"{where} failed ({error}): check the disk, then try again.")


def _open(
    path: Path | None,
    where: str,
    migrations: Sequence[Migration],
    busy_seconds: float,
    secret: Secret | None,
    *,
    locked: bool,
) -> Database:
    deadline = time.monotonic() + busy_seconds
    factory = _factory(secret)
    while True:
        opened = _file_number(path)
        database = sqlite3.connect(
            path or ":memory:", timeout=busy_seconds, isolation_level=None, factory=factory
        )
        database.where = where
        try:
            _prepare(database, path, migrations)
            if not locked:
                database.unlock(secret)
        except sqlite3.DatabaseError as error:
            database.close()
            # The switch to WAL and the recovery of a log do not wait for the other
            # process that does the same at this moment, whatever the timeout says.
            # Another file may be there since: the encrypted one in place of the plain one.
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not (busy or _file_number(path) != opened) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # this is the store's own thread
        except BaseException:
            database.close()
            raise
        else:
            if _file_number(path) == opened:
                return database
            database.close()  # it was replaced while this one waited for it (backups.py)


def _file_number(path: Path | None) -> int | None:
    """What tells a file from another one that takes its name; None: there is none."""
    try:
        return None if path is None else path.stat().st_ino
    except FileNotFoundError:
        return None


def _factory(secret: Secret | None) -> type[Database]:
    if secret is None:
        return Database
    from .sealed import SealedDatabase  # with all that encrypts, which most databases do without

    return SealedDatabase


def _prepare(database: Database, path: Path | None, migrations: Sequence[Migration]) -> None:
    newest = migrations[-1].number
    _check_identity(database, newest)  # before anything is written to what may be someone else's file
    if path is not None:
        for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            private.check(file)
    # Some network file systems refuse the log; SQLite then goes on with its older journal,
    # which is as safe as long as every commit waits for the disk.
    (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
    database.relaxed = "NORMAL" if mode == "wal" else "FULL"
    for pragma in (
        "journal_size_limit = 4194304",  # bytes the log keeps after a checkpoint: what 1,000 pages take
        "synchronous = FULL",  # the user's message is on the disk before the engine is called
        "secure_delete = ON",  # what is deleted is overwritten
        "foreign_keys = ON",
        "temp_store = MEMORY",  # nothing that was said is sorted in a temporary file
    ):
        database.execute(f"PRAGMA {pragma}")
    migrate(database, migrations)


def _check_identity(database: Database, newest: int) -> None:
    with database.reading():
        application = _pragma(database, "application_id")
        version = _pragma(database, "user_version")
        tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreDamaged(f"{database.where} is a database of another program: name another file.")
    if version > newest:
        raise StoreTooNew(
            f"{database.where} was made by a newer turnkeep (its version is {version}, "
            f"this one knows {newest}): upgrade turnkeep, or name another file."
        )


def migrate(database: Database, migrations: Sequence[Migration]) -> None:
    """Apply the steps that are missing, each in one transaction with its record.

    Of two processes that come at once, one waits and finds nothing left to do.
    """
    for step in migrations:
        if _pragma(database, "user_version") >= step.number:
            continue
        with database.writing():
            if _pragma(database, "user_version") >= step.number:  # another process was first
                continue
            for statement in _split_statements(step.sql):
                database.execute(statement)
            database.execute(
                "INSERT INTO migration (number, name, applied) VALUES (?, ?, ?)",
                (step.number, step.name, time.time()),
            )
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {step.number}")


def _split_statements(sql: str) -> Iterator[str]:
    # Not executescript(): it commits first, and a step must be one transaction.
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _pragma(database: Database, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _damaged(where: str, reason: str) -> str:
    return f"{where} is damaged ({reason}): put back a copy, or name another file."


def _unwritable(where: str, reason: str) -> str:
    return f"{where} cannot be written ({reason}): make room and give leave to write there, or name another file."
