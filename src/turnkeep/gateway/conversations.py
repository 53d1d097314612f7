"""The routes of /v1/conversations: conversations that a client names by id, and their items.

Their items are those that lead to the conversation's last one. What is added without a reply is
kept as turns that are done; what is deleted is forgotten, with all that was made of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..conversation.items import Item, Message
from ..errors import ConversationNotFound, RequestRefused
from ..store.base import Conversation, StoredItem
from ..store.erasing import OneConversation, OneItem
from ..store.ledger import StoredResponse
from ..wire.response_items import Json, parse_input
from ..wire.response_objects import Order, cut_page, make_list, show_conversation, show_deleted
from ..wire.responses import CreateRequest, check_object, parse_metadata
from .asking import Place, find_conversation, resolve_items
from .forgetters import forget
from .gateway import Gateway
from .http import Answer, Call, Route
from .paging import read_page
from .showing import find_stored, last_given, show_stored
from .turning import group_turns

MOST_ADDED = 20  # items in one request (engines-and-api.md, section B)


async def create(call: Call) -> Answer:
    """POST /v1/conversations."""
    gateway, owner, body = call.gateway, call.owner, check_object(call.body)
    metadata = parse_metadata(body.get("metadata"))
    items = await _read_items(gateway, owner, body.get("items") or [], Place(conversation=None))
    row = await gateway.store.create_conversation(
        owner, None, now=gateway.clock(), kind="named", metadata=metadata
    )
    if items:
        await _append(gateway, owner, row, items)
    return Answer(body=_show(row))


async def get(call: Call) -> Answer:
    """GET /v1/conversations/{id}."""
    return Answer(body=_show(await find_conversation(call.gateway, call.owner, call.params["id"])))


async def update(call: Call) -> Answer:
    """POST /v1/conversations/{id}: replaces the metadata."""
    metadata = parse_metadata(check_object(call.body).get("metadata"))
    row = await find_conversation(call.gateway, call.owner, call.params["id"])
    return Answer(
        body=_show(await call.gateway.store.update_conversation(call.owner, row.id, metadata=metadata))
    )


async def delete(call: Call) -> Answer:
    """DELETE /v1/conversations/{id}: with its items and responses."""
    gateway, owner = call.gateway, call.owner
    row = await find_conversation(gateway, owner, call.params["id"])
    await forget(gateway, owner, OneConversation(conversation=row.id))
    return Answer(body=show_deleted(row.id, "conversation"))


def _show(row: Conversation) -> Json:
    return show_conversation(row.id, row.created, row.metadata)


# -- items ------------------------------------------------------------------------------------


async def list_items(call: Call) -> Answer:
    """GET /v1/conversations/{id}/items."""
    limit, order = read_page(call.query)
    row = await find_conversation(call.gateway, call.owner, call.params["id"])
    after = call.query.get("after")
    return Answer(body=await _Pages(call.gateway, call.owner, row, order).cut(limit, after))


async def add_items(call: Call) -> Answer:
    """POST /v1/conversations/{id}/items."""
    gateway, owner = call.gateway, call.owner
    row = await find_conversation(gateway, owner, call.params["id"])
    place = Place(conversation=row.id, at=row.tip, named=True)
    items = await _read_items(gateway, owner, check_object(call.body).get("items"), place)
    if not items:
        raise RequestRefused("items has to be a list of at least one item.", param="items")
    added = await _append(gateway, owner, row, items)
    return Answer(body=make_list([shown for stored in added for shown in show_stored(stored)], more=False))


async def _read_items(gateway: Gateway, owner: str, value: object, place: Place) -> list[Item]:
    if not isinstance(value, list) or len(value) > MOST_ADDED:
        raise RequestRefused(f"items has to be a list of at most {MOST_ADDED} items.", param="items")
    if not value:
        return []
    request = CreateRequest(given=parse_input(value, "items"))
    if request.compact_now:
        raise RequestRefused("A compaction_trigger cannot be kept in a conversation.", param="items")
    return await resolve_items(gateway, owner, request, place, "items")


async def _append(gateway: Gateway, owner: str, row: Conversation, items: Sequence[Item]) -> list[StoredItem]:
    async with gateway.turns.hold(owner, row.id) as (desk, lease):
        row = await desk.load()
        turns = await gateway.store.append_turns(
            owner, row.id, group_turns(items), after=row.tip, lease=lease, now=gateway.clock()
        )
    gateway.turns.tend(owner, row.id)
    tip = turns[-1].tip
    return await gateway.store.load_span(owner, row.id, tip=tip, after=turns[0].first - 1, upto=tip.seq)


async def get_item(call: Call) -> Answer:
    """GET /v1/conversations/{id}/items/{item}."""
    row = await find_conversation(call.gateway, call.owner, call.params["id"])
    stored, response = await _load_item(call.gateway, call.owner, row, call.params["item"])
    known = await call.gateway.store.find_id(call.owner, call.params["item"])
    for shown in show_stored(stored, response.id if response else None):
        if shown["id"] == known:
            return Answer(body=shown)
    raise _no_item(call.params["item"])


async def delete_item(call: Call) -> Answer:
    """DELETE /v1/conversations/{id}/items/{item}: it is forgotten, and a tool call with its results."""
    gateway, owner = call.gateway, call.owner
    row = await find_conversation(gateway, owner, call.params["id"])
    await _load_item(gateway, owner, row, call.params["item"])
    item, _ = await find_stored(gateway.store, owner, row.id, call.params["item"])
    await forget(gateway, owner, OneItem(conversation=row.id, item=item))
    return Answer(body=_show(row))


async def _load_item(
    gateway: Gateway, owner: str, row: Conversation, item: str
) -> tuple[StoredItem, StoredResponse | None]:
    try:
        known, response = await find_stored(gateway.store, owner, row.id, item)
        return await gateway.store.load_item(owner, row.id, known), response
    except ConversationNotFound as error:
        raise _no_item(item) from error


def _no_item(item: str) -> RequestRefused:
    return RequestRefused(
        f"There is no item {item[:80]!r} in this conversation.", code="item_not_found", status=404
    )


class _Pages:
    """Cuts pages out of a conversation, however long it is: only what a page shows is loaded.

    Args:
        gateway: where it is kept.
        owner: whose.
        row: the conversation.
        order: desc shows the newest first.
    """

    def __init__(self, gateway: Gateway, owner: str, row: Conversation, order: Order) -> None:
        self._store, self._owner, self._row, self._order = gateway.store, owner, row, order
        self._responses: dict[
            int, tuple[str, int] | None
        ] = {}  # turn -> its response, and its last given seq

    async def cut(self, limit: int, after: str | None) -> Json:
        """Cut the page behind an item; behind one that is not there, the first."""
        start = await self._seq_of(after)
        shown: list[Json] = []
        step = 2 * limit or 1  # with a limit of 0 it is still told whether there are any
        low, high = self._first_span(start, step)
        while high > low:
            found = await self._store.load_span(
                self._owner, self._row.id, tip=self._row.tip, after=low, upto=high
            )
            shown += await self._show(found)
            page = cut_page(shown, limit=limit, order="asc", after=after)
            if page["has_more"]:
                return page
            low, high = (
                (high, min(high + step, self._row.tip.seq))
                if self._order == "asc"
                else (max(0, low - step), low)
            )
        return cut_page(shown, limit=limit, order="asc", after=after)

    def _first_span(self, start: int | None, step: int) -> tuple[int, int]:
        """The seqs of the first items to look at; the item `start` stands behind is looked at, too."""
        tip = self._row.tip.seq
        if self._order == "asc":
            low = 0 if start is None else start - 1
            return low, min(low + step, tip)
        high = tip if start is None else start
        return max(0, high - step), high

    async def _seq_of(self, after: str | None) -> int | None:
        if after is None:
            return None
        try:
            known, _ = await find_stored(self._store, self._owner, self._row.id, after)
            stored = await self._store.load_item(self._owner, self._row.id, known)
        except ConversationNotFound:
            return None
        return stored.at.seq if stored.at.seq <= self._row.tip.seq else None

    async def _show(self, found: Sequence[StoredItem]) -> list[Json]:
        shown: list[Json] = []
        for stored in found if self._order == "asc" else reversed(found):
            items = show_stored(stored, await self._response_of(stored))
            shown += items if self._order == "asc" else reversed(items)
        return shown

    async def _response_of(self, stored: StoredItem) -> str | None:
        """The response that an item came of."""
        if not isinstance(stored.item, Message) or stored.item.role != "assistant":
            return None
        if stored.turn not in self._responses:
            self._responses[stored.turn] = await self._find_response(stored.turn)
        known = self._responses[stored.turn]
        return known[0] if known is not None and stored.at.seq > known[1] else None

    async def _find_response(self, number: int) -> tuple[str, int] | None:
        row = await self._store.find_response_of_turn(self._owner, self._row.id, number)
        if row is None or row.kind != "response":
            return None
        turn = await self._store.load_turn(self._owner, self._row.id, number)
        return row.id, last_given(row, turn).seq


# -- what is served -------------------------------------------------------------------------------

_METADATA: Mapping[str, Any] = {  # Any: JSON schema
    "type": "object",
    "additionalProperties": {"type": "string", "maxLength": 512},
    "maxProperties": 16,
}
_ITEMS: Mapping[str, Any] = {"type": "array", "items": {"type": "object"}, "maxItems": MOST_ADDED}

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        pattern="/v1/conversations",
        handler=create,
        summary="Begin a conversation.",
        body={"type": "object", "properties": {"items": _ITEMS, "metadata": _METADATA}},
    ),
    Route(method="GET", pattern="/v1/conversations/{id}", handler=get, summary="Show a conversation."),
    Route(
        method="POST",
        pattern="/v1/conversations/{id}",
        handler=update,
        summary="Replace a conversation's metadata.",
        body={"type": "object", "properties": {"metadata": _METADATA}, "required": ["metadata"]},
    ),
    Route(
        method="DELETE", pattern="/v1/conversations/{id}", handler=delete, summary="Delete a conversation."
    ),
    Route(
        method="GET",
        pattern="/v1/conversations/{id}/items",
        handler=list_items,
        summary="List a conversation's items.",
    ),
    Route(
        method="POST",
        pattern="/v1/conversations/{id}/items",
        handler=add_items,
        summary="Add items to a conversation.",
        body={"type": "object", "properties": {"items": _ITEMS}, "required": ["items"]},
    ),
    Route(
        method="GET",
        pattern="/v1/conversations/{id}/items/{item}",
        handler=get_item,
        summary="Show an item.",
    ),
    Route(
        method="DELETE",
        pattern="/v1/conversations/{id}/items/{item}",
        handler=delete_item,
        summary="Forget an item.",
    ),
)
