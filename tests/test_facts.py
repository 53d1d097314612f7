"""Facts stand in the prompt whatever the summaries are worth, across restarts, edits and chats without upkeep."""

import asyncio

import pytest

from tests.chats import asks_for_summary
from tests.test_upkeep import run, talker
from turnkeep import AsyncChat, Chat, statements
from turnkeep.context.facts import FACTS_HEADER
from turnkeep.testing import EphemeralStore, ScriptedEngine

USELESS = "They talked."
CHATTER = "tell me more of it " + "and more " * 20


async def chatter(chat, compactions):
    """Talk of nothing until the front of the prompt has moved so many times."""
    moved = 0
    while moved < compactions:
        reply = await chat.ask(CHATTER)
        await chat.idle()
        moved += reply.receipt.moved == "compaction"
    return reply


async def base(chat):
    first = (await chat.prompt())[0]
    return first["content"] if first["role"] == "system" else ""


def texts(facts):
    return [fact.text for fact in facts if fact.current]


def test_facts_survive_three_compactions_with_a_useless_summariser():
    engine = ScriptedEngine(talker(USELESS), window=1024)

    async def script(chat):
        for text in ("My room is 214.", "I'm allergic to kiwi.", "How are you?", "my room is 380 now"):
            await chat.ask(text)
            await chat.idle()
        reply = await chatter(chat, 3)
        return reply, await base(chat), await chat.facts(), await chat.summary()

    reply, system, facts, lines = run(engine, script, system="Be kind.")
    assert system == f"Be kind.\n\n{FACTS_HEADER}\n- I'm allergic to kiwi.\n- my room is 380 now"
    assert [(fact.turn, fact.replaced) for fact in facts] == [(1, 4), (2, None), (4, None)]
    assert lines == []
    assert 0 < reply.receipt.facts_tokens < reply.receipt.base_tokens
    assert reply.receipt.strategy == "window,summary,recall,facts"


def test_a_statement_that_stays_in_the_log_replaces_a_folded_one():
    engine = ScriptedEngine(talker(USELESS), window=1024)

    async def script(chat):
        await chat.ask("My room is 214.")
        while not await chat.facts():
            await chat.ask(CHATTER)
            await chat.ask("my room is 380 now")
            await chat.idle()
        return await chat.facts()

    facts = run(engine, script)
    assert "214" not in "".join(texts(facts))


def test_facts_are_there_after_a_restart():
    async def main():
        store = EphemeralStore()
        first = AsyncChat(ScriptedEngine(talker(USELESS), window=1024), db=store, conversation="c")
        await first.ask("My room is 214.")
        await chatter(first, 1)
        before = await base(first)
        await first.close()
        second = AsyncChat(ScriptedEngine(talker(USELESS), window=1024), db=store, conversation="c")
        await second.ask("hello again")
        after, kept = await base(second), texts(await second.facts())
        await second.close()
        await store.close()
        return before, after, kept

    before, after, kept = asyncio.run(main())
    assert before == after == f"{FACTS_HEADER}\n- My room is 214."
    assert kept == ["My room is 214."]


@pytest.mark.parametrize("most", [statements.MOST_ITEMS, 3])
def test_without_upkeep_facts_are_kept_when_turns_are_left_out(monkeypatch, most):
    monkeypatch.setattr(statements, "MOST_ITEMS", most)
    engine = ScriptedEngine(window=1024)

    async def script(chat):
        await chat.ask("My room is 214.")
        await chatter(chat, 3)
        return await base(chat), await chat.facts()

    system, facts = run(engine, script, upkeep=False)
    assert system == f"{FACTS_HEADER}\n- My room is 214."
    assert len(facts) == 1, "nothing is gleaned twice"


def test_an_edit_of_a_folded_turn_withdraws_the_facts_that_rest_on_it():
    engine = ScriptedEngine(talker(USELESS), window=1024)

    async def script(chat):
        await chat.ask("My name is Ann.")
        await chat.ask("My room is 214.")
        await chatter(chat, 2)
        before = texts(await chat.facts())
        async for _ in chat.edit("My room is 380.", 2):
            pass
        after = texts(await chat.facts())
        await chatter(chat, 2)
        return before, after, texts(await chat.facts())

    before, after, later = run(engine, script)
    assert before == ["My name is Ann.", "My room is 214."]
    assert after == []
    assert later == ["My name is Ann.", "My room is 380."]


def test_a_fact_holds_again_when_the_turn_that_replaced_it_is_undone():
    engine = ScriptedEngine(talker(USELESS), window=1024)

    async def script(chat):
        await chat.ask("My room is 214.")
        reply = await chat.ask(CHATTER)
        while reply.receipt.prompt_tokens < reply.receipt.high - 80:
            reply = await chat.ask(CHATTER)
            await chat.idle()
        await chat.ask("my room is 380 now. " + "and so on " * 40)
        await chat.idle()
        marked = await chat.facts()
        await chat.undo()
        return marked, await chat.facts()

    marked, undone = run(engine, script)
    assert [fact.current for fact in marked] == [False]
    assert texts(undone) == ["My room is 214."]


def test_facts_can_be_left_out():
    engine = ScriptedEngine(talker(USELESS), window=1024)

    async def script(chat):
        await chat.ask("My room is 214.")
        reply = await chatter(chat, 2)
        off = await base(chat), await chat.facts(), reply.receipt.facts_tokens
        await chat.set_options(strategy="window,facts")
        await chatter(chat, 1)
        return off, await base(chat)

    off, on = run(engine, script, strategy="window,summary")
    assert off == ("", [], 0)
    assert "My room is 214." in on, "what was folded meanwhile is caught up with"


def test_facts_fit_their_share_whatever_the_instructions_take():
    engine = ScriptedEngine(talker(USELESS), window=1024)

    async def script(chat):
        for n, thing in enumerate(
            ("shed", "bike", "safe", "gate", "desk", "boat", "barn", "attic", "garage")
        ):
            await chat.ask(f"The code of the {thing} is {1000 + 7 * n}.")
            await chat.idle()
        return await chatter(chat, 2)

    for system, most in (("", 80), ("word " * 120, 60)):
        reply = run(engine, script, system=system)
        assert 0 < reply.receipt.facts_tokens <= most


def test_the_chat_without_a_loop_shows_them_too():
    with Chat(ScriptedEngine(talker(USELESS)), db=EphemeralStore()) as chat:
        chat.ask("My room is 214.")
        assert chat.facts() == []


def test_the_model_is_asked_for_summaries_all_the_same():
    engine = ScriptedEngine(talker(USELESS), window=1024)

    async def script(chat):
        await chatter(chat, 1)

    run(engine, script)
    assert any(asks_for_summary(request) for request in engine.requests)
