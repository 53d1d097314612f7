"""Copies of a database file: made while it is used, checked, and put in its place.

A copy is made under another name beside its place and moved there when it is whole, so that a file
of that name is never half a backup, whenever the process dies. The copy of an encrypted database is encrypted, and to make
it nothing needs to be opened: no statement here reads or writes what was said.
"""

import glob
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ... import private
from ...errors import StoreDamaged, StoreTooNew, UsageError
from ..carrying import Backup
from ..migrations import load_migrations
from .carrying import drop_backup, end_backup, list_backups, plan_backup
from .database import APPLICATION_ID, Database, explain, open_database

STEP_PAGES = 256  # copied at a time: 1 MB, some ms
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_STILL_SECONDS = 60.0  # a backup that goes on writes more often
_SUCCESSORS = ".{}.*.new*"  # how copies are called that are to take a database's place
_WAIT_SECONDS = 2.0  # for a program that is just ending

Told: TypeAlias = Callable[[int, int], None]  # pages done, pages in all


@dataclass(slots=True)
class Carried:
    """What a database knows that its successor has to know, whatever it held.

    backups: of each its path, when it was made, when it was finished, its bytes.
    heads: how far each file of the audit journal has come: name, records, last link, state, proof. The journal stays.
    """

    backups: Sequence[tuple[str, float, float | None, int | None]] = ()
    heads: Sequence[tuple[str, int, str, str, str]] = ()


# -- backup -----------------------------------------------------------------------------------------
def back_up(database_file: Path, target: Path, told: Told) -> Path:
    """Copy the database as it is at this moment into a new file, while others read and write.

    Args:
        database_file: the database.
        target: a new file, or a folder that gets one named by the time.
        told: is told of the progress.

    Returns:
        The file's path.

    Raises:
        UsageError: there is no database, or the file exists, or cannot be written.
        StoreError: the database cannot be read.
    """
    if not database_file.exists():
        raise UsageError(f"There is no database {database_file} yet: there is nothing to back up.")
    target = _choose_file(target.absolute())
    database = open_database(database_file, load_migrations("sqlite"), locked=True)
    try:
        _forget_failed(database)
        with database.writing():
            number = plan_backup(database, str(target), time.time())
        part = _part_of(target, number)
        try:
            _copy(database, part, told)
            _drop_texts(part)
            size = part.stat().st_size
            _put_new(part, target)
        except BaseException:
            drop_file(part)
            with database.writing():
                drop_backup(database, number)
            raise
        with database.writing():
            end_backup(database, number, size, time.time())
    except sqlite3.Error as error:
        raise explain(error, str(database_file)) from error
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        database.close()
    return target


def _choose_file(target: Path) -> Path:
    if target.is_dir():
        target = target / time.strftime("turnkeep-%Y-%m-%d-%H%M%S.db")
    if target.exists():
        raise UsageError(f"{target} exists already: name another file.")
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}: make it first.")
    return target


def _part_of(target: Path, number: int) -> Path:
    """Where a backup is made: beside its place, by its number, so that its row tells what was left of it."""
    return target.with_name(f".{target.name}.{number}.part")


def drop_file(part: Path) -> None:
    """Take a half database away, and what SQLite keeps beside it; itself last, since it leads to the others."""
    for end in ("-journal", "-wal", "-shm", ""):
        Path(f"{part}{end}").unlink(missing_ok=True)


def _forget_failed(database: Database) -> None:
    """Take what killed backups have left: the half file, and the row where there is no whole one."""
    for backup in list_backups(database):
        if backup.finished is not None:
            continue
        if is_being_made(backup):
            continue
        with database.writing():
            if Path(backup.path).exists():
                end_backup(database, backup.number, Path(backup.path).stat().st_size, time.time())
            else:
                drop_backup(database, backup.number)


def is_being_made(backup: Backup) -> bool:
    """Whether another process is at it, as far as can be told; what a killed one has left is taken away."""
    if backup.finished is not None:
        return False
    part = _part_of(Path(backup.path), backup.number)
    if _is_written(part):
        return True
    drop_file(part)
    return False


def _is_written(part: Path) -> bool:
    try:
        return time.time() - part.stat().st_mtime < _STILL_SECONDS
    except FileNotFoundError:
        return False


