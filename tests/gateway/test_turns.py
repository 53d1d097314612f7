"""Turns of a gateway: kept or not, in their order, stopped when nobody listens, explained."""

import asyncio
import contextlib
import itertools
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeep.conversation.items import Message, ToolCall, ToolResult, assistant, user
from turnkeep.conversation.log import START
from turnkeep.engine.base import Progress, ReasoningDelta, ToolCallDelta
from turnkeep.errors import (
    ContextOverflow,
    ConversationNotFound,
    EngineBusy,
    EngineProtocolError,
    EngineUnreachable,
    QueueFull,
    TurnkeepError,
)
from turnkeep.gateway.engines import EnginePool
from turnkeep.gateway.turns import Ask, Ended, Turns, Unstored
from turnkeep.prompt import Options
from turnkeep.testing import EphemeralStore, ScriptedEngine
from turnkeep.turn import Calling, Finished, Piece, Reading, Said, Thought


class Slotted(ScriptedEngine):
    """An engine that says how many requests it works on at a time, as llama.cpp does."""

    slots = 1

    async def probe(self, *, refresh=False):
        if not hasattr(self, "_found"):
            self._found = replace(await super().probe(), kind="llama.cpp", slots=self.slots)
        return self._found


class Room:
    """A gateway's turns with one engine, and one conversation."""

    def __init__(self, engine, **options):
        self.engine, self.store = engine, options.pop("store", None) or EphemeralStore()
        self.pool = EnginePool([engine], waiting=options.pop("waiting", 8))
        self.ended: list[Ended] = []
        self.turns = Turns(self.store, self.pool, watch=self.ended.append, **options)
        self.conversation = ""

    async def make(self, owner="local"):
        row = await self.store.create_conversation(owner, None, now=1.0)
        self.conversation = self.conversation or row.id
        return row.id

    def ask(self, text, conversation=None, **changes):
        async def say(row):
            return [user(text)], row.tip

        asked = {
            "owner": "local",
            "conversation": conversation or self.conversation,
            "say": say,
            "options": Options(max_tokens=40),
        }
        return Ask(**{**asked, **changes})

    def unstored(self, *texts, **changes):
        asked = {"owner": "local", "items": [user(text) for text in texts], "options": Options(max_tokens=40)}
        return Unstored(**{**asked, **changes})

    async def state(self, turn=1):
        return (await self.store.load_turn("local", self.conversation, turn)).state

    async def tip(self):
        return (await self.store.load_conversation("local", self.conversation)).tip


@asynccontextmanager
async def opened(engine, **options):
    room = Room(engine, **options)
    await room.pool.open()
    await room.make()
    try:
        yield room
    finally:
        await room.turns.close()
        await room.pool.close()
        await room.store.close()


def run(engine, script, **options):
    async def main():
        async with opened(engine, **options) as room:
            return await script(room)

    return asyncio.run(main())


async def until(condition):
    """Let the loop run until something holds."""
    while not condition():
        await asyncio.sleep(0)


# -- turns that are kept --------------------------------------------------------------------------


def test_a_turn_is_kept_and_the_next_one_extends_its_prompt():
    engine = ScriptedEngine(["Hello.", "Ana."])

    async def script(room):
        first = await room.turns.start(room.ask("I am Ana.")).reply()
        running = room.turns.start(room.ask("Who am I?"))
        return first, await running.reply(), running.receipt(await running.reply())

    first, second, receipt = run(engine, script)
    assert (first.text, second.text) == ("Hello.", "Ana.")
    assert [m["content"] for m in engine.requests[1].messages] == ["I am Ana.", "Hello.", "Who am I?"]
    assert (receipt["turn"], receipt["model"]) == (2, "script")
    assert receipt["reused_tokens"] > 0
    assert receipt["prompt_tokens"] == receipt["read_tokens"] + receipt["reused_tokens"]
    assert "moved" not in receipt


