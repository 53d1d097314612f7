"""Turn a database into an encrypted one, and change what opens it.

The encrypted one is written beside the old one, which nobody else may use meanwhile, and then takes
its place in one step: whoever is killed before that has the old one whole, whoever is killed
after has the new one whole. Then the old file is overwritten and removed.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import StoreError, StoreLocked
from ..ids import conversation_id
from ..migrations import load_migrations
from ..secret import Secret
from .database import Database, explain, open_database
from .postings import TABLES, index_slice
from .sealed import SealedDatabase, check_columns, list_tables, save_header
from .wiping import NEW, OLD, drop_unfinished, kept_open, overwrite, sync, wipe_leftover

ALONE_SECONDS = 5.0  # how long other processes get to end what they write
_OWN = {"migration", "encryption", "conversation_key"}  # rows of the new file's own
_INDEX = set(TABLES)  # made anew


@dataclass(frozen=True, slots=True)
class Encrypted:
    """What was encrypted: conversations, and the bytes of the old file that were overwritten.

    backups: of before, which are not.
    """

    conversations: int
    wiped_bytes: int
    backups: tuple[Path, ...] = ()


def encryption_method(path: Path) -> str | None:
    """What opens a database: "passphrase" or "key_file"; None where it is not encrypted, or not there."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT method FROM encryption").fetchone()
    except sqlite3.Error:
        return None  # older than encryption, or no database: opening it says what is wrong
    return None if row is None else str(row[0])


def change_secret(path: Path, secret: Secret, new: Secret) -> None:
    """Have another secret open the database: its keys are wrapped anew, nothing else is written.

    Raises:
        StoreLocked: it is not encrypted, or `secret` does not open it; nothing was changed.
    """
    if encryption_method(path) is None:
        raise StoreLocked(f"{path} is not encrypted: run `turnkeep encrypt` without --change.")
    with contextlib.closing(open_database(path, load_migrations("sqlite"), secret=secret)) as database:
        assert isinstance(database, SealedDatabase)
        header = database.wrap_with(new)
        try:
            with database.writing():
                save_header(database, header)
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise explain(error, str(path)) from error


def encrypt(path: Path, secret: Secret) -> Encrypted:
    """Turn a database into an encrypted one; where there is none, make one.

    Raises:
        StoreLocked: it is encrypted already.
        StoreError: another process uses it, or it cannot be written; it is as it was.
    """
    migrations = load_migrations("sqlite")
    if not path.exists():
        open_database(path, migrations, secret=secret).close()
        return Encrypted(conversations=0, wiped_bytes=0)
    if encryption_method(path) is not None:
        raise StoreLocked(
            f"{path} is encrypted already: run `turnkeep encrypt --change` to change what opens it."
        )
    made = path.with_name(path.name + NEW)
    try:
        with _opened_alone(path) as old:
            _remove_leftovers(path)  # not before: they might be what another process is writing
            with contextlib.closing(open_database(made, migrations, secret=secret)) as new:
                assert isinstance(new, SealedDatabase)
                _copy(old, new)
            (conversations,) = old.execute("SELECT count(*) FROM conversation").fetchone()
            backups = [Path(path) for (path,) in old.execute("SELECT path FROM backup ORDER BY number")]
            wiped = _swap(path, made)
    except sqlite3.Error as error:
        raise explain(error, str(path)) from error
    except OSError as error:
        raise StoreError(
            f"{path} was not encrypted ({error.strerror}): make room, then try again."
        ) from error
    return Encrypted(
        conversations=conversations,
        wiped_bytes=wiped,
        backups=tuple(backup for backup in backups if backup.exists()),
    )


