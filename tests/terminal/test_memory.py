import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from turnkeep import AsyncChat
from turnkeep.errors import NothingToDo, UsageError
from turnkeep.terminal.app import TerminalChat
from turnkeep.terminal.commands import run_command
from turnkeep.testing import EphemeralStore, ScriptedEngine


def told(*lines: str) -> tuple[list[str], ScriptedEngine]:
    """Run lines as a person types them; returns what is told, and the engine."""
    engine, said = ScriptedEngine(), list[str]()

    async def main() -> None:
        store = EphemeralStore()
        async with AsyncChat(engine, db=store, upkeep=False) as chat:
            app = SimpleNamespace(chat=chat, say=said.append, refresh=lambda: None, last="a receipt")
            for line in lines:
                if line.startswith("/"):
                    await run_command(cast(TerminalChat, app), line)
                else:
                    await chat.ask(line)
        await store.close()

    asyncio.run(main())
    return said, engine


def test_something_is_remembered() -> None:
    said, engine = told("Hi.", "/remember I drink  tea", "Well?")
    assert said == ["Remembered, word for word."]
    assert engine.requests[-1].messages[-1]["content"] == "[Instruction: Remember: I drink  tea]\n\nWell?"


def test_what_was_said_is_pinned() -> None:
    said, engine = told("I drink tea.", "Hi.", "/pin", "/pin 1", "Well?")
    assert said == [
        "What you said last is remembered, word for word.",
        "What you said in turn 1 is remembered, word for word.",
    ]
    text = engine.requests[-1].messages[-1]["content"]
    assert text == "[Instruction: Remember: Hi.]\n\n[Instruction: Remember: I drink tea.]\n\nWell?"


def test_a_turn_is_forgotten() -> None:
    said, engine = told("One.", "Two.", "Three.", "/forget", "/forget 1", "Well?")
    assert said == [
        "1 turn is forgotten: 3. Replies to other turns may still speak of the same thing.",
        "1 turn is forgotten: 1. Replies to other turns may still speak of the same thing.",
    ]
    assert [message["content"] for message in engine.requests[-1].messages] == ["Two.", "ok", "Well?"]


@pytest.mark.parametrize("line", ["/pin x", "/pin 0", "/forget -1", "/forget 1.5"])
def test_what_is_no_turn_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match=f"is no turn: give its number, such as {line.split()[0]} 3"):
        told(line)


def test_what_there_is_not_is_said() -> None:
    with pytest.raises(UsageError, match="nothing to remember"):
        told("/remember")
    for line in ("/pin", "/forget"):
        with pytest.raises(NothingToDo):
            told(line)