def test_events_come_as_they_happen_and_the_finished_turn_last():
    steps: list[Any] = [
        Progress(total=9, cached=0, processed=9),
        ReasoningDelta("hm"),
        "Yes",
        ToolCallDelta(index=0, call_id="c1", name="f"),
        ToolCallDelta(index=0, arguments="{}"),
    ]

    async def script(room):
        return [event async for event in room.turns.start(room.ask("Go")).events()]

    *events, finished = run(ScriptedEngine([steps]), script)
    assert events == [
        Reading(total=9, cached=0, processed=9),
        Thought("hm"),
        Piece("Yes"),
        Calling(index=0, call_id="c1", name="f"),
        Calling(index=0, arguments="{}"),
    ]
    assert isinstance(finished, Finished)
    assert finished.reply.state == "done"


def test_what_came_together_is_read_together():
    async def script(room):
        running = room.turns.start(room.ask("Go"))
        await running.reply()
        return [batch async for batch in running.batches()]

    (batch,) = run(ScriptedEngine([["a", "b", "c"]]), script)
    assert [type(event) for event in batch] == [Piece, Piece, Piece, Finished]


def test_the_message_is_durable_before_the_engine_is_called():
    engine = ScriptedEngine()

    async def script(room):
        seen = []

        async def on_begun(turn):
            items = await room.store.load_turn_items("local", room.conversation, turn.number)
            seen.append((turn.number, items[0].item.text, len(engine.requests)))

        running = room.turns.start(room.ask("Hi", on_begun=on_begun))
        await running.reply()
        return seen, running.turn

    assert run(engine, script) == ([(1, "Hi", 0)], 1)


def test_instructions_are_those_of_the_request():
    engine = ScriptedEngine()

    async def script(room):
        for instructions in ("Be kind.", "Be kind.", "Be brief.", None):
            await room.turns.start(room.ask("Hi", instructions=instructions)).reply()
        await room.turns.start(room.ask("Hi", instructions="Be kind.")).reply()
        return await room.turns.start(room.ask("Hi", inherit=True)).reply()

    run(engine, script)
    systems = [
        request.messages[0]["content"] if request.messages[0]["role"] == "system" else None
        for request in engine.requests
    ]
    assert systems == ["Be kind.", "Be kind.", "Be brief.", None, "Be kind.", "Be kind."]


def test_instructions_that_hold_what_no_text_can_do_not_go_round_for_ever():
    async def script(room):
        return await room.turns.start(room.ask("Hi", instructions="half \ud800 a pair")).reply()

    assert run(ScriptedEngine(), script).state == "done"


def test_other_instructions_are_noticed_though_another_program_gave_them():
    engine = ScriptedEngine()

    async def script(room):
        await room.turns.start(room.ask("Hi", instructions="Be kind.")).reply()
        await room.store.save_instructions("local", room.conversation, "Be rude.", now=2.0)
        await room.turns.start(room.ask("Hi", instructions="Be kind.")).reply()

    run(engine, script)
    assert [request.messages[0]["content"] for request in engine.requests] == ["Be kind."] * 2


def test_what_is_known_to_be_said_takes_two_calls_to_the_store():
    calls = []

    class Counting(EphemeralStore):
        async def _run(self, transaction, work):
            calls.append(transaction.__name__)
            return await super()._run(transaction, work)

    async def script(room):
        for text in ("One", "Two", "Three"):
            calls.clear()
            asked = room.ask("", say=Said([user(text)]), instructions="Be kind.")
            await room.turns.start(asked).reply()
            await room.turns.idle()

    run(ScriptedEngine(), script, store=Counting(), upkeep=False)
    assert calls == ["writing", "writing"]


def test_what_is_said_behind_an_earlier_item_makes_a_branch():
    engine = ScriptedEngine()

    async def script(room):
        await room.turns.start(room.ask("", say=Said([user("One")]))).reply()
        middle = await room.tip()
        await room.turns.start(room.ask("", say=Said([user("Two")]))).reply()
        await room.turns.start(room.ask("", say=Said([user("Three")], middle))).reply()

    run(engine, script)
    assert [message["content"] for message in engine.requests[2].messages] == ["One", "ok", "Three"]


def test_turns_of_one_conversation_follow_one_another_in_the_order_of_asking():
    gate = asyncio.Event()
    engine = ScriptedEngine([["one", gate], "two", "three"])

    async def script(room):
        runnings = [room.turns.start(room.ask(text)) for text in ("1", "2", "3")]
        await until(lambda: engine.requests)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(engine.requests) == 1
        gate.set()
        return [(await running.reply()).text for running in runnings], [each.turn for each in runnings]

    assert run(engine, script) == (["one", "two", "three"], [1, 2, 3])
    assert len(engine.requests[2].messages) == 5


