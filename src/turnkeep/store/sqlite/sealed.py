"""An encrypted database: its statements are those of the plain one, and what they read and write is sealed.

Every table that holds text has a view beside it, for this connection only, that opens what it
selects and seals what is inserted or updated; statements are turned to the views before SQLite
sees them. So the rule of what is encrypted, and what it is bound to, stands here alone, and a
plain database pays nothing for it.

Nothing rests on that turning: triggers in the file itself refuse any value that is not
sealed, whoever writes it. What stays readable is listed in `PLAIN`; a column in neither list
keeps a store from being encrypted (tests/store/test_encryption.py).
"""

# ruff: noqa: S608 - the names in these statements are our own

import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import StoreError, StoreLocked
from ..sealing import HIGHEST_DIGEST, MARK, Header, Sealer, make_sealer, open_sealer
from ..secret import Secret
from .database import KEYS, Database
from .wiping import wipe_leftover


@dataclass(frozen=True, slots=True)
class Sealed:
    """What of a table is sealed, and what that is bound to besides its owner and conversation.

    columns: what is sealed.
    key: what tells its rows apart within the conversation.
    also: what else must not be exchanged.
    own: it belongs to no conversation, and is under the store's own key.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    also: tuple[str, ...] = ()
    own: bool = False


SEALED = {
    "conversation": Sealed(("name", "metadata"), ("number",)),
    "instructions": Sealed(("text",), ("number",)),
    "turn": Sealed(("error", "receipt"), ("number",)),
    "item": Sealed(("body",), ("branch", "seq"), ("turn", "kind", "tag")),
    "piece": Sealed(("body",), ("turn", "number")),
    "view_key": Sealed(("text",), ("number",)),
    "view": Sealed(("body",), ("number",), ("key", "at_branch", "at_seq")),
    "vector": Sealed(("body",), ("embedder", "turn", "seq"), ("branch",)),
    "response": Sealed(("error", "model", "metadata", "head"), ("tag",), ("kind",)),
    "response_event": Sealed(("body",), ("response", "seq")),
    "mark": Sealed(("value",), ("kind", "number")),
    "owner": Sealed(("digest_key",), ("number",), own=True),
    "forgetting": Sealed(("note",), ("number",), own=True),  # its number is known when it is inserted
}
# Texts and numbers that are only ever looked up: digests stand in their place.
DIGESTS = {"alias": ("text",), "word": ("term",), "posting": ("term",)}
# Texts and bytes that stay as they are: none of them is what somebody said.
PLAIN = {
    "alias": ("kind",),
    "api_key": ("id", "name", "owner", "digest"),  # who may come in; the secret is hashed
    "audit_head": ("file", "link", "state", "mac"),  # names of files; digests under the journal's key
    "backup": ("path",),  # where the user put it
    "conversation": ("key", "kind"),  # random; how it came to be
    "conversation_key": ("wrapped", "name_digest"),  # wrapped; keyed by the store's key
    "digest": ("digest",),  # keyed by the owner's digest key, which is sealed
    "embedder": ("name",),  # names of models
    "encryption": ("method", "parameters", "wrapped"),
    "idempotency": ("digest", "request", "state", "keeper", "response"),  # keyed likewise; ids
    "imported": ("source", "version"),  # keyed likewise
    "item": ("kind",),
    "lease": ("subject", "holder", "note"),  # ids, addresses of engines
    "mark": ("kind",),  # "EMAIL"
    "migration": ("name",),
    "owner": ("name",),  # "local", or the id of a key
    "response": ("kind", "status", "keeper"),
    "tokenizer": ("name",),
    "turn": ("state",),
    "value": ("key", "value"),  # turnkeep's own: learned ratios, a window, an id
}

_MARK = f"x'{MARK.hex()}'"
_TABLES = "|".join(SEALED)
_READ = re.compile(rf"(?<!DELETE )\b(FROM|JOIN)\s+({_TABLES})\b(?: AS (\w+))?(?:\s+INDEXED BY \w+)?")
_INSERT = re.compile(rf"\b(INSERT (?:OR \w+ )?INTO) ({_TABLES})\b")
_UPDATE = re.compile(rf"^UPDATE ({_TABLES})\b")


@lru_cache(1_024)
def turn_to_views(statement: str) -> str:
    """Turn a statement to the views.

    Rows are deleted from the tables themselves, and updated there where nothing sealed is named:
    so SQLite counts them.
    """
    update = _UPDATE.match(statement)
    if update and any(re.search(rf"\b{column}\b", statement) for column in SEALED[update[1]].columns):
        statement = f"UPDATE open_{statement.removeprefix('UPDATE ')}"
    statement = _INSERT.sub(r"\1 open_\2", statement)
    return _READ.sub(lambda found: f"{found[1]} open_{found[2]} AS {found[3] or found[2]}", statement)


class SealedDatabase(Database):
    """A connection whose texts are sealed, from `unlock` on."""

    sealed = True
    named = "c.number = (SELECT conversation FROM conversation_key WHERE owner = o.number AND name_digest = digest_of_name(o.number, ?))"
    _sealer: Sealer | None = None

    def unlock(self, secret: Secret | None) -> None:
        """Open the store's key, or make one where nothing is kept yet.

        Raises:
            StoreLocked: the secret is another one, or the store is full of plain text.
        """
        assert secret is not None
        check_columns(self)  # before anything is written that says it is encrypted
        header = load_header(self) or self._encrypt_empty(secret)
        self.seal_with(header if isinstance(header, Sealer) else open_sealer(header, secret, self.where))

        wipe_leftover(Path(self.where))

    def _encrypt_empty(self, secret: Secret) -> Header | Sealer:
        sealer = make_sealer()
        header = sealer.wrap_with(secret)
        with self.writing():
            other = load_header(self)
            if other is not None:  # another process was first
                return other
            if self.execute("SELECT 1 FROM owner").fetchone():
                raise StoreLocked(
                    f"{self.where} is not encrypted, though a passphrase or key file is set: run `turnkeep encrypt` first."
                )
            save_header(self, header)
        return sealer

    def seal_with(self, sealer: Sealer) -> None:
        """Make the views, and the guards in the file where they are missing; from now on statements go through them."""
        self._open_with(sealer, (*_views(self), *_triggers(self)))
        self._add_guards()

    def read_with(self, secret: Secret) -> None:
        """Open the store's key to read alone: nothing is written to the file.

        Raises:
            StoreLocked: the secret is another one.
        """
        header = load_header(self)
        assert header is not None
        self._open_with(open_sealer(header, secret, self.where), _views(self))

    def _open_with(self, sealer: Sealer, statements: Iterable[str]) -> None:
        self._add_functions(sealer)
        for statement in statements:
            super().execute(statement)
        self._sealer = sealer

    def wrap_with(self, secret: Secret) -> Header:
        """Wrap the store's key by another secret."""
        assert self._sealer is not None
        return self._sealer.wrap_with(secret)

    def _add_functions(self, sealer: Sealer) -> None:
        functions: tuple[tuple[str, int, Callable[..., Any]], ...] = (  # Any: values of SQL
            ("seal", -1, sealer.seal),
            ("unseal", -1, sealer.unseal),
            ("seal_own", -1, sealer.seal_own),
            ("unseal_own", -1, sealer.unseal_own),
            ("make_key", 2, sealer.make_key),
            ("digest_of_name", 2, lambda owner, name: sealer.digest(name, "conversation.name", owner)),
        )
        for name, arguments, function in functions:
            self.create_function(name, arguments, function)

    def _add_guards(self) -> None:
        guards = dict(_guards())
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if set(guards) <= {name for (name,) in super().execute(query)}:
            return
        with self.writing():
            there = {name for (name,) in super().execute(query)}
            for name, statement in guards.items():
                if name not in there:
                    super().execute(statement)

    # -- what the statements' modules ask for -----------------------------------------------------
    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # Any: as sqlite3 has it
        """Execute a statement, turned to the views."""
        return super().execute(sql if self._sealer is None else turn_to_views(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:  # Any: as sqlite3 has it
        """The same with many parameters."""
        return super().executemany(sql if self._sealer is None else turn_to_views(sql), parameters)

    def digest_alias(self, text: str) -> str | bytes:
        """What stands for an alias."""
        assert self._sealer is not None
        digest = self._sealer.digest(text, "alias.text")
        assert digest is not None
        return digest

    def opened(self, table: str, column: str, row: str, keys: str = KEYS) -> str:
        """What opens a column of a row, in SQL."""
        if table not in SEALED or column not in SEALED[table].columns:
            return super().opened(table, column, row, keys)
        return _unsealed(table, column, row, keys)

    def term_digests(self, owner: int, conversation: int) -> Callable[[int], int]:
        """What turns terms into those of a conversation's index."""
        return self.sealer.term_digests(self.load_key(owner, conversation), owner, conversation)

    @property
    def sealer(self) -> Sealer:
        """What seals and opens, once the store's key is open."""
        assert self._sealer is not None
        return self._sealer

    def load_key(self, owner: int, conversation: int) -> bytes | None:
        """Load a conversation's key, wrapped; None: it is gone."""
        query = "SELECT wrapped FROM conversation_key WHERE owner = ? AND conversation = ?"
        row = super().execute(query, (owner, conversation)).fetchone()
        return None if row is None else row[0]


# -- the row that says how the key is kept --------------------------------------------------------------
def load_header(database: Database) -> Header | None:
    """Load it; None: the store is not encrypted."""
    row = database.execute("SELECT method, parameters, wrapped FROM encryption").fetchone()
    return None if row is None else Header(*row)


def save_header(database: Database, header: Header) -> None:
    """Keep it, in place of the one before."""
    database.execute(
        "INSERT OR REPLACE INTO encryption (number, method, parameters, wrapped) VALUES (1, ?, ?, ?)",
        (header.method, header.parameters, header.wrapped),
    )


# -- what is known --------------------------------------------------------------------------------------
def list_tables(database: Database) -> list[str]:
    """List the tables, but SQLite's own."""
    rows = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "ORDER BY name"
    )
    return [name for (name,) in rows]


def check_columns(database: Database) -> None:
    """Refuse a database with a text of which it is not known whether it is to be encrypted."""
    for table in list_tables(database):
        sealed = SEALED[table].columns if table in SEALED else ()
        known = {*PLAIN.get(table, ()), *DIGESTS.get(table, ()), *sealed}
        for _, name, kind, *_ in database.execute(f"PRAGMA main.table_info({table})"):
            if kind not in ("INTEGER", "REAL") and name not in known:
                raise StoreError(
                    f"{database.where} cannot be encrypted: {table}.{name} is unknown; upgrade turnkeep."
                )


# -- views and triggers ---------------------------------------------------------------------------------
def _views(database: Database) -> Iterable[str]:
    for table, rule in SEALED.items():
        columns = ", ".join(
            f"{_unsealed(table, name)} AS {name}" if name in rule.columns else name
            for name, _ in _columns(database, table)
        )
        yield f"CREATE TEMP VIEW open_{table} AS SELECT {columns} FROM main.{table} AS {table}"


def _triggers(database: Database) -> Iterable[str]:
    for table, rule in SEALED.items():
        columns = _columns(database, table)
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(
            ("NULL" if table in _NUMBERED else _sealed(table, name))
            if name in rule.columns
            else f"NEW.{name}" if default is None else f"coalesce(NEW.{name}, {default})"
            for name, default in columns
        )  # fmt: skip
        yield (
            f"CREATE TEMP TRIGGER add_{table} INSTEAD OF INSERT ON open_{table} BEGIN "
            f"INSERT INTO {table} ({names}) VALUES ({values}); {_THEN_NUMBERED if table == 'conversation' else ''}END"
        )
        changed = ", ".join(
            f"{name} = {_sealed(table, name) if name in rule.columns else f'NEW.{name}'}"
            for name, _ in columns
        )
        where = " AND ".join(f"{name} = OLD.{name}" for name in (*_place(table), *rule.key))
        yield (
            f"CREATE TEMP TRIGGER set_{table} INSTEAD OF UPDATE ON open_{table} BEGIN "
            f"UPDATE {table} SET {changed} WHERE {where}; {_THEN_NAMED if table == 'conversation' else ''}END"
        )


# Their numbers, which the sealing needs, are known when they are inserted; an owner's key is made later anyway.
_NUMBERED = ("conversation", "owner")


def _place(table: str) -> tuple[str, ...]:
    """The columns that tell a row's conversation."""
    if SEALED[table].own:
        return ()
    return ("owner",) if table == "conversation" else ("owner", "conversation")


def _bound(table: str, row: str) -> str:
    """What a value is bound to, as arguments: its conversation's key first. `row` is NEW, or the table."""
    rule = SEALED[table]
    place = ("owner", "number") if table == "conversation" else _place(table)
    return ", ".join(f"{row}.{name}" for name in dict.fromkeys((*place, *rule.key, *rule.also)))


def _key(table: str, row: str, keys: str = KEYS) -> str:
    number = "number" if table == "conversation" else "conversation"
    return (
        f"(SELECT k.wrapped FROM {keys} AS k WHERE k.owner = {row}.owner AND k.conversation = {row}.{number})"
    )


def _unsealed(table: str, column: str, row: str | None = None, keys: str = KEYS) -> str:
    row = row or table
    if SEALED[table].own:
        return f"unseal_own({row}.{column}, '{table}.{column}', {_bound(table, row)})"
    return f"unseal({row}.{column}, {_key(table, row, keys)}, '{table}.{column}', {_bound(table, row)})"


def _sealed(table: str, column: str, row: str = "NEW", value: str | None = None) -> str:
    value = value or f"NEW.{column}"
    if SEALED[table].own:
        return f"seal_own({value}, '{table}.{column}', {_bound(table, row)})"
    return f"seal({value}, {_key(table, row)}, '{table}.{column}', {_bound(table, row)})"


_THEN_NUMBERED = (
    "INSERT INTO conversation_key (owner, conversation, wrapped, name_digest) "
    "SELECT owner, number, make_key(owner, number), digest_of_name(owner, NEW.name) FROM conversation "
    "WHERE owner = NEW.owner AND key = NEW.key; "
    "UPDATE conversation SET "
    + ", ".join(
        f"{name} = {_sealed('conversation', name, 'conversation')}" for name in SEALED["conversation"].columns
    )
    + " WHERE owner = NEW.owner AND key = NEW.key; "
)
_THEN_NAMED = (
    "UPDATE conversation_key SET name_digest = digest_of_name(NEW.owner, NEW.name) "
    "WHERE owner = NEW.owner AND conversation = NEW.number; "
)


def _guards() -> Iterable[tuple[str, str]]:
    """Triggers in the file that refuse what is not sealed; they need no key."""
    sealed = [(table, name) for table, rule in SEALED.items() for name in rule.columns]
    for table, name in (*sealed, *((table, name) for table, names in DIGESTS.items() for name in names)):
        plain = (
            f"NEW.term > {HIGHEST_DIGEST}"
            if name == "term"
            else f"NEW.{name} IS NOT NULL AND (typeof(NEW.{name}) <> 'blob' OR substr(NEW.{name}, 1, {len(MARK)}) <> {_MARK})"
        )
        for action, word in (("INSERT", "insert"), (f"UPDATE OF {name}", "update")):
            yield (
                f"sealed_{table}_{name}_{word}",
                (
                    f"CREATE TRIGGER sealed_{table}_{name}_{word} BEFORE {action} ON {table} WHEN {plain} "
                    "BEGIN SELECT RAISE(ABORT, 'plain text in an encrypted database'); END"
                ),
            )


def _columns(database: Database, table: str) -> list[tuple[str, str | None]]:
    """Names and defaults of a table's columns."""
    return [(row[1], row[4]) for row in database.execute(f"PRAGMA main.table_info({table})")]
