"""Statements for the gateway's keys: who may come in, and as which owner."""

import secrets
import sqlite3
from itertools import count
from typing import Any

from ...context.mentions import Mention
from ...errors import Conflict, UsageError
from ..keys import KEY_OWNER_PREFIX
from ..ledger import ApiKey
from .database import Database
from .rows import plain

DAY_SECONDS = 86_400.0
_ID_BYTES = 8  # it is no secret; only unlike all others
_SELECT = "SELECT id, name, owner, created, used, revoked FROM api_key "


def create_key(database: Database, name: str, digest: bytes, now: float, owner: str | None) -> ApiKey:
    """Insert a key, for a new owner unless another key's is given."""
    name = plain(name).strip()
    if not name:
        raise UsageError("The key has no name: give one, so that it can be revoked by it.")
    number = secrets.token_hex(_ID_BYTES)
    if owner is None:
        owner = KEY_OWNER_PREFIX + number
    elif not database.execute("SELECT 1 FROM api_key WHERE owner = ?", (plain(owner),)).fetchone():
        raise UsageError(f"No key has the owner {owner!r}: list the keys to see whose there are.")
    try:
        database.execute(
            "INSERT INTO api_key (id, name, owner, digest, created) VALUES (?, ?, ?, ?, ?)",
            (number, name, plain(owner), digest, now),
        )
    except sqlite3.IntegrityError as error:
        raise Conflict(
            f"There is already a key named {name!r}: revoke it, or choose another name."
        ) from error
    return _key(database.execute(_SELECT + "WHERE id = ?", (number,)).fetchone())


def list_keys(database: Database) -> list[ApiKey]:
    """List all keys in the order of making."""
    return [_key(row) for row in database.execute(_SELECT + "ORDER BY number")]


def revoke_key(database: Database, key: str, now: float) -> ApiKey:
    """Revoke a live key by its name, else by its id."""
    row = database.execute(
        "SELECT id FROM api_key WHERE (name = ?1 OR id = ?1) AND revoked IS NULL ORDER BY name = ?1 DESC",
        (plain(key),),
    ).fetchone()
    if row is None:
        raise UsageError(f"There is no live key {key!r}: list the keys to see which there are.")
    database.execute("UPDATE api_key SET revoked = ? WHERE id = ?", (now, *row))
    return _key(database.execute(_SELECT + "WHERE id = ?", row).fetchone())


def rewrite_names(database: Database, owner: str | None, value: str) -> None:
    """Put the mark in the place of a value in the names of keys, of all owners if None; the keys go on working."""
    mention = Mention(value)
    rows = database.execute(
        "SELECT number, name FROM api_key WHERE ?1 IS NULL OR owner = ?1 ORDER BY number",
        (None if owner is None else plain(owner),),
    ).fetchall()
    for number, name in rows:
        if mention.is_in(name):
            free = _free_name(database, number, mention.rewrite(name))
            database.execute("UPDATE api_key SET name = ? WHERE number = ?", (free, number))


def _free_name(database: Database, number: int, name: str) -> str:
    """The name, or with a number behind it where another live key has it."""
    names = (name if attempt == 1 else f"{name} {attempt}" for attempt in count(1))
    taken = "SELECT 1 FROM api_key WHERE name = ? AND number <> ? AND revoked IS NULL"
    return next(free for free in names if database.execute(taken, (free, number)).fetchone() is None)


def find_key(database: Database, digest: bytes) -> ApiKey | None:
    """Find the live key of a secret's digest."""
    row = database.execute(_SELECT + "WHERE digest = ? AND revoked IS NULL", (digest,)).fetchone()
    return None if row is None else _key(row)


def note_use(database: Database, key: ApiKey, now: float) -> None:
    """Note the day of use; how often and when on that day is nobody's business."""
    database.execute(
        "UPDATE api_key SET used = ? WHERE id = ? AND (used IS NULL OR used < ?)",
        (day_of(now), key.id, day_of(now)),
    )


def day_of(now: float) -> float:
    """The beginning of a time's day (UTC)."""
    return now - now % DAY_SECONDS


def _key(row: tuple[Any, ...]) -> ApiKey:  # Any: columns, typed by the schema
    id_, name, owner, created, used, revoked = row
    return ApiKey(id=id_, name=name, owner=owner, created=created, used=used, revoked=revoked)
