"""The WebSocket form of /v1/responses: one connection, responses one after the other.

A client sends {"type": "response.create", ...} with the fields of POST /v1/responses and gets the same
events, one a message. What is not stored can still be gone on from on its connection, as long as
that is open: the last such response is kept in memory, until a continuation fails.
Source: Open Responses of 2026-04-24, and its example, OpenAI's WebSocket mode.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..conversation.items import Item, Message
from ..errors import RequestRefused, TurnkeepError
from ..wire.response_events import Event, ResponseEvents, replay_response
from ..wire.response_items import Json
from ..wire.response_objects import Standing
from ..wire.responses import CreateRequest, parse_create
from .answering import is_end, make_object, stream_course
from .asking import Course, Draft, Place, draft_response, drop_place, start_draft
from .bodies import parse_body
from .compacting import show_triggered
from .http import Call, Socket, SocketRoute, describe_error, envelope, status_of
from .reading import ClientGone
from .showing import name_items

WAITING = (
    16  # messages that wait while a response is under way; together they are no larger than one body may be
)
OPEN_SECONDS = 3600.0  # as the specification limits a connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A response that is stored nowhere, as it can be gone on from."""

    response: str
    place: Place
    items: Sequence[Item]  # all that was said behind the place


async def converse(call: Call, socket: Socket) -> None:
    """Serve one connection until the client goes, its key is revoked, or an hour is over.

    Raises:
        RequestRefused: the key was revoked; the client was told.
    """
    inbox = _Inbox(call.gateway.settings.body_bytes)
    receiving = asyncio.create_task(_receive(socket, inbox))
    working = asyncio.create_task(_Lane(call, socket).work(inbox))
    try:
        done, _ = await asyncio.wait(
            {receiving, working}, timeout=OPEN_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            sentence = "A connection is served for an hour: open another, and go on from the last response."
            await _send_error(socket, envelope(400, sentence, code="websocket_connection_limit_reached"), 400)
    finally:
        for task in (receiving, working):
            task.cancel()
        await asyncio.wait({receiving, working})
    for task in done:
        with contextlib.suppress(ClientGone):
            task.result()


class _Inbox:
    """The messages of a connection that wait.

    Args:
        most_bytes: that they may take together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(maxsize=WAITING)

    def put(self, raw: bytes) -> None:
        """Have a message wait. Raises `asyncio.QueueFull`."""
        if self._bytes + len(raw) > self._most_bytes:
            raise asyncio.QueueFull
        self._messages.put_nowait(raw)
        self._bytes += len(raw)

    async def get(self) -> bytes:
        """Take the message that waits longest."""
        raw = await self._messages.get()
        self._bytes -= len(raw)
        return raw


async def _receive(socket: Socket, inbox: _Inbox) -> None:
    while (text := await socket.receive()) is not None:
        try:
            inbox.put(text.encode("utf-8", "replace"))
        except asyncio.QueueFull:
            sentence = "As many requests wait on this connection as may, or as large ones: wait for a reply."
            await _send_error(socket, envelope(429, sentence), 429)


async def _send_error(socket: Socket, body: Json, status: int, stream_id: str | None = None) -> None:
    """Tell an error in the words of both readers: with its fields at the top, and under `error`."""
    error = body["error"]
    event = {"type": "error", "status": status, "sequence_number": 0, **error, "error": error}
    event["type"] = "error"
    if stream_id is not None:
        event["stream_id"] = stream_id
    await socket.send(json.dumps(event, separators=(",", ":")))


class _Lane:
    """Answers the messages of one connection, one after the other."""

    def __init__(self, call: Call, socket: Socket) -> None:
        self._call, self._socket = call, socket
        self._gateway, self._owner = call.gateway, call.owner
        self._kept: Kept | None = None

    async def work(self, inbox: _Inbox) -> None:
        """Answer what comes.

        Raises:
            RequestRefused: the client may call no more; it was told.
        """
        while True:
            raw, stream_id = await inbox.get(), None
            await self._check_key()
            try:
                body = _parse(raw, self._gateway.settings.items)
                stream_id = body.pop("stream_id", None)
                if stream_id is not None and not isinstance(stream_id, str):
                    stream_id = None
                    raise RequestRefused("stream_id has to be a text.", param="stream_id")
                await self._answer(body, stream_id)
            except TurnkeepError as error:
                self._kept = None  # a continuation that failed is gone on from no more
                await _send_error(self._socket, dict(describe_error(error)), status_of(error), stream_id)

    async def _check_key(self) -> None:
        try:
            await self._socket.check_key()
        except RequestRefused as error:
            status = status_of(error)
            await _send_error(self._socket, dict(describe_error(error)), status)
            raise

    async def _answer(self, body: Json, stream_id: str | None) -> None:
        generate = body.pop("generate", True)
        request = parse_create({**body, "stream": True})
        if request.background:
            raise RequestRefused(
                "Background responses are asked for by POST: leave background out.", param="background"
            )
        if request.compact_now:
            response = await show_triggered(self._gateway, self._owner, request)
            await self._tell(replay_response(response), stream_id)
            return
        if generate is False:
            request = replace(request, store=False)
        draft = await self._draft(request)
        if generate is False:
            await self._prepare(draft, stream_id)
            return
        await self._run(draft, stream_id)

    async def _draft(self, request: CreateRequest) -> Draft:
        kept = self._kept
        if kept is None or request.previous != kept.response:
            return await draft_response(self._gateway, self._owner, request)
        if request.store:
            raise RequestRefused(
                "The response that this goes on from was not to be stored: go on with store false, or send "
                "everything anew.",
                param="store",
            )
        said = [item for item in kept.items if isinstance(item, Message)]
        whole = replace(request, previous=None, store=False, given=[*said, *request.given])
        draft = await draft_response(self._gateway, self._owner, whole)
        return replace(draft, place=kept.place, request=replace(request, store=False))

    async def _prepare(self, draft: Draft, stream_id: str | None) -> None:
        """Take input in without an answer: it is gone on from."""
        self._keep(draft, draft.items)
        started, ended = Standing(status="in_progress"), Standing(status="completed")
        events = ResponseEvents(make_object(self._gateway, draft, started), name_items(draft.response))
        told = [*events.begin(), *events.end(make_object(self._gateway, draft, ended), silent=True)]
        await self._tell(told, stream_id)

    async def _run(self, draft: Draft, stream_id: str | None) -> None:
        try:
            course = Course(draft, start_draft(self._gateway, self._owner, draft))
        except TurnkeepError:
            await drop_place(self._gateway, self._owner, draft.place)
            raise
        lists = stream_course(self._gateway, self._owner, course)
        async with contextlib.aclosing(lists):
            async for told in lists:
                if is_end(told):
                    self._end(draft, course)
                await self._tell(told, stream_id)

    def _end(self, draft: Draft, course: Course) -> None:
        if draft.stored:
            return
        if course.running.task.exception() is None:
            self._keep(draft, [*draft.items, course.running.task.result().message])
        else:
            self._kept = None

    def _keep(self, draft: Draft, items: Sequence[Item]) -> None:
        self._kept = Kept(response=draft.response, place=draft.place, items=items)

    async def _tell(self, events: Sequence[Event], stream_id: str | None) -> None:
        lane = "" if stream_id is None else f',"stream_id":{json.dumps(stream_id)}'
        for _, data in events:
            await self._socket.send(f"{data[:-1]}{lane}}}" if lane else data)


def _parse(raw: bytes, most_items: int) -> Json:
    """Read a message.

    Raises:
        RequestRefused: it asks for nothing that is served.
    """
    fields = parse_body(raw, most_items=most_items)
    if fields.pop("type", None) != "response.create":
        raise RequestRefused('The type of a message has to be "response.create".', param="type")
    return fields


SOCKETS = (SocketRoute(pattern="/v1/responses", handler=converse),)
