"""A gateway with its responses and conversations, and streams that are checked event by event."""

from collections.abc import Mapping, Sequence
from typing import Any

from openai.types.responses import Response

from tests.event_order import check_events, parse_stream
from tests.gateway.asgi import Got, Site
from turnkeep.gateway import background, conversations, responses
from turnkeep.gateway.gateway import ServeSettings

ROUTES = (*responses.ROUTES, *conversations.ROUTES, *background.ROUTES)
MODEL = "script"


def open_site(replies: Any = (), **options: Any) -> Site:
    """A gateway whose engine answers by script."""
    settings = options.pop("settings", None) or ServeSettings(
        embeddings="off", strategy=options.pop("strategy", "window,summary")
    )
    return Site(replies=replies, settings=settings, routes=ROUTES, sockets=(), **options)


async def ask(site: Site, content: Any, headers: Mapping[str, str] | None = None, **fields: Any) -> Any:
    """Create a response that must succeed; returns the object, held to the official client's types."""
    got = await site.post("/v1/responses", {"input": content, **fields}, headers)
    assert got.status == 200, got.text
    return read_stream(got) if fields.get("stream") else read_response(got)


def read_response(got: Got) -> Any:
    assert got.status == 200, got.text
    Response.model_validate(got.json, strict=True)
    return got.json


def read_stream(got: Got, *, starting_after: int = -1) -> Any:
    """Check a stream's order; returns the response that it ended with."""
    assert got.status == 200, got.text
    assert got.headers["content-type"].startswith("text/event-stream")
    return check_events(parse_stream(got.body), starting_after=starting_after)


def text_of(response: Mapping[str, Any]) -> str:
    """The text of a response's messages."""
    return "".join(
        part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]
    )


def sent(site: Site, number: int = -1) -> list[str]:
    """The texts that the engine was sent, by message."""
    return [str(message.get("content")) for message in site.engine.requests[number].messages]


def kinds(items: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(item["type"]) for item in items]
