import asyncio
import re
from types import SimpleNamespace
from typing import cast

import pytest

from tests.chats import asks_for_summary
from turnkeep import AsyncChat
from turnkeep.context.facts import Fact
from turnkeep.context.view import Line
from turnkeep.conversation.log import Position
from turnkeep.engine.base import Request
from turnkeep.errors import NothingToDo, UsageError
from turnkeep.record import SummaryVersion
from turnkeep.terminal.app import TerminalChat
from turnkeep.terminal.commands import complete_argument, run_command
from turnkeep.terminal.screen import ASCII
from turnkeep.testing import EphemeralStore, ScriptedEngine

TEA = Line(text="Ana likes tea.", turns=(1, 1))
NO_SUMMARY = "There is no summary: the model reads every turn word for word."


def shown(
    line: str,
    *,
    lines: tuple[Line, ...] = (),
    left_out: tuple[tuple[int, int], ...] = (),
    refused: tuple[tuple[str, int], ...] = (),
    facts: tuple[Fact, ...] = (),
    versions: tuple[SummaryVersion, ...] = (),
) -> list[str]:
    """What a command tells of a chat that holds so much."""

    async def summary_lines() -> tuple[Line, ...]:
        return lines

    async def summary() -> list[str]:
        return [line.text for line in lines]

    async def summaries(last: int | None = None) -> list[SummaryVersion]:
        return [version(refused=refused)] if last else list(versions)

    async def picture() -> SimpleNamespace:
        return SimpleNamespace(left_out=left_out)

    async def list_facts() -> list[Fact]:
        return list(facts)

    said: list[str] = []
    chat = SimpleNamespace(
        summary_lines=summary_lines, summary=summary, summaries=summaries, picture=picture, facts=list_facts
    )
    app = SimpleNamespace(
        chat=chat, signs=ASCII, say=lambda text, style="": said.append(f"({style}) {text}" if style else text)
    )
    asyncio.run(run_command(cast(TerminalChat, app), line))
    return said


def version(
    number: int = 1,
    lines: tuple[Line, ...] = (),
    refused: tuple[tuple[str, int], ...] = (),
    *,
    current: bool = False,
) -> SummaryVersion:
    return SummaryVersion(
        number=number, made=0.0, lines=lines, summarised=(), left_out=(), refused=refused, current=current
    )


def test_the_summary_is_numbered_and_says_what_it_rests_on() -> None:
    lines = (TEA, Line(text="Bob is 42.", turns=(2, 5), locked=True))
    assert shown("/summary", lines=lines) == [
        " 1. Ana likes tea. [turn 1]",
        " 2. Bob is 42. [turns 2-5, locked]",
    ]


def test_the_summary_says_what_it_does_not_speak_of_and_what_was_not_believed() -> None:
    assert shown("/summary") == [NO_SUMMARY]
    assert shown("/summary", lines=(TEA,), left_out=((3, 5),), refused=(("number", 2),)) == [
        " 1. Ana likes tea. [turn 1]",
        "Not believed of what the model wrote last: 2 lines with a number that nobody said so.",
        "No summary speaks of turns 3-5: left out of what the model reads, kept in the record.",
    ]


def test_facts_are_numbered_with_their_turn_and_standing() -> None:
    def fact(text: str, turn: int, *, locked: bool = False, replaced: int | None = None) -> Fact:
        return Fact(text=text, turn=turn, at=Position(0, turn), rank=3, locked=locked, replaced=replaced)

    kept = (fact("I am 41.", 1, replaced=9), fact("I am 42.", 9), fact("Two\nlines.", 3, locked=True))
    assert shown("/facts", facts=kept) == [
        "(dim)  1. I am 41. [turn 1, replaced by turn 9]",
        " 2. I am 42. [turn 9]",
        " 3. Two\n    lines. [turn 3, locked]",
    ]
    doubted = Fact(text="I live in Ghent.", turn=2, at=Position(0, 2), rank=3, doubt=8)
    assert shown("/facts", facts=(doubted,)) == [" 1. I live in Ghent. [turn 2, may have changed in turn 8]"]
    (none,) = shown("/facts")
    assert none.startswith("No fact is kept yet")


