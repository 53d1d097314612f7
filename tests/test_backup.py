"""Backup, restore, check and repair: wholly done or not at all, whenever the process dies."""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.store.writer import Writer
from tests.stores import with_store
from turnkeep.cli import run
from turnkeep.conversation.items import assistant, user
from turnkeep.errors import StoreDamaged, StoreError, UsageError
from turnkeep.store.carrying import CarriedTurn
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.backups import back_up, restore
from turnkeep.store.sqlite.examine import QUESTIONS, examine
from turnkeep.store.sqlite.repair import repair

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("STORE_TEST_KILLS", "6"))  # 300 for the whole test


def nothing(_done: int, _total: int) -> None:
    pass


def make(path: Path, turns: int = 20, text: str = "A heron stands in the reeds, and number") -> Path:
    """A database with one more conversation, written in one transaction."""

    async def work(store: SqliteStore) -> None:
        writer = await Writer.begin(store)
        said = [
            CarriedTurn(
                after=number,
                items=((user(f"{text} {number}."), 1000.0 + number), (assistant("Yes."), 1000.5 + number)),
                state="done",
            )
            for number in range(turns)
        ]
        await store.append_carried("local", writer.id, said, lease=writer.lease)
        await store.drop_lease(writer.lease)

    with_store(path, work)
    return path


def dump(path: Path) -> list[str]:
    """All rows but those that tell of backups and leases."""
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    lines = [
        line
        for line in database.iterdump()
        if not line.startswith(('INSERT INTO "backup"', 'INSERT INTO "lease"'))
    ]
    database.close()
    return lines


def problems(path: Path) -> list[str]:
    return examine(path, time.time()).problems


# -- backup -------------------------------------------------------------------------
def test_a_backup_is_the_database_private_and_on_record(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db")
    target = back_up(path, tmp_path / "copy.db", nothing)
    assert dump(target) == dump(path)
    assert problems(target) == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir() if not file.name.endswith(("-wal", "-shm"))) == [
        "copy.db",
        "t.db",
    ]
    (record,) = with_store(path, lambda store: store.list_backups())
    assert (record.path, record.bytes) == (str(target), target.stat().st_size)
    assert record.finished is not None


def test_a_folder_gets_a_backup_named_by_the_time(tmp_path: Path) -> None:
    made = back_up(make(tmp_path / "t.db"), tmp_path, nothing)
    assert made.parent == tmp_path
    assert made.name.startswith("turnkeep-20")


@pytest.mark.parametrize("name", ["t.db", "no/such/folder.db"])
def test_a_backup_never_writes_over_a_file_and_makes_no_folder(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "t.db", 1)
    with pytest.raises(UsageError, match=r"\.$"):
        back_up(path, tmp_path / name, nothing)
    assert with_store(path, lambda store: store.list_backups()) == []


