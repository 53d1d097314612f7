"""Keep notes, and tell turns of talk from turns that hold only a note.

A note is a done turn of its own for which no reply is asked. Such turns, and forgotten ones, are
no turns of talk: "the last turn" passes them over, and when that is taken back or said again,
the notes behind it are carried along. What notes in the log say holds at once, for whoever looks.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .context.facts import locked_size
from .context.notes import apply_notes, pin_fact
from .context.view import Entry, View
from .conversation.items import Item, Message, Note
from .conversation.log import Position
from .errors import Conflict, EngineError, UsageError
from .loading import is_talk, read_talk_tip
from .prompt import Desk
from .statements import load_notes
from .store.base import Lease, Turn

ROOM_SECONDS = 5.0  # an engine that is loading or away holds no note up: it is kept unmeasured


async def holds_talk(desk: Desk, number: int) -> bool:
    """Tell whether anything was said in a turn."""
    rows = await desk.store.load_turn_items(desk.owner, desk.conversation, number)
    return any(is_talk(row.item) for row in rows)


async def find_talk_before(desk: Desk, number: int) -> int:
    """The newest turn of talk of a number up to this one, on whatever branch; 0 when there is none."""
    while number > 0 and not await holds_talk(desk, number):
        number -= 1
    return number


async def find_talk_tip(desk: Desk, tip: Position) -> tuple[Position, int]:
    """The last item of the last turn of talk on the path to `tip`, and the turn's number; `START` and 0 without one."""
    return await desk.store.read(desk.owner, desk.conversation, lambda record: read_talk_tip(record, tip))


async def load_carried(desk: Desk, tip: Position, old: Turn, *, same_words: bool) -> list[Item]:
    """Load the notes that go along when a turn is said again, otherwise, or taken back.

    Args:
        desk: the conversation.
        tip: its tip.
        old: the turn.
        same_words: False leaves the pins of its own words behind.

    Returns:
        Notes that the turn carried itself, then those made since; none of these where further
        turns of talk are left behind with it.
    """
    store, owner, key = desk.store, desk.owner, desk.conversation
    own = [row.item for row in await store.load_turn_items(owner, key, old.number)]
    on_path = await store.is_ancestor(owner, key, old.tip, tip)
    behind = await store.load_log(owner, key, tip=tip, after=(old.tip if on_path else old.after).seq)
    since = [row.item for row in behind] if not any(isinstance(row.item, Message) for row in behind) else []
    said = {item.text.strip() for item in own if isinstance(item, Message) and item.role == "user"}
    return [
        item
        for item in (*own, *since)
        if isinstance(item, Note) and (same_words or not (item.turn and item.text in said))
    ]


async def append_notes(desk: Desk, notes: Sequence[Item], *, after: Position, lease: Lease) -> Turn:
    """Append notes as a done turn of their own behind `after`, durable when this returns; the tip moves there.

    Raises:
        Conflict: the model waits for the results of its tools there.
    """
    store, owner, key = desk.store, desk.owner, desk.conversation
    last = await store.load_log(owner, key, tip=after, limit=1)
    if last and isinstance(last[-1].item, Message) and last[-1].item.tool_calls:
        raise Conflict("The model waits for the results of its tools: give them first.")
    turn = await store.begin_turn(owner, key, notes, after=after, lease=lease, now=time.time())
    desk.standing = None  # the notes have come since
    return await store.finish_turn(owner, key, turn.number, state="done", lease=lease, now=time.time())


# -- what the person has told, and the room for it ------------------------------------------------
async def load_told(desk: Desk) -> View:
    """Load the newest view with the notes applied that still stand in the log."""
    row = await desk.load()
    view = (await desk.views(row, row.tip))[-1]
    entries = await load_notes(desk.store, desk.owner, row.id, after=view.notes_upto, tip=row.tip)
    return _with_notes(view, entries)


def _with_notes(view: View, entries: Sequence[Entry]) -> View:
    lines, facts = apply_notes(view.lines, view.facts, entries, make_fact=pin_fact)
    return replace(view, lines=lines, facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Tokens that locked lines and facts may take at most, and what counts a text."""

    lines: int
    facts: int
    count: Callable[[str], int]


async def find_room(desk: Desk) -> Room | None:
    """Find out how much a person may lock; None when the engine cannot be asked for its window now."""
    try:
        async with asyncio.timeout(ROOM_SECONDS):
            info = await desk.engine.probe()
            instructions = await desk.load_instructions(await desk.load())
            budget = await desk.share(info, desk.expected_options(), instructions)
    except (EngineError, UsageError, TimeoutError):
        return None
    return Room(lines=budget.summary, facts=budget.locked, count=lambda text: desk.meter.estimate(info, text))


def check_room(room: Room, told: View, notes: Sequence[Note]) -> None:
    """Refuse notes that the base has no room for.

    Args:
        room: what there is.
        told: the view with the notes applied that stand in the log.
        notes: further ones.

    Raises:
        UsageError: what is locked would take too much with them.
    """
    # None of them is said yet: they stand behind whatever there is.
    behind = Position(told.at.branch, 2**62)
    after = _with_notes(told, [Entry(at=behind, turn=0, item=note) for note in notes])
    for before_tokens, tokens, most in (
        (_locked_lines(told, room), _locked_lines(after, room), room.lines),
        (locked_size(told.facts, room.count), locked_size(after.facts, room.count), room.facts),
    ):
        if tokens > max(most, before_tokens):
            raise UsageError(
                f"That takes {tokens - before_tokens:,} tokens, but of the {most:,} that the window has for such, "
                f"{max(0, most - before_tokens):,} are free: remove something first, as /facts remove N does "
                "(correct(text, None) in a program), or load the model with a larger window."
            )


def _locked_lines(view: View, room: Room) -> int:
    return sum(room.count(f"- {line.text}\n") for line in view.lines if line.locked)
