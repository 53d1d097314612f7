"""Chat completions, both ways: with the name of a conversation, or with a whole history resent.

A client that names its conversation sends what is new; a chat page resends everything and is
recognised by it (recognising.py). Side requests, and what is not to be stored, are answered and
leave nothing behind. The reply is the object, or the stream, that OpenAI's interface gives,
with the receipt as `turnkeep`.
"""

import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..conversation.items import Item
from ..conversation.log import Position
from ..errors import ConversationNotFound, QueueFull, StoreError, TurnkeepError
from ..prompt import Options
from ..store.base import Conversation
from ..store.ids import completion_id, make_key, make_tag, parse_key
from ..turn import Calling, Finished, Piece, Reply, Say, Thought, TurnEvent
from ..wire.chat_replies import ChunkWriter, render_completion
from ..wire.chat_requests import ChatRequest, parse_request
from .asides import find_aside
from .http import Answer, Call, Route, Streamed
from .placing import Place, check_calls, discard_fresh, find_history, find_named
from .stored_chats import STORED, make_head
from .turns import Ask, Running
from .unstored import Unstored

CONVERSATION_HEADER = "x-conversation-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A completion under way.

    place: where it is kept; None: it is not.
    """

    call: Call
    request: ChatRequest
    running: Running
    completion: str
    created: int
    place: Place | None

    async def keep(self, reply: Reply) -> tuple[str, ...]:
        """Keep what goes with a reply beside its turn; returns sentences for the receipt.

        The reply is durable by now, so it is not withheld when this cannot be kept.
        """
        if self.place is None:
            return ()
        try:
            await self.call.gateway.store.save_response(
                self.call.owner,
                self.completion,
                now=self.created,
                kind="chat_completion",
                turn=reply.turn,
                conversation_given=self.place.named,
                model=reply.receipt.model,
                metadata=self.request.metadata,
                head=make_head(self.request),
                digests=self.digests(reply),
            )
        except StoreError as error:
            sentence = f"The reply is kept, but cannot be fetched as a stored completion: {error}"
            return (*self.place.notices, sentence)
        return self.place.notices

    def digests(self, reply: Reply) -> list[bytes]:
        """The digest of the history with its answer, by which it is recognised when it is resent."""
        history = self.place.history if self.place is not None else None
        if history is None or not (reply.text or reply.message.tool_calls):
            return []
        return [history.after_reply(reply.message)]

    async def settle(self) -> None:
        """Settle a completion that was refused, failed or broken off before its end."""
        await self.running.stop()
        if self.place is None:
            return
        if self.running.turn is None:
            await discard_fresh(self.call, self.place)
            return
        with contextlib.suppress(TurnkeepError):  # a failed turn was raised where it was read
            reply = await self.running.reply()
            kept = [(digest, reply.turn) for digest in self.digests(reply)]
            await self.call.gateway.store.save_digests(self.call.owner, self.place.conversation, kept)

    def receipt(self, reply: Reply, notices: Sequence[str]) -> dict[str, Any]:  # Any: JSON values
        """The receipt, with what only the gateway knows."""
        receipt = self.running.receipt(reply)
        asked, model = self.request.model, reply.receipt.model
        if asked is not None and model and asked != model:
            notices = (
                *notices,
                f"The model {asked[:100]!r} was asked for; the engine answered with {model!r}.",
            )
        if notices:
            receipt["notices"] = [*receipt.get("notices", ()), *notices]
        return receipt


async def create_completion(call: Call) -> Answer | Streamed:
    """POST /v1/chat/completions."""
    request = parse_request(call.body)
    if request.stream:
        return Streamed(pieces=_stream(call, request))
    course = await _begin(call, request)
    try:
        reply = await course.running.reply()
    except TurnkeepError:
        await course.settle()
        raise
    notices = await course.keep(reply)
    return Answer(
        body=render_completion(
            completion=course.completion,
            model=reply.receipt.model,
            created=course.created,
            message=reply.message,
            finish=reply.finish_reason,
            usage=reply.usage,
            receipt=course.receipt(reply, notices),
        )
    )


async def _stream(call: Call, request: ChatRequest) -> AsyncGenerator[bytes, None]:
    """Stream a completion; what is raised before the first piece is answered with its status."""
    course = await _begin(call, request)
    writer: ChunkWriter | None = None
    whole = False
    try:
        async with contextlib.aclosing(course.running.batches()) as batches:
            async for batch in batches:
                data: list[bytes] = []
                if writer is None and any(_says_that_it_goes_on(event) for event in batch):
                    writer = _open_writer(course)
                    data.append(writer.role())
                if writer is not None:
                    data += _write_events(writer, batch)
                last = batch[-1]
                if isinstance(last, Finished):
                    whole = True
                    assert writer is not None
                    data.append(await _end(course, writer, last.reply))
                if data:
                    yield b"".join(data)
    finally:
        if not whole:
            await course.settle()


async def _end(course: Course, writer: ChunkWriter, reply: Reply) -> bytes:
    notices = await course.keep(reply)
    return writer.end(reply.finish_reason, reply.usage, course.receipt(reply, notices))


def _says_that_it_goes_on(event: TurnEvent) -> bool:
    """Whether the engine has taken the prompt: until then a refusal can still be answered as one."""
    return isinstance(event, Piece | Thought | Calling | Finished)


def _open_writer(course: Course) -> ChunkWriter:
    info = course.call.gateway.pool.info
    return ChunkWriter(
        completion=course.completion,
        model=info.model if info else "",
        created=course.created,
        usage=course.request.include_usage,
    )


def _write_events(writer: ChunkWriter, batch: Sequence[TurnEvent]) -> Iterator[bytes]:
    for event in batch:
        match event:
            case Piece(text):
                yield writer.text(text)
            case Thought(text):
                yield writer.thought(text)
            case Calling():
                yield writer.call(
                    index=event.index, call_id=event.call_id, name=event.name, arguments=event.arguments
                )
            case _:
                pass  # how far the prompt is read, and notices: the receipt holds those


# -- beginning ------------------------------------------------------------------------------------


async def _begin(call: Call, request: ChatRequest) -> Course:
    """Find where a request belongs, and start to answer it."""
    aside = find_aside(call.headers, request.metadata, request.instructions, request.messages)
    name = request.conversation or call.headers.get(CONVERSATION_HEADER, "").strip() or None
    stored = call.gateway.settings.store_default if request.store is None else request.store
    if aside is not None or not stored:
        return await _begin_unstored(call, request, None if aside else name, side=aside is not None)
    place = await (find_history(call, request) if name is None else find_named(call, request, name))
    try:
        return _begin_stored(call, request, place)
    except QueueFull:
        await discard_fresh(call, place)
        raise


def _begin_stored(call: Call, request: ChatRequest, place: Place) -> Course:
    ask = Ask(
        owner=call.owner,
        conversation=place.conversation,
        say=_say(place),
        options=_options(call, request),
        instructions=request.instructions,
        inherit=place.named,
        truncation=request.truncation or "disabled",
    )
    return Course(
        call=call,
        request=request,
        running=call.gateway.turns.start(ask),
        completion=completion_id(parse_key(place.conversation) or make_key(), make_tag()),
        created=int(call.gateway.clock()),
        place=place,
    )


def _say(place: Place) -> Say:
    async def say(row: Conversation) -> tuple[Sequence[Item], Position]:
        return place.new, row.tip if place.after is None else place.after

    return say


async def _begin_unstored(call: Call, request: ChatRequest, name: str | None, *, side: bool) -> Course:
    """Answer and keep nothing; a conversation that is named is read, and not extended."""
    base, instructions = None, request.instructions
    row = None
    if name is not None:
        row = await call.gateway.store.find_conversation(call.owner, name)
        if row is None:
            raise ConversationNotFound(
                "There is no conversation of that name to go on from: send store true to make it."
            )
        base = (row.id, row.tip)
        if instructions is None and row.instructions is not None:
            instructions = await call.gateway.store.load_instructions(call.owner, row.id, row.instructions)
    await check_calls(call, request.messages, row)
    unstored = Unstored(
        owner=call.owner,
        items=request.messages,
        options=_options(call, request),
        base=base,
        instructions=instructions,
        # A history that is not stored cannot be compacted: its oldest part goes.
        truncation=request.truncation or "auto",
        side=side,
    )
    return Course(
        call=call,
        request=request,
        running=call.gateway.turns.start_unstored(unstored),
        completion=completion_id(make_key(), make_tag()),
        created=int(call.gateway.clock()),
        place=None,
    )


def _options(call: Call, request: ChatRequest) -> Options:
    return replace(
        call.gateway.options,
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        sampling={**call.gateway.options.sampling, **request.sampling},
        tools=request.tools,
    )


_BODY = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}}},
        },
        "model": {"type": "string"},
        "conversation": {"type": "string"},
        "stream": {"type": "boolean"},
        "store": {"type": "boolean"},
        "temperature": {"type": "number"},
        "max_tokens": {"type": "integer", "minimum": -1},
        "max_completion_tokens": {"type": "integer", "minimum": -1},
        "tools": {"type": "array", "items": {"type": "object"}},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        pattern="/v1/chat/completions",
        handler=create_completion,
        summary="Answer messages; the conversation is named, or recognised by its history.",
        body=_BODY,
    ),
    *STORED,
)
