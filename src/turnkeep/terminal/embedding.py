"""What `turnkeep embed` and `turnkeep search` do beside the store: install, index, search by meaning."""

import contextlib
from collections.abc import AsyncIterator, Iterator

from ..embed.connect import connect_embedder
from ..embed.install import install_model
from ..errors import UsageError
from ..indexing import Indexer
from ..search import Searcher
from ..settings import OWNER, Settings
from ..store.base import Store

CONVERSATIONS = 100_000  # that are indexed at most


def install_lines() -> Iterator[str]:
    """Install the model that finds turns by meaning; yields what is done."""
    folder = install_model()
    yield f"The model is in {folder}. Turns are found by their meaning from now on, as fast as they are indexed."


@contextlib.asynccontextmanager
async def open_searcher(settings: Settings, store: Store) -> AsyncIterator[Searcher]:
    """Open a search with the embedder that the settings name."""
    embedder = connect_embedder(settings.embeddings, engine=settings.engine, api_key=settings.api_key)
    searcher = Searcher(store, embedder)
    try:
        yield searcher
    finally:
        await searcher.close(embedder=True)


async def index_lines(settings: Settings, store: Store) -> AsyncIterator[str]:
    """Index all conversations by words and by meaning; yields how far each is."""
    async with open_searcher(settings, store) as searcher:
        if searcher.embedder is None:
            raise UsageError("Nothing here knows meanings: run turnkeep embed install, or name --embeddings.")
        rows = await store.list_conversations(OWNER, limit=CONVERSATIONS)
        if not rows:
            yield "There is nothing to index yet."
        for row in rows:
            indexer = Indexer(store, OWNER, row.id, searcher.embedder)
            async for done, turns in indexer.steps():
                yield f"{row.name or row.id}: {done:,} of {turns:,} turns"
