"""What a request to the Responses interface asks for: where it goes on, what is said, and the turn that answers.

A request that goes on from a response, or names a conversation, hangs on what stands there; any
other begins a conversation of its own, which only its responses lead to. What is not to be
stored reads a chain and leaves nothing behind.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..conversation.items import Item, Message, Part, Reasoning, Text, user
from ..conversation.log import START, Position
from ..errors import ConversationNotFound, RequestRefused, TurnkeepError
from ..prompt import Options
from ..store.base import Conversation, StoredItem, Turn
from ..store.ids import make_key, make_tag, parse_id, parse_key, response_id
from ..store.ledger import NewResponse, StoredResponse
from ..turn import Said, Say
from ..wire.compactions import unseal
from ..wire.response_items import CompactNow, Reference, Sealed, unanswered
from ..wire.responses import CreateRequest
from .gateway import Gateway
from .orphans import settle_orphan
from .running import Running
from .showing import find_response, find_stored, last_given, load_shown
from .turns import Ask, Unstored

CALLS_LOOKED_AT = 64  # items of the log in which the calls are looked for that results answer
_STILL_OPEN = "still being answered: ask again when it is done, or cancel it"


@dataclass(slots=True)
class Retry:
    """A key under which a client may ask the same again (retries.py)."""

    key: str
    response: str | None = None  # that answers it, once one is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request goes on.

    conversation: its id; None: nowhere, and nothing is kept.
    at: the item that it hangs on, as it stands now.
    named: the client named the conversation: what is said hangs on its tip when its turn comes.
    fresh: the conversation was made for this request.
    previous: the response that it continues.
    """

    conversation: str | None
    at: Position = START
    named: bool = False
    fresh: bool = False
    previous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request understood, nothing of it begun."""

    request: CreateRequest
    place: Place
    items: Sequence[Item]
    stored: bool
    response: str
    created: float
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """A response under way: what was asked, and its turn."""

    draft: Draft
    running: Running
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)  # set: a stop of it is a cancellation


async def draft_response(
    gateway: Gateway, owner: str, request: CreateRequest, retry: Retry | None = None
) -> Draft:
    """Find out where a request goes on and what it says; a conversation of its own is made for it.

    Raises:
        RequestRefused: it goes on from something that is not there, or its input does not fit that.
    """
    stored = gateway.settings.store_default if request.store is None else request.store
    stored = stored or request.background
    place = await find_place(gateway, owner, request)
    items = await resolve_items(gateway, owner, request, place)
    created = gateway.clock()
    if stored and place.conversation is None:
        row = await gateway.store.create_conversation(owner, None, now=created, kind="chain")
        place = replace(place, conversation=row.id, fresh=True)
    key = parse_key(place.conversation) if stored and place.conversation else None
    return Draft(
        request=request,
        place=place,
        items=items,
        stored=stored,
        response=response_id(key or make_key(), make_tag()),
        created=created,
        retry=retry,
    )


async def begin_response(
    gateway: Gateway, owner: str, request: CreateRequest, retry: Retry | None = None
) -> Course:
    """Understand a request and begin its turn.

    Raises:
        RequestRefused: it cannot be served.
        QueueFull: too many wait; nothing was kept.
    """
    draft = await draft_response(gateway, owner, request, retry)
    try:
        return Course(draft, start_draft(gateway, owner, draft))
    except TurnkeepError:
        await drop_place(gateway, owner, draft.place)
        raise


def start_draft(gateway: Gateway, owner: str, draft: Draft, *, queued: bool = False) -> Running:
    """Begin the turn of a draft; `queued`: its row is there already. Raises `QueueFull`."""
    request, place = draft.request, draft.place
    options = make_options(gateway, request)
    if not draft.stored:
        base = None if place.conversation is None else (place.conversation, place.at)
        return gateway.turns.start_unstored(
            Unstored(
                owner=owner,
                items=draft.items,
                options=options,
                base=base,
                instructions=request.instructions,
                truncation=request.truncation,
            )
        )

    async def on_begun(turn: Turn) -> None:
        await (_begin_queued if queued else save_draft)(gateway, owner, draft, turn, running.front)

    assert place.conversation is not None
    running = gateway.turns.start(
        Ask(
            owner=owner,
            conversation=place.conversation,
            say=_say(gateway, owner, draft),
            options=options,
            instructions=request.instructions,
            on_begun=on_begun,
            truncation=request.truncation,
        )
    )
    return running


def _say(gateway: Gateway, owner: str, draft: Draft) -> Say:
    """What the turn says, and where."""
    place, items = draft.place, draft.items
    if not place.named:
        return Said(items, place.at)
    if not unanswered(items):
        return Said(items)

    async def say(row: Conversation) -> tuple[Sequence[Item], Position]:
        # Looked at again once the conversation is held: another client may have sent the same result.
        await _check_calls(gateway, owner, replace(place, at=row.tip), items, "input")
        return items, row.tip

    return say


async def save_draft(
    gateway: Gateway,
    owner: str,
    draft: Draft,
    turn: Turn | None,
    front: Sequence[Turn] = (),
    *,
    keeper: str | None = None,
) -> StoredResponse:
    """Keep a response's row: with its turn, and those that hold the front of its input, or queued under a lease of `keeper`."""
    request, place = draft.request, draft.place
    response = NewResponse(
        id=draft.response,
        created=draft.created,
        turn=turn.number if turn else None,
        previous=place.previous,
        conversation_given=place.named,
        status=None if turn else "queued",
        keeper=keeper,
        model=request.model,
        metadata=request.metadata,
        head=_head(request, turn, front),
    )
    row = await gateway.store.save_response(owner, response)
    if draft.retry is not None:
        await gateway.store.settle_idempotency(owner, draft.retry.key, response=row.id, state="open")
        draft.retry.response = row.id
    return row


