"""Stored turns as the Responses interface shows them: ids, items and whole responses.

The items that a reply becomes on the wire are named by the response, not by the item that will be
stored: a stream tells them before anything is stored. Where an id of the wire is asked for, the
response is looked up first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..conversation.items import Message
from ..conversation.log import Position
from ..errors import ConversationNotFound, RequestRefused
from ..store.base import StoredItem, Turn
from ..store.ids import (
    IdKind,
    ParsedId,
    item_id,
    make_id,
    make_tag,
    parse_id,
    reasoning_id,
    tool_call_id,
    tool_result_id,
)
from ..store.ledger import StoredResponse
from ..turn import Reply
from ..wire import response_items as wire
from ..wire.response_items import Json, Naming, is_broken, show_message
from ..wire.response_objects import Standing, judge, make_response
from .gateway import Gateway, GatewayStore

_MAKERS = {"fc": tool_call_id, "fco": tool_result_id}


def name_items(holder: str) -> Naming:
    """Name the wire's items after a response, or a stored item, whose id is given.

    A text or a reasoning that is not the first of its kind is named at random: what is stored
    holds one of each.
    """
    parsed = parse_id(holder)
    assert parsed is not None
    assert parsed.tag is not None
    key, tag = parsed.key, parsed.tag

    def name(kind: wire.IdKind, place: int) -> str:
        if kind in _MAKERS:
            return _MAKERS[kind](key, tag, place)
        make = item_id if kind == "msg" else reasoning_id
        return make(key, tag if place == 0 else make_tag())

    return name


def judge_turn(row: StoredResponse, turn: Turn | None, finish_reason: str | None) -> Standing:
    """Say how a stored response stands."""
    error = row.error or (turn.error if turn else None)
    return judge(turn.state if turn else None, finish_reason, override=row.status, error=error)


def judge_reply(reply: Reply) -> Standing:
    """Say how the response of a reply stands that has just come."""
    return judge(reply.state, reply.finish_reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A stored response, taken apart."""

    row: StoredResponse
    turn: Turn | None
    given: Sequence[StoredItem]  # what was said in it
    made: Sequence[StoredItem]  # what came of it


async def load_shown(store: GatewayStore, owner: str, response: str) -> Shown:
    """Load a response with its turn.

    Raises:
        RequestRefused: this owner has none of that id.
    """
    row = await find_response(store, owner, response)
    if row.turn is None:
        return Shown(row=row, turn=None, given=(), made=())
    turn = await store.load_turn(owner, row.conversation, row.turn)
    items = await store.load_turn_items(owner, row.conversation, row.turn)
    front: list[StoredItem] = []
    for number in row.head.get("front", ()):  # what did not fit stands in turns of its own
        front += await store.load_turn_items(owner, row.conversation, number)
    upto = last_given(row, turn).seq
    return Shown(
        row=row,
        turn=turn,
        given=[*front, *(item for item in items if item.at.seq <= upto)],
        made=[item for item in items if item.at.seq > upto],
    )


def last_given(row: StoredResponse, turn: Turn) -> Position:
    """Where the last item stands that was said in a response's turn; what follows came of it."""
    return Position(turn.branch, turn.first + int(row.head.get("given", 1)) - 1)


async def find_response(
    store: GatewayStore, owner: str, response: str, *, param: str | None = None, code: str | None = None
) -> StoredResponse:
    """Load a response's row by its id.

    Raises:
        RequestRefused: this owner has none of that id.
    """
    try:
        row = await store.load_response(owner, response)
        if row.kind == "response":
            return row
    except ConversationNotFound:
        pass
    raise RequestRefused(
        f"There is no response {response[:80]!r}: it was deleted, never stored, or made with another key.",
        param=param,
        code=code,
        status=404,
    )


