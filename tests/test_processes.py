"""Several processes talk in one conversation: nothing is lost, nothing is interleaved."""

import asyncio
import itertools
import subprocess
import sys

import pytest

from turnkeep import AsyncChat
from turnkeep.testing import ScriptedEngine

TURNS = 200

TALKER = """
import asyncio, sys
from turnkeep import AsyncChat
from turnkeep.testing import ScriptedEngine

async def main(db, name, turns):
    engine = ScriptedEngine(lambda request: "re " + request.messages[-1]["content"], window=100_000)
    chat = AsyncChat(engine, db=db, conversation="shared", upkeep=False)
    for n in range(turns):
        await chat.ask(f"{name}/{n}")
    await chat.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize("processes", [2, 8])
def test_turns_of_several_processes_stand_one_after_the_other(tmp_path, processes):
    db = tmp_path / "shared.db"

    async def look():
        chat = AsyncChat(ScriptedEngine(), db=db, conversation="shared", upkeep=False)
        history = await chat.history()
        row = await chat.conversation()
        rows = await chat._equipment.open_store().load_log("local", row.id, tip=row.tip)
        await chat.close()
        return history, rows

    asyncio.run(look())  # makes the conversation, so that all talk in one
    each = TURNS // processes
    running = [
        subprocess.Popen([sys.executable, "-c", TALKER, str(db), str(n), str(each)]) for n in range(processes)
    ]
    assert [process.wait(300) for process in running] == [0] * processes
    history, rows = asyncio.run(look())
    assert sorted(x.user for x in history) == sorted(
        f"{name}/{n}" for name, n in itertools.product(range(processes), range(each))
    )
    assert all((x.assistant, x.turn.state) == (f"re {x.user}", "done") for x in history)
    assert [row.at.seq for row in rows] == list(range(1, 2 * TURNS + 1)), (
        "all turns stand on one branch, in line"
    )
    assert [row.turn for row in rows] == sorted(row.turn for row in rows)
