"""The part of the store that forgets: transactions, the record of what is left to do, the log and the file."""

import asyncio
import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...context.scanning import Scanner
from ..base import Lease
from ..carrying import Backup
from ..erasing import Erased, Unfinished, What
from . import erase as erasing
from .backups import drop_successors, is_being_made
from .calls import Calls
from .carrying import list_backups
from .conversations import find_place
from .database import Database, explain
from .gone import list_columns
from .rows import dump_json, load_mapping
from .wiping import drop_unfinished

READER_SECONDS = 1.0  # how long emptying the log waits for somebody who reads
KEPT_BYTES = 1024 * 1024  # of kept text that is searched at a time
RECORD_STEP = 2**40  # at most, between two records' numbers


class _TakeBack(Exception):
    """Ends a dry run."""


class ErasureCalls(Calls):
    """Implements `Eraser`."""

    async def list_touched(self, owner: str, what: What) -> list[str]:
        """The conversations that an erasure would touch."""
        return await self._read(erasing.list_touched, owner, what)

    async def erase(
        self,
        owner: str,
        what: What,
        *,
        leases: Sequence[Lease],
        now: float,
        note: Mapping[str, Any] | None = None,  # Any: JSON of forgetting/
        dry_run: bool = False,
    ) -> Erased | None:
        """Take all of it out, or only say what would be."""

        def work(database: Database) -> Erased | None:
            found: Erased | None = None
            try:
                with database.writing():
                    found = _erase(database, owner, what, leases, now, note)
                    if dry_run:
                        raise _TakeBack
            except _TakeBack:
                pass
            except sqlite3.Error as error:
                raise explain(error, database.where) from error
            return found

        # Alone: a dry run takes its transaction back, which others must not share.
        return await self._worker.run(work)

    async def load_unfinished(self) -> list[Unfinished]:
        """The forgets that are not done everywhere."""
        return await self._read(_load_unfinished)

    async def note_unfinished(self, record: int, note: Mapping[str, Any] | None) -> None:  # Any: as above
        """Replace what is remembered of one; None: it is done."""
        await self._write(_note_unfinished, record, note)

    async def empty_log(self) -> bool:
        """Empty the write-ahead log; False where somebody who reads holds it open."""
        return await self._worker.run(_empty_log)

    async def rewrite_file(self) -> bool:
        """Write the whole file anew; SQLite holds the new one in memory meanwhile, then in the log."""
        await self._worker.run(_vacuum)
        return await self.empty_log()

    async def find_kept(self, pieces: Sequence[bytes]) -> set[bytes]:
        """Which of these stand in what is kept."""
        return await self._read(_find_kept, pieces)

    async def list_making(self) -> list[Backup]:
        """The backups that are being made; what a killed backup, restore or repair has left is taken away."""
        if self.path is not None:
            await asyncio.to_thread(drop_successors, self.path)
        making = await self._worker.run(_list_making)
        if self.path is not None:
            await asyncio.to_thread(drop_unfinished, self.path)  # the database is open now
        return making

    async def list_owners(self) -> list[str]:
        """The owners who have conversations."""
        return await self._read(_list_owners)

    async def set_retention(self, owner: str, conversation: str, days: int | None) -> None:
        """Say for how many days a conversation is kept."""
        await self._write(_set_retention, owner, conversation, days)

    async def load_retention(self, owner: str, conversation: str) -> int | None:
        """For how many days a conversation is kept."""
        return await self._read(_load_retention, owner, conversation)

    async def has_retention(self) -> bool:
        """Whether any conversation says for itself how long it is kept."""
        return await self._read(_has_retention)


