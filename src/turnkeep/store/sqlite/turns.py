"""Statements that load turns: their rows, items, receipts, and unfinished replies."""

from collections.abc import Mapping
from typing import Any

from ...conversation.items import Message
from ...conversation.log import START, Position
from ...errors import ConversationNotFound
from ..base import StoredItem, Turn
from .conversations import Place, find_place
from .database import Database
from .rows import PARTIAL, SELECT_ITEMS, load_json, load_mapping, load_stored

SELECT_TURNS = "SELECT number, branch, first, last, after_branch, state, created, finished, error FROM turn "


def load_turn(database: Database, owner: str, conversation: str, number: int) -> Turn:
    """Load a turn by number."""
    place, _ = find_place(database, owner, conversation)
    return find_turn(database, place, number)


def load_turn_items(database: Database, owner: str, conversation: str, number: int) -> list[StoredItem]:
    """Load a turn's items, whatever its state."""
    place, key = find_place(database, owner, conversation)
    return load_items_of(database, place, key, find_turn(database, place, number))


def load_items_of(database: Database, place: Place, key: str, turn: Turn) -> list[StoredItem]:
    """Load the items of a turn that is loaded already."""
    rows = database.execute(
        SELECT_ITEMS
        + "WHERE owner = ? AND conversation = ? AND branch = ? AND seq BETWEEN ? AND ? ORDER BY seq",
        (*place, turn.branch, turn.first, turn.last),
    )
    return [load_stored(key, row) for row in rows]


def load_page(
    database: Database, owner: str, conversation: str, after: int, limit: int
) -> list[tuple[Turn, list[StoredItem]]]:
    """Load up to `limit` turns, numbered above `after`, with their items."""
    place, key = find_place(database, owner, conversation)
    rows = database.execute(
        SELECT_TURNS + "WHERE owner = ? AND conversation = ? AND number > ? ORDER BY number LIMIT ?",
        (*place, after, limit),
    ).fetchall()
    return [(turn, load_items_of(database, place, key, turn)) for turn in map(load_turn_row, rows)]


def load_receipt(
    database: Database, owner: str, conversation: str, number: int
) -> Mapping[str, Any] | None:  # Any: JSON values of context/receipt.py
    """Load a turn's receipt; None: it has none."""
    place, _ = find_place(database, owner, conversation)
    row = database.execute(
        "SELECT receipt FROM turn WHERE owner = ? AND conversation = ? AND number = ?", (*place, number)
    ).fetchone()
    if row is None:
        raise _no_turn(number)
    return None if row[0] is None else load_mapping(row[0])


def load_partial(database: Database, owner: str, conversation: str, number: int) -> str:
    """Load what came of a reply that is not complete; an empty text when nothing did."""
    place, key = find_place(database, owner, conversation)
    turn = find_turn(database, place, number)
    if turn.state == "open":
        return join_pieces(database, place, number)
    row = database.execute(
        SELECT_ITEMS + "WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ? AND kind = ?",
        (*place, turn.branch, turn.last, PARTIAL),
    ).fetchone()
    item = None if row is None else load_stored(key, row).item
    return item.text if isinstance(item, Message) else ""


def load_turn_row(row: tuple[Any, ...]) -> Turn:  # Any: columns, typed by the schema
    """Turn a row of `SELECT_TURNS` into the turn."""
    number, branch, first, last, after_branch, state, created, finished, error = row
    return Turn(
        number=number,
        branch=branch,
        after=START if first == 1 else Position(after_branch, first - 1),
        first=first,
        last=last,
        state=state,
        error=error,
        created=created,
        finished=finished,
    )


def find_turn(database: Database, place: Place, number: int) -> Turn:
    """Load a turn's row. Raises `ConversationNotFound` when there is none of that number."""
    row = database.execute(
        SELECT_TURNS + "WHERE owner = ? AND conversation = ? AND number = ?",
        (*place, number),
    ).fetchone()
    if row is None:
        raise _no_turn(number)
    return load_turn_row(row)


def join_pieces(database: Database, place: Place, turn: int) -> str:
    """Join what is kept of a reply that still streams."""
    rows = database.execute(
        "SELECT body FROM piece WHERE owner = ? AND conversation = ? AND turn = ? ORDER BY number",
        (*place, turn),
    )
    return "".join(load_json(row[0]) for row in rows)


def _no_turn(number: int) -> ConversationNotFound:
    return ConversationNotFound(f"There is no turn {number} in this conversation.")
