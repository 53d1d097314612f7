"""Files that are damaged in any way: a sentence, what was read is said, nothing half, and no waiting."""

import asyncio
import os
import random
import re
import sqlite3
import time
from pathlib import Path

import pytest
from tests.portable.damage import DAMAGES, damage_bytes
from tests.portable.files import (
    MESSAGES,
    chatgpt_branches,
    chatgpt_tools,
    openwebui_chat,
    sillytavern_lines,
    write_archive,
    write_lines,
    write_list,
    write_log,
)
from tests.stores import with_store

from turnkeep.carrying import Wish, import_file
from turnkeep.cli import run
from turnkeep.exporting import export_all
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.examine import examine

OWNER = "local"
TIMES = int(os.environ.get("TURNKEEP_DAMAGES", "8"))  # for each form; 200 for the whole test
MOST_SECONDS = 10.0  # of processor time for one damaged file


def nothing(_done: int, _total: int) -> None:
    pass


def make(folder: Path, form: str) -> Path:
    path = folder / "whole"
    match form:
        case "chatgpt":
            return write_list(path, [chatgpt_branches(), chatgpt_tools()])
        case "archive":
            return write_archive(path, [chatgpt_branches(), chatgpt_tools()])
        case "openwebui":
            return write_list(path, [openwebui_chat(), openwebui_chat("c2", "Other")])
        case "sillytavern":
            return write_lines(path, sillytavern_lines())
        case "openai":
            return write_list(path, list(MESSAGES))
        case "llm":
            return write_log(path)
    source = make(folder, "chatgpt").rename(folder / "source")

    async def work(store: SqliteStore) -> str:
        async for _ in import_file(store, OWNER, source, Wish(), nothing):
            pass
        return "".join([line async for line in export_all(store, OWNER)])

    path.write_text(with_store(None, work), "utf-8")
    return path


def count(database_file: Path) -> tuple[int, int, int]:
    """Conversations, those not finished, and those without a turn."""
    if not database_file.exists():
        return (0, 0, 0)
    database = sqlite3.connect(database_file)
    questions = (
        "",
        "WHERE number IN (SELECT conversation FROM imported WHERE finished IS NULL)",
        "WHERE turns = 0",
    )
    counts = [database.execute(f"SELECT count(*) FROM conversation {one}").fetchone()[0] for one in questions]
    database.close()
    return counts[0], counts[1], counts[2]


@pytest.mark.parametrize("form", DAMAGES)
def test_whatever_is_damaged_is_told_in_a_sentence(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path / "home"))
    whole = make(tmp_path, form).read_bytes()
    draw = random.Random(form)
    for number in range(TIMES):
        damaged = tmp_path / f"damaged{number}"
        damaged.write_bytes((damage_bytes if number % 2 else DAMAGES[form])(whole, draw))
        database = tmp_path / f"{number}.db"
        began = time.process_time()
        status = run(["import", str(damaged), "--db", str(database)])
        assert time.process_time() - began < MOST_SECONDS
        said = capsys.readouterr()
        assert status in (0, 1, 2)
        assert (status == 0) or said.err, "what is wrong is said"
        assert "Traceback" not in said.err
        assert all(
            re.fullmatch(r"(turnkeep: )?.+[.:]", line) or " is " in line or "holds" in line or ": " in line
            for line in said.err.splitlines()
        ), said.err
        told = re.match(r"Imported (?:(\d+) conversations? with|.*:) [\d,]+ turns?\.", said.out)
        imported = 0 if told is None else int(told[1]) if told[1] else 1
        assert count(database) == (imported, 0, 0), (said, number)
        if imported:
            assert examine(database, time.time()).problems == []
            exported = tmp_path / f"{number}.jsonl"
            assert run(["export", "--all", "--db", str(database), "-o", str(exported)]) == 0
            again = tmp_path / f"{number}-again.db"
            assert run(["import", str(exported), "--db", str(again)]) == 0
            assert count(again) == (imported, 0, 0)
            capsys.readouterr()
        for file in tmp_path.glob(f"{number}*"):
            file.unlink()
        damaged.unlink()
