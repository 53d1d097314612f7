"""What a transaction takes out of the database: counted and caught row by row, whatever code deletes it.

Temporary triggers on every table write down what a row held before it was deleted or changed. So
nothing that is forgotten is missed: neither rows that go by a foreign key, nor tables that were added
later. They live in this connection alone, in memory, and are gone when the transaction ends.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .database import KEYS, Database

# Hold nothing that was said.
_APART = {"migration", "lease", "tokenizer", "embedder", "word"}
RECORD = "forgetting"  # what is left to do, written while this goes on
_NAMES = {"kind", "state", "status", "keeper", "key", "digest_key", "path"}  # columns of turnkeep's own words

# Turns of which something went that was said in them: what they recalled was said elsewhere.
_ITEMS = (
    "INSERT INTO gone_turn SELECT OLD.owner, OLD.conversation, OLD.turn "
    "WHERE OLD.kind NOT IN ('recalled', 'forgotten'); "
)


@dataclass(slots=True)
class Gone:
    """What went, once the transaction is done."""

    removed: Counter[str] = field(default_factory=Counter)
    rewritten: Counter[str] = field(default_factory=Counter)
    texts: dict[str | bytes, None] = field(default_factory=dict)  # a set in order
    turns: dict[tuple[int, int], set[int]] = field(
        default_factory=dict
    )  # by owner and conversation: see _ITEMS


@contextmanager
def catching(database: Database) -> Iterator[Gone]:
    """Catch what goes until the end of the block, inside of a transaction."""
    tables = list_columns(database)
    database.execute("CREATE TEMP TABLE gone_row (name TEXT, removed INTEGER, value)")
    database.execute("CREATE TEMP TABLE gone_turn (owner INTEGER, conversation INTEGER, turn INTEGER)")
    if database.sealed:  # a conversation's key may be gone before the rows that it opens
        database.execute(
            "CREATE TEMP TABLE gone_key (owner, conversation, wrapped, PRIMARY KEY (owner, conversation))"
        )
        database.execute(f"INSERT INTO gone_key SELECT owner, conversation, wrapped FROM {KEYS}")  # noqa: S608 - our own name
    for table, columns in tables.items():
        for statement in _triggers(database, table, columns):
            database.execute(statement)
    gone = Gone()
    yield gone  # when it fails, the transaction is taken back, and the triggers with it
    for table in tables:
        database.execute(f"DROP TRIGGER gone_removed_{table}")
        database.execute(f"DROP TRIGGER IF EXISTS gone_changed_{table}")
    for name, removed, value in database.execute("SELECT name, removed, value FROM gone_row"):
        if removed is not None:
            (gone.removed if removed else gone.rewritten)[name] += 1
        elif isinstance(value, bytes):
            gone.texts[value] = None
        elif value is not None:
            gone.texts.update(dict.fromkeys(leaves(value)))
    for owner, conversation, turn in database.execute("SELECT DISTINCT * FROM gone_turn"):
        gone.turns.setdefault((owner, conversation), set()).add(turn)
    database.execute("DROP TABLE gone_row")
    database.execute("DROP TABLE gone_turn")
    database.execute("DROP TABLE IF EXISTS gone_key")


def _triggers(database: Database, table: str, columns: list[str]) -> Iterator[str]:
    old = {name: database.opened(table, name, "OLD", "gone_key") for name in columns}
    new = {name: database.opened(table, name, "NEW", "gone_key") for name in columns}
    said = _ITEMS if table == "item" else ""
    caught = "".join(f"INSERT INTO gone_row VALUES (NULL, NULL, {value}); " for value in old.values())  # noqa: S608 - names of our own tables
    yield (
        f"CREATE TEMP TRIGGER gone_removed_{table} AFTER DELETE ON main.{table} BEGIN "  # noqa: S608 - names of our own tables
        f"INSERT INTO gone_row VALUES ('{table}', 1, NULL); {caught}{said}END"
    )
    if columns:
        changed = " OR ".join(f"{old[name]} IS NOT {new[name]}" for name in columns)
        caught = "".join(
            f"INSERT INTO gone_row SELECT NULL, NULL, {old[name]} WHERE {old[name]} IS NOT {new[name]}; "
            for name in columns
        )
        yield (
            f"CREATE TEMP TRIGGER gone_changed_{table} AFTER UPDATE ON main.{table} WHEN {changed} BEGIN "  # noqa: S608 - likewise
            f"INSERT INTO gone_row VALUES ('{table}', 0, NULL); {caught}{said}END"
        )


def list_columns(database: Database, *, ours: bool = False) -> dict[str, list[str]]:
    """The columns of each table that hold text or bytes of somebody's; with `ours`, turnkeep's own words too."""
    names = database.execute(
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    return {
        table: [
            name
            for _, name, kind, *_ in database.execute(f"PRAGMA main.table_info({table})")
            if kind in ("TEXT", "BLOB") and (ours or name not in _NAMES)
        ]
        for (table,) in names
        if table != RECORD and (ours or table not in _APART)
    }


def leaves(text: str) -> Iterator[str]:
    """The texts of a column: of JSON its parts, to any depth; else itself. Example: '["a", {"b": "c"}]' → a, c"""
    yield from _leaves_of(_parse(text)) if text[:1] in ("{", "[", '"') else (text,)


def _leaves_of(value: Any) -> Iterator[str]:  # Any: JSON values
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _leaves_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves_of(each)


def _parse(text: str) -> Any:  # Any: JSON values
    try:
        return json.loads(text)
    except ValueError:
        return text
