"""Repair a database: in a copy, which then takes its place.

What can be read of a damaged file is copied into a new one. What refers to nothing goes into a file
beside it; what is missing inside a turn gets a mark in its place; what is made of the items (words,
and how far vectors go) is made anew. The database that was is kept.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ... import private
from ...errors import StoreDamaged, StoreLocked, UsageError
from ..ids import conversation_id, make_key, make_tag
from ..migrations import load_migrations
from .appends import settle_turns
from .backups import Told, alone, check_identity, copy_pages, drop_file, first_problem, new_beside, swap
from .database import Database, explain, open_database
from .examine import Report, examine, unreadable_bodies
from .leases import drop_lease, take_lease
from .postings import TABLES, index_slice

_DERIVED = (*TABLES, "migration")  # made anew; steps are on record in the new file already
_MOST_FAILURES = (
    10_000  # one after another: then the table's first page is gone, and nothing leads to its rows
)
_LOST = '"lost"'  # body of the mark that stands for an item that cannot be read


@dataclass(slots=True)
class Repaired:
    """What a repair did. `left`: what the check still finds."""

    done: list[str] = field(default_factory=list)
    aside: Path | None = None
    orphans: Path | None = None
    left: Report = field(default_factory=Report)


def repair(database_file: Path, told: Told) -> Repaired:
    """Repair a database.

    Raises:
        UsageError: another program uses it; nothing was changed.
        StoreLocked: it is encrypted; nothing was changed.
        StoreError: nothing of it can be read, or the disk is full; nothing was changed.
    """
    if not database_file.exists():
        raise UsageError(f"There is no database {database_file}.")
    part = new_beside(database_file)
    orphans = Path(f"{part}.orphans")
    try:
        with alone(database_file) as (connection, carried):
            _refuse_encrypted(connection, database_file)
            result = Repaired()
            _copy_or_salvage(connection, database_file, part, result, told)
            _mend_file(part, orphans, result)
            result.left = examine(part, time.time())
            result.aside = swap(part, database_file, carried)
            if orphans.exists() and orphans.stat().st_size:
                result.orphans = Path(f"{result.aside}.orphans.jsonl")
                os.replace(orphans, result.orphans)
            return result
    except sqlite3.Error as error:
        raise explain(error, str(database_file)) from error
    finally:
        drop_file(part)
        orphans.unlink(missing_ok=True)


def _refuse_encrypted(connection: sqlite3.Connection, database_file: Path) -> None:
    """Refuse an encrypted database: each value is bound to its place and its key, and cannot be guessed or moved."""
    for question in (
        "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'sealed\\_%' ESCAPE '\\'",
        "SELECT 1 FROM encryption",
    ):
        try:
            found = connection.execute(question).fetchone()
        except sqlite3.DatabaseError:
            continue  # older than encryption, or damaged there
        if found:
            raise StoreLocked(
                f"{database_file} is encrypted and cannot be repaired: restore a backup of it with `turnkeep restore`."
            )


def _copy_or_salvage(
    connection: sqlite3.Connection, database_file: Path, part: Path, result: Repaired, told: Told
) -> None:
    try:
        check_identity(connection, database_file)
        sound = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        if sound:
            copy_pages(connection, part, told)
            return
    except sqlite3.DatabaseError:
        drop_file(part)
    _salvage(connection, database_file, part, result)


# -- a damaged file -----------------------------------------------------------------
def _salvage(connection: sqlite3.Connection, database_file: Path, part: Path, result: Repaired) -> None:
    """Copy the rows that can be read into a new database."""
    new = open_database(part, load_migrations("sqlite"))
    kept = 0
    try:
        new.execute("PRAGMA foreign_keys = OFF")
        tables = [
            row[0]
            for row in new.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        with new.writing():
            for table in tables:
                if table not in _DERIVED:
                    kept += _salvage_table(connection, new, table)
        new.execute("PRAGMA journal_mode = DELETE").fetchone()
    finally:
        new.close()
    if not kept:
        raise StoreDamaged(f"Nothing of {database_file} can be read: restore a backup of it.")
    result.done.append(f"rows read from the damaged file: {kept:,}")


def _salvage_table(old: sqlite3.Connection, new: Database, table: str) -> int:
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    keys = [
        row[1] for row in sorted(new.execute(f"PRAGMA table_info({table})"), key=lambda row: row[5]) if row[5]
    ]
    try:
        known = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return 0
    columns = [column for column in columns if column in known]
    if not columns:
        return 0
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
    before = new.total_changes
    for row in _readable_rows(old, table, names, keys):
        try:
            new.execute(insert, row)
        except sqlite3.IntegrityError:
            pass  # a row that no turnkeep wrote: the damage is in it
    return new.total_changes - before


def _readable_rows(
    old: sqlite3.Connection, table: str, names: str, keys: list[str]
) -> Iterator[tuple[object, ...]]:
    """Yield what can be read, some of it more than once."""
    select = f"SELECT {names} FROM {table} "  # noqa: S608 - our own names
    has_rowid = "WITHOUT ROWID" not in _sql_of(old, table)
    if has_rowid:
        yield from _readable_span(old, select, -(2**62), 2**62)
        return
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{key} {direction}" for key in keys)
        try:
            yield from old.execute(f"{select} ORDER BY {order}")
        except sqlite3.DatabaseError:
            continue
        return


def _sql_of(old: sqlite3.Connection, table: str) -> str:
    row = old.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return str(row[0]) if row else ""


def _readable_span(old: sqlite3.Connection, select: str, low: int, high: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows with low < rowid <= high, from both ends towards each hole."""
    spans, failed = [(low, high)], 0
    while spans and failed < _MOST_FAILURES:
        low, high = spans.pop()
        last = low
        try:
            for rowid, *row in old.execute(
                select.replace("SELECT ", "SELECT rowid, ", 1)
                + "WHERE rowid > ? AND rowid <= ? ORDER BY rowid",
                (low, high),
            ):
                last = rowid
                yield tuple(row)
                failed = 0
            failed = 0
        except sqlite3.DatabaseError:
            failed += 1
            middle = (last + high) // 2
            if high - last > 1:
                spans += [(middle, high), (last, middle)]