def _erase(
    database: Database,
    owner: str,
    what: What,
    leases: Sequence[Lease],
    now: float,
    note: Mapping[str, Any] | None,  # Any: as above
) -> Erased | None:
    erased = erasing.erase(database, owner, what, leases, now)
    if erased is None or note is None:
        return erased
    went = {"turns": erased.changed, "gone": erased.gone}
    texts = [text for text in erased.texts if isinstance(text, str)] if "texts" in note else []
    (newest,) = database.execute("SELECT coalesce(max(number), 0) FROM forgetting").fetchone()
    # Never a number that was given before: a process that has not heard that another one finished its forget
    # would take this one's record for its own, and delete it.
    record = int(newest) + 1 + secrets.randbelow(RECORD_STEP)
    _save_note(database, record, now, {**note, **went, "texts": texts})
    return replace(erased, record=record)


def _load_unfinished(database: Database) -> list[Unfinished]:
    rows = database.execute("SELECT number, begun, note FROM forgetting ORDER BY number")
    return [Unfinished(record=number, begun=begun, note=load_mapping(note)) for number, begun, note in rows]


def _note_unfinished(
    database: Database, record: int, note: Mapping[str, Any] | None
) -> None:  # Any: as above
    if note is None:
        database.execute("DELETE FROM forgetting WHERE number = ?", (record,))
    else:
        _save_note(database, record, note["now"], note)


def _save_note(
    database: Database, record: int, begun: float, note: Mapping[str, Any]
) -> None:  # Any: as above
    if database.execute("SELECT 1 FROM forgetting WHERE number = ?", (record,)).fetchone():
        database.execute("UPDATE forgetting SET note = ? WHERE number = ?", (dump_json(note), record))
    else:
        database.execute(
            "INSERT INTO forgetting (number, begun, note) VALUES (?, ?, ?)", (record, begun, dump_json(note))
        )


def _empty_log(database: Database) -> bool:
    (before,) = database.execute("PRAGMA busy_timeout").fetchone()
    try:
        database.execute(f"PRAGMA busy_timeout = {int(READER_SECONDS * 1000)}")
        busy, *_ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise explain(error, database.where) from error
    finally:
        database.execute(f"PRAGMA busy_timeout = {before}")
    return not busy


def _vacuum(database: Database) -> None:
    try:
        database.execute("VACUUM")
    except sqlite3.Error as error:
        raise explain(error, database.where) from error


def _find_kept(database: Database, pieces: Sequence[bytes]) -> set[bytes]:
    scanner, found = Scanner(pieces), set[bytes]()
    for part in _join(_kept_texts(database)):
        found |= scanner.scan(part)
        scanner.drop(found)
        if scanner.is_done:
            break
    return found


def _kept_texts(database: Database) -> Iterable[bytes]:
    yield from (
        sql.encode() for (sql,) in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    )
    for table, columns in list_columns(database, ours=True).items():
        for column in columns:
            rows = database.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608 - our own names
            for (value,) in rows:
                yield value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _join(texts: Iterable[bytes]) -> Iterable[bytes]:
    """Join texts into larger parts, none of which goes through the middle of a text."""
    part, size = [], 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= KEPT_BYTES:
            yield b"\0".join(part)
            part, size = [], 0
    yield b"\0".join(part)


def _list_making(database: Database) -> list[Backup]:
    return [backup for backup in list_backups(database) if is_being_made(backup)]


def _list_owners(database: Database) -> list[str]:
    rows = database.execute(
        "SELECT name FROM owner WHERE EXISTS (SELECT 1 FROM conversation WHERE conversation.owner = owner.number) "
        "ORDER BY number"
    )
    return [name for (name,) in rows]


def _set_retention(database: Database, owner: str, conversation: str, days: int | None) -> None:
    place, _ = find_place(database, owner, conversation)
    database.execute(
        "UPDATE conversation SET retention_days = ? WHERE owner = ? AND number = ?", (days, *place)
    )


def _load_retention(database: Database, owner: str, conversation: str) -> int | None:
    place, _ = find_place(database, owner, conversation)
    (days,) = database.execute(
        "SELECT retention_days FROM conversation WHERE owner = ? AND number = ?", place
    ).fetchone()
    return None if days is None else int(days)


def _has_retention(database: Database) -> bool:
    row = database.execute("SELECT 1 FROM conversation WHERE retention_days > 0 LIMIT 1").fetchone()
    return row is not None