def _drop_texts(copy: Path) -> None:
    """Drop what a forget that is not done has left: nobody would take it out of a copy.

    That is the texts that it still looks for, and what unused space holds of rows that are gone. Of an encrypted database they are encrypted too, and stay so: a forget that opens the backup drops them.
    """
    database = sqlite3.connect(copy, isolation_level=None)
    try:
        unfinished = database.execute("SELECT 1 FROM forgetting").fetchone()
        database.execute(
            "UPDATE forgetting SET note = json_set(note, '$.texts', json('[]')) "
            "WHERE CASE WHEN typeof(note) = 'text' THEN json_array_length(note, '$.texts') END > 0"
        )
        if unfinished:
            database.execute("PRAGMA temp_store = MEMORY")  # nothing that was said goes into a temporary file
            database.execute("VACUUM")
            _sync(copy)
    finally:
        database.close()


def _copy(source: sqlite3.Connection, target: Path, told: Told) -> None:
    """Copy one moment of a database into a file that only its owner can read, on the disk when this returns."""
    # The reading transaction holds the moment: without it, each write of another program would
    # begin the copy anew. In WAL mode it holds nobody up.
    source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        copy_pages(source, target, told)
    finally:
        source.execute("COMMIT")


def copy_pages(source: sqlite3.Connection, target: Path, told: Told) -> None:
    """Copy what an open transaction sees into a new file."""
    os.close(private.create(target))
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        source.backup(copy, pages=STEP_PAGES, progress=lambda _, left, total: told(total - left, total))
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, without a log beside it
    finally:
        copy.close()
    _sync(target)


