"""From nothing, or from an older version, to the newest: whole steps, once each, whatever happens."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.store.killed import LATER
from tests.store.writer import Writer

from turnkeep.errors import StoreDamaged, StoreTooNew
from turnkeep.store.migrations import Migration, load_migrations
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import APPLICATION_ID, Database, open_database

ROOT = Path(__file__).parents[2]
RELEASED = load_migrations("sqlite")
KILLS = int(
    os.environ.get("STORE_TEST_KILLS", "20")
)  # of databases that hold something; 300 for the whole test


def version(database: Database) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert [step.number for step in RELEASED] == list(range(1, len(RELEASED) + 1))
    assert all(step.name and step.sql for step in RELEASED)


def test_every_column_is_explained() -> None:
    for step in RELEASED:
        columns = [line for line in step.sql.splitlines() if re.match(r" {4}[a-z]", line)]
        assert columns
        # Every table begins with the same two; the file's head explains them.
        keys = ("owner", "conversation")
        assert [line for line in columns if "--" not in line and line.split()[0] not in keys] == []


def test_a_new_database_has_every_step_on_record() -> None:
    database = open_database(None, RELEASED)
    assert version(database) == RELEASED[-1].number
    assert database.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    recorded = database.execute("SELECT number, name FROM migration ORDER BY number").fetchall()
    assert recorded == [(step.number, step.name) for step in RELEASED]
    database.close()


def test_an_older_database_is_brought_up_and_keeps_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def say(store: SqliteStore) -> None:
        await (await Writer.begin(store)).say("Hello.")
        await store.close()

    asyncio.run(say(SqliteStore(path)))
    database = open_database(path, (*RELEASED, LATER))
    assert version(database) == LATER.number
    assert database.execute("SELECT body FROM item").fetchall() == [('"Hello."',), ('"Yes."',)]
    assert database.execute("SELECT count(*) FROM later").fetchone() == (2,)
    database.close()
    with pytest.raises(StoreTooNew):
        open_database(path, RELEASED)


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    broken = Migration(LATER.number, "broken", "CREATE TABLE half (a);\nCREATE TABLE half (a);\n")
    with pytest.raises(StoreDamaged):
        open_database(path, (*RELEASED, broken))
    database = open_database(path, RELEASED)
    assert version(database) == RELEASED[-1].number
    with pytest.raises(sqlite3.OperationalError):
        database.execute("SELECT * FROM half")
    database.close()


def test_a_process_killed_at_any_moment_of_a_migration_leaves_old_or_new(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.killed", str(tmp_path), str(KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120 + KILLS,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    by_version = dict(line.split() for line in done.stdout.splitlines())
    # The kills were spread over the whole of it. (Whether one comes after the last step is left to chance.)
    assert set(by_version) >= {str(number) for number in range(LATER.number)}
    assert sum(map(int, by_version.values())) >= 60 + KILLS


def test_processes_that_migrate_at_once_do_it_once(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    command = [sys.executable, "-m", "tests.store.killed", str(tmp_path), "open", str(path)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)) for _ in range(4)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()  # go
        assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    database = open_database(path, (*RELEASED, LATER))
    recorded = database.execute("SELECT number FROM migration ORDER BY number").fetchall()
    assert recorded == [(number,) for number in range(1, LATER.number + 1)]
    database.close()
