"""What can this server do? Find the adapter for whatever answers at an address.

Adapters are asked in turn; each looks with GETs alone, so that nothing is loaded or changed.
A new engine is a file with a `detect` and a line in `ADAPTERS`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from ..wire.exchange import Delta, Request
from . import llamacpp
from .base import Engine, EngineInfo, Warmed
from .client import EngineClient
from .generic import GenericEngine

Detect: TypeAlias = Callable[[EngineClient, str | None, int | None], Awaitable[Engine | None]]

ADAPTERS: tuple[Detect, ...] = (llamacpp.detect,)  # what none of them knows is generic


class DetectedEngine:
    """An engine whose kind is found at the first call.

    Args:
        client: reaches it.
        model: the model to name in requests; None takes the first that is served.
        window: tokens to use at most; None uses all that is loaded.
    """

    def __init__(self, client: EngineClient, *, model: str | None = None, window: int | None = None) -> None:
        self.client = client
        self._model = model
        self._window = window
        self._found: Engine | None = None

    def __repr__(self) -> str:
        return f"DetectedEngine({self.url!r})"

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self.client.url

    async def _adapter(self) -> Engine:
        if self._found is None:
            self._found = await find_adapter(self.client, self._model, self._window)
        return self._found

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        """Find out what is loaded; `refresh` also asks anew what kind of engine it is."""
        if refresh:
            self._found = None
        return await (await self._adapter()).probe(refresh=refresh)

    async def count(self, request: Request) -> int | None:
        """Count the whole prompt; None where the engine cannot."""
        return await (await self._adapter()).count(request)

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count plain texts; None where the engine cannot."""
        return await (await self._adapter()).count_texts(texts)

    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Send the request and yield its deltas, `End` last."""
        return self._find_and_stream(request) if self._found is None else self._found.stream(request)

    async def _find_and_stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        async with aclosing((await self._adapter()).stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def warm(self, request: Request) -> Warmed | None:
        """Have the engine read the prompt up to the next user text."""
        return await (await self._adapter()).warm(request)

    async def close(self) -> None:
        """Let go of the connections that are kept between calls."""
        await self.client.close()


async def find_adapter(client: EngineClient, model: str | None, window: int | None) -> Engine:
    """Find the adapter for what answers there; that it is an engine at all, `probe` finds out.

    Raises:
        EngineError: nobody answers, or the key is refused.
    """
    for detect in ADAPTERS:
        engine = await detect(client, model, window)
        if engine is not None:
            return engine
    return GenericEngine(client, model=model, window=window)
