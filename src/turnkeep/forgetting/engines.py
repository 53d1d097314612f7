"""What an engine may still hold: the KV cache of prompts that it read.

llama.cpp can be told to erase its slots where it was started with leave to; what it keeps of earlier prompts in
main memory it cannot be told to drop, nor asked about. Other engines offer nothing of the kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..engine.base import Engine
from ..errors import EngineError
from .places import Searched, Task
from .receipt import PlaceReceipt

_REST = "It holds the prompts it read until others take their place: to be rid of them at once, restart it."
_HOST = (
    "Its slots are erased; llama.cpp may hold earlier prompts in main memory (--cache-ram) "
    "until others take their place: to be rid of them at once, restart it."
)


@runtime_checkable
class Erasing(Protocol):
    """An engine that can be told to forget what its cache holds."""

    async def erase_cache(self) -> int:
        """Erase what the cache holds; returns how many slots, 0 where it has no leave to."""
        ...


@dataclass(frozen=True, slots=True)
class EngineCache:
    """The place. engine: None where it is not known here."""

    engine: Engine | None
    name: str = "engine cache"

    async def forget(self, task: Task) -> PlaceReceipt:
        """Have it erased where it can be."""
        slots = 0
        if isinstance(self.engine, Erasing) and not task.dry_run:
            try:
                slots = await self.engine.erase_cache()
            except EngineError:
                pass  # who does not answer holds what it holds: that is said
        return PlaceReceipt(
            name=self.name,
            removed={"slots": slots} if slots else {},
            state="out of reach",
            advice=_HOST if slots else _REST,
        )

    def search(self, pieces: Sequence[bytes]) -> Searched:  # noqa: ARG002  # nobody can look into it
        """Nothing can be found there."""
        return Searched()
