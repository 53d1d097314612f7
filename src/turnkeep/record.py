"""What was said and what the model saw, loaded from the record for people and programs to look at.

Nothing here changes anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .context.notes import pinned_facts
from .context.picture import Picture, draw_picture
from .context.receipt import Receipt, TurnRange, load_receipt
from .context.view import Entry, Line, View, load_view, render_note
from .conversation.items import Forgotten, Item, Message, Note
from .engine.base import WireMessage
from .errors import NothingToDo
from .masking import mask_as_sent
from .notes import find_talk_before, find_talk_tip, holds_talk
from .prompt import Desk
from .store.base import StoredItem, StoredView, Turn

PICTURE_OLDER = 200  # items before the cut that a picture shows, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A turn as people read it.

    notes: what the person told turnkeep itself, as the model reads it.
    forgotten: nothing but its place is left.
    """

    turn: Turn
    user: str
    assistant: str
    reasoning: str = ""
    notes: tuple[str, ...] = ()
    forgotten: bool = False

    @property
    def talk(self) -> bool:
        """Whether anything was said in it: it does not hold notes alone, and was not forgotten."""
        return not self.forgotten and bool(self.user or self.assistant or self.reasoning or not self.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryVersion:
    """A summary as it stood at some time.

    number: of the view that holds it; receipts name it.
    made: when, in seconds since the epoch.
    lines: with the turns that each rests on.
    summarised, left_out: folded turns that it stands for, and those that it does not.
    refused: how many lines of the model's answer were dropped, by why.
    current: whether the model reads this one now.
    """

    number: int
    made: float
    lines: tuple[Line, ...]
    summarised: tuple[TurnRange, ...]
    left_out: tuple[TurnRange, ...]
    refused: tuple[tuple[str, int], ...]
    current: bool


async def load_summaries(desk: Desk, last: int | None = None) -> list[SummaryVersion]:
    """Load the summaries there were on the way to the tip, oldest first; only the `last` ones when given.

    A view that changed no line, such as a mere cut, is no version of its own.
    """
    row = await desk.load()
    current = (await desk.views(row, row.tip))[0].number
    found: list[SummaryVersion] = []
    for number in range(max(row.view or 0, row.pending_view or 0), 0, -1):
        stored = await desk.store.load_view(desk.owner, row.id, number)
        if number > (current or 0) or not await desk.store.is_ancestor(
            desk.owner, row.id, stored.at, row.tip
        ):
            continue
        version = _read_version(stored, current=number == current)
        if found and read_alike(
            found[-1].lines, version.lines
        ):  # the older view made these lines, and later ones kept them
            later = found.pop()
            version = replace(
                version,
                summarised=later.summarised,
                left_out=later.left_out,
                current=version.current or later.current,
            )
        if last is not None and len(found) == last:
            break
        found.append(version)
    return [version for version in found[::-1] if version.lines or version.refused]


def read_alike(lines: Sequence[Line], others: Sequence[Line]) -> bool:
    """Tell whether lines say the same of the same turns, whoever keeps them."""
    return [(line.text, line.turns) for line in lines] == [(line.text, line.turns) for line in others]


def _read_version(stored: StoredView, *, current: bool) -> SummaryVersion:
    view = load_view(stored.number, stored.at, stored.body)
    return SummaryVersion(
        number=stored.number,
        made=stored.created,
        lines=view.lines,
        summarised=view.summarised,
        left_out=view.left_out,
        refused=view.refused,
        current=current,
    )


async def load_history(desk: Desk, last: int | None = None) -> list[Exchange]:
    """Load the turns that lead to the tip, and failed ones, oldest first.

    Args:
        desk: the conversation.
        last: only so many of them, and the notes between; None: all.
    """
    row = await desk.load()
    found: list[Exchange] = []
    number = row.turns
    while number > 0 and (last is None or sum(exchange.talk for exchange in found) < last):
        turn = await desk.store.load_turn(desk.owner, row.id, number)
        number -= 1
        if turn.state not in ("failed", "open") and not await desk.store.is_ancestor(
            desk.owner, row.id, turn.tip, row.tip
        ):
            continue
        found.append(_exchange(turn, await desk.store.load_turn_items(desk.owner, row.id, turn.number)))
    return found[::-1]


def _exchange(turn: Turn, rows: Sequence[StoredItem]) -> Exchange:
    said = [row.item for row in rows if isinstance(row.item, Message)]
    notes = [row.item for row in rows if isinstance(row.item, Note)]
    return Exchange(
        turn=turn,
        user="\n".join(item.text for item in said if item.role == "user"),
        assistant="\n".join(item.text for item in said if item.role == "assistant" and item.text),
        reasoning="\n".join(item.reasoning for item in said if item.reasoning),
        notes=tuple(map(render_note, notes)),
        forgotten=any(isinstance(row.item, Forgotten) for row in rows) and not (said or notes),
    )


async def load_last_turn(desk: Desk, *, failed: bool = False) -> Turn:
    """Load the last turn of talk that leads to the tip; with `failed`, a newer one that failed there goes before it.

    Raises:
        NothingToDo: nothing was said yet.
    """
    row = await desk.load()
    tip, number = await find_talk_tip(desk, row.tip)
    if failed and (last := await find_talk_before(desk, row.turns)):
        newest = await desk.store.load_turn(desk.owner, row.id, last)
        # Notes may have been made since it failed, and stand at the tip.
        at_tip = newest.after in (row.tip, tip)
        if at_tip and (newest.state == "failed" or not await _has_reply(desk, newest)):
            return newest
    if number == 0:
        raise NothingToDo("Nothing was said yet in this conversation.")
    return await desk.store.load_turn(desk.owner, row.id, number)


async def _has_reply(desk: Desk, turn: Turn) -> bool:
    """Whether anything was said in reply: a turn with a reply that is not at the tip was undone."""
    rows = await desk.store.load_turn_items(desk.owner, desk.conversation, turn.number)
    return any(isinstance(row.item, Message) and row.item.role == "assistant" for row in rows)


async def load_turn_on_path(desk: Desk, number: int) -> Turn:
    """Load a turn of talk that leads to the tip.

    Raises:
        NothingToDo: it does not, or nothing is said in it.
    """
    row = await desk.load()
    turn = await desk.store.load_turn(desk.owner, row.id, number)
    if not await desk.store.is_ancestor(desk.owner, row.id, turn.tip, row.tip):
        raise NothingToDo(
            f"Turn {number} is on a branch that was left: only turns that lead to the last one can be edited or pinned."
        )
    if not await holds_talk(desk, number):
        raise NothingToDo(f"Nothing is said in turn {number}: it is a note, or was forgotten.")
    return turn


async def load_said(desk: Desk, turn: Turn) -> list[Item]:
    """Load what the user said in a turn, replies apart."""
    return [item for item in await _load_asked(desk, turn) if isinstance(item, Message)]


async def _load_asked(desk: Desk, turn: Turn) -> list[Item]:
    """Load what a turn's prompt ended with: what the user said, and the lines recalled for it."""
    rows = await desk.store.load_turn_items(desk.owner, desk.conversation, turn.number)
    return [row.item for row in rows if not (isinstance(row.item, Message) and row.item.role == "assistant")]


async def load_turn_receipt(desk: Desk, number: int | None) -> tuple[Turn, Receipt]:
    """Load a turn, the last one when None, and its receipt.

    Raises:
        NothingToDo: there is no turn, or it has no receipt.
    """
    if number is None:
        turn = await load_last_turn(desk, failed=True)
    else:
        turn = await desk.store.load_turn(desk.owner, desk.conversation, number)
    body = await desk.store.load_receipt(desk.owner, desk.conversation, turn.number)
    if body is None:
        raise NothingToDo(f"Turn {turn.number} has no receipt: no prompt was made for it.")
    return turn, load_receipt(body)


async def rebuild_prompt(desk: Desk, number: int | None) -> list[WireMessage]:
    """Rebuild the messages that a turn sent to the engine from its receipt and the record.

    Raises:
        NothingToDo: there is no turn, or it has no receipt.
    """
    turn, receipt = await load_turn_receipt(desk, number)
    if not await holds_talk(desk, turn.number):
        raise NothingToDo(f"Turn {turn.number} was forgotten: what the model read cannot be shown any more.")
    view = View()
    if receipt.view is not None:
        stored = await desk.store.load_view(desk.owner, desk.conversation, receipt.view)
        view = load_view(stored.number, stored.at, stored.body)
    if "summary" not in receipt.strategy:
        view = replace(view, lines=())
    if "facts" not in receipt.strategy:
        view = replace(view, facts=pinned_facts(view.facts))
    instructions = ""
    if receipt.instructions is not None:
        instructions = await desk.store.load_instructions(desk.owner, desk.conversation, receipt.instructions)
    info = await desk.engine.probe()
    await desk.meter.prepare(info)
    material = await desk.gather(info, instructions, view, turn.after)
    request = desk.request(info, material, await _load_asked(desk, turn), desk.options)
    return [dict(message) for message in (await mask_as_sent(desk.engine, request)).messages]


async def load_picture(desk: Desk) -> Picture:
    """Draw how the window is filled now, and what became of every item."""
    info, row = await desk.engine.probe(), await desk.load()
    instructions = await desk.load_instructions(row)
    budget = await desk.share(info, desk.options, instructions)
    views = await desk.views(row, row.tip)
    material = await desk.gather(info, instructions, views[0], row.tip)
    older: list[StoredItem] = []
    if material.view.at.seq:
        older = await desk.store.load_log(desk.owner, row.id, tip=material.view.at, limit=PICTURE_OLDER)
    return draw_picture(
        budget=budget,
        base=material.base,
        base_tokens=material.base_tokens,
        view=material.view,
        older=[Entry(at=item.at, turn=item.turn, item=item.item) for item in older],
        log=material.entries,
    )
