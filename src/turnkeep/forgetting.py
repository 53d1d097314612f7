"""Forget a turn: hold the conversation, have every upkeep make way, and let the store take it out.

Upkeep that began before could still write a summary of what it read; so every engine that upkeep
works on is claimed as a turn claims it, and the turn is forgotten when all have let go.
"""

import asyncio
import contextlib
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
    subject = f"conversation:{desk.conversation}"
    async with contextlib.AsyncExitStack() as held:
        lease = await held.enter_async_context(
            hold_lease(desk, subject, note=desk.engine.url, patience=PATIENCE_SECONDS)
        )
        for upkeep in await desk.store.held_leases("upkeep:", now=time.time()):
            engine = upkeep.subject.removeprefix("upkeep:")
            claim = hold_lease(desk, f"{subject}/{engine}", note=engine, patience=PATIENCE_SECONDS)
            await held.enter_async_context(claim)
        await _wait_for_upkeep(desk)
        await desk.store.settle_turns(desk.owner, desk.conversation, lease=lease, now=time.time())
        return await desk.store.forget_turn(
            desk.owner, desk.conversation, number, lease=lease, now=time.time()
        )


async def _wait_for_upkeep(desk: Desk) -> None:
    holders = {lease.holder for lease in await desk.store.held_leases("upkeep:", now=time.time())}
    deadline = time.monotonic() + YIELDED_SECONDS
    while time.monotonic() < deadline:
        busy = await desk.store.held_leases("upkeep:", now=time.time())
        if holders.isdisjoint(lease.holder for lease in busy):
            return
        await asyncio.sleep(LOOK_SECONDS)