def test_a_backup_is_one_moment_while_a_writer_writes(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db", 400)
    ended = threading.Event()
    written: list[int] = []

    def write() -> None:
        async def work(store: SqliteStore) -> None:
            writer = await Writer.begin(store, "other")
            while not ended.is_set():
                await writer.say(f"Turn {len(written)}.")
                written.append(1)

        with_store(path, work)

    writer = threading.Thread(target=write)
    steps: list[int] = []

    def told(_done: int, _total: int) -> None:
        before = len(written)
        deadline = time.monotonic() + 10
        while len(written) == before and time.monotonic() < deadline:
            time.sleep(0.001)  # the writer is not held: it gets on between any two steps
        steps.append(len(written) - before)

    writer.start()
    try:
        target = back_up(path, tmp_path / "copy.db", told)
    finally:
        ended.set()
        writer.join()
    assert steps
    assert all(steps)
    assert problems(target) == []
    assert 400 <= examine(target, 0.0).counts["turn"] < examine(path, 0.0).counts["turn"]


# -- restore ------------------------------------------------------------------------
def test_a_restore_brings_back_what_was_and_keeps_what_is(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db")
    before = dump(path)
    copy = back_up(path, tmp_path / "copy.db", nothing)
    with_store(path, lambda store: store.create_conversation("local", "later", now=1.0))
    after = dump(path)
    later = back_up(path, tmp_path / "later.db", nothing)
    aside = restore(path, copy, nothing)
    assert aside is not None
    assert dump(path) == before
    assert dump(aside) == after
    known = [record.path for record in with_store(path, lambda store: store.list_backups())]
    assert known == [str(copy), str(later), str(aside)], "forgetting must find them all"


def test_a_restore_makes_a_database_where_there_is_none(tmp_path: Path) -> None:
    copy = back_up(make(tmp_path / "t.db"), tmp_path / "copy.db", nothing)
    assert restore(tmp_path / "new" / "t.db", copy, nothing) is None
    assert dump(tmp_path / "new" / "t.db") == dump(copy)


def test_a_restore_is_refused_while_another_program_has_the_database_open(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db")
    copy = back_up(path, tmp_path / "copy.db", nothing)

    async def work(store: SqliteStore) -> None:
        await store.stats()
        with pytest.raises(UsageError, match="Another program uses"):
            restore(path, copy, nothing)

    with_store(path, work)
    assert restore(path, copy, nothing) is not None


def test_a_restore_is_refused_while_a_lease_is_held(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db")
    copy = back_up(path, tmp_path / "copy.db", nothing)
    with_store(path, lambda store: store.take_lease("conversation:x", "me", now=time.time(), seconds=60.0))
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is at work"):
        restore(path, copy, nothing)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["text", "cut", "holes", "other"])
def test_a_damaged_backup_is_refused_and_nothing_changes(tmp_path: Path, damage: str) -> None:
    path = make(tmp_path / "t.db", 60)
    copy = back_up(path, tmp_path / "copy.db", nothing)
    content = bytearray(copy.read_bytes())
    if damage == "text":
        copy.write_text("no database")
    elif damage == "cut":
        copy.write_bytes(content[: len(content) // 2])
    elif damage == "holes":
        for place in range(4096, len(content) - 4096, 4096):
            content[place : place + 64] = b"\xff" * 64
        copy.write_bytes(content)
    else:
        copy.unlink()
        sqlite3.connect(copy).executescript("CREATE TABLE a (b); INSERT INTO a VALUES (1)").connection.close()
    before = dump(path)
    with pytest.raises((StoreError, UsageError), match=r"\.$"):
        restore(path, copy, nothing)
    assert dump(path) == before
    assert sorted(file.name for file in tmp_path.iterdir() if not file.name.endswith(("-wal", "-shm"))) == [
        "copy.db",
        "t.db",
    ]


def test_a_restore_takes_the_place_of_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db")
    copy = back_up(path, tmp_path / "copy.db", nothing)
    path.write_bytes(b"garbage" * 1000)
    aside = restore(path, copy, nothing)
    assert aside is not None
    assert aside.read_bytes() == b"garbage" * 1000
    assert problems(path) == []


# -- death --------------------------------------------------------------------------
CHILD = """
import sys
from pathlib import Path
from turnkeep.store.sqlite import backups
print("begun", flush=True)
work = backups.back_up if sys.argv[1] == "backup" else backups.restore
work(Path(sys.argv[2]), Path(sys.argv[3]), lambda done, total: None)
"""


def die_at_random(draw: random.Random, longest: float, *arguments: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.wait(draw.uniform(0, longest))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_killed_backup_is_whole_or_not_there(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db", 300)
    draw = random.Random(1)
    expected, made = dump(path), 0
    for number in range(KILLS):
        target = tmp_path / f"copy{number}.db"
        die_at_random(draw, 0.15, "backup", str(path), str(target))
        records = {record.path for record in with_store(path, lambda store: store.list_backups())}
        if target.exists():
            made += 1
            assert dump(target) == expected
            assert str(target) in records, "forgetting must find it"
    for part in tmp_path.glob(".*.part"):
        os.utime(part, (0, 0))  # as after a minute
    back_up(path, tmp_path / "last.db", nothing)
    assert list(tmp_path.glob(".*")) == []
    assert len(with_store(path, lambda store: store.list_backups())) == made + 1
    assert dump(path) == expected


def test_a_killed_restore_is_done_or_not(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db", 100)
    copy = back_up(path, tmp_path / "copy.db", nothing)
    make(path, 1, "Later, and number")
    draw, states = random.Random(2), {"\n".join(dump(copy)), "\n".join(dump(path))}
    for _ in range(KILLS):
        die_at_random(draw, 0.25, "restore", str(path), str(copy))
        assert "\n".join(dump(path)) in states
        assert problems(path) == []
    restore(path, copy, nothing)
    assert dump(path) == dump(copy)
    assert list(tmp_path.glob(".*")) == []


# -- check and repair ---------------------------------------------------------------
def spoil(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    with database:
        for statement in statements:
            database.execute(statement)
    database.close()


SPOILT = {
    "items without a turn": "DELETE FROM turn WHERE number = 3",
    "items out of their turn's place": "UPDATE turn SET first = 2 WHERE number = 1",
    "turns with items missing": "DELETE FROM item WHERE seq = 5",
    "items on a branch that is gone": "UPDATE item SET branch = 7 WHERE seq = 39",
    "conversations that stand at an item that is gone": "UPDATE conversation SET tip_seq = 999",
    "conversations whose summary is gone": "UPDATE conversation SET view = 4",
    "conversations whose instructions are gone": "UPDATE conversation SET instructions = 4",
    "conversations that count too few turns or branches": "UPDATE conversation SET turns = 2",
    "words of items that are gone": "UPDATE posting SET seq = 999 WHERE seq = 7",
    "words that are counted wrongly": "UPDATE word SET items = items + 1",
    "conversations indexed beyond their end": "UPDATE indexed SET turn = 99",
    "vectors of items that are gone": "INSERT INTO vector VALUES (1, 1, 1, 99, 999, 0, x'00')",
    "sizes of items that are gone": "INSERT INTO size VALUES (1, 1, 1, 0, 999, 5)",
    "digests that stand for no turn": "INSERT INTO digest VALUES (1, 1, 1, 1, 0, 1, x'00')",
    "responses whose turn is gone": "INSERT INTO response (owner, conversation, tag, kind, turn, given, head, created) "
    "VALUES (1, 1, 5, 'response', 99, 0, '{}', 1)",
    "pieces of replies to turns that are gone": "INSERT INTO piece VALUES (1, 1, 99, 1, '\"x\"')",
}  # fmt: skip
BODIES = {
    "item": "UPDATE item SET body = '[' WHERE seq = 4",
    "receipt": "UPDATE turn SET receipt = 'no' WHERE number = 4",
    "view": "INSERT INTO view VALUES (1, 1, 1, 1, 0, 2, 1.0, '7')",
}


def test_every_question_has_its_case() -> None:
    assert set(SPOILT) == {what for what, _ in QUESTIONS}


@pytest.mark.parametrize("what", [*SPOILT, *BODIES])
def test_what_is_wrong_is_found_and_mended(tmp_path: Path, what: str) -> None:
    path = make(tmp_path / "t.db")
    assert problems(path) == []
    spoil(path, "INSERT INTO tokenizer VALUES (1, 't')", {**SPOILT, **BODIES}[what])
    found = problems(path)
    assert any(line.startswith(what if what in SPOILT else "rows that cannot be read") for line in found)
    result = repair(path, nothing)
    assert result.left.problems == []
    assert problems(path) == []
    assert result.aside is not None
    assert problems(result.aside) == found

    async def go_on(store: SqliteStore) -> int:
        (row,) = await store.list_conversations("local")
        return len([turn async for turn, _ in store.export_items(row.owner, row.id)])

    assert with_store(path, go_on) >= 19


def test_a_sound_database_stays_what_it_is(tmp_path: Path) -> None:
    path = make(tmp_path / "t.db")
    before = dump(path)
    result = repair(path, nothing)
    assert result.done == []
    assert dump(path) == before


def pages_of_schema(path: Path) -> set[int]:
    """Numbers, from 0, of the pages that hold the list of tables."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").fetchall()
    finally:
        connection.close()
    return {page - 1 for (page,) in rows}


@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_holes_gives_back_most_of_its_turns(tmp_path: Path, seed: int) -> None:
    path = make(tmp_path / "t.db", 300)
    with_store(path, lambda store: store.stats())
    draw = random.Random(seed)
    content = bytearray(path.read_bytes())
    # Not in the list of tables itself: without it nothing can be read, and the person is told to take a backup.
    pages = sorted(set(range(30, len(content) // 4096)) - pages_of_schema(path))
    for page in draw.sample(pages, 3):
        content[page * 4096 : page * 4096 + 512] = draw.randbytes(512)
    path.write_bytes(content)
    if not problems(path):
        pytest.fail("the holes were not seen")
    result = repair(path, nothing)
    assert problems(path) == []
    assert result.left.counts["turn"] >= 150


def test_what_cannot_be_read_at_all_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreDamaged, match="restore a backup"):
        repair(path, nothing)
    assert path.read_bytes() == b"garbage" * 1000


def test_the_commands_say_what_they_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path / "home"))
    path = make(tmp_path / "t.db")
    options = ["--db", str(path)]
    assert run(["db", "check", *options]) == 0
    assert "sound" in capsys.readouterr().out
    assert run(["backup", str(tmp_path / "copy.db"), *options]) == 0
    assert str(tmp_path / "copy.db") in capsys.readouterr().out
    spoil(path, "DELETE FROM turn WHERE number = 3")
    assert run(["db", "check", *options]) == 1
    assert "wrong: items without a turn: 2" in capsys.readouterr().out
    assert run(["db", "repair", "--yes", *options]) == 0
    assert "turns made anew out of their items: 1" in capsys.readouterr().out
    assert run(["db", "restore", str(tmp_path / "copy.db"), "--yes", *options]) == 0
    assert "delete it when nothing is missing" in capsys.readouterr().out
    assert run(["restore", str(tmp_path / "none.db"), "--yes", *options]) == 2
    assert "There is no file" in capsys.readouterr().err
