"""What once broke a promise, and must not again."""

import asyncio
import time
from dataclasses import replace

import pytest

from tests.chats import asks_for_summary, run_chat
from turnkeep import AsyncChat, Conflict, UsageError
from turnkeep.conversation.items import Text, ToolResult
from turnkeep.engine.base import End, ToolCallDelta
from turnkeep.holding import LEASE_SECONDS
from turnkeep.testing import EphemeralStore, ScriptedEngine


def run(script, engine=None, **options):
    return run_chat(script, engine or ScriptedEngine(), **options)


def test_regenerating_while_a_turn_is_under_way_waits_for_it_and_loses_nothing():
    release = asyncio.Event()
    engine = ScriptedEngine(["A1", ["A2", release], "A2 again"])

    async def script(chat):
        await chat.ask("Q1")
        second = asyncio.ensure_future(chat.ask("Q2"))
        while len(engine.requests) < 2:
            await asyncio.sleep(0.005)
        again = asyncio.ensure_future(chat.regenerate()._read())
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(second, again)
        return await chat.history()

    assert [(x.user, x.assistant) for x in run(script, engine)] == [("Q1", "A1"), ("Q2", "A2 again")]


def test_leaving_a_stream_and_the_chat_at_once_keeps_what_was_said():
    async def main():
        store = EphemeralStore()
        async with AsyncChat(
            ScriptedEngine([["Hello", asyncio.Event()]]), db=store, conversation="c"
        ) as chat:
            async for _ in chat.stream("hi"):
                break
        async with AsyncChat(ScriptedEngine(), db=store, conversation="c") as chat:
            history = await chat.history()
        await store.close()
        return history

    (turn,) = asyncio.run(main())
    assert (turn.assistant, turn.turn.state) == ("Hello", "cut_off")


def test_closing_while_another_task_asks_keeps_what_was_said():
    async def main():
        store = EphemeralStore()
        engine = ScriptedEngine([["Hello", asyncio.Event()]])
        chat = AsyncChat(engine, db=store, conversation="c")
        asking = asyncio.ensure_future(chat.ask("hi"))
        while not engine.requests:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        await chat.close()
        reply = await asking
        await store.close()
        return reply

    reply = asyncio.run(main())
    assert (reply.text, reply.state) == ("Hello", "cut_off")


def test_a_log_of_more_items_than_are_held_in_memory_is_read(monkeypatch):
    monkeypatch.setattr("turnkeep.meter.KEPT_SIZES", 4)

    async def main():
        store = EphemeralStore()
        first = AsyncChat(ScriptedEngine(), db=store, conversation="c", upkeep=False)
        for n in range(10):
            await first.ask(f"{n}")
        second = AsyncChat(ScriptedEngine(), db=store, conversation="c", upkeep=False)
        reply = await second.ask("more")
        await store.close()
        return reply.receipt

    assert asyncio.run(main()).verbatim == ((1, 10),)


def test_a_line_that_speaks_of_an_abandoned_turn_never_reaches_the_model():
    def answer(request):
        if asks_for_summary(request):
            return "- The user's code is SECRET4711."
        return "I see."

    engine = ScriptedEngine(answer, window=512)

    async def script(chat):
        n = 0
        while not any(asks_for_summary(request) for request in engine.requests):
            await chat.ask(f"turn {n}: my code is SECRET4711. " + "word " * 15)
            await chat.idle()
            n += 1
        assert await chat.summary()
        await chat.edit("something harmless")
        lines = await chat.summary()
        await chat.ask("go on")
        return lines

    assert run(script, engine, max_tokens=40, upkeep=True) == []
    assert "The user's code" not in str(engine.requests[-1].messages)


def test_regenerating_after_undoing_a_turn_that_was_cut_off_does_not_bring_it_back():
    engine = ScriptedEngine(["A1", ["half", asyncio.Event()], "A1 again"])

    async def script(chat):
        await chat.ask("Q1")
        stream = chat.stream("UNDONE")
        async for _ in stream:
            await stream.stop()
        await chat.undo()
        await chat.regenerate()
        return await chat.history()

    assert [(x.user, x.assistant) for x in run(script, engine)] == [("Q1", "A1 again")]


