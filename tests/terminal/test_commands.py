import asyncio
import re
from pathlib import Path
from typing import cast

import pytest

from turnkeep.errors import UsageError
from turnkeep.terminal.app import TerminalChat
from turnkeep.terminal.commands import COMMANDS, run_command

MANUAL = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text(encoding="utf-8")
ASKED_FOR = ["help", "model", "context", "why", "summary", "facts", "regenerate", "edit", "undo", "remember", "pin", "forget", "new", "switch", "list", "search", "export", "system", "set", "copy", "quit"]  # fmt: skip


def test_the_commands_are_those_that_were_asked_for() -> None:
    assert [command.name for command in COMMANDS] == ASKED_FOR


def test_every_command_is_documented_as_it_is_used_and_nothing_else_is() -> None:
    documented = re.findall(r"^\| `(/[^`]+)` \|", MANUAL, re.MULTILINE)
    assert documented == [f"/{command.name} {command.argument}".strip() for command in COMMANDS]


def test_every_command_says_what_it_does_in_one_line() -> None:
    for command in COMMANDS:
        assert command.help.endswith((".", "..."))
        assert len(command.help) < 80


@pytest.mark.parametrize(
    ("line", "words"),
    [("/hlep", "no command /hlep; did you mean /help?"), ("/foo", "no command /foo. /help"), ("/", "no command /. /help"), ("/ a", "no command /a")],
)  # fmt: skip
def test_an_unknown_command_is_refused_with_the_one_that_is_meant(line: str, words: str) -> None:
    nobody = cast(TerminalChat, None)  # an unknown command asks nothing of the chat
    with pytest.raises(UsageError) as caught:
        asyncio.run(run_command(nobody, line))
    assert words in str(caught.value)
    assert "//text" in str(caught.value)
