"""Statements for small values of turnkeep's own."""

from .database import Database
from .rows import plain


def load_value(database: Database, key: str) -> str | None:
    """Load a small value; None: there is none."""
    row = database.execute("SELECT value FROM value WHERE key = ?", (plain(key),)).fetchone()
    return None if row is None else str(row[0])


def save_value(database: Database, key: str, value: str) -> None:
    """Keep a small value, in place of the one before."""
    database.execute(
        "INSERT INTO value (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (plain(key), plain(value)),
    )
