"""Retention: what is older than it is to be kept is forgotten, of all owners, by whoever runs it.

A conversation says for how many days its turns are kept, or the setting for all does. A turn goes when
it was begun so long ago; a conversation without a newer turn goes as a whole.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Conflict, UsageError
from ..store.erasing import Expired
from ..values import MOST_DAYS
from .courses import Forgetter, ForgettingStore
from .receipt import ForgetReceipt

_HELD = "conversation:"  # what the lease of whoever writes to one begins with
_log = logging.getLogger("turnkeep.retention")


def check_days(days: int | None) -> int | None:
    """Refuse a number of days that makes no sense.

    Raises:
        UsageError: it is below 0 or beyond a century.
    """
    if days is not None and not 0 <= days <= MOST_DAYS:
        raise UsageError(f"{days} days make no sense: give 1 to {MOST_DAYS:,}, or 0 to keep for ever.")
    return days


@dataclass(frozen=True, slots=True)
class Retention:
    """Forgets what has been kept for long enough.

    Args:
        store: what is kept.
        forgetter: forgets.
        days: how long, where a conversation does not say for itself; 0: for ever.
        clock: seconds since the epoch.
    """

    store: ForgettingStore
    forgetter: Forgetter
    days: int
    clock: Callable[[], float] = time.time

    async def run(self, *, dry_run: bool = False, prove: bool = False) -> list[tuple[str, ForgetReceipt]]:
        """Finish what was left, then forget what is due; returns the owners of whom something went, with receipts."""
        if not dry_run:
            await self.forgetter.finish()
        if not self.days and not await self.store.has_retention():
            return []
        receipts = []
        for owner in await self.store.list_owners():
            busy = () if dry_run else await self._list_busy()
            # Those that are being answered come last and by themselves, so that no other waits for them.
            for but in (busy, ()) if busy else ((),):
                what = Expired(days=self.days, now=self.clock(), but=but)
                if not await self.store.list_touched(owner, what):
                    continue
                try:
                    receipt = await self.forgetter.forget(owner, what, dry_run=dry_run, prove=prove)
                except Conflict as error:
                    _log.warning("what is old of %s is forgotten the next time: %s", owner, error)
                else:
                    receipts.append((owner, receipt))
        return receipts

    async def _list_busy(self) -> tuple[str, ...]:
        held = await self.store.held_leases(_HELD, now=time.time())
        return tuple(lease.subject.removeprefix(_HELD).partition("/")[0] for lease in held)