def test_a_reader_that_leaves_stops_the_engine_and_what_was_said_is_kept():
    engine = ScriptedEngine([["It is", asyncio.Event()]])

    async def script(room):
        async with contextlib.aclosing(room.turns.start(room.ask("Go")).events()) as events:
            async for event in events:
                assert event == Piece("It is")
                break
        items = await room.store.load_turn_items("local", room.conversation, 1)
        return await room.state(), items[-1].item.text

    assert run(engine, script) == ("cut_off", "It is")
    assert engine.stopped == 1


def test_a_caller_that_is_cancelled_stops_the_engine():
    engine = ScriptedEngine([["It is", asyncio.Event()]])

    async def script(room):
        waiting = asyncio.ensure_future(room.turns.start(room.ask("Go")).reply())
        await until(lambda: engine.requests)
        waiting.cancel()
        await asyncio.wait({waiting})
        return waiting.cancelled(), await room.state()

    assert run(engine, script) == (True, "cut_off")


def test_one_who_leaves_before_the_turn_begins_leaves_nothing_behind():
    gate = asyncio.Event()
    engine = ScriptedEngine([["one", gate]])

    async def script(room):
        first = room.turns.start(room.ask("1"))
        second = room.turns.start(room.ask("2"))
        await until(lambda: engine.requests)
        await second.stop()
        with pytest.raises(EngineBusy):
            await second.reply()
        gate.set()
        await first.reply()
        return (await room.store.load_conversation("local", room.conversation)).turns

    assert run(engine, script) == 1


def test_a_turn_that_waits_for_the_engine_can_be_stopped():
    gate = asyncio.Event()
    engine = Slotted([["one", gate], "three"])

    async def script(room):
        first = room.turns.start(room.ask("1"))
        await until(lambda: engine.requests)
        other = await room.make()
        second = room.turns.start(room.ask("2", other))
        await until(lambda: second.turn)
        await second.stop()
        assert (await second.reply()).state == "cut_off"
        gate.set()
        await first.reply()
        return (await room.turns.start(room.ask("3")).reply()).text

    assert run(engine, script) == "three"
    assert len(engine.requests) == 2


def test_a_kept_turn_goes_on_without_a_reader():
    gate = asyncio.Event()
    engine = ScriptedEngine([["It is", gate, " so."]])

    async def script(room):
        running = room.turns.start(room.ask("Go"))
        room.turns.keep(running)
        async for _ in running.events():
            break
        gate.set()
        await room.turns.idle()
        return (await running.reply()).text, await room.state()

    assert run(engine, script) == ("It is so.", "done")


def test_no_more_turns_are_kept_than_may_be():
    async def script(room):
        room.turns.keep(room.turns.start(room.ask("1")))
        with pytest.raises(QueueFull):
            room.turns.keep(room.turns.start(room.ask("2")))

    run(ScriptedEngine([[asyncio.Event()]]), script, most_kept=1)


def test_closing_stops_what_is_under_way_and_keeps_what_was_said():
    engine = ScriptedEngine([["It is", asyncio.Event()]])

    async def script(room):
        running = room.turns.start(room.ask("Go"))
        room.turns.keep(running)
        waiting = room.turns.start(room.ask("Then"))
        await until(lambda: engine.requests)
        await room.turns.close()
        with pytest.raises(EngineBusy, match="closing"):
            room.turns.start(room.ask("Late"))
        with pytest.raises(EngineBusy):
            await waiting.reply()
        return (await running.reply()).text, await room.state(), room.turns.live

    assert run(engine, script) == ("It is", "cut_off", 0)


def test_closing_may_give_replies_some_time():
    gate = asyncio.Event()
    engine = ScriptedEngine([["It is", gate, " so."]])

    async def script(room):
        running = room.turns.start(room.ask("Go"))
        await until(lambda: engine.requests)
        closing = asyncio.ensure_future(room.turns.close(grace_seconds=30))
        gate.set()
        await closing
        return (await running.reply()).text

    assert run(engine, script) == "It is so."