def test_a_lease_that_is_taken_while_its_taker_is_cancelled_is_given_back():
    async def script(chat):
        await chat.ask("a")
        for delay in range(12):
            turn = await chat.prepare("b")
            finishing = asyncio.ensure_future(turn.finish("c"))
            for _ in range(delay):
                await asyncio.sleep(0)
            finishing.cancel()
            await asyncio.gather(finishing, return_exceptions=True)
        began = time.monotonic()
        await chat.ask("d")
        return time.monotonic() - began

    assert run(script) < LEASE_SECONDS / 2


def test_a_stop_ends_the_wait_for_an_engine_that_does_not_even_count():
    class Hanging(ScriptedEngine):
        async def count(self, request):
            if len(request.messages) == 1 and "hang" in request.messages[0]["content"]:
                await asyncio.Event().wait()
            return await super().count(request)

    engine = Hanging()

    async def script(chat):
        stream = chat.stream("hang")
        task = asyncio.ensure_future(stream._read())
        await asyncio.sleep(0.1)
        await asyncio.wait_for(stream.stop(), 2)
        return await asyncio.wait_for(task, 2)

    reply = run(script, engine)
    assert (reply.state, reply.text) == ("cut_off", "")
    assert engine.requests == []


def test_upkeep_makes_way_for_another_turn_of_the_same_chat():
    hang = asyncio.Event()

    def answer(request):
        if asks_for_summary(request):
            return ["- x", hang]
        return ["I see.", release] if "slow" in request.messages[-1]["content"] else "I see."

    release = asyncio.Event()
    engine = ScriptedEngine(answer, window=512)

    async def script(chat):
        n = 0
        while (await chat.why() if n else None) is None or (await chat.why()).prompt_tokens < 300:
            await chat.ask(f"turn {n}: " + "word " * 15)
            n += 1
        first = asyncio.ensure_future(chat.ask("last one " + "word " * 60))
        second = asyncio.ensure_future(chat.ask("slow"))
        await first
        await asyncio.sleep(0.6)
        stopped, begun = engine.stopped, sum(map(asks_for_summary, engine.requests))
        release.set()
        await second
        return stopped, begun

    stopped, begun = run(script, engine, max_tokens=40, upkeep=True)
    assert stopped == begun, "a summary that had begun went on beside a turn"


def test_the_first_view_is_not_used_before_it_is_warm():
    hang = asyncio.Event()

    class Slow(ScriptedEngine):
        async def warm(self, request):
            if not hang.is_set():
                warming.set()
                await hang.wait()
            return await super().warm(request)

    warming = asyncio.Event()
    engine = Slow(lambda request: "- x" if asks_for_summary(request) else "I see.", window=1_024)

    async def script(chat):
        n = 0
        while not warming.is_set():
            await chat.ask(f"turn {n}: " + "word " * 15)
            quiet = {asyncio.ensure_future(each) for each in (chat.idle(), warming.wait())}
            await asyncio.wait(quiet, return_when=asyncio.FIRST_COMPLETED)
            for waiting in quiet:
                waiting.cancel()
            n += 1
        return await chat.ask("quick")

    reply = run(script, engine, max_tokens=40, upkeep=True)
    assert reply.receipt.moved is None
    assert reply.receipt.read_tokens < 40


def test_two_that_make_the_same_name_at_once_share_it():
    class Late(EphemeralStore):
        async def find_conversation(self, owner, name):
            found = await super().find_conversation(owner, name)
            await asyncio.sleep(0.02)
            return found

    async def main():
        store = Late()
        chats = [AsyncChat(ScriptedEngine(), db=store, conversation="n", upkeep=False) for _ in range(2)]
        await asyncio.gather(*(chat.ask("hi") for chat in chats))
        history = await chats[0].history()
        with pytest.raises(Conflict):
            await AsyncChat(ScriptedEngine(), db=store, conversation="n", new=True).open()
        await store.close()
        return history

    assert len(asyncio.run(main())) == 2


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00b", "x" * 250])
def test_a_name_that_could_not_be_exported_is_refused(name):
    with pytest.raises(UsageError):
        AsyncChat(ScriptedEngine(), conversation=name)


