"""A conversation is made with its first turn, and what stands beside a turn is kept with its end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from turnkeep.conversation.items import assistant, user
from turnkeep.errors import ConversationNotFound, LeaseLost, UsageError
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.ids import completion_id, conversation_id, make_key, make_tag
from turnkeep.store.ledger import NewResponse
from turnkeep.store.writing import Begun, Beside

OWNER = "ana"
DIGEST = b"d" * 16


def on_store(test: Callable[[EphemeralStore], Awaitable[None]]) -> None:
    async def main() -> None:
        store = EphemeralStore()
        try:
            await test(store)
        finally:
            await store.close()

    asyncio.run(main())


async def begin(store: EphemeralStore, conversation: str, holder: str = "h") -> Begun:
    begun = await store.hold_and_begin(
        OWNER, conversation, [user("Hi.")], after=None, subject=f"conversation:{conversation}", holder=holder,
        note="", now=1.0, seconds=10.0, instructions="Be brief.", made="history",
    )  # fmt: skip
    assert begun is not None
    assert begun.turn is not None
    return begun


def test_a_conversation_is_made_with_its_first_turn() -> None:
    @on_store
    async def _(store: EphemeralStore) -> None:
        conversation = conversation_id(make_key())
        begun = await begin(store, conversation)
        assert (begun.row.id, begun.row.kind, begun.row.turns) == (conversation, "history", 0)
        row = await store.load_conversation(OWNER, conversation)
        assert (row.kind, row.name, row.turns) == ("history", None, 1)
        assert await store.load_instructions(OWNER, conversation, row.instructions or 0) == "Be brief."


def test_one_is_made_under_an_id_of_ours_only() -> None:
    @on_store
    async def _(store: EphemeralStore) -> None:
        with pytest.raises(UsageError, match="no id of a conversation"):
            await begin(store, "conv_mine")
        assert await store.list_conversations(OWNER) == []


def test_what_stands_beside_a_turn_is_kept_with_its_end() -> None:
    @on_store
    async def _(store: EphemeralStore) -> None:
        key = make_key()
        begun = await begin(store, conversation_id(key))
        completion = completion_id(key, make_tag())
        row = NewResponse(
            id=completion, created=1.0, kind="chat_completion", conversation_given=True, model="m",
            metadata={"a": "b"}, head={"n": 1},
        )  # fmt: skip
        assert begun.turn is not None
        await store.finish_turn(
            OWNER, begun.row.id, begun.turn.number, state="done", items=[assistant("Ho.")], lease=begun.lease,
            beside=Beside(completion=row, digests=[DIGEST]), now=2.0,
        )  # fmt: skip
        kept = await store.load_response(OWNER, completion)
        assert (kept.kind, kept.turn, kept.conversation_given, kept.model) == (
            "chat_completion",
            1,
            True,
            "m",
        )
        assert (kept.metadata, kept.head, kept.created) == ({"a": "b"}, {"n": 1}, 1.0)
        found = await store.find_digests(OWNER, [DIGEST])
        assert found is not None
        assert [(place.conversation, place.turn) for place in found.places] == [(begun.row.id, 1)]


def test_beside_a_turn_that_was_fenced_out_nothing_is_kept() -> None:
    @on_store
    async def _(store: EphemeralStore) -> None:
        key = make_key()
        begun = await begin(store, conversation_id(key))
        await store.take_lease(begun.lease.subject, "another", now=100.0, seconds=10.0)
        completion = completion_id(key, make_tag())
        assert begun.turn is not None
        row = NewResponse(id=completion, created=1.0, kind="chat_completion")
        with pytest.raises(LeaseLost):
            await store.finish_turn(
                OWNER, begun.row.id, begun.turn.number, state="done", items=[assistant("Ho.")],
                lease=begun.lease, beside=Beside(completion=row, digests=[DIGEST]), now=101.0,
            )  # fmt: skip
        with pytest.raises(ConversationNotFound):
            await store.load_response(OWNER, completion)
        assert await store.find_digests(OWNER, [DIGEST]) is None
