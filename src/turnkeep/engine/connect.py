"""From an address, or none, to an engine; and what already listens on this machine."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from ..errors import EngineError, UsageError
from .base import Engine
from .client import EngineClient, OnWait, Retries, Tap, Timeouts
from .embedded import EmbeddedEngine
from .probe import DetectedEngine

USUAL_PORTS = (1234, 8080, 11434)  # LM Studio, llama.cpp, Ollama
LISTENING_SECONDS = 0.5  # something on this machine that is an engine answers faster


def connect(
    url: str | None,
    *,
    model: str | None = None,
    api_key: str | None = None,
    window: int | None = None,
    gguf: str | os.PathLike[str] | None = None,
    timeouts: Timeouts | None = None,
    tap: Tap | None = None,
    on_wait: OnWait | None = None,
    retries: Retries | None = None,
) -> Engine:
    """Make an engine of an address. Nobody is called before the engine's first method.

    Args:
        url: http(s) address; None, or "embedded", for the engine that comes with turnkeep.
        model: the model to use; None takes the first that is served.
        api_key: the engine's key, if it wants one.
        window: tokens to use at most; None uses all that is loaded.
        gguf: model file for the embedded engine; None serves the built-in model.
        timeouts: see `Timeouts`.
        tap: see every request as sent: called with its path and its body.
        on_wait: is told why a call has to wait, and how long at most: the engine is loading or busy.
        retries: see `Retries`.

    Raises:
        UsageError: the address is not one, or a model file is given along with one.
    """
    if url is None or url == "embedded":
        return EmbeddedEngine(gguf, model=model, window=window, timeouts=timeouts, tap=tap)
    if gguf is not None:
        raise UsageError("A model file is for the embedded engine: leave out either the file or the address.")
    client = EngineClient(url, api_key=api_key, timeouts=timeouts, retries=retries, tap=tap, on_wait=on_wait)
    return DetectedEngine(client, model=model, window=window)


async def find_listening(ports: Sequence[int] = USUAL_PORTS) -> list[str]:
    """List the addresses on this machine where an engine lists its models, in the order of `ports`."""
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    found = await asyncio.gather(*(_lists_models(url) for url in urls))
    return [url for url, listens in zip(urls, found, strict=True) if listens]


async def _lists_models(url: str) -> bool:
    timeouts = Timeouts(connect=LISTENING_SECONDS, first_token=LISTENING_SECONDS)
    client = EngineClient(url, timeouts=timeouts, retries=Retries(unreachable=0, not_ready=0))
    try:
        value = await client.get("/v1/models")
    except EngineError:
        return False  # nobody, or no engine: there is nothing to offer
    finally:
        await client.close()
    return isinstance(value, Mapping) and isinstance(value.get("data"), list)
