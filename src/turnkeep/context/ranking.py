"""Which earlier items match a query best: by words, by meaning, by both.

A place is the number of an item along one path (its seq); neighbours on the path differ by
one, but for places that hold no message. All figures were chosen on five LoCoMo
conversations (2,960 turns, 1,020 questions; bench/recall.py measures them) and hold within
half a point over wide ranges; R@10 is the share of a question's evidence among the first ten.

Pure: two lists of scores go in. Knows nothing of stores, vectors or who asks.
"""

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..conversation.log import Range

Scores: TypeAlias = dict[int, float]  # place -> how well it matches; places that do not match are missing

# BM25 (Robertson and Zaragoza 2009). Chat messages are short and seldom repeat a word: little is
# gained from counts and lengths (0.9 and 0.4 against the usual 1.2 and 0.75: R@10 +0.6).
COUNT_SATURATION = 0.9
LENGTH_WEIGHT = 0.4

COMMON_SHARE = 0.3  # words in more items than this tell nothing (dropping them: R@10 -0.1) ...
FEW_ITEMS = 50  # ... where there are enough items to say so
# Rows a query reads, the rarest words first: 1 µs each. The other words are looked up only for the
# best items that those found (at 2,960 items: R@10 +0.3 with words alone against reading all).
MOST_POSTINGS, MOST_POSTINGS_SHARE = 400, 0.01
CANDIDATES = 200
SORTED_TIMES = 8  # sorting all is quicker than a heap of the best, up to so many times as many

WORDS_WEIGHT, MEANING_WEIGHT = 0.6, 0.4  # 0.5 to 0.65 do as well; all on one side loses 5 and 30 points
MEANING_TOP = 100  # nearest vectors that count; the rest is noise (all of them: R@10 -0.8)
ANCHORS = 100  # best items whose neighbours share their score

