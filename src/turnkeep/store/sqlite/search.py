"""Statements for searching what was said, newest first, in slices.

A slice is short, so that a turn waits for milliseconds while a long search is
under way in the same thread. Case is folded as Unicode says, which SQLite's own
LIKE does for ASCII only; so the comparison is done here, on the parsed text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...conversation.items import Message
from ..base import Hit
from ..ids import conversation_id
from .conversations import find_place
from .database import Database
from .rows import load_body, plain

_SLICE_ROWS = 500  # rows read before other work gets its turn: about 2 ms


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice found, and where the next begins; None: all was searched."""

    hits: list[Hit]
    before: int | None


def search_slice(
    database: Database, owner: str, needle: str, conversation: str | None, before: int | None
) -> Slice:
    """Search some of an owner's items, those written last first.

    Args:
        database: where.
        owner: whose items.
        needle: what to look for, case folded.
        conversation: search this one only; None: all of the owner's.
        before: search what the slice before left over; None: begin.
    """
    rows, begin = (
        _rows_of_owner(database, owner, before)
        if conversation is None
        else _rows_of_conversation(database, owner, conversation, before)
    )
    return Slice(list(_matching(rows, needle)), begin)


# Any in rows: columns, typed by the schema
_SELECT_HITS = "SELECT c.key, c.name, item.turn, item.kind, item.created, item.body "


def _rows_of_owner(
    database: Database, owner: str, before: int | None
) -> tuple[list[tuple[Any, ...]], int | None]:
    if before is None:
        before = int(database.execute("SELECT coalesce(max(entry), 0) + 1 FROM item").fetchone()[0])
    begin = before - _SLICE_ROWS
    found = database.execute("SELECT number FROM owner WHERE name = ?", (plain(owner),)).fetchone()
    if found is None:
        return [], None
    rows = database.execute(
        _SELECT_HITS
        + "FROM item JOIN conversation AS c ON c.owner = item.owner AND c.number = item.conversation "
        "WHERE item.entry >= ? AND item.entry < ? AND item.owner = ? ORDER BY item.entry DESC",
        (begin, before, *found),
    ).fetchall()
    return rows, begin if begin > 0 else None


def _rows_of_conversation(
    database: Database, owner: str, conversation: str, before: int | None
) -> tuple[list[tuple[Any, ...]], int | None]:
    place, _ = find_place(database, owner, conversation)
    if before is None:
        (turns,) = database.execute(
            "SELECT turns FROM conversation WHERE owner = ? AND number = ?", place
        ).fetchone()
        before = int(turns) + 1
    begin = before - _SLICE_ROWS // 2  # a turn is two items as a rule
    rows = database.execute(
        _SELECT_HITS + "FROM turn "
        "JOIN conversation AS c ON c.owner = turn.owner AND c.number = turn.conversation "
        "JOIN item ON item.owner = turn.owner AND item.conversation = turn.conversation "
        "AND item.branch = turn.branch AND item.seq BETWEEN turn.first AND turn.last "
        "WHERE turn.owner = ? AND turn.conversation = ? AND turn.number >= ? AND turn.number < ? "
        "ORDER BY turn.number DESC, item.seq DESC",
        (*place, begin, before),
    ).fetchall()
    return rows, begin if begin > 0 else None


def _matching(rows: list[tuple[Any, ...]], needle: str) -> Iterator[Hit]:
    for key, name, turn, kind, created, body in rows:
        item = load_body(kind, body)
        # Recalled lines are copies of what is found in its own place.
        if isinstance(item, Message) and needle in item.text.casefold():
            yield Hit(
                conversation=conversation_id(key),
                name=name,
                turn=turn,
                role=item.role,
                text=item.text,
                created=created,
            )
