"""Compaction: what is folded, what is taken from the answer of a model, and the view that follows.

The request for a summary is appended to the current prompt, so that the engine reads only
the instruction (instructions.py). What comes back is read (answers.py), placed on the
turns that support it and refused where none does (placing.py). A summary that failed or
is of no use enters nothing: the old lines go on and the folded turns are marked unsummarised.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from ..conversation.items import Message
from ..conversation.log import START, Position
from .answers import read_answer
from .evidence import Utterance
from .instructions import find_language, quote_limit
from .merging import merge_lines
from .placing import find_aliases, place_lines, say_entries
from .receipt import TurnRange, merge_ranges
from .view import Entry, Line, Span, View

MOST_SILENT_SPANS = 64  # spans without a line of their own that a view remembers


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What a compaction would fold.

    at: the last folded item.
    folded: turns that leave the log, oldest first.
    limit: the first words of the first turn that stays; "" when none stays.
    language: in which the user spoke (instructions.py).
    said, kept: what was said in the turns that leave, and in those that stay.
    """

    at: Position
    folded: TurnRange
    limit: str = ""
    language: str = "english"
    said: tuple[Utterance, ...] = ()
    kept: tuple[Utterance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a model's answer came to.

    lines: what goes in.
    refused: how many lines were dropped, by why.
    whole: it stands for the turns that it was asked about; otherwise they are asked about again,
        though its good lines go in.
    seen: the last item that the model saw.
    """

    lines: tuple[Line, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()
    whole: bool = False
    seen: Position = START


NO_SUMMARY = Summary()


def describe_cut(entries: Sequence[Entry], at: Position) -> Compaction:
    """Say what a cut after `at` folds.

    Args:
        entries: the log, oldest first; one of them stands at `at`.
        at: the last folded item.
    """
    folded = [entry for entry in entries if entry.at.seq <= at.seq]
    kept = [entry for entry in entries if entry.at.seq > at.seq]
    said = say_entries(folded)
    return Compaction(
        at=at,
        folded=(folded[0].turn, folded[-1].turn),
        limit=next((quote_limit(entry.item.text) for entry in kept if isinstance(entry.item, Message)), ""),
        language=find_language(one.text for one in said if one.speaker == "user"),
        said=tuple(said),
        kept=tuple(say_entries(kept)),
    )


def read_summary(
    text: str,
    *,
    complete: bool,
    said: Sequence[Utterance],
    kept: Sequence[Utterance] = (),
    known: Sequence[Line] = (),
    seen: Position = START,
) -> Summary:
    """Take from a model's answer what may enter the base.

    Args:
        text: the answer, as it came.
        complete: whether it ended by itself.
        said: what was said in the turns that it was asked about.
        kept: what was said in the turns that stay verbatim.
        known: lines that the summary has already.
        seen: the last item that the model saw.
    """
    answer = read_answer(text, complete=complete)
    old = [line.text for line in known]
    aliases = find_aliases([*said, *kept], old)
    placed = place_lines(answer.lines, said, kept, known=old, aliases=aliases, seen=seen)
    refused = Counter(dict(answer.left_out)) + Counter(dict(placed.refused))
    good = len(placed.lines) + placed.repeated
    return Summary(
        lines=placed.lines,
        refused=tuple(sorted(refused.items())),
        whole=complete and good > 0 and good >= refused.total(),
        seen=seen,
    )


def fold_view(
    view: View,
    cut: Compaction,
    summary: Summary,
    *,
    day: str,
    budget_tokens: int,
    count: Callable[[str], int],
) -> View:
    """Make the view that follows a compaction.

    Args:
        view: the view so far.
        cut: what is folded.
        summary: what was taken from the model's answer; `NO_SUMMARY` when it gave none.
        day: the day that pinned template dates show from now on.
        budget_tokens: the most tokens that all lines may take; the oldest are merged, then go.
        count: tokens of a text.
    """
    spans = (*view.spans, Span(cut.folded, summary.seen)) if summary.whole else view.spans
    missing = view.unsummarised if summary.whole else merge_ranges([*view.unsummarised, cut.folded])
    folded = replace(
        view, number=None, at=cut.at, spans=spans, unsummarised=missing, refused=summary.refused, day=day
    )
    return fit_lines(_with_lines(folded, summary.lines), budget_tokens=budget_tokens, count=count)


def fill_view(
    view: View,
    turns: TurnRange,
    summary: Summary,
    *,
    budget_tokens: int,
    count: Callable[[str], int],
) -> View:
    """Make the view in which a summary stands for turns that had been folded without one.

    Args:
        view: the view so far.
        turns: what the summary was asked about, all of it in `view.unsummarised`.
        summary: what was taken from the model's answer.
        budget_tokens: the most tokens that all lines may take; the oldest are merged, then go.
        count: tokens of a text.
    """
    left: list[TurnRange] = []
    for first, last in view.unsummarised:
        left += [(first, min(last, turns[0] - 1)), (max(first, turns[1] + 1), last)]
    filled = replace(
        view,
        number=None,
        spans=(*view.spans, Span(turns, summary.seen)),
        unsummarised=merge_ranges([(first, last) for first, last in left if first <= last]),
        refused=summary.refused,
    )
    return fit_lines(_with_lines(filled, summary.lines), budget_tokens=budget_tokens, count=count)


def cut_view(view: View, *, at: Position, last_turn: int) -> View:
    """Fold everything up to `at`, the last item of `last_turn`, without a line about it."""
    folded = [*view.summarised, *view.left_out]
    first_turn = max((last for _, last in folded), default=0) + 1
    missing = merge_ranges([*view.unsummarised, (min(first_turn, last_turn), last_turn)])
    return replace(view, number=None, at=at, unsummarised=missing)


def _with_lines(view: View, new: Sequence[Line]) -> View:
    known = {line.text for line in view.lines}
    new = [line for line in new if line.text not in known]
    return replace(view, lines=tuple(sorted([*view.lines, *new], key=lambda line: line.turns)))


def fit_lines(view: View, *, budget_tokens: int, count: Callable[[str], int]) -> View:
    """Merge and drop lines until they fit; turns for which none is left to speak are given up."""
    lines = merge_lines(view.lines, budget_tokens=budget_tokens, count=count)
    silent = [
        span for span in view.spans if not _is_spoken_of(span, view.lines)
    ]  # all of it was known before
    kept = silent[-MOST_SILENT_SPANS:]
    spans = tuple(span for span in view.spans if span in kept or _is_spoken_of(span, lines))
    lost = [span.turns for span in view.spans if span not in spans]
    return replace(view, lines=lines, spans=spans, given_up=merge_ranges([*view.given_up, *lost]))


def without_lines(view: View, seen: Collection[Position]) -> View:
    """Withdraw what was written with one of these items in sight; its turns count as unsummarised."""
    lines = tuple(line for line in view.lines if line.seen not in seen)
    spans = tuple(
        span
        for span in view.spans
        if span.seen not in seen and (_is_spoken_of(span, lines) or not _is_spoken_of(span, view.lines))
    )
    missing = [span.turns for span in view.spans if span not in spans]
    return replace(view, lines=lines, spans=spans, unsummarised=merge_ranges([*view.unsummarised, *missing]))


def _is_spoken_of(span: Span, lines: Sequence[Line]) -> bool:
    first, last = span.turns
    return any(line.turns[0] <= last and line.turns[1] >= first for line in lines)
