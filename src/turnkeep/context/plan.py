"""Decide what the engine reads next: which view to build on, and where to cut when none fits.

The prompt is an append-only log. While each request starts with the exact tokens
of the one before it, the engine reuses its KV cache and reads only the new tail.
So the plan appends whenever a view fits, and prefers the view that leaves the
engine the fewest tokens to read.

Pure: token counts are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..conversation.log import Position
from ..errors import ContextOverflow
from .budget import Budget
from .strategy import Strategy
from .view import Entry, group_turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A view that could be built on.

    prompt_tokens: the whole prompt on this view, the new message included.
    unread_tokens: of these, what the engine has not read yet.
    """

    prompt_tokens: int
    unread_tokens: int


def choose_view(candidates: Sequence[Candidate], limit: int) -> int | None:
    """Choose the view that fits and costs the fewest unread tokens; the first of equals.

    Args:
        candidates: the current view first, then a pending one if there is one.
        limit: the most tokens that the prompt may take.

    Returns:
        The index of the view, or None when none fits.
    """
    fitting = [index for index, candidate in enumerate(candidates) if candidate.prompt_tokens <= limit]
    return min(fitting, key=lambda index: candidates[index].unread_tokens, default=None)


def choose_cut(
    entries: Sequence[Entry],
    *,
    around_tokens: int,
    limit: int,
    keep_turns: int | None = None,
    keep_last: bool = False,
) -> Position | None:
    """Choose the last item to fold, at a turn boundary.

    Args:
        entries: the log since the last cut, oldest first.
        around_tokens: what stands around the log: the base, and the new message if there is one.
        limit: tokens that the prompt may have after the cut.
        keep_turns: keep this many turns at most.
        keep_last: keep the newest turn whatever its size: its tool calls wait for their results.

    Returns:
        The position of the last folded item; None when there is nothing to fold. The kept part
        is the longest run of newest turns that fits, possibly none.
    """
    groups = group_turns(entries)
    kept, total = 0, around_tokens
    for group in reversed(groups):
        size = sum(entry.tokens for entry in group)
        beyond = total + size > limit or (keep_turns is not None and kept >= keep_turns)
        if beyond and not (keep_last and kept == 0):
            break
        kept, total = kept + 1, total + size
    folded = groups[: len(groups) - kept]
    return folded[-1][-1].at if folded else None


def is_due(entries: Sequence[Entry], prompt_tokens: int, budget: Budget, strategy: Strategy) -> bool:
    """Tell whether a compaction is due: above the high mark, or twice the turns that `window:N` keeps."""
    if prompt_tokens > budget.high:
        return True
    return strategy.turns is not None and len(group_turns(entries)) >= 2 * strategy.turns


def refuse_overflow(*, base_tokens: int, new_tokens: int, budget: Budget) -> ContextOverflow:
    """Make the error for a message that does not fit even when nothing else is sent."""
    room = max(0, budget.prompt - base_tokens)
    return ContextOverflow(
        f"The message takes {new_tokens:,} tokens, but only {room:,} of the window's {budget.window:,} are free "
        f"for it ({base_tokens:,} for instructions and summary, {budget.reserve:,} for the reply): shorten it, or "
        "load the model with a larger window.",
        needed=base_tokens + new_tokens + budget.reserve,
        available=budget.window,
    )