# -- rows ---------------------------------------------------------------------------
def _mend_file(part: Path, orphans: Path, result: Repaired) -> None:
    database = open_database(part, load_migrations("sqlite"))
    try:
        database.execute("PRAGMA foreign_keys = OFF")
        with open(private.create(orphans), "w", encoding="utf-8") as file, database.writing():
            _Mender(database, file, result).mend()
        database.execute("PRAGMA foreign_keys = ON")
        _settle(database, result)
        _index(database)
        if (problem := first_problem(database)) is not None:
            raise StoreDamaged(f"It cannot be repaired ({problem}): restore a backup.")
        database.execute("PRAGMA journal_mode = DELETE").fetchone()
    finally:
        database.close()


class _Mender:
    def __init__(self, database: Database, orphans: IO[str], result: Repaired) -> None:
        self._database, self._orphans, self._result = database, orphans, result

    def mend(self) -> None:
        self._make_owners()
        self._mark_unreadable()
        self._drop("item", "branch > 0 AND NOT EXISTS (SELECT 1 FROM branch AS b WHERE b.owner = item.owner "
                   "AND b.conversation = item.conversation AND b.number = item.branch)")  # fmt: skip
        self._drop("turn", "branch > 0 AND NOT EXISTS (SELECT 1 FROM branch AS b WHERE b.owner = turn.owner "
                   "AND b.conversation = turn.conversation AND b.number = turn.branch)")  # fmt: skip
        self._make_turns()
        self._fill_gaps()
        self._point()
        self._drop_derived()
        for table in self._tables("conversation"):
            self._drop(table, "conversation IS NOT NULL AND NOT EXISTS (SELECT 1 FROM conversation AS c "  # noqa: S608 - our own names
                       f"WHERE c.owner = {table}.owner AND c.number = {table}.conversation)")  # fmt: skip

    def _tables(self, column: str) -> list[str]:
        """Tables with this column."""
        names = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return [
            name
            for (name,) in names
            if name != column
            and any(row[1] == column for row in self._database.execute(f"PRAGMA table_info({name})"))
        ]

    def _drop(self, table: str, where: str) -> None:
        """Take rows out, into the file of orphans."""
        cursor = self._database.execute(f"SELECT * FROM {table} WHERE {where}")  # noqa: S608 - our own names
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        for row in rows:
            values = (value.hex() if isinstance(value, bytes) else value for value in row)
            kept = {"table": table, **dict(zip(names, values, strict=True))}
            self._orphans.write(json.dumps(kept, ensure_ascii=False) + "\n")
        if rows:
            self._database.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608 - our own names
            self._result.done.append(f"rows of {table} that refer to nothing, put aside: {len(rows):,}")

    def _change(self, what: str, statement: str, *values: object) -> None:
        count = self._database.execute(statement, values).rowcount
        if count > 0:
            self._result.done.append(f"{what}: {count:,}")

    def _make_owners(self) -> None:
        """Make the conversations and owners anew that turns refer to and that could not be read."""
        missing = self._database.execute(
            "SELECT DISTINCT owner, conversation FROM turn WHERE NOT EXISTS (SELECT 1 FROM conversation AS c "
            "WHERE c.owner = turn.owner AND c.number = turn.conversation)"
        ).fetchall()
        for owner, number in missing:
            taken = self._database.execute("SELECT 1 FROM owner WHERE name = 'local'").fetchone()
            name = f"recovered-{owner}" if taken else "local"
            self._database.execute("INSERT OR IGNORE INTO owner (number, name) VALUES (?, ?)", (owner, name))
            self._change(
                "conversations whose row was lost, as recovered-N",
                "INSERT OR IGNORE INTO conversation (number, owner, key, name, created, updated) "
                "SELECT ?, ?, ?, ?, min(created), max(coalesce(finished, created)) FROM turn "
                "WHERE owner = ? AND conversation = ?",
                number, owner, make_key(), f"recovered-{number}", owner, number,
            )  # fmt: skip

    def _mark_unreadable(self) -> None:
        for table, rowid in list(unreadable_bodies(self._database)):
            if table == "item":
                self._change(
                    "items that cannot be read, marked",
                    "UPDATE item SET kind = 'forgotten', body = ? WHERE entry = ?", _LOST, rowid,
                )  # fmt: skip
            elif table == "view":
                self._drop("view", f"rowid = {rowid}")
            else:
                column = "receipt" if table == "turn" else "metadata"
                self._change(
                    f"{column}s that cannot be read, dropped",
                    f"UPDATE {table} SET {column} = NULL WHERE rowid = ?", rowid,  # noqa: S608 - our own names
                )  # fmt: skip

    def _make_turns(self) -> None:
        """Make turns anew out of their items."""
        lost = self._database.execute(
            "SELECT owner, conversation, turn, branch, min(seq), max(seq), min(created), max(created), "
            "max(kind = 'assistant') FROM item WHERE NOT EXISTS (SELECT 1 FROM turn WHERE turn.owner = item.owner "
            "AND turn.conversation = item.conversation AND turn.number = item.turn) "
            "GROUP BY owner, conversation, turn, branch"
        ).fetchall()
        for owner, conversation, number, branch, first, last, created, finished, answered in lost:
            parent = self._database.execute(
                "SELECT parent FROM branch WHERE owner = ? AND conversation = ? AND number = ? AND fork = ?",
                (owner, conversation, branch, first - 1),
            ).fetchone()
            self._change(
                "turns made anew out of their items",
                "INSERT OR IGNORE INTO turn (owner, conversation, number, branch, first, last, after_branch, state, "
                "created, finished, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                owner, conversation, number, branch, first, last, parent[0] if parent else branch,
                "done" if answered else "failed", created, finished,
                None if answered else "Its reply was lost in a damaged file.",
            )  # fmt: skip

    def _fill_gaps(self) -> None:
        """Put a mark where an item of a turn is missing; put aside what stands outside of its turn."""
        self._drop("item", "NOT EXISTS (SELECT 1 FROM turn WHERE turn.owner = item.owner AND turn.conversation = "
                   "item.conversation AND turn.number = item.turn AND turn.branch = item.branch "
                   "AND item.seq BETWEEN turn.first AND turn.last)")  # fmt: skip
        rows = self._database.execute(
            "SELECT owner, conversation, number, branch, first, last, created FROM turn AS t WHERE last - first + 1 "
            "<> (SELECT count(*) FROM item WHERE item.owner = t.owner AND item.conversation = t.conversation "
            "AND item.branch = t.branch AND item.seq BETWEEN t.first AND t.last)"
        ).fetchall()
        for owner, conversation, number, branch, first, last, created in rows:
            for seq in range(first, last + 1):
                self._change(
                    "items that were lost, marked",
                    "INSERT OR IGNORE INTO item (owner, conversation, branch, seq, turn, kind, tag, created, body) "
                    "VALUES (?, ?, ?, ?, ?, 'forgotten', ?, ?, ?)",
                    owner, conversation, branch, seq, number, make_tag(), created, _LOST,
                )  # fmt: skip

    def _point(self) -> None:
        """Let conversations point to what is there."""
        place = "owner = conversation.owner AND conversation = conversation.number"
        last = f"FROM turn WHERE {place} AND state IN ('done', 'cut_off') ORDER BY number DESC LIMIT 1"
        self._change(
            "conversations set to their last turn",
            f"UPDATE conversation SET tip_branch = coalesce((SELECT branch {last}), 0), "  # noqa: S608 - our own names
            f"tip_seq = coalesce((SELECT last {last}), 0) WHERE (tip_seq > 0 AND NOT EXISTS (SELECT 1 FROM item "
            f"WHERE {place} AND branch = tip_branch AND seq = tip_seq)) OR (name LIKE 'recovered-%' AND tip_seq = 0)",
        )
        for column, table in (("view", "view"), ("pending_view", "view"), ("instructions", "instructions")):
            self._change(
                f"conversations without their {column}",
                f"UPDATE conversation SET {column} = NULL WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT number FROM {table} "  # noqa: S608 - our own names
                f"WHERE {table}.owner = conversation.owner AND {table}.conversation = conversation.number)",
            )
        for column, table in (("turns", "turn"), ("branches", "branch")):
            newest = f"(SELECT coalesce(max(number), 0) FROM {table} WHERE {place})"  # noqa: S608 - our own names
            self._change(
                f"conversations that counted too few {column}",
                f"UPDATE conversation SET {column} = {newest} WHERE {column} < {newest}",  # noqa: S608 - our own names
            )

    def _drop_derived(self) -> None:
        """Throw away what is made anew, and what was made of what is gone."""
        for table in TABLES:
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        gone = (
            "NOT EXISTS (SELECT 1 FROM item WHERE item.owner = {0}.owner AND item.conversation = {0}.conversation "
            "AND item.branch = {0}.branch AND item.seq = {0}.seq AND item.kind <> 'forgotten')"
        )
        self._change(
            "conversations to be embedded anew",
            "DELETE FROM embedded WHERE EXISTS (SELECT 1 FROM vector WHERE vector.owner = embedded.owner AND "  # noqa: S608 - our own names
            f"vector.conversation = embedded.conversation AND {gone.format('vector')}) OR turn > (SELECT turns FROM "
            "conversation AS c WHERE c.owner = embedded.owner AND c.number = embedded.conversation) OR NOT EXISTS "
            "(SELECT 1 FROM vector WHERE vector.owner = embedded.owner AND vector.conversation = embedded.conversation)",
        )
        self._change(
            "vectors to be made anew",
            "DELETE FROM vector WHERE NOT EXISTS (SELECT 1 FROM embedded AS e WHERE e.owner = vector.owner "
            "AND e.conversation = vector.conversation AND e.embedder = vector.embedder)",
        )
        self._change("sizes of lost items", f"DELETE FROM size WHERE {gone.format('size')}")  # noqa: S608 - our own names
        turn = (
            "SELECT 1 FROM turn WHERE turn.owner = {0}.owner AND turn.conversation = {0}.conversation "
            "AND turn.number = {0}.turn"
        )
        self._change(
            "digests of lost turns",
            f"DELETE FROM digest WHERE length(digest) <> 16 OR NOT EXISTS ({turn.format('digest')} "  # noqa: S608 - our own names
            "AND turn.branch = digest.branch AND turn.last = digest.seq)",
        )
        self._drop("piece", f"NOT EXISTS ({turn.format('piece')})")
        self._drop("response", f"turn IS NOT NULL AND NOT EXISTS ({turn.format('response')})")


