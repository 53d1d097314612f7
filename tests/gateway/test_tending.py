"""Upkeep of many conversations: one at a time, after the turns, and never in their way."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.chats import asks_for_summary
from turnkeep.conversation.items import user
from turnkeep.engine.base import ToolCallDelta
from turnkeep.engine.connect import connect
from turnkeep.gateway.engines import EnginePool
from turnkeep.gateway.tending import MOST_OWING, Tender
from turnkeep.gateway.turns import Ask, Turns, Unstored
from turnkeep.prompt import Options
from turnkeep.testing import EphemeralStore, ScriptedEngine

TEXT = "Ana likes green tea. Bob is 42. " + "word " * 12


def talker(summary="- Ana likes green tea.\n- Bob is 42."):
    """Answers plainly, and requests for a summary with `summary`."""
    return lambda request: summary if asks_for_summary(request) else "I see."


class Room:
    """A gateway's turns on one engine."""

    def __init__(self, engine, store, **options):
        self.engine, self.store = engine, store
        self.steps: list[int] = []
        self.pool = EnginePool([engine])
        self.turns = Turns(store, self.pool, on_tended=lambda: self.steps.append(1), **options)
        self.tender = next(iter(self.turns.tenders.values()), None)

    async def make(self):
        return (await self.store.create_conversation("local", None, now=1.0)).id

    def start(self, conversation, text=TEXT, **options):
        async def say(row):
            return [user(text)], row.tip

        wanted = Options(**{"max_tokens": 40, **options})
        return self.turns.start(
            Ask(owner="local", conversation=conversation, say=say, options=wanted, instructions="Be kind.")
        )

    async def row(self, conversation):
        return await self.store.load_conversation("local", conversation)


@asynccontextmanager
async def opened(engine, store=None, **options):
    room = Room(engine, store or EphemeralStore(), **options)
    await room.pool.open()
    try:
        yield room
    finally:
        await room.turns.close()
        await room.pool.close()
        await room.store.close()


def run(engine, script, store=None, **options):
    async def main():
        async with opened(engine, store, **options) as room:
            return await script(room)

    return asyncio.run(main())


async def until(condition):
    """Let the loop run until something holds."""
    while not condition():
        await asyncio.sleep(0.001)


def test_conversations_are_compacted_and_warmed_when_nobody_waits():
    engine = ScriptedEngine(talker(), window=512)

    async def script(room):
        names = [await room.make() for _ in range(3)]
        replies = []
        for _ in range(12):
            for name in names:
                running = room.start(name)
                replies.append(running.receipt(await running.reply()))
            await room.turns.idle()
        return replies, [(await room.row(name)).view for name in names]

    replies, views = run(engine, script)
    assert None not in views
    assert engine.warmed
    assert {receipt["moved"] for receipt in replies if "moved" in receipt} == {"compaction"}
    assert replies[-1]["summarised"]
    assert not any("notices" in receipt for receipt in replies), "nobody's prompt was cut while they waited"


def test_upkeep_extends_the_prompt_of_the_turn_tools_included_and_asks_for_no_shape():
    engine = ScriptedEngine(talker(), window=1_024)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    shape = {"response_format": {"type": "json_object"}, "chat_template_kwargs": {"thinking": False}}

    async def script(room):
        name = await room.make()
        for _ in range(25):
            await room.start(name, tools=tools, sampling=shape, temperature=0.1).reply()
            await room.turns.idle()

    run(engine, script)
    asked = [request for request in engine.requests if asks_for_summary(request)]
    assert asked
    for request in [*asked, *engine.warmed]:
        assert request.tools == tools
        assert request.sampling == {"chat_template_kwargs": {"thinking": False}}
    at = engine.requests.index(asked[0])
    before = engine.requests[at - 1].messages
    assert asked[0].messages[: len(before)] == before


@pytest.mark.parametrize("stored", [True, False])
def test_upkeep_makes_way_within_a_quarter_second_and_goes_on_afterwards(stored):
    stuck = asyncio.Event()
    answers: list[Any] = [["- Ana", stuck], "- Ana likes green tea."]
    engine = ScriptedEngine(
        lambda request: (
            (answers.pop(0) if answers else "- Bob is 42.") if asks_for_summary(request) else "I see."
        ),
        window=512,
    )

    async def script(room):
        name, other = await room.make(), await room.make()
        while not any(map(asks_for_summary, engine.requests)):
            await room.start(name).reply()
            await asyncio.wait({asyncio.ensure_future(room.turns.idle())}, timeout=0.3)
        began = time.monotonic()
        if stored:
            reply = await room.start(other, "Hi").reply()
        else:
            asked = Unstored(owner="local", items=[user("Hi")], options=Options(max_tokens=40))
            reply = await room.turns.start_unstored(asked).reply()
        waited = time.monotonic() - began
        assert reply.text == "I see."
        assert (await room.row(name)).view is None
        await room.turns.idle()
        return waited, (await room.row(name)).view

    waited, view = run(engine, script)
    assert waited < 0.25
    assert view is not None
    assert engine.stopped == 1