async def _begin_queued(
    gateway: Gateway, owner: str, draft: Draft, turn: Turn, front: Sequence[Turn]
) -> None:
    await gateway.store.update_response(owner, draft.response, head=_head(draft.request, turn, front))
    await gateway.store.mark_response(owner, draft.response, None, turn=turn.number)


def _head(request: CreateRequest, turn: Turn | None, front: Sequence[Turn]) -> dict[str, object]:
    """What is kept of a request besides its words: what to echo, how many of the turn's items were said, and where the rest stands."""
    head = {"echo": request.echo, "given": turn.last - turn.first + 1 if turn else 0}
    return {**head, "front": [each.number for each in front]} if front else head


async def drop_place(gateway: Gateway, owner: str, place: Place) -> None:
    """Take back the conversation that was made for a request of which nothing came."""
    if place.fresh and place.conversation is not None:
        gateway.turns.forget(owner, place.conversation)
        await gateway.store.delete_conversation(owner, place.conversation)


def make_options(gateway: Gateway, request: CreateRequest) -> Options:
    """How the engine is asked."""
    return replace(
        gateway.options,
        temperature=request.temperature,
        max_tokens=request.max_output_tokens,
        sampling={**gateway.options.sampling, **request.sampling},
        tools=request.tools,
    )


# -- where it goes on -------------------------------------------------------------------


async def find_place(gateway: Gateway, owner: str, request: CreateRequest) -> Place:
    """Find what a request goes on from.

    Raises:
        RequestRefused: there is no such response or conversation, or it is still being answered.
    """
    if request.previous is not None:
        row = await find_response(
            gateway.store,
            owner,
            request.previous,
            param="previous_response_id",
            code="previous_response_not_found",
        )
        at = await _find_end(gateway, owner, row)
        return Place(conversation=row.conversation, at=at, previous=row.id)
    if request.conversation is not None:
        found = await find_conversation(gateway, owner, request.conversation, param="conversation")
        return Place(conversation=found.id, at=found.tip, named=True)
    return Place(conversation=None)


async def find_conversation(
    gateway: Gateway, owner: str, conversation: str, *, param: str | None = None
) -> Conversation:
    """Load a conversation by its id, if a client may name it.

    Raises:
        RequestRefused: this owner has none of that id.
    """
    known = await gateway.store.find_id(owner, conversation)
    parsed = parse_id(known) if known else None
    if known is not None and parsed is not None and parsed.kind == "conv":
        try:
            row = await gateway.store.load_conversation(owner, known)
            if row.kind == "named":
                return row
        except ConversationNotFound:
            pass
    raise RequestRefused(
        f"There is no conversation {conversation[:80]!r}: make one with POST /v1/conversations.",
        param=param,
        code="conversation_not_found" if param else None,
        status=404,
    )


