"""Read from a conversation's record what a prompt is made of: views, the log, the turn before.

Synchronous, for one reading of the store (`Store.read`): what is read together is of one moment.
Nothing is measured or decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .context.compaction import cut_view, without_lines
from .context.facts import reopen_facts
from .context.receipt import Receipt, load_receipt
from .context.view import View, load_view
from .conversation.items import Forgotten, Item, Note
from .conversation.log import START, Position
from .store.base import Conversation, StoredItem, StoredView
from .store.reading import Record

LOOK_BACK = 8  # items loaded at first when looking for the last turn of talk


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The turn before a new one, for telling why the front of the prompt moved.

    last: number of the newest turn of talk, on whatever branch; 0 when there is none.
    forgotten: something was forgotten since it was said.
    before: number of the last turn of talk on the path that the new one hangs on.
    failed: the newest one failed.
    receipt: the newest one's.
    """

    last: int = 0
    forgotten: bool = False
    before: int = 0
    failed: bool = False
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A view with the items of its log."""

    view: View
    items: Sequence[StoredItem]


def read_instructions(record: Record, row: Conversation) -> str:
    """Read the current instructions; "" when there are none."""
    return "" if row.instructions is None else record.instructions(row.instructions)


# -- views ----------------------------------------------------------------------------------------
def read_views(record: Record, row: Conversation, tip: Position, day: str) -> list[View]:
    """Read the views that are valid for `tip`: the current one (or the newest that is), then a pending one.

    `day` is what the view of a conversation shows that was never compacted.
    """
    current = View(day=day)
    if row.view is not None:
        stored = _read_valid(record, row.view, tip) or record.newest_view(tip)
        current = _for_tip(record, stored, tip) if stored else current
    pending = read_view(record, row.pending_view, tip) if row.pending_view is not None else None
    return [current] if pending is None else [current, pending]


def read_view(record: Record, number: int, tip: Position) -> View | None:
    """Read a view as far as it is valid for `tip`; None where it folded what does not lead there."""
    stored = _read_valid(record, number, tip)
    return None if stored is None else _for_tip(record, stored, tip)


def _read_valid(record: Record, number: int, tip: Position) -> StoredView | None:
    stored = record.view(number)
    return stored if record.leads(stored.at, tip) else None


def _for_tip(record: Record, stored: StoredView, tip: Position) -> View:
    """Leave out lines that were asked for when another branch stood behind the folded turns.

    The model saw those turns, and may have written of them.
    """
    view = load_view(stored.number, stored.at, stored.body)
    gone = {seen for seen in {line.seen for line in view.lines} if not record.leads(seen, tip)}
    left = {fact.by for fact in view.facts if not fact.current and not record.leads(fact.by, tip)}
    view = replace(view, facts=reopen_facts(view.facts, left)) if left else view
    return without_lines(view, gone) if gone else view


# -- the log --------------------------------------------------------------------------------------
def read_draft(record: Record, view: View, tip: Position, most: int) -> Draft:
    """Read the log of a view up to `tip`.

    Where it holds more than `most` items, the older ones are folded at once.
    """
    items = record.log(tip, view.at.seq, most + 1)
    if len(items) > most:  # the oldest turn may be loaded in part: begin after it
        older = [item for item in items if item.turn == items[0].turn]
        items = items[len(older) :]
        view = cut_view(view, at=older[-1].at, last_turn=older[-1].turn)
    return Draft(view=_for_sibling(record, view, items, tip), items=items)


def _for_sibling(record: Record, view: View, items: Sequence[StoredItem], tip: Position) -> View:
    """Leave out only what stood in the log for which the view was made: what a sibling says and quotes stays."""
    if max(view.bare_upto, view.copies_upto) <= view.at.seq or view.tip in (START, tip):
        return view
    if record.leads(view.tip, tip):
        return view
    known = {item.at for item in record.log(view.tip, view.at.seq)}
    shared = max((item.at.seq for item in items if item.at in known), default=view.at.seq)
    return replace(view, bare_upto=min(view.bare_upto, shared), copies_upto=min(view.copies_upto, shared))


# -- the turn before ------------------------------------------------------------------------------
def is_talk(item: Item) -> bool:
    """Tell whether an item belongs to a turn of talk."""
    return not isinstance(item, Note | Forgotten)


def read_past(record: Record, tip: Position, last: int) -> Past:
    """Read the newest turn of talk up to number `last`. Turns that hold only a note are passed over."""
    forgotten = False
    while last > 0:
        receipt = record.receipt(last)
        forgotten = forgotten or bool(receipt and receipt.get("forgotten"))
        if any(is_talk(row.item) for row in record.turn_items(last)):
            break
        last -= 1
    if last == 0:
        return Past(forgotten=forgotten)
    return Past(
        last=last,
        forgotten=forgotten,
        before=read_talk_tip(record, tip)[1],
        failed=record.turn(last).state == "failed",
        receipt=load_receipt(receipt) if receipt is not None else None,
    )


def read_talk_tip(record: Record, tip: Position) -> tuple[Position, int]:
    """The last item of the last turn of talk on the path to `tip`, and the turn's number; `START` and 0 without one."""
    most = LOOK_BACK
    while True:
        items = record.log(tip, 0, most)
        for stored in reversed(items):
            if is_talk(stored.item):
                return stored.at, stored.turn
        if len(items) < most:
            return START, 0
        most *= LOOK_BACK