async def show_response(gateway: Gateway, owner: str, response: str) -> Json:
    """Make the object of a stored response.

    Raises:
        RequestRefused: this owner has none of that id.
    """
    shown = await load_shown(gateway.store, owner, response)
    row, turn = shown.row, shown.turn
    receipt = None
    if turn is not None and turn.state != "open":
        receipt = await gateway.store.load_receipt(owner, row.conversation, turn.number)
    standing = judge_turn(row, turn, receipt.get("finish_reason") if receipt else None)
    info = gateway.pool.info
    return make_response(
        row.head.get("echo", {}),
        standing,
        response_id=response,
        created=row.created,
        model=(receipt or {}).get("model") or row.model or (info.model if info else ""),
        metadata=row.metadata,
        output=[*show_output(row.id, shown.made, standing), *_show_kept(row)],
        completed=turn.finished if turn else None,
        previous=row.previous,
        conversation=row.conversation if row.conversation_given else None,
        instructions=await _load_instructions(gateway.store, owner, row, receipt),
        receipt=receipt,
        place={"conversation": row.conversation, "turn": turn.number if turn else None},
    )


async def _load_instructions(
    store: GatewayStore, owner: str, row: StoredResponse, receipt: Any
) -> str | None:  # Any: a receipt's JSON, or None
    number = receipt.get("instructions") if receipt else None
    if number is None:
        return None
    return await store.load_instructions(owner, row.conversation, number)


def show_output(response: str, made: Sequence[StoredItem], standing: Standing) -> list[Json]:
    """Show what came of a response."""
    return [
        shown
        for stored in made
        if isinstance(stored.item, Message)
        for shown in show_made(stored.item, response, standing)
    ]


def show_made(message: Message, response: str, standing: Standing) -> list[Json]:
    """Show a reply; of one that was cut short, no call that is broken, and no text that never came."""
    shown = show_message(message, name_items(response))
    if standing.status != "completed":
        for item in shown:
            item["status"] = "incomplete"
        shown = [item for item in shown if not is_broken(item)]
        if standing.reason != "content_filter":
            shown = [item for item in shown if not _is_empty(item)]
    for item in shown:
        item["status"] = "completed"
    if shown:
        shown[-1]["status"] = standing.last_item
    return shown


def _show_kept(row: StoredResponse) -> list[Json]:
    """The compaction item that a response ended with, unless something of its conversation was forgotten since."""
    kept = row.head.get("compaction")
    return [wire.show_compaction(*kept)] if kept else []


def _is_empty(item: Json) -> bool:
    return item["type"] == "message" and not any(part["text"] for part in item["content"])


def show_stored(stored: StoredItem, response: str | None = None) -> list[Json]:
    """Show one stored item; what came of a response is named after it."""
    if not isinstance(stored.item, Message):
        return []
    return show_message(stored.item, name_items(response or stored.id))


async def find_stored(
    store: GatewayStore, owner: str, conversation: str, item: str
) -> tuple[str, StoredResponse | None]:
    """Find under which id the store knows an item of the wire.

    Returns:
        The id, and the response that it came of; None for what was said, or was named by its own id.

    Raises:
        ConversationNotFound: there is no such item.
    """
    known = await store.find_id(owner, item)
    parsed = parse_id(known) if known else None
    if parsed is None or parsed.conversation != conversation or parsed.tag is None:
        raise ConversationNotFound(f"There is no item {item[:80]!r} in this conversation.")
    row = await _response_of(store, owner, parsed)
    if row is None or row.turn is None:
        assert known is not None
        return known, None
    reply = await _load_reply(store, owner, row)
    return make_id(ParsedId(kind=parsed.kind, key=parsed.key, tag=reply.tag, place=parsed.place)), row


async def _response_of(store: GatewayStore, owner: str, parsed: ParsedId) -> StoredResponse | None:
    """The response whose tag an item's id has, if there is one."""
    kind: IdKind = "resp"
    try:
        return await store.load_response(owner, make_id(ParsedId(kind=kind, key=parsed.key, tag=parsed.tag)))
    except ConversationNotFound:
        return None


async def _load_reply(store: GatewayStore, owner: str, row: StoredResponse) -> ParsedId:
    shown = await load_shown(store, owner, row.id)
    replies = [stored for stored in shown.made if isinstance(stored.item, Message)]
    parsed = parse_id(replies[-1].id) if replies else None
    if parsed is None:
        raise ConversationNotFound("This item was forgotten.")
    return parsed
