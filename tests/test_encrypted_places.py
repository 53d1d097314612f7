"""An encrypted store in the course of its life: forgetting, backups, checks. It does what a plain one does."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.store.test_encryption import CANARY, say_everywhere, search_files
from tests.store.writer import OWNER, Writer
from tests.stores import with_store
from turnkeep import AsyncChat, AuditRules
from turnkeep.cli import run
from turnkeep.engine.absent import AbsentEngine
from turnkeep.errors import StoreLocked
from turnkeep.forgetting.courses import Forgetter
from turnkeep.forgetting.opening import open_forgetter
from turnkeep.privacy.marks import NO_MARKS, Mark, Marks
from turnkeep.store.erasing import EveryMention, EverythingOwned, OlderThan, OneConversation, OneTurn, What
from turnkeep.store.secret import KeyFile, Passphrase, make_key_file
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.backups import back_up, restore
from turnkeep.store.sqlite.encrypt import encrypt, encryption_method
from turnkeep.store.sqlite.examine import examine
from turnkeep.store.sqlite.repair import repair
from turnkeep.testing import ScriptedEngine
from turnkeep.unlocking import open_copy

if TYPE_CHECKING:
    from turnkeep.forgetting.receipt import ForgetReceipt

SAID = "My aunt Wolverine is a xylophonist in Lisbon."
KINDS = ("turn", "conversation", "owner", "old", "mention")
NO_AUDIT = AuditRules(level="off")
Script = Callable[[SqliteStore], Awaitable[None]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TURNKEEP_HOME", str(folder))
    return folder


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    return make_key_file(tmp_path / "key")


def nothing(_done: int, _total: int) -> None:
    pass


def dump(path: Path) -> list[str]:
    with sqlite3.connect(path) as database:
        lines = list(database.iterdump())
    database.close()
    return lines


async def talk(store: SqliteStore) -> None:
    """Two conversations; a turn of the first one is said to be old by its first words."""
    for name, texts in (("first", (SAID, "It rains.")), ("second", ("The heron waits.",))):
        chat = AsyncChat(
            ScriptedEngine(), db=store, conversation=name, upkeep=False, embeddings="off", audit=NO_AUDIT
        )
        for text in texts:
            await chat.ask(text)
        await chat.close()
        row = await store.find_conversation(OWNER, name)
        assert row is not None
        marks = Marks((Mark("NAME", 1, "Wolverine"), Mark("NAME", 2, "Lisbon")), frozenset({"heron"}))
        assert await store.save_marks(OWNER, row.id, NO_MARKS, marks)


def forgetter(store: SqliteStore) -> Forgetter:
    return open_forgetter(store, AbsentEngine(), holder="test/0/0", open_store=partial(open_copy, store))


async def what_of(store: SqliteStore, kind: str) -> What:
    row = await store.find_conversation(OWNER, "first")
    assert row is not None
    whats: Mapping[str, What] = {
        "turn": OneTurn(conversation=row.id, turn=1),
        "conversation": OneConversation(conversation=row.id),
        "owner": EverythingOwned(),
        "old": OlderThan(before=row.updated + 60),
        "mention": EveryMention(value="Wolverine"),
    }
    return whats[kind]


async def left(store: SqliteStore) -> list[object]:
    """What can still be read."""
    read: list[object] = []
    for row in await store.list_conversations(OWNER):
        read.append((row.name, await store.load_marks(OWNER, row.id)))
        read += [str(each.item) for each in await store.load_log(OWNER, row.id, tip=row.tip)]
    return read


# -- forgetting ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_goes_as_from_a_plain_store(tmp_path: Path, key: KeyFile, kind: str) -> None:
    receipts: list[ForgetReceipt] = []
    kept: list[list[object]] = []

    async def script(store: SqliteStore) -> None:
        await talk(store)
        dry = await forgetter(store).forget(OWNER, await what_of(store, kind), dry_run=True)
        receipt = await forgetter(store).forget(OWNER, await what_of(store, kind))
        assert receipt.is_proven
        assert dry.places[0] == receipt.places[0]
        assert await store.load_unfinished() == []
        receipts.append(receipt)
        kept.append(await left(store))

    with_store(tmp_path / "plain.db", script, None)
    with_store(tmp_path / "sealed.db", script, key)
    plain, sealed = (dict(receipt.places[0].removed) for receipt in receipts)
    destroyed = sealed.pop("conversation_key", 0)
    assert plain["item" if kind in ("conversation", "owner", "old") else "item rewritten"] > 0
    assert sealed == plain
    assert destroyed == {"conversation": 1, "owner": 2, "old": 2}.get(kind, 0)
    assert kept[0] == kept[1]
    proofs = [receipt.proof for receipt in receipts]
    assert proofs[0] is not None
    assert proofs[1] is not None
    assert proofs[1].pieces >= proofs[0].pieces > 0


def test_marks_of_values_that_nobody_says_any_more_are_emptied(tmp_path: Path, key: KeyFile) -> None:
    async def script(store: SqliteStore) -> None:
        await talk(store)
        await forgetter(store).forget(OWNER, await what_of(store, "turn"))
        row = await store.find_conversation(OWNER, "first")
        assert row is not None
        marks = await store.load_marks(OWNER, row.id)
        assert marks.marks == (Mark("NAME", 1, None), Mark("NAME", 2, None))

    with_store(tmp_path / "turnkeep.db", script, key)


def test_what_is_left_to_do_is_remembered_and_not_in_plain(tmp_path: Path, key: KeyFile) -> None:
    path = tmp_path / "turnkeep.db"

    async def script(store: SqliteStore) -> None:
        await talk(store)
        what = await what_of(store, "turn")
        assert isinstance(what, OneTurn)
        row = await store.load_conversation(OWNER, what.conversation)
        writer = await Writer.join(store, row.id, "writer")
        note = {"left": ["somewhere"], "texts": [], "now": 5.0}
        erased = await store.erase(OWNER, what, leases=[writer.lease], now=5.0, note=note)
        assert erased is not None
        assert erased.record is not None
        (unfinished,) = await store.load_unfinished()
        assert SAID in unfinished.note["texts"]
        await store.note_unfinished(erased.record, {**note, "texts": [CANARY]})
        (unfinished,) = await store.load_unfinished()
        assert (unfinished.begun, unfinished.note["texts"]) == (5.0, [CANARY])
        assert search_files(tmp_path) == []
        back_up(path, tmp_path / "backup.db", nothing)
        assert search_files(tmp_path) == []
        await store.note_unfinished(erased.record, None)
        assert await store.load_unfinished() == []

    with_store(path, script, key)


def test_marks_stand_in_no_file(tmp_path: Path, key: KeyFile) -> None:
    async def script(store: SqliteStore) -> None:
        await talk(store)
        assert [needle for _, needle in search_files(tmp_path) if needle in (b"Wolverine", b"Lisbon")] == []

    with_store(tmp_path / "turnkeep.db", script, key)
    with sqlite3.connect(tmp_path / "turnkeep.db") as database:
        values = [value for (value,) in database.execute("SELECT value FROM mark")]
    database.close()
    assert values
    assert all(isinstance(value, bytes) for value in values)


@pytest.mark.parametrize("before", [False, True])
def test_forgetting_reaches_backups_made_before_and_after_encrypting(
    tmp_path: Path, key: KeyFile, before: bool
) -> None:
    path, backup = tmp_path / "turnkeep.db", tmp_path / "backup.db"
    with_store(path, talk, None)
    if before:
        back_up(path, backup, nothing)
    encrypt(path, key)
    if not before:
        back_up(path, backup, nothing)
    assert (encryption_method(backup) is None) is before
    assert (b"xylophonist" in backup.read_bytes()) is before

    async def script(store: SqliteStore) -> None:
        receipt = await forgetter(store).forget(OWNER, await what_of(store, "turn"))
        (place,) = (place for place in receipt.places if place.name == "backups")
        assert (place.removed, place.state) == ({"backups": 1}, "done")

    with_store(path, script, key)
    assert b"xylophonist" not in backup.read_bytes()
    assert (encryption_method(backup) is None) is before
    assert backup.stat().st_mode & 0o777 == 0o600

    async def look(store: SqliteStore) -> None:
        assert not any("xylophonist" in str(each) for each in await left(store))
        assert any("heron" in str(each) for each in await left(store))

    with_store(backup, look, None if before else key)


def test_a_backup_that_the_key_does_not_open_is_pending(tmp_path: Path, key: KeyFile) -> None:
    path, other = tmp_path / "turnkeep.db", tmp_path / "other.db"
    with_store(path, talk, key)
    with_store(other, talk, make_key_file(tmp_path / "another"))
    back_up(path, tmp_path / "backup.db", nothing)
    (tmp_path / "backup.db").write_bytes(other.read_bytes())

    async def script(store: SqliteStore) -> None:
        receipt = await forgetter(store).forget(OWNER, await what_of(store, "turn"))
        (place,) = (place for place in receipt.places if place.name == "backups")
        assert place.state == "pending"
        assert "is not the key file of" in place.advice

    with_store(path, script, key)


# -- backup, restore, check, repair --------------------------------------------------------------------
def test_a_backup_and_what_is_restored_of_it_stay_encrypted(tmp_path: Path, key: KeyFile) -> None:
    path, backup = tmp_path / "turnkeep.db", tmp_path / "backup.db"

    async def say(store: SqliteStore) -> None:
        await say_everywhere(store)

    with_store(path, say, key)
    back_up(path, backup, nothing)  # needs no key
    assert search_files(tmp_path) == []
    with_store(path, lambda store: store.delete_owner(OWNER), key)
    assert restore(path, backup, nothing) is not None
    assert search_files(tmp_path) == []
    assert encryption_method(path) == "key_file"

    async def look(store: SqliteStore) -> None:
        assert [row.name for row in await store.list_conversations(OWNER)] == [f"{CANARY} name"]
        assert len(await store.list_backups()) == 2

    with_store(path, look, key)
    with pytest.raises(StoreLocked):
        with_store(path, look, None)


def test_a_check_looks_into_what_is_encrypted_where_it_is_opened(tmp_path: Path, key: KeyFile) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, talk, key)
    locked, opened = examine(path, 0.0), examine(path, 0.0, key)
    assert (locked.problems, opened.problems) == ([], [])
    assert any("was not read" in notice for notice in locked.notices)
    assert not any("was not read" in notice for notice in opened.notices)
    with sqlite3.connect(path) as database:  # two bodies exchanged, each sealed for its own place
        (first,), (second,) = database.execute("SELECT body FROM item WHERE entry IN (1, 2) ORDER BY entry")
        database.execute("UPDATE item SET body = ? WHERE entry = 1", (second,))
        database.execute("UPDATE item SET body = ? WHERE entry = 2", (first,))
    database.close()
    assert examine(path, 0.0).problems == []
    assert examine(path, 0.0, key).problems == ["rows that cannot be read: 2"]
    with pytest.raises(StoreLocked, match="not the key file"):
        examine(path, 0.0, make_key_file(tmp_path / "another"))


def test_a_plain_store_is_checked_where_a_passphrase_is_set(tmp_path: Path, key: KeyFile) -> None:
    with_store(tmp_path / "turnkeep.db", talk, None)
    assert examine(tmp_path / "turnkeep.db", 0.0, key).problems == []


def test_an_export_of_a_plain_store_is_read_back_by_an_encrypted_one(
    home: Path, key: KeyFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_store(home / "turnkeep.db", talk, None)
    files = [tmp_path / "plain.jsonl", tmp_path / "sealed.jsonl"]
    assert run(["export", "first", "-o", str(files[0])]) == 0
    given = ["--db", str(tmp_path / "other.db"), "--encryption-key-file", str(tmp_path / "key")]
    assert run(["import", str(files[0]), *given]) == 0
    assert run(["export", "first", "-o", str(files[1]), *given]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert b"xylophonist" not in (tmp_path / "other.db").read_bytes()
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in (*files, tmp_path / "other.db"))


def test_an_encrypted_store_is_not_repaired_and_not_touched(tmp_path: Path, key: KeyFile) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, talk, key)
    before = dump(path)
    with pytest.raises(StoreLocked, match="is encrypted and cannot be repaired: restore a backup"):
        repair(path, nothing)
    assert dump(path) == before
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == {"key", "turnkeep.db"}


def test_a_backup_that_an_earlier_passphrase_opens_is_told_by_the_exit_status(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is still to be forgotten stands encrypted in the files: the proof alone finds nothing there."""
    monkeypatch.setenv("TURNKEEP_PASSPHRASE", "the first one")
    with_store(home / "turnkeep.db", talk, Passphrase("the first one", cost=4))
    backup, now = tmp_path / "copy.db", str(tmp_path / "new")
    assert run(["db", "backup", str(backup)]) == 0
    assert run(["encrypt", "--change", "--key-file", now]) == 0
    monkeypatch.delenv("TURNKEEP_PASSPHRASE")
    capsys.readouterr()
    assert run(["forget", "first", "1", "--yes", "--encryption-key-file", now]) == 1
    told = capsys.readouterr().out
    assert f"pending. These could not be written anew: {backup} (" in told
    assert "found none." in told
    backup.unlink()
    assert run(["forget", "first", "2", "--yes", "--encryption-key-file", now]) == 0


