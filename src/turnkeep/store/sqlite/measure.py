"""Statements that measure the store: rows, text, pages."""

import json
import os
import sqlite3
from pathlib import Path

from ..base import StoreStats
from .database import Database
from .rows import plain

# The index of words and the vectors: made from the items, and made anew where they are thrown away.
RECALL_TABLES = ("indexed", "word", "posting", "extent", "embedder", "embedded", "vector")


def measure(database: Database, path: Path | None, owner: str | None) -> StoreStats:
    """Count rows and bytes; with an owner, conversations, turns, items and text are that owner's alone."""
    return StoreStats(
        path=None if path is None else str(path),
        conversations=_count(database, "count(*)", "conversation", owner),
        turns=_count(database, "count(*)", "turn", owner),
        items=_count(database, "count(*)", "item", owner),
        # length() of text counts characters, up to the first NUL; of a blob, bytes.
        text_bytes=_count(database, "coalesce(sum(length(CAST(body AS BLOB))), 0)", "item", owner),
        file_bytes=_database_bytes(database) if path is None else _file_bytes(path),
        wal_bytes=0 if path is None else _file_bytes(Path(f"{path}-wal")),
        index_bytes=_index_bytes(database),
        tables=_rows(database),
    )


def _count(database: Database, what: str, table: str, owner: str | None) -> int:
    select = f"SELECT {what} FROM {table}"  # noqa: S608 - names of our own tables
    if owner is None:
        return int(database.execute(select).fetchone()[0])
    select += " WHERE owner = (SELECT number FROM owner WHERE name = ?)"
    return int(database.execute(select, (plain(owner),)).fetchone()[0])


def _rows(database: Database) -> dict[str, int]:
    names = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "ORDER BY name"
    ).fetchall()
    return {name: _count(database, "count(*)", name, None) for (name,) in names}


def _index_bytes(database: Database) -> int | None:
    """Bytes of all indexes, those of recall among them; None where SQLite was built without the table that tells."""
    try:
        row = database.execute(
            "SELECT coalesce(sum(dbstat.pgsize), 0) FROM dbstat "
            "JOIN sqlite_master ON sqlite_master.name = dbstat.name "
            "WHERE (sqlite_master.type = 'index' OR sqlite_master.name IN (SELECT value FROM json_each(?))) "
            "AND dbstat.aggregate = TRUE",
            (json.dumps(RECALL_TABLES),),
        ).fetchone()
    except sqlite3.OperationalError as error:
        if "dbstat" in str(error):
            return None
        raise
    return int(row[0])


def _database_bytes(database: Database) -> int:
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page_bytes)


def _file_bytes(path: Path) -> int:
    return os.stat(path).st_size if path.exists() else 0
