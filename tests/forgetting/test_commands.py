"""`turnkeep forget` and `turnkeep retain` as a person calls them."""

import asyncio
from pathlib import Path

import pytest

from tests.forgetting.test_course import talk
from turnkeep.cli import run
from turnkeep.store.sqlite import SqliteStore


@pytest.fixture(autouse=True)
def told(home: Path) -> None:
    async def tell() -> None:
        store = SqliteStore(home / "turnkeep.db")
        await talk(store, "Call 0171 5550199 today.", "It rains in Rome.", name="ana")
        await talk(store, "My number is 0171/555 0199.", name="bea")
        await talk(store, "My dog barks loudly.", owner="carl")
        await store.close()

    asyncio.run(tell())


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert run(list(arguments)) == status
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 2
    return capsys.readouterr().err


def held(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_value_is_forgotten_everywhere_and_proven(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dry = printed(capsys, "forget", "--value", "01715550199", "--dry-run")
    assert dry.startswith("Would be forgotten: 2 turns.")
    assert "turnkeep.db" in dry
    assert b"5550199" in held(home)
    told = printed(capsys, "forget", "--value", "01715550199", "--yes")
    assert told.startswith("Forgotten: 2 turns.")
    assert "found none." in told
    assert "out of reach" in told
    whole = held(home)  # "555" alone stands in digests and times now and then
    assert [part for part in (b"5550199", b"555 0199", b"0171 55", b"0171/55") if part in whole] == []
    assert "you: Call [forgotten] today." in printed(capsys, "show", "ana")


def test_what_is_left_is_told_by_the_exit_status(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "one.db"
    printed(capsys, "backup", str(backup))
    backup.write_bytes(b"somebody else's" * 500)
    left = printed(capsys, "forget", "ana", "1", "--yes", status=1)
    assert f"pending. These could not be written anew: {backup}" in left
    backup.unlink()
    printed(capsys, "retain")
    printed(capsys, "forget", "ana", "2", "--yes")
    assert b"Call 0171" not in held(home)


def test_a_conversation_and_everything_of_an_owner_go(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "forget", "ana", "--yes").startswith("Forgotten: 1 conversation.")
    assert printed(capsys, "list").splitlines()[0].startswith("bea")
    assert printed(capsys, "forget", "--owner", "carl", "--yes").startswith("Forgotten: 1 conversation.")
    assert b"dog barks" not in held(home)
    assert b"0171/555" in held(home)
    assert printed(capsys, "forget", "--older-than", "1", "--yes").startswith("Forgotten: 0 turns.")


def test_a_slip_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Name what to forget" in refused(capsys, "forget", "--yes")
    assert "Name one thing" in refused(capsys, "forget", "ana", "1", "--value", "Rome", "--yes")
    assert "did you mean ana?" in refused(capsys, "forget", "anna", "--yes")
    assert "too short" in refused(capsys, "forget", "--value", "a", "--yes")
    assert "--yes" in refused(capsys, "forget", "ana")
    assert "a conversation with --days" in refused(capsys, "retain", "ana")
    assert "make no sense" in refused(capsys, "retain", "ana", "--days", "-4")
    assert "retention-days must be" in refused(capsys, "retain", "--retention-days", "x")


def test_a_message_is_forgotten_by_its_id(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def first() -> str:
        store = SqliteStore(home / "turnkeep.db")
        row = await store.find_conversation("local", "ana")
        assert row is not None
        log = await store.load_log("local", row.id, tip=row.tip)
        await store.close()
        return log[0].id

    printed(capsys, "forget", "ana", "--message", asyncio.run(first()), "--yes")
    assert b"Call 0171" not in held(home)
    assert b"It rains in Rome" in held(home)


def test_retention_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "retain") == "Nothing is due.\n"
    assert printed(capsys, "retain", "ana", "--days", "3") == ""
    assert printed(capsys, "retain", "--dry-run") == "Nothing is due.\n"
    assert printed(capsys, "retain", "ana", "--as-set") == ""
    assert printed(capsys, "retain", "--retention-days", "30") == "Nothing is due.\n"
