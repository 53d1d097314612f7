"""A turn keeps what was said, however it ends."""

import asyncio
import time

import pytest

from tests.chats import run_chat
from turnkeep import AsyncChat
from turnkeep.conversation.items import Message, Text
from turnkeep.engine.base import End, ReasoningDelta, ToolCallDelta
from turnkeep.errors import (
    Conflict,
    ContextOverflow,
    EngineProtocolError,
    EngineUnreachable,
    LeaseLost,
    UsageError,
)
from turnkeep.testing import EphemeralStore, ScriptedEngine
from turnkeep.turn import Calling, Finished, Notice, Piece, Thought


def run(engine, script, db=None, **options):
    """Run `script(chat)` on a chat of its own."""
    return run_chat(script, engine, db, **options)


def test_a_reply_is_streamed_and_kept():
    async def script(chat):
        events = [event async for event in chat.stream("Hi").events()]
        return events, await chat.history()

    events, history = run(ScriptedEngine([["Hel", "lo"]]), script)
    assert [event for event in events if isinstance(event, Piece)] == [Piece("Hel"), Piece("lo")]
    assert isinstance(events[-1], Finished)
    assert events[-1].reply.text == "Hello"
    assert events[-1].reply.state == "done"
    assert [(x.user, x.assistant) for x in history] == [("Hi", "Hello")]


def test_each_prompt_extends_the_last():
    engine = ScriptedEngine(["one", "two", "three"])

    async def script(chat):
        return [await chat.ask(f"say {n}") for n in range(3)]

    replies = run(engine, script, system="Be kind.")
    first, second, third = (request.messages for request in engine.requests)
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    assert third[0] == {"role": "system", "content": "Be kind."}
    assert all(reply.receipt.moved is None for reply in replies)
    assert (replies[2].receipt.reused_tokens or 0) > 0
    assert replies[2].receipt.verbatim == ((1, 2),)


def test_the_reply_is_sent_again_byte_for_byte():
    engine = ScriptedEngine(["  spaced \n\n", "x"])

    async def script(chat):
        await chat.ask("a")
        await chat.ask("b")

    run(engine, script)
    assert engine.requests[1].messages[1]["content"] == "  spaced \n\n"


def test_reasoning_is_kept_apart_and_not_sent_again():
    engine = ScriptedEngine([[ReasoningDelta("hm"), "yes"], "x"])

    async def script(chat):
        events = [event async for event in chat.stream("a").events()]
        await chat.ask("b")
        return events, await chat.history()

    events, history = run(engine, script)
    assert Thought("hm") in events
    assert (history[0].assistant, history[0].reasoning) == ("yes", "hm")
    assert engine.requests[1].messages[1] == {"role": "assistant", "content": "yes"}


def test_stopping_keeps_what_was_said_as_cut_off():
    engine = ScriptedEngine([["Once upon", asyncio.Event()], "ok"])

    async def script(chat):
        stream = chat.stream("Tell me")
        async for _ in stream:
            await stream.stop()
        after = await chat.ask("go on")
        return stream.reply, after, await chat.history()

    reply, _, history = run(engine, script)
    assert (reply.text, reply.state, reply.finish_reason) == ("Once upon", "cut_off", "cancelled")
    assert engine.stopped == 1
    assert history[0].assistant == "Once upon"
    assert engine.requests[1].messages[1]["content"] == "Once upon"


def test_leaving_a_stream_early_stops_the_engine():
    engine = ScriptedEngine([["Once", asyncio.Event()]])

    async def script(chat):
        async for _ in chat.stream("Tell me"):
            break
        for _ in range(100):
            if [x.turn.state for x in await chat.history()] == ["cut_off"]:
                break
            await asyncio.sleep(0.01)
        return await chat.history()

    history = run(engine, script)
    assert (history[0].assistant, history[0].turn.state) == ("Once", "cut_off")
    assert engine.stopped == 1


def test_cancelling_the_task_keeps_what_was_said():
    async def script(chat):
        seen = asyncio.Event()

        async def talk():
            async for _ in chat.stream("Tell me"):
                seen.set()

        task = asyncio.create_task(talk())
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await chat.history()

    history = run(ScriptedEngine([["Once", asyncio.Event()]]), script)
    assert (history[0].assistant, history[0].turn.state) == ("Once", "cut_off")


