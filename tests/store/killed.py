"""Run as a program: migrate databases, and be killed while doing so.

`python -m tests.store.killed FOLDER [COUNT]` forks children that make or bring up a database and kills
each with SIGKILL, at a chosen step of SQLite's machine or after a chosen time, so that every
moment is met, those between two writes to the disk included. The databases are new, or hold what
was said in one of each older version, or in an encrypted one. After each kill it opens the file,
checks that no step is half done and that nothing is lost, and counts the versions found; it prints them.
COUNT says at how many random moments those that hold something are killed.

`python -m tests.store.killed FOLDER open FILE` waits for the end of its input, then opens FILE.
"""

import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.store.older import make_older
from tests.store.writer import Writer
from tests.stores import with_store

from turnkeep.store.migrations import Migration, load_migrations
from turnkeep.store.secret import Secret, make_key_file
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import open_database

RELEASED = load_migrations("sqlite")

LATER = Migration(
    RELEASED[-1].number + 1,
    "later",
    "CREATE TABLE later (a INTEGER);\nINSERT INTO later VALUES (1);\nINSERT INTO later VALUES (2);\n"
    "CREATE INDEX later_a ON later (a);\n",
)
ALL = (*RELEASED, LATER)
STEPS_APART = 60  # of SQLite's machine, between two chosen moments
BY_TIME = 40  # children killed after a time
SAID = ("owner", "conversation", "branch", "turn", "item", "piece")  # tables that every version has


def _fork_and_migrate(path: Path, kill_at: int | None, secret: Secret | None = None) -> int:
    """Fork a child that opens the database; with `kill_at` it kills itself at that step. Returns its pid."""
    child = os.fork()
    if child:
        return child
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    _open_counted(path, count, secret)
    os._exit(0)


def _open_counted(path: Path, count: Callable[[], None], secret: Secret | None) -> None:
    """Open the database; `count` is called before each step of SQLite's machine."""
    connect = sqlite3.connect

    def connect_counted(*args: object, **kwargs: object) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **kwargs)  # type: ignore[call-overload]  # whatever is given
        database.set_progress_handler(count, 1)
        return database

    sqlite3.connect = connect_counted  # type: ignore[assignment]  # it takes whatever is given
    try:
        open_database(path, ALL, secret=secret).close()
    finally:
        sqlite3.connect = connect


def _check(path: Path, secret: Secret | None = None) -> int:
    """The version of the file, after making sure that each step is there as a whole or not at all."""
    if not path.exists():  # it was killed before all
        open_database(path, ALL).close()
        return 0
    database = sqlite3.connect(path)
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if version == 0:
        assert tables == set()
    else:
        assert database.execute("SELECT max(number) FROM migration").fetchone() == (version,)
    assert ("later_a" in tables) == (version == LATER.number)
    if version == LATER.number:
        assert database.execute("SELECT count(*) FROM later").fetchone() == (2,)
    database.close()
    open_database(
        path, ALL, secret=secret
    ).close()  # whatever it was, the next one to open it goes on from there
    return version


# -- databases that hold something ------------------------------------------------------------------
_Said: TypeAlias = dict[str, tuple[str, list[str]]]  # columns and rows by table


@dataclass(frozen=True, slots=True)
class _Base:
    """A database before it is brought up. `steps`: of SQLite's machine, that this takes."""

    path: Path
    version: int
    said: _Said
    steps: int
    secret: Secret | None = None


def _make_bases(folder: Path) -> list[_Base]:
    bases = []
    for version in range(1, RELEASED[-1].number + 1):
        path = folder / f"base-{version}.db"
        _say(path)
        make_older(path, version)
        bases.append(_measure(path, version, None))
    secret = make_key_file(folder / "key")
    path = folder / "sealed.db"
    _say(path, secret)
    return [*bases, _measure(path, RELEASED[-1].number, secret)]


def _say(path: Path, secret: Secret | None = None) -> None:
    async def work(store: SqliteStore) -> None:
        writer = await Writer.begin(store, "Mires")
        for number in range(12):
            await writer.say(f"What is mire number {number}?")

    with_store(path, work, secret)


def _measure(path: Path, version: int, secret: Secret | None) -> _Base:
    copy = path.with_suffix(".whole")
    shutil.copyfile(path, copy)
    copy.chmod(0o600)
    steps: Counter[str] = Counter()
    _open_counted(copy, lambda: steps.update(("step",)), secret)
    return _Base(path, version, _read_said(path), steps["step"], secret)


def _read_said(path: Path, columns: Mapping[str, str] | None = None) -> _Said:
    """Every row of the tables in which stands what was said; of these columns, where a newer version has more."""
    database = sqlite3.connect(path)
    if columns is None:
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        columns = {
            table: ", ".join(row[1] for row in database.execute(f"PRAGMA table_info({table})"))
            for table in SAID
            if table in there
        }
    said = {
        table: (names, sorted(map(repr, database.execute(f"SELECT {names} FROM {table}"))))
        for table, names in columns.items()
    }
    database.close()
    return said


def _kill_at_random(folder: Path, count: int, found: Counter[int]) -> None:
    bases, dice = _make_bases(folder), random.Random(8)
    for number in range(count):
        base = bases[number % len(bases)]
        path = folder / f"older-{number}.db"
        shutil.copyfile(base.path, path)
        path.chmod(0o600)
        _, status = os.waitpid(_fork_and_migrate(path, dice.randint(1, base.steps), base.secret), 0)
        assert os.WIFSIGNALED(status)
        version = _check(path, base.secret)
        assert version >= base.version
        assert _read_said(path, {table: names for table, (names, _) in base.said.items()}) == base.said
        found[version] += 1


def main(folder: Path, count: int) -> Counter[int]:
    found: Counter[int] = Counter()
    for moment in range(1, 100_000, STEPS_APART):
        path = folder / f"step-{moment}.db"
        _, status = os.waitpid(_fork_and_migrate(path, moment), 0)
        if not os.WIFSIGNALED(status):
            assert status == 0
            break
        found[_check(path)] += 1
    began = time.monotonic()
    os.waitpid(_fork_and_migrate(folder / "whole.db", None), 0)
    whole_seconds = time.monotonic() - began
    dice = random.Random(7)
    for number in range(BY_TIME):
        path = folder / f"time-{number}.db"
        child = _fork_and_migrate(path, None)
        time.sleep(dice.uniform(0, 1.3 * whole_seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found[_check(path)] += 1
    _kill_at_random(folder, count, found)
    return found


if __name__ == "__main__":
    if sys.argv[2:3] == ["open"]:
        sys.stdin.read()
        open_database(Path(sys.argv[3]), ALL).close()
    else:
        for version, count in sorted(main(Path(sys.argv[1]), int(sys.argv[2])).items()):
            print(version, count)
