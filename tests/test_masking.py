"""A masked prompt: the model reads marks, the person values, the record holds what was said and seen."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.chats import run_chat
from tests.engines import RealEngine
from tests.privacy import person
from turnkeep import AsyncChat, UsageError
from turnkeep.engine.base import ReasoningDelta, Request, ToolCallDelta
from turnkeep.masking import Masking, StoredBook
from turnkeep.privacy import Marks, kinds
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import EphemeralStore, ScriptedEngine

MASK: dict[str, Any] = {"mask_prompt": True, "embeddings": "off"}


def transcript(engine: ScriptedEngine) -> str:
    """All that the model has read."""
    return json.dumps([list(request.messages) for request in (*engine.requests, *engine.warmed)])


def letters(text: str) -> list[str]:
    return list(text)


def test_the_model_reads_marks_and_the_person_values_wherever_a_stream_is_cut() -> None:
    engine = ScriptedEngine(lambda request: letters(f"You said: {request.messages[-1]['content']}"))

    async def script(chat: AsyncChat) -> tuple[str, str, Any]:
        pieces = [piece async for piece in chat.stream(person.SAID)]
        again = await chat.ask("And again?")
        return "".join(pieces), again.text, await chat.history()

    shown, _, history = run_chat(script, engine, system=f"Support: {person.EMAIL}", **MASK)
    assert [value for value in person.VALUES if value in transcript(engine)] == []
    assert "[EMAIL_1]" in transcript(engine)
    assert shown == f"You said: {person.SAID}"
    assert history[0].user == person.SAID
    assert history[0].assistant == shown
    first, second = engine.requests
    assert list(second.messages)[: len(first.messages)] == list(first.messages), "the prompt keeps still"
    assert second.messages[-2]["content"].startswith("You said: I am [EMAIL_1], call me at [PHONE_1].")


def test_without_the_setting_nothing_is_masked() -> None:
    engine = ScriptedEngine()

    async def script(chat: AsyncChat) -> None:
        await chat.ask(person.SAID)

    run_chat(script, engine, embeddings="off")
    assert person.EMAIL in transcript(engine)


def test_marks_are_the_same_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    def ask(text: str) -> ScriptedEngine:
        engine = ScriptedEngine(["[EMAIL_1]? I know bot@example.org and [EMAIL_2]."])

        async def script(chat: AsyncChat) -> str:
            return (await chat.ask(text)).text

        said = run_chat(script, engine, SqliteStore(path), conversation="one", **MASK)
        assert said == "anna@example.com? I know bot@example.org and [EMAIL_2]."
        return engine

    one = ask("I am anna@example.com")
    two = ask("He is bob@example.com, not bot@example.org or anna@example.com")
    messages = list(two.requests[0].messages)
    assert messages[:1] == list(one.requests[0].messages)
    assert messages[1]["content"] == "[EMAIL_1]? I know bot@example.org and [EMAIL_2].", (
        "as the model wrote it"
    )
    assert messages[2]["content"] == "He is [EMAIL_3], not bot@example.org or [EMAIL_1]"


def test_reasoning_and_calls_come_back_with_values_and_go_out_with_marks() -> None:
    engine = ScriptedEngine(
        [
            [
                ReasoningDelta("mail to [EMA"), ReasoningDelta("IL_1]"),
                ToolCallDelta(index=0, call_id="c1", name="send", arguments='{"to":"[EMAIL'),
                ToolCallDelta(index=0, arguments='_1]"}'),
            ],
            "Sent.",
        ]
    )  # fmt: skip

    async def script(chat: AsyncChat) -> tuple[Any, Any]:
        from turnkeep import ToolResult

        called = await chat.ask("Write to anna@example.com")
        await chat.ask([ToolResult(call_id="c1", text="sent to anna@example.com")])
        return called.reasoning, called.message.tool_calls[0].arguments

    assert run_chat(script, engine, **MASK) == ("mail to anna@example.com", '{"to":"anna@example.com"}')
    assert "anna@example.com" not in transcript(engine)
    assert engine.requests[1].messages[1]["tool_calls"][0]["function"]["arguments"] == '{"to":"[EMAIL_1]"}'


def test_what_a_stop_or_an_error_breaks_off_keeps_its_values() -> None:
    engine = ScriptedEngine([["[EMAIL_1] and ", "[EMAIL_1] or", asyncio.Event()]])

    async def script(chat: AsyncChat) -> str:
        stream = chat.stream("anna@example.com")
        async for _ in stream:
            if len(_) > 20:
                break
        await stream.stop()
        return stream.reply.text

    assert run_chat(script, engine, **MASK).startswith("anna@example.com and ")


def test_the_prompt_is_counted_as_it_is_sent() -> None:
    engine = ScriptedEngine()

    async def script(chat: AsyncChat) -> Any:
        return (await chat.ask(person.SAID)).receipt

    receipt = run_chat(script, engine, **MASK)
    assert receipt.exact
    assert receipt.prompt_tokens == receipt.engine_prompt_tokens


def test_what_is_prepared_for_another_client_is_masked_and_its_reply_put_back() -> None:
    async def script(chat: AsyncChat) -> tuple[Any, str, Any]:
        prepared = await chat.prepare("I am anna@example.com")
        await prepared.finish({"role": "assistant", "content": "Hello [EMAIL_1]"})
        return prepared.messages, (await chat.history())[0].assistant, await chat.prompt()

    messages, reply, prompt = run_chat(script, ScriptedEngine(), **MASK)
    assert messages == [{"role": "user", "content": "I am [EMAIL_1]"}]
    assert reply == "Hello anna@example.com"
    assert prompt == messages, "what the model read is shown as it read it"


def test_summaries_are_made_from_marks_and_kept_with_values() -> None:
    def answer(request: Request) -> str:
        last = str(request.messages[-1]["content"])
        return "- The user's mail is [EMAIL_1]." if "summar" in last.lower() else "I see. " * 30

    engine = ScriptedEngine(answer, window=700)

    async def script(chat: AsyncChat) -> list[str]:
        await chat.ask("My mail is anna@example.com, remember it.")
        for number in range(8):
            await chat.ask(
                f"Tell me about the {number}. bridge over the river, at length, with all its arches."
            )
            await chat.idle()
        return await chat.summary()

    lines = run_chat(script, engine, **{**MASK, "upkeep": True})
    assert "anna@example.com" not in transcript(engine)
    assert any("anna@example.com" in line for line in lines), lines


def count_marks(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT kind, value FROM mark ORDER BY kind, number").fetchall()
    database.close()
    return rows


def test_the_map_goes_with_the_turn_and_with_the_conversation(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def main() -> None:
        store = SqliteStore(path)
        chat = AsyncChat(ScriptedEngine(), db=store, conversation="one", upkeep=False, **MASK)
        await chat.ask("I am anna@example.com")
        await chat.ask("and bob@example.com, not anna@example.com")
        assert count_marks(path) == [("EMAIL", "anna@example.com"), ("EMAIL", "bob@example.com")]
        await chat.forget(2)
        # How many stand for nothing depends on whether the journal had masked the reply by then.
        assert [value for _, value in count_marks(path) if value is not None] == ["anna@example.com"]
        assert ("EMAIL", None) in count_marks(path)
        await store.delete_conversation("local", (await chat.conversation()).id)
        await chat.close()
        await store.close()

    asyncio.run(main())
    assert count_marks(path) == []
    assert b"bob@example" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_marks_that_another_process_gave_meanwhile_are_not_given_twice() -> None:
    async def main() -> None:
        store = EphemeralStore()
        row = await store.create_conversation("local", None, now=0.0)
        book = StoredBook(store, "local", row.id)
        mine, other = Marks().adding("EMAIL", "a@example.com"), Marks().adding("EMAIL", "b@example.com")
        assert await book.save(Marks(), other)
        assert not await book.save(Marks(), mine)
        assert await book.load() == other
        engine = ScriptedEngine()
        masked = Masking().over(engine, store, "local", row.id)
        request = Request(messages=[{"role": "user", "content": "a@example.com b@example.com"}])
        assert [delta async for delta in masked.stream(request)]
        assert engine.requests[0].messages[0]["content"] == "[EMAIL_2] [EMAIL_1]"
        await store.close()

    asyncio.run(main())


def test_a_user_s_pattern_is_masked_and_a_bad_one_refused() -> None:
    engine = ScriptedEngine(["[EMPLOYEE_1]!"])

    async def script(chat: AsyncChat) -> str:
        return (await chat.ask("I am E-123456")).text

    assert run_chat(script, engine, patterns={"EMPLOYEE": r"E-\d{6}"}, **MASK) == "E-123456!"
    assert "E-123456" not in transcript(engine)
    with pytest.raises(UsageError, match="word in capitals"):
        AsyncChat(engine, mask_prompt=True, patterns={"employee": "x"})


def test_a_pattern_without_end_sends_nothing_and_says_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MATCH_SECONDS", 0.02)
    engine = ScriptedEngine()

    async def script(chat: AsyncChat) -> None:
        with pytest.raises(UsageError, match="pattern for EMPLOYEE takes too long on a text of 29 char"):
            await chat.ask("a" * 28 + "b")

    run_chat(script, engine, patterns={"EMPLOYEE": "(a|aa)+$"}, **MASK)
    assert "aaaa" not in transcript(engine)


def test_a_real_engine_s_prompt_keeps_still(llama: RealEngine) -> None:
    async def script(chat: AsyncChat) -> list[Any]:
        replies = []
        for text in (
            "I am anna@example.com.",
            "Call me at 030 9018200.",
            "What is my mail, and bob@example.com?",
        ):
            replies.append(await chat.ask(text))
            await chat.idle()
        return replies

    async def main() -> list[Any]:
        store = EphemeralStore()
        async with AsyncChat(llama.url, db=store, max_tokens=24, temperature=0, **MASK) as chat:
            replies = await script(chat)
        await store.close()
        return replies

    first, second, third = asyncio.run(main())
    assert first.receipt.moved is None
    assert second.receipt.reused_tokens
    assert third.receipt.reused_tokens > second.receipt.reused_tokens
    assert third.receipt.exact
    assert third.receipt.prompt_tokens == third.receipt.engine_prompt_tokens
