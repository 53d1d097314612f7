"""From a setting to an embedder."""

from urllib.parse import urlsplit

from ..engine.address import parse_url
from ..engine.client import EngineClient, Retries, Timeouts
from ..errors import UsageError
from .base import Embedder
from .builtin import BuiltInEmbedder, find_model, has_arithmetic
from .endpoint import EndpointEmbedder

AUTO, BUILT_IN, OFF = "auto", "builtin", "off"
SECONDS = 30.0  # an embedding model that takes longer for a few messages is of no use here


def connect_embedder(
    setting: str | None, *, engine: str | None = None, api_key: str | None = None
) -> Embedder | None:
    """Make the embedder that a setting names; nothing is started or called yet.

    Args:
        setting: "builtin" for the small model that comes with turnkeep; "off"; the address of an
            OpenAI-style API, with "#MODEL" behind it where it serves several; None or "auto" for
            the built-in one where it is installed.
        engine: address of the chat's engine.
        api_key: its key; it goes to no other server.

    Returns:
        None when turns are to be found by their words alone.

    Raises:
        UsageError: the address is not one.
    """
    if setting == OFF:
        return None
    if setting in (None, AUTO):
        return BuiltInEmbedder() if has_arithmetic() and find_model() is not None else None
    if setting == BUILT_IN:
        return BuiltInEmbedder()
    if "://" not in setting:
        raise UsageError(
            f"{setting!r} finds nothing by its meaning: use builtin, off, or the address of an engine with an "
            "embedding model, such as http://localhost:11434#nomic-embed-text."
        )
    url, _, model = setting.partition("#")
    client = EngineClient(
        url,
        api_key=api_key if engine is not None and _server(engine) == _server(url) else None,
        timeouts=Timeouts(first_token=SECONDS),
        retries=Retries(unreachable=0, not_ready=0),
        name="The embedding engine",
    )
    return EndpointEmbedder(client, model=model or None)


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(parse_url(url)) if "://" in url else urlsplit("")
    return parts.scheme, parts.netloc
