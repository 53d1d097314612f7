"""Compaction: how a summary is asked for, what is taken from the answer, and the view that follows.

All texts that a model sees about summaries stand here and in view.py's headers.
The request for a summary is appended to the current prompt, so that the engine
reads only the instruction. A summary that failed, is empty or was cut off enters
nothing: the old lines go on and the folded turns are marked unsummarised.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from ..conversation.items import Message
from ..conversation.log import Position
from .receipt import TurnRange
from .view import Entry, Line, View

INSTRUCTION = (
    'List what was said so far{limit} as short lines, each beginning with "- ": facts, names, numbers, dates, '
    "decisions, wishes, open questions, and who said it. Keep to the language of the conversation, leave out "
    "what the summary above has already, add nothing. Answer with the lines only."
)
LIMIT = ', up to but not including "{words}",'
LIMIT_WORDS = 8  # words of the first kept turn that the instruction quotes
LINE_CHARACTERS = 400  # a longer line is not a short line; it is dropped

_BULLET = re.compile(r"^\s*(?:[-*•‣–—]|\(?\d{1,3}[.)])\s+")
_THINK = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What a compaction would fold.

    at: the last folded item.
    folded: turns that leave the log, oldest first.
    limit: the first words of the first turn that stays; "" when none stays.
    """

    at: Position
    folded: TurnRange
    limit: str


def describe_cut(entries: Sequence[Entry], at: Position) -> Compaction:
    """Say what a cut after `at` folds.

    Args:
        entries: the log, oldest first; one of them stands at `at`.
        at: the last folded item.
    """
    folded = [entry for entry in entries if entry.at.seq <= at.seq]
    kept = [entry for entry in entries if entry.at.seq > at.seq]
    words = next((entry.item.text.split() for entry in kept if isinstance(entry.item, Message)), [])
    return Compaction(at=at, folded=(folded[0].turn, folded[-1].turn), limit=" ".join(words[:LIMIT_WORDS]))


def render_instruction(limit: str = "") -> str:
    """Write the request for a summary; `limit` quotes the words before which it ends."""
    return INSTRUCTION.format(limit=LIMIT.format(words=limit.replace('"', "'")) if limit else "")


def parse_summary(text: str, *, complete: bool) -> tuple[str, ...]:
    """Take the usable lines from what a model answered.

    Args:
        text: the answer, as it came.
        complete: whether it ended by itself; a summary cut off by its limit, an error or a
            person gives no lines.

    Returns:
        Lines without bullets, in order, without repetitions; empty when nothing is usable.
    """
    if not complete:
        return ()
    lines: dict[str, None] = {}
    for raw in _THINK.sub("", text).splitlines():
        if not _BULLET.match(raw):
            continue  # headings, "Here is the summary:", half sentences: only lines as asked for are taken
        line = " ".join(_BULLET.sub("", raw, count=1).split())
        if 0 < len(line) <= LINE_CHARACTERS:
            lines[line] = None
    return tuple(lines)


def fold_view(
    view: View,
    cut: Compaction,
    lines: Sequence[str],
    *,
    seen: Position,
    day: str,
    budget_tokens: int,
    count: Callable[[str], int],
) -> View:
    """Make the view that follows a compaction.

    Args:
        view: the view so far.
        cut: what is folded.
        lines: usable new lines; empty when the model gave none.
        seen: the last item that the model saw when it wrote them.
        day: the day that pinned template dates show from now on.
        budget_tokens: the most tokens that all lines may take; the oldest go first.
        count: tokens of a text.
    """
    missing = view.unsummarised if lines else (*view.unsummarised, cut.folded)
    folded = replace(view, number=None, at=cut.at, unsummarised=merge_ranges(missing), day=day)
    return fit_lines(_with_lines(folded, cut.folded, lines, seen), budget_tokens=budget_tokens, count=count)


def fill_view(
    view: View,
    span: TurnRange,
    lines: Sequence[str],
    *,
    seen: Position,
    budget_tokens: int,
    count: Callable[[str], int],
) -> View:
    """Make the view in which `lines` stand for turns that had been folded without a summary.

    Args:
        view: the view so far.
        span: the turns that the lines speak of, all of them in `view.unsummarised`.
        lines: usable lines, not empty.
        seen: the last item that the model saw when it wrote them.
        budget_tokens: the most tokens that all lines may take; the oldest go first.
        count: tokens of a text.
    """
    left: list[TurnRange] = []
    for first, last in view.unsummarised:
        left += [(first, min(last, span[0] - 1)), (max(first, span[1] + 1), last)]
    missing = merge_ranges([(first, last) for first, last in left if first <= last])
    filled = replace(view, number=None, unsummarised=missing)
    return fit_lines(_with_lines(filled, span, lines, seen), budget_tokens=budget_tokens, count=count)


def _with_lines(view: View, turns: TurnRange, lines: Sequence[str], seen: Position) -> View:
    known = {line.text for line in view.lines}
    new = [Line(text=text, turns=turns, seen=seen) for text in lines if text not in known]
    return replace(view, lines=tuple(sorted([*view.lines, *new], key=lambda line: line.turns)))


def fit_lines(view: View, *, budget_tokens: int, count: Callable[[str], int]) -> View:
    """Drop the oldest lines until the rest fits; turns that no line speaks of any more count as unsummarised."""
    lines, missing = list(view.lines), list(view.unsummarised)
    total = sum(count(f"- {line.text}\n") for line in lines)
    while lines and total > budget_tokens:
        gone = lines.pop(0)
        total -= count(f"- {gone.text}\n")
        if all(line.turns != gone.turns for line in lines):
            missing.append(gone.turns)
    return replace(view, lines=tuple(lines), unsummarised=merge_ranges(missing))


def without_lines(view: View, seen: Collection[Position]) -> View:
    """Withdraw the lines that were written with one of these items in sight; their turns count as unsummarised."""
    kept = tuple(line for line in view.lines if line.seen not in seen)
    spoken_of = {line.turns for line in kept}
    missing = [line.turns for line in view.lines if line.seen in seen and line.turns not in spoken_of]
    return replace(view, lines=kept, unsummarised=merge_ranges([*view.unsummarised, *missing]))


def merge_ranges(ranges: Sequence[TurnRange]) -> tuple[TurnRange, ...]:
    """Join ranges that touch. Example: (1, 3), (4, 6) → ((1, 6),)."""
    joined: list[TurnRange] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def summarised_ranges(view: View) -> tuple[TurnRange, ...]:
    """List the turns that the view's lines speak of."""
    return merge_ranges([line.turns for line in view.lines])