def test_an_error_says_whether_an_engine_had_begun_the_turn():
    engine = ScriptedEngine([["half", EngineProtocolError("broken")], [EngineUnreachable("away")]])

    async def script(room):
        errors = []
        for text in ("1", "2"):
            with pytest.raises(TurnkeepError) as raised:
                await room.turns.start(room.ask(text)).reply()
            errors.append((type(raised.value), raised.value.begun))
        return errors, [await room.state(1), await room.state(2)], [each.outcome for each in room.ended]

    errors, states, outcomes = run(engine, script)
    assert errors == [(EngineProtocolError, True), (EngineUnreachable, False)]
    assert states == ["failed", "failed"]
    assert outcomes == ["failed", "failed"]


def test_a_conversation_that_is_not_there_is_said_and_nothing_was_begun():
    async def script(room):
        with pytest.raises(ConversationNotFound) as raised:
            await room.turns.start(room.ask("Hi", owner="somebody else")).reply()
        return raised.value.begun, [each.outcome for each in room.ended]

    assert run(ScriptedEngine(), script) == (False, ["refused"])


def test_a_full_queue_refuses_before_anything_is_kept():
    engine = Slotted([["one", asyncio.Event()]])

    async def script(room):
        room.turns.start(room.ask("1"))
        room.turns.start(room.ask("2"))
        with pytest.raises(QueueFull) as refused:
            room.turns.start(room.ask("3"))
        with pytest.raises(QueueFull):
            room.turns.start_unstored(room.unstored("4"))
        await until(lambda: engine.requests)
        turns = (await room.store.load_conversation("local", room.conversation)).turns
        return refused.value.retry_after, turns

    retry_after, turns = run(engine, script, waiting=1)
    assert retry_after >= 1
    assert turns == 1


def test_owners_take_turns_at_the_engine():
    gate = asyncio.Event()
    engine = Slotted(lambda request: ["x", gate] if len(engine.requests) == 1 else "x")

    async def script(room):
        mine = [await room.make() for _ in range(3)]
        theirs = await room.make("key:1")
        for n, conversation in enumerate(mine):
            room.turns.start(room.ask(f"mine {n}", conversation))
        room.turns.start(room.ask("theirs", theirs, owner="key:1"))
        await until(lambda: room.pool.members[0].queue.line.waiting == 3)
        gate.set()
        await room.turns.idle()

    run(engine, script, upkeep=False)
    said = [request.messages[-1]["content"] for request in engine.requests]
    assert said == ["mine 0", "theirs", "mine 1", "mine 2"]


def test_requests_that_share_the_slots_pool_stay_within_it():
    """Four slots that hold 1,024 tokens together; each request plans with some 40, and 500 for the reply."""

    class Pooled(Slotted):
        slots = 4
        running = most = 0

        async def stream(self, request):
            Pooled.running += request.tokens
            Pooled.most = max(Pooled.most, Pooled.running)
            try:
                await asyncio.sleep(0.01)
                async for delta in super().stream(request):
                    yield delta
            finally:
                Pooled.running -= request.tokens

    async def script(room):
        options = Options(max_tokens=300)
        runnings = [room.turns.start(room.ask("Hi", await room.make(), options=options)) for _ in range(6)]
        return [(await running.reply()).state for running in runnings]

    assert run(Pooled(window=1_024), script, upkeep=False) == ["done"] * 6
    assert 600 < Pooled.most <= 1_024


class Dawdling(Slotted):
    """Two slots, and replies that take their time, or fail."""

    slots = 2

    async def stream(self, request):
        for _ in range(len(self.requests) % 7):
            await asyncio.sleep(0)
        async for delta in super().stream(request):
            yield delta
            await asyncio.sleep(0)


LEAVING = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.one_of(st.none(), st.integers(0, 40))), max_size=14
)


