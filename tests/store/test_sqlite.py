"""The SQLite file: who can read it, what is wrong with it, and what happens when nothing can be written."""

import asyncio
import gc
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from tests.store.writer import OWNER, Writer
from tests.stores import with_store

from turnkeep.conversation.items import user
from turnkeep.errors import StoreDamaged, StoreError, StoreFull, StoreTooNew, TurnkeepError
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import Database

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


async def say_hello(store: SqliteStore) -> Writer:
    writer = await Writer.begin(store)
    await writer.say("Hello, I am Ana.", "Hello Ana.")
    return writer


async def look(store: SqliteStore) -> list[str]:
    """Read something, as the first call after opening."""
    (row,) = await store.list_conversations(OWNER)
    return [str(each.item) for each in await store.load_log(OWNER, row.id, tip=row.tip)]


def refused(path: Path, kind: type[StoreError]) -> str:
    """The sentence with which a store refuses the file: one, naming it, saying what to do."""
    with pytest.raises(kind) as caught:
        with_store(path, look)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert ": " in sentence.replace(str(path), "")  # what is wrong: what to do
    assert sentence.endswith(".")
    return sentence


def database_of(store: SqliteStore, work: Callable[[Database], T]) -> Awaitable[T]:
    """Do something on the store's own connection."""
    return store._worker.run(work)


def pragma(name: str) -> Callable[[Database], object]:
    return lambda database: database.execute(f"PRAGMA {name}").fetchone()[0]


# -- the file -------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_call(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a" / "b.db")
    assert list(tmp_path.iterdir()) == []
    asyncio.run(store.close())
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_the_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "turnkeep.db"
    modes: dict[str, int] = {}

    async def scenario(store: SqliteStore) -> None:
        await say_hello(store)
        for file in (path.parent.parent, *path.parent.parent.rglob("*")):
            modes[file.name] = stat.S_IMODE(file.stat().st_mode)

    previous = os.umask(0)  # nothing is left to a strict umask
    try:
        with_store(path, scenario)
    finally:
        os.umask(previous)
    assert modes == {
        "new": 0o700,
        "folders": 0o700,
        "turnkeep.db": 0o600,
        "turnkeep.db-wal": 0o600,
        "turnkeep.db-shm": 0o600,
    }


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_can_read_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, say_hello)
    before = path.read_bytes()
    path.chmod(mode)
    with pytest.raises(
        StoreError, match=f"^{path} can be read by others on this machine: run `chmod 600 {path}`.$"
    ):
        with_store(path, look)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == before
    path.chmod(0o600)
    with_store(path, look)


def test_what_was_said_is_there_after_a_restart_in_one_file(tmp_path: Path) -> None:
    with_store(tmp_path / "turnkeep.db", say_hello)
    assert [file.name for file in tmp_path.iterdir()] == ["turnkeep.db"]
    assert "Hello, I am Ana." in with_store(tmp_path / "turnkeep.db", look)[0]


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "turnkeep.db").touch(mode=0o600)
    with_store(tmp_path / "turnkeep.db", say_hello)
    assert len(with_store(tmp_path / "turnkeep.db", look)) == 2


