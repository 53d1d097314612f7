"""Where the new messages of a chat completion go: into which conversation, and behind which item.

A client that names its conversation goes on at its tip; a history that was resent goes on where it
is known (recognising.py), and what of it was said elsewhere is kept first, turn by turn.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..conversation.items import Item
from ..conversation.log import START, Position
from ..errors import Conflict, ConversationNotFound, RequestRefused
from ..store.base import Conversation, ConversationKind
from ..store.ids import conversation_id, make_key
from ..transfer import check_name
from ..wire.chat_requests import ChatRequest
from ..wire.response_items import unanswered
from .http import Call
from .recognising import Found, History, find_ends, make_chat_label, make_label, split_unknown

CALLS_LOOKED_AT = 64  # items of the log in which the calls are looked for that results answer
NOT_RECOGNISED = "What came before the new message was not recognised, and left alone: the conversation of that name goes on."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request's new messages go.

    after: the item that they hang on; None: the conversation's tip when their turn comes.
    new: the messages to answer.
    history: all that the client sent, where its beginning is known; None where it is not.
    named: the client named the conversation.
    fresh: it was made for this request, and nobody else knows it.
    made: it is not there yet, and is made of this kind along with the turn.
    notices: sentences for the receipt.
    """

    conversation: str
    after: Position | None
    new: Sequence[Item]
    history: History | None = None
    named: bool = False
    fresh: bool = False
    made: ConversationKind | None = None
    notices: tuple[str, ...] = ()


async def find_named(call: Call, request: ChatRequest, name: str) -> Place:
    """Find the place in a conversation that the client names; one of a new name is made."""
    row = await _open(call, request, check_name(name))
    if row.tip != START and not find_ends(request.messages):
        return Place(conversation=row.id, after=None, new=request.messages, named=True)
    # A client may name its chat and resend everything nevertheless: what is known is not said twice.
    history = await call.gateway.recogniser.digest(call.owner, make_chat_label(row.id), request.messages)
    if not find_ends(request.messages):  # others may be speaking here first: it hangs on what stands by then
        return Place(conversation=row.id, after=None, new=request.messages, history=history, named=True)
    found = await call.gateway.recogniser.find(call.owner, history)
    if row.tip != START and not found.known:
        new = split_unknown(request.messages, 0).new
        return Place(conversation=row.id, after=None, new=new, named=True, notices=(NOT_RECOGNISED,))
    return await _take_up(call, history, replace(found, conversation=row.id), named=True)


async def find_history(call: Call, request: ChatRequest) -> Place:
    """Find the place of a history that was resent; one that is not known begins a conversation."""
    recogniser, store = call.gateway.recogniser, call.gateway.store
    await check_calls(call, request.messages)
    label = make_label(call.headers, request.user)
    history = await recogniser.digest(call.owner, label, request.messages)
    found = await recogniser.find(call.owner, history)
    if found.conversation is not None:
        return await _take_up(call, history, found)
    unknown = split_unknown(history.messages, 0)
    # What may have to be parted for want of room needs a conversation to be kept in first.
    if not unknown.turns and (request.truncation != "auto" or len(unknown.new) == 1):
        conversation = conversation_id(make_key())
        return Place(
            conversation=conversation,
            after=None,
            new=unknown.new,
            history=history,
            fresh=True,
            made="history",
        )
    row = await store.create_conversation(call.owner, None, now=call.gateway.clock(), kind="history")
    return await _take_up(call, history, Found(conversation=row.id), fresh=True)


async def check_calls(call: Call, messages: Sequence[Item], row: Conversation | None = None) -> None:
    """Refuse results of calls that are not open: chat templates would refuse them, now and ever after.

    Args:
        call: the request.
        messages: all that it sent.
        row: the conversation that they go on from.
    """
    wanted = unanswered(messages)
    if wanted and row is not None:
        store = call.gateway.store
        log = await store.load_log(call.owner, row.id, tip=row.tip, limit=CALLS_LOOKED_AT)
        wanted = unanswered(messages, [stored.item for stored in log])
    if wanted:
        raise RequestRefused(
            f"A tool's result answers the call {min(wanted)[:80]!r}, which is not open: send it once, behind the "
            "assistant's message with the call and before the next user message.",
            param="messages",
        )


async def _take_up(
    call: Call, history: History, found: Found, *, named: bool = False, fresh: bool = False
) -> Place:
    """Keep what was said and answered elsewhere, as turns; what is new hangs on the last of them."""
    assert found.conversation is not None
    unknown = split_unknown(history.messages, found.known)
    after = found.after
    if unknown.turns:
        gateway, owner = call.gateway, call.owner
        async with gateway.turns.hold(owner, found.conversation) as (_, lease):
            turns = await gateway.store.append_turns(
                owner, found.conversation, unknown.turns, after=after, lease=lease, now=gateway.clock()
            )
        await gateway.recogniser.save(owner, found.conversation, history, unknown.ends, turns)
        after = turns[-1].tip
    return Place(
        conversation=found.conversation,
        after=after,
        new=unknown.new,
        history=history,
        named=named,
        fresh=fresh,
    )


async def _open(call: Call, request: ChatRequest, name: str) -> Conversation:
    """Find a conversation by name or id, or make one of that name."""
    store, owner = call.gateway.store, call.owner
    row = await store.find_conversation(owner, name)
    await check_calls(call, request.messages, row)
    if row is not None:
        return row
    if name.startswith("conv_"):
        raise ConversationNotFound(f"There is no conversation {name}: use a name, or leave conversation out.")
    try:
        return await store.create_conversation(owner, name, now=call.gateway.clock(), kind="chat")
    except Conflict:  # another request has made it just now: that is the one that was meant
        row = await store.find_conversation(owner, name)
        if row is None:
            raise
        return row


async def discard_fresh(call: Call, place: Place) -> None:
    """Delete a conversation that was made for a request of which nothing was kept."""
    if place.fresh:
        call.gateway.turns.forget(call.owner, place.conversation)
        with contextlib.suppress(ConversationNotFound):  # it never came to be made
            await call.gateway.store.delete_conversation(call.owner, place.conversation)
