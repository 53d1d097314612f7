"""Every prompt fits before it is sent, at every window, and every item is where the receipt says."""

import asyncio
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeep import AsyncChat, ContextOverflow
from turnkeep.context.budget import SMALLEST_WINDOW
from turnkeep.conversation.items import ToolResult, assistant, user
from turnkeep.conversation.log import START
from turnkeep.engine.base import ToolCallDelta
from turnkeep.errors import UsageError
from turnkeep.testing import EphemeralStore, ScriptedEngine


def sizes_of(window):
    """Message and reply lengths in words that fill a window in some turns, now and then nearly at once."""
    return st.lists(
        st.tuples(st.integers(1, max(2, window // 3)), st.integers(1, max(2, window // 4))),
        min_size=4,
        max_size=14,
    )


@pytest.mark.parametrize("window", [512, 1_024, 2_048, 4_096])
@pytest.mark.parametrize("strategy", ["window", "summary", "window,summary", "window:2,summary"])
@settings(max_examples=6)
@given(data=st.data())
def test_every_prompt_fits_and_leaves_room_for_its_reply(window, strategy, data):
    sizes = data.draw(sizes_of(window))
    lengths = iter([reply for _, reply in sizes])

    def answer(request):
        if "List what was said" in request.messages[-1]["content"]:
            return "- The user said word tree."
        return "word " * next(lengths, 1)

    engine = ScriptedEngine(answer, window=window)
    rng = random.Random(len(sizes))

    async def main():
        store = EphemeralStore()
        chat = AsyncChat(engine, db=store, system="Be kind.", strategy=strategy)
        for asked, _ in sizes:
            limit = rng.choice([None, 20, window // 4])
            try:
                reply = await chat.ask(("word tree " * asked)[: 5 * asked], max_tokens=limit)
            except ContextOverflow:
                continue  # a message that fits nowhere: refused before it was sent
            receipt = reply.receipt
            assert receipt.prompt_tokens + receipt.reserve <= window
            assert receipt.prompt_tokens == receipt.engine_prompt_tokens
            assert_all_turns_are_accounted_for(receipt, reply.turn)
            if rng.random() < 0.7:
                await chat.idle()
        await chat.close()
        await store.close()

    asyncio.run(main())


def assert_all_turns_are_accounted_for(receipt, turn):
    """Each earlier turn is verbatim, summarised or left out; failed ones may be in no list."""
    seen = {
        number
        for ranges in (receipt.verbatim, receipt.summarised, receipt.left_out)
        for first, last in ranges
        for number in range(first, last + 1)
    }
    assert max(seen, default=0) < turn
    verbatim = [number for first, last in receipt.verbatim for number in range(first, last + 1)]
    folded = max((last for _, last in (*receipt.summarised, *receipt.left_out)), default=0)
    assert all(number > folded for number in verbatim)


async def fill(store, conversation, texts):
    """Record turns without an engine."""
    lease = await store.take_lease(f"conversation:{conversation}", "test", now=0, seconds=1e12)
    at = START
    for text in texts:
        turn = await store.begin_turn("local", conversation, [user(text)], after=at, lease=lease, now=1.0)
        turn = await store.finish_turn(
            "local",
            conversation,
            turn.number,
            state="done",
            items=[assistant("I see.")],
            lease=lease,
            now=1.0,
        )
        at = turn.tip
    await store.drop_lease(lease)


@pytest.mark.parametrize("window", [32_768, 131_072, 1_048_576])
def test_a_long_record_fits_large_windows_without_being_counted_anew(window):
    """A record longer than the window, opened by a new process."""

    async def main():
        store = EphemeralStore()
        chat = AsyncChat(ScriptedEngine(window=window), db=store, conversation="c", upkeep=False)
        row = (await chat.open()).conversation
        await fill(store, row.id, [f"{n} " + "word " * (window // 40) for n in range(60)])
        reply = await chat.ask("and now?")
        again = await chat.ask("and now?")
        await chat.close()
        await store.close()
        return reply.receipt, again.receipt

    receipt, again = asyncio.run(main())
    assert receipt.prompt_tokens + receipt.reserve <= window
    assert receipt.left_out[0][0] == 1
    assert receipt.verbatim[-1][-1] == 60
    assert again.moved is None


def test_more_items_than_any_window_could_hold_are_not_loaded():
    async def main():
        store = EphemeralStore()
        chat = AsyncChat(ScriptedEngine(window=512), db=store, conversation="c", upkeep=False)
        row = (await chat.open()).conversation
        await fill(store, row.id, ["a"] * 150)
        reply = await chat.ask("c")
        await chat.close()
        await store.close()
        return reply.receipt

    receipt = asyncio.run(main())
    assert receipt.prompt_tokens + receipt.reserve <= 512
    assert receipt.left_out[0][0] == 1
    assert receipt.left_out[-1][-1] + 1 == receipt.verbatim[0][0]


def test_a_window_too_small_for_any_conversation_is_refused_with_the_number():
    async def main():
        store = EphemeralStore()
        chat = AsyncChat(ScriptedEngine(window=SMALLEST_WINDOW - 1), db=store)
        with pytest.raises(UsageError, match="255"):
            await chat.ask("hi")
        await store.close()

    asyncio.run(main())


def test_a_tool_loop_is_never_parted_and_its_oldest_results_are_left_out():
    engine = ScriptedEngine(
        lambda _: [ToolCallDelta(index=0, call_id="c", name="look", arguments="{}")], window=512
    )

    async def main():
        store = EphemeralStore()
        chat = AsyncChat(engine, db=store, max_tokens=40)
        for n in range(3):
            await chat.ask(f"small talk {n} " + "word " * 40)
        await chat.ask("Look it up.")
        for _ in range(8):
            await chat.idle()
            await chat.ask([ToolResult(call_id="c", text="word " * 80)])
        with pytest.raises(ContextOverflow, match="too long"):
            await chat.ask([ToolResult(call_id="c", text="word " * 450)])
        await chat.close()
        await store.close()

    asyncio.run(main())
    for request in engine.requests:
        for before, after in itertools.pairwise([{}, *request.messages]):
            assert after["role"] != "tool" or before.get("tool_calls"), "a result stands without its call"
    shown = [m["content"] for m in engine.requests[-1].messages if m["role"] == "tool"]
    assert any("left out]" in text for text in shown)
    assert shown[-1] == "word " * 80