def _put_new(part: Path, target: Path) -> None:
    """Give the file its name, unless something has it."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise UsageError(f"{target} exists already: name another file.") from error
    except OSError:  # a file system without links
        if target.exists():
            raise UsageError(f"{target} exists already: name another file.") from None
        os.replace(part, target)
    else:
        part.unlink()
    _sync(target.parent)


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- restore ----------------------------------------------------------------------------------------
def restore(database_file: Path, backup: Path, told: Told) -> Path | None:
    """Put a backup in the place of the database.

    Args:
        database_file: the database; it may be damaged, or not be there.
        backup: the copy; it stays where it is.
        told: is told of the progress.

    Returns:
        Where the database that was there is kept; None: there was none.

    Raises:
        UsageError: the backup is not there or was written anew meanwhile, or another program uses the database.
        StoreError: the backup is damaged, or of a newer turnkeep; nothing was changed.
    """
    if not backup.is_file():
        raise UsageError(f"There is no file {backup}.")
    if database_file.exists() and backup.samefile(database_file):
        raise UsageError(f"{backup} is the database itself: name a backup of it.")
    part = new_beside(database_file)
    try:
        before = backup.stat()
        _copy_checked(backup, part, told)
        if not os.path.samestat(before, backup.stat()):
            raise UsageError(
                f"{backup} was written anew meanwhile, to forget something: restore it again, as it is now."
            )
        return put_in_place(part, database_file)
    except sqlite3.Error as error:
        raise explain(error, str(backup)) from error
    except OSError as error:
        raise UsageError(f"{database_file} cannot be replaced: {error.strerror or error}.") from error
    finally:
        drop_file(part)


def new_beside(database_file: Path) -> Path:
    """A name beside the database for its successor; what killed ones have left is taken away."""
    private.make_folder(database_file.parent)
    for left in database_file.parent.glob(_SUCCESSORS.format(glob.escape(database_file.name))):
        left.unlink(missing_ok=True)
    return database_file.with_name(f".{database_file.name}.{secrets.token_hex(4)}.new")


def drop_successors(database_file: Path) -> None:
    """Take away what killed restores and repairs have left beside a database: whole copies of what was said."""
    for left in database_file.parent.glob(_SUCCESSORS.format(glob.escape(database_file.name))):
        if not _is_written(left):
            left.unlink(missing_ok=True)


def _copy_checked(backup: Path, part: Path, told: Told) -> None:
    source = sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        check_identity(source, backup)
        _copy(source, part, told)
    finally:
        source.close()
    copy = sqlite3.connect(part, isolation_level=None)
    try:
        problem = first_problem(copy)
    finally:
        copy.close()
    if problem is not None:
        raise StoreDamaged(f"{backup} is damaged ({problem}): restore another backup, or repair this one.")


def check_identity(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database of another program, or of a newer turnkeep."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreDamaged(f"{path} is not a turnkeep database: name another file.")
    if version > load_migrations("sqlite")[-1].number:
        raise StoreTooNew(f"{path} was made by a newer turnkeep: upgrade turnkeep.")


def first_problem(connection: sqlite3.Connection) -> str | None:
    """The first thing that SQLite itself finds wrong; None: nothing."""
    for (line,) in connection.execute("PRAGMA integrity_check(1)"):
        if line != "ok":
            return str(line)
    for table, *_ in connection.execute("PRAGMA foreign_key_check"):
        return f"a row of {table} refers to nothing"
    return None


def put_in_place(part: Path, database_file: Path) -> Path | None:
    """Let a whole file be the database; the one that was is kept, and on record in the new one.

    Raises:
        UsageError: another program uses the database; nothing was changed.
    """
    if not database_file.exists():
        _carry_record(part, Carried(), None)
        os.replace(part, database_file)
        _sync(database_file.parent)
        return None
    with alone(database_file) as (_, carried):
        return swap(part, database_file, carried)


def swap(part: Path, database_file: Path, carried: Carried) -> Path:
    """Put a whole file in the place of a database that is held by `alone`; returns where that is kept."""
    aside = _name_aside(database_file)
    _carry_record(part, carried, aside)
    try:
        os.link(database_file, aside)
    except OSError:  # a file system without links
        shutil.copy2(database_file, aside)
        _sync(aside)
    for end in ("-wal", "-shm"):  # of a damaged file only: `alone` has emptied those of a sound one
        beside = Path(f"{database_file}{end}")
        if beside.exists():
            os.replace(beside, f"{aside}{end}")
    os.replace(part, database_file)
    _sync(database_file.parent)
    return aside


def _name_aside(database_file: Path) -> Path:
    stem = time.strftime(f"{database_file.name}.before-%Y-%m-%d-%H%M%S")
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1000))
    return next(path for name in names if not (path := database_file.with_name(name)).exists())


@contextmanager
def alone(database_file: Path) -> Iterator[tuple[sqlite3.Connection, Carried]]:
    """Hold the database so that nobody else can open it; gives the connection, and what a successor has to know.

    A file that SQLite cannot read cannot be held, nor used by others.
    """
    connection = sqlite3.connect(database_file, isolation_level=None, timeout=_WAIT_SECONDS)
    carried = Carried()
    try:
        try:
            _refuse_holders(connection, database_file)
            # Leaving WAL needs every other connection to be closed, and empties the log into the file.
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")  # the lock stays, and a copy can be made of what it holds
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'backup'").fetchone():
                carried.backups = connection.execute(
                    "SELECT path, made, finished, bytes FROM backup"
                ).fetchall()
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_head'").fetchone():
                carried.heads = connection.execute(
                    "SELECT file, count, link, state, mac FROM audit_head"
                ).fetchall()
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise UsageError(
                    f"Another program uses {database_file}: end it (a chat, turnkeep serve), then try again."
                ) from error
            if code not in _DAMAGE:
                raise
        yield connection, carried
    finally:
        connection.close()


def _refuse_holders(connection: sqlite3.Connection, database_file: Path) -> None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'lease'").fetchone():
        return
    held = connection.execute(
        "SELECT max(expires) FROM lease WHERE holder IS NOT NULL AND expires > ?", (time.time(),)
    ).fetchone()[0]
    if held is not None:
        seconds = max(1, round(held - time.time()))
        raise UsageError(
            f"Another program is at work in {database_file}: end it, then try again; "
            f"if it has died, in {seconds} seconds."
        )


def _carry_record(part: Path, carried: Carried, aside: Path | None) -> None:
    """Bring the successor up to date, and put into it what it has to know, the old database among the backups."""
    database = open_database(part, load_migrations("sqlite"), locked=True)
    try:
        with database.writing():
            known = {backup.path for backup in list_backups(database)}
            for path, made, finished, size in carried.backups:
                if path not in known:
                    number = plan_backup(database, path, made)
                    if finished is not None:
                        end_backup(database, number, size or 0, finished)
            if aside is not None:
                end_backup(database, plan_backup(database, str(aside), time.time()), 0, time.time())
            # Of what both know, what is further on: a backup knows less of the journal than is there.
            database.executemany(
                "INSERT INTO audit_head (file, count, link, state, mac) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (file) DO UPDATE SET count = excluded.count, link = excluded.link, "
                "state = excluded.state, mac = excluded.mac "
                "WHERE excluded.count > audit_head.count OR excluded.state = 'expired'",
                carried.heads,
            )
            database.execute("UPDATE lease SET holder = NULL, expires = 0 WHERE holder IS NOT NULL")
        database.execute("PRAGMA journal_mode = DELETE").fetchone()
    finally:
        database.close()
    _sync(part)