@given(LEAVING)
@settings(max_examples=25)
def test_whoever_leaves_and_whenever_nothing_stays_behind(leaving):
    """Turns of four conversations and unstored ones, left after so many steps of the loop or not at all."""
    answers: Any = itertools.cycle([["a", "b", "c"], ["half", EngineProtocolError("broken")], "ok"])
    engine = Dawdling(lambda _: next(answers), window=1_024)

    async def script(room):
        names = [await room.make() for _ in range(4)]
        runnings = [
            room.turns.start(room.ask("Hi", names[which], owner="local"))
            if stored
            else room.turns.start_unstored(room.unstored("Hi", owner=f"key:{which}"))
            for which, stored, _ in leaving
        ]

        async def leave(running, steps):
            for _ in range(steps):
                await asyncio.sleep(0)
            await running.stop()

        await asyncio.gather(
            *(
                leave(running, steps)
                for running, (_, _, steps) in zip(runnings, leaving, strict=True)
                if steps is not None
            )
        )
        await room.turns.idle()
        member = room.pool.members[0]
        assert (room.turns.live, member.queue.busy, member.queue.running) == (0, False, 0)
        assert all(slot.taken == 0 for slot in member.slots._slots)
        for name in names:
            for number in range(1, (await room.store.load_conversation("local", name)).turns + 1):
                assert (await room.store.load_turn("local", name, number)).state != "open"
        assert await room.store.held_leases("conversation:", now=time.time()) == []
        return (await room.turns.start(room.ask("Still there?")).reply()).state

    with contextlib.suppress(EngineProtocolError):
        assert run(engine, script, waiting=64) == "done"


# -- input that does not fit ----------------------------------------------------------------------


LONG = "word " * 700


def test_input_that_does_not_fit_alone_is_refused_before_anything_is_kept():
    async def script(room):
        with pytest.raises(ContextOverflow, match="truncation") as refused:
            await room.turns.start(room.ask(LONG)).reply()
        return refused.value, (await room.store.load_conversation("local", room.conversation)).turns

    error, turns = run(ScriptedEngine(window=512), script)
    assert (error.status, error.code, error.begun, turns) == (400, "context_length_exceeded", False, 0)


def test_with_truncation_the_oldest_items_of_the_input_are_left_out_and_the_receipt_says_so():
    engine = ScriptedEngine(window=512)

    async def script(room):
        async def say(row):
            return [user(LONG), assistant("I see."), user("What did I say?")], row.tip

        running = room.turns.start(room.ask("", say=say, truncation="auto"))
        receipt = running.receipt(await running.reply())
        row = await room.store.load_conversation("local", room.conversation)
        log = await room.store.load_log("local", room.conversation, tip=row.tip, limit=9)
        return receipt, [stored.item.text for stored in log]

    receipt, kept = run(engine, script)
    assert receipt["input_items_left_out"] == 2
    assert LONG not in str(engine.requests[0].messages)
    assert kept[:3] == [LONG, "I see.", "What did I say?"]  # nothing that was said is lost


def test_a_last_item_that_does_not_fit_is_refused_with_truncation_too():
    async def script(room):
        with pytest.raises(ContextOverflow, match="shorten"):
            await room.turns.start(room.ask(LONG, truncation="auto")).reply()

    run(ScriptedEngine(window=512), script)


def test_results_are_not_parted_from_their_calls_by_truncation():
    engine = ScriptedEngine(window=512)
    call = Message("assistant", (ToolCall(call_id="c1", name="f", arguments="{}"),))
    result = Message("tool", (ToolResult(call_id="c1", text="42 " * 150),))

    async def script(room):
        items = [user("Use it." + "word " * 400), call, result, user("So?")]
        return await room.turns.start_unstored(room.unstored(items=items, truncation="auto")).reply()

    run(engine, script)
    assert [message["role"] for message in engine.requests[0].messages] == ["user"]


# -- turns of which nothing is kept ---------------------------------------------------------------


class Untouched(EphemeralStore):
    """A store that nobody may ask anything."""

    forbidden = False

    async def _read(self, *args, **kwargs):
        assert not self.forbidden, "the database was asked"
        return await super()._read(*args, **kwargs)

    _write = _note = _read


