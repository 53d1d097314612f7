"""Compaction items: what was said so far in short lines, sealed, for clients that carry their history themselves.

A chain is summarised as it stands, and an input that belongs to none in a store that lives in memory
only for as long as that takes. What a stored response ends with is kept with it, until something of
its conversation is forgotten; nothing else is stored.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from ..conversation.items import Item, Message, Usage
from ..conversation.log import START
from ..errors import TurnkeepError
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
from .asking import Course, Draft, Place, find_place, make_options, resolve_items
from .engines import Passage, passage
from .gateway import Gateway
from .summing import Digest, describe_summary
from .turning import group_turns

_log = logging.getLogger("turnkeep.gateway")


async def compact_course(
    gateway: Gateway, owner: str, course: Course, reply: Reply
) -> tuple[str, str] | None:
    """Compact what a response and its chain hold, if its prompt has passed the threshold that was named.

    Returns:
        The seal and an id for its item; None where none is wanted, or none could be made: the reply stands
        without it, and the next one brings another.
    """
    draft = course.draft
    threshold = draft.request.compact_threshold
    if threshold is None or (reply.usage.prompt_tokens or reply.receipt.prompt_tokens) < threshold:
        return None
    key = await gateway.store.load_digest_key(owner)
    name = compaction_id(parse_key(draft.response) or make_key(), make_tag())
    try:
        if draft.stored:
            return await _compact_stored(gateway, owner, draft, reply, key, name)
        said = [*draft.items, reply.message]
        lines, _ = await _summarise(gateway, owner, draft.place, said, draft.request)
        return seal(lines, [], key), name
    except TurnkeepError as error:
        _log.info("no compaction: %s", type(error).__name__)
        return None


async def _compact_stored(
    gateway: Gateway, owner: str, draft: Draft, reply: Reply, key: bytes, name: str
) -> tuple[str, str]:
    """Compact a chain up to a response's end, and keep the item with the response."""
    conversation = draft.place.conversation
    assert conversation is not None  # whatever is stored has one

    async def keep(digest: Digest) -> None:
        row = await gateway.store.load_response(owner, draft.response)
        kept = [seal(digest.told, [], key), name]
        await gateway.store.update_response(owner, draft.response, head={**row.head, "compaction": kept})

    turn = await gateway.store.load_turn(owner, conversation, reply.turn)
    digest = await gateway.turns.compact(owner, conversation, turn.tip, keep=keep)
    return seal(digest.told, [], key), name


async def _summarise(
    gateway: Gateway, owner: str, place: Place, items: Sequence[Item], request: CreateRequest
) -> tuple[list[str], list[Usage]]:
    """Write a chain, and what was said after it, in short lines; with what the engine read and wrote for it."""
    digests: list[Digest] = []
    if place.conversation is not None and place.at != START:
        digests.append(await gateway.turns.compact(owner, place.conversation, place.at))
    if said := [item for item in items if isinstance(item, Message)]:
        digests.append(await _summarise_apart(gateway, owner, said, request))
    lines = [line for digest in digests for line in digest.told]
    return lines, [usage for digest in digests for usage in digest.usages]


async def _summarise_apart(
    gateway: Gateway, owner: str, items: Sequence[Message], request: CreateRequest
) -> Digest:
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
        return replace(digest, usages=tuple(way.usages))
    finally:
        passage.reset(token)
        way.leave()
        await asyncio.shield(store.close())


async def compact_request(gateway: Gateway, owner: str, request: CreateRequest) -> tuple[Json, Json]:
    """Make the compaction item of a request's chain and input, and the usage of making it.

    Raises:
        RequestRefused, EngineError, QueueFull: it cannot be made.
    """
    place = await find_place(gateway, owner, request)
    items = await resolve_items(gateway, owner, request, place) if request.given else []
    said = [item for item in items if not (isinstance(item, Message) and _is_empty(item))]
    lines, usages = await _summarise(gateway, owner, place, said, request)
    key = await gateway.store.load_digest_key(owner)
    return show_compaction(seal(lines, [], key), compaction_id(make_key(), make_tag())), _sum_usage(usages)


def _sum_usage(usages: Sequence[Usage]) -> Json:
    """What the engine read and wrote in several requests; what it did not report counts as nothing."""
    return make_usage(
        sum(usage.prompt_tokens or 0 for usage in usages),
        sum(usage.cached_tokens or 0 for usage in usages),
        sum(usage.completion_tokens or 0 for usage in usages),
    )


def _is_empty(message: Message) -> bool:
    return message.role == "user" and not message.text and len(message.parts) == 1


async def show_compacted(gateway: Gateway, owner: str, request: CreateRequest) -> Json:
    """Answer a request for a compaction: the object that stands for a history."""
    item, usage = await compact_request(gateway, owner, request)
    return {
        "id": response_id(make_key(), make_tag()),
        "object": "response.compaction",
        "created_at": int(gateway.clock()),
        "output": [item],
        "usage": usage,
    }


async def show_triggered(gateway: Gateway, owner: str, request: CreateRequest) -> Json:
    """Answer a request whose input ends with a trigger: a response that holds a compaction item alone, not stored."""
    created = gateway.clock()
    item, usage = await compact_request(gateway, owner, request)
    info = gateway.pool.info
    made = make_response(
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
    return {**made, "usage": usage}
