"""Run as a program: migrate databases, and be killed while doing so.

`python -m tests.store.killed FOLDER` forks children that make or bring up a database and kills
each with SIGKILL, at a chosen step of SQLite's machine or after a chosen time, so that every
moment is met, those between two writes to the disk included. After each kill it opens the file,
checks that no step is half done, and counts the versions found; it prints them.

`python -m tests.store.killed FOLDER open FILE` waits for the end of its input, then opens FILE.
"""

import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

from turnkeep.store.migrations import Migration, load_migrations
from turnkeep.store.sqlite.database import Database, open_database

RELEASED = load_migrations("sqlite")

LATER = Migration(
    RELEASED[-1].number + 1,
    "later",
    "CREATE TABLE later (a);\nINSERT INTO later VALUES (1);\nINSERT INTO later VALUES (2);\n"
    "CREATE INDEX later_a ON later (a);\n",
)
ALL = (*RELEASED, LATER)
STEPS_APART = 60  # of SQLite's machine, between two chosen moments
BY_TIME = 40  # children killed after a time


def _fork_and_migrate(path: Path, kill_at: int | None) -> int:
    """Fork a child that opens the database; with `kill_at` it kills itself at that step. Returns its pid."""
    child = os.fork()
    if child:
        return child
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    class Counted(Database):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # whatever connect() gives
            self.set_progress_handler(count, 1)

    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **kwargs: connect(*args, **(kwargs | {"factory": Counted}))
    open_database(path, ALL).close()
    os._exit(0)


def _check(path: Path) -> int:
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
    open_database(path, ALL).close()  # whatever it was, the next one to open it goes on from there
    return version


def main(folder: Path) -> Counter[int]:
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
    return found


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.stdin.read()
        open_database(Path(sys.argv[3]), ALL).close()
    else:
        for version, count in sorted(main(Path(sys.argv[1])).items()):
            print(version, count)
