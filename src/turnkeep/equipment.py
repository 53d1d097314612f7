"""What a conversation works with: store, engine, search. Made when first needed, closed by whoever made it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .audit.base import AuditRules
from .audit.opening import open_recorder
from .audit.recorder import Recorder
from .context.budget import SMALLEST_WINDOW
from .embed.base import Embedder
from .engine.absent import AbsentEngine
from .engine.base import Engine, EngineInfo
from .errors import TurnkeepError, UsageError
from .privacy.kinds import Rule
from .search import Searcher
from .store.base import Store

if TYPE_CHECKING:
    from .store.sqlite import SqliteStore


@dataclass(slots=True, kw_only=True)
class Equipment:
    """Makes store, engine and searcher from what `AsyncChat` was given; see there for the arguments.

    on_wait: is told in a sentence why a call to the engine has to wait.

    Raises:
        UsageError: the window is too small for any conversation.
    """

    engine: str | Engine | None
    store: str | Path | Store | None
    embeddings: str | Embedder | None
    embedding_seconds: float | None
    model: str | None
    api_key: str | None
    window: int | None
    gguf: str | Path | None
    on_wait: Callable[[str], None]
    audit: AuditRules
    patterns: tuple[Rule, ...] = ()  # personal data besides what is found anyway
    _recorder: Recorder | None = None
    _recording: bool = False  # whether to record was decided
    _engine: Engine | None = None
    _store: Store | None = None
    _searcher: Searcher | None = None

    def __post_init__(self) -> None:
        if self.window is not None and self.window < SMALLEST_WINDOW:
            raise UsageError(
                f"A window of {self.window} tokens is too small for a conversation: use {SMALLEST_WINDOW} or more."
            )

    def open_store(self) -> Store:
        """The store that was given, or the database file."""
        if self._store is None:
            self._store = self._make_store()
        return self._store

    def _make_store(self) -> Store:
        given = self.store
        if given is not None and not isinstance(given, str | Path):
            return given
        from .unlocking import open_database

        return open_database(None if given is None else Path(given))

    def open_copy(self, path: Path) -> "SqliteStore":
        """Open a copy of the database file, such as a backup's; whoever asked closes it."""
        from .unlocking import open_copy

        return open_copy(self.open_store(), path)

    def open_engine(self) -> Engine:
        """The engine that was given, or a connection to the one that was named."""
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def _make_engine(self) -> Engine:
        given = self.engine
        if given is not None and not isinstance(given, str):
            return given
        if given == "none":
            return AbsentEngine(model=self.model, window=self.window)
        from .engine.connect import connect

        return connect(
            given,
            model=self.model,
            api_key=self.api_key,
            window=self.window,
            gguf=self.gguf,
            on_wait=self.on_wait,
        )

    async def change_model(self, model: str) -> EngineInfo:
        """Connect to another model of the same engine, and close the connection so far.

        Raises:
            EngineRefused: the engine does not serve it; the connection so far stays.
            UsageError: the engine was given as an object, or is embedded.
        """
        if not isinstance(self.engine, str):
            raise UsageError(
                "The model of this engine is fixed: start again with --engine or --gguf for another."
            )
        before, self.model = self.model, model
        other = self._make_engine()
        try:
            info = await other.probe()
        except TurnkeepError:
            self.model = before
            await other.close()
            raise
        await self.open_engine().close()
        self._engine = other
        return info

    def open_recorder(self) -> Recorder | None:
        """What keeps the audit journal of the store; None: nothing does."""
        if not self._recording:
            self._recorder = open_recorder(self.open_store(), self.audit, self.patterns)
            self._recording = True
        return self._recorder

    def open_searcher(self) -> Searcher:
        """What finds earlier turns, with the embedder that was given or named."""
        if self._searcher is None:
            self._searcher = Searcher(
                self.open_store(), self._make_embedder(), seconds=self.embedding_seconds
            )
        return self._searcher

    def _make_embedder(self) -> Embedder | None:
        given = self.embeddings
        if given is not None and not isinstance(given, str):
            return given
        from .embed.connect import connect_embedder

        engine = self.engine if isinstance(self.engine, str) else None
        return connect_embedder(given, engine=engine, api_key=self.api_key)

    async def close(self) -> None:
        """Close what was made here, not what was given."""
        if self._recorder is not None:
            await self._recorder.close()
        if self._engine is not None and self._engine is not self.engine:
            await self._engine.close()
        if self._searcher is not None:
            await self._searcher.close(embedder=self._searcher.embedder is not self.embeddings)
        if self._store is not None and self._store is not self.store:
            await self._store.close()
        self._engine = self._store = self._searcher = self._recorder = None
        self._recording = False
