"""What all routes share: the store, the engines, the turns, the settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..context.strategy import NAMES
from ..store.base import Store

if TYPE_CHECKING:
    from .engines import EnginePool
    from .turns import Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How a gateway was asked to serve."""

    host: str = "127.0.0.1"
    port: int = 8090
    engines: Sequence[str] = ()  # addresses of identical engines; none: the embedded one
    gguf: Path | None = None
    db: Path | None = None  # None: the user's own
    model: str | None = None
    api_key: str | None = None  # the engines'; never logged or answered
    window: int | None = None
    strategy: Sequence[str] = NAMES
    embeddings: str | None = None
    store_default: bool = True  # what an absent `store` means
    waiting: int = 64  # turns that may wait at an engine
    origins: Sequence[str] = ()  # web pages that may call from elsewhere
    body_bytes: int = 32 * 1024 * 1024
    items: int = 10_000  # of one request
    stall_seconds: float = 30.0  # a client that reads nothing for so long is dropped
    grace_seconds: float = 5.0  # that replies under way get at the end


class Gateway:
    """One database, its engines, and the turns under way."""

    store: Store
    pool: EnginePool
    turns: Turns

    def __init__(self, settings: ServeSettings, *, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.clock = clock
