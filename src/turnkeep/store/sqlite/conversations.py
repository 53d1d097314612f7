"""Statements for conversations: rows, names, instructions, and what belongs to whom."""

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...conversation.log import Position
from ...errors import Conflict, ConversationNotFound, UsageError
from ..base import Conversation, ConversationKind
from ..ids import conversation_id, make_key, parse_key
from .database import Database
from .rows import dump_json, load_mapping, plain

_SELECT = (
    "SELECT c.key, o.name, c.name, c.tip_branch, c.tip_seq, c.view, c.pending_view, "
    "c.instructions, c.turns, c.created, c.updated, c.kind, c.metadata "
    "FROM conversation AS c JOIN owner AS o ON o.number = c.owner "
)


class Place(NamedTuple):
    """What every row of a conversation begins with."""

    owner: int
    conversation: int


def find_place(database: Database, owner: str, conversation: str) -> tuple[Place, str]:
    """Find the integers that stand for owner and conversation, and the conversation's random key.

    Raises:
        ConversationNotFound: the owner has no conversation of that id.
    """
    key = parse_key(conversation)
    if key is None or conversation != conversation_id(key):
        raise _not_found(conversation)
    row = database.execute(
        "SELECT c.owner, c.number FROM conversation AS c JOIN owner AS o ON o.number = c.owner "
        "WHERE o.name = ? AND c.key = ?",
        (plain(owner), key),
    ).fetchone()
    if row is None:
        raise _not_found(conversation)
    return Place(*row), key


def create_conversation(
    database: Database,
    owner: str,
    name: str | None,
    now: float,
    kind: ConversationKind = "named",
    metadata: Mapping[str, str] | None = None,
    conversation: str | None = None,
) -> Conversation:
    """Insert an empty conversation, and its owner if this is the first."""
    key = make_key() if conversation is None else _parse(conversation)
    _insert(database, owner, key, name, now, kind, metadata)
    return load_conversation(database, owner, conversation_id(key))


def make_conversation(
    database: Database, owner: str, conversation: str, now: float, kind: ConversationKind
) -> None:
    """Insert an empty conversation without a name under an id that was made for it."""
    _insert(database, owner, _parse(conversation), None, now, kind, None)


def _parse(conversation: str) -> str:
    key = parse_key(conversation)
    if key is None or conversation != conversation_id(key):
        raise UsageError(f"{conversation!r} is no id of a conversation: make one with store/ids.py.")
    return key


def _insert(
    database: Database,
    owner: str,
    key: str,
    name: str | None,
    now: float,
    kind: ConversationKind,
    metadata: Mapping[str, str] | None,
) -> None:
    database.execute("INSERT OR IGNORE INTO owner (name) VALUES (?)", (plain(owner),))
    try:
        database.execute(
            "INSERT INTO conversation (owner, key, name, created, updated, kind, metadata) "
            "SELECT number, ?, ?, ?, ?, ?, ? FROM owner WHERE name = ?",
            (
                key,
                None if name is None else plain(name),
                now,
                now,
                kind,
                dump_json(metadata) if metadata else None,
                plain(owner),
            ),
        )
    except sqlite3.IntegrityError as error:
        raise _taken(name) from error


def load_conversation(database: Database, owner: str, conversation: str) -> Conversation:
    """Load by id."""
    place, _ = find_place(database, owner, conversation)
    row = database.execute(_SELECT + "WHERE c.owner = ? AND c.number = ?", place).fetchone()
    return _conversation(row)


def load_placed(
    database: Database, owner: str, conversation: str, *more: str
) -> tuple[Place, Conversation, tuple[Any, ...]]:  # Any: what those columns hold
    """Load by id, with the integers that stand for owner and conversation, and further columns in SQL.

    Raises:
        ConversationNotFound: the owner has no conversation of that id.
    """
    key = parse_key(conversation)
    row = None
    if key is not None and conversation == conversation_id(key):
        row = database.execute(
            _SELECT.replace("SELECT ", f"SELECT {', '.join(('c.owner', 'c.number', *more))}, ", 1)
            + "WHERE o.name = ? AND c.key = ?",
            (plain(owner), key),
        ).fetchone()
    if row is None:
        raise _not_found(conversation)
    return Place(*row[:2]), _conversation(row[2 + len(more) :]), row[2 : 2 + len(more)]


def find_conversation(database: Database, owner: str, name: str) -> Conversation | None:
    """Find by exact name, else by id."""
    row = database.execute(
        f"{_SELECT}WHERE o.name = ? AND {database.named}", (plain(owner), plain(name))
    ).fetchone()
    if row is not None:
        return _conversation(row)
    try:
        return load_conversation(database, owner, name)
    except ConversationNotFound:
        return None