# What is asked in one message is answered in the next: the next one gets half, the one before a quarter.
# R@10 +7 with words alone, +3 with both.
TO_NEXT, TO_PREVIOUS = 0.5, 0.25
QUESTION_FACTOR = 0.9  # of an item that only asks: it seldom holds the answer (R@10 +0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The postings of one term.

    items: how many items of the whole conversation hold it.
    rows: place, count and length of the item (its terms) of those on the path that were read.
    """

    items: int
    rows: Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Postings:
    """What an index says of the terms of a query, by their keys.

    items: indexed items of the whole conversation; words: their terms in all.
    found: the rarest terms. left: the others worth asking for, and how many items hold them.
    path: the ranges of branches whose items count.
    """

    items: int
    words: int
    found: Mapping[int, Found]
    left: Mapping[int, int]
    path: tuple[Range, ...]


def rarity(items: int, holding: int) -> float:
    """The weight of a term that `holding` of `items` items hold: its inverse document frequency, above 0."""
    return math.log(1 + (items - holding + 0.5) / (holding + 0.5))


def choose_terms(holding: Mapping[int, int], items: int) -> tuple[list[int], list[int]]:
    """Choose the terms that find items, and those that only help to rank what was found.

    Args:
        holding: for each term, how many items hold it; at least one each.
        items: how many there are.

    Returns:
        The rarest terms, as many as may be read whole; then the others but for those that too
        many items hold. The first list holds one term at least if there is any.
    """
    most = MOST_POSTINGS + int(MOST_POSTINGS_SHARE * items)
    rare: list[int] = []
    others: list[int] = []
    total = 0
    for key in sorted(holding, key=lambda key: (holding[key], key)):
        if rare and items >= FEW_ITEMS and holding[key] > COMMON_SHARE * items:
            break
        total += holding[key]
        (rare if total <= most or not rare else others).append(key)
    return rare, others


def rank_words(postings: Postings, weights: Mapping[int, float]) -> Scores:
    """Score the items that hold words of the query, by BM25.

    Args:
        postings: what the index says.
        weights: of the query's terms; 1.0 for a word of the message itself.
    """
    scores: Scores = {}
    usual = max(1.0, postings.words / max(1, postings.items))
    norms = _Norms(usual)
    for key, found in postings.found.items():
        weight = weights.get(key, 0.0) * rarity(postings.items, found.items) * (COUNT_SATURATION + 1)
        for place, count, length in found.rows:
            scores[place] = scores.get(place, 0.0) + weight * count / (count + norms[length])
    return scores


class _Norms(dict[int, float]):
    """What BM25 adds to a count, by the length of the item; there are few lengths and many postings."""

    def __init__(self, usual: float) -> None:
        super().__init__()
        self._usual = usual

    def __missing__(self, length: int) -> float:
        share = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / self._usual
        return self.setdefault(length, COUNT_SATURATION * share)


def mix_scores(words: Scores, meaning: Scores) -> Scores:
    """Mix two lists of scores, each first stretched to 0..1, by their weights.

    Ranks would be the wrong thing to mix: reciprocal rank fusion with equal weights is 17 points
    below this where the vectors are the weaker side, and below words alone.
    """
    if not meaning:
        return words
    mixed = {place: WORDS_WEIGHT * score for place, score in _stretch(words, 0.0).items()}
    floor = min(meaning.values())
    for place, score in _stretch(meaning, floor).items():
        mixed[place] = mixed.get(place, 0.0) + MEANING_WEIGHT * score
    return mixed


def _stretch(scores: Scores, floor: float) -> Scores:
    top = max(scores.values(), default=0.0)
    if top <= floor:
        return dict.fromkeys(scores, 1.0)
    return {place: (score - floor) / (top - floor) for place, score in scores.items()}


def best_places(scores: Scores, most: int) -> list[int]:
    """The best places, best first; of equals the later one."""
    if len(scores) > SORTED_TIMES * most:
        return [place for _, place in heapq.nlargest(most, zip(scores.values(), scores, strict=True))]
    # Two sorts that compare numbers only: half the time of one that compares pairs.
    return sorted(sorted(scores, reverse=True), key=scores.__getitem__, reverse=True)[:most]


def share_with_neighbours(
    scores: Scores, anchors: Iterable[int], gaps: Collection[int] = frozenset()
) -> Scores:
    """Give neighbours of the best items a part of their scores.

    Args:
        scores: of items.
        anchors: the best of them.
        gaps: places beside them that hold no message (recalled lines, tool results): looked past.

    Returns:
        Scores of the anchors and of their neighbours.
    """
    shared = {place: scores[place] for place in anchors}
    for place in list(shared):
        for step, part in ((1, TO_NEXT), (-1, TO_PREVIOUS)):
            beside = place + step
            while beside in gaps:
                beside += step
            if beside > 0:
                shared[beside] = shared.get(beside, 0.0) + part * scores[place]
    return shared


def around(places: Iterable[int]) -> list[int]:
    """The places up to two steps away: where `share_with_neighbours` looks for gaps."""
    return sorted({place + step for place in places for step in (-2, -1, 1, 2) if place + step > 0})


def add_found(postings: Postings, found: Mapping[int, Found]) -> Postings:
    """The same postings with those of further terms."""
    return replace(postings, found={**postings.found, **found})


def word_evidence(postings: Postings, weights: Mapping[int, float], places: Collection[int]) -> Scores:
    """Say how much the words speak for each place: 1.0 is one word that stands nowhere else.

    Args:
        postings: what the index says.
        weights: of the terms that count as evidence.
        places: which to judge.
    """
    evidence = dict.fromkeys(places, 0.0)
    rarest = rarity(max(1, postings.items), 1)
    for key, found in postings.found.items():
        if weight := weights.get(key, 0.0) * rarity(postings.items, found.items) / rarest:
            for place, _, _ in found.rows:
                if place in evidence:
                    evidence[place] += weight
    return evidence
