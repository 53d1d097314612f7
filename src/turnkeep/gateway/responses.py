"""The routes of /v1/responses: create, get, delete, input items, counts and compactions.

What runs in the background, and what a retry finds, is answered in background.py and retries.py.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from ..wire.response_events import DONE, render_events
from ..wire.response_items import Json
from ..wire.response_objects import cut_page, show_deleted
from ..wire.responses import CreateRequest, parse_create
from .answering import answer_course, is_end, stream_course
from .asking import Retry, begin_response, draft_response, make_options
from .background import begin_background, follow_response, replay, settle_deleted, show_standing
from .compacting import show_compacted, show_triggered
from .forgetters import forget_response
from .gateway import Gateway
from .http import Answer, Call, Route, Streamed
from .paging import read_flag, read_page, read_whole
from .retries import answer_once
from .showing import find_response, load_shown, show_stored
from .unstored import Unstored


async def create(call: Call) -> Answer | Streamed:
    """POST /v1/responses."""
    request = parse_create(call.body)
    key = call.headers.get("idempotency-key")
    if key and not request.compact_now:
        return await answer_once(call, request, key, answer)
    return await answer(call, request)


async def answer(call: Call, request: CreateRequest, retry: Retry | None = None) -> Answer | Streamed:
    """Answer a request that was read."""
    gateway, owner = call.gateway, call.owner
    if request.compact_now:
        return _as_asked(request, await show_triggered(gateway, owner, request))
    if request.background:
        return await begin_background(gateway, owner, request, retry)
    if request.stream:
        return Streamed(pieces=_stream(gateway, owner, request, retry))
    course = await begin_response(gateway, owner, request, retry)
    return Answer(body=await answer_course(gateway, owner, course))


def _as_asked(request: CreateRequest, response: Json) -> Answer | Streamed:
    """A response that is there whole, in the form that was asked for."""
    return Streamed(pieces=replay(response)) if request.stream else Answer(body=response)


async def _stream(
    gateway: Gateway, owner: str, request: CreateRequest, retry: Retry | None
) -> AsyncGenerator[bytes, None]:
    course = await begin_response(gateway, owner, request, retry)
    async with contextlib.aclosing(stream_course(gateway, owner, course)) as lists:
        async for told in lists:
            yield render_events(told) + (DONE if is_end(told) else b"")


async def get(call: Call) -> Answer | Streamed:
    """GET /v1/responses/{id}: the object, or its events."""
    response = call.params["id"]
    if read_flag(call.query, "stream"):
        starting_after = read_whole(call.query, "starting_after", -1)
        await find_response(call.gateway.store, call.owner, response)
        return Streamed(pieces=follow_response(call.gateway, call.owner, response, starting_after))
    return Answer(body=await show_standing(call.gateway, call.owner, response))


async def delete(call: Call) -> Answer:
    """DELETE /v1/responses/{id}: what hangs on it stays whole, words that nothing hangs on are forgotten."""
    gateway, owner, response = call.gateway, call.owner, call.params["id"]
    await settle_deleted(gateway, owner, response)
    await forget_response(gateway, owner, response)
    return Answer(body=show_deleted(response, "response"))


async def list_input(call: Call) -> Answer:
    """GET /v1/responses/{id}/input_items: what was said in it, not what it goes on from."""
    limit, order = read_page(call.query)
    shown = await load_shown(call.gateway.store, call.owner, call.params["id"])
    items = [item for stored in shown.given for item in show_stored(stored)]
    return Answer(body=cut_page(items, limit=limit, order=order, after=call.query.get("after")))


async def count_input(call: Call) -> Answer:
    """POST /v1/responses/input_tokens."""
    gateway, owner = call.gateway, call.owner
    request = parse_create({**call.body, "store": False, "background": False, "stream": False})
    draft = await draft_response(gateway, owner, request)
    unstored = Unstored(
        owner=owner,
        items=draft.items,
        options=make_options(gateway, request),
        base=None if draft.place.conversation is None else (draft.place.conversation, draft.place.at),
        instructions=request.instructions,
        truncation=request.truncation,
    )
    return Answer(
        body={"object": "response.input_tokens", "input_tokens": await gateway.turns.count(unstored)}
    )


async def compact(call: Call) -> Answer:
    """POST /v1/responses/compact."""
    request = parse_create({**call.body, "background": False, "stream": False})
    return Answer(body=await show_compacted(call.gateway, call.owner, request))


# -- what is served -------------------------------------------------------------------------

_ITEM = {"type": "object"}
_INPUT = {"oneOf": [{"type": "string"}, {"type": "array", "items": _ITEM}]}
_CREATE: Mapping[str, Any] = {  # Any: JSON schema
    "type": "object",
    "properties": {
        "input": _INPUT,
        "model": {"type": "string"},
        "instructions": {"type": "string"},
        "previous_response_id": {"type": "string"},
        "conversation": {"oneOf": [{"type": "string"}, {"type": "object"}]},
        "store": {"type": "boolean"},
        "stream": {"type": "boolean"},
        "background": {"type": "boolean"},
        "temperature": {"type": "number"},
        "top_p": {"type": "number"},
        "max_output_tokens": {"type": "integer", "minimum": 1},
        "tools": {"type": "array", "items": _ITEM},
        "tool_choice": {"oneOf": [{"type": "string"}, {"type": "object"}]},
        "text": {"type": "object"},
        "reasoning": {"type": "object"},
        "truncation": {"enum": ["auto", "disabled"]},
        "context_management": {"type": "array", "items": _ITEM},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "include": {"type": "array", "items": {"type": "string"}},
    },
}
_SAME: Mapping[str, Any] = {  # Any: JSON schema
    "type": "object",
    "properties": {
        name: _CREATE["properties"][name]
        for name in ("input", "model", "instructions", "previous_response_id")
    },
}

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        pattern="/v1/responses",
        handler=create,
        summary="Answer, and remember.",
        body=_CREATE,
    ),
    Route(
        method="POST",
        pattern="/v1/responses/input_tokens",
        handler=count_input,
        summary="Count the tokens that a request's prompt takes.",
        body=_SAME,
    ),
    Route(
        method="POST",
        pattern="/v1/responses/compact",
        handler=compact,
        summary="Fold a history into an item that stands for it.",
        body=_SAME,
    ),
    Route(
        method="GET",
        pattern="/v1/responses/{id}",
        handler=get,
        summary="Show a response, or stream it again.",
    ),
    Route(method="DELETE", pattern="/v1/responses/{id}", handler=delete, summary="Delete a response."),
    Route(
        method="GET",
        pattern="/v1/responses/{id}/input_items",
        handler=list_input,
        summary="List what was said in a response.",
    ),
)