def list_conversations(database: Database, owner: str, limit: int, offset: int) -> list[Conversation]:
    """List an owner's, the last updated first."""
    rows = database.execute(
        _SELECT + "WHERE o.name = ? ORDER BY c.updated DESC, c.number DESC LIMIT ? OFFSET ?",
        (plain(owner), limit, offset),
    )
    return [_conversation(row) for row in rows]


def rename_conversation(database: Database, owner: str, conversation: str, name: str) -> None:
    """Give another name; a taken one is refused."""
    place, _ = find_place(database, owner, conversation)
    try:
        database.execute(
            "UPDATE conversation SET name = ? WHERE owner = ? AND number = ?", (plain(name), *place)
        )
    except sqlite3.IntegrityError as error:
        raise _taken(name) from error


def update_conversation(
    database: Database,
    owner: str,
    conversation: str,
    kind: ConversationKind | None,
    metadata: Mapping[str, str] | None,
) -> Conversation:
    """Set its kind, replace its metadata."""
    place, _ = find_place(database, owner, conversation)
    if kind is not None:
        database.execute("UPDATE conversation SET kind = ? WHERE owner = ? AND number = ?", (kind, *place))
    if metadata is not None:
        database.execute(
            "UPDATE conversation SET metadata = ? WHERE owner = ? AND number = ?",
            (dump_json(metadata) if metadata else None, *place),
        )
    return load_conversation(database, owner, conversation)


def delete_conversation(database: Database, owner: str, conversation: str) -> None:
    """Remove its row, everything that refers to it, and the leases that name it."""
    place, _ = find_place(database, owner, conversation)
    database.execute("DELETE FROM conversation WHERE owner = ? AND number = ?", place)
    # Its key is random and never made again, so no fence can be used twice.
    database.execute("DELETE FROM lease WHERE instr(subject, ?)", (conversation,))


def delete_owner(database: Database, owner: str) -> None:
    """Remove all of an owner's conversations, the owner, and the keys that stand for it."""
    keys = database.execute(
        "SELECT c.key FROM conversation AS c JOIN owner AS o ON o.number = c.owner WHERE o.name = ?",
        (plain(owner),),
    ).fetchall()
    for (key,) in keys:
        delete_conversation(database, owner, conversation_id(key))
    database.execute("DELETE FROM owner WHERE name = ?", (plain(owner),))
    database.execute("DELETE FROM api_key WHERE owner = ?", (plain(owner),))


def save_instructions(database: Database, owner: str, conversation: str, text: str, now: float) -> int:
    """Keep the text under a number, an earlier one if it has been kept before, and point to it."""
    return keep_instructions(database, find_place(database, owner, conversation)[0], text, now)


def keep_instructions(database: Database, place: Place, text: str, now: float) -> int:
    """The same, where the conversation is found already."""
    row = database.execute(
        "SELECT number FROM instructions WHERE owner = ? AND conversation = ? AND text = ?",
        (*place, plain(text)),
    ).fetchone()
    if row is None:
        row = database.execute(
            "INSERT INTO instructions (owner, conversation, number, text, created) "
            "SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ? FROM instructions "
            "WHERE owner = ? AND conversation = ? RETURNING number",
            (*place, plain(text), now, *place),
        ).fetchone()
    number = int(row[0])
    database.execute(
        "UPDATE conversation SET instructions = ? WHERE owner = ? AND number = ? AND instructions IS NOT ?",
        (number, *place, number),
    )
    return number


def load_instructions(database: Database, owner: str, conversation: str, number: int) -> str:
    """Load instructions by number."""
    text = find_instructions(database, find_place(database, owner, conversation)[0], number)
    if text is None:
        raise ConversationNotFound(f"There are no instructions number {number} in {conversation}.")
    return text


def find_instructions(database: Database, place: Place, number: int) -> str | None:
    """The same, where the conversation is found already; None: there are none of that number."""
    row = database.execute(
        "SELECT text FROM instructions WHERE owner = ? AND conversation = ? AND number = ?",
        (*place, number),
    ).fetchone()
    return None if row is None else str(row[0])


def _conversation(row: tuple[Any, ...]) -> Conversation:  # Any: columns, typed by the schema
    key, owner, name, branch, seq, view, pending, instructions, turns, created, updated, kind, metadata = row
    return Conversation(
        id=conversation_id(key),
        owner=owner,
        name=name,
        tip=Position(branch, seq),
        view=view,
        pending_view=pending,
        instructions=instructions,
        turns=turns,
        created=created,
        updated=updated,
        kind=kind,
        metadata={} if metadata is None else load_mapping(metadata),
    )


def _not_found(conversation: str) -> ConversationNotFound:
    return ConversationNotFound(
        f"There is no conversation {conversation!r}: list them to see which there are."
    )


def _taken(name: str | None) -> Conflict:
    return Conflict(f"There is already a conversation named {name!r}: choose another name.")