def test_cut_off_before_any_text_is_not_in_the_prompt():
    engine = ScriptedEngine([[asyncio.Event()], "ok"])

    async def script(chat):
        stream = chat.stream("first")
        task = asyncio.ensure_future(stream._read())
        while not engine.requests:
            await asyncio.sleep(0.005)
        await stream.stop()
        await task
        await chat.ask("second")
        return await chat.history()

    history = run(engine, script)
    assert [m["content"] for m in engine.requests[1].messages] == ["second"]
    assert [x.user for x in history] == ["second"]


def test_a_reply_that_reached_its_limit_is_cut_off_and_stays_in_the_prompt():
    engine = ScriptedEngine([["a b", End(finish_reason="length")], "ok"])

    async def script(chat):
        first = await chat.ask("x")
        await chat.ask("y")
        return first

    reply = run(engine, script)
    assert (reply.state, reply.finish_reason) == ("cut_off", "length")
    assert len(engine.requests[1].messages) == 3


def test_a_failed_turn_is_kept_and_not_sent_again():
    engine = ScriptedEngine([["half", EngineProtocolError("broke off")], "ok"])

    async def script(chat):
        with pytest.raises(EngineProtocolError):
            await chat.ask("first")
        reply = await chat.ask("second")
        return reply, await chat.history()

    reply, history = run(engine, script)
    assert [m["content"] for m in engine.requests[1].messages] == ["second"]
    assert [(x.user, x.assistant, x.turn.state) for x in history] == [
        ("first", "half", "failed"),
        ("second", "ok", "done"),
    ]
    assert history[0].turn.error == "broke off"
    assert "failed" in reply.receipt.moved


def test_the_message_is_kept_when_the_engine_is_not_there():
    class Absent(ScriptedEngine):
        async def probe(self, *, refresh=False):
            raise EngineUnreachable("nobody")

    async def script(chat):
        with pytest.raises(EngineUnreachable):
            await chat.ask("remember me")
        return await chat.history()

    history = run(Absent(), script)
    assert [(x.user, x.turn.state) for x in history] == [("remember me", "failed")]


def test_a_message_larger_than_the_window_is_kept_and_refused_with_the_numbers():
    async def script(chat):
        with pytest.raises(ContextOverflow, match="1,024"):
            await chat.ask("word " * 2_000)
        assert (await chat.ask("short")).text == "ok"
        return await chat.history()

    history = run(ScriptedEngine(window=1_024), script)
    assert [x.turn.state for x in history] == ["failed", "done"]


def test_instructions_beyond_their_share_are_refused_with_the_numbers():
    async def script(chat):
        with pytest.raises(ContextOverflow, match="instructions"):
            await chat.ask("hi")

    run(ScriptedEngine(window=1_024), script, system="word " * 400)


@pytest.mark.parametrize("content", ["", "  \n", ()])
def test_an_empty_message_is_refused_and_nothing_is_kept(content):
    async def script(chat):
        with pytest.raises(UsageError, match="empty"):
            chat.stream(content)
        return await chat.history()

    assert run(ScriptedEngine(), script) == []


def test_an_engine_whose_window_is_smaller_than_it_says_is_believed_when_it_refuses():
    engine = ScriptedEngine(window=600, told_window=4_096)

    async def script(chat):
        return [await chat.ask(f"turn {n}: " + "word " * 20) for n in range(30)]

    replies = run(engine, script, max_tokens=50)
    assert all(reply.text == "ok" for reply in replies)
    assert any("600" in notice for reply in replies for notice in reply.notices)


def test_a_prompt_that_no_longer_fits_is_cut_and_the_person_is_told():
    engine = ScriptedEngine(window=512)

    async def script(chat):
        return [await chat.ask(f"turn {n}: " + "word " * 20) for n in range(20)]

    replies = run(engine, script, max_tokens=40)
    assert all(reply.receipt.prompt_tokens <= 512 - 40 for reply in replies)
    cut = [reply for reply in replies if reply.receipt.moved == "compaction"]
    assert cut
    assert all("left out" in reply.notices[0] for reply in cut)
    assert replies[-1].receipt.left_out[0][0] == 1


