"""Several processes write to one conversation: nothing is lost, nothing interleaved."""

import asyncio
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.store.writer import OWNER, texts

from turnkeep.store.base import Conversation, StoredItem, Turn
from turnkeep.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
TURNS = 200  # in all
APPENDER = (sys.executable, "-m", "tests.store.appender")


async def make_conversation(path: Path) -> str:
    store = SqliteStore(path)
    row = await store.create_conversation(OWNER, None, now=1)
    await store.close()
    return row.id


async def load_all(path: Path, conversation: str) -> tuple[Conversation, list[Turn], list[StoredItem]]:
    store = SqliteStore(path)
    row = await store.load_conversation(OWNER, conversation)
    turns = await store.load_turns(OWNER, conversation, tip=row.tip)
    items = await store.load_log(OWNER, conversation, tip=row.tip)
    await store.close()
    return row, turns, items


@pytest.mark.parametrize("writers", [2, 8])
def test_processes_that_write_at_once_take_turns(tmp_path: Path, writers: int) -> None:
    path = tmp_path / "turnkeep.db"
    conversation = asyncio.run(make_conversation(path))
    names = [f"writer {n}" for n in range(writers)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [*APPENDER, str(path), conversation, name, str(TURNS // writers)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for name in names
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()  # go
        assert [process.wait(120) for process in processes] == [0] * writers

    row, turns, items = asyncio.run(load_all(path, conversation))
    assert (row.turns, row.tip.branch, row.tip.seq) == (TURNS, 0, 2 * TURNS)
    assert [turn.number for turn in turns] == list(range(1, TURNS + 1))
    assert all(turn.state == "done" for turn in turns)
    said = texts(items)
    assert all(reply == f"to {asked}" for asked, reply in zip(said[::2], said[1::2], strict=True))
    for name in names:
        own = [text for text in said[::2] if text.startswith(f"{name} ")]
        assert own == [f"{name} {number}" for number in range(1, TURNS // writers + 1)]
    # How often they took turns is the scheduler's affair: on a busy machine one may be done before the next begins.