def test_an_unstored_turn_that_fits_asks_no_database():
    engine = ScriptedEngine(["Yes."])

    async def script(room):
        room.store.forbidden = True
        running = room.turns.start_unstored(room.unstored("Is it?", instructions="Be kind."))
        reply = await running.reply()
        room.store.forbidden = False
        return reply, running.receipt(reply), running.turn

    reply, receipt, turn = run(engine, script, store=Untouched())
    assert (reply.text, reply.turn, turn) == ("Yes.", 0, None)
    assert engine.requests[0].messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Is it?"},
    ]
    assert receipt["prompt_tokens"] > 0
    assert not {"turn", "conversation"} & receipt.keys()


@pytest.mark.parametrize("counts", [True, False])
def test_an_unstored_history_that_does_not_fit_is_refused_or_shortened(counts):
    engine = ScriptedEngine(window=512, counts=counts)
    texts = [f"{n} {'word ' * 50}" for n in range(20)]

    async def script(room):
        items = [(user if n % 2 == 0 else assistant)(text) for n, text in enumerate([*texts, "So?"])]
        with pytest.raises(ContextOverflow):
            await room.turns.start_unstored(room.unstored(items=items)).reply()
        running = room.turns.start_unstored(room.unstored(items=items, truncation="auto"))
        return running.receipt(await running.reply())

    receipt = run(engine, script)
    assert 0 < receipt["input_items_left_out"] < 20
    assert engine.requests[-1].messages[-1]["content"] == "So?"


def test_an_unstored_turn_reads_a_chain_and_leaves_it_as_it_was():
    engine = ScriptedEngine()

    async def script(room):
        await room.turns.start(room.ask("I am Ana.", instructions="Be kind.")).reply()
        base = (room.conversation, await room.tip())
        before = await room.store.stats()
        reply = await room.turns.start_unstored(room.unstored("Who am I?", base=base)).reply()
        after = await room.store.stats()
        changed = {name for name in after.tables if before.tables[name] != after.tables[name]}
        return reply, changed, base[1] == await room.tip()

    _, changed, same_tip = run(engine, script, upkeep=False)
    assert engine.requests[1].messages == [
        {"role": "user", "content": "I am Ana."},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "Who am I?"},
    ]
    assert changed <= {"size", "tokenizer"}, "more than sizes of what was there before"
    assert same_tip


def test_an_unstored_turn_from_the_middle_of_a_chain_reads_no_further():
    engine = ScriptedEngine()

    async def script(room):
        await room.turns.start(room.ask("One")).reply()
        middle = await room.tip()
        await room.turns.start(room.ask("Two")).reply()
        await room.turns.start_unstored(room.unstored("Three", base=(room.conversation, middle))).reply()
        await room.turns.start_unstored(room.unstored("Four", base=(room.conversation, START))).reply()

    run(engine, script)
    assert [len(request.messages) for request in engine.requests] == [1, 3, 3, 1]


def test_somebody_elses_chain_cannot_be_read():
    async def script(room):
        await room.turns.start(room.ask("One")).reply()
        other = room.unstored("Two", owner="key:1", base=(room.conversation, await room.tip()))
        with pytest.raises(ConversationNotFound):
            await room.turns.start_unstored(other).reply()

    run(ScriptedEngine(), script)


def test_an_unstored_turn_can_be_left_too():
    engine = ScriptedEngine([["It is", asyncio.Event()]])

    async def script(room):
        running = room.turns.start_unstored(room.unstored("Go"))
        async with contextlib.aclosing(running.events()) as events:
            async for _ in events:
                break
        return await running.reply()

    reply = run(engine, script)
    assert (reply.text, reply.state, reply.finish_reason) == ("It is", "cut_off", "cancelled")
    assert engine.stopped == 1


def test_max_tokens_minus_one_is_the_room_that_is_left():
    engine = ScriptedEngine(window=512)

    async def script(room):
        await room.turns.start_unstored(room.unstored("Hi", options=Options(max_tokens=-1))).reply()
        await room.turns.start_unstored(room.unstored("Hi", options=Options(max_tokens=9_999))).reply()

    run(engine, script)
    assert all(0 < (request.max_tokens or 0) < 512 for request in engine.requests)