def test_the_commands_take_the_key_file(
    home: Path, key: KeyFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_store(home / "turnkeep.db", talk, key)
    given = ["--encryption-key-file", str(tmp_path / "key")]
    assert run(["db", "check", *given]) == 0
    assert "was not read" not in capsys.readouterr().out
    assert run(["db", "check"]) == 0
    assert "was not read" in capsys.readouterr().out
    assert run(["db", "backup", str(tmp_path / "copy.db")]) == 0
    assert run(["db", "restore", str(tmp_path / "copy.db"), "--yes"]) == 0
    assert run(["db", "repair", "--yes", *given]) == 2
    assert "cannot be repaired" in capsys.readouterr().err
    assert run(["forget", "--value", "Wolverine", "--yes", *given]) == 0
    assert run(["audit", "verify", *given]) == 0


# -- what is not encrypted ------------------------------------------------------------------------------
@pytest.mark.parametrize("level", ["full", "sizes"])
def test_encrypting_says_what_stays_readable(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    async def say() -> None:
        rules = AuditRules(level=level)  # type: ignore[arg-type]  # one of both
        async with AsyncChat(
            ScriptedEngine(), db=home / "turnkeep.db", embeddings="off", audit=rules
        ) as chat:
            await chat.ask('A "texts": of mine.')

    asyncio.run(say())
    if level == "full":
        assert run(["db", "backup", str(tmp_path / "copy.db")]) == 0
    assert run(["encrypt", "--key-file", str(tmp_path / "key")]) == 0
    told = capsys.readouterr().err
    assert ("The audit journal" in told and "which are not encrypted" in told) is (level == "full")
    assert (f"Backups made before are not encrypted: {tmp_path / 'copy.db'}." in told) is (level == "full")
