"""What comes to the store while it is busy is done in one transaction, each piece all or nothing."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.store.writer import OWNER

from turnkeep.errors import Conflict, ConversationNotFound
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import Database


def together(path: Path, *calls: Callable[[SqliteStore], Awaitable[Any]]) -> tuple[list[Any], list[str]]:
    """Hand several calls in while the thread is busy; their results or errors, and the statements that it ran."""

    async def main() -> tuple[list[Any], list[str]]:
        store, free, ran = SqliteStore(path), threading.Event(), list[str]()

        def block(database: Database) -> None:
            free.wait()
            database.set_trace_callback(ran.append)

        busy = asyncio.ensure_future(store._worker.run(block))
        tasks = [asyncio.ensure_future(call(store)) for call in calls]
        await asyncio.sleep(0)  # all have been handed in
        free.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await busy
        await store.close()
        return found, ran

    return asyncio.run(main())


def make(name: str) -> Callable[[SqliteStore], Awaitable[Any]]:
    return lambda store: store.create_conversation(OWNER, name, now=1.0)


async def names(store: SqliteStore) -> list[str]:
    return sorted(str(row.name) for row in await store.list_conversations(OWNER))


def test_what_waits_is_committed_once(tmp_path: Path) -> None:
    found, ran = together(tmp_path / "t.db", make("a"), make("b"), names, make("c"))
    assert [row.name for row in (found[0], found[1], found[3])] == ["a", "b", "c"]
    assert found[2] == ["a", "b"]
    assert ran.count("COMMIT") == 1
    assert ran.count("BEGIN IMMEDIATE") == 1


def test_one_that_fails_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    def fail(store: SqliteStore) -> Awaitable[Any]:
        return store.save_instructions(OWNER, "conv_" + "0" * 16, "x", now=1.0)

    found, ran = together(tmp_path / "t.db", make("a"), make("a"), fail, make("b"), names)
    assert isinstance(found[1], Conflict)
    assert isinstance(found[2], ConversationNotFound)
    assert found[4] == ["a", "b"]
    assert ran.count("COMMIT") == 1


def test_readings_alone_do_not_wait_for_writers(tmp_path: Path) -> None:
    found, ran = together(tmp_path / "t.db", names, names)
    assert found == [[], []]
    assert "BEGIN IMMEDIATE" not in ran


def test_when_the_common_commit_fails_each_is_done_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Database.group

    @contextmanager
    def failing(database: Database, *, write: bool) -> Iterator[None]:
        with group(database, write=write):
            yield
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Database, "group", failing)
    found, ran = together(tmp_path / "t.db", make("a"), make("b"), names)
    assert found[2] == ["a", "b"]
    assert ran.count("ROLLBACK") == 1
    assert ran.count("COMMIT") == 3


def test_what_ends_the_log_is_done_apart(tmp_path: Path) -> None:
    async def delete(store: SqliteStore) -> None:
        row = await store.create_conversation(OWNER, "quagga", now=1.0)
        await store.delete_conversation(OWNER, row.id)

    found, _ = together(tmp_path / "t.db", make("a"), delete, make("b"))
    assert found[1] is None
    assert "quagga" not in (tmp_path / "t.db").read_bytes().decode("latin-1")