def test_versions_are_listed_with_their_lines() -> None:
    first, second, *lines = shown(
        "/summary versions", versions=(version(3), version(12, (TEA,), current=True))
    )
    assert re.fullmatch(r"   3  19\d\d-\d\d-\d\d \d\d:\d\d, 0 lines", first)
    assert re.fullmatch(r"\* 12  .*, 1 line about turn 1", second)
    assert lines == ["    * Ana likes tea."]
    assert shown("/summary versions") == ["There is no summary yet."]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/summary change 1 x", "use /summary alone, or with edit, remove, versions, restore"),
        ("/facts restore 1", "use /facts alone, or with edit, remove"),
        ("/summary remove 1 2", "cannot be done"),
        ("/summary edit x y", "'x' is no number: use one that is listed, such as /summary edit 2"),
        ("/facts remove", "'' is no number"),
        ("/summary remove 0", "'0' is no number"),
        ("/summary restore", "'' is no number: use one that is listed, such as /summary restore 2"),
        ("/summary edit 2 x", "There is no line 2: /summary lists 1."),
        ("/facts remove 1", "There is no fact 1: /facts lists 0."),
        ("/summary edit 1", "Say how it reads from now on: /summary edit 1 TEXT."),
    ],
)
def test_what_is_no_change_is_refused(line: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        shown(line, lines=(TEA,))
    assert why in str(caught.value)


def test_what_may_follow_is_completed() -> None:
    async def complete() -> list[list[str]]:
        nobody = cast(TerminalChat, None)
        return [await complete_argument(nobody, command) for command in ("/facts", "/summary")]

    assert asyncio.run(complete()) == [["edit", "remove"], ["edit", "remove", "versions", "restore"]]


def test_facts_and_lines_are_changed_and_versions_restored() -> None:
    told_already = False

    def reply(request: Request) -> str:
        nonlocal told_already
        if not asks_for_summary(request):
            return "I see."
        if told_already:
            return "They talked."
        told_already = True
        return "- Ana likes green tea."

    said: list[str] = []

    async def main() -> None:
        store = EphemeralStore()
        engine = ScriptedEngine(reply, window=1_024)
        async with AsyncChat(engine, db=store, max_tokens=60, embeddings="off") as chat:
            app = SimpleNamespace(
                chat=chat, say=lambda text, style="": said.append(text), refresh=lambda: None, signs=ASCII
            )

            async def type_in(line: str) -> None:
                said.clear()
                await run_command(cast(TerminalChat, app), line)

            await type_in("/remember My code is 99.")
            await type_in("/facts edit 1 My  code is 98.")
            assert said == ["Fact 1 is changed, and stays as you wrote it; it was: My code is 99."]
            await type_in("/facts")
            assert said == [" 1. My  code is 98. [turn 1, locked]"]
            await type_in("/facts remove 1")
            assert said == ["Fact 1 is removed; it was: My  code is 98."]
            await chat.ask("Ana likes green tea.")
            for n in range(80):
                if n > 40 and (await chat.summaries())[-1].lines[0].locked:
                    break
                await chat.ask(f"turn {n}: " + "word " * 20)
                await chat.idle()
                if n == 40:
                    await type_in("/summary edit 1 Ana likes hot cocoa.")
                    assert said == [
                        "Line 1 is changed, and stays as you wrote it; it was: Ana likes green tea."
                    ]
            await type_in("/summary versions")
            assert [line for line in said if "    *" in line] == [
                "    * Ana likes green tea.",
                "    * Ana likes hot cocoa.",
            ]
            number = (await chat.summaries())[0].number
            await type_in(f"/summary restore {number}")
            assert said[0].startswith(f"Version {number} of the summary is restored")
            await chat.idle()
            await type_in("/summary")
            assert said[0].startswith(" 1. Ana likes green tea. [turn")
            with pytest.raises(NothingToDo, match="reads already"):
                await type_in(f"/summary restore {number}")
            await type_in("/summary remove 1")
            assert said == ["Line 1 is removed; it was: Ana likes green tea."]
        await store.close()

    asyncio.run(main())
