"""`turnkeep export --masked`: no value in any format, the conversation's own marks, and nothing else changed."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.privacy import person
from turnkeep import Chat, MissingExtra
from turnkeep.cli import run
from turnkeep.exporting import change_arguments
from turnkeep.privacy import Found, find, judges
from turnkeep.store.sqlite import SqliteStore
from turnkeep.terminal import hiding
from turnkeep.terminal.hiding import Hiding
from turnkeep.testing import ScriptedEngine

FORMATS = ("jsonl", "markdown", "openai")
OTHER = "quill.zora@canary-mail.example"
NUMBER = "7345120"  # a telephone's where something says so


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "turnkeep.db")
    engine = ScriptedEngine([f"Noted {NUMBER}.", f"I wrote to {OTHER}.", "Yes."])
    with Chat(
        engine, conversation="one", db=path, system=f"You serve {OTHER}.",
        upkeep=False, embeddings="off", audit="off",
    ) as chat:  # fmt: skip
        chat.ask(f"{NUMBER} it is. {person.SAID}")
        chat.ask(f"Call me at {NUMBER}. Badge E-123456.")
    with Chat(engine, conversation="two", db=path, upkeep=False, embeddings="off", audit="off") as chat:
        chat.ask(f"Ask {OTHER}.")
    return path


def export(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    assert run(["export", *arguments]) == 0
    out, err = capsys.readouterr()
    return out, err


def load_marks(path: str, name: str) -> list[str]:
    async def load() -> list[str]:
        store = SqliteStore(Path(path))
        try:
            row = await store.find_conversation("local", name)
            assert row is not None
            return [f"{mark.text} {mark.value}" for mark in (await store.load_marks("local", row.id)).marks]
        finally:
            await store.close()

    return asyncio.run(load())


def test_marks_are_kept_piece_by_piece(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiding, "TOGETHER", 1)
    assert run(["export", "one", "--masked", "--db", db]) == 0
    kept = load_marks(db, "one")
    monkeypatch.setattr(hiding, "TOGETHER", 10**9)
    assert run(["export", "one", "--masked", "--db", db]) == 0
    assert load_marks(db, "one") == kept
    assert any(mark.endswith(OTHER) for mark in kept)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("which", ["one", "--all"])
def test_no_format_holds_a_value(db: str, capsys: pytest.CaptureFixture[str], form: str, which: str) -> None:
    out, err = export(capsys, which, "--masked", "--format", form, "--db", db)
    assert [value for value in (*person.VALUES, OTHER, NUMBER) if value in out] == []
    assert "Noted [PHONE_" in out
    assert "brings back the marks, not the values" in err
    whole, silent = export(capsys, which, "--format", form, "--db", db)
    assert silent == ""
    if form != "markdown":  # its letters alone have changed: the same lines and fields are there
        assert [shape(json.loads(line)) for line in parts(out, form)] == [
            shape(json.loads(line)) for line in parts(whole, form)
        ]


def parts(text: str, form: str) -> list[str]:
    lists = form == "openai" and text.startswith("[")
    return [text] if lists else text.splitlines()


def shape(value: object) -> object:
    """What is left of JSON without its texts."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case list():
            return [shape(inner) for inner in value]
        case str():
            return ""
    return value


def test_the_marks_are_the_conversation_s_own_and_the_same_each_time(
    db: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [export(capsys, "one", "--masked", "--format", form, "--db", db)[0] for form in FORMATS]
    assert first == [export(capsys, "one", "--masked", "--format", form, "--db", db)[0] for form in FORMATS]
    kept = load_marks(db, "one")
    assert f"[EMAIL_1] {person.EMAIL}" in kept
    assert all("I am [EMAIL_1], call me" in text for text in first)
    assert "[EMAIL_1]" in export(capsys, "two", "--masked", "--db", db)[0]
    assert load_marks(db, "two") == [f"[EMAIL_1] {OTHER}"]
    assert load_marks(db, "one") == kept


@pytest.mark.parametrize("form", FORMATS)
def test_a_text_is_searched_once_though_it_is_marked_and_written(
    db: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    searched = list[str]()

    def count(text: str, *others: object) -> list[Found]:
        searched.append(text)
        return find(text)

    monkeypatch.setattr("turnkeep.privacy.finder.find", count)
    out, _ = export(capsys, "one", "--masked", "--format", form, "--db", db)
    assert person.EMAIL not in out
    assert [text for text in searched if person.SAID in text] == [f"{NUMBER} it is. {person.SAID}"]
    assert sorted(searched) == sorted(set(searched))


def test_all_conversations_have_each_its_own_marks(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = export(capsys, "--all", "--masked", "--format", "openai", "--db", db)
    two, one = (json.loads(line)["messages"] for line in out.splitlines())
    assert two[0]["content"] == "Ask [EMAIL_1]."
    assert one[0]["content"] == "You serve [EMAIL_2]."


def test_patterns_of_the_user_s_are_masked_too(
    db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[privacy.patterns]\nEMPLOYEE = 'E-\\d{6}'\n")
    out, _ = export(capsys, "one", "--masked", "--db", db, "--config", str(config))
    assert "Badge [EMPLOYEE_1]." in out


def test_a_masked_export_is_imported_with_its_marks(
    db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.jsonl"
    _, err = export(capsys, "one", "--masked", "-o", str(path), "--db", db)
    assert err.splitlines()[0] == f"2 turns are in {path}."
    assert run(["import", str(path), "--name", "masked", "--db", db]) == 0
    assert "I am [EMAIL_1], call me" in export(capsys, "masked", "--db", db)[0]


def test_without_the_extra_nothing_is_written(
    db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingExtra(judges.INSTALL)

    monkeypatch.setattr("turnkeep.terminal.hiding.load_judges", missing)
    for which in ("one", "--all"):
        assert run(["export", which, "--masked", "-o", str(tmp_path / "x"), "--db", db]) == 2
        assert "pip install 'turnkeep[privacy]'" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_what_a_model_made_up_is_hidden_and_stays_open_in_prompts(tmp_path: Path) -> None:
    async def work() -> None:
        store = SqliteStore(tmp_path / "turnkeep.db")
        try:
            row = await store.create_conversation("local", "x", now=1.0)
            marks = await store.load_marks("local", row.id)
            assert await store.save_marks("local", row.id, marks, marks.showing([OTHER, "[EMAIL_7]"]))
            change = await Hiding(store).change_for(row)
            assert change(f"{OTHER} and [EMAIL_7]") == "[EMAIL_1] and [LITERAL_1]"
            assert (await store.load_marks("local", row.id)).marks == ()
        finally:
            await store.close()

    asyncio.run(work())


def test_the_json_of_a_tool_call_stays_json() -> None:
    def change(text: str) -> str:
        return text.replace("4111", "[CARD_1]").replace("Müller", "[NAME_1]").replace("fen", "[NAME_2]")

    said = '{"card": 4111, "rate": 1.50, "who": ["M\\u00fcller", true, null], "fen": 1}'
    assert json.loads(change_arguments(said, change)) == {
        "card": "[CARD_1]", "rate": 1.5, "who": ["[NAME_1]", True, None], "[NAME_2]": 1,
    }  # fmt: skip
    assert change_arguments('{"rate": 1.50}', change) == '{"rate": 1.50}'  # byte for byte
    assert change_arguments('{"card": 4111', change) == '{"card": [CARD_1]'
