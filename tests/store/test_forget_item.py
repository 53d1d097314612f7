"""Forgetting one item takes what the wire shows as one, and all that was made of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.store.keeper import begin, call, ledger, make_row, result, use_tools
from tests.store.test_forget import found, load, save
from tests.store.writer import OWNER, Writer

from turnkeep.context.view import Line, View
from turnkeep.conversation.items import (
    Forgotten,
    Image,
    Item,
    Message,
    Note,
    Reasoning,
    Recalled,
    Text,
    ToolCall,
    assistant,
    user,
)
from turnkeep.conversation.log import Position
from turnkeep.errors import Conflict, ConversationNotFound, LeaseLost
from turnkeep.store.base import StoredItem
from turnkeep.store.ids import IdKind, ParsedId, make_id, parse_id

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]


async def forget(writer: Writer, item: str) -> tuple[str, ...]:
    return await ledger(writer).forget_item(OWNER, writer.id, item, lease=writer.lease, now=writer.now())


def shown(stored: StoredItem, kind: IdKind, place: int | None = None) -> str:
    """The id under which the wire shows a part of a stored item."""
    parsed = parse_id(stored.id)
    assert parsed is not None
    return make_id(ParsedId(kind=kind, key=parsed.key, tag=parsed.tag, place=place))


async def items(writer: Writer, turn: int) -> list[Item]:
    return [each.item for each in await writer.items(turn)]


def test_a_message_becomes_a_tombstone_and_its_turn_s_others_stay(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("My code is 4711.", "I see.")
        await writer.say("Next.")
        before = await writer.items(1)
        assert await forget(writer, before[0].id) == (before[0].id,)
        assert await items(writer, 1) == [Forgotten("user"), assistant("I see.")]
        after = await writer.items(1)
        assert [(each.id, each.at, each.created) for each in after] == [
            (each.id, each.at, each.created) for each in before
        ]
        assert await found(writer, "4711") == []
        assert await found(writer, "see") == [2]
        assert await writer.store.search_text(OWNER, "4711") == []
        assert (await writer.row()).updated == writer.clock
        assert await forget(writer, before[0].id) == ()


def test_text_goes_and_the_calls_beside_it_stay(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await use_tools(writer, "clock")
        (_, asking) = await writer.items(1)
        assert await found(writer, "see") == [2]
        assert await forget(writer, asking.id) == (asking.id,)
        assert (await items(writer, 1))[1] == Message(
            "assistant", (Reasoning("I look it up."), call("clock"))
        )
        assert await found(writer, "see") == []


def test_reasoning_goes_alone_and_nothing_else_was_made_of_it(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.finish(await writer.open("One."), assistant("Two.", "Hm."))
        (_, reply) = await writer.items(1)
        number = await save(writer, View(at=Position(0, 2), lines=(Line(text="Two.", turns=(1, 1)),)))
        assert await forget(writer, shown(reply, "rs")) == (shown(reply, "rs"),)
        assert await items(writer, 1) == [user("One."), assistant("Two.")]
        assert await found(writer, "two") == [2]
        assert (await load(writer, number)).lines
        with pytest.raises(ConversationNotFound):
            await forget(writer, shown(reply, "rs"))


def test_reasoning_does_not_stay_without_what_it_led_to(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.finish(await writer.open("One."), assistant("Two.", "Hm."))
        (_, reply) = await writer.items(1)
        assert await forget(writer, reply.id) == (shown(reply, "rs"), reply.id)
        assert await items(writer, 1) == [user("One."), Forgotten("assistant")]


@pytest.mark.parametrize("by", ["call", "result", "message"])
def test_calls_and_their_results_go_together(on_store: OnStore, by: str) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await use_tools(writer, "clock", "map")
        (_, asking), (answers, _) = await writer.items(1), await writer.items(2)
        again = await writer.finish(  # another answer to the same calls, on a branch
            await writer.open(Message("tool", (result("clock"), result("map"))), after=asking.at), "Or that."
        )
        (answers_again, _) = await writer.items(again.number)
        target = {"call": shown(asking, "fc", 0), "result": shown(answers, "fco", 1), "message": answers.id}[
            by
        ]
        gone = await forget(writer, target)
        assert set(gone) == {
            shown(asking, "fc", 0), shown(asking, "fc", 1), shown(answers, "fco", 0), shown(answers, "fco", 1),
            shown(answers_again, "fco", 0), shown(answers_again, "fco", 1),
        }  # fmt: skip
        assert (await items(writer, 1))[1] == Message(
            "assistant", (Reasoning("I look it up."), Text("Let me see."))
        )
        for turn in (2, again.number):
            assert (await items(writer, turn))[0] == Forgotten("tool")
        assert (await items(writer, 2))[1] == assistant("It is this.")
        for other in (shown(asking, "fc", 1), shown(asking, "fco", 0)):
            with pytest.raises(ConversationNotFound):
                await forget(writer, other)


def test_results_in_several_messages_and_across_a_fork_belong_to_the_calls(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        asking = Message("assistant", (call("clock"), call("map")))
        first = await writer.finish(await writer.open("What is it?"), asking)
        one = await writer.finish(await writer.open(Message("tool", (result("clock"),))))
        other = await writer.finish(
            await writer.open(Message("tool", (result("map"),)), after=one.tip), "So."
        )
        beside = await writer.finish(
            await writer.open(Message("tool", (result("map"),)), after=one.tip), "Or so."
        )
        (late, _) = await writer.items(beside.number)
        await forget(writer, shown(late, "fco", 0))
        assert await items(writer, first.number) == [user("What is it?"), Forgotten("assistant")]
        for turn in (one, other, beside):
            assert (await items(writer, turn.number))[0] == Forgotten("tool")
        assert (await items(writer, beside.number))[1] == assistant("Or so.")


def test_a_result_without_its_call_goes_alone(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        await writer.finish(await writer.open(Message("tool", (result("clock"),))), "So.")
        await writer.finish(
            await writer.open(Recalled(("user: One.",), (1,)), Message("tool", (result("map"),)))
        )
        first, second = (await writer.items(2))[0], (await writer.items(3))[1]
        assert await forget(writer, shown(first, "fco", 0)) == (shown(first, "fco", 0),)
        assert await forget(writer, shown(second, "fco", 0)) == (shown(second, "fco", 0),)
        assert await writer.log(Position(0, 2)) == ["One.", "Yes."]
        tool_first = await begin(writer, "named")
        await tool_first.finish(await tool_first.open(Message("tool", (result("clock"),))))
        (only,) = await tool_first.items(1)
        assert await forget(tool_first, only.id) == (shown(only, "fco", 0),)


def test_images_and_texts_of_a_message_are_one(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.finish(await writer.open(Message("user", (Text("This:"), Image("data:x"), Text("!")))))
        (stored,) = await writer.items(1)
        assert await forget(writer, stored.id) == (stored.id,)
        assert await items(writer, 1) == [Forgotten("user")]


def test_recalled_lines_and_notes_are_items_too(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        note = Note(op="remember", text="Tea.")
        await writer.finish(await writer.open(Recalled(("user: x",), (9,)), note, "Hi."))
        recalled, noted, _ = await writer.items(1)
        for each in (recalled, noted):
            assert await forget(writer, each.id) == (each.id,)
        assert await items(writer, 1) == [Forgotten("recalled"), Forgotten("note"), user("Hi.")]


def test_what_was_made_of_the_item_goes(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store, books = writer.store, ledger(writer)
        await writer.say("My code is 4711.", "I see.")
        await writer.say("Tea.")
        batch = await store.find_unembedded(OWNER, writer.id, "mini", limit=9)
        await store.save_vectors(OWNER, writer.id, "mini", batch, [b"x"] * 4)
        await store.save_sizes(OWNER, writer.id, "bpe", {Position(0, seq): seq for seq in range(1, 5)})
        lines = (Line(text="The code is 4711.", turns=(1, 1)), Line(text="Tea.", turns=(2, 2)))
        number = await save(writer, View(at=Position(0, 4), lines=lines))
        copies = Recalled(("user: My code is 4711.", "user: Tea."), (1, 2))
        await writer.finish(await writer.open(copies, Note(op="remember", text="4711", turn=1), "Hi."))
        made = await books.save_response(OWNER, make_row(writer, turn=1))
        await books.save_events(OWNER, made.id, [(0, "I see.")])
        await books.save_digests(OWNER, writer.id, [(bytes([turn]) * 16, turn) for turn in (1, 2)])
        (item, reply) = await writer.items(1)
        await books.save_alias(OWNER, "msg_a", item.id)
        await books.save_alias(OWNER, "msg_b", reply.id)
        await books.claim_idempotency(OWNER, "k", b"r", now=1)
        await books.settle_idempotency(OWNER, "k", response=made.id, state="done")
        await forget(writer, "msg_a")
        tip = (await writer.row()).tip
        vectors = await store.load_vectors(OWNER, writer.id, "mini", after=0, limit=9)
        assert [each.at.seq for each in vectors] == [2, 3, 4]
        assert await store.load_sizes(OWNER, writer.id, "bpe", tip=tip) == {
            Position(0, seq): seq for seq in (2, 3, 4)
        }
        assert (await load(writer, number)).lines == lines[1:]
        assert (await items(writer, 3))[:2] == [Recalled(("user: Tea.",), (2,)), Forgotten("note")]
        assert await books.load_events(OWNER, made.id) == []
        assert not await books.save_events(OWNER, made.id, [(0, "I see.")])  # nor are they kept from now on
        assert await books.load_events(OWNER, made.id) == []
        left = await books.load_response(OWNER, made.id)  # its other items can still be seen
        assert replace(left, head=made.head) == made
        assert await books.find_digests(OWNER, [bytes([turn]) * 16 for turn in (1, 2)]) is None
        assert await books.find_id(OWNER, "msg_a") is None
        assert await books.find_id(OWNER, "msg_b") == reply.id
        assert (await store.stats()).tables["idempotency"] == 0


def test_the_newest_receipt_says_so(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        for text in ("One.", "Two."):
            turn = await writer.open(text)
            await store.finish_turn(
                OWNER, writer.id, turn.number, state="done", items=[assistant("Yes.")],
                receipt={"notices": [text], "window": 512}, lease=writer.lease, now=writer.now(),
            )  # fmt: skip
        await forget(writer, (await writer.items(1))[0].id)
        assert await store.load_receipt(OWNER, writer.id, 1) == {"window": 512}
        newest = await store.load_receipt(OWNER, writer.id, 2)
        assert newest == {"notices": ["Two."], "window": 512, "forgotten": [1]}


def test_what_cannot_be_forgotten_is_refused_and_nothing_changes(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        first, _ = await use_tools(writer, "clock")
        (_, asking) = await writer.items(1)
        after = await writer.open(Message("tool", (result("clock"),)), after=first.tip)
        with pytest.raises(Conflict, match=f"Turn {after.number} is still being answered"):
            await forget(writer, shown(asking, "fc", 0))  # its results are in an open turn
        (said, _) = await writer.items(1)
        with pytest.raises(ConversationNotFound):
            await books.forget_item("eve", writer.id, said.id, lease=writer.lease, now=1)
        with pytest.raises(ConversationNotFound):
            await forget(writer, "msg_123")
        await writer.overtaken()
        with pytest.raises(LeaseLost):
            await forget(writer, said.id)
        kept = (await items(writer, 1))[1]
        assert isinstance(kept, Message)
        assert any(isinstance(part, ToolCall) for part in kept.parts)
        assert (await items(writer, 1))[0] == user("What is it?")
