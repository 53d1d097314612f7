"""What a person tells turnkeep itself: durable turns of their own, part of the prompt, and no talk."""

import asyncio
import contextlib
import inspect
import random

import pytest

from tests.chats import run_chat
from turnkeep import AsyncChat, Chat, Conflict, ConversationNotFound, Image, NothingToDo, UsageError
from turnkeep.conversation.items import Message, Note, Text, ToolCall
from turnkeep.errors import EngineRefused
from turnkeep.holding import hold_conversation
from turnkeep.notes import append_notes
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import EphemeralStore, ScriptedEngine
from turnkeep.transfer import export_jsonl, import_jsonl

TEA = "[Instruction: Remember: I drink tea.]"


def run(engine, script, store=None, **options):
    return run_chat(script, engine, store, **options)


def said(engine, number=-1):
    """The messages of a request, without its system message."""
    return [message["content"] for message in engine.requests[number].messages if message["role"] != "system"]


def test_a_note_is_part_of_the_next_message_and_stays_where_it_is():
    engine = ScriptedEngine(["a1", "a2", "a3"])

    async def script(chat):
        await chat.ask("u1")
        turn = await chat.remember("  I drink tea. ")
        assert (turn.number, turn.state) == (2, "done")
        replies = [await chat.ask("u2"), await chat.ask("u3")]
        assert [reply.receipt.moved for reply in replies] == [None, None]

    run(engine, script)
    assert len(engine.requests) == 3, "a note calls no engine"
    assert said(engine) == ["u1", "a1", f"{TEA}\n\nu2", "a2", "u3"]


def test_a_note_before_anything_is_said_stands_before_the_first_message():
    engine = ScriptedEngine(["a1"])

    async def script(chat):
        await chat.remember("I drink tea.")
        await chat.remember("{braces} and %s")
        reply = await chat.ask("u1")
        assert reply.receipt.moved is None
        assert (await chat.why()).prompt_tokens

    run(engine, script)
    assert said(engine) == [f"{TEA}\n\n[Instruction: Remember: {{braces}} and %s]\n\nu1"]


def test_a_note_survives_the_end_of_the_process(tmp_path):
    engine = ScriptedEngine(["a1"])

    async def remember(chat):
        await chat.remember("I drink tea.")

    async def ask(chat):
        await chat.ask("u1")

    path = tmp_path / "t.db"
    run(engine, remember, SqliteStore(path), conversation="ana")
    run(engine, ask, SqliteStore(path), conversation="ana")
    assert said(engine) == [f"{TEA}\n\nu1"]


def test_what_the_user_said_in_a_turn_is_pinned():
    engine = ScriptedEngine(["a1", "a2", "a3"])

    async def script(chat):
        await chat.ask("My code is 4711.")
        await chat.ask("I drink tea.")
        assert (await chat.pin()).number == 3
        await chat.pin(1)
        await chat.ask("u3")
        rows = await chat._desk.store.load_turn_items("local", chat._desk.conversation, 4)
        assert rows[0].item == Note(op="remember", text="My code is 4711.", turn=1)
        with pytest.raises(NothingToDo, match="Nothing is said in turn 3"):
            await chat.pin(3)
        with pytest.raises(ConversationNotFound, match="no turn 9"):
            await chat.pin(9)

    run(engine, script)
    assert said(engine)[-1] == f"{TEA}\n\n[Instruction: Remember: My code is 4711.]\n\nu3"


def test_what_cannot_be_remembered_is_refused_in_one_sentence():
    async def script(chat):
        with pytest.raises(UsageError, match="nothing to remember"):
            await chat.remember(" ")
        with pytest.raises(UsageError, match=r"2,000 characters, but 1,000 can"):
            await chat.remember("x" * 2_000)
        with pytest.raises(NothingToDo, match="Nothing was said yet"):
            await chat.pin()
        await chat.ask("word " * 300)
        with pytest.raises(UsageError, match="Turn 1 has 1,499 characters"):
            await chat.pin()
        assert (await chat.conversation()).turns == 1

    run(ScriptedEngine(["a"]), script)


def test_no_note_parts_a_tool_call_from_its_result():
    call = Message("assistant", (ToolCall(call_id="c1", name="look", arguments="{}"),))

    async def script(chat):
        turn = await chat.prepare("Look.", tools=[{"type": "function", "function": {"name": "look"}}])
        await turn.finish(call, finish_reason="tool_calls")
        with pytest.raises(Conflict, match="results of its tools: give them first"):
            await chat.remember("I drink tea.")

    run(ScriptedEngine(), script)


def test_history_shows_notes_and_counts_turns_of_talk():
    async def script(chat):
        await chat.ask("u1")
        await chat.remember("I drink tea.")
        await chat.ask("u2")
        await chat.remember("I like red.")
        whole = await chat.history()
        assert [(each.user, each.notes, each.talk) for each in whole] == [
            ("u1", (), True),
            ("", (TEA,), False),
            ("u2", (), True),
            ("", ("[Instruction: Remember: I like red.]",), False),
        ]
        assert await chat.history(last=1) == whole[2:]
        assert await chat.history(last=2) == whole
        picture = await chat.picture()
        assert [(entry.role, entry.text) for entry in picture.entries if entry.role == "note"] == [
            ("note", TEA),
            ("note", "[Instruction: Remember: I like red.]"),
        ]
        assert await chat.search("tea", by="text") == [], "nobody said it"
        assert await chat.search("tea") == []
        assert (await chat.why()).new_tokens == (await chat.why(3)).new_tokens
        assert (await chat.prompt())[-1]["content"] == f"{TEA}\n\nu2"

    run(ScriptedEngine(), script)


