"""How much of a conversation's index of words lies on one path: items, their terms, who holds a term.

What a word weighs on a branch is a matter of that branch: nothing of a sibling may count, or
the same question would recall one thing here and another there. Where all that was
said lies on the path, the conversation's own totals are the answer. Otherwise one of two
things is counted, whichever is less: what lies on the path, or what lies beside it, which is
then taken from the totals. So a conversation that was answered again some times costs little
more than one that never was. No posting of a query's terms is looked at twice.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...conversation.log import Range
from .conversations import Place
from .database import Database

# The ranges of a parameter as a table, made once in a statement.
PARTS = (
    "WITH part (branch, after, upto) AS MATERIALIZED (SELECT json_extract(value, '$[0]'), "
    "json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?)) "
)
NO_BRANCH = -1  # the path's behind its tip
END = 1 << 40  # no conversation is as long


@dataclass(frozen=True, slots=True)
class Side:
    """What is counted to know what lies on a path: the items on it, or those beside it.

    beside: it is those beside it.
    ranges: of branches: where these items are.
    windows: ranges of the path's branches, none of which overlap, that hold all these places: items
        beside the path are the ones there that are on another branch than the path is.
    """

    beside: bool
    ranges: tuple[Range, ...]
    windows: tuple[Range, ...]

    def share(self, whole: int, counted: int) -> int:
        """How much lies on the path, given how much there is in all and how much was counted."""
        return whole - counted if self.beside else counted


# -- choosing ---------------------------------------------------------------------------------------
def find_side(database: Database, place: Place, path: Sequence[Range], branches: int) -> Side:
    """Find out what is counted sooner.

    Args:
        database: where.
        place: the conversation.
        path: the ranges that lead to a tip.
        branches: forks ever made.
    """
    on = Side(beside=False, ranges=tuple(path), windows=tuple(path))
    length = _span(path)
    if branches >= length:  # each holds an item at least: looking at them takes longer than the path
        return on
    ranges = tuple(_ranges_beside(database, place, path))
    beside = Side(beside=True, ranges=ranges, windows=tuple(_split(path, _merge(ranges))))
    # Postings are in the order of seq: whoever counts some of a window passes all that stand there.
    passed_beside = _span(ranges) + _span(part for part in beside.windows if part.branch != NO_BRANCH)
    passed_on = length + sum(max(0, min(part.upto, length) - part.after) for part in ranges)
    return beside if passed_beside + len(beside.windows) < passed_on + len(path) else on


def _span(ranges: Iterable[Range]) -> int:
    return sum(part.upto - part.after for part in ranges)


def _ranges_beside(database: Database, place: Place, path: Sequence[Range]) -> Iterator[Range]:
    """What each branch holds beside the path: behind where the path leaves it, or all."""
    left = {part.branch: part.upto for part in path}  # a path enters a branch once, at its beginning
    rows = database.execute(
        "SELECT number, fork, (SELECT max(seq) FROM item "
        "WHERE owner = ?1 AND conversation = ?2 AND branch = number) "
        "FROM (SELECT 0 AS number, 0 AS fork UNION ALL "
        "SELECT number, fork FROM branch WHERE owner = ?1 AND conversation = ?2)",
        place,
    )
    for branch, fork, last in rows:
        after = left.get(branch, fork)
        if last is not None and last > after:
            yield Range(branch, after, last)


def _merge(ranges: Iterable[Range]) -> list[tuple[int, int]]:
    """The places of some ranges, on whatever branch: `after` and `upto` of each run, rising."""
    runs: list[tuple[int, int]] = []
    for after, upto in sorted((part.after, part.upto) for part in ranges):
        if runs and after <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(runs[-1][1], upto))
        else:
            runs.append((after, upto))
    return runs


def _split(path: Sequence[Range], runs: Iterable[tuple[int, int]]) -> Iterator[Range]:
    """Cut runs of places where the path changes its branch."""
    parts = [*path, Range(NO_BRANCH, path[-1].upto if path else 0, END)]
    first = 0
    for after, upto in runs:
        while parts[first].upto <= after:
            first += 1
        for number in range(first, len(parts)):
            part = parts[number]
            if part.after >= upto:
                break
            yield Range(part.branch, max(after, part.after), min(upto, part.upto))


# -- counting ---------------------------------------------------------------------------------------
def count_items(database: Database, place: Place, side: Side) -> tuple[int, int]:
    """Count a side's indexed items, and their terms in all."""
    items, words = database.execute(
        PARTS + "SELECT count(*), coalesce(sum(words), 0) FROM part CROSS JOIN extent "  # noqa: S608 - our own words
        "WHERE owner = ? AND conversation = ? AND extent.branch = part.branch AND seq > after AND seq <= upto",
        (dump_ranges(side.ranges), *place),
    ).fetchone()
    return items, words


def count_holding(
    database: Database, place: Place, side: Side, path: Sequence[Range], holding: Mapping[int, int]
) -> dict[int, int]:
    """Count how many items of a path hold each term.

    Args:
        database: where.
        place: the conversation.
        side: of that path.
        path: its ranges.
        holding: for each term, how many items of the whole conversation hold it.
    """
    # To go through the postings of a rare term is less than to look it up in every window.
    rare = [key for key, items in holding.items() if 2 * items <= len(side.windows)]
    counts = dict.fromkeys(rare, 0)
    rows = database.execute(
        "SELECT term, seq, branch FROM posting WHERE owner = ? AND conversation = ? "
        "AND term IN (SELECT value FROM json_each(?))",
        (*place, json.dumps(rare)),
    )
    parts = {part.branch: part for part in path}
    for key, seq, branch in rows:
        if (part := parts.get(branch)) is not None and part.after < seq <= part.upto:
            counts[key] += 1
    others = [key for key in holding if key not in counts]
    counted = database.execute(
        PARTS + "SELECT value, (SELECT count(*) FROM part CROSS JOIN posting "  # noqa: S608 - our own words
        "WHERE owner = ? AND conversation = ? "
        "AND term = value AND seq > after AND seq <= upto AND (posting.branch <> part.branch) = ?) FROM json_each(?)",
        (dump_ranges(side.windows), *place, side.beside, json.dumps(others)),
    )
    counts.update((key, side.share(holding[key], count)) for key, count in counted)
    return counts


def dump_ranges(ranges: Iterable[Range]) -> str:
    """Write ranges as the parameter that `PARTS` takes."""
    return json.dumps([(part.branch, part.after, part.upto) for part in ranges])