def test_a_silent_cut_by_the_engine_is_noticed():
    class Cutting(ScriptedEngine):
        def _take(self, request):
            usage = super()._take(request)
            return type(usage)(prompt_tokens=min(usage.prompt_tokens or 0, 60), cached_tokens=0)

    async def script(chat):
        events = [event async for event in chat.stream("word " * 200).events()]
        return [event for event in events if isinstance(event, Notice)]

    (notice,) = run(Cutting(), script)
    assert "60" in notice.sentence


def test_regenerating_makes_a_sibling_and_the_answer_before_never_returns():
    engine = ScriptedEngine(["first", "second", "third"])

    async def script(chat):
        await chat.ask("question")
        reply = await chat.regenerate()
        await chat.ask("more")
        return reply, await chat.history()

    reply, history = run(engine, script)
    assert [m["content"] for m in engine.requests[1].messages] == ["question"]
    assert [m["content"] for m in engine.requests[2].messages] == ["question", "second", "more"]
    assert reply.receipt.moved == "another branch"
    assert [x.assistant for x in history] == ["second", "third"]


def test_editing_an_earlier_turn_leaves_what_followed_behind():
    engine = ScriptedEngine(["1", "2", "3"])

    async def script(chat):
        await chat.ask("a")
        await chat.ask("b")
        await chat.edit("a, again", turn=1)
        return await chat.history()

    history = run(engine, script)
    assert [m["content"] for m in engine.requests[2].messages] == ["a, again"]
    assert [x.user for x in history] == ["a, again"]


def test_undo_takes_the_last_turn_back():
    engine = ScriptedEngine(["1", "2", "3"])

    async def script(chat):
        await chat.ask("a")
        await chat.ask("b")
        undone = await chat.undo()
        await chat.ask("c")
        return undone, await chat.history()

    undone, history = run(engine, script)
    assert undone.number == 2
    assert [m["content"] for m in engine.requests[2].messages] == ["a", "1", "c"]
    assert [x.user for x in history] == ["a", "c"]


def test_other_instructions_are_named_in_the_receipt():
    async def script(chat):
        await chat.ask("a")
        await chat.set_system("Be brief.")
        return await chat.ask("b")

    assert run(ScriptedEngine(), script, system="Be kind.").receipt.moved == "other instructions"


def test_sampling_fields_reach_the_engine_as_given():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.ask("a", top_k=40, temperature=0.5)
        await chat.ask("b")

    run(engine, script, temperature=0.2, max_tokens=77, sampling={"seed": 3})
    first, second = engine.requests
    assert (first.temperature, first.max_tokens, dict(first.sampling)) == (0.5, 77, {"seed": 3, "top_k": 40})
    assert (second.temperature, second.max_tokens, dict(second.sampling)) == (0.2, 77, {"seed": 3})


def test_minus_one_becomes_the_room_that_is_left():
    engine = ScriptedEngine(window=1_000)

    async def script(chat):
        return await chat.ask("a", max_tokens=-1)

    reply = run(engine, script)
    assert engine.requests[0].max_tokens == 1_000 - reply.receipt.prompt_tokens


@pytest.mark.parametrize("value", [0, -2, 1.5, True, "7"])
def test_a_limit_that_makes_no_sense_is_refused(value):
    async def script(chat):
        with pytest.raises(UsageError, match="max_tokens"):
            await chat.ask("a", max_tokens=value)

    run(ScriptedEngine(), script)


def test_tool_calls_are_kept_whole():
    engine = ScriptedEngine([[ToolCallDelta(index=0, call_id="c1", name="f", arguments='{"x": 1}')]])

    async def script(chat):
        return await chat.ask("use the tool")

    reply = run(engine, script)
    assert reply.message.tool_calls[0].arguments == '{"x": 1}'
    assert reply.state == "done"


def test_pieces_of_a_tool_call_are_told_as_they_come():
    steps = [ToolCallDelta(index=0, call_id="c1", name="f"), ToolCallDelta(index=0, arguments="{}")]

    async def script(chat):
        return [event async for event in chat.stream("use the tool").events() if isinstance(event, Calling)]

    assert run(ScriptedEngine([steps]), script) == [
        Calling(index=0, call_id="c1", name="f"),
        Calling(index=0, arguments="{}"),
    ]


