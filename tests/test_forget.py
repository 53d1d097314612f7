"""Forgetting a turn reaches the prompt, the recall, the summary and the file, and says so."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.chats import asks_for_summary, run_chat
from turnkeep import ConversationNotFound, NothingToDo
from turnkeep.holding import hold_lease
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import ScriptedEngine

SECRET = "xylophonist"


def run(engine, script, store=None, **options):
    return run_chat(script, engine, store, **options)


def said(engine, number=-1):
    return [message["content"] for message in engine.requests[number].messages]


def test_a_forgotten_turn_is_in_no_prompt_any_more_and_the_receipt_says_why_the_front_moved():
    engine = ScriptedEngine(["a1", "a2", "a3", "a4", "a5"])

    async def script(chat):
        for n in (1, 2, 3):
            await chat.ask(f"u{n}")
        assert await chat.forget(2) == (2,)
        reply = await chat.ask("u4")
        assert reply.receipt.moved == "forgotten"
        assert said(engine) == ["u1", "a1", "u3", "a3", "u4"]
        assert reply.receipt.verbatim == ((1, 1), (3, 3))
        assert (await chat.ask("u5")).receipt.moved is None
        assert (await chat.why(3)).forgotten == (2,)

    run(engine, script)


@pytest.mark.parametrize("note", [False, True])
def test_the_last_turn_is_forgotten_by_default_and_the_one_before_becomes_the_last(note):
    engine = ScriptedEngine(["a1", "a2", "a3", "a4"])

    async def script(chat):
        await chat.ask("u1")
        await chat.ask("u2")
        if note:
            await chat.remember("tea")
        assert await chat.forget() == (2,)
        shown = [(each.user, each.forgotten, each.talk) for each in await chat.history() if not each.notes]
        assert shown == [("u1", False, True), ("", True, False)]
        assert len(await chat.history(last=1)) == 2 + note
        reply = await chat.ask("u3")
        assert reply.receipt.moved == "forgotten"
        assert said(engine)[:2] == ["u1", "a1"]
        assert said(engine)[-1].endswith("u3")
        await chat.undo()
        reply = await chat.regenerate()
        assert reply.text == "a4"
        assert said(engine)[-1].endswith("u1")

    run(engine, script)


def test_all_can_be_forgotten():
    engine = ScriptedEngine(["a1", "a2"])

    async def script(chat):
        await chat.ask("u1")
        await chat.forget()
        for verb in (chat.forget, chat.undo, chat.pin):
            with pytest.raises(NothingToDo):
                await verb()
        with pytest.raises(NothingToDo, match="it is a note, or was forgotten"):
            await chat.pin(1)
        with pytest.raises(NothingToDo, match="was forgotten: what the model read cannot be shown"):
            await chat.prompt(1)
        with pytest.raises(ConversationNotFound, match="no turn 7"):
            await chat.forget(7)
        assert (await chat.ask("u2")).receipt.moved == "forgotten"
        assert said(engine) == ["u2"]

    run(engine, script)


def test_what_was_recalled_of_it_goes_from_later_turns():
    engine = ScriptedEngine(window=1_024)

    async def script(chat):
        await chat.ask(f"My aunt is a {SECRET} in Lisbon.")
        for n in range(30):
            await chat.ask(f"turn {n}: " + "word " * 30)
        before = await chat.ask("What does my aunt in Lisbon do?")
        assert 1 in before.receipt.recalled
        assert SECRET in said(engine)[-1]
        await chat.forget(1)
        after = await chat.ask("And what does my aunt in Lisbon do?")
        assert after.receipt.moved == "forgotten"
        assert 1 not in after.receipt.recalled
        assert SECRET not in str(engine.requests[-1].messages)
        assert await chat.search(SECRET) == []

    run(engine, script)


def test_what_the_summary_says_of_it_goes_and_its_other_turns_are_summarised_again():
    def answer(request):
        if not asks_for_summary(request):
            return "I see."
        text = str(request.messages)
        return f"- The aunt is a {SECRET}." if "My aunt" in text else "- The user likes green apples."

    engine = ScriptedEngine(answer, window=512)

    async def script(chat):
        await chat.ask(f"My aunt is a {SECRET}.")
        await chat.idle()
        for n in range(25):
            await chat.ask(f"turn {n}: I like green apples, " + "word " * 10)
            await chat.idle()
        assert f"The aunt is a {SECRET}." in await chat.summary()
        await chat.forget(1)
        assert SECRET not in str(await chat.summary())
        reply = await chat.ask("And now?")
        assert SECRET not in str(engine.requests[-1].messages)
        assert reply.receipt.moved == "forgotten"
        row = await chat.conversation()
        for number in range(1, row.view + 1):
            stored = await chat._desk.store.load_view("local", row.id, number)
            assert SECRET not in str(stored.body)
        await chat._upkeep._summarise_missing()
        assert SECRET not in str(engine.requests[-1].messages)
        assert "The user likes green apples." in await chat.summary()

    run(engine, script, upkeep=True, max_tokens=40, strategy="window,summary")


def test_a_pin_is_forgotten_with_the_words_it_pins():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.ask(f"I am a {SECRET}.")
        await chat.pin()
        await chat.remember("tea")
        await chat.ask("u2")
        await chat.forget(1)
        await chat.ask("u3")
        assert SECRET not in str(engine.requests[-1].messages)
        assert "Remember: tea" in said(engine)[0]

    run(engine, script)


def test_a_turn_answered_again_is_forgotten_with_all_its_answers():
    async def script(chat):
        await chat.ask("u1")
        await chat.ask(f"I am a {SECRET}.")
        await chat.regenerate()
        assert await chat.forget() == (2, 3)
        assert await chat.search(SECRET, by="text") == []

    run(ScriptedEngine(), script)


def read(path):
    return Path(path).read_bytes()


def test_the_file_holds_nothing_of_it_while_it_is_open(tmp_path):
    path = tmp_path / "turnkeep.db"

    async def script(chat):
        await chat.ask(f"I am a {SECRET}.")
        await chat.ask("u2")
        assert SECRET.encode() in read(path) + read(f"{path}-wal")
        await chat.forget(1)
        assert SECRET.encode() not in read(path) + read(f"{path}-wal")

    run(ScriptedEngine(), script, SqliteStore(path))


def test_an_upkeep_that_read_it_elsewhere_lets_go_before_it_is_forgotten():
    order = []

    async def script(chat):
        await chat.ask("u1")
        desk = chat._desk

        async def other_upkeep(held):
            async with hold_lease(desk, "upkeep:elsewhere", note="", patience=1):
                held.set()
                # As upkeep.py does: make way when a turn is open on its engine.
                while not await desk.store.held_leases("conversation:", now=time.time(), note="elsewhere"):
                    await asyncio.sleep(0.01)
                order.append("made way")

        held = asyncio.Event()
        upkeep = asyncio.ensure_future(other_upkeep(held))
        await held.wait()
        await chat.forget()
        order.append("forgotten")
        await upkeep

    run(ScriptedEngine(), script)
    assert order == ["made way", "forgotten"]


def test_a_dead_upkeep_does_not_hold_it_up(monkeypatch):
    monkeypatch.setattr("turnkeep.holding.YIELDED_SECONDS", 0.2)

    async def script(chat):
        await chat.ask("u1")
        store = chat._desk.store
        assert await store.take_lease("upkeep:elsewhere", "gone/1/x", now=time.time(), seconds=60)
        assert await chat.forget() == (1,)

    run(ScriptedEngine(), script)
