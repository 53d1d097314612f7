"""What recall knows of an embedder: its name, and vectors of a byte a dimension.

A vector is kept as signed bytes of its unit vector. In unit vectors of d dimensions a value
is about 1/√d large, so it is stretched by the same factor for every text of a model: six times
that fills the byte, and what is larger still is cut. Measured on 2,960 chat messages, the
cosine of two such vectors is off by 0.001 on average.
"""

import math
import operator
from array import array
from collections.abc import Sequence
from typing import Protocol

STRETCH_SIGMAS = 6.0
LARGEST = 127


# Of nothing in common: the cosines between their vectors are what an embedder gives for nothing.
UNRELATED = (
    "The train to the coast leaves at noon.",
    "She planted tomatoes behind the shed.",
    "My printer is out of ink again.",
    "He plays the cello in an orchestra.",
    "We painted the kitchen yellow.",
    "The court adjourned until Friday.",
    "Their goalkeeper was injured last season.",
    "I need a recipe for lentil soup.",
)


class Embedder(Protocol):
    """Turns texts into vectors. May be used from any event loop.

    All methods raise `EngineError` subclasses, or `UsageError` where something has to be
    installed or named first.
    """

    @property
    def name(self) -> str:
        """Model and form of the vectors: vectors of one name can be compared."""
        ...

    @property
    def baseline(self) -> float:
        """The mean cosine of texts that have nothing in common; cosines are stretched so that it becomes 0.

        Some models never give less than 0.6: without this, everything would seem to matter.
        """
        ...

    async def prepare(self) -> None:
        """Get ready, so that the next call is quick."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Make the vector of each text."""
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


def stretch(dimensions: int) -> float:
    """By how much the values of a unit vector are multiplied to be kept as bytes."""
    return LARGEST * math.sqrt(dimensions) / STRETCH_SIGMAS


def pack_vector(values: Sequence[float]) -> bytes:
    """Turn a vector of any length into the bytes that are kept of it; all zeros stay all zeros."""
    norm = math.sqrt(sum(value * value for value in values))
    factor = stretch(len(values)) / norm if norm else 0.0
    return array("b", [max(-LARGEST, min(LARGEST, round(value * factor))) for value in values]).tobytes()


def measure_baseline(vectors: Sequence[bytes]) -> float:
    """The mean cosine between vectors of `UNRELATED`, below 1."""
    values = [array("b", vector) for vector in vectors]
    unit = stretch(len(vectors[0])) ** 2
    cosines: list[float] = [
        sum(map(operator.mul, one, other)) / unit
        for number, one in enumerate(values)
        for other in values[:number]
    ]
    return min(0.95, math.fsum(cosines) / len(cosines))
