"""Stored chat completions: fetch, list, note, delete, and read the messages of one.

Nothing of what was said is stored here a second time: a completion is made from its turn, so
that what was forgotten is forgotten here too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..conversation.items import FinishReason, Message, Usage, assistant
from ..errors import ConversationNotFound, RequestRefused
from ..store.base import StoredItem, Turn
from ..store.ids import make_id, parse_id
from ..store.ledger import Order, StoredResponse
from ..wire.chat_replies import render_completion, render_list, render_stored_messages
from ..wire.chat_requests import ChatRequest
from ..wire.responses import parse_metadata
from .forgetters import forget_response
from .gateway import Gateway
from .http import Answer, Call, Route
from .orphans import settle_orphan
from .paging import LISTED, MOST_LISTED, read_whole
from .running import SHOWN as SHOWN_RECEIPT

# Of a request, what a stored completion shows again; no text of a conversation.
SHOWN = (
    "top_p", "presence_penalty", "frequency_penalty", "seed", "tool_choice", "response_format", "reasoning_effort",
)  # fmt: skip


def make_head(request: ChatRequest) -> dict[str, Any]:  # Any: JSON values
    """The fields of a request that a stored completion shows again."""
    head = {name: request.sampling[name] for name in SHOWN if name in request.sampling}
    if request.temperature is not None:
        head["temperature"] = request.temperature
    if request.tools:
        head["tools"] = [dict(tool) for tool in request.tools]
    return head


async def get_completion(call: Call) -> Answer:
    """GET /v1/chat/completions/{id}."""
    return Answer(body=(await load_completion(call.gateway, call.owner, call.params["id"])).show())


async def list_completions(call: Call) -> Answer:
    """GET /v1/chat/completions."""
    limit, order = _read_page(call)
    rows = await call.gateway.store.list_responses(
        call.owner,
        kind="chat_completion",
        model=call.query.get("model"),
        metadata=_read_pairs(call.query),
        after=call.query.get("after"),
        limit=limit + 1,
        order=order,
    )
    data = [(await _complete(call.gateway, row)).show() for row in rows[:limit]]
    return Answer(body=render_list(data, more=len(rows) > limit))


async def update_completion(call: Call) -> Answer:
    """POST /v1/chat/completions/{id}."""
    if "metadata" not in call.body:
        raise RequestRefused("Only metadata can be changed: send it.", param="metadata")
    row = await _load(call.gateway, call.owner, call.params["id"])
    metadata = parse_metadata(call.body["metadata"])
    row = await call.gateway.store.update_response(call.owner, row.id, metadata=metadata)
    return Answer(body=(await _complete(call.gateway, row)).show())


async def delete_completion(call: Call) -> Answer:
    """DELETE /v1/chat/completions/{id}: its turn is forgotten where nothing hangs on it."""
    row = await settle_orphan(call.gateway, await _load(call.gateway, call.owner, call.params["id"]))
    await forget_response(call.gateway, call.owner, row.id)
    return Answer(body={"id": call.params["id"], "object": "chat.completion.deleted", "deleted": True})


async def list_messages(call: Call) -> Answer:
    """GET /v1/chat/completions/{id}/messages: what the reply answered, from the conversation's beginning."""
    row = await _load(call.gateway, call.owner, call.params["id"])
    limit, order = _read_page(call)
    wires = await _read_messages(call, row, limit + 1, order)
    return Answer(body=render_list(wires[:limit], more=len(wires) > limit))


# -- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCompletion:
    """A stored completion, made again from its turn.

    open: it is being answered.
    unsaid: it was broken off before anything was said.
    error: why its turn failed, one sentence.
    receipt: as it travelled with the reply, as far as it is stored.
    """

    row: StoredResponse
    message: Message
    finish: FinishReason | None
    usage: Usage
    receipt: dict[str, Any]  # Any: JSON values
    open: bool
    unsaid: bool
    error: str | None

    def show(self) -> dict[str, Any]:  # Any: JSON values
        """Write it as the interface has it."""
        return render_completion(
            completion=self.row.id,
            model=self.row.model or "",
            created=int(self.row.created),
            message=self.message,
            finish=self.finish,
            usage=self.usage,
            receipt=self.receipt,
            head={**self.row.head, "metadata": dict(self.row.metadata)},
        )


async def load_completion(gateway: Gateway, owner: str, completion: str) -> StoredCompletion:
    """Load a completion by its id.

    Raises:
        ConversationNotFound: this owner has none of that id.
    """
    return await _complete(gateway, await _load(gateway, owner, completion))


async def _load(gateway: Gateway, owner: str, completion: str) -> StoredResponse:
    row = await gateway.store.load_response(owner, completion)
    if row.kind != "chat_completion":
        raise ConversationNotFound("There is no stored chat completion of that id.")
    return row