# -- the old one ----------------------------------------------------------------------------------------
@contextlib.contextmanager
def _opened_alone(path: Path) -> Iterator[Database]:
    """Open the old database so that no other connection reads or writes it."""
    with contextlib.closing(
        open_database(path, load_migrations("sqlite"), busy_seconds=ALONE_SECONDS)
    ) as old:
        with kept_open(Path(f"{path}-wal")) as log:
            try:
                # Out of the write-ahead log, which takes being the only connection; then nobody else comes in.
                old.execute("PRAGMA journal_mode = DELETE").fetchone()
                old.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise _in_use(path) from error
            if old.execute("PRAGMA journal_mode").fetchone() != ("delete",):
                raise _in_use(path)
            if log is not None:
                overwrite(log)  # SQLite has taken it away, as it was
        yield old


def _in_use(path: Path) -> StoreError:
    return StoreError(f"{path} is in use: end the chats and gateways that have it open, then try again.")


# -- copying --------------------------------------------------------------------------------------------
def _copy(old: Database, new: SealedDatabase) -> None:
    check_columns(old)
    tables = list_tables(old)
    new.execute("PRAGMA foreign_keys = OFF")  # tables come in any order; checked at the end
    new.execute("PRAGMA journal_mode = MEMORY").fetchone()  # nobody knows of the file yet
    new.execute("PRAGMA synchronous = OFF")  # it is put on the disk whole, before it is named
    new.execute("BEGIN")
    first = [
        table for table in ("owner", "conversation") if table in tables
    ]  # their keys come before what they seal
    for table in (*first, *(table for table in tables if table not in (*first, *_OWN, *_INDEX))):
        _copy_table(old, new, table)
    for sequence in old.execute("SELECT seq, name FROM sqlite_sequence"):
        new.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", sequence)
    for owner, key in old.execute(
        "SELECT o.name, c.key FROM conversation AS c JOIN owner AS o ON o.number = c.owner"
    ):
        _index(new, owner, conversation_id(key))
    if new.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise StoreError(f"{old.where} holds rows that belong to nothing: put back a copy, then try again.")
    new.execute("COMMIT")


def _copy_table(old: Database, new: SealedDatabase, table: str) -> None:
    names = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
    columns, marks = ", ".join(names), ", ".join("?" * len(names))
    rows: Iterator[tuple[object, ...]] = old.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - our own names
    if table == "alias":
        text = names.index("text")
        rows = ((*row[:text], new.digest_alias(str(row[text])), *row[text + 1 :]) for row in rows)
    new.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - our own names
    if table == "owner":  # a row that is made has no key yet
        keys = old.execute("SELECT digest_key, number FROM owner WHERE digest_key IS NOT NULL")
        new.executemany("UPDATE owner SET digest_key = ? WHERE number = ?", keys)
    count = f"SELECT count(*) FROM {table}"  # noqa: S608 - our own names
    if old.execute(count).fetchone() != new.execute(count).fetchone():
        raise StoreError(
            f"{old.where} was not encrypted: not all rows of {table} could be written; try again."
        )


def _index(new: SealedDatabase, owner: str, conversation: str) -> None:
    while (progress := index_slice(new, owner, conversation)).done < progress.turns:
        pass


# -- one for the other ----------------------------------------------------------------------------------
def _swap(path: Path, made: Path) -> int:
    """Put the new file in the old one's place and overwrite the old one; returns the bytes overwritten."""
    sync(made)
    kept = path.with_name(path.name + OLD)
    # Closing the descriptor of a file drops this process's locks on it (POSIX): not before it is overwritten.
    descriptor = os.open(path, os.O_RDWR)
    try:
        with contextlib.suppress(
            OSError
        ):  # a file system without links: after a kill the old one is gone unwiped
            os.link(path, kept)
        sync(path.parent)
        os.replace(made, path)
        sync(path.parent)
        wiped = overwrite(descriptor)
    finally:
        os.close(descriptor)
    kept.unlink(missing_ok=True)
    sync(path.parent)
    return wiped


def _remove_leftovers(path: Path) -> None:
    kept = path.with_name(path.name + OLD)
    if kept.exists() and kept.samefile(path):
        kept.unlink()
    wipe_leftover(path)
    drop_unfinished(path)