async def _find_end(gateway: Gateway, owner: str, row: StoredResponse) -> Position:
    """The item that a continuation of a response hangs on: its last, if the model is to read it at all."""
    row = await settle_orphan(gateway, row)
    if row.turn is None:
        ended = {"cancelled": "was cancelled before it began", "failed": "failed before it began"}
        why = ended.get(row.status or "", f"is {_STILL_OPEN}")
        raise RequestRefused(f"The response {row.id} {why}.", param="previous_response_id", status=409)
    turn = await gateway.store.load_turn(owner, row.conversation, row.turn)
    if turn.state == "open":
        raise RequestRefused(
            f"The response {row.id} is {_STILL_OPEN}.", param="previous_response_id", status=409
        )
    unsaid = turn.state == "cut_off" and turn.tip == last_given(row, turn)
    return turn.after if turn.state == "failed" or unsaid else turn.tip


# -- what is said ------------------------------------------------------------------------


async def resolve_items(
    gateway: Gateway, owner: str, request: CreateRequest, place: Place, param: str = "input"
) -> list[Item]:
    """Make the items of a request's input; no input at all is an empty message.

    Raises:
        RequestRefused: a reference or a seal does not hold, or a result answers no call.
    """
    items: list[Item] = []
    for given in request.given:
        match given:
            case Reference():
                items += await _resolve_reference(gateway, owner, given, place)
            case Sealed():
                key = await gateway.store.load_digest_key(owner)
                items += unseal(given.content, key, given.param)
            case CompactNow():
                pass
            case Message():
                items.append(given)
    await _check_calls(gateway, owner, place, items, param)
    return items or [user("")]


async def _check_calls(gateway: Gateway, owner: str, place: Place, items: Sequence[Item], param: str) -> None:
    """Refuse results of calls that are not open: chat templates would refuse them, now and ever after."""
    wanted = unanswered(items)
    if wanted and place.conversation is not None:
        log = await gateway.store.load_log(owner, place.conversation, tip=place.at, limit=CALLS_LOOKED_AT)
        wanted = unanswered(items, [row.item for row in log])
    if wanted:
        raise RequestRefused(
            f"There is no open tool call for the output with call_id {min(wanted)[:80]!r}: send it once, behind its "
            "call and before the next user message, or go on from the response that made the call.",
            param=param,
        )


async def _resolve_reference(gateway: Gateway, owner: str, given: Reference, place: Place) -> list[Item]:
    """The item that a reference names; nothing where the request goes on from it anyway."""
    known = await gateway.store.find_id(owner, given.id)
    parsed = parse_id(known) if known else None
    try:
        if parsed is None:
            raise ConversationNotFound("There is no such item.")
        conversation = parsed.conversation
        stored_id, _ = await find_stored(gateway.store, owner, conversation, given.id)
        stored = await gateway.store.load_item(owner, conversation, stored_id)
    except ConversationNotFound as error:
        raise RequestRefused(
            f"{given.param} refers to the item {given.id[:80]!r}, which is not here: send the item itself.",
            param=given.param,
            status=404,
        ) from error
    if conversation == place.conversation and await gateway.store.is_ancestor(
        owner, conversation, stored.at, place.at
    ):
        return []
    return [_part_of(stored.item, parsed.kind, parsed.place)] if isinstance(stored.item, Message) else []


def _part_of(message: Message, kind: str, place: int | None) -> Message:
    """What of a stored item an id of the wire stands for."""
    parts: Sequence[Part] = message.parts
    if kind == "rs":
        parts = [part for part in parts if isinstance(part, Reasoning)]
    elif kind == "fc":
        parts = [call for number, call in enumerate(message.tool_calls) if number == place]
    elif kind == "fco":
        parts = parts[place or 0 :][:1]
    elif message.role == "assistant":
        parts = [part for part in parts if isinstance(part, Text)]
    return Message(message.role, tuple(parts) or (Text(""),))


async def load_said(gateway: Gateway, owner: str, response: str) -> list[StoredItem]:
    """Load what was said in a response, as it was sent."""
    return list((await load_shown(gateway.store, owner, response)).given)
