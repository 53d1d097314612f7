"""Find earlier items for a query: from the store's index and the vectors to a ranking.

The road between store, embedder and context/ranking.py; turns, prepared turns and people's
searches all take it. The query's vector is made while the words are looked up, and is
waited for no longer than is allowed: late means words alone, and the findings say so.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

from .context.ranking import (
    ANCHORS,
    CANDIDATES,
    MEANING_TOP,
    QUESTION_FACTOR,
    Found,
    Postings,
    Scores,
    add_found,
    around,
    best_places,
    mix_scores,
    rank_words,
    share_with_neighbours,
    word_evidence,
)
from .context.recall import JUDGED, Meaning, Query, only_asks, weigh_evidence
from .conversation.items import Message
from .conversation.log import Position
from .embed.base import Embedder
from .errors import TurnkeepError
from .store.base import Elsewhere, Store, StoredItem
from .store.reading import Index
from .vectors import VectorIndex

By: TypeAlias = Literal["words", "meaning", "best"]

SPARE = 1.25  # items loaded for one that is wanted: those that only ask may fall behind
APART = 1 << 40  # places of one conversation are that far from those of the next, when several are searched
RECENT_CONVERSATIONS = 20  # whose vectors an explicit search looks at, whatever their words
LEAST_COSINE = 0.2  # of what an explicit search finds by meaning alone
NEAREST_CONVERSATIONS = 8  # of those that hold the words, the ones whose vectors are looked at too

_log = logging.getLogger("turnkeep.search")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A message that was found. `name` is its conversation's, None where that has none or is the one searched."""

    conversation: str
    name: str | None = None
    item: StoredItem
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found.

    matches: best first.
    weight: of the evidence; from 1.0 on it is worth recalling without being asked for.
    by: "words", "meaning", or "words and meaning".
    why: a sentence, where the meaning should have helped and could not.
    """

    matches: Sequence[Match] = ()
    weight: float = 0.0
    by: str = "words"
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What the index and the vectors say of a query."""

    postings: Postings
    words: Scores
    meaning: Meaning | None
    why: str | None

    def mix(self, *, explicit: bool) -> Scores:
        """The scores of both together; explicit: without what has nothing in common but a little meaning."""
        cosines = self.meaning.cosines if self.meaning else {}
        if explicit:
            cosines = {
                place: cosine
                for place, cosine in cosines.items()
                if cosine >= LEAST_COSINE or place in self.words
            }
        return mix_scores(self.words, cosines)

    def report(self, matches: Sequence[Match], query: Query, anchors: Sequence[int]) -> Findings:
        """Say what was found, and how much speaks for it."""
        nearest = best_places(self.meaning.cosines, JUDGED) if self.meaning else []
        evidence = word_evidence(self.postings, query.evident, {*anchors[:JUDGED], *nearest})
        by = "words" if self.meaning is None else "words and meaning" if self.words else "meaning"
        return Findings(matches=matches, weight=weigh_evidence(evidence, self.meaning), by=by, why=self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked:
    """What came of ranking: the best items with the scores of their places, and the best places by themselves."""

    heard: _Heard
    items: Sequence[StoredItem]
    scores: Scores
    anchors: Sequence[int]


def _rank(
    heard: _Heard | None, query: Query, index: Index, *, upto: int, most: int, words: bool, explicit: bool
) -> _Ranked:
    """Ask the index for what the best places need further, rank them, and load the best.

    `heard` None: nothing was asked yet, and words are all there is.
    """
    heard = heard or _hear_words(query, index, upto=upto, words=words)
    if words and heard.postings.left:
        heard = _add_further(heard, query, index)
    mixed = heard.mix(explicit=explicit)
    anchors = best_places(mixed, ANCHORS)
    scores = mixed
    if not explicit:
        scores = share_with_neighbours(mixed, anchors, index.gaps(around(anchors)))
    places = [place for place in best_places(scores, int(most * SPARE) + 1) if place <= upto]
    return _Ranked(heard=heard, items=index.items(places), scores=scores, anchors=anchors)


def _hear_words(query: Query, index: Index, *, upto: int, words: bool) -> _Heard:
    """Look the words of a query up."""
    postings = index.postings(list(query.weights), upto=upto)
    found = rank_words(postings, query.weights) if words else {}
    return _Heard(postings=postings, words=found, meaning=None, why=None)


def _add_further(heard: _Heard, query: Query, index: Index) -> _Heard:
    """Look the common words up where the rare ones and the meaning have found something."""
    candidates = {*best_places(heard.words, CANDIDATES), *(heard.meaning.cosines if heard.meaning else ())}
    further = index.postings_at(heard.postings.left, sorted(candidates))
    words = {place: heard.words[place] for place in candidates if place in heard.words}
    for place, score in rank_words(replace(heard.postings, found=further), query.weights).items():
        words[place] = words.get(place, 0.0) + score
    return replace(heard, postings=add_found(heard.postings, further), words=words)


class Searcher:
    """Searches conversations.

    Args:
        store: where they are.
        embedder: makes the query's vector; None searches by words alone.
        seconds: to wait for the query's vector; None: as long as it takes.
    """

    def __init__(
        self, store: Store, embedder: Embedder | None = None, *, seconds: float | None = None
    ) -> None:
        self.store, self.embedder, self.seconds = store, embedder, seconds
        self._vectors = VectorIndex(store, embedder) if embedder is not None else None
        self._asked: dict[str, asyncio.Task[list[bytes]]] = {}  # the last query's vector
        self._late: set[asyncio.Task[list[bytes]]] = set()  # vectors that came too late, until they are there

    async def find(
        self,
        owner: str,
        conversation: str,
        query: Query,
        *,
        tip: Position,
        upto: int,
        most: int,
        by: By = "best",
        explicit: bool = False,
    ) -> Findings:
        """Find the items on the path to `tip`, up to place `upto`, that match a query best.

        Args:
            owner: whose conversation.
            conversation: which.
            query: what to look for.
            tip: the last item of the path.
            upto: the last place to look at; 0 finds nothing.
            most: items to return.
            by: words, meaning, or the best of both.
            explicit: somebody asked for it: the query's vector is waited for as long as it takes, and
                neither what only stands beside the best is found, nor what has nothing in common.
        """
        if upto <= 0 or not (query.text or query.weights):
            return Findings()
        heard: _Heard | None = None  # with nothing to wait for, all is one reading
        if self.embedder is not None and by != "words":
            heard = await self._hear(owner, conversation, query, tip, upto, by, explicit)
        look = partial(_rank, heard, query, upto=upto, most=most, words=by != "meaning", explicit=explicit)
        ranked = await self.store.consult(owner, conversation, look, tip=tip)
        matches = [
            match
            for item in ranked.items
            if (match := _match(conversation, None, item, ranked.scores[item.at.seq]))
        ]
        return ranked.heard.report(_best(matches, most), query, ranked.anchors)

    async def _hear(
        self,
        owner: str,
        conversation: str,
        query: Query,
        tip: Position,
        upto: int,
        by: By,
        explicit: bool,
    ) -> "_Heard":
        """Ask the index for the words and the vectors for the meaning, at the same time."""
        asked = self._ask_vector(query) if by != "words" else None
        name, keys = self.embedder.name if self.embedder else "", list(query.weights)
        postings, embedded = await self.store.consult(
            owner,
            conversation,
            lambda index: (index.postings(keys, upto=upto), index.embedded(name) if asked else 0),
            tip=tip,
        )
        vector, why = await self._wait_for(asked, None if explicit else self.seconds)
        meaning = None
        if vector is not None and self._vectors is not None:
            meaning = await self._vectors.search(
                owner, conversation, vector, postings.path, upto=upto, embedded=embedded
            )
        words = rank_words(postings, query.weights) if by != "meaning" else {}
        return _Heard(postings=postings, words=words, meaning=meaning, why=why)

    async def find_elsewhere(
        self,
        owner: str,
        query: Query,
        *,
        apart: str | None,
        most: int,
        by: By = "best",
        explicit: bool = False,
    ) -> Findings:
        """Find the items of an owner's conversations that match a query best, each on the path to its tip.

        The conversations are found by their words; the meaning helps to rank what stands in them.
        An explicit search also looks at the meaning of those used last.

        Args:
            owner: whose.
            query: what to look for.
            apart: a conversation to leave out.
            most: items to return.
            by: as in `find`.
            explicit: as in `find`.
        """
        asked = self._ask_vector(query) if by != "words" else None
        others = await self.store.load_elsewhere(owner, list(query.weights), apart=apart)
        postings = _together([other.postings for other in others])
        words = rank_words(postings, query.weights)
        vector, why = await self._wait_for(asked, None if explicit else self.seconds)
        meaning = None
        if vector is not None:
            likely = list(dict.fromkeys(place // APART for place in best_places(words, CANDIDATES)))
            likely = likely[:NEAREST_CONVERSATIONS]
            if explicit:
                likely += range(len(others), len(others) + RECENT_CONVERSATIONS)
                others += await self._load_recent(owner, {apart, *(other.conversation for other in others)})
            meaning = await self._nearest_elsewhere(owner, others, likely, vector)
        heard = _Heard(
            postings=postings, words={} if meaning and by == "meaning" else words, meaning=meaning, why=why
        )
        mixed = heard.mix(explicit=explicit)
        anchors = best_places(mixed, ANCHORS)
        matches = await self._load_elsewhere(owner, others, mixed, anchors, most, explicit=explicit)
        return heard.report(_best(matches, most), query, anchors)

    async def _load_recent(self, owner: str, known: Collection[str | None]) -> list[Elsewhere]:
        """Load the conversations used last, but for those known."""
        recent: list[Elsewhere] = []
        for row in await self.store.list_conversations(owner, limit=RECENT_CONVERSATIONS):
            if row.id not in known:
                look = partial(_path_alone, upto=row.tip.seq)
                path = await self.store.consult(owner, row.id, look, tip=row.tip)
                recent.append(Elsewhere(conversation=row.id, name=row.name, tip=row.tip, postings=path))
        return recent

    async def _nearest_elsewhere(
        self, owner: str, others: Sequence[Elsewhere], numbers: Iterable[int], vector: bytes
    ) -> Meaning | None:
        """Search the vectors of some of these conversations."""
        assert self._vectors is not None
        cosines: Scores = {}
        covered = 0
        for number, other in [(number, others[number]) for number in numbers if number < len(others)]:
            found = await self._vectors.search(
                owner, other.conversation, vector, other.postings.path, upto=other.tip.seq
            )
            if found is not None:
                cosines |= {number * APART + place: cosine for place, cosine in found.cosines.items()}
                covered = max(covered, number * APART + found.covered)
        best = best_places(cosines, MEANING_TOP)
        return Meaning(cosines={place: cosines[place] for place in best}, covered=covered) if best else None

    async def _load_elsewhere(
        self,
        owner: str,
        others: Sequence[Elsewhere],
        mixed: Scores,
        anchors: Sequence[int],
        most: int,
        *,
        explicit: bool,
    ) -> list[Match]:
        """Load the best items of several conversations."""
        gaps: set[int] = set()
        for number, places in _by_conversation(() if explicit else around(anchors)).items():
            other = others[number]
            look = partial(_gaps_at, places)
            found = await self.store.consult(owner, other.conversation, look, tip=other.tip)
            gaps.update(number * APART + place for place in found)
        shared = mixed if explicit else share_with_neighbours(mixed, anchors, gaps)
        matches: list[Match] = []
        for number, places in _by_conversation(best_places(shared, int(most * SPARE) + 1)).items():
            other = others[number]
            load = partial(_items_at, places)
            for item in await self.store.consult(owner, other.conversation, load, tip=other.tip):
                score = shared[number * APART + item.at.seq]
                if match := _match(other.conversation, other.name, item, score):
                    matches.append(match)
        return matches

    def forget(self, owner: str, conversation: str) -> None:
        """Hold nothing of a conversation in memory any more: items of it may have been forgotten."""
        self._asked.clear()
        if self._vectors is not None:
            self._vectors.forget(owner, conversation)

    async def close(self, *, embedder: bool) -> None:
        """Wait no longer for vectors that were late; close the embedder, if it is ours to close."""
        for asked in list(self._late):
            asked.cancel()
        if embedder and self.embedder is not None:
            await self.embedder.close()

    # -- the query's vector -------------------------------------------------------------------------
    def _ask_vector(self, query: Query) -> "asyncio.Task[list[bytes]] | None":
        if self.embedder is None or not query.text:
            return None
        asked = self._asked.get(query.text)
        if asked is None or _is_spent(asked) or asked.get_loop() is not asyncio.get_running_loop():
            asked = asyncio.ensure_future(_embed(self.embedder, query.text))
            self._asked = {query.text: asked}  # the last one: two searches may ask for the same
        return asked

    async def _wait_for(
        self, asked: "asyncio.Task[list[bytes]] | None", seconds: float | None
    ) -> tuple[bytes | None, str | None]:
        """The vector, or None and why not."""
        if asked is None:
            return None, None
        self._late.add(asked)  # it goes on whatever becomes of this search, or a slow start would never end
        asked.add_done_callback(self._forget_late)
        await asyncio.wait({asked}, timeout=seconds)
        if not asked.done():
            return (
                None,
                f"The message's vector was not there within {seconds or 0:g} s: found by words alone.",
            )
        try:
            return asked.result()[0], None
        except TurnkeepError as error:
            _log.info("no vector for the query: %s", error)
            return None, f"Found by words alone: {error}"

    def _forget_late(self, asked: "asyncio.Task[list[bytes]]") -> None:
        self._late.discard(asked)
        if not asked.cancelled() and (error := asked.exception()) is not None:
            _log.info("no vector for the query: %s", error)


def _is_spent(asked: "asyncio.Task[list[bytes]]") -> bool:
    """Whether it failed: the embedder may be back, so the same text is asked for again."""
    return asked.done() and (asked.cancelled() or asked.exception() is not None)


async def _embed(embedder: Embedder, text: str) -> list[bytes]:
    return await embedder.embed([text])


def _path_alone(index: Index, *, upto: int) -> Postings:
    return index.postings([], upto=upto)


def _gaps_at(places: Sequence[int], index: Index) -> set[int]:
    return index.gaps(places)


def _items_at(places: Sequence[int], index: Index) -> list[StoredItem]:
    return index.items(places)


def _match(conversation: str, name: str | None, stored: StoredItem, score: float) -> Match | None:
    """A message of user or assistant, with its score; those that only ask step back a little."""
    item = stored.item
    if not isinstance(item, Message) or item.role not in ("user", "assistant") or not item.text:
        return None
    factor = QUESTION_FACTOR if only_asks(item.text) else 1.0
    return Match(conversation=conversation, name=name, item=stored, score=score * factor)


def _best(matches: list[Match], most: int) -> list[Match]:
    return sorted(matches, key=lambda match: (-match.score, -match.item.created, -match.item.at.seq))[:most]


def _together(parts: Sequence[Postings]) -> Postings:
    """The postings of several conversations as one; their totals are of all of them already."""
    found: dict[int, Found] = {}
    for number, part in enumerate(parts):
        for key, each in part.found.items():
            rows = [(number * APART + place, count, length) for place, count, length in each.rows]
            before = found[key].rows if key in found else ()
            found[key] = Found(items=each.items, rows=[*before, *rows])
    items, words = (parts[0].items, parts[0].words) if parts else (0, 0)
    return Postings(items=items, words=words, found=found, left={}, path=())


def _by_conversation(places: Sequence[int]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place in places:
        number, seq = divmod(place, APART)
        if seq:
            found.setdefault(number, []).append(seq)
    return found
