"""What all routes share: the store, the engines, the turns, the settings."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from ..audit.base import AuditRules
from ..audit.opening import open_recorder
from ..context.strategy import NAMES, parse_strategy
from ..embed.base import Embedder
from ..embed.connect import connect_embedder
from ..forgetting.cleaning import Cleaner
from ..forgetting.courses import Forgetter
from ..masking import Masking
from ..privacy.kinds import Rule
from ..prompt import Options
from ..store.base import Store
from ..store.erasing import Eraser
from ..store.ledger import Ledger
from .engines import EnginePool, connect_pool
from .forgetters import clean, make_forgetter
from .metrics import Metrics
from .recognising import Recogniser
from .turns import Ended, Turns

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8090  # beside the usual ports of engines: 1234, 8000, 8080, 11434
DIED = "The gateway stopped before the reply was whole: ask again."  # said of a response, not raised
BODY_BYTES = 32 * 1024 * 1024  # a dozen photographs in base64
AUDIT_LINGER_SECONDS = 0.1  # that the record of a turn waits for others, to be written with them


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How a gateway was asked to serve."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT  # 0: any that is free
    engines: Sequence[str] = ()  # addresses of identical engines; none: the embedded one
    gguf: Path | None = None  # what the embedded one serves; None: the small model that comes with turnkeep
    db: Path | None = None  # None: the user's own
    encryption_key_file: Path | None = None  # what opens it; None: what the environment says
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)  # the engines'; never logged or answered
    window: int | None = None  # tokens; None: what the engine has loaded
    strategy: str | Sequence[str] = NAMES
    embeddings: str | None = None  # as `AsyncChat` takes it
    embedding_seconds: float | None = 0.05  # None: as long as it takes
    store_default: bool = True  # what an absent `store` means
    require_key: bool = False  # on loopback, too; elsewhere it is always asked for
    waiting: int = 1_000  # turns that may wait at an engine
    mask_prompt: bool = False  # models read marks in place of personal data
    patterns: tuple[Rule, ...] = ()  # what is personal data besides what is found anyway
    origins: Sequence[str] = ()  # addresses of web pages elsewhere that may call; "*": any
    hosts: Sequence[str] = ()  # further names under which the gateway may be called
    retention_days: int = 0  # after which turns are forgotten; 0: never
    body_bytes: int = BODY_BYTES
    items: int = 10_000  # that each list of a request may hold
    stall_seconds: float = 30.0  # a client that neither reads nor sends for so long is dropped
    audit: AuditRules = field(default_factory=AuditRules)  # what the audit journal keeps
    grace_seconds: float = 5.0  # that replies under way get at the end


class GatewayStore(Store, Ledger, Eraser, Protocol):
    """A store with all that a gateway keeps."""


class Gateway:
    """One database, its engines, and the turns under way.

    Making one calls nobody and opens nothing: the database opens with the first call, an engine with the first
    that asks it.

    Args:
        settings: how to serve.
        store: in place of the database that the settings name; closed here either way.
        pool: in place of the engines that they name; likewise.
        embedder: in place of the one that they name; likewise.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        settings: ServeSettings,
        *,
        store: GatewayStore | None = None,
        pool: EnginePool | None = None,
        embedder: Embedder | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.began = clock()
        self.metrics = Metrics()
        self.store = _open_store(settings) if store is None else store
        self.pool = connect_pool(settings) if pool is None else pool
        # None: turns are found by their words alone.
        self.embedder = _connect_embedder(settings) if embedder is None else embedder
        self.beside: set[asyncio.Task[None]] = (
            set()
        )  # what runs without a request, and ends when its turn does
        self.recorder = open_recorder(
            self.store, settings.audit, settings.patterns, linger=AUDIT_LINGER_SECONDS
        )
        self.options = Options(strategy=parse_strategy(settings.strategy))
        # Of all forgets here, so that the file is searched once for many.
        self.cleaner = Cleaner(self.store, getattr(self.store, "path", None))
        # By conversation, while responses of it are deleted.
        self.deleting = WeakValueDictionary[str, asyncio.Lock]()
        self.recogniser = Recogniser(self.store)
        self.masking = Masking(settings.patterns) if settings.mask_prompt else None
        self.turns = Turns(
            self.store,
            self.pool,
            masking=self.masking,
            embedder=self.embedder,
            embedding_seconds=settings.embedding_seconds,
            watch=self._count_turn,
            on_tended=self.metrics.count_upkeep,
            audit=self.recorder,
        )

    def forgetter(self) -> Forgetter:
        """What forgets here: the same road for every route that deletes, and for what is old."""
        return make_forgetter(self)

    async def open(self) -> None:
        """Say of what a gateway that died was asked that it failed: nobody works on it any more.

        Raises:
            StoreError: the database cannot be used.
        """
        from .orphans import fail_orphans  # which is built on this module

        await fail_orphans(self)
        await self.forgetter().finish()

    async def close(self) -> None:
        """Stop and record what is under way, and close what was opened."""
        await self.turns.close()
        if self.beside:
            await asyncio.wait(self.beside)
        if self.recorder is not None:
            await self.recorder.close()
        await self.pool.close()
        if self.embedder is not None:
            await self.embedder.close()
        await clean(self)
        await self.store.close()

    def _count_turn(self, ended: Ended) -> None:
        if ended.reply is None:
            self.metrics.count_turn(ended.outcome)
            return
        receipt = ended.reply.receipt
        self.metrics.count_turn(
            ended.outcome,
            read_tokens=receipt.read_tokens,
            reused_tokens=receipt.reused_tokens,
            reply_tokens=receipt.reply_tokens,
            seconds_to_first=receipt.seconds_to_first,
        )


def _connect_embedder(settings: ServeSettings) -> Embedder | None:
    engine = settings.engines[0] if settings.engines else None
    return connect_embedder(settings.embeddings, engine=engine, api_key=settings.api_key)


def _open_store(settings: ServeSettings) -> GatewayStore:
    from ..unlocking import open_database

    return open_database(settings.db, key_file=settings.encryption_key_file)
