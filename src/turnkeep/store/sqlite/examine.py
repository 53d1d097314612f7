"""Check a database: SQLite's own checks, and what its rows say of one another. Changes nothing."""

# ruff: noqa: ISC004, S608 - pairs read better without more parentheses; the statements are our own
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import StoreDamaged
from ..migrations import load_migrations
from ..secret import Secret
from .backups import check_identity
from .database import Database, explain
from .rows import load_body

_OF_ITEM = (
    "SELECT 1 FROM item WHERE item.owner = t.owner AND item.conversation = t.conversation "
    "AND item.branch = t.branch AND item.seq = t.seq"
)
_OF_TURN = "SELECT 1 FROM turn WHERE turn.owner = t.owner AND turn.conversation = t.conversation AND turn.number = t.turn"
# What is wrong, and the statement that counts it. Ids that refer to nothing SQLite finds itself.
QUESTIONS = (
    ("items without a turn", f"SELECT count(*) FROM item AS t WHERE NOT EXISTS ({_OF_TURN})"),
    (
        "items out of their turn's place",
        "SELECT count(*) FROM item AS t JOIN turn ON turn.owner = t.owner AND turn.conversation = t.conversation "
        "AND turn.number = t.turn WHERE t.branch <> turn.branch OR t.seq NOT BETWEEN turn.first AND turn.last",
    ),
    (
        "turns with items missing",
        "SELECT count(*) FROM turn AS t WHERE last - first + 1 <> (SELECT count(*) FROM item "
        "WHERE item.owner = t.owner AND item.conversation = t.conversation AND item.branch = t.branch "
        "AND item.seq BETWEEN t.first AND t.last)",
    ),
    (
        "items on a branch that is gone",
        "SELECT count(*) FROM item AS t WHERE branch > 0 AND NOT EXISTS (SELECT 1 FROM branch "
        "WHERE branch.owner = t.owner AND branch.conversation = t.conversation AND branch.number = t.branch)",
    ),
    (
        "conversations that stand at an item that is gone",
        "SELECT count(*) FROM conversation AS c WHERE tip_seq > 0 AND NOT EXISTS (SELECT 1 FROM item "
        "WHERE item.owner = c.owner AND item.conversation = c.number AND branch = tip_branch AND seq = tip_seq)",
    ),
    (
        "conversations whose summary is gone",
        "SELECT count(*) FROM conversation AS c JOIN (SELECT 'view' AS which UNION SELECT 'pending') "
        "WHERE CASE which WHEN 'view' THEN c.view ELSE c.pending_view END > 0 AND CASE which WHEN 'view' THEN c.view ELSE c.pending_view END NOT IN "
        "(SELECT number FROM view WHERE view.owner = c.owner AND view.conversation = c.number)",
    ),
    (
        "conversations whose instructions are gone",
        "SELECT count(*) FROM conversation AS c WHERE c.instructions > 0 AND c.instructions NOT IN "
        "(SELECT number FROM instructions AS i WHERE i.owner = c.owner AND i.conversation = c.number)",
    ),
    (
        "conversations that count too few turns or branches",
        "SELECT count(*) FROM conversation AS c WHERE "
        "turns < (SELECT coalesce(max(number), 0) FROM turn WHERE owner = c.owner AND conversation = c.number) OR "
        "branches < (SELECT coalesce(max(number), 0) FROM branch WHERE owner = c.owner AND conversation = c.number)",
    ),
    ("words of items that are gone", f"SELECT count(*) FROM posting AS t WHERE NOT EXISTS ({_OF_ITEM})"),
    (
        "words that are counted wrongly",
        "SELECT count(*) FROM word AS w WHERE items <> (SELECT count(*) FROM posting AS p "
        "WHERE p.owner = w.owner AND p.conversation = w.conversation AND p.term = w.term)",
    ),
    (
        "conversations indexed beyond their end",
        "SELECT count(*) FROM indexed AS x JOIN conversation AS c ON c.owner = x.owner AND c.number = x.conversation "
        "WHERE x.turn > c.turns",
    ),
    ("vectors of items that are gone", f"SELECT count(*) FROM vector AS t WHERE NOT EXISTS ({_OF_ITEM})"),
    ("sizes of items that are gone", f"SELECT count(*) FROM size AS t WHERE NOT EXISTS ({_OF_ITEM})"),
    (
        "digests that stand for no turn",
        "SELECT count(*) FROM digest AS t WHERE length(digest) <> 16 OR NOT EXISTS "
        f"({_OF_TURN} AND turn.branch = t.branch AND turn.last = t.seq)",
    ),
    (
        "responses whose turn is gone",
        f"SELECT count(*) FROM response AS t WHERE turn IS NOT NULL AND NOT EXISTS ({_OF_TURN})",
    ),
    (
        "pieces of replies to turns that are gone",
        f"SELECT count(*) FROM piece AS t WHERE NOT EXISTS ({_OF_TURN})",
    ),
)  # fmt: skip


