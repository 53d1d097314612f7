"""Indexing in upkeep: the words of conversations of an older turnkeep, and the meaning of every turn.

Turns are embedded a few at a time, in the order of their numbers; each step keeps what it has
made, so that it can stop at any moment and go on in this process or another. Another
embedder's vectors are thrown away only when the new ones are complete.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from .conversation.items import Message
from .embed.base import Embedder
from .store.base import IndexProgress, Store

BATCH_TURNS = 8  # embedded between two writes: at most half a second's work is lost by stopping
ARITHMETIC = ("numpy", "simsimd")

Pause = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Indexer:
    """Indexes one conversation.

    Args:
        store: where it is.
        owner: whose.
        conversation: which.
        embedder: makes vectors; None indexes words alone.
    """

    store: Store
    owner: str
    conversation: str
    embedder: Embedder | None = None
    _words_done: bool = False
    _prepared: bool = False

    @property
    def has_work(self) -> bool:
        """Whether a turn may have brought something to index: its words are indexed when it is said."""
        return not self._words_done or self.embedder is not None

    def begin_anew(self) -> None:
        """Take a conversation that has no turns yet: each is indexed by its words as it comes."""
        self._words_done = True

    async def run(self, pause: Pause) -> None:
        """Index what is not indexed yet.

        Args:
            pause: is awaited before each step; returns when nobody waits for the machine.

        Raises:
            EngineError, UsageError: the embedder cannot be used.
        """
        await pause()
        async for _ in self.steps():
            await pause()

    async def steps(self) -> AsyncIterator[tuple[int, int]]:
        """Index step by step; yields how many turns are done, and how many there are, by words and then by meaning."""
        while not self._words_done:
            words = await self.store.index_words(self.owner, self.conversation)
            self._words_done = words.done >= words.turns
            yield words.done, words.turns
        if self.embedder is None:
            return
        if not self._prepared:
            await prepare(self.embedder)
        while await self._embed_some(self.embedder):
            meaning = await self.measure()
            yield meaning.done, meaning.turns
        if not self._prepared:
            await self.store.drop_other_vectors(self.owner, self.conversation, self.embedder.name)
            self._prepared = True

    async def measure(self) -> IndexProgress:
        """Say how far the conversation is embedded; without an embedder, nothing is."""
        name = self.embedder.name if self.embedder is not None else ""
        return await self.store.measure_embedded(self.owner, self.conversation, name)

    async def _embed_some(self, embedder: Embedder) -> bool:
        """Embed the next turns; False when none are left."""
        batch = await self.store.find_unembedded(
            self.owner, self.conversation, embedder.name, limit=BATCH_TURNS
        )
        if batch.upto == batch.after:
            return False
        texts = [each.item.text for each in batch.items if isinstance(each.item, Message)]
        vectors = await embedder.embed(texts) if texts else []
        await self.store.save_vectors(self.owner, self.conversation, embedder.name, batch, vectors)
        return True


async def prepare(embedder: Embedder) -> None:
    """Get an embedder and the search by vectors ready, so that a person's next message finds them so."""
    await embedder.prepare()
    # Importing takes a tenth of a second: in a thread, for nobody to wait.
    await asyncio.to_thread(lambda: [importlib.import_module(name) for name in ARITHMETIC])