async def _complete(gateway: Gateway, row: StoredResponse) -> StoredCompletion:
    """Load what a completion is made of."""
    assert row.turn is not None  # it is kept when its turn is
    store, place = gateway.store, (row.owner, row.conversation, row.turn)
    turn = await store.load_turn(*place)
    items = await store.load_turn_items(*place)
    receipt = await store.load_receipt(*place) or {}
    shown = {name: receipt[name] for name in SHOWN_RECEIPT if name in receipt}
    failed = "failed" in (turn.state, row.status)  # the row alone, where a gateway died
    return StoredCompletion(
        row=row,
        message=_find_reply(items),
        finish=receipt.get("finish_reason"),
        usage=Usage(
            prompt_tokens=receipt.get("engine_prompt_tokens"),
            completion_tokens=receipt.get("reply_tokens"),
            cached_tokens=receipt.get("reused_tokens"),
        ),
        receipt={**shown, "conversation": row.conversation, "turn": row.turn},
        open=turn.state == "open" and not failed,
        unsaid=receipt.get("finish_reason") == "cancelled" and _ends_unanswered(items),
        error=(row.error or turn.error or "The turn failed.") if failed else None,
    )


def _ends_unanswered(items: Sequence[StoredItem]) -> bool:
    """Whether the last of a turn's items is the client's; what was forgotten is nobody's."""
    last = items[-1].item if items else None
    return isinstance(last, Message) and last.role != "assistant"


def _find_reply(items: Sequence[StoredItem]) -> Message:
    """The assistant's message of a turn; an empty one where it was forgotten."""
    replies = [stored.item for stored in items if isinstance(stored.item, Message)]
    last = replies[-1] if replies else None
    return last if last is not None and last.role == "assistant" else assistant("")


async def _read_messages(call: Call, row: StoredResponse, want: int, order: Order) -> list[dict[str, Any]]:
    """Read up to `want` of the messages that a completion answered, from behind `after` on."""
    assert row.turn is not None
    store, cursor = call.gateway.store, call.query.get("after")
    if cursor is not None:
        cursor = await store.find_id(row.owner, cursor) or cursor
    turn = await store.load_turn(row.owner, row.conversation, row.turn)
    low, high = 0, await _end_of_input(call.gateway, row, turn)
    if cursor is not None:  # its item is read once more, since others of its messages may follow
        seq = (await store.load_item(row.owner, row.conversation, cursor)).at.seq
        low, high = (seq - 1, high) if order == "asc" else (low, min(seq, high))
    found: list[dict[str, Any]] = []
    while low < high and len(found) < want:
        after, upto = (low, min(high, low + want)) if order == "asc" else (max(low, high - want), high)
        low, high = (upto, high) if order == "asc" else (low, after)
        span = await store.load_span(row.owner, row.conversation, tip=turn.tip, after=after, upto=upto)
        wires = [wire for stored in span for wire in _render(stored)]
        wires = wires if order == "asc" else wires[::-1]
        found += _behind(wires, cursor)
        cursor = None
    return found[:want]


async def _end_of_input(gateway: Gateway, row: StoredResponse, turn: Turn) -> int:
    """The place of the last item that a turn's reply answers."""
    items = await gateway.store.load_turn_items(row.owner, row.conversation, turn.number)
    last = items[-1].item if items else None
    replied = isinstance(last, Message) and last.role == "assistant"
    return turn.last - 1 if replied else turn.last


def _render(stored: StoredItem) -> list[dict[str, Any]]:  # Any: JSON values
    item, place = stored.item, parse_id(stored.id)
    if not isinstance(item, Message) or place is None:
        return []  # recalled lines and notes are not the client's; what was forgotten is nowhere
    ids = [stored.id]
    if item.role == "tool":
        ids = [make_id(replace(place, kind="fco", place=n)) for n in range(len(item.parts))]
    return render_stored_messages(ids, item)


def _behind(wires: list[dict[str, Any]], cursor: str | None) -> list[dict[str, Any]]:
    ids = [wire["id"] for wire in wires]
    return wires[ids.index(cursor) + 1 :] if cursor in ids else wires


# -- what a list is asked for ---------------------------------------------------------------------


def _read_page(call: Call) -> tuple[int, Order]:
    """The page of a list that is wanted: at most how many, and in which order."""
    limit, order = read_whole(call.query, "limit", LISTED), call.query.get("order", "asc")
    if limit > MOST_LISTED:
        raise RequestRefused(f"limit is a whole number from 0 to {MOST_LISTED}.", param="limit")
    match order:
        case "asc" | "desc":
            return limit, order
    raise RequestRefused("order is asc or desc.", param="order")


def _read_pairs(query: Mapping[str, str]) -> dict[str, str] | None:
    """The metadata that listed completions have: metadata[key]=value."""
    pairs = {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in query.items()
        if name.startswith("metadata[")
    }
    return pairs or None


STORED: tuple[Route, ...] = (
    Route(
        method="GET",
        pattern="/v1/chat/completions",
        handler=list_completions,
        summary="List stored chat completions.",
    ),
    Route(
        method="GET",
        pattern="/v1/chat/completions/{id}",
        handler=get_completion,
        summary="Fetch a stored chat completion.",
    ),
    Route(
        method="POST",
        pattern="/v1/chat/completions/{id}",
        handler=update_completion,
        summary="Replace the metadata of a stored chat completion.",
        body={"type": "object", "required": ["metadata"], "properties": {"metadata": {"type": "object"}}},
    ),
    Route(
        method="DELETE",
        pattern="/v1/chat/completions/{id}",
        handler=delete_completion,
        summary="Delete a stored chat completion; its turn is forgotten where nothing hangs on it.",
    ),
    Route(
        method="GET",
        pattern="/v1/chat/completions/{id}/messages",
        handler=list_messages,
        summary="List the messages that a stored chat completion answered.",
    ),
)