def _settle(database: Database, result: Repaired) -> None:
    """Close the turns that dead programs left open: `alone` has seen to it that none is alive."""
    rows = database.execute(
        "SELECT DISTINCT o.name, c.key FROM turn JOIN owner AS o ON o.number = turn.owner JOIN conversation AS c "
        "ON c.owner = turn.owner AND c.number = turn.conversation WHERE state = 'open'"
    ).fetchall()
    now = time.time()
    for owner, key in rows:
        conversation = conversation_id(key)
        with database.writing():
            database.execute("UPDATE lease SET holder = NULL, expires = 0 WHERE holder IS NOT NULL")
            lease = take_lease(database, f"conversation:{conversation}", "repair", now, 60.0, "")
            assert lease is not None, "it was just given back"
            settled = settle_turns(database, owner, conversation, lease, now)
            drop_lease(database, lease)
        result.done.append(f"turns that were left open, settled: {len(settled):,}")


def _index(database: Database) -> None:
    """Make the word index anew."""
    rows = database.execute(
        "SELECT o.name, c.key FROM conversation AS c JOIN owner AS o ON o.number = c.owner"
    ).fetchall()
    for owner, key in rows:
        while True:
            with database.writing():
                progress = index_slice(database, owner, conversation_id(key))
            if progress.done >= progress.turns:
                break
