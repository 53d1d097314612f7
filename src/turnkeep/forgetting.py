"""Forget a turn: hold the conversation, have every upkeep make way, and let the store take it out.

Upkeep that began before could still write a summary of what it read; so the engine that it works
on is claimed as a turn claims it, and the turn is forgotten when upkeep has let go.
"""

import asyncio
import time

from .holding import PATIENCE_SECONDS, hold_lease
from .prompt import Desk

YIELDED_SECONDS = 5.0  # upkeep makes way within a quarter second; one that does not is dead
LOOK_SECONDS = 0.05


async def forget_turn(desk: Desk, number: int) -> tuple[int, ...]:
    """Forget a turn, and those asked with the same words in its place; returns them.

    Raises:
        ConversationNotFound: there is no such turn.
        Conflict: it is still being answered, or another program holds the conversation.
    """
    busy = await desk.store.held_leases("upkeep:", now=time.time())
    engine = busy[0].subject.removeprefix("upkeep:") if busy else desk.engine.url
    async with hold_lease(
        desk, f"conversation:{desk.conversation}", note=engine, patience=PATIENCE_SECONDS
    ) as lease:
        await _wait_for_upkeep(desk, engine)
        await desk.store.settle_turns(desk.owner, desk.conversation, lease=lease, now=time.time())
        return await desk.store.forget_turn(
            desk.owner, desk.conversation, number, lease=lease, now=time.time()
        )


async def _wait_for_upkeep(desk: Desk, engine: str) -> None:
    deadline = time.monotonic() + YIELDED_SECONDS
    while time.monotonic() < deadline:
        if not await desk.store.held_leases(f"upkeep:{engine}", now=time.time()):
            return
        await asyncio.sleep(LOOK_SECONDS)
