"""Statements that a turn asks for together: begin it in one transaction, read all that it needs in one.

Each hand-over to the store's thread costs more than most statements do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...conversation.items import Item
from ...conversation.log import Position
from ..base import Conversation, ConversationKind, StoredItem, StoredView, Turn
from ..writing import Begun, Learnt
from . import appends, conversations, leases, paths, turns, values, views
from .database import Database

_HAS_OPEN = (
    "EXISTS (SELECT 1 FROM turn INDEXED BY turn_open "
    "WHERE owner = c.owner AND conversation = c.number AND state = 'open')"
)
# Whether something was forgotten since the newest turn's receipt was written; NULL without one. The key is
# spelled as dump_json writes it: inside a text of the receipt, its quotation marks are escaped.
_FORGOTTEN = (
    "(SELECT instr(receipt, '\"forgotten\":') FROM turn "
    "WHERE owner = c.owner AND conversation = c.number AND number = c.turns)"
)


def begin(
    database: Database,
    owner: str,
    conversation: str,
    items: Sequence[Item] | None,
    after: Position | None,
    holder: tuple[str, str, str],
    now: float,
    seconds: float,
    instructions: str | None = None,
    made: ConversationKind | None = None,
) -> Begun | None:
    """Take the lease, settle what was left open, load the row, begin a turn; None when another holds the lease.

    `holder` is the lease's subject, holder and note; with `made`, the conversation is made first.
    """
    if made is not None:
        conversations.make_conversation(database, owner, conversation, now, made)
    subject, name, note = holder
    lease = leases.take_lease(database, subject, name, now, seconds, note)
    if lease is None:
        return None
    place, row, (has_open, forgotten) = conversations.load_placed(
        database, owner, conversation, _HAS_OPEN, _FORGOTTEN
    )
    if has_open:
        appends.settle_turns(database, owner, conversation, lease, now)
    if instructions is not None and instructions != _instructions(database, place, row):
        number = conversations.keep_instructions(database, place, instructions, now)
        row = replace(row, instructions=number)
    turn = None if items is None else appends.begin_at(database, place, items, after, row, now)
    return Begun(lease=lease, row=row, turn=turn, clean=forgotten == 0)


def _instructions(database: Database, place: conversations.Place, row: Conversation) -> str | None:
    if row.instructions is None:
        return ""
    return conversations.find_instructions(database, place, row.instructions)


def keep_learnt(database: Database, owner: str, conversation: str, learnt: Learnt) -> None:
    """Keep what a turn taught, along with its end."""
    for key, value in learnt.values.items():
        values.save_value(database, key, value)
    if learnt.sizes:
        paths.save_sizes(database, owner, conversation, learnt.tokenizer, learnt.sizes)


class PlacedRecord:
    """What a conversation's record says within one transaction. Implements `Record`."""

    def __init__(self, database: Database, owner: str, conversation: str) -> None:
        self._key = (database, owner, conversation)

    def conversation(self) -> Conversation:
        """The row."""
        return conversations.load_conversation(*self._key)

    def instructions(self, number: int) -> str:
        """Instructions by number."""
        return conversations.load_instructions(*self._key, number)

    def view(self, number: int) -> StoredView:
        """A view by number."""
        return views.load_view(*self._key, number)

    def newest_view(self, tip: Position) -> StoredView | None:
        """The newest view that folded nothing but ancestors of `tip`."""
        return views.find_view(*self._key, tip, None)

    def leads(self, position: Position, tip: Position) -> bool:
        """Whether `position` lies on the path to `tip`."""
        return paths.is_on_path(*self._key, position, tip)

    def log(
        self, tip: Position, after: int = 0, limit: int | None = None, kind: str | None = None
    ) -> list[StoredItem]:
        """The items on the path to `tip`; see `Store.load_log`."""
        return paths.load_log(*self._key, tip, after, limit, kind)

    def receipt(self, turn: int) -> Mapping[str, Any] | None:  # Any: JSON values of context/receipt.py
        """A turn's receipt."""
        return turns.load_receipt(*self._key, turn)

    def turn(self, number: int) -> Turn:
        """A turn's row."""
        return turns.load_turn(*self._key, number)

    def turn_items(self, number: int) -> list[StoredItem]:
        """A turn's items."""
        return turns.load_turn_items(*self._key, number)
