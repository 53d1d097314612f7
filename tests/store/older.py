"""Databases as an older turnkeep has left them."""

import sqlite3
from pathlib import Path

from turnkeep.store.migrations import load_migrations
from turnkeep.store.sqlite.database import open_database


def make_older(path: Path, version: int) -> None:
    """Put a database of an older version in a closed file's place, with those of its rows that this version had."""
    newer = path.rename(path.with_suffix(".newer"))
    open_database(path, load_migrations("sqlite")[:version]).close()
    with sqlite3.connect(path) as database:
        database.execute("ATTACH ? AS newer", (str(newer),))
        tables = database.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT IN ('migration', 'sqlite_sequence')"
        ).fetchall()
        for (table,) in tables:
            columns = ", ".join(row[1] for row in database.execute(f"PRAGMA main.table_info({table})"))
            database.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    database.close()
    newer.unlink()
