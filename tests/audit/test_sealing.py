"""Beside an encrypted database the journal's texts are sealed by the keys of their conversations."""

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.audit.journals import entry
from tests.stores import with_store
from turnkeep import AsyncChat, AuditRules
from turnkeep.audit.base import Level, Which, caller
from turnkeep.audit.folder import Folder
from turnkeep.audit.opening import find_keyed, forget_audit, open_recorder
from turnkeep.audit.preparing import Preparer
from turnkeep.audit.reading import check_folder, read_records
from turnkeep.audit.sealing import SEALED, find_sealer, open_records
from turnkeep.cli import run
from turnkeep.errors import ConversationNotFound, StoreError
from turnkeep.store.secret import KeyFile, make_key_file
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import ScriptedEngine

SAID = "My aunt is a xylophonist in Lisbon, ana@example.com."
MASKED = "My aunt is a xylophonist in Lisbon, [EMAIL_1]."
REPLY = "How wonderful, a xylophonist."


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    return make_key_file(tmp_path / "key")


async def say(store: SqliteStore, name: str, *texts: str, level: Level = "full") -> str:
    """Say some things under the audit; returns the conversation."""
    async with AsyncChat(
        ScriptedEngine([REPLY] * len(texts)), db=store, conversation=name, upkeep=False, embeddings="off",
        audit=AuditRules(level=level),
    ) as chat:  # fmt: skip
        for text in texts:
            await chat.ask(text)
        return (await chat.conversation()).id