@pytest.mark.parametrize("owner", ["", "u\ud800"])
def test_an_owner_that_could_be_mistaken_is_refused(owner):
    with pytest.raises(UsageError, match="owner"):
        AsyncChat(ScriptedEngine(), owner=owner)


def test_prepared_turns_say_why_the_front_moved():
    async def script(chat):
        await chat.ask("a")
        await chat.set_system("Be brief.")
        return (await chat.prepare("b")).receipt.moved, (await chat.prepare("b")).receipt.tools

    assert run(script) == ("other instructions", "")


def test_other_tools_are_named_in_the_receipt():
    async def script(chat):
        tool = {"type": "function", "function": {"name": "f"}}
        turn = await chat.prepare("a", tools=[tool])
        await turn.finish("ok")
        return (await chat.prepare("b")).receipt.moved, (await chat.prepare("b", tools=[tool])).receipt.moved

    assert run(script) == ("other tools", None)


def test_what_is_said_beside_a_tool_result_is_sent():
    engine = ScriptedEngine([[ToolCallDelta(index=0, call_id="c", name="f", arguments="{}")]])

    async def script(chat):
        await chat.ask("look")
        await chat.ask([ToolResult(call_id="c", text="found"), Text("BYTHEWAY")])

    run(script, engine)
    assert [m["role"] for m in engine.requests[1].messages] == ["user", "assistant", "tool", "user"]
    assert engine.requests[1].messages[-1]["content"] == "BYTHEWAY"


def test_a_call_that_was_never_answered_gets_a_mark_in_place_of_its_result():
    engine = ScriptedEngine([[ToolCallDelta(index=0, call_id="c", name="f", arguments="{}")]])

    async def script(chat):
        await chat.ask("look")
        await chat.ask("never mind")

    run(script, engine)
    assert [(m["role"], m["content"]) for m in engine.requests[1].messages][2] == ("tool", "[no result]")


def test_a_tool_call_that_was_cut_off_is_not_sent_again():
    broken = ToolCallDelta(index=0, call_id="c", name="f", arguments='{"ci')
    engine = ScriptedEngine([["Let me look.", broken, asyncio.Event()]])

    async def script(chat):
        stream = chat.stream("look")
        async for _ in stream:
            await asyncio.sleep(0.01)
            await stream.stop()
        await chat.ask("go on")

    run(script, engine)
    assert engine.requests[1].messages[1] == {"role": "assistant", "content": "Let me look."}


def test_an_error_that_is_not_ours_marks_the_turn_failed():
    async def script(chat):
        with pytest.raises(ValueError, match="odd"):
            await chat.ask("hi")
        return await chat.history()

    (turn,) = run(script, ScriptedEngine([["half", ValueError("odd")]]))
    assert (turn.turn.state, turn.assistant) == ("failed", "half")


def test_an_absurd_usage_is_not_believed():
    class Boasting(ScriptedEngine):
        async def stream(self, request):
            async for delta in super().stream(request):
                if isinstance(delta, End) and len(self.requests) == 1:
                    delta = replace(delta, usage=replace(delta.usage, completion_tokens=10**12))
                yield delta

    async def script(chat):
        return [(await chat.ask(f"{n}")).receipt.reserve for n in range(40)]

    reserves = run(script, Boasting())
    assert max(reserves) <= 2_048
    assert reserves[-1] == 819, "one report is forgotten after some turns"


def test_a_stream_that_was_stopped_before_it_began_never_runs():
    engine = ScriptedEngine()

    async def script(chat):
        stream = chat.stream("hi")
        await stream.stop()
        with pytest.raises(UsageError, match="stopped"):
            await stream

    run(script, engine)
    assert engine.requests == []


def test_a_window_too_small_for_a_conversation_is_refused_at_once():
    with pytest.raises(UsageError, match="256"):
        AsyncChat(ScriptedEngine(), window=255)


def test_a_conversation_cannot_be_given_a_name_that_hides_an_id():
    async def script(chat):
        with pytest.raises(UsageError, match="conv_"):
            await chat.rename("conv_0123456789abcdef")
        await chat.rename("mine")
        return (await chat.conversation()).name

    assert run(script) == "mine"
