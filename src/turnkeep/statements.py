"""Load what the user said from the record, for facts to be gleaned from it.

A bounded part at a time, the oldest first: a conversation that was imported whole is
caught up with over several compactions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .context.facts import Statement
from .context.view import Entry
from .conversation.items import Message, Note
from .conversation.log import Position
from .store.base import Store, StoredItem

MOST_ITEMS = 2_000  # looked at by one compaction: some seconds of gleaning at worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What the user said up to an item, and behind it.

    notes: what they told turnkeep itself up to there.
    upto: the last item that `folded` and `notes` reach to.
    """

    folded: Sequence[Statement]
    staying: Sequence[Statement]
    notes: Sequence[Entry]
    upto: Position


async def load_statements(
    store: Store, owner: str, conversation: str, *, after: int, at: Position, tip: Position
) -> Statements:
    """Load what the user said between two cuts, and what stands behind the second.

    Args:
        store: where the conversation is kept.
        owner: whose it is.
        conversation: its id.
        after: the seq of the last item that was looked at before.
        at: the last folded item.
        tip: the last item of the log.
    """
    upto = at
    while True:  # items are loaded from their end: step back to the oldest part
        items = await store.load_log(owner, conversation, tip=upto, after=after, limit=MOST_ITEMS + 1)
        if len(items) <= MOST_ITEMS:
            break
        upto = items[0].at
    later = await store.load_log(owner, conversation, tip=tip, after=upto.seq, limit=MOST_ITEMS)
    found = list_statements([*items, *later])
    folded = [statement for statement in found if statement.at.seq <= upto.seq]
    notes = [
        Entry(at=item.at, turn=item.turn, item=item.item) for item in items if isinstance(item.item, Note)
    ]
    return Statements(folded=folded, staying=found[len(folded) :], notes=notes, upto=upto)


async def load_notes(
    store: Store, owner: str, conversation: str, *, after: int, tip: Position
) -> list[Entry]:
    """Load the notes behind the item of a seq, up to `tip`, oldest first."""
    items = await store.load_log(owner, conversation, tip=tip, after=after, kind="note")
    return [Entry(at=item.at, turn=item.turn, item=item.item) for item in items]


def list_statements(items: Sequence[StoredItem]) -> list[Statement]:
    """List what the user said, each with what the assistant had said before."""
    found: list[Statement] = []
    asked = ""
    for item in items:
        if not isinstance(item.item, Message) or not item.item.text:
            continue  # what was only quoted from earlier, calls and their results
        if item.item.role == "user":
            found.append(Statement(text=item.item.text, turn=item.turn, at=item.at, asked=asked))
        asked = item.item.text if item.item.role == "assistant" else ""
    return found
