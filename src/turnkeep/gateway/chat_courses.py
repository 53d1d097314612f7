"""A chat completion under way: where it goes, the turn that answers it, and what is kept beside the turn.

What is kept with a reply is one row: fields of the request that a stored completion shows
again, and the digest of the history with its answer, by which it is recognised when it is resent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..context.receipt import Receipt
from ..conversation.items import Item, Message
from ..conversation.log import Position
from ..errors import ConversationNotFound, RequestRefused, StoreError, TurnkeepError
from ..prompt import Options
from ..store.base import Conversation, Turn
from ..store.ids import completion_id, make_key, make_tag, parse_key
from ..store.ledger import NewResponse
from ..store.writing import Beside
from ..turn import Reply, Said, Say
from ..wire.chat_requests import ChatRequest
from ..wire.response_items import unanswered
from .asides import find_aside
from .asking import Retry
from .http import Call
from .placing import Place, check_calls, discard_fresh, find_history, find_named
from .stored_chats import make_head
from .turns import Ask, Running
from .unstored import Unstored

CONVERSATION_HEADER = "x-conversation-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A completion under way.

    place: where it is kept; None: it is not.
    retry: the key under which the client may ask again; then the row is kept as soon as its turn has begun.
    """

    call: Call
    request: ChatRequest
    running: Running
    completion: str
    created: int
    place: Place | None
    retry: Retry | None = None

    async def keep(self, reply: Reply) -> tuple[str, ...]:
        """Keep what goes with a reply beside its turn; returns sentences for the receipt.

        The reply is durable by now, so it is not withheld when this cannot be kept.
        """
        if self.place is None:
            return ()
        try:
            if self.retry is None and reply.finish_reason == "cancelled":  # not by its client, who waits
                await self.save_row(reply.turn, reply.receipt.model)
        except StoreError as error:
            return (*self.place.notices, f"The reply is kept, but nothing beside it: {error}")
        return self.place.notices

    def beside(self, message: Message, receipt: Receipt) -> Beside:
        """What is kept along with the reply: the digest of its history, and the row, unless that is there or
        nobody may want it.
        """
        assert self.place is not None
        digests = self.digests(message)
        if self.retry is not None or receipt.finish_reason == "cancelled":
            return Beside(digests=digests)
        return Beside(completion=self._make_row(receipt.model), digests=digests)

    async def save_row(self, turn: int, model: str) -> None:
        """Keep the completion, so that it can be fetched, and its history recognised."""
        await self.call.gateway.store.save_response(
            self.call.owner,
            replace(self._make_row(model), turn=turn),
            idempotency=self.retry.key if self.retry else None,
        )

    def _make_row(self, model: str) -> NewResponse:
        assert self.place is not None
        return NewResponse(
            id=self.completion,
            created=self.created,
            kind="chat_completion",
            conversation_given=self.place.named,
            model=model,
            metadata=self.request.metadata,
            head=make_head(self.request),
        )

    def digests(self, reply: Message) -> list[bytes]:
        """The digest of the history with its answer, by which it is recognised when it is resent."""
        history = self.place.history if self.place is not None else None
        if history is None or not (reply.text or reply.tool_calls):
            return []
        return [history.after_reply(reply)]

    async def settle(self) -> None:
        """Settle a completion that was refused, failed or broken off before its end."""
        await self.running.stop()
        if self.place is None:
            return
        if self.running.turn is None:
            await discard_fresh(self.call, self.place)

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


def is_stored(call: Call, request: ChatRequest) -> bool:
    """Whether something of a request is kept."""
    stored = call.gateway.settings.store_default if request.store is None else request.store
    return stored and _find_aside(call, request) is None


def _find_aside(call: Call, request: ChatRequest) -> str | None:
    return find_aside(call.headers, request.metadata, request.instructions, request.messages)


async def begin_course(call: Call, request: ChatRequest, retry: Retry | None = None) -> Course:
    """Find where a request belongs, and start to answer it.

    Raises:
        RequestRefused: it cannot be served.
        QueueFull: too many wait; nothing was kept.
    """
    name = request.conversation or call.headers.get(CONVERSATION_HEADER, "").strip() or None
    if not is_stored(call, request):
        return await _begin_unstored(call, request, name)
    if request.continues:
        raise RequestRefused(
            "What is kept are whole replies, so none is begun by the client: end with a user message, or send store "
            "false to have the assistant's last message continued.",
            param="messages",
        )
    place = await (find_history(call, request) if name is None else find_named(call, request, name))
    try:
        return _begin_stored(call, request, place, retry)
    except TurnkeepError:
        await discard_fresh(call, place)
        raise


def _begin_stored(call: Call, request: ChatRequest, place: Place, retry: Retry | None) -> Course:
    async def on_begun(turn: Turn) -> None:
        assert retry is not None
        info = call.gateway.pool.info
        await course.save_row(turn.number, info.model if info else "")
        retry.response = course.completion

    ask = Ask(
        owner=call.owner,
        conversation=place.conversation,
        say=_say(call, place),
        options=_options(call, request),
        instructions=request.instructions,
        inherit=place.named,
        truncation=request.truncation or "disabled",
        made=place.made,
        on_begun=None if retry is None else on_begun,
        keep_beside=lambda message, receipt: course.beside(message, receipt),
    )
    course = Course(
        call=call,
        request=request,
        running=call.gateway.turns.start(ask),
        completion=completion_id(parse_key(place.conversation) or make_key(), make_tag()),
        created=int(call.gateway.clock()),
        place=place,
        retry=retry,
    )
    return course


def _say(call: Call, place: Place) -> Say:
    """What the turn says, and where."""
    said = Said(place.new, place.after)
    if not place.named or place.after is not None or not unanswered(place.new):
        return said

    async def say(row: Conversation) -> tuple[Sequence[Item], Position]:
        # Looked at again once the conversation is held: another client may have sent the same result.
        await check_calls(call, place.new, row)
        return place.new, row.tip

    return say


async def _begin_unstored(call: Call, request: ChatRequest, name: str | None) -> Course:
    """Answer and keep nothing; a conversation that is named is read, and not extended."""
    side = _find_aside(call, request) is not None
    base, instructions, row = None, request.instructions, None
    if name is not None and not side:  # a side request brings all that it is about
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
