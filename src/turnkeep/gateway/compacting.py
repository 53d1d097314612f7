"""Compaction items: what was said so far in short lines, sealed, for clients that carry their history themselves.

Nothing is stored for them: a chain is summarised as it stands, and an input that belongs to none in
a store that lives in memory only for as long as that takes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ..conversation.items import Item, Message
from ..conversation.log import START, Position
from ..holding import hold_conversation, name_holder
from ..masking import mask_engine
from ..prompt import Desk
from ..store.ephemeral import EphemeralStore
from ..store.ids import compaction_id, make_key, make_tag, parse_key, response_id
from ..turn import Reply
from ..wire.compactions import seal
from ..wire.response_items import Json, show_compaction
from ..wire.response_objects import Standing, make_response, make_usage
from ..wire.responses import CreateRequest
from .asking import Course, Place, find_place, make_options, resolve_items
from .engines import Passage, passage
from .gateway import Gateway
from .summing import describe_summary
from .turning import group_turns


async def compact_course(
    gateway: Gateway, owner: str, course: Course, reply: Reply
) -> tuple[str, str] | None:
    """Compact what a response and its chain hold, if its prompt has passed the threshold that was named.

    Returns:
        The seal and an id for its item; None where none is wanted.
    """
    draft, place = course.draft, course.draft.place
    threshold = draft.request.compact_threshold
    if threshold is None or (reply.usage.prompt_tokens or reply.receipt.prompt_tokens) < threshold:
        return None
    if draft.stored and place.conversation is not None:
        turn = await gateway.store.load_turn(owner, place.conversation, reply.turn)
        lines = await _summarise_chain(gateway, owner, place.conversation, turn.tip)
    else:
        lines = await _summarise(gateway, owner, place, [*draft.items, reply.message], draft.request)
    key = await gateway.store.load_digest_key(owner)
    return seal(lines, [], key), compaction_id(parse_key(draft.response) or make_key(), make_tag())


async def _summarise(
    gateway: Gateway, owner: str, place: Place, items: Sequence[Item], request: CreateRequest
) -> list[str]:
    """Write a chain, and what was said after it, in short lines."""
    lines: list[str] = []
    if place.conversation is not None and place.at != START:
        lines = await _summarise_chain(gateway, owner, place.conversation, place.at)
    said = [item for item in items if isinstance(item, Message)]
    return [*lines, *(await _summarise_apart(gateway, owner, said, request) if said else ())]


async def _summarise_chain(gateway: Gateway, owner: str, conversation: str, at: Position) -> list[str]:
    digest = await gateway.turns.compact(owner, conversation, at)
    return list(dict.fromkeys([*digest.lines, *digest.facts]))


async def _summarise_apart(
    gateway: Gateway, owner: str, items: Sequence[Message], request: CreateRequest
) -> list[str]:
    """Write items that belong to no conversation in short lines; no file learns of them."""
    store = EphemeralStore()
    engine = gateway.pool.seat(None)
    way = Passage(owner=owner, side=False)
    way.enter(engine.member)
    token = passage.set(way)
    try:
        row = await store.create_conversation(owner, None, now=gateway.clock())
        masked = mask_engine(gateway.masking, engine, store, owner, row.id)
        desk = Desk(store=store, engine=masked, owner=owner, conversation=row.id, holder=name_holder())
        desk.options = replace(make_options(gateway, request), sampling={}, temperature=None, max_tokens=None)
        async with hold_conversation(desk) as lease:
            turns = await store.append_turns(
                owner, row.id, group_turns(items), after=START, lease=lease, now=gateway.clock()
            )
        digest = await describe_summary(desk, turns[-1].tip)
        return list(dict.fromkeys([*digest.lines, *digest.facts]))
    finally:
        passage.reset(token)
        way.leave()
        await asyncio.shield(store.close())


async def compact_request(gateway: Gateway, owner: str, request: CreateRequest) -> Json:
    """Make the compaction item of a request's chain and input.

    Raises:
        RequestRefused, EngineError, QueueFull: it cannot be made.
    """
    place = await find_place(gateway, owner, request)
    items = await resolve_items(gateway, owner, request, place) if request.given else []
    said = [item for item in items if not (isinstance(item, Message) and _is_empty(item))]
    lines = await _summarise(gateway, owner, place, said, request)
    key = await gateway.store.load_digest_key(owner)
    return show_compaction(seal(lines, [], key), compaction_id(make_key(), make_tag()))


def _is_empty(message: Message) -> bool:
    return message.role == "user" and not message.text and len(message.parts) == 1


async def show_compacted(gateway: Gateway, owner: str, request: CreateRequest) -> Json:
    """Answer a request for a compaction: the object that stands for a history."""
    item = await compact_request(gateway, owner, request)
    return {
        "id": response_id(make_key(), make_tag()),
        "object": "response.compaction",
        "created_at": int(gateway.clock()),
        "output": [item],
        "usage": make_usage(0, 0, 0),
    }


async def show_triggered(gateway: Gateway, owner: str, request: CreateRequest) -> Json:
    """Answer a request whose input ends with a trigger: a response that holds a compaction item alone, not stored."""
    created = gateway.clock()
    item = await compact_request(gateway, owner, request)
    info = gateway.pool.info
    return make_response(
        request.echo,
        Standing(status="completed"),
        response_id=response_id(make_key(), make_tag()),
        created=created,
        model=info.model if info else request.model or "",
        metadata=request.metadata,
        output=[item],
        completed=gateway.clock(),
        previous=request.previous,
        instructions=request.instructions,
        store=False,
    )
