"""The picture of a context window: how it is filled, and what became of every item."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..conversation.items import Forgotten, Message, Note, Recalled
from .budget import Budget
from .receipt import TurnRange
from .view import Entry, View, render_note

Fate: TypeAlias = Literal["verbatim", "summarised", "left_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureEntry:
    """An item and its fate. `tokens` is None where it was not measured (outside the log)."""

    turn: int
    role: str
    tokens: int | None
    fate: Fate
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How the window is filled. All sizes in tokens.

    entries: the newest items, oldest first; older ones are counted in `earlier_turns`.
    """

    window: int
    reserve: int
    high: int
    low: int
    base_tokens: int
    log_tokens: int
    base: str
    entries: tuple[PictureEntry, ...]
    summarised: tuple[TurnRange, ...]
    left_out: tuple[TurnRange, ...]

    @property
    def room_tokens(self) -> int:
        """What is free for the next message, beside the reply's reserve."""
        return max(0, self.window - self.reserve - self.base_tokens - self.log_tokens)


def draw_picture(
    *,
    budget: Budget,
    base: str,
    base_tokens: int,
    view: View,
    older: Iterable[Entry],
    log: Iterable[Entry],
) -> Picture:
    """Draw the picture.

    Args:
        budget: how the window is shared out.
        base: the base as text.
        base_tokens: its size.
        view: base and cut.
        older: the newest of the items before the cut.
        log: the items since the cut.
    """
    log = tuple(log)
    entries = [
        _entry(entry, "left_out" if _within(entry.turn, view.left_out) else "summarised") for entry in older
    ]
    entries += [_entry(entry, "verbatim") for entry in log]
    return Picture(
        window=budget.window,
        reserve=budget.reserve,
        high=budget.high,
        low=budget.low,
        base_tokens=base_tokens,
        log_tokens=sum(entry.tokens for entry in log),
        base=base,
        entries=tuple(entries),
        summarised=view.summarised,
        left_out=view.left_out,
    )


def _entry(entry: Entry, fate: Fate) -> PictureEntry:
    item = entry.item
    tokens = entry.tokens if fate == "verbatim" else None
    match item:
        case Message():
            role, text = str(item.role), item.text or ", ".join(call.name for call in item.tool_calls)
        case Recalled():
            role, text = "recalled", "\n".join(item.lines)
        case Note():
            role, text = "note", render_note(item)
        case Forgotten():
            role, text = "forgotten", ""
    return PictureEntry(turn=entry.turn, role=role, tokens=tokens, fate=fate, text=text)


def _within(turn: int, ranges: Iterable[TurnRange]) -> bool:
    return any(first <= turn <= last for first, last in ranges)