def test_a_relative_path_stays_where_it_was_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("turnkeep.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    async def main() -> None:
        await say_hello(store)
        await store.close()

    asyncio.run(main())
    assert (tmp_path / "turnkeep.db").exists()


def test_the_connection_is_set_for_safety(tmp_path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        writer = await Writer.begin(store)
        opened = await writer.open("Hello.")
        names = ("journal_mode", "secure_delete", "foreign_keys", "synchronous", "temp_store")
        found = [await database_of(store, pragma(name)) for name in names]
        assert found == ["wal", 1, 1, 2, 2]  # synchronous 2: the message is on the disk
        await writer.partial(opened, "He")
        assert await database_of(store, pragma("synchronous")) == 1  # a piece does not wait for it
        await writer.finish(opened, "Hello.")
        assert await database_of(store, pragma("synchronous")) == 2

    with_store(tmp_path / "turnkeep.db", scenario)


def test_without_a_write_ahead_log_every_commit_waits_for_the_disk() -> None:
    async def main() -> None:
        store = EphemeralStore()  # SQLite keeps no log for a database in memory
        assert await database_of(store, pragma("journal_mode")) == "memory"
        await store.save_value("key", "value")
        assert await database_of(store, pragma("synchronous")) == 2
        await store.close()

    asyncio.run(main())


def test_what_was_deleted_is_in_no_file_any_more(tmp_path: Path) -> None:
    words = (b"Zanzibar", b"Quagga", b"Rhubarb", b"Kumquat", b"Xylophone")

    def found() -> list[bytes]:
        # By another process: to open and close the file here would drop this process's locks.
        files = subprocess.run(["cat", *tmp_path.iterdir()], capture_output=True, check=True).stdout
        return [word for word in words if word in files]

    async def scenario(store: SqliteStore) -> None:
        writer = await Writer.begin(store, "Zanzibar")
        await writer.finish(await writer.open("Quagga", "x" * 20_000 + "Rhubarb"), "Kumquat")
        await writer.partial(await writer.open("Again."), "Xylophone")
        assert found() == list(words)
        await store.delete_conversation(OWNER, writer.id)
        assert found() == []

    with_store(tmp_path / "turnkeep.db", scenario)


# -- files that are none ----------------------------------------------------------------------------


def test_a_database_of_a_newer_turnkeep_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, say_hello)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    assert "99" in refused(path, StoreTooNew)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE item (a)")
    database.close()
    before = path.read_bytes()
    assert "another program" in refused(path, StoreDamaged)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["places.sqlite"]


@pytest.mark.parametrize(
    "content", [b"Dear diary,\n" * 500, os.urandom(5000), b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "diary.txt"
    path.write_bytes(content)
    refused(path, StoreDamaged)
    assert path.read_bytes() == content


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, say_hello)
    whole = path.read_bytes()
    for damaged in (whole[:4096] + b"\xff" * (len(whole) - 4096), whole[: len(whole) // 2], whole[:5000]):
        path.write_bytes(damaged)
        assert "damaged" in refused(path, StoreDamaged)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE item SET body = '{\"broken\"'", "damaged"),
        ("UPDATE item SET body = CAST(x'22ff22' AS TEXT)", "damaged"),
        ("UPDATE item SET kind = 'nobody'", "damaged"),
        ("ALTER TABLE item RENAME TO thing", "damaged"),
    ],
)
def test_a_damaged_row_says_so(tmp_path: Path, damage: str, said: str) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, say_hello)
    with sqlite3.connect(path) as database:
        database.execute(damage)
    database.close()
    with pytest.raises(StoreDamaged, match=said):
        with_store(path, look)


@pytest.mark.parametrize("broken", ["[1]", "{"])
def test_a_damaged_receipt_says_so(tmp_path: Path, broken: str) -> None:
    async def scenario(store: SqliteStore) -> None:
        writer = await say_hello(store)
        await database_of(store, lambda db: db.execute("UPDATE turn SET receipt = ?", (broken,)))
        with pytest.raises(StoreDamaged, match="damaged"):
            await store.load_receipt(OWNER, writer.id, 1)

    with_store(tmp_path / "turnkeep.db", scenario)


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    with pytest.raises(StoreError, match=r"SQLite 3\.34\.1.*3\.35 or newer"):
        with_store(tmp_path / "turnkeep.db", look)
    assert list(tmp_path.iterdir()) == []


# -- places that cannot be written --------------------------------------------------------------------


def test_a_place_where_nothing_can_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for place in (
        tmp_path / "file" / "turnkeep.db",
        tmp_path / "file" / "deeper" / "turnkeep.db",
        tmp_path,
        Path("/proc/turnkeep/turnkeep.db"),  # a folder that root cannot write to either
    ):
        assert "cannot be written" in refused(place, StoreFull)


def test_a_full_database_says_so_and_keeps_what_was_said(tmp_path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        writer = await say_hello(store)
        pages = await database_of(store, pragma("page_count"))
        await database_of(store, pragma(f"max_page_count = {pages}"))
        with pytest.raises(StoreFull, match=r"No space is left for .*turnkeep\.db: free some"):
            await writer.open("x" * 100_000)
        assert await writer.log() == ["Hello, I am Ana.", "Hello Ana."]
        await database_of(store, pragma("max_page_count = 1000000"))
        await writer.say("There is room again.")
        assert len(await writer.log()) == 4
        assert (await writer.row()).turns == 2

    with_store(tmp_path / "turnkeep.db", scenario)


# Runs where files may not grow past 300,000 bytes: prints why it stopped, and how much it has kept.
_SAY_UNTIL_FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.store.writer import Writer
from turnkeep.errors import StoreFull
from turnkeep.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    writer = await Writer.begin(store)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    kept = 0
    try:
        while True:
            await writer.say("x" * 10_000)
            kept += 2
    except StoreFull as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await writer.settle()
    await writer.say("There is room again.")
    print(kept + 2, len(await writer.log()))
    await store.close()

asyncio.run(main())
"""


def test_a_file_that_may_not_grow_says_so_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SAY_UNTIL_FULL, str(tmp_path / "turnkeep.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    sentence, counts = done.stdout.splitlines()
    assert "cannot be written" in sentence
    assert len(set(counts.split())) == 1


def test_a_database_held_by_another_program_says_so_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, say_hello)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="held by another program"):
        with_store(path, say_hello, busy_seconds=0.05)
    assert len(with_store(path, look)) == 2  # reading goes on
    other.close()
    with_store(path, say_hello)


def test_an_opening_that_failed_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.write_text("in the way")

    async def scenario(store: SqliteStore) -> None:
        with pytest.raises(StoreFull):
            await say_hello(store)
        folder.unlink()
        await say_hello(store)

    with_store(folder / "turnkeep.db", scenario)


# -- loops, threads, processes ----------------------------------------------------------------------


def test_a_store_serves_one_loop_after_another(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "turnkeep.db")
    writer = asyncio.run(say_hello(store))
    assert asyncio.run(writer.log()) == ["Hello, I am Ana.", "Hello Ana."]
    asyncio.run(store.close())


def test_the_loop_goes_on_while_the_database_waits(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    with_store(path, say_hello)
    other = sqlite3.connect(path, isolation_level=None)

    async def scenario(store: SqliteStore) -> None:
        await look(store)
        other.execute("BEGIN IMMEDIATE")
        saving = asyncio.ensure_future(store.save_value("key", "value"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not saving.done()
        other.execute("ROLLBACK")
        await saving

    with_store(path, scenario)
    other.close()


@pytest.fixture
def store_threads() -> Callable[[], int]:
    def count() -> int:
        return sum(thread.name == "turnkeep-store" for thread in threading.enumerate())

    assert count() == 0
    return count


def test_a_store_that_is_dropped_ends_its_thread(tmp_path: Path, store_threads: Callable[[], int]) -> None:
    store: SqliteStore | None = SqliteStore(tmp_path / "turnkeep.db")
    assert store is not None
    asyncio.run(say_hello(store))
    (thread,) = [each for each in threading.enumerate() if each.name == "turnkeep-store"]
    del store
    gc.collect()
    thread.join(10)
    assert store_threads() == 0


def test_an_answer_that_comes_after_its_loop_has_closed_is_dropped(
    tmp_path: Path, store_threads: Callable[[], int]
) -> None:
    store = SqliteStore(tmp_path / "turnkeep.db")
    holding, leave = threading.Event(), threading.Event()

    def hold(_: Database) -> None:
        holding.set()
        leave.wait(10)

    async def leave_early() -> None:
        waiting = asyncio.ensure_future(database_of(store, hold))
        await asyncio.get_running_loop().run_in_executor(None, holding.wait)
        waiting.cancel()

    asyncio.run(leave_early())
    leave.set()
    asyncio.run(say_hello(store))
    asyncio.run(store.close())
    for thread in threading.enumerate():
        if thread.name == "turnkeep-store":
            thread.join(10)  # it has answered, and is on its way out
    assert store_threads() == 0


# The child of a fork uses the store that its parent has open; both write, in turn.
_FORK = """
import asyncio, os, sys
from pathlib import Path
from tests.store.writer import OWNER, Writer
from turnkeep.errors import StoreError
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite import SqliteStore

store, memory = SqliteStore(Path(sys.argv[1])), EphemeralStore()
asyncio.run(memory.save_value("a", "b"))
writer = asyncio.run(Writer.begin(store))
asyncio.run(writer.say("parent"))
child = os.fork()
if child == 0:
    asyncio.run(writer.say("child"))
    try:
        asyncio.run(memory.load_value("a"))
    except StoreError as error:
        print(error, flush=True)
    sys.exit(0)  # as a program ends: whatever is cleaned up must not be the parent's
assert os.waitpid(child, 0)[1] == 0
asyncio.run(writer.say("parent again"))
print(asyncio.run(writer.log())[::2])
child = os.fork()
if child == 0:
    asyncio.run(store.close())  # not opened here: nothing to close
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
asyncio.run(store.close())
"""


def test_a_forked_process_opens_the_file_anew(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK, str(tmp_path / "turnkeep.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    refusal, said = done.stdout.splitlines()
    assert "in memory" in refusal
    assert said == "['parent', 'child', 'parent again']"


def test_two_stores_in_one_process_do_not_take_each_others_locks_away(tmp_path: Path) -> None:
    async def main() -> None:
        first, second = SqliteStore(tmp_path / "turnkeep.db"), SqliteStore(tmp_path / "turnkeep.db")
        writer = await Writer.begin(first)
        other = writer.on(second)
        for n in range(20):
            await (writer if n % 2 else other).say(str(n))
        assert await writer.log() == await other.log()
        await first.close()
        await other.say("after one has closed")
        await second.close()

    asyncio.run(main())


def test_a_store_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        store = EphemeralStore()
        await say_hello(store)
        assert (await store.stats()).path is None
        await store.close()

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []


def test_every_refusal_is_an_error_of_turnkeeps_own(tmp_path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        writer = await Writer.begin(store)
        await database_of(store, lambda db: db.execute("DROP TABLE piece"))
        with pytest.raises(TurnkeepError) as caught:
            await writer.partial(await writer.open(user("x")), "y")
        assert isinstance(caught.value.__cause__, sqlite3.Error)

    with_store(tmp_path / "turnkeep.db", scenario)
