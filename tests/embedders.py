"""Embedders for tests: their vectors are counted from the words, so that what is near is known."""

import asyncio
import random
from collections.abc import Sequence

from tests.store.writer import OWNER, Writer
from turnkeep.embed.base import pack_vector
from turnkeep.errors import EngineUnreachable
from turnkeep.indexing import Indexer

# What means the same, by its number: the vector of a text says how much of each is in it.
MEANINGS = ("dog puppy hound", "boat ship vessel", "music song melody", "rain storm weather")
DIMENSIONS = 256


def meaning_of(text: str) -> list[float]:
    """A vector of `DIMENSIONS`: a share of each meaning; of what has none of them, one of its own."""
    words = [word.strip(".,!?") for word in text.lower().split()]
    shares = [float(sum(word in meaning.split() for word in words)) for meaning in MEANINGS]
    if not any(shares):
        dice = random.Random(text)
        return [dice.gauss(0, 1) for _ in range(DIMENSIONS)]
    return [share for share in shares for _ in range(DIMENSIONS // len(MEANINGS))]


class WordEmbedder:
    """Knows a few words that mean the same.

    `broken`: the sentence with which it fails; None: it works. `gate`: it answers when this is set.
    """

    baseline = 0.0

    def __init__(self, name: str = "words:int8", *, broken: str | None = None) -> None:
        self.name = name
        self.broken = broken
        self.gate: asyncio.Event | None = None
        self.asked: list[str] = []  # every text
        self.prepared = 0
        self.closed = 0

    async def prepare(self) -> None:
        self.prepared += 1

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.asked += texts
        await asyncio.sleep(0)  # as every real one, it lets others go on
        if self.gate is not None:
            await self.gate.wait()
        if self.broken is not None:
            raise EngineUnreachable(self.broken)
        return [pack_vector(meaning_of(text)) for text in texts]

    async def close(self) -> None:
        self.closed += 1


async def embed_all(writer: Writer, embedder: WordEmbedder) -> None:
    """Index all of a conversation's turns by meaning."""
    async for _ in Indexer(writer.store, OWNER, writer.id, embedder).steps():
        pass