def test_an_engine_whose_window_is_smaller_than_it_says_is_asked_again_with_less():
    engine: Any = ScriptedEngine(window=512, told_window=4_096, counts=False)

    async def probe(*, refresh=False):
        return replace(engine._info, window=512 if engine.requests else 4_096)

    engine.probe = probe
    items = [(user if n % 2 == 0 else assistant)("word " * 60) for n in range(21)]

    async def script(room):
        return await room.turns.start_unstored(room.unstored(items=items, truncation="auto")).reply()

    assert run(engine, script).state == "done"
    assert len(engine.requests) == 2


# -- counting, compacting, holding ----------------------------------------------------------------


def test_the_tokens_of_a_request_are_counted_without_sending_it():
    engine = ScriptedEngine()

    async def script(room):
        await room.turns.start(room.ask("I am Ana.")).reply()
        alone = await room.turns.count(room.unstored("Who am I?"))
        behind = await room.turns.count(
            room.unstored("Who am I?", base=(room.conversation, await room.tip()))
        )
        reply = await room.turns.start(room.ask("Who am I?")).reply()
        return alone, behind, reply.usage.prompt_tokens

    alone, behind, read = run(engine, script)
    assert alone < behind == read
    assert len(engine.requests) == 2


def test_an_engine_that_cannot_count_gets_an_estimate():
    async def script(room):
        return await room.turns.count(room.unstored("Who am I?"))

    assert 3 <= run(ScriptedEngine(counts=False), script) <= 60


def test_a_conversation_is_compacted_to_lines_that_it_bears_out():
    def answer(request):
        asked = request.messages[-1]["content"]
        return "- Ana likes green tea.\n- Eve is 99." if "summar" in asked.lower() else "I see."

    async def script(room):
        await room.turns.start(room.ask("Ana likes green tea. Remember that Bob is 42.")).reply()
        digest = await room.turns.compact("local", room.conversation, await room.tip())
        return digest, (await room.store.load_conversation("local", room.conversation)).view

    digest, view = run(ScriptedEngine(answer), script)
    assert digest.lines == ("Ana likes green tea.",)
    assert any("42" in fact for fact in digest.facts)
    assert view is None


def test_what_no_summary_stands_for_is_quoted():
    async def script(room):
        await room.turns.start(room.ask("Ana likes green tea.")).reply()
        return (await room.turns.compact("local", room.conversation, await room.tip())).lines

    assert run(ScriptedEngine(lambda _: "Nothing."), script) == (
        "The user said: Ana likes green tea.",
        "The assistant said: Nothing.",
    )


@pytest.mark.parametrize("alone", [False, True])
def test_a_conversation_is_held_between_turns(alone):
    engine = ScriptedEngine()

    async def script(room):
        async with room.turns.hold("local", room.conversation, alone=alone) as (desk, lease):
            running = room.turns.start(room.ask("Hi"))
            turn = await desk.store.begin_turn(
                "local", room.conversation, [user("imported")], after=START, lease=lease, now=1.0
            )
            await desk.store.finish_turn(
                "local", room.conversation, turn.number, state="done", items=[assistant("so")], lease=lease, now=1.0
            )  # fmt: skip
            assert not engine.requests
        return await running.reply()

    run(engine, script)
    assert [message["content"] for message in engine.requests[0].messages] == ["imported", "so", "Hi"]


def test_nothing_of_a_forgotten_conversation_stays_in_memory():
    async def script(room):
        await room.turns.start(room.ask("Hi")).reply()
        await room.turns.idle()
        before = len(room.turns.desks)
        room.turns.forget("local", room.conversation)
        return before, len(room.turns.desks)

    assert run(ScriptedEngine(), script) == (1, 0)


def test_more_conversations_at_once_than_are_kept_in_memory_are_all_answered():
    go = asyncio.Event()
    engine = ScriptedEngine([[go, "one"], [go, "two"], [go, "three"]])

    async def script(room):
        room.turns.desks._kept = 1
        names = [await room.make() for _ in range(3)]
        running = []
        for number, name in enumerate(names, 1):
            running.append(room.turns.start(room.ask("Hi", name)))
            await until(lambda asked=number: len(engine.requests) == asked)  # in use from now on
        go.set()
        return {(await each.reply()).text for each in running}, len(room.turns.desks)

    replies, most = run(engine, script)
    assert replies == {"one", "two", "three"}
    assert most == 3
