"""What all routes share: the store, the engines, the turns, the settings."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..context.strategy import NAMES
from ..embed.base import Embedder
from ..store.base import Store
from ..store.ledger import Ledger
from .metrics import Metrics

if TYPE_CHECKING:
    from .engines import EnginePool
    from .turns import Turns

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8090  # beside the usual ports of engines: 1234, 8000, 8080, 11434
BODY_BYTES = 32 * 1024 * 1024  # a dozen photographs in base64


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How a gateway was asked to serve."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT  # 0: any that is free
    engines: Sequence[str] = ()  # addresses of identical engines; none: the embedded one
    gguf: Path | None = None  # what the embedded one serves; None: the small model that comes with turnkeep
    db: Path | None = None  # None: the user's own
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)  # the engines'; never logged or answered
    window: int | None = None  # tokens; None: what the engine has loaded
    strategy: str | Sequence[str] = NAMES
    embeddings: str | None = None  # as `AsyncChat` takes it
    embedding_seconds: float | None = 0.05  # None: as long as it takes
    store_default: bool = True  # what an absent `store` means
    require_key: bool = False  # on loopback, too; elsewhere it is always asked for
    waiting: int = 1_000  # turns that may wait at an engine
    origins: Sequence[str] = ()  # addresses of web pages elsewhere that may call; "*": any
    hosts: Sequence[str] = ()  # further names under which the gateway may be called
    body_bytes: int = BODY_BYTES
    items: int = 10_000  # that each list of a request may hold
    stall_seconds: float = 30.0  # a client that neither reads nor sends for so long is dropped
    grace_seconds: float = 5.0  # that replies under way get at the end


class GatewayStore(Store, Ledger, Protocol):
    """A store with all that a gateway keeps."""


class Gateway:
    """One database, its engines, and the turns under way.

    Args:
        settings: how to serve.
        store: in place of the database that the settings name; closed here either way.
        pool: in place of the engines that they name; likewise.
        clock: seconds since the epoch.
    """

    pool: "EnginePool"
    turns: "Turns"

    def __init__(
        self,
        settings: ServeSettings,
        *,
        store: GatewayStore | None = None,
        pool: "EnginePool | None" = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from .engines import connect_pool
        from .turns import Turns

        self.settings = settings
        self.clock = clock
        self.metrics = Metrics()
        self.store = _open_store(settings) if store is None else store
        self.pool = connect_pool(settings) if pool is None else pool
        self._embedder: Embedder | None = None
        self._embedder_made = False
        self.turns = Turns(self)

    @property
    def embedder(self) -> Embedder | None:
        """What finds turns by meaning; None: their words alone."""
        if not self._embedder_made:
            from ..embed.connect import connect_embedder

            engine = self.settings.engines[0] if self.settings.engines else None
            key = self.settings.api_key
            self._embedder = connect_embedder(self.settings.embeddings, engine=engine, api_key=key)
            self._embedder_made = True
        return self._embedder

    async def open(self) -> None:
        """Settle what a gateway that died has left behind.

        Raises:
            StoreError: the database cannot be used.
        """
        await self.turns.open()

    async def close(self) -> None:
        """Stop and record what is under way, and close what was opened."""
        await self.turns.close()
        await self.pool.close()
        if self._embedder is not None:
            await self._embedder.close()
        await self.store.close()


def _open_store(settings: ServeSettings) -> GatewayStore:
    from ..settings import DATABASE, data_folder
    from ..store.sqlite import SqliteStore

    return SqliteStore(data_folder() / DATABASE if settings.db is None else settings.db)