def test_a_request_says_how_many_tokens_it_may_come_to_hold():
    engine = ScriptedEngine()

    async def script(chat):
        return await chat.ask("Hi")

    receipt = run(engine, script).receipt
    assert engine.requests[0].tokens == receipt.prompt_tokens + receipt.reserve


def test_a_message_may_be_parts():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.ask([Text("look")])

    run(engine, script)
    assert engine.requests[0].messages == [{"role": "user", "content": "look"}]


def test_an_engine_that_cannot_count_is_learned():
    engine = ScriptedEngine(counts=False)

    async def script(chat):
        return [await chat.ask(f"turn {n}: " + "some words of plain English " * 5) for n in range(12)]

    replies = run(engine, script)
    errors = [abs(r.receipt.prompt_tokens / r.receipt.engine_prompt_tokens - 1) for r in replies]
    assert not any(r.receipt.exact for r in replies)
    assert errors[-1] < 0.35
    assert all(r.receipt.prompt_tokens >= r.receipt.engine_prompt_tokens for r in replies[2:])


def test_a_writer_that_was_fenced_out_is_told_and_its_reply_is_kept():
    class Thief(EphemeralStore):
        async def save_partial(self, *args, **kwargs):
            return None

        async def finish_turn(self, owner, conversation, turn, **kwargs):
            await self.take_lease(kwargs["lease"].subject, "thief", now=kwargs["now"] + 9_999, seconds=1)
            return await super().finish_turn(owner, conversation, turn, **kwargs)

    async def script(chat):
        with pytest.raises(LeaseLost):
            await chat.ask("mine")
        rows = await chat._equipment.open_store().load_turn_items("local", (await chat.conversation()).id, 1)
        return [row.item for row in rows], (await chat.conversation()).tip

    items, tip = run(ScriptedEngine(), script, db=Thief())
    assert Message("assistant", (Text("ok"),)) in items
    assert tip.seq == 0


def test_two_chats_on_one_conversation_take_turns():
    async def main():
        store, engine = EphemeralStore(), ScriptedEngine(lambda request: f"{len(request.messages)}")
        chats = [AsyncChat(engine, db=store, conversation="shared", upkeep=False) for _ in range(3)]
        for chat in chats:
            await chat.open()
        replies = await asyncio.gather(
            *(chat.ask(f"{n}/{m}") for n, chat in enumerate(chats) for m in range(4))
        )
        history = await chats[0].history()
        await store.close()
        return replies, history

    replies, history = asyncio.run(main())
    assert sorted(int(reply.text) for reply in replies) == list(range(1, 25, 2))
    assert len(history) == 12
    assert all(x.turn.state == "done" for x in history)


def test_a_stream_is_read_once_and_has_no_reply_before_its_end():
    async def script(chat):
        stream = chat.stream("a")
        with pytest.raises(UsageError):
            _ = stream.reply
        await stream
        with pytest.raises(UsageError):
            await stream

    run(ScriptedEngine(), script)


def test_options_change_from_the_next_turn_on_and_can_be_left_to_the_engine_again():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.set_options(temperature=0.7, sampling={"top_p": 0.9}, strategy="window")
        await chat.ask("a")
        await chat.set_options(temperature=None, sampling={"top_p": None})
        reply = await chat.ask("b")
        with pytest.raises(UsageError, match="windows"):
            await chat.set_options(windows=3)
        return reply

    reply = run(engine, script)
    assert (engine.requests[0].temperature, dict(engine.requests[0].sampling)) == (0.7, {"top_p": 0.9})
    assert (engine.requests[1].temperature, dict(engine.requests[1].sampling)) == (None, {})
    assert reply.receipt.strategy == "window"


def test_stopping_while_another_program_holds_the_conversation_ends_the_wait():
    async def script(chat):
        row = await chat.conversation()
        await chat._equipment.open_store().take_lease(
            f"conversation:{row.id}", "elsewhere/1/x", now=time.time(), seconds=60
        )
        stream = chat.stream("hello")
        task = asyncio.ensure_future(stream._read())
        await asyncio.sleep(0.05)
        await stream.stop()
        with pytest.raises(Conflict):
            await task
        return await chat.history()

    assert run(ScriptedEngine(), script) == []
