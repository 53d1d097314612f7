"""Forget a turn: hold the conversation, have every upkeep make way, and let the store take it out.

Upkeep that began before could still write a summary of what it read.
"""

import time

from .audit.base import Which
from .audit.opening import forget_audit
from .holding import hold_alone
from .prompt import Desk


async def forget_turn(desk: Desk, number: int) -> tuple[int, ...]:
    """Forget a turn, and those asked with the same words in its place; returns them.

    Raises:
        ConversationNotFound: there is no such turn.
        Conflict: it is still being answered, or another program holds the conversation.
        AuditFailed: it is forgotten but for the audit journal, which cannot be written.
    """
    async with hold_alone(desk) as lease:
        await desk.store.settle_turns(desk.owner, desk.conversation, lease=lease, now=time.time())
        turns = await desk.store.forget_turn(
            desk.owner, desk.conversation, number, lease=lease, now=time.time()
        )
    which = Which(owner=desk.owner, conversation=desk.conversation, turns=frozenset(turns))
    await forget_audit(desk.store, which, recorder=desk.audit)
    return turns
