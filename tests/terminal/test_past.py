import asyncio
import io
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console
from rich.text import Text

from turnkeep.conversation.items import TurnState
from turnkeep.conversation.log import START
from turnkeep.record import Exchange
from turnkeep.store.base import Turn
from turnkeep.terminal.app import TerminalChat
from turnkeep.terminal.past import REPLY_CHARACTERS, print_past
from turnkeep.terminal.screen import ASCII


def exchange(user: str, reply: str, state: TurnState = "done", error: str | None = None) -> Exchange:
    turn = Turn(
        number=1, branch=0, after=START, first=1, last=2, state=state, error=error, created=0.0, finished=1.0
    )  # fmt: skip
    return Exchange(turn=turn, user=user, assistant=reply)


def shown(*exchanges: Exchange) -> str:
    file = io.StringIO()
    console = Console(file=file, width=30, force_terminal=True, color_system=None, _environ={"TERM": "xterm"})

    async def history(last: int | None = None) -> list[Exchange]:
        assert last == 2
        return list(exchanges)

    app = SimpleNamespace(
        chat=SimpleNamespace(history=history), console=console, signs=ASCII,
        say=lambda text, style="": console.print(Text(text), soft_wrap=True),
    )  # fmt: skip
    asyncio.run(print_past(cast(TerminalChat, app), 2))
    return file.getvalue()


def test_the_last_turns_are_shown_in_short() -> None:
    assert shown(exchange("Hello\nthere, how are you today?", "**Fine.**")) == (
        "\n> Hello there, how are you...\nFine.\n"
    )


def test_a_long_reply_is_cut() -> None:
    told = shown(exchange("Hi", "\n".join(f"line {number}" for number in range(10))))
    assert told.endswith("line 5\n... 28 more characters\n")
    assert "... 400 more characters" in shown(exchange("Hi", "x" * (REPLY_CHARACTERS + 400)))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("cut_off", "[cut off]"),
        ("failed", "[failed: It broke. /regenerate asks again]"),
        ("open", "[not answered; /regenerate asks again]"),
    ],
)
def test_a_turn_that_is_not_whole_says_so(state: TurnState, words: str) -> None:
    assert shown(exchange("Hi", "", state, "It broke.")).endswith(f"{words}\n")


def test_notes_and_forgotten_turns_are_shown_as_such() -> None:
    note = replace(exchange("", ""), notes=("[Instruction: Remember: I drink tea.]",))
    assert shown(note) == "\n[Instruction: Remember: I d...\n"
    with_talk = replace(exchange("Hi", "Yes."), notes=("[note]",))
    assert shown(with_talk) == "\n[note]\n> Hi\nYes.\n"
    assert shown(replace(exchange("", ""), forgotten=True)) == "\n[forgotten]\n"


def test_nothing_is_shown_of_an_empty_conversation() -> None:
    assert shown() == ""
