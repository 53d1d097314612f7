"""Chat completions, both ways: with the name of a conversation, or with a whole history resent.

A client that names its conversation sends what is new; a chat page resends everything and is
recognised by it (recognising.py). Side requests, and what is not to be stored, are answered and
leave nothing behind. The reply is the object, or the stream, that OpenAI's interface gives,
with the receipt as `turnkeep`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence

from ..turn import Calling, Finished, Piece, Reply, Thought, TurnEvent
from ..wire.chat_replies import ChunkWriter, render_completion, replay_completion
from ..wire.chat_requests import ChatRequest, parse_request
from .asking import Retry
from .chat_courses import CONVERSATION_HEADER, Course, begin_course, is_stored
from .http import Answer, Call, Route, Streamed
from .orphans import fail_orphans
from .recognising import CHAT_HEADERS
from .retries import LOOK_SECONDS, claim_answer, make_again
from .stored_chats import STORED, StoredCompletion, load_completion


async def create_completion(call: Call) -> Answer | Streamed:
    """POST /v1/chat/completions."""
    request = parse_request(call.body)
    key = call.headers.get("idempotency-key")
    if not key or not is_stored(call, request):
        return await _answer(call, request, None)
    return await claim_answer(
        call,
        key,
        lambda retry: _answer(call, request, retry),
        lambda completion, refused: _answer_again(call, request, completion, refused),
        headers=(CONVERSATION_HEADER, *CHAT_HEADERS),
    )


async def _answer(call: Call, request: ChatRequest, retry: Retry | None) -> Answer | Streamed:
    if request.stream:
        return Streamed(pieces=_stream(call, request, retry))
    course = await begin_course(call, request, retry)
    whole = False
    try:
        reply = await course.running.reply()
        whole = True
    finally:
        if not whole:
            await course.settle()
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


async def _stream(call: Call, request: ChatRequest, retry: Retry | None) -> AsyncGenerator[bytes, None]:
    """Stream a completion; what is raised before the first piece is answered with its status."""
    course = await begin_course(call, request, retry)
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


async def _answer_again(
    call: Call, request: ChatRequest, completion: str, refused: bool
) -> Answer | Streamed | None:
    """Answer with what was made of the same request, as soon as it is whole."""
    stored = await load_completion(call.gateway, call.owner, completion)
    while stored.open:
        await asyncio.sleep(LOOK_SECONDS)
        await fail_orphans(call.gateway)  # whoever answered it may have died
        stored = await load_completion(call.gateway, call.owner, completion)
    if stored.error is not None:
        raise make_again(stored.error, refused=refused)
    if stored.unsaid:
        return None
    if not request.stream:
        return Answer(body=stored.show())
    writer = ChunkWriter(
        completion=stored.row.id,
        model=stored.row.model or "",
        created=int(stored.row.created),
        usage=request.include_usage,
    )
    return Streamed(pieces=_replay(writer, stored))


async def _replay(writer: ChunkWriter, stored: StoredCompletion) -> AsyncGenerator[bytes, None]:
    yield replay_completion(writer, stored.message, stored.finish, stored.usage, stored.receipt)


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
