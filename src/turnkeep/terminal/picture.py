"""The context as a picture: a bar of the window, and every item with its fate."""

from collections.abc import Iterator
from itertools import groupby

from rich.text import Text

from ..context.picture import Picture, PictureEntry
from .screen import Signs, one_line
from .status import render_bar

ITEMS_SHOWN = 40  # of a long log; the older ones are told as ranges of turns
_FATES = {"verbatim": "verbatim", "summarised": "summarised", "left_out": "left out"}


def render_picture(picture: Picture, width: int, signs: Signs, *, every_item: bool = False) -> Iterator[Text]:
    """Yield the lines of the picture.

    Args:
        picture: how the window is filled.
        width: cells of a line.
        signs: how the bar is drawn.
        every_item: also list the items that are else told as ranges.
    """
    base, log, room, reserve = signs.bar
    yield Text(render_bar(picture, max(1, min(width, 60)), signs))
    for sign, name, tokens in (
        (base, "base: instructions and summary", picture.base_tokens),
        (log, "log: turns word for word", picture.log_tokens),
        (room, "room left", picture.room_tokens),
        (reserve, "kept for the reply", picture.reserve),
    ):
        yield Text(f"{sign} {tokens:>7,}  {name}")
    yield Text(f"  {picture.window:>7,}  tokens of window; compaction above {picture.high:,}")
    if picture.base.strip():
        yield Text(one_line(f"base: {picture.base}", width, signs.dots), "dim")
    if picture.entries:
        yield Text(f"{'turn':>4}  {'':<10} {'tokens':>7}", "dim")
    shown = len(picture.entries) if every_item else ITEMS_SHOWN
    cut = max(0, len(picture.entries) - shown)
    yield from _render_ranges(picture, cut)
    for entry in picture.entries[cut:]:
        yield _render_entry(entry, width, signs)


def _render_ranges(picture: Picture, cut: int) -> Iterator[Text]:
    """Tell what lies before the items that are listed: they may be many thousands."""
    listed = picture.entries[cut].turn if picture.entries else None
    for fate, ranges in (("summarised", picture.summarised), ("left_out", picture.left_out)):
        for first, last in ranges:
            if listed is None or first < listed:
                last = last if listed is None else min(last, listed - 1)
                yield Text(f"{_span(first, last)}: {_FATES[fate]}", "dim")
    for fate, group in groupby(picture.entries[:cut], key=lambda entry: entry.fate):
        if fate == "verbatim":
            entries = list(group)
            yield Text(f"{_span(entries[0].turn, entries[-1].turn)}: {_FATES[fate]}", "dim")


def _span(first: int, last: int) -> str:
    return f"turn {first}" if first == last else f"turns {first}-{last}"


def _render_entry(entry: PictureEntry, width: int, signs: Signs) -> Text:
    tokens = "" if entry.tokens is None else f"{entry.tokens:,}"
    head = f"{entry.turn:>4}  {_FATES[entry.fate]:<10} {tokens:>7}  {entry.role}: "
    text = one_line(entry.text, max(0, width - len(head)), signs.dots)
    return Text(head + text, "" if entry.fate == "verbatim" else "dim")
