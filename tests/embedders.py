"""Embedders for tests: their vectors are counted from the words, so that what is near is known."""

import asyncio
from collections.abc import Sequence

from turnkeep.embed.base import pack_vector
from turnkeep.errors import EngineUnreachable

# What means the same, by its number: the vector of a text says how much of each is in it.
MEANINGS = ("dog puppy hound", "boat ship vessel", "music song melody", "rain storm weather")
DIMENSIONS = 64  # a byte of each is too coarse below


def meaning_of(text: str) -> list[float]:
    """A vector of `DIMENSIONS`: a share of each meaning, and one for what has none of them."""
    words = [word.strip(".,!?") for word in text.lower().split()]
    shares = [float(sum(word in meaning.split() for word in words)) for meaning in MEANINGS]
    spread = [share for share in [*shares, 0.0 if any(shares) else 1.0] for _ in range(12)]
    return [*spread, *[0.0] * (DIMENSIONS - len(spread))]


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