def notes_of(request):
    return "".join(message["content"] for message in request.messages).count(TEA)


def test_the_last_turn_is_answered_again_with_the_notes_made_since():
    engine = ScriptedEngine(["a1", "a2", "a3", "a4", "a5"])

    async def script(chat):
        await chat.ask("u1")
        await chat.ask("u2")
        await chat.remember("I drink tea.")
        for _ in range(2):  # the second time the turn holds the note itself
            reply = await chat.regenerate()
            assert reply.receipt.moved == "another branch"
            assert said(engine) == ["u1", "a1", f"{TEA}\n\nu2"]
        await chat.ask("u3")
        assert said(engine) == ["u1", "a1", f"{TEA}\n\nu2", "a4", "u3"]
        assert [each.notes for each in await chat.history()] == [(), (TEA,), ()]

    run(engine, script)
    assert [notes_of(request) for request in engine.requests] == [0, 0, 1, 1, 1]


def test_the_last_turn_is_edited_with_the_notes_made_since_but_the_pins_of_its_own_words():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.ask("u1")
        await chat.ask("My code is 4711.")
        await chat.pin()
        await chat.pin(1)
        await chat.remember("I drink tea.")
        await chat.edit("My code is 4712.")

    run(engine, script)
    assert said(engine)[-1] == f"[Instruction: Remember: u1]\n\n{TEA}\n\nMy code is 4712."


def test_an_edit_of_an_earlier_turn_leaves_what_followed_behind_notes_too():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.ask("u1")
        await chat.remember("I drink tea.")
        await chat.ask("u2")
        await chat.edit("v1", turn=1)
        with pytest.raises(NothingToDo, match="branch that was left"):
            await chat.edit("v2", turn=2)
        await chat.remember("x")
        with pytest.raises(NothingToDo, match="Nothing is said in turn 5: it is a note"):
            await chat.edit("v2", turn=5)

    run(engine, script)
    assert said(engine) == ["v1"]


def test_taking_a_turn_back_keeps_the_notes_made_since():
    engine = ScriptedEngine(["a1", "a2", "a3", "a4"])

    async def script(chat):
        await chat.ask("u1")
        await chat.ask("u2")
        await chat.pin()
        await chat.remember("I drink tea.")
        assert (await chat.undo()).number == 2
        assert [(each.user, each.notes) for each in await chat.history()] == [("u1", ()), ("", (TEA,))]
        reply = await chat.ask("u3")
        assert reply.receipt.moved == "another branch"
        assert said(engine) == ["u1", "a1", f"{TEA}\n\nu3"]
        await chat.undo()
        await chat.undo()
        with pytest.raises(NothingToDo, match="Nothing was said yet"):
            await chat.undo()
        await chat.ask("u4")
        assert said(engine) == [f"{TEA}\n\nu4"]

    run(engine, script)


def test_a_failed_turn_is_tried_again_past_the_notes_made_since():
    engine = ScriptedEngine(["a1", [EngineRefused("no")], "a2", "a3"])

    async def script(chat):
        await chat.ask("u1")
        with pytest.raises(EngineRefused):
            await chat.ask("u2")
        await chat.remember("I drink tea.")
        reply = await chat.regenerate()
        assert reply.receipt.moved == "the turn before failed and is left out"
        assert said(engine) == ["u1", "a1", f"{TEA}\n\nu2"]
        await chat.ask("u3")

    run(engine, script)


def test_a_turn_that_failed_behind_a_note_is_tried_again_behind_it():
    engine = ScriptedEngine([[EngineRefused("no")], "a1", "a2"])

    async def script(chat):
        await chat.remember("I drink tea.")
        with pytest.raises(EngineRefused):
            await chat.ask("u1")
        await chat.regenerate()
        assert said(engine) == [f"{TEA}\n\nu1"]

    run(engine, script)


def test_a_note_whose_process_died_is_no_turn_to_try_again():
    async def script(chat):
        await chat.ask("u1")
        desk = chat._desk
        async with hold_conversation(desk) as lease:
            tip = (await desk.load()).tip
            note = Note(op="remember", text="x")
            await desk.store.begin_turn("local", desk.conversation, [note], after=tip, lease=lease, now=1)
            await desk.store.settle_turns("local", desk.conversation, lease=lease, now=2)
        reply = await chat.regenerate()
        assert reply.turn == 3
        assert [each.user for each in await chat.history() if each.talk] == ["u1"]

    run(ScriptedEngine(), script)


