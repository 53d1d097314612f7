"""Statements for views: inserted, never updated; two pointers that are swapped with care."""

from collections.abc import Mapping
from typing import Any

from ...conversation.log import Position
from ...errors import ConversationNotFound
from ..base import StoredView
from .conversations import Place, find_place
from .database import Database
from .paths import Parents
from .rows import dump_json, load_mapping, plain


def save_view(
    database: Database,
    owner: str,
    conversation: str,
    at: Position,
    key: str,
    body: Mapping[str, Any],  # Any: JSON of context/view.py's own making
    now: float,
) -> StoredView:
    """Insert a view under the next number."""
    place, _ = find_place(database, owner, conversation)
    number_of_key = _find_key(database, place, key) or _insert_key(database, place, key)
    (number,) = database.execute(
        "INSERT INTO view (owner, conversation, number, key, at_branch, at_seq, created, body) "
        "SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ? FROM view "
        "WHERE owner = ? AND conversation = ? RETURNING number",
        (*place, number_of_key, at.branch, at.seq, now, dump_json(body), *place),
    ).fetchone()
    return _load_view(database, place, int(number))


def point_view(
    database: Database,
    owner: str,
    conversation: str,
    expected: int | None,
    current: int | None,
    pending: int | None,
) -> bool:
    """Swap the pointers if the current view is `expected`; tells whether it was."""
    # Compare-and-swap: of two compactors the second finds another view current and drops its own.
    place, _ = find_place(database, owner, conversation)
    changed = database.execute(
        "UPDATE conversation SET view = ?, pending_view = ? WHERE owner = ? AND number = ? AND view IS ?",
        (current, pending, *place, expected),
    )
    return changed.rowcount == 1


def load_view(database: Database, owner: str, conversation: str, number: int) -> StoredView:
    """Load a view by number."""
    place, _ = find_place(database, owner, conversation)
    return _load_view(database, place, number)


def find_view(
    database: Database, owner: str, conversation: str, tip: Position, key: str | None
) -> StoredView | None:
    """Find the newest view that folded nothing but ancestors of `tip`.

    The candidates come from the index alone, newest first. The first is the answer unless the
    tip was moved behind its cut, and ancestry looks up only the branches between cut and tip.
    """
    place, _ = find_place(database, owner, conversation)
    number_of_key = None if key is None else _find_key(database, place, key)
    if key is not None and number_of_key is None:
        return None
    parents = Parents(database, place)
    candidates = database.execute(
        "SELECT number, at_branch, at_seq FROM view INDEXED BY view_place "
        "WHERE owner = ? AND conversation = ? AND at_seq <= ? AND (? IS NULL OR key = ?) ORDER BY number DESC",
        (*place, tip.seq, number_of_key, number_of_key),
    )
    for number, branch, seq in candidates:
        if parents.lead_to(tip, Position(branch, seq)):
            return _load_view(database, place, number)
    return None


def _load_view(database: Database, place: Place, number: int) -> StoredView:
    row = database.execute(
        "SELECT view.number, at_branch, at_seq, view_key.text, created, body FROM view JOIN view_key "
        "ON view_key.owner = view.owner AND view_key.conversation = view.conversation "
        "AND view_key.number = view.key "
        "WHERE view.owner = ? AND view.conversation = ? AND view.number = ?",
        (*place, number),
    ).fetchone()
    if row is None:
        raise ConversationNotFound(f"There is no view {number} in this conversation.")
    number, branch, seq, key, created, body = row
    return StoredView(
        number=number, at=Position(branch, seq), key=key, body=load_mapping(body), created=created
    )


def _find_key(database: Database, place: Place, key: str) -> int | None:
    row = database.execute(
        "SELECT number FROM view_key WHERE owner = ? AND conversation = ? AND text = ?", (*place, plain(key))
    ).fetchone()
    return None if row is None else int(row[0])


def _insert_key(database: Database, place: Place, key: str) -> int:
    (number,) = database.execute(
        "INSERT INTO view_key (owner, conversation, number, text) "
        "SELECT ?, ?, coalesce(max(number), 0) + 1, ? FROM view_key WHERE owner = ? AND conversation = ? "
        "RETURNING number",
        (*place, plain(key), *place),
    ).fetchone()
    return int(number)
