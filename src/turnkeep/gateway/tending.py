"""Upkeep of all conversations of one engine: one at a time, when no turn runs or waits there.

A conversation owes upkeep after a turn. Those that spoke last come first, since the engine
still holds their prompts; how many are remembered is limited, and a forgotten one comes back
with its next turn. On an engine that keeps a prompt only as long as its slot is not taken, nobody's
slot is taken for upkeep: such a conversation is indexed at once, and tended after its next turn.

Nothing polls: a turn that begins breaks upkeep off, the queue's last one out starts it again.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context

from ..errors import TurnkeepError
from .desks import Desks, Place, Seat
from .engines import Member

MOST_OWING = 4_096  # conversations that are remembered to owe upkeep

_log = logging.getLogger("turnkeep.upkeep")


class Tender:
    """Tends the conversations of one engine.

    Args:
        member: the engine.
        desks: where the conversations' desks are.
        on_step: is called when a conversation was tended to the end.
    """

    def __init__(self, member: Member, desks: Desks, *, on_step: Callable[[], None] | None = None) -> None:
        self._member, self._desks, self._on_step = member, desks, on_step
        self._owing: OrderedDict[Place, None] = OrderedDict()  # the last one spoke last
        self._current: Seat | None = None  # its upkeep runs, or waits for a long quiet
        self._working = False
        self._wanted = asyncio.Event()
        self._quiet = asyncio.Event()  # nothing is left to do now
        self._quiet.set()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        member.queue.on_idle = self._wanted.set

    @property
    def owing(self) -> int:
        """How many conversations wait for upkeep."""
        return len(self._owing) + self._working

    def owe(self, place: Place) -> None:
        """A conversation had a turn."""
        if self._closed:
            return
        self._owing[place] = None
        self._owing.move_to_end(place)
        if len(self._owing) > MOST_OWING:
            self._owing.popitem(last=False)
        if self._worker is None or self._worker.done():
            # In a context of its own: it would inherit the way that the turn which called has through the queue.
            self._worker = asyncio.get_running_loop().create_task(self._work(), context=Context())
        self._quiet.clear()
        self._wanted.set()

    def settle(self, place: Place) -> None:
        """A conversation is gone: it owes nothing."""
        self._owing.pop(place, None)

    def tends(self, seat: Seat) -> bool:
        """Whether upkeep of this conversation runs here."""
        return self._current is seat

    async def make_way(self) -> None:
        """Break off what runs; returns when the engine is free of it. It goes on when no turn is open."""
        seat, self._current = self._current, None
        if seat is None:
            return
        await seat.upkeep.pause()
        # Spans without a summary are tried again in a long quiet, so a tended one comes back too.
        self._owing.setdefault(seat.place, None)
        self._quiet.clear()
        self._wanted.set()

    async def idle(self) -> None:
        """Wait until nothing is owed but what waits for a long quiet."""
        await self._quiet.wait()

    async def close(self) -> None:
        """Stop; what is owed is done by the next process."""
        self._closed = True
        self._owing.clear()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        self._quiet.set()
        seat, self._current = self._current, None
        if seat is not None:
            await seat.upkeep.pause()

    async def _work(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._owing and not self._member.queue.busy:
                place, _ = self._owing.popitem()
                self._working = True
                try:
                    await self._tend(place)
                except TurnkeepError as error:  # of one conversation; the others go on
                    _log.warning("Upkeep of a conversation was left: %s", error)
                finally:
                    self._working = False
            if not self._owing:
                self._quiet.set()

    async def _tend(self, place: Place) -> None:
        before, self._current = self._current, None
        if before is not None:
            await before.upkeep.pause()  # it waits for a long quiet, which this is not
        seat = self._desks.find(*place)
        slots = self._member.slots
        if slots is not None and not slots.may_hold(seat.desk.conversation):
            await seat.indexer.run(self._until_idle)
            return
        if self._member.queue.busy:
            self._owing[place] = None
            return
        self._current = seat
        seat.upkeep.wake()
        await seat.upkeep.idle()
        if self._current is seat and self._on_step is not None:
            self._on_step()

    async def _until_idle(self) -> None:
        """Let turns go before the next step of indexing, which needs no engine but the same processor."""
        while self._member.queue.busy:
            await self._wanted.wait()
            self._wanted.clear()