def files(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


async def read(store: SqliteStore) -> list[dict[str, str] | None]:
    """The texts of all turns as somebody sees them who has the key."""
    assert store.path is not None
    sealer = find_sealer(store)
    assert sealer is not None
    opened = open_records(sealer, read_records(Folder.of(store.path)))
    records = [record async for _, record in opened]
    return [
        None if record.texts is None else dict(record.texts)
        for record in records
        if record is not None and record.kind == "turn"
    ]


async def check(store: SqliteStore) -> None:
    assert store.path is not None
    assert (await check_folder(Folder.of(store.path), store, asyncio.to_thread)).findings == []


@pytest.mark.parametrize(("level", "kept"), [("full", SAID), ("masked", MASKED)])
def test_what_was_said_stands_in_no_file_and_is_shown_to_who_has_the_key(
    home: Path, tmp_path: Path, key: KeyFile, level: Level, kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(store: SqliteStore) -> None:
        caller.set("Ana's laptop")
        await say(store, "first", SAID, level=level)
        await check(store)

    with_store(home / "turnkeep.db", script, key)
    for word in (b"xylophonist", b"ana@example", b"wonderful", b"laptop"):
        assert word not in files(home)
    assert not Folder.of(home / "turnkeep.db").holds_texts()  # that anybody could read
    given = ["--db", str(home / "turnkeep.db"), "--encryption-key-file", str(tmp_path / "key")]
    assert run(["audit", "verify", *given]) == 0
    capsys.readouterr()
    assert run(["audit", "show", "--all", *given]) == 0
    shown = capsys.readouterr().out
    assert f"input: {kept}" in shown
    assert f"output: {REPLY}" in shown
    assert run(["audit", "export", *given]) == 0
    bodies = map(json.loads, capsys.readouterr().out.splitlines())
    (turn,) = (body for body in bodies if body["kind"] == "turn")
    assert turn["texts"] == {"key_name": "Ana's laptop", "input": kept, "output": REPLY}
    assert turn["bytes"] == {"input": len(SAID), "output": len(REPLY)}


def test_without_the_key_nothing_is_shown(
    home: Path, key: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(store: SqliteStore) -> None:
        await say(store, "first", SAID)

    with_store(home / "turnkeep.db", script, key)
    assert run(["audit", "show", "--db", str(home / "turnkeep.db")]) == 2
    told = capsys.readouterr()
    assert "xylophonist" not in told.out + told.err
    assert "encrypted" in told.err


def test_an_export_without_the_key_leaves_no_file_in_the_way_of_the_next(
    home: Path, tmp_path: Path, key: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(store: SqliteStore) -> None:
        await say(store, "first", SAID)

    with_store(home / "turnkeep.db", script, key)
    asked = ["audit", "export", "--db", str(home / "turnkeep.db"), "-o", str(tmp_path / "out.jsonl")]
    assert run(asked) == 2
    assert not (tmp_path / "out.jsonl").exists()
    assert run([*asked, "--encryption-key-file", str(tmp_path / "key")]) == 0
    assert "xylophonist" in (tmp_path / "out.jsonl").read_text("utf-8")


def test_what_is_forgotten_is_forgotten_here_too(home: Path, key: KeyFile) -> None:
    async def script(store: SqliteStore) -> None:
        conversation = await say(store, "first", SAID, "It rains.")
        await say(store, "second", "It snows.")
        await forget_audit(store, Which(conversation=conversation, turns=frozenset({1})))
        await check(store)
        assert [texts and texts["input"] for texts in await read(store)] == [None, "It rains.", "It snows."]

    with_store(home / "turnkeep.db", script, key)


def test_a_copy_of_the_journal_opens_no_more_when_the_conversation_is_gone(
    home: Path, tmp_path: Path, key: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Folder.of(home / "turnkeep.db").path

    async def talk(store: SqliteStore) -> None:
        await say(store, "first", SAID)
        await say(store, "second", "It snows.")

    with_store(home / "turnkeep.db", talk, key)
    shutil.copytree(journal, tmp_path / "copy")
    given = ["--db", str(home / "turnkeep.db"), "--encryption-key-file", str(tmp_path / "key")]
    assert run(["forget", "first", "--yes", *given]) == 0
    shutil.rmtree(journal)
    shutil.move(tmp_path / "copy", journal)
    capsys.readouterr()
    assert run(["audit", "show", *given]) == 0
    shown = capsys.readouterr().out
    assert "encrypted: the key of its conversation is not there" in shown
    assert "input: It snows." in shown
    assert "Lisbon" not in shown


def test_a_text_of_another_conversation_or_of_nobody_is_not_opened(home: Path, key: KeyFile) -> None:
    async def script(store: SqliteStore) -> None:
        first, second = [await say(store, name, SAID) for name in ("first", "second")]
        (sealed,) = await store.seal_texts("local", first, ["Hällo"])
        (again,) = await store.seal_texts("local", first, ["Hällo"])
        assert sealed != again  # nobody sees that the same was said twice
        changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
        wanted = [("local", first, each) for each in (sealed, changed, b"", b"plain text")]
        wanted += [("local", second, sealed), ("local", "conv_nobody", sealed), ("ana", first, sealed)]
        assert await store.open_texts(wanted) == ["Hällo", None, None, None, None, None, None]
        with pytest.raises(ConversationNotFound):
            await store.seal_texts("local", "conv_nobody", ["Hällo"])

    with_store(home / "turnkeep.db", script, key)


def test_what_was_written_before_the_database_was_encrypted_stays_as_it_was(
    home: Path, tmp_path: Path, key: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    async def before(store: SqliteStore) -> None:
        await say(store, "first", "It rains.")

    async def after(store: SqliteStore) -> None:
        await say(store, "first", SAID)
        assert [texts and texts["input"] for texts in await read(store)] == ["It rains.", SAID]
        await check(store)

    with_store(home / "turnkeep.db", before)
    assert run(["encrypt", "--db", str(home / "turnkeep.db"), "--key-file", str(tmp_path / "key")]) == 0
    told = capsys.readouterr().err
    assert "holds texts from before, which are not encrypted" in told
    with_store(home / "turnkeep.db", after, key)
    assert b"It rains." in files(home)
    assert b"Lisbon" not in files(home)


def test_a_value_in_a_keys_name_is_found_though_the_name_is_sealed(
    home: Path, tmp_path: Path, key: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    async def talk(store: SqliteStore) -> None:
        for name, what in (("Ana's laptop", "It rains."), ("phone", "It snows.")):
            caller.set(name)
            await say(store, what, what)

    async def look(store: SqliteStore) -> None:
        assert await read(store) == [None, {"key_name": "phone", "input": "It snows.", "output": REPLY}]
        await check(store)

    with_store(home / "turnkeep.db", talk, key)
    given = ["--db", str(home / "turnkeep.db"), "--encryption-key-file", str(tmp_path / "key")]
    assert run(["forget", "--value", "Ana's laptop", "--yes", *given]) == 0
    assert "audit: turns 1" in capsys.readouterr().out
    with_store(home / "turnkeep.db", look, key)


@pytest.mark.parametrize("level", ["sizes", "full"])
def test_the_name_of_the_key_is_sealed_also_where_nothing_that_was_said_is_kept(
    home: Path, key: KeyFile, level: Level
) -> None:
    async def script(store: SqliteStore) -> None:
        caller.set("Ana's laptop")
        conversation = await say(store, "first", SAID, level="off")
        recorder = open_recorder(store, AuditRules(level=level))
        assert recorder is not None
        unstored = entry(0, conversation="")
        for turn in (entry(1, conversation=conversation), unstored):
            recorder.note(replace(turn, key="Ana's laptop"))
        await recorder.close()
        names = [texts and texts["key_name"] for texts in await read(store)]
        assert names == ["Ana's laptop", "Ana's laptop"]
        assert b"laptop" not in files(home)
        found = await find_keyed(store, None, lambda name: "Ana" in name)
        assert (await forget_audit(store, *found)).turns == 2
        assert await read(store) == [None, None]
        await check(store)

    with_store(home / "turnkeep.db", script, key)


def test_what_is_sealed_of_one_owner_without_a_conversation_is_not_opened_for_another(
    home: Path, key: KeyFile
) -> None:
    async def script(store: SqliteStore) -> None:
        (sealed,) = await store.seal_texts("ana", "", ["laptop"])
        assert await store.open_texts([("ana", "", sealed), ("bob", "", sealed)]) == ["laptop", None]

    with_store(home / "turnkeep.db", script, key)


def test_half_a_character_keeps_nothing_from_being_shown(
    home: Path, tmp_path: Path, key: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(store: SqliteStore) -> None:
        conversation = await say(store, "first", SAID, level="off")
        recorder = open_recorder(store, AuditRules(level="full"))
        assert recorder is not None
        recorder.note(entry(1, "Half \ud800", conversation=conversation))
        await recorder.close()

    with_store(home / "turnkeep.db", script, key)
    given = ["--db", str(home / "turnkeep.db"), "--encryption-key-file", str(tmp_path / "key")]
    for command in ("show", "export"):
        assert run(["audit", command, *given]) == 0
        assert "Half \ufffd 1" in capsys.readouterr().out


def test_a_turn_that_nobody_can_seal_any_more_is_written_by_its_sizes(home: Path, key: KeyFile) -> None:
    async def script(store: SqliteStore) -> None:
        conversation = await say(store, "first", SAID, level="off")
        recorder = open_recorder(store, AuditRules(level="full"))
        assert recorder is not None
        recorder.note(entry(1, conversation=conversation))
        await recorder.drain()
        recorder.note(entry(2, conversation=conversation))
        recorder._last()  # what is called when a program ends without closing
        assert [texts and texts["input"] for texts in await read(store)] == ["hello 1", None]
        await check(store)

    with_store(home / "turnkeep.db", script, key)


def test_a_turn_that_holds_a_value_and_came_with_a_key_named_by_it_is_counted_once(
    home: Path, tmp_path: Path, key: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(store: SqliteStore) -> None:
        caller.set("Ana's laptop")
        await say(store, "first", "Call Ana.", "It rains.")

    with_store(home / "turnkeep.db", script, key)
    given = ["--db", str(home / "turnkeep.db"), "--encryption-key-file", str(tmp_path / "key")]
    for how in ("--dry-run", "--yes"):
        assert run(["forget", "--value", "Ana", how, *given]) == 0
        assert "audit: turns 2" in capsys.readouterr().out


def test_the_journal_is_not_read_where_others_would_wait_for_it(home: Path, key: KeyFile) -> None:
    async def script(store: SqliteStore) -> None:
        async def read_here() -> list[threading.Thread]:
            def records() -> Iterator[tuple[str, None]]:
                threads.append(threading.current_thread())
                yield "0001-000001.jsonl", None

            threads = list[threading.Thread]()
            assert [each async for each in open_records(store, records())] == [("0001-000001.jsonl", None)]
            return threads

        assert threading.current_thread() not in await read_here()

    with_store(home / "turnkeep.db", script, key)


class Broken:
    """Seals nothing."""

    seals_texts = True

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def seal_texts(self, owner: str, conversation: str, texts: Sequence[str]) -> list[bytes]:
        raise self.error

    async def open_texts(self, sealed: Sequence[tuple[str, str, bytes]]) -> list[str | None]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "logged"), [(ConversationNotFound("It is gone."), False), (StoreError("Locked."), True)]
)
def test_a_turn_that_cannot_be_sealed_leaves_its_sizes_alone(
    error: Exception, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    turn = replace(entry(1), key="Ana's laptop")
    preparer = Preparer("full", None, Broken(error))
    assert preparer.prepare_now(turn) is None  # nothing goes to the file before it is sealed
    draft = asyncio.run(preparer.prepare(turn))
    assert draft.texts is None
    assert draft.fields["bytes"] == {"input": 7, "output": 2}
    assert ("its sizes alone" in caplog.text) == logged


def test_a_plain_database_seals_nothing(home: Path) -> None:
    async def script(store: SqliteStore) -> None:
        assert find_sealer(store) is None
        await say(store, "first", SAID)

    with_store(home / "turnkeep.db", script)
    (record,) = [
        record
        for _, record in read_records(Folder.of(home / "turnkeep.db"))
        if record is not None and record.kind == "turn"
    ]
    assert record.texts is not None
    assert SEALED not in record.texts
