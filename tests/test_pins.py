"""Notes are taken into the base when a compaction folds them, and stand in every prompt until then."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.chats import asks_for_summary
from turnkeep import AsyncChat
from turnkeep.conversation.items import Note
from turnkeep.engine.base import Request
from turnkeep.holding import hold_conversation
from turnkeep.notes import append_notes
from turnkeep.testing import EphemeralStore, ScriptedEngine


def answer(request: Request) -> str:
    return "- They talked." if asks_for_summary(request) else "I see."


def run(
    engine: ScriptedEngine, script: Callable[[AsyncChat], Awaitable[None]], *, upkeep: bool, strategy: str
) -> None:
    async def main() -> None:
        store = EphemeralStore()
        async with AsyncChat(
            engine, db=store, upkeep=upkeep, strategy=strategy, max_tokens=60, embeddings="off"
        ) as chat:
            await script(chat)
        await store.close()

    asyncio.run(main())


async def keep(chat: AsyncChat, *notes: Note) -> None:
    desk, _ = await chat._open_desk()
    async with hold_conversation(desk) as lease:
        await append_notes(desk, notes, after=(await desk.load()).tip, lease=lease)


@pytest.mark.parametrize("strategy", ["window", "window,summary,recall", "window,summary,recall,facts"])
@pytest.mark.parametrize("upkeep", [True, False])
def test_what_is_remembered_stands_in_every_prompt_and_is_forgotten_with_its_turn(
    upkeep: bool, strategy: str
) -> None:
    engine = ScriptedEngine(answer, window=1_024)

    async def script(chat: AsyncChat) -> None:
        await chat.ask("My parrot sings at dawn, mostly.")
        await chat.pin()
        await chat.remember("Quux 42 is the answer.")
        for n in range(50):
            await chat.ask(f"turn {n}: " + "word " * 30)
            await chat.idle()
            text = str(engine.requests[-1].messages)
            assert text.count("Quux 42 is the answer.") == 1, n
            assert 1 <= text.count("My parrot sings at dawn, mostly.") <= 2, n
        row = await chat.conversation()
        assert row.view, "nothing was ever folded"
        kept = [fact for fact in await chat.facts() if "Quux" in fact.text or "parrot" in fact.text]
        assert [(fact.locked, fact.turn) for fact in kept] == [(True, 1), (True, 3)]
        await chat.forget(1)
        await chat.ask("And?")
        assert "parrot" not in str(engine.requests[-1].messages)
        for number in range(1, row.view + 1):
            stored = await chat._equipment.open_store().load_view("local", row.id, number)
            assert "parrot" not in str(stored.body)

    run(engine, script, upkeep=upkeep, strategy=strategy)


@pytest.mark.parametrize("upkeep", [True, False])
def test_corrections_hold_in_every_prompt_and_then_in_the_base(upkeep: bool) -> None:
    engine = ScriptedEngine(answer, window=1_024)

    async def talk(chat: AsyncChat, turns: int) -> None:
        for n in range(turns):
            await chat.ask(f"turn {n}: " + "word " * 30)
            await chat.idle()

    async def script(chat: AsyncChat) -> None:
        await chat.ask("My locker is number 4711.")
        await chat.ask("My badge is number 1234.")
        await talk(chat, 30)
        locker, badge = [fact for fact in await chat.facts() if "locker" in fact.text or "badge" in fact.text]
        await keep(
            chat,
            Note(op="edit_fact", text="The locker is number 4712.", old=locker.text),
            Note(op="remove_fact", text="", old=badge.text),
        )
        await talk(chat, 1)
        assert f'"{locker.text}" is now "The locker is number 4712."' in str(engine.requests[-1].messages)
        await talk(chat, 40)
        text = str(engine.requests[-1].messages)
        assert "The locker is number 4712." in text
        assert "4711" not in text
        assert "1234" not in text
        assert [fact.text for fact in await chat.facts() if fact.locked] == ["The locker is number 4712."]

    run(engine, script, upkeep=upkeep, strategy="window,summary,facts")
