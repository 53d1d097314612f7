"""Find earlier items for a query: from the store's index and the vectors to a ranking.

The road between store, embedder and context/ranking.py; turns, prepared turns and people's
searches all take it. The query's vector is made while the words are looked up, and is
waited for no longer than is allowed: late means words alone, and the findings say so.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .context.ranking import (
    ANCHORS,
    CANDIDATES,
    QUESTION_FACTOR,
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
from .context.recall import JUDGED, Meaning, Query, is_evident, only_asks
from .conversation.items import Message
from .conversation.log import Position
from .embed.base import Embedder
from .errors import TurnkeepError
from .store.base import Store, StoredItem
from .vectors import VectorIndex

WORDS, MEANING, BOTH = "words", "meaning", "words and meaning"
SPARE = 1.25  # items loaded for one that is wanted: those that only ask may fall behind

_log = logging.getLogger("turnkeep.search")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found.

    items: messages, best first. scores: of their places.
    evident: whether it is worth recalling without being asked for.
    by: "words", "meaning", or both. why: a sentence, where the meaning should have been there and was not.
    """

    items: Sequence[StoredItem] = ()
    scores: Scores = field(default_factory=dict)
    evident: bool = False
    by: str = WORDS
    why: str | None = None


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
        self._vectors = VectorIndex(store, embedder.name) if embedder is not None else None
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
        by: str = BOTH,
        patient: bool = False,
    ) -> Findings:
        """Find the items on the path to `tip`, up to place `upto`, that match a query best.

        Args:
            owner: whose conversation.
            conversation: which.
            query: what to look for.
            tip: the last item of the path.
            upto: the last place to look at; 0 finds nothing.
            most: items to return.
            by: "words", "meaning", or both.
            patient: wait for the query's vector as long as it takes.
        """
        if upto <= 0 or not (query.text or query.weights):
            return Findings()
        asked = self._ask_vector(query) if by != WORDS else None
        keys = list(query.weights)
        postings = await self.store.load_postings(owner, conversation, keys, tip=tip, upto=upto)
        words = rank_words(postings, query.weights) if by != MEANING else {}
        vector, why = await self._wait_for(asked, None if patient else self.seconds)
        meaning = None
        if vector is not None and self._vectors is not None:
            meaning = await self._vectors.search(owner, conversation, vector, postings.path, upto=upto)
        if postings.left and by != MEANING:
            candidates = {*best_places(words, CANDIDATES), *(meaning.cosines if meaning else ())}
            further = await self.store.load_postings_at(
                owner, conversation, postings.left, sorted(candidates), tip=tip
            )
            postings = add_found(postings, further)
            words = rank_words(postings, query.weights)
        mixed = mix_scores(words, meaning.cosines if meaning else {})
        anchors = best_places(mixed, ANCHORS)
        gaps = await self.store.load_gaps(owner, conversation, around(anchors), tip=tip)
        shared = share_with_neighbours(mixed, anchors, gaps)
        found = await self._load(owner, conversation, shared, tip, upto, most)
        return replace(
            found,
            evident=_judge(postings, query, meaning, anchors[:JUDGED]),
            by=BOTH if meaning and words else MEANING if meaning else WORDS,
            why=why,
        )

    async def _load(
        self, owner: str, conversation: str, scores: Scores, tip: Position, upto: int, most: int
    ) -> Findings:
        """Load the best items; those that only ask step back a little."""
        places = [place for place in best_places(scores, int(most * SPARE) + 1) if place <= upto]
        items = [
            item
            for item in await self.store.load_places(owner, conversation, places, tip=tip)
            if isinstance(item.item, Message) and item.item.role in ("user", "assistant") and item.item.text
        ]
        final = {
            item.at.seq: scores[item.at.seq] * (QUESTION_FACTOR if only_asks(item.item.text) else 1.0)
            for item in items
            if isinstance(item.item, Message)
        }
        items.sort(key=lambda item: (-final[item.at.seq], -item.at.seq))
        return Findings(items=items[:most], scores=final)

    # -- the query's vector -------------------------------------------------------------------------
    def _ask_vector(self, query: Query) -> "asyncio.Task[list[bytes]] | None":
        if self.embedder is None or not query.text:
            return None
        return asyncio.ensure_future(_embed(self.embedder, query.text))

    async def _wait_for(
        self, asked: "asyncio.Task[list[bytes]] | None", seconds: float | None
    ) -> tuple[bytes | None, str | None]:
        """The vector, or None and why not."""
        if asked is None:
            return None, None
        await asyncio.wait({asked}, timeout=seconds)
        if not asked.done():
            # It goes on, or the next one would wait behind a start that never ends.
            self._late.add(asked)
            asked.add_done_callback(self._forget_late)
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


async def _embed(embedder: Embedder, text: str) -> list[bytes]:
    return await embedder.embed([text])


def _judge(postings: Postings, query: Query, meaning: Meaning | None, best: Sequence[int]) -> bool:
    nearest = best_places(meaning.cosines, JUDGED) if meaning else []
    return is_evident(word_evidence(postings, query.evident, {*best, *nearest}), meaning)