@dataclass(slots=True)
class Report:
    """What a check has found. `notices` are no damage."""

    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def examine(database_file: Path, now: float, secret: Secret | None = None) -> Report:
    """Check a database, while others use it or not.

    Args:
        database_file: the file.
        now: the time, for leases.
        secret: opens what is encrypted; None: that is not looked into.

    Raises:
        StoreError: it is not there, or no turnkeep database, or `secret` does not open it.
    """
    if not database_file.exists():
        raise StoreDamaged(f"There is no database {database_file} yet.")
    connection = _open(database_file, secret)
    report = Report()
    try:
        check_identity(connection, database_file)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < load_migrations("sqlite")[-1].number:
            report.notices.append("an older turnkeep wrote it: it is brought up to date when it is opened")
            _check_file(connection, report)
            return report
        locked = _unlock(connection, secret)
        connection.execute("BEGIN")  # one moment
        _check_file(connection, report)
        _check_rows(connection, report, now)
        if locked:
            report.notices.append("it is encrypted, and what its rows hold was not read: say what opens it")
        else:
            _check_bodies(connection, report)
    except sqlite3.DatabaseError as error:
        report.problems.append(str(explain(error, str(database_file))))
    finally:
        connection.close()
    return report


def _open(database_file: Path, secret: Secret | None) -> Database:
    factory: type[Database] = Database
    if secret is not None:
        from .encrypt import encryption_method
        from .sealed import SealedDatabase

        factory = Database if encryption_method(database_file) is None else SealedDatabase
    connection = sqlite3.connect(
        f"{database_file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, factory=factory
    )
    connection.where = str(database_file)
    return connection


def _unlock(connection: Database, secret: Secret | None) -> bool:
    """Open what is encrypted; tells whether that is still to be done."""
    if not connection.execute("SELECT 1 FROM encryption").fetchone():
        return False
    if secret is None:
        return True
    from .sealed import SealedDatabase

    assert isinstance(connection, SealedDatabase)
    connection.read_with(secret)
    return False


def _check_file(connection: sqlite3.Connection, report: Report) -> None:
    found = [line for (line,) in connection.execute("PRAGMA integrity_check(10)") if line != "ok"]
    report.problems += [f"the file is damaged: {line}" for line in found]
    tables = [row[0] for row in connection.execute("PRAGMA foreign_key_check")]
    report.problems += [
        f"{tables.count(table):,} rows of {table} refer to nothing" for table in sorted(set(tables))
    ]


def _check_rows(connection: sqlite3.Connection, report: Report, now: float) -> None:
    for what, question in QUESTIONS:
        if count := connection.execute(question).fetchone()[0]:
            report.problems.append(f"{what}: {count:,}")
    for table in (
        "conversation",
        "turn",
        "item",
        "view",
        "posting",
        "vector",
        "digest",
        "response",
        "backup",
    ):
        report.counts[table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    stuck = connection.execute(
        "SELECT count(*) FROM turn JOIN conversation AS c ON c.owner = turn.owner AND c.number = turn.conversation "
        "WHERE state = 'open' AND NOT EXISTS (SELECT 1 FROM lease WHERE instr(subject, c.key) AND expires > ?)",
        (now,),
    ).fetchone()[0]
    if stuck:
        report.notices.append(f"turns that a dead program left open: {stuck:,}; the next turn settles them")
    gone = [path for (path,) in connection.execute("SELECT path FROM backup") if not Path(path).exists()]
    if gone:
        report.notices.append(f"backups that are no longer where they were made: {len(gone):,}")


def _check_bodies(connection: Database, report: Report) -> None:
    if unreadable := sum(1 for _ in unreadable_bodies(connection)):
        report.problems.append(f"rows that cannot be read: {unreadable:,}")


def unreadable_bodies(connection: Database) -> Iterator[tuple[str, int]]:
    """Yield table and rowid of what does not hold what it should."""
    for entry, kind, body in _bodies(connection, "item", "kind", "body"):
        try:
            load_body(kind, body)
        except (StoreDamaged, TypeError):
            yield "item", entry
    for table, column in (("turn", "receipt"), ("view", "body"), ("conversation", "metadata")):
        for rowid, _, text in _bodies(connection, table, "NULL", column):
            try:
                sound = isinstance(json.loads(text), dict)
            except (ValueError, TypeError):
                sound = False
            if not sound:
                yield table, rowid


def _bodies(connection: Database, table: str, kind: str, column: str) -> Iterator[tuple[int, str, Any]]:
    """Yield rowid, kind and what a column holds, None of what cannot be opened."""
    where = "" if table == "item" else f" WHERE {column} IS NOT NULL"  # an item without a body is damage
    select = f"SELECT rowid, {kind}, {{}} FROM main.{table} AS t{where}"
    if not connection.sealed:
        yield from connection.execute(select.format(column))
        return
    opened = connection.opened(table, column, "t")
    for rowid, word, _ in connection.execute(select.format("NULL")).fetchall():
        try:  # one by one: a value that cannot be opened ends its statement
            (body,) = connection.execute(
                f"SELECT {opened} FROM main.{table} AS t WHERE rowid = ?", (rowid,)
            ).fetchone()
        except sqlite3.OperationalError:
            body = None
        yield rowid, word, body
