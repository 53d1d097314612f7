"""Run a response's turn: to its object, or to its events as they come.

The same course is read by a client that waits, one that streams, a WebSocket, and by the
gateway itself for what runs in the background.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from ..context.receipt import dump_receipt
from ..errors import TurnkeepError
from ..turn import Calling, Finished, Piece, Reply, Thought, TurnEvent
from ..wire.response_events import Event, ResponseEvents
from ..wire.response_items import Json, show_compaction
from ..wire.response_objects import Standing, make_response
from .asking import Course, Draft, drop_place
from .compacting import compact_course
from .gateway import Gateway
from .running import Running
from .showing import judge_reply, name_items, show_made

# How long a stream waits for the engine's first word before it says that the response exists: so long, a
# refusal of the engine still has an HTTP status of its own.
FIRST_SECONDS = 1.0
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


async def answer_course(gateway: Gateway, owner: str, course: Course) -> Json:
    """Wait for a response and make its object.

    Raises:
        TurnkeepError: its turn failed; `begun` says whether an engine had begun it.
    """
    try:
        reply = await course.running.reply()
    except TurnkeepError:
        await undo_course(gateway, owner, course)
        raise
    standing = judge_reply(reply)
    output = show_made(reply.message, course.draft.response, standing)
    compaction = (
        await compact_course(gateway, owner, course, reply) if standing.status == "completed" else None
    )
    if compaction is not None:
        output.append(show_compaction(*compaction))
    return make_object(gateway, course.draft, standing, running=course.running, reply=reply, output=output)


async def undo_course(gateway: Gateway, owner: str, course: Course) -> None:
    """Leave nothing behind of a turn that never began."""
    if course.running.turn is None:
        await drop_place(gateway, owner, course.draft.place)


def make_object(
    gateway: Gateway,
    draft: Draft,
    standing: Standing,
    *,
    running: Running | None = None,
    reply: Reply | None = None,
    output: Sequence[Json] = (),
) -> Json:
    """Make the object of a response that is not asked for from the store; `running` and `reply` go together."""
    request, place, info = draft.request, draft.place, gateway.pool.info
    receipt: dict[str, Any] | None = None  # Any: JSON values
    told: dict[str, Any] = {}
    model = info.model if info else request.model or ""
    if reply is not None and running is not None:
        receipt = dump_receipt(replace(reply.receipt, moved=reply.receipt.moved or running.moved))
        model = reply.receipt.model or model
        if draft.stored:
            told = {"conversation": place.conversation, "turn": reply.turn}
        if running.left_out:
            told["input_items_left_out"] = running.left_out
        if request.model and request.model != model:
            told["asked_model"] = request.model  # answered by the engine's all the same
    return make_response(
        request.echo,
        standing,
        response_id=draft.response,
        created=draft.created,
        model=model,
        metadata=request.metadata,
        output=output,
        completed=gateway.clock() if standing.ended else None,
        previous=place.previous or request.previous,
        conversation=place.conversation if place.named else None,
        instructions=request.instructions,
        receipt=receipt,
        store=draft.stored,
        place=told,
    )


async def stream_course(
    gateway: Gateway, owner: str, course: Course, *, queued: bool = False
) -> AsyncGenerator[list[Event], None]:
    """Yield a response's events, those that came together at once; the last list ends it.

    Args:
        gateway: where it runs.
        owner: whose it is.
        course: the response.
        queued: it was told to be queued: then every failure is told as an event.

    Raises:
        TurnkeepError: its turn failed before anything was told.
    """
    standing = Standing(status="queued" if queued else "in_progress")
    events = ResponseEvents(make_object(gateway, course.draft, standing), name_items(course.draft.response))
    told = events.begin(queued=True) if queued else []
    async with contextlib.aclosing(course.running.batches()) as batches:
        first = asyncio.ensure_future(anext(batches))
        try:
            if queued:
                yield told
                await asyncio.wait({first})
                told = events.start()
            else:
                await asyncio.wait({first}, timeout=FIRST_SECONDS)
                if first.done():
                    first.result()  # raised before anything is told
                told = events.begin()
                if not first.done():
                    yield told
                    told = []
            batch = await first
            while True:
                told += await _tell(gateway, owner, course, events, batch)
                if told:
                    yield told
                    told = []
                if isinstance(batch[-1], Finished):
                    return
                batch = await anext(batches)
        except TurnkeepError as error:
            if not events.number:
                await undo_course(gateway, owner, course)
                raise
            yield [*told, *events.end(make_object(gateway, course.draft, _failed(error)))]
        finally:
            if not first.done():
                first.cancel()
                await asyncio.wait({first})


def is_end(told: Sequence[Event]) -> bool:
    """Whether nothing follows on these events."""
    return bool(told) and told[-1][0] in _ENDS


def _failed(error: TurnkeepError) -> Standing:
    return Standing(status="failed", error=str(error))


async def _tell(
    gateway: Gateway, owner: str, course: Course, events: ResponseEvents, batch: Sequence[TurnEvent]
) -> list[Event]:
    """Make the events of what came together."""
    told: list[Event] = []
    for event in batch:
        match event:
            case Piece(text):
                told += events.say(text)
            case Thought(text):
                told += events.think(text)
            case Calling():
                told += events.call(
                    event.index, call_id=event.call_id, name=event.name, arguments=event.arguments
                )
            case Finished(reply):
                told += await _end(gateway, owner, course, events, reply)
            case _:
                pass  # how far the prompt is read, and notices, stand in the receipt
    return told


async def _end(
    gateway: Gateway, owner: str, course: Course, events: ResponseEvents, reply: Reply
) -> list[Event]:
    standing = judge_reply(reply) if not course.cancelled.is_set() else Standing(status="cancelled")
    told: list[Event] = []
    compaction = (
        await compact_course(gateway, owner, course, reply) if standing.status == "completed" else None
    )
    if compaction is not None:
        told = [*events.end_items(), *events.compact(*compaction)]
    return [
        *told,
        *events.end(make_object(gateway, course.draft, standing, running=course.running, reply=reply)),
    ]
