"""Statements that forget one item as the wire shows it: a message's text, its reasoning, or its tool calls.

One stored item is several on the wire. The calls of one message and their results go together: a call is
never parted from its result, and the places in the ids of the calls that stay must not move.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...conversation.items import Forgotten, Image, Item, Message, Part, Reasoning, Text, ToolCall, ToolResult
from ...conversation.log import Position
from ...errors import Conflict, ConversationNotFound
from ..base import Lease, StoredItem
from ..ids import IdKind, ParsedId, make_id, parse_id
from .aliases import drop_aliases, find_item, find_item_id
from .conversations import Place, find_place
from .database import Database
from .digests import drop_digests
from .forget import (
    bury_item,
    clean_receipts,
    forget_elsewhere,
    forget_in_views,
    forget_quotations,
    mark_newest,
    replace_item,
    unindex_items,
)
from .leases import check_lease
from .marks import forget_unsaid
from .paths import Parents
from .responses import drop_claims, drop_compactions, forget_events
from .rows import SELECT_ITEMS, load_stored
from .turns import find_turn


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a stored item. `left` None: a tombstone."""

    stored: StoredItem
    left: Message | None
    gone: tuple[ParsedId, ...]  # what the wire shows no more


def forget_item(
    database: Database, owner: str, conversation: str, item: str, lease: Lease, now: float
) -> tuple[str, ...]:
    """Forget an item; returns the ids of all that went with it."""
    return take_item_out(database, owner, conversation, item, lease, now)[0]


