"""`turnkeep scan`: what conversations hold, values in part."""

from pathlib import Path

import pytest

from tests.privacy import person
from turnkeep import Chat
from turnkeep.cli import run
from turnkeep.testing import ScriptedEngine


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "turnkeep.db")
    for name, texts in {
        "one": [person.SAID, f"again {person.EMAIL}"],
        "two": ["E-123456"],
        "none": ["Hi."],
    }.items():
        with Chat(ScriptedEngine(), conversation=name, db=path, upkeep=False, embeddings="off") as chat:
            for text in texts:
                chat.ask(text)
    return path


def scan(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    assert run(["scan", *arguments]) == status
    out, err = capsys.readouterr()
    return out, err


def test_values_are_shown_by_kind_and_turn_and_only_in_part(
    db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = scan(capsys, "one", "--db", db)
    heading, *lines = out.splitlines()
    assert heading.startswith("one: 1 BIRTH_DATE, 1 CARD, 1 EMAIL, 1 IBAN")
    assert "  EMAIL           z***@c***.example  2 times, turns 1, 2" in lines
    assert "  CARD            **** **** **** **11  1 time, turn 1" in lines
    assert len(lines) == len(person.VALUES)
    assert [value for value in person.VALUES if value in out] == []


def test_show_prints_the_values(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = scan(capsys, "one", "--show", "--db", db)
    assert [value for value in person.VALUES if value not in out] == []


def test_without_a_name_all_are_scanned_with_the_user_s_patterns(
    db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[privacy.patterns]\nEMPLOYEE = 'E-\\d{6}'\n")
    out, _ = scan(capsys, "--db", db, "--config", str(config))
    headings = [line for line in out.splitlines() if not line.startswith(" ")]
    assert [heading.partition(":")[0] for heading in headings] == ["two", "one"]
    assert "  EMPLOYEE        *-****56  1 time, turn 1" in out


def test_what_holds_nothing_is_said(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan(capsys, "none", "--db", db) == (
        "",
        "turnkeep: Nothing was found that looks like personal data.\n",
    )


def test_a_name_that_is_not_there_is_refused(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = scan(capsys, "three", "--db", db, status=2)
    assert (out, err) == ("", "turnkeep: There is no conversation 'three': turnkeep list shows them.\n")
