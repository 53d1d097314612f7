"""What a gateway that died left behind: responses that nobody works on, and turns that nobody closes.

A response is somebody's work while the lease of its keeper, or of its conversation, lives. One whose
lease is dead has failed, and its turn is closed, so that it can be gone on from and deleted.
"""

import contextlib

from ..errors import ConversationNotFound
from ..holding import LEASE_SECONDS, drop_dead_leases, name_holder
from ..store.ledger import StoredResponse
from .gateway import DIED, Gateway


async def fail_orphans(gateway: Gateway) -> None:
    """Say of responses that nobody works on any more that they failed, and close their turns."""
    await drop_dead_leases(gateway.store, now=gateway.clock())
    for row in await gateway.store.orphaned_responses(now=gateway.clock()):
        with contextlib.suppress(ConversationNotFound):  # deleted meanwhile
            await gateway.store.mark_response(row.owner, row.id, "failed", error=DIED)
            if row.turn is not None:
                await _close_turns(gateway, row)


async def settle_orphan(gateway: Gateway, row: StoredResponse) -> StoredResponse:
    """Settle a response if it waits, or its turn is open, and nobody works on it; returns it as it stands then.

    Raises:
        ConversationNotFound: it was deleted meanwhile.
    """
    if row.turn is None:
        going = row.status in (None, "queued")
    else:
        going = (await gateway.store.load_turn(row.owner, row.conversation, row.turn)).state == "open"
    if not going:
        return row
    await fail_orphans(gateway)
    if row.turn is not None:  # it may have been said to have failed, and its turn left open, before
        await _close_turns(gateway, row)
    return await gateway.store.load_response(row.owner, row.id)


async def _close_turns(gateway: Gateway, row: StoredResponse) -> None:
    """Close the open turns of a response's conversation, unless somebody holds it: then they are that one's to close."""
    store, now = gateway.store, gateway.clock()
    lease = await store.take_lease(
        f"conversation:{row.conversation}", name_holder(), now=now, seconds=LEASE_SECONDS
    )
    if lease is None:
        return
    try:
        await store.settle_turns(row.owner, row.conversation, lease=lease, now=now)
    finally:
        await store.drop_lease(lease)