def take_item_out(
    database: Database, owner: str, conversation: str, item: str, lease: Lease, now: float
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Forget an item; returns the ids of all that went with it, and the turns in which that stood."""
    check_lease(database, lease)
    place, key = find_place(database, owner, conversation)
    parsed = find_item_id(database, owner, conversation, item)
    stored = find_item(database, place, key, parsed)
    if isinstance(stored.item, Forgotten):
        return (), ()
    changes = _plan(database, place, key, parsed, stored)
    turns = [find_turn(database, place, number) for number in sorted({each.stored.turn for each in changes})]
    for turn in turns:
        if turn.state == "open":
            raise Conflict(f"Turn {turn.number} is still being answered: wait for it, or stop it first.")
    _take_out(database, place, key, changes, aside=parsed.kind == "rs")
    drop_digests(database, place, turns)
    drop_claims(database, place)
    drop_compactions(database, place)
    for turn in turns:
        forget_events(database, place, turn.number)
    gone = [each for change in changes for each in change.gone]
    drop_aliases(database, place, gone)
    forget_unsaid(database, place)
    database.execute("UPDATE conversation SET updated = ? WHERE owner = ? AND number = ?", (now, *place))
    return tuple(make_id(each) for each in gone), tuple(turn.number for turn in turns)


def _take_out(database: Database, place: Place, key: str, changes: Sequence[_Change], *, aside: bool) -> None:
    """Rewrite the items, and take out what was made of them; of what stands aside (reasoning), nothing is."""
    items = [each.stored for each in changes]
    spoken = [each.stored for each in changes if _text(each.stored.item) != _text(each.left)]
    unindex_items(database, place, spoken)
    for change in changes:
        if change.left is None:
            bury_item(database, place, change.stored)
        else:
            replace_item(database, place, change.stored.at, change.left)
    database.executemany(
        "DELETE FROM vector WHERE owner = ? AND conversation = ? "
        "AND embedder IN (SELECT number FROM embedder) AND turn = ? AND seq = ?",
        [(*place, each.turn, each.at.seq) for each in spoken],
    )
    numbers = sorted({each.turn for each in items})
    if not aside:
        texts = forget_in_views(database, place, numbers, items)
        forget_quotations(database, place, key, numbers, items, texts)
        forget_elsewhere(database, place, items)
    clean_receipts(database, place, numbers)
    mark_newest(database, place, numbers)


def _text(item: Item | None) -> str:
    return item.text if isinstance(item, Message) else ""


# -- what goes --------------------------------------------------------------------------------------
def _plan(database: Database, place: Place, key: str, parsed: ParsedId, stored: StoredItem) -> list[_Change]:
    message = stored.item
    if not isinstance(message, Message):
        return [_Change(stored, None, (_id_of(stored, "msg"),))]  # recalled lines, a note
    if message.role == "tool":
        asked = _find_call(database, place, key, stored.at)
        results = [stored] if asked is None else list(_results(database, place, key, asked.at))
        return [
            *([] if asked is None else [_without(asked, (ToolCall,))]),
            *(_without(each, (Text, Image, Reasoning, ToolResult)) for each in results),
        ]
    if message.role != "assistant":
        return [_without(stored, (Text, Image, Reasoning, ToolCall, ToolResult))]
    kinds = _PARTS_OF[parsed.kind]
    if not any(isinstance(part, kinds) for part in message.parts):
        raise ConversationNotFound(
            f"There is no item {make_id(parsed)!r} in this conversation: list its items to see which there are."
        )
    results = list(_results(database, place, key, stored.at)) if parsed.kind == "fc" else []
    return [_without(stored, kinds), *(_without(each, (ToolResult,)) for each in results)]


_PARTS_OF: dict[IdKind, tuple[type[Part], ...]] = {
    "msg": (Text, Image),
    "rs": (Reasoning,),
    "fc": (ToolCall,),
    "fco": (),
}


def _without(stored: StoredItem, kinds: tuple[type[Part], ...]) -> _Change:
    """Leave the parts of these kinds out; reasoning does not stay alone."""
    message = stored.item
    assert isinstance(message, Message)
    left = tuple(part for part in message.parts if not isinstance(part, kinds))
    if all(isinstance(part, Reasoning) for part in left):
        left = ()
    before, after = _ids(stored, message.parts), _ids(stored, left)
    gone = tuple(each for each in before if each not in after)
    return _Change(stored, Message(message.role, left) if left else None, gone)


def _ids(stored: StoredItem, parts: Sequence[Part]) -> list[ParsedId]:
    """The ids under which the wire shows these parts."""
    ids: list[ParsedId] = []
    calls, results = 0, 0
    for part in parts:
        match part:
            case Reasoning():
                ids.append(_id_of(stored, "rs"))
            case Text() | Image():
                ids.append(_id_of(stored, "msg"))
            case ToolCall():
                ids.append(_id_of(stored, "fc", calls))
                calls += 1
            case ToolResult():
                ids.append(_id_of(stored, "fco", results))
                results += 1
    return list(dict.fromkeys(ids))


def _id_of(stored: StoredItem, kind: IdKind, place: int | None = None) -> ParsedId:
    parsed = parse_id(stored.id)
    assert parsed is not None
    return ParsedId(kind=kind, key=parsed.key, tag=parsed.tag, place=place)


# -- calls and results ------------------------------------------------------------------------------
def _find_call(database: Database, place: Place, key: str, at: Position) -> StoredItem | None:
    """The assistant's item whose calls the results at a place answer; None when what stands before is none."""
    parents = Parents(database, place)
    while at.seq > 1:
        seq = at.seq - 1
        branch = at.branch if at.branch == 0 or seq > parents[at.branch].seq else parents[at.branch].branch
        at = Position(branch, seq)
        found = _load_at(database, place, key, at)
        if found is None or not isinstance(found.item, Message):
            return None
        if found.item.role != "tool":
            return found if found.item.tool_calls else None
    return None


def _results(database: Database, place: Place, key: str, at: Position) -> Iterator[StoredItem]:
    """The tools' items that follow a place at once, on all branches."""
    waiting = [at]
    while waiting:
        for place_after in _successors(database, place, waiting.pop()):
            found = _load_at(database, place, key, place_after)
            if found is not None and isinstance(found.item, Message) and found.item.role == "tool":
                yield found
                waiting.append(place_after)


def _successors(database: Database, place: Place, at: Position) -> list[Position]:
    forks = database.execute(
        "SELECT number FROM branch WHERE owner = ? AND conversation = ? AND parent = ? AND fork = ?",
        (*place, at.branch, at.seq),
    )
    return [Position(branch, at.seq + 1) for branch in (at.branch, *(number for (number,) in forks))]


def _load_at(database: Database, place: Place, key: str, at: Position) -> StoredItem | None:
    row = database.execute(
        SELECT_ITEMS + "WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
        (*place, at.branch, at.seq),
    ).fetchone()
    return None if row is None else load_stored(key, row)
