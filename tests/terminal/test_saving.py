"""/export: what `turnkeep export` writes of one conversation, masked or not, from inside of the chat."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.privacy import person
from turnkeep import AsyncChat, MissingExtra, TurnkeepError
from turnkeep.privacy import judges
from turnkeep.privacy.kinds import parse_patterns
from turnkeep.terminal.app import TerminalChat
from turnkeep.terminal.commands import complete_argument, run_command
from turnkeep.terminal.records import MASKED_NOTICE
from turnkeep.testing import EphemeralStore, ScriptedEngine

BADGE = "E-123456"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*commands: str) -> list[str]:
    """Say something, then run commands as a person types them; returns what is told."""
    said = list[str]()
    settings = SimpleNamespace(rules=parse_patterns({"EMPLOYEE": r"E-\d{6}"}))

    async def main() -> None:
        store = EphemeralStore()
        async with AsyncChat(
            ScriptedEngine([f"Noted {person.PHONE}."]),
            db=store,
            conversation="ana",
            upkeep=False,
            audit="off",
        ) as chat:
            app = cast(
                TerminalChat, SimpleNamespace(chat=chat, store=store, settings=settings, say=said.append)
            )
            await chat.ask(f"{person.SAID} Badge {BADGE}.")
            for command in commands:
                await run_command(app, command)
        await store.close()

    asyncio.run(main())
    return said


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/export --masked out.jsonl", "out.jsonl"),
        ("/export --masked out.md", "out.md"),
        ("/export  --masked  my notes.md", "my notes.md"),
        ("/export my notes.md --masked", "my notes.md"),
        ("/export --masked", "ana.jsonl"),
    ],
)
def test_a_masked_export_holds_no_value_and_says_so(folder: Path, command: str, name: str) -> None:
    said = told(command)
    text = (folder / name).read_text("utf-8")
    assert [value for value in (*person.VALUES, BADGE) if value in text] == []
    assert "I am [EMAIL_1], call me at [PHONE_1]." in text
    assert "Badge [EMPLOYEE_1]." in text
    assert said == [f"1 turn is in {name}.", MASKED_NOTICE]


def test_without_the_word_the_values_are_there_and_nothing_is_told_of_marks(folder: Path) -> None:
    assert told("/export out.md") == ["1 turn is in out.md."]
    assert person.EMAIL in (folder / "out.md").read_text("utf-8")


def test_it_is_what_the_command_outside_of_the_chat_writes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from turnkeep.cli import run

    told("/export whole.jsonl", "/export --masked masked.jsonl")
    assert run(["import", "whole.jsonl", "--db", "a.db"]) == 0
    (folder / "config.toml").write_text("[privacy.patterns]\nEMPLOYEE = 'E-\\d{6}'\n")
    capsys.readouterr()
    assert run(["export", "ana", "--masked", "--db", "a.db", "--config", "config.toml"]) == 0
    out, err = capsys.readouterr()
    assert out == (folder / "masked.jsonl").read_text("utf-8")
    assert err == f"turnkeep: {MASKED_NOTICE}\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/export --maskd out.md", "There is no option --maskd; did you mean --masked?"),
        ("/export --all", "There is no option --all."),
        ("/export --masked out.txt", "end it in .jsonl"),
    ],
)
def test_a_slip_writes_nothing(folder: Path, command: str, words: str) -> None:
    with pytest.raises(TurnkeepError) as caught:
        told(command)
    assert words in str(caught.value)
    assert list(folder.iterdir()) == []


def test_without_the_extra_nothing_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingExtra(judges.INSTALL)

    monkeypatch.setattr("turnkeep.terminal.hiding.load_judges", missing)
    with pytest.raises(MissingExtra):
        told("/export --masked out.md")
    assert list(folder.iterdir()) == []


def test_the_word_is_completed() -> None:
    nobody = cast(TerminalChat, None)
    assert asyncio.run(complete_argument(nobody, "/export")) == ["--masked"]