def test_notes_are_no_turns_that_a_window_counts():
    engine = ScriptedEngine(window=2_048)

    async def main():
        store = EphemeralStore()
        async with AsyncChat(engine, db=store, strategy="window:3") as chat:
            for n in range(5):
                await chat.ask(f"u{n}")
                for _ in range(3):
                    await chat.remember(f"note {n}")
                await chat.idle()
            assert (await chat.conversation()).view is None, "five turns of talk are not twice three"
            await chat.ask("u5")
            await chat.idle()
            assert (await chat.conversation()).view is not None
            reply = await chat.ask("u6")
            assert next(text for text in said(engine) if text != "ok").endswith("u3")
            assert reply.receipt.moved == "compaction"
        await store.close()

    asyncio.run(main())


def test_notes_go_along_when_a_conversation_is_exported():
    async def main():
        store, other = EphemeralStore(), EphemeralStore()
        async with AsyncChat(ScriptedEngine(), db=store, conversation="ana", upkeep=False) as chat:
            await chat.ask("u1")
            await chat.remember("I drink tea.")
            lines = [line async for line in export_jsonl(store, await chat.conversation())]
        row = await import_jsonl(other, "local", [line.encode() for line in lines])
        assert [line async for line in export_jsonl(other, row)] == lines
        await store.close()
        await other.close()

    asyncio.run(main())


def test_notes_wait_for_a_turn_that_is_being_answered():
    released = asyncio.Event()
    engine = ScriptedEngine([["a1", released], "a2"])

    async def script(chat):
        stream = chat.stream("u1")
        pieces = aiter(stream)
        assert await anext(pieces) == "a1"
        noting = asyncio.ensure_future(chat.remember("I drink tea."))
        released.set()
        async for _ in pieces:
            pass
        assert (await noting).after == (
            await chat._desk.store.load_turn("local", chat._desk.conversation, 1)
        ).tip
        await chat.ask("u2")

    run(engine, script)
    assert said(engine) == ["u1", "a1", f"{TEA}\n\nu2"]


@pytest.mark.parametrize("window", [512, 65_536])
@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_done_the_prompt_extends_the_last_or_says_why_and_holds_every_note(seed, window):
    draw = random.Random(seed)
    engine = ScriptedEngine(lambda _: ["a"] if draw.random() > 0.15 else [EngineRefused("no")], window=window)

    async def step(chat, n):
        steps = ["ask"] * 3 + ["remember", "pin", "correct", "undo", "regenerate", "edit", "forget"]
        match draw.choice(steps):
            case "ask":
                await chat.ask(f"u{n} " + "word " * draw.randrange(20))
            case "remember":
                await chat.remember(f"note {n}.")
            case "pin":
                await chat.pin()
            case "correct":
                for fact in (await chat.facts())[-1:]:
                    await chat.correct(fact.text, draw.choice([None, f"corrected {n}."]))
            case "undo":
                await chat.undo()
            case "regenerate":
                await chat.regenerate()
            case "edit":
                await chat.edit(f"v{n}")
            case "forget":
                await chat.forget()

    async def script(chat):
        for n in range(60):
            with contextlib.suppress(NothingToDo, EngineRefused, UsageError):  # no room for more notes
                await step(chat, n)
        reply = None
        while reply is None:
            with contextlib.suppress(EngineRefused):
                reply = await chat.ask("the end")
        if window > 512:  # nothing was cut
            done = [each for each in await chat.history() if each.turn.state != "failed"]
            wanted = [note for each in done for note in each.notes]
            prompt = "\n\n".join(said(engine))
            assert [part for part in prompt.split("\n\n") if part.startswith("[")] == wanted
            talk = [part.split()[0] for part in prompt.split("\n\n") if part[0] in "uv"]
            assert talk == [each.user.split()[0] for each in done if each.talk][:-1]

    run(engine, script)


def test_the_synchronous_door_has_the_same_verbs():
    with Chat(ScriptedEngine(), db=EphemeralStore()) as chat:
        chat.ask("I drink tea.")
        assert [chat.remember("x").number, chat.pin().number, chat.pin(1).number] == [2, 3, 4]
        assert chat.forget() == (1,)
    for verb in ("remember", "pin", "forget"):
        ours, theirs = (inspect.signature(getattr(kind, verb)) for kind in (Chat, AsyncChat))
        assert list(ours.parameters) == list(theirs.parameters)


def test_several_notes_make_one_turn():
    async def script(chat):
        await chat.ask("u1")
        desk = chat._desk
        async with hold_conversation(desk) as lease:
            notes = [Note(op="remove_line", text="", old="a"), Note(op="edit_fact", text="b", old="c")]
            await append_notes(desk, notes, after=(await desk.load()).tip, lease=lease)
        assert (await chat.history())[-1].notes == (
            '[Correction of the summary: "a" no longer holds]',
            '[Correction: "c" is now "b"]',
        )

    run(ScriptedEngine(), script)


def test_a_note_after_parts_that_are_no_text_keeps_them():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.remember("I drink tea.")
        turn = await chat.prepare([Image("data:image/png;base64,AA"), Text("What is it?")])
        first = turn.messages[-1]["content"][0]
        assert first == {"type": "text", "text": f"{TEA}\n\n"}

    run(engine, script)
