"""Large files of each program: in little memory, and killed in the middle.

IMPORT_TEST_MB in the environment says how large; 100 for the whole test.
"""

import json
import os
import signal
import sqlite3
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from tests.portable.files import OLD_LOG, chatgpt_many, openwebui_chat, sillytavern_lines, write_list
from tests.stores import with_store

from turnkeep.carrying import Wish, import_file, sweep_imports
from turnkeep.store.sqlite import SqliteStore
from turnkeep.transfer import sweep_unfinished

OWNER = "local"
LARGE = int(os.environ.get("IMPORT_TEST_MB", "1")) * 1_000_000  # bytes
MOST_BYTES = 16_000_000  # 13.7 MB for 100 MB, the modules that are loaded meanwhile included
TEXT = "board nail oak glue über 日本 🪵 saw " * 120  # 5 kB
FORMS = ("chatgpt", "openwebui", "sillytavern", "llm", "jsonl", "jsonl of one")


def make(path: Path, form: str) -> tuple[int, int]:
    """Write a file of about `LARGE` bytes; returns how many conversations and turns are in it."""
    match form:
        case "chatgpt":
            count = LARGE // 18_000
            write_list(path, chatgpt_many(count, 4_000))
            return count, count * 2
        case "openwebui":
            count = LARGE // 25_300
            write_list(path, map(_webui_chat, range(count)))
            return count, count * 3
        case "llm":
            return _write_log(path, LARGE // 20_500)
        case "sillytavern":
            return 1, _write_rows(path, _tavern_rows())
        case "jsonl":
            count = LARGE // 20_800
            _write_rows(path, _own_rows(count))
            return count, count * 2
    turns = LARGE // 10_300
    _write_rows(path, _own_conversation(0, turns))
    return 1, turns


def _webui_chat(number: int) -> dict[str, Any]:
    value = openwebui_chat(f"c{number}", f"Talk {number}")
    for message in value["chat"]["history"]["messages"].values():
        message["content"] = f"{number} {TEXT}"
    value["chat"]["messages"] = []
    return value


def _write_log(path: Path, count: int) -> tuple[int, int]:
    log = sqlite3.connect(path)
    log.executescript(OLD_LOG)
    for number in range(count):
        log.execute("INSERT INTO conversations VALUES (?, ?, 'm')", (f"c{number}", f"Talk {number}"))
        for turn in range(2):
            log.execute(
                "INSERT INTO responses (id, model, prompt, response, conversation_id, duration_ms, datetime_utc) "
                "VALUES (?, 'gpt-4o-mini', ?, ?, ?, 500, ?)",
                (f"r{number}-{turn}", f"{number} {TEXT}", TEXT, f"c{number}", f"2025-01-02T03:04:0{turn}.5"),
            )
    log.commit()
    log.close()
    return count, count * 2


def _write_rows(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Returns how many the last-but-one lines count of turns."""
    turns = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            turns += bool(row.get("is_user"))
    return turns


def _tavern_rows() -> Iterator[dict[str, Any]]:
    yield sillytavern_lines()[0]
    for _ in range(LARGE // 10_300):
        for mine in (True, False):
            yield {"name": "Aqua", "is_user": mine, "send_date": 1_696_275_240_000, "mes": TEXT}


def _own_rows(count: int) -> Iterator[dict[str, Any]]:
    yield {"kind": "all", "turnkeep": 1}
    yield from chain.from_iterable(_own_conversation(number, 2) for number in range(count))
    yield {"kind": "all_end", "conversations": count}


def _own_conversation(number: int, turns: int) -> Iterator[dict[str, Any]]:
    begin = 1_700_000_000.0 + number
    yield {
        "kind": "conversation", "turnkeep": 1, "name": f"Talk {number}", "created": begin, "updated": begin + 9,
        "tip": [0, 2 * turns], "instructions": [], "current_instructions": None, "view": None, "pending_view": None,
    }  # fmt: skip
    for turn in range(turns):
        yield {
            "kind": "turn", "turn": turn + 1, "after": [0, 2 * turn], "at": [0, 2 * turn + 1], "state": "done",
            "error": None, "created": begin, "finished": begin + 1, "receipt": None, "partial": "",
            "items": [["user", f"{turn} {TEXT}", begin], ["assistant", TEXT, begin + 1]],
        }  # fmt: skip
    yield {"kind": "end", "lines": turns + 2}


async def bring(store: SqliteStore, path: Path, told: Callable[[int, int], None]) -> Counter[str]:
    """Import a file; counts what became of its conversations, and their turns."""
    counts = Counter[str]()
    async for outcome in import_file(store, OWNER, path, Wish(), told):
        counts[outcome.kind] += 1
        counts["turns"] += outcome.turns
    return counts


@pytest.mark.parametrize("form", FORMS)
def test_a_large_file_needs_little_memory(tmp_path: Path, form: str) -> None:
    path = tmp_path / "large"
    conversations, turns = make(path, form)
    assert abs(path.stat().st_size - LARGE) < LARGE / 10
    left: list[int] = []
    tracemalloc.start()
    try:
        counts = with_store(
            tmp_path / "t.db", lambda store: bring(store, path, lambda done, total: left.append(total - done))
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts == {"imported": conversations, "turns": turns}
    assert peak < MOST_BYTES
    assert min(left) == 0, "the progress ended at the end"


# -- death --------------------------------------------------------------------------
def import_and_die(store_file: Path, path: Path, part: float) -> None:
    """Import in a process that is killed when so much of the file is read."""
    child = os.fork()
    if child == 0:

        def die(done: int, total: int) -> None:
            if done >= part * total:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with_store(store_file, lambda store: bring(store, path, die))
        finally:
            os._exit(9)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def count(store_file: Path) -> Counter[str]:
    """Conversations that are there, turns of them, and conversations that an import has not finished."""
    database = sqlite3.connect(store_file)
    database.execute("UPDATE lease SET expires = 0")  # as after a minute
    database.commit()
    asked = {
        "imported": "SELECT count(*) FROM conversation",
        "turns": "SELECT count(*) FROM turn",
        "unfinished": "SELECT count(*) FROM imported WHERE finished IS NULL",
    }
    found = Counter({what: database.execute(question).fetchone()[0] for what, question in asked.items()})
    database.close()
    return found


async def sweep(store: SqliteStore) -> None:
    await sweep_unfinished(store, OWNER)
    await sweep_imports(store, OWNER)


@pytest.mark.parametrize("form", FORMS)
def test_a_large_import_that_was_killed_leaves_whole_conversations_and_goes_on(
    tmp_path: Path, form: str
) -> None:
    path, store_file = tmp_path / "large", tmp_path / "t.db"
    conversations, turns = make(path, form)
    each = turns // conversations
    before = 0
    for part in (0.3, 0.8):
        import_and_die(store_file, path, part)
        count(store_file)
        with_store(store_file, sweep)
        there = count(store_file)
        assert there == {"imported": there["imported"], "turns": there["imported"] * each, "unfinished": 0}
        assert before <= there["imported"] < conversations
        assert conversations == 1 or there["imported"] > conversations * (part - 0.2)
        before = there["imported"]
    counts = with_store(store_file, lambda store: bring(store, path, lambda _done, _total: None))
    assert counts["imported"] == conversations - before
    assert counts["known"] == before
    assert count(store_file) == {"imported": conversations, "turns": turns, "unfinished": 0}
