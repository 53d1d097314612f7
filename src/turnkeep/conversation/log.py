"""Where an item stands: positions on branches, and who is an ancestor of whom.

A conversation is a tree. Items carry (branch, seq); seq goes on counting where a
branch forks, so along one path it rises by one. A branch is a short list of
ranges of other branches, so ancestry is a range test, here and in SQL.
Nothing derived crosses to a sibling.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """The item `seq` (1 is the first of a conversation) of `branch`; seq 0 is before everything."""

    branch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Range:
    """Items of `branch` with `after < seq <= upto`."""

    branch: int
    after: int
    upto: int


START = Position(0, 0)  # before the first item; every conversation begins on branch 0


def trace_path(parents: Mapping[int, Position], tip: Position, after: int = 0) -> tuple[Range, ...]:
    """List the ranges that lead to `tip`, oldest first, leaving out seq <= `after`.

    Args:
        parents: for each branch but 0, the position it was forked from; only
            the branches between `after` and the tip need to be there.
        tip: the last item of the path.
        after: leave out items up to this seq.

    Raises:
        KeyError: a branch on the way has no parent in `parents`.

    Example: branch 1 forked at (0, 4), tip (1, 6) → (0, 0, 4), (1, 4, 6).
    """
    ranges: list[Range] = []
    branch, upto = tip.branch, tip.seq
    while upto > after:
        fork = 0 if branch == 0 else parents[branch].seq
        if fork < upto:
            ranges.append(Range(branch, max(fork, after), upto))
        if branch == 0:
            break
        branch, upto = parents[branch].branch, min(upto, fork)
    return tuple(reversed(ranges))


def is_ancestor(path: tuple[Range, ...], position: Position) -> bool:
    """Tell whether `position` lies on a path made by `trace_path` (or is its very start)."""
    if position.seq == 0:
        return True
    return any(r.branch == position.branch and r.after < position.seq <= r.upto for r in path)