def test_nothing_is_tended_while_turns_run_or_wait_and_then_the_last_ones_first():
    gate = asyncio.Event()
    engine = ScriptedEngine(lambda request: ["x", gate] if "wait" in str(request.messages[-1]) else "I see.")
    order = []

    class Watched(Tender):
        async def _tend(self, place):
            order.append(place[1])
            await super()._tend(place)

    async def script(room):
        watched = Watched(room.tender._member, room.turns.desks)
        room.turns.tenders[room.tender._member] = watched
        first, second, third = [await room.make() for _ in range(3)]
        holding = room.start(first, "wait")
        await until(lambda: engine.requests)
        await room.start(second).reply()
        await room.start(third).reply()
        assert order == []
        assert watched.owing == 2
        gate.set()
        await holding.reply()
        await room.turns.idle()
        await room.tender.close()
        return [first, third, second]

    assert run(engine, script) == order


def test_only_one_conversation_of_an_engine_is_tended_at_a_time():
    running = most = 0

    class Counting(ScriptedEngine):
        async def warm(self, request):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return await super().warm(request)

    engine = Counting(talker(), window=512)

    async def script(room):
        names = [await room.make() for _ in range(4)]
        for _ in range(8):
            await asyncio.gather(*(room.start(name).reply() for name in names))
        await room.turns.idle()
        return len(room.steps)

    assert run(engine, script) >= 4
    assert most == 1


def test_a_conversation_in_the_middle_of_a_tool_loop_is_left_alone():
    call = [ToolCallDelta(index=0, call_id="c1", name="f", arguments="{}")]
    engine = ScriptedEngine([call])

    async def script(room):
        await room.start(await room.make()).reply()
        await room.turns.idle()

    run(engine, script)
    assert engine.warmed == []


def test_a_conversation_whose_prompt_the_engine_has_lost_is_indexed_and_takes_nobodys_slot():
    """Two conversations on one slot without a host cache: the one that spoke before is not warmed again."""

    class Slotted(ScriptedEngine):
        async def probe(self, *, refresh=False):
            if not hasattr(self, "_found"):
                self._found = replace(await super().probe(), kind="llama.cpp")
            return self._found

    gate = asyncio.Event()
    engine = Slotted(lambda request: ["x", gate] if len(engine.requests) == 1 else "x")

    async def script(room):
        room.tender._member.slots.pinning = True
        first, second = await room.make(), await room.make()
        runnings = [room.start(first, "About Ana."), room.start(second, "About Bob.")]
        await until(lambda: engine.requests)
        gate.set()
        for running in runnings:
            await running.reply()
        await room.turns.idle()
        return len(room.steps)

    assert run(engine, script) == 1
    assert all("Ana" not in str(request.messages) for request in engine.warmed)


def test_what_is_owed_is_bounded():
    class Silent(Tender):
        async def _tend(self, place):
            """Nothing."""

    async def script(room):
        tender = Silent(room.tender._member, room.turns.desks)
        ticket = room.tender._member.queue.enter("a")
        for n in range(MOST_OWING + 10):
            tender.owe(("local", f"conv_{n}"))
        owing = tender.owing
        room.tender._member.queue.leave(ticket)
        await tender.idle()
        await tender.close()
        return owing, tender.owing

    assert run(ScriptedEngine(), script) == (MOST_OWING, 0)


def test_a_conversation_that_was_deleted_owes_nothing_and_one_that_fails_holds_nobody_up():
    engine = ScriptedEngine(talker(), window=512)

    async def script(room):
        names = [await room.make() for _ in range(2)]
        for name in names:
            await room.start(name).reply()
        await room.store.delete_conversation("local", names[1])
        await room.turns.idle()
        room.turns.forget("local", names[1])
        for _ in range(12):
            await room.start(names[0]).reply()
            await room.turns.idle()
        return (await room.row(names[0])).view

    assert run(engine, script) is not None


def test_after_closing_nothing_is_begun():
    engine = ScriptedEngine(talker(), window=512)

    async def script(room):
        name = await room.make()
        await room.start(name).reply()
        await room.turns.close()
        before = len(engine.warmed)
        room.turns.tend("local", name)
        await room.turns.idle()
        return len(engine.warmed) - before

    assert run(engine, script) == 0


def test_desks_are_kept_for_the_last_conversations_only_and_made_again():
    engine = ScriptedEngine(talker(), window=512)

    async def script(room):
        room.turns.desks._kept = 2
        names = [await room.make() for _ in range(5)]
        for _ in range(10):
            for name in names:
                await room.start(name).reply()
        await room.turns.idle()
        return len(room.turns.desks)

    assert run(engine, script) <= 3


def test_without_upkeep_nothing_is_asked_but_the_turns():
    engine = ScriptedEngine(talker(), window=512)

    async def script(room):
        name = await room.make()
        for _ in range(12):
            await room.start(name).reply()
        await room.turns.idle()

    run(engine, script, upkeep=False)
    assert len(engine.requests) == 12
    assert engine.warmed == []


def test_on_a_real_engine_a_conversation_outlives_its_window(start_llama):
    """Twelve turns in a window of 1,024 tokens: upkeep compacts between them, and no prompt is cut in a hurry."""
    engine = connect(start_llama(window=1_024).url)

    async def script(room):
        name, receipts = await room.make(), []
        for number in range(12):
            running = room.start(name, f"This is message {number}. " + "Tell me more. " * 12, max_tokens=24)
            receipts.append(running.receipt(await running.reply()))
            await room.turns.idle()
        return receipts, (await room.row(name)).view

    receipts, view = run(engine, script)
    assert view is not None
    assert any(receipt.get("moved") == "compaction" for receipt in receipts)
    assert not any("notices" in receipt for receipt in receipts)
    assert max(receipt["read_tokens"] for receipt in receipts[1:]) < 200
