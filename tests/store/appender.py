"""Run as a program: say things in a conversation that other processes write to at the same moment.

`python -m tests.store.appender FILE CONVERSATION NAME TURNS` says that it is ready, and begins when
its input ends; it says so when its first turn is kept. Each turn is `NAME N`, answered by `to NAME N`, under a lease of its own, as a chat
does it; then somebody thinks for a moment.
"""

import asyncio
import random
import sys
import time
from pathlib import Path

from tests.store.writer import OWNER

from turnkeep.conversation.items import assistant, user
from turnkeep.store.base import Lease
from turnkeep.store.sqlite import SqliteStore


async def wait_for_lease(store: SqliteStore, conversation: str, holder: str) -> Lease:
    while True:
        lease = await store.take_lease(f"conversation:{conversation}", holder, now=time.time(), seconds=30)
        if lease is not None:
            return lease
        await asyncio.sleep(random.uniform(0.001, 0.01))


async def say_turns(path: Path, conversation: str, name: str, turns: int) -> None:
    store = SqliteStore(path)
    for number in range(1, turns + 1):
        lease = await wait_for_lease(store, conversation, name)
        tip = (await store.load_conversation(OWNER, conversation)).tip
        turn = await store.begin_turn(
            OWNER, conversation, [user(f"{name} {number}")], after=tip, lease=lease, now=time.time()
        )
        await store.save_partial(OWNER, conversation, turn.number, "to", lease=lease)
        await store.finish_turn(
            OWNER,
            conversation,
            turn.number,
            state="done",
            items=[assistant(f"to {name} {number}")],
            lease=lease,
            now=time.time(),
        )
        await store.drop_lease(lease)
        if number == 1:
            print("said", flush=True)
        await asyncio.sleep(random.uniform(0.001, 0.01))
    await store.close()


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.read()
    asyncio.run(say_turns(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
