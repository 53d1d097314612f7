"""What every store does, on every kind of store."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.store.writer import OWNER, Writer, texts

from turnkeep.conversation.items import (
    Image,
    Item,
    Message,
    Note,
    Reasoning,
    Recalled,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    user,
)
from turnkeep.conversation.log import START, Position
from turnkeep.errors import (
    Conflict,
    ConversationError,
    ConversationNotFound,
    LeaseLost,
    StoreError,
    UsageError,
)
from turnkeep.store.ids import parse_key

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]


# -- conversations ------------------------------------------------------------------------------


def test_a_new_conversation_is_empty(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        row = await writer.store.create_conversation(OWNER, "ana", now=7.5)
        assert row == await writer.store.load_conversation(OWNER, row.id)
        assert (row.owner, row.name, row.tip, row.turns) == (OWNER, "ana", START, 0)
        assert (row.view, row.pending_view, row.instructions) == (None, None, None)
        assert (row.created, row.updated) == (7.5, 7.5)
        assert await writer.store.load_log(OWNER, row.id, tip=START) == []
        assert await writer.store.load_turns(OWNER, row.id, tip=START, last=3) == []


def test_a_conversation_is_found_by_name_then_by_id(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        ana = await writer.store.create_conversation(OWNER, "ana", now=1)
        other = await writer.store.create_conversation(OWNER, ana.id, now=2)  # named like the other's id
        assert await writer.store.find_conversation(OWNER, "ana") == ana
        assert await writer.store.find_conversation(OWNER, ana.id) == other
        assert await writer.store.find_conversation(OWNER, other.id) == other
        assert await writer.store.find_conversation(OWNER, "Ana") is None
        assert await writer.store.find_conversation("someone else", "ana") is None
        assert await writer.store.find_conversation("someone else", ana.id) is None


def test_a_name_is_unique_within_its_owner(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        await store.create_conversation(OWNER, "ana", now=1)
        await store.create_conversation("someone else", "ana", now=1)
        nameless = [await store.create_conversation(OWNER, None, now=1) for _ in range(2)]
        with pytest.raises(Conflict, match="'ana'"):
            await store.create_conversation(OWNER, "ana", now=1)
        with pytest.raises(Conflict, match="'ana'"):
            await store.rename_conversation(OWNER, nameless[0].id, "ana")
        await store.rename_conversation(OWNER, nameless[0].id, "ben")
        assert (await store.load_conversation(OWNER, nameless[0].id)).name == "ben"


def test_what_belongs_to_another_owner_is_not_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.say("Secret.")
        store, ours = writer.store, writer.id
        for call in (
            store.load_conversation("eve", ours),
            store.rename_conversation("eve", ours, "mine"),
            store.delete_conversation("eve", ours),
            store.load_log("eve", ours, tip=turn.tip),
            store.load_turn("eve", ours, 1),
            store.load_turn_items("eve", ours, 1),
            store.load_receipt("eve", ours, 1),
            store.find_view("eve", ours, tip=turn.tip, key=None),
            store.search_text("eve", "Secret", conversation=ours),
            store.begin_turn("eve", ours, [user("x")], after=START, lease=writer.lease, now=1),
        ):
            with pytest.raises(ConversationNotFound):
                await call
        assert await store.search_text("eve", "Secret") == []
        assert await store.list_conversations("eve") == []
        assert (await store.stats("eve")).items == 0


@pytest.mark.parametrize(
    "ours", ["", "ana", "conv_", "conv_0123", "msg_0123456789abcdef", "conv_" + "0" * 16]
)
def test_an_id_that_is_none_is_not_found(on_store: OnStore, ours: str) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        with pytest.raises(ConversationNotFound):
            await writer.store.load_conversation(OWNER, ours)


def test_conversations_are_listed_the_last_updated_first(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        rows = [await store.create_conversation("ana", str(n), now=n) for n in range(5)]
        lease = await store.take_lease("x", "x", now=1, seconds=9)
        assert lease is not None
        await store.begin_turn("ana", rows[1].id, [user("Hi.")], after=START, lease=lease, now=99)
        assert [row.name for row in await store.list_conversations("ana")] == ["1", "4", "3", "2", "0"]
        page = await store.list_conversations("ana", limit=2, offset=1)
        assert [row.name for row in page] == ["4", "3"]


def test_deleting_removes_all_that_belongs_to_a_conversation_and_nothing_else(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        other = await Writer.join(store, (await store.create_conversation(OWNER, None, now=1)).id, "other")
        for each in (writer, other):
            first = await each.say("One.")
            await each.say("Two.", after=START)
            await each.partial(await each.open("Three."), "Th")
            await store.save_view(OWNER, each.id, at=first.tip, key="k", body={}, now=1)
            await store.save_sizes(OWNER, each.id, "bpe", {first.tip: 3})
            await store.save_instructions(OWNER, each.id, "Be brief.", now=1)
        before = await store.stats()
        await store.delete_conversation(OWNER, writer.id)
        after = await store.stats()
        shared = {"encryption", "migration", "owner", "tokenizer", "value"}
        for table, rows in after.tables.items():
            assert rows == (before.tables[table] if table in shared else before.tables[table] / 2), table
        assert await other.log() == ["Two.", "Yes."]
        with pytest.raises(ConversationNotFound):
            await writer.row()


def test_instructions_are_numbered_and_equal_text_keeps_its_number(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        async def save(text: str) -> int:
            return await writer.store.save_instructions(OWNER, writer.id, text, now=1)

        assert [await save(text) for text in ("Be brief.", "Be brief.", "Be kind.")] == [1, 1, 2]
        assert (await writer.row()).instructions == 2
        assert await save("Be brief.") == 1
        assert (await writer.row()).instructions == 1
        assert await writer.store.load_instructions(OWNER, writer.id, 2) == "Be kind."
        with pytest.raises(ConversationNotFound):
            await writer.store.load_instructions(OWNER, writer.id, 3)


# -- leases -------------------------------------------------------------------------------------


def test_a_lease_has_one_holder_until_it_is_given_back_or_runs_out(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        first = await store.take_lease("s", "a", now=10, seconds=5)
        assert first is not None
        assert await store.take_lease("s", "b", now=14.9, seconds=5) is None
        second = await store.take_lease("s", "b", now=15, seconds=5)  # ran out
        assert second is not None
        await store.drop_lease(first)  # lost already: nothing happens
        assert await store.take_lease("s", "c", now=16, seconds=5) is None
        await store.drop_lease(second)
        third = await store.take_lease("s", "a", now=16, seconds=5)
        assert third is not None
        assert first.fence < second.fence < third.fence


def test_a_fence_is_not_used_twice_by_the_same_holder_either(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        first = await store.take_lease("s", "a", now=1, seconds=5)
        assert first is not None
        await store.drop_lease(first)
        second = await store.take_lease("s", "a", now=1, seconds=5)
        assert second is not None
        assert second.fence > first.fence
        with pytest.raises(LeaseLost):
            await store.renew_lease(first, now=2, seconds=5)


def test_a_lease_is_renewed_by_its_holder_only(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        mine = await store.take_lease("s", "a", now=10, seconds=5, note="here")
        assert mine is not None
        again = await store.take_lease("s", "a", now=12, seconds=5, note="here")
        assert again == replace(mine, expires=17)
        renewed = await store.renew_lease(mine, now=14, seconds=5)
        assert renewed == replace(mine, expires=19)
        theirs = await store.take_lease("s", "b", now=20, seconds=5)
        assert theirs is not None
        with pytest.raises(LeaseLost):
            await store.renew_lease(renewed, now=20, seconds=5)


def test_a_lease_that_ran_out_is_not_lost_until_somebody_takes_it(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        writer.clock = writer.lease.expires + 1000
        await writer.say("Slow.")
        assert await writer.log() == ["Slow.", "Yes."]


def test_held_leases_are_listed_by_prefix_and_note(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        for subject, note in (("turn:a", "x"), ("turn:b", "y"), ("turn%", "x"), ("upkeep:a", "x")):
            await store.take_lease(subject, "me", now=1, seconds=10, note=note)
        dropped = await store.take_lease("turn:c", "me", now=1, seconds=10, note="x")
        assert dropped is not None
        await store.drop_lease(dropped)
        held = await store.held_leases("turn:", now=5)
        assert [(lease.subject, lease.note, lease.expires) for lease in held] == [
            ("turn:a", "x", 11),
            ("turn:b", "y", 11),
        ]
        assert [lease.subject for lease in await store.held_leases("turn:", now=5, note="x")] == ["turn:a"]
        assert await store.held_leases("turn:", now=11) == []


# -- turns --------------------------------------------------------------------------------------


def test_a_finished_turn_moves_the_tip_and_stands_in_the_log(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        opened = await writer.open("My name is Ana.")
        assert (opened.state, opened.after, opened.first, opened.last) == ("open", START, 1, 1)
        assert (await writer.row()).tip == START
        turn = await writer.finish(opened, "Hello Ana.")
        assert (turn.number, turn.state, turn.tip) == (1, "done", Position(0, 2))
        assert turn.finished == writer.clock
        assert turn == await writer.store.load_turn(OWNER, writer.id, 1)
        row = await writer.row()
        assert (row.tip, row.turns, row.updated) == (Position(0, 2), 1, writer.clock)
        assert await writer.log() == ["My name is Ana.", "Hello Ana."]


ITEMS: list[Item] = [
    user("Hello.\nTwo lines, \"quotes\", \\ and a tab\t."),
    user(""),
    user("日本語, русский, 🙂, \u2028, \x00 and \x1b"),
    user("half an emoji \ud83d, and the other half \ude42 alone"),
    assistant("Yes.", reasoning="She asks\u2026"),
    Message("user", (Text("Look: "), Image("data:image/png;base64,AAAA", "low"), Image("http://x/y.png"))),
    Message("assistant", (ToolCall(call_id="c1", name="find", arguments='{"a": 1 }'),)),
    Message("tool", (ToolResult(call_id="c1", text="found"),)),
    Message("system", (Text("Be brief."),)),
    Message("developer", (Text("Be briefer."), Text("Still."))),
    Message("assistant", (Reasoning("Hm."),)),
    Message("assistant", ()),
    Recalled(("Ana said: \"I'm Ana.\"",), (3,)),
]  # fmt: skip


def test_items_come_back_as_they_were_said(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.open(*ITEMS)
        stored = await writer.items(turn.number)
        assert [each.item for each in stored] == ITEMS
        assert [each.at for each in stored] == [Position(0, seq) for seq in range(1, len(ITEMS) + 1)]
        assert {each.turn for each in stored} == {turn.number}
        assert {each.created for each in stored} == {writer.clock}


def test_ids_embed_the_key_of_their_conversation_and_differ(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.open(*["Hi."] * 20)
        ids = [each.id for each in await writer.items(turn.number)]
        assert len(set(ids)) == 20
        assert {parse_key(each_id) for each_id in ids} == {parse_key(writer.id)}
        assert all(each_id.startswith("msg_" + writer.id.removeprefix("conv_")) for each_id in ids)


def test_a_turn_takes_more_items_while_it_is_open(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.open("What is the time?")
        call: Item = Message("assistant", (ToolCall(call_id="c", name="clock", arguments="{}"),))
        result: Item = Message("tool", (ToolResult(call_id="c", text="noon"),))
        longer = await writer.store.append_items(
            OWNER, writer.id, turn.number, [call, result], lease=writer.lease, now=5
        )
        assert (longer.first, longer.last, longer.state) == (1, 3, "open")
        done = await writer.finish(turn, "Noon.")
        assert done.tip == Position(0, 4)
        assert [each.item for each in await writer.items(turn.number)][1:3] == [call, result]


def test_a_cut_off_reply_counts_when_something_was_said(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        first = await writer.finish(await writer.open("Count."), "One, two", state="cut_off")
        assert (await writer.row()).tip == first.tip == Position(0, 2)
        second = await writer.finish(await writer.open("Go on."), state="cut_off")
        assert second.state == "cut_off"
        assert (await writer.row()).tip == first.tip
        assert await writer.log() == ["Count.", "One, two"]


def test_a_failed_turn_is_kept_and_is_not_in_the_log(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        good = await writer.say("Hello.")
        failed = await writer.finish(await writer.open("Lost?"), "Half a", state="failed", error="It broke.")
        assert (failed.state, failed.error) == ("failed", "It broke.")
        assert (await writer.row()).tip == good.tip
        again = await writer.say("Still there?")
        assert again.after == good.tip
        assert again.branch != failed.branch
        assert await writer.log() == ["Hello.", "Yes.", "Still there?", "Yes."]
        assert texts(await writer.items(failed.number)) == ["Lost?", "Half a"]
        path = await writer.store.load_turns(OWNER, writer.id, tip=again.tip)
        assert [turn.number for turn in path] == [1, 3]


def test_a_closed_turn_stays_closed(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.say("Hello.")
        with pytest.raises(Conflict, match="Turn 1 is closed"):
            await writer.finish(turn, "Again.")
        with pytest.raises(Conflict):
            await writer.partial(turn, "Again")
        with pytest.raises(Conflict):
            await writer.store.append_items(OWNER, writer.id, 1, [user("x")], lease=writer.lease, now=1)
        assert await writer.log() == ["Hello.", "Yes."]


def test_a_turn_hangs_only_on_an_item_that_is_there(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("Hello.")
        for nowhere in (Position(0, 3), Position(1, 2), Position(1, 0), Position(0, -1)):
            with pytest.raises(ConversationError, match="no item"):
                await writer.open("Where?", after=nowhere)
            with pytest.raises(ConversationError, match="no item"):
                await writer.move(nowhere)
        with pytest.raises(UsageError):
            await writer.open()
        assert (await writer.row()).turns == 1


def test_nothing_hangs_on_a_turn_that_is_open(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        opened = await writer.open("Hello.")
        with pytest.raises(Conflict, match="Turn 1 is still being answered"):
            await writer.open("More.", after=opened.tip)


def test_a_second_answer_becomes_a_branch(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        first = await writer.say("One.", "1")
        second = await writer.say("Two.", "2")
        third = await writer.say("Three.", "3")
        edited = await writer.say("Two, I meant.", "II", after=second.after)
        assert (edited.branch, edited.after, edited.first) == (1, first.tip, 3)
        assert await writer.log() == ["One.", "1", "Two, I meant.", "II"]
        assert await writer.log(tip=third.tip) == ["One.", "1", "Two.", "2", "Three.", "3"]
        other_start = await writer.say("Zero.", "0", after=START)
        assert (other_start.branch, other_start.first) == (2, 1)
        assert await writer.log() == ["Zero.", "0"]


def test_undo_moves_the_tip_and_the_next_turn_forks(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        first = await writer.say("One.")
        second = await writer.say("Two.")
        await writer.move(first.tip)
        assert (await writer.row()).tip == first.tip
        assert await writer.log() == ["One.", "Yes."]
        third = await writer.say("Three.")
        assert third.branch != second.branch
        await writer.move(START)
        assert await writer.log() == []


def test_a_log_is_loaded_after_a_cut_or_its_newest_items_only(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for n in range(1, 5):
            await writer.say(str(n), f"reply {n}")
        fork = await writer.say("5", "reply 5", after=Position(0, 6))
        whole = await writer.log()
        assert whole == ["1", "reply 1", "2", "reply 2", "3", "reply 3", "5", "reply 5"]
        for after in range(-1, 10):
            assert await writer.log(after=after) == whole[max(0, after) :]
        for limit in range(1, 10):
            assert await writer.log(limit=limit) == whole[-limit:]
            assert await writer.log(after=6, limit=limit) == whole[6:][-limit:]
        assert await writer.log(limit=0) == []
        assert fork.number == 5


def test_the_items_of_one_kind_are_loaded_from_all_branches_of_a_path(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        notes = [Note(op="remember", text=str(n)) for n in range(3)]
        await writer.say("1")
        first = await writer.finish(await writer.open(notes[0]))
        await writer.finish(await writer.open(notes[1]))
        await writer.say("2", after=first.tip)
        last = await writer.finish(await writer.open(notes[2]))

        async def load(after: int = 0) -> list[Item]:
            found = await writer.store.load_log(OWNER, writer.id, tip=last.tip, after=after, kind="note")
            return [stored.item for stored in found]

        assert await load() == [notes[0], notes[2]]
        assert await load(first.tip.seq) == [notes[2]]


def test_turns_on_a_path_are_loaded_by_where_they_begin(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        async def numbers(after: int = 0, last: int | None = None) -> list[int]:
            tip = (await writer.row()).tip
            found = await writer.store.load_turns(OWNER, writer.id, tip=tip, after=after, last=last)
            return [turn.number for turn in found]

        await writer.finish(await writer.open(*["Long."] * 30), "Yes.")
        second = await writer.say("Two.")
        await writer.say("Abandoned.")
        await writer.say("Four.", after=second.tip)
        await writer.say("Five.")
        assert await numbers() == [1, 2, 4, 5]
        assert await numbers(after=second.first - 1) == [2, 4, 5]
        assert await numbers(after=second.first) == [4, 5]
        assert [await numbers(last=last) for last in (0, 1, 2, 3, 4, 9)] == [
            [],
            [5],
            [4, 5],
            [2, 4, 5],
            [1, 2, 4, 5],
            [1, 2, 4, 5],
        ]
        assert await numbers(after=second.first, last=9) == [4, 5]


def test_a_turn_that_is_not_there_is_not_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        for call in (
            store.load_turn(OWNER, writer.id, 1),
            store.load_turn_items(OWNER, writer.id, 1),
            store.load_receipt(OWNER, writer.id, 1),
            store.load_partial(OWNER, writer.id, 1),
        ):
            with pytest.raises(ConversationNotFound, match="no turn 1"):
                await call


def test_receipts_are_kept_with_their_turn(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.open("Hello.")
        assert await writer.store.load_receipt(OWNER, writer.id, turn.number) is None
        receipt = {"window": 4096, "verbatim": [[1, 3]], "notices": ["half an emoji: \ud83d"]}
        await writer.store.finish_turn(
            OWNER, writer.id, 1, state="done", receipt=receipt, lease=writer.lease, now=3
        )
        assert await writer.store.load_receipt(OWNER, writer.id, 1) == receipt


# -- processes that die, or come too late ---------------------------------------------------------


def test_pieces_of_a_reply_are_kept_until_the_reply_is(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.open("Count.")
        assert await writer.store.load_partial(OWNER, writer.id, 1) == ""
        for piece in ("One, ", "two, \ud83d", "\ude42"):
            await writer.partial(turn, piece)
        assert await writer.store.load_partial(OWNER, writer.id, 1) == "One, two, \ud83d\ude42"
        assert texts(await writer.items(1)) == ["Count."]
        await writer.finish(turn, "One, two, three.")
        assert await writer.store.load_partial(OWNER, writer.id, 1) == ""
        assert (await writer.store.stats()).tables["piece"] == 0


def test_an_open_turn_of_a_dead_process_is_settled_as_failed(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        good = await writer.say("Hello.")
        dead = await writer.open("Count.")
        await writer.partial(dead, "One, ")
        await writer.partial(dead, "two")
        survivor = await writer.overtaken()
        (settled,) = await survivor.settle()
        assert (settled.number, settled.state, settled.finished) == (2, "failed", survivor.clock)
        assert settled.error is not None
        assert texts(await survivor.items(2)) == ["Count.", "One, two"]
        assert (await survivor.items(2))[1].item == assistant("One, two")
        assert await survivor.store.load_partial(OWNER, writer.id, 2) == "One, two"
        assert (await survivor.row()).tip == good.tip
        assert await survivor.settle() == []
        await survivor.say("Again: count.", "One, two, three.")
        assert await survivor.log() == ["Hello.", "Yes.", "Again: count.", "One, two, three."]


def test_a_turn_that_died_before_its_reply_is_settled_without_one(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.open("Hello?")
        (settled,) = await (await writer.overtaken()).settle()
        assert (settled.first, settled.last) == (1, 1)
        assert await writer.store.load_partial(OWNER, writer.id, 1) == ""


def test_a_writer_that_was_overtaken_can_append_nothing(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.open("Hello.")
        await writer.overtaken()
        for call in (
            writer.open("More."),
            writer.partial(turn, "He"),
            writer.settle(),
            writer.move(START),
            writer.finish(turn),
            writer.store.append_items(OWNER, writer.id, 1, [user("x")], lease=writer.lease, now=1),
        ):
            with pytest.raises(LeaseLost):
                await call
        assert (await writer.store.stats()).items == 1
        assert (await writer.store.load_turn(OWNER, writer.id, 1)).state == "open"


def test_a_lease_given_back_is_no_right_to_write(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.store.drop_lease(writer.lease)
        with pytest.raises(LeaseLost):
            await writer.open("Hello.")


def test_a_reply_that_comes_too_late_is_kept_beside_the_tip(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        late = await writer.open("Hello.")
        await writer.overtaken()
        with pytest.raises(LeaseLost, match="as turn 1"):
            await writer.finish(late, "Hello to you.")
        kept = await writer.store.load_turn(OWNER, writer.id, 1)
        assert kept.state == "done"
        assert kept.error is not None
        assert texts(await writer.items(1)) == ["Hello.", "Hello to you."]
        assert (await writer.row()).tip == START


def test_a_reply_that_comes_after_its_turn_was_settled_is_a_second_answer(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        first = await writer.say("Hello.")
        recalled = Recalled(("a line",), (1,))
        late = await writer.open(recalled, "Count.", after=first.tip)
        await writer.partial(late, "One, ")
        survivor = await writer.overtaken()
        await survivor.settle()
        newer = await survivor.say("Are you there?")
        with pytest.raises(LeaseLost, match="as turn 4"):
            await writer.finish(late, "One, two.")
        kept = await survivor.store.load_turn(OWNER, writer.id, 4)
        assert (kept.state, kept.after) == ("done", first.tip)
        items = await survivor.items(4)
        assert [each.item for each in items] == [recalled, user("Count."), assistant("One, two.")]
        assert await survivor.log(tip=kept.tip) == texts(await survivor.items(1)) + texts(items)
        assert (await survivor.row()).tip == newer.tip
        assert (await survivor.store.load_turn(OWNER, writer.id, late.number)).state == "failed"
        assert len(await survivor.items(late.number)) == 3


# -- ancestry and views ---------------------------------------------------------------------------


def test_ancestors_are_found_across_branches(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for n in range(3):
            await writer.say(str(n))
        fork = await writer.say("other", after=Position(0, 4))

        async def leads(position: Position, tip: Position) -> bool:
            return await writer.store.is_ancestor(OWNER, writer.id, position, tip)

        assert [await leads(Position(0, seq), fork.tip) for seq in range(7)] == [True] * 5 + [False] * 2
        assert [await leads(Position(1, seq), fork.tip) for seq in range(4, 8)] == [False, True, True, False]
        assert not await leads(fork.tip, Position(0, 6))
        assert await leads(START, START)
        with pytest.raises(ConversationError, match="no branch 9"):
            await leads(Position(0, 3), Position(9, 8))


def test_the_newest_view_of_nothing_but_ancestors_is_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store, ours = writer.store, writer.id

        async def save(at: Position, key: str = "k") -> int:
            return (await store.save_view(OWNER, ours, at=at, key=key, body={"n": 1}, now=3)).number

        async def find(tip: Position, key: str | None = "k") -> int | None:
            found = await store.find_view(OWNER, ours, tip=tip, key=key)
            return None if found is None else found.number

        for n in range(4):
            await writer.say(str(n))
        assert await find(Position(0, 8)) is None
        assert await save(Position(0, 2)) == 1
        assert await save(Position(0, 6)) == 2
        assert await save(Position(0, 4), "other") == 3
        assert await find(Position(0, 8)) == 2
        assert await find(Position(0, 8), None) == 3
        assert await find(Position(0, 6)) == 2
        assert await find(Position(0, 5)) == 1
        fork = await writer.say("edited", after=Position(0, 4))
        assert await find(fork.tip) == 1
        assert await find(fork.tip, "other") == 3
        assert await find(fork.tip, "unknown") is None
        assert await save(fork.tip) == 4
        assert await find(fork.tip) == 4
        assert await find(Position(0, 8)) == 2
        assert await save(START) == 5
        assert await find(Position(0, 1)) == 5


def test_a_view_comes_back_as_it_was_saved(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.say("Hello.")
        body = {"lines": ["Ana said hello.", "half an emoji \ud83d"], "facts": [], "n": 1.5}
        view = await writer.store.save_view(OWNER, writer.id, at=turn.tip, key="a|b", body=body, now=3)
        assert (view.at, view.key, view.body, view.created) == (turn.tip, "a|b", body, 3)
        assert await writer.store.load_view(OWNER, writer.id, view.number) == view
        assert await writer.store.find_view(OWNER, writer.id, tip=turn.tip, key="a|b") == view
        with pytest.raises(ConversationNotFound, match="no view 9"):
            await writer.store.load_view(OWNER, writer.id, 9)


def test_of_two_that_move_the_view_the_second_does_not(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        async def point(expected: int | None, current: int | None, pending: int | None) -> bool:
            return await writer.store.point_view(
                OWNER, writer.id, expected=expected, current=current, pending=pending
            )

        assert await point(None, None, 1)
        assert await point(None, 1, None)
        assert not await point(None, 2, None)
        row = await writer.row()
        assert (row.view, row.pending_view) == (1, None)
        assert await point(1, 2, 3)
        row = await writer.row()
        assert (row.view, row.pending_view) == (2, 3)


# -- sizes, search, export, values ------------------------------------------------------------------


def test_counted_sizes_are_kept_by_tokenizer_and_path(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store, ours = writer.store, writer.id
        for n in range(3):
            await writer.say(str(n))
        fork = await writer.say("other", after=Position(0, 4))
        sizes = {Position(0, seq): seq * 10 for seq in range(1, 7)} | {Position(1, 5): 51, Position(1, 6): 61}
        await store.save_sizes(OWNER, ours, "bpe", sizes)
        await store.save_sizes(OWNER, ours, "bpe", {Position(0, 1): 999})  # kept already: stays
        await store.save_sizes(OWNER, ours, "other", {Position(0, 1): 7})
        await store.save_sizes(OWNER, ours, "other", {})
        loaded = await store.load_sizes(OWNER, ours, "bpe", tip=fork.tip, after=2)
        assert loaded == {Position(0, 3): 30, Position(0, 4): 40, Position(1, 5): 51, Position(1, 6): 61}
        assert (await store.load_sizes(OWNER, ours, "bpe", tip=Position(0, 6)))[Position(0, 1)] == 10
        assert await store.load_sizes(OWNER, ours, "other", tip=fork.tip) == {Position(0, 1): 7}
        assert await store.load_sizes(OWNER, ours, "unknown", tip=fork.tip) == {}


def test_search_folds_case_and_finds_the_newest_first(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        await writer.say("Die Straße ist lang.", "STRASSE!")
        await writer.say("ГОРОД 100%_\\", "город")
        other = await Writer.join(store, (await store.create_conversation(OWNER, "b", now=1)).id, "b")
        await other.finish(
            await other.open(Recalled(("straße",), (1,)), "Where?"), assistant("Strasse?", "straße")
        )

        async def find(text: str, conversation: str | None = None, limit: int = 20) -> list[tuple[int, str]]:
            hits = await store.search_text(OWNER, text, conversation=conversation, limit=limit)
            return [(hit.turn, hit.text) for hit in hits]

        assert await find("strasse") == [(1, "Strasse?"), (1, "STRASSE!"), (1, "Die Straße ist lang.")]
        assert await find("straße", limit=2) == [(1, "Strasse?"), (1, "STRASSE!")]
        assert await find("STRASSE", writer.id) == [(1, "STRASSE!"), (1, "Die Straße ist lang.")]
        assert await find("Город") == [(2, "город"), (2, "ГОРОД 100%_\\")]
        assert await find("0%_\\") == [(2, "ГОРОД 100%_\\")]
        assert await find("nothing") == []
        (hit,) = await store.search_text(OWNER, "where")
        assert (hit.conversation, hit.name, hit.turn, hit.role) == (other.id, "b", 1, "user")


def test_a_long_search_goes_to_the_end_in_slices(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("needle in the first turn")
        await writer.finish(await writer.open(*["hay"] * 1200), "needle in the last turn")
        for conversation in (None, writer.id):
            hits = await writer.store.search_text(OWNER, "NEEDLE", conversation=conversation)
            assert [hit.turn for hit in hits] == [2, 1]
            assert (
                len(await writer.store.search_text(OWNER, "hay", conversation=conversation, limit=700)) == 700
            )


def test_an_export_yields_every_turn_in_the_order_of_asking(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turns = [await writer.say(str(n), after=START if n % 3 == 0 else None) for n in range(70)]
        await writer.finish(await writer.open("bad"), state="failed", error="It broke.")
        exported = [pair async for pair in writer.store.export_items(OWNER, writer.id)]
        assert [turn for turn, _ in exported][:70] == turns
        assert [texts(items) for _, items in exported][:70] == [[str(n), "Yes."] for n in range(70)]
        assert (exported[70][0].state, texts(exported[70][1])) == ("failed", ["bad"])
        empty = await writer.store.create_conversation(OWNER, None, now=1)
        assert [pair async for pair in writer.store.export_items(OWNER, empty.id)] == []


def test_small_values_are_replaced(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        assert await writer.store.load_value("last") is None
        await writer.store.save_value("last", "a")
        await writer.store.save_value("last", "b")
        assert await writer.store.load_value("last") == "b"


def test_stats_count_rows_and_text(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("é", "ab")
        other = await writer.store.create_conversation("someone else", None, now=1)
        stats = await writer.store.stats()
        assert (stats.conversations, stats.turns, stats.items) == (2, 1, 2)
        assert stats.text_bytes == len('"é"'.encode()) + len('"ab"')
        assert stats.file_bytes >= 4096
        assert stats.index_bytes is None or stats.index_bytes >= 4096
        assert stats.tables["item"] == 2
        own = await writer.store.stats("someone else")
        assert (own.conversations, own.turns, own.items, own.text_bytes) == (1, 0, 0, 0)
        assert other.owner == "someone else"


# -- loops and the end ------------------------------------------------------------------------------


def test_calls_made_at_once_are_all_answered(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        rows = await asyncio.gather(
            *(writer.store.create_conversation("many", str(n), now=n) for n in range(50))
        )
        assert [row.name for row in rows] == [str(n) for n in range(50)]


def test_what_was_handed_in_is_done_although_nobody_waits_for_it(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        saving = asyncio.ensure_future(writer.store.save_value("key", "kept"))
        await asyncio.sleep(0)  # it is handed in now
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        assert await writer.store.load_value("key") == "kept"
        assert complaints == []


def test_a_closed_store_says_so(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.store.close()
        await writer.store.close()
        with pytest.raises(StoreError, match="closed"):
            await writer.row()
