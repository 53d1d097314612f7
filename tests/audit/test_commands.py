"""`turnkeep audit`: what it prints, and its exit status."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.audit.journals import entry, folder_in
from turnkeep.audit.base import AuditRules, Which
from turnkeep.audit.recorder import Recorder
from turnkeep.cli import run
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.backups import back_up, restore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "turnkeep.db"

    async def main() -> None:
        store = SqliteStore(path)
        recorder = Recorder(folder_in(tmp_path), AuditRules(level="full"), heads=store)
        for number in (1, 2, 3):
            await recorder.keep(entry(number, "Hällo\n" * 200, conversation=f"conv_{number}"))
        await recorder.forget(Which(turns=frozenset({2})))
        await recorder.close()
        await store.close()

    asyncio.run(main())
    return path


def call(database: Path, *arguments: str) -> int:
    return run(["audit", *arguments, "--db", str(database)])


def test_a_journal_that_is_right_is_said_to_be(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(database, "verify") == 0
    assert capsys.readouterr().out == (
        "The journal is what was written: 5 records of 3 turns in 1 file, of 1 turn the text was forgotten.\n"
    )


def test_a_journal_that_went_on_after_a_backup_is_right_when_that_is_restored(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def go_on(*numbers: int) -> None:
        store = SqliteStore(database)
        recorder = Recorder(
            folder_in(database.parent), AuditRules(level="full", rotate_bytes=4_096), heads=store
        )
        for number in numbers:
            await recorder.keep(entry(number, "Hällo\n" * 200, conversation="conv_4"))
        await recorder.close()
        await store.close()

    copy = back_up(database, database.parent / "copy.db", lambda *_: None)
    asyncio.run(go_on(4, 5, 6, 7))
    restore(database, copy, lambda *_: None)
    assert call(database, "verify") == 0
    asyncio.run(go_on(8, 9))
    assert call(database, "verify") == 0
    last = max(folder_in(database.parent).path.glob("0001-*.jsonl"))
    last.write_bytes(b"".join(last.read_bytes().splitlines(keepends=True)[:-1]))
    capsys.readouterr()
    assert call(database, "verify") == 1
    assert f"{last.name}: cut off" in capsys.readouterr().out


def test_what_is_wrong_is_named(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder_in(database.parent).file("0001-000001.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"turn":3', b'"turn":4'))
    assert call(database, "verify") == 1
    assert (
        capsys.readouterr().out == "0001-000001.jsonl: changed: record 4 was changed, or belongs elsewhere\n"
    )
    assert call(database, "show") == 0
    assert "a record that was changed" in capsys.readouterr().out


def test_without_a_database_the_ends_are_not_vouched_for(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in database.parent.glob("turnkeep.db*"):
        if path.is_file() and path.suffix != ".key":
            path.unlink()
    assert call(database, "verify") == 0
    assert "whether ends were cut off is not known" in capsys.readouterr().out


def test_a_key_that_is_missing_is_said(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_in(database.parent).key.unlink()
    assert call(database, "verify") == 2
    assert "put" in capsys.readouterr().err


def test_the_heads_are_printed_to_be_kept_elsewhere(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(database, "head") == 0
    file, count, link, state = capsys.readouterr().out.split()
    assert (file, count, len(link), state) == ("0001-000001.jsonl", "5", 64, "open")


def test_the_journal_is_shown_to_read(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(database, "show") == 0
    shown = capsys.readouterr().out
    assert "record 2" in shown
    assert "local, conv_1, turn 1, done, script" in shown
    assert shown.count("forgotten\n") == 1
    assert shown.count("Hällo") < 250
    assert call(database, "show", "--all", "--in", "conv_3", "--last", "1") == 0
    shown = capsys.readouterr().out
    assert "conv_1" not in shown
    assert shown.count("Hällo") == 200


def test_the_journal_is_written_out_without_its_keys(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(database, "export", "--in", "conv_1") == 0
    (line,) = capsys.readouterr().out.splitlines()
    body = json.loads(line)
    assert (body["file"], body["n"], body["turn"]) == ("0001-000001.jsonl", 2, 1)
    assert body["texts"]["output"] == "ok"
    assert "key" not in body
    assert call(database, "export", "-o", str(tmp_path / "out.jsonl")) == 0
    assert capsys.readouterr().err == f"5 records are in {tmp_path / 'out.jsonl'}.\n"
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 5
    assert call(database, "export", "-o", str(tmp_path / "out.jsonl")) == 2
    assert "name a new one" in capsys.readouterr().err


def test_files_are_closed_on_request(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(database, "rotate") == 0
    assert folder_in(database.parent).list() == ["0001-000001.jsonl", "0001-000002.jsonl"]
    assert call(database, "verify") == 0


def test_where_there_is_no_journal_nothing_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("verify", "show", "export", "head", "rotate"):
        assert call(tmp_path / "none.db", command) == 0
    assert list(tmp_path.iterdir()) == []
