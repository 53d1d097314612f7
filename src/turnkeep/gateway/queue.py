"""Who may use an engine, and when: as many at once as it has places and tokens for, in a fair order.

`Line` decides, and is pure: it knows no clock and no event loop. `Queue` waits.

Owners take turns, each in the order of asking: start-time fair queueing, where an owner's next
request counts as begun one round after its last, and nobody's as begun before those who run now. A request whose tokens do not fit
the pool yet may be passed over by smaller ones, a few times; then everybody waits for it. Side
requests (a title, tags) go when no turn waits, but wait no longer than `SIDE_PASSES` turns.
"""

import asyncio
import math
import time
from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import QueueFull

PASSES = 4  # times that a request which does not fit yet is passed over
SIDE_PASSES = 32  # turns that are let in before a side request that waits
FIRST_SECONDS = 5.0  # how long a request takes, until some have been seen
LONGEST_RETRY_SECONDS = 60


@dataclass(slots=True, eq=False, kw_only=True)
class Ticket:
    """One who waits or runs.

    tokens: what its request may come to hold, prompt and reply together.
    """

    owner: str
    side: bool = False
    tokens: int = 0
    passed: int = 0  # times others were let in before it though it was its turn
    round: int = 0  # in which it is served
    _waiter: asyncio.Future[None] | None = field(default=None, repr=False)
    _since: float = 0.0


class Line:
    """Those who wait and those who run.

    Args:
        places: requests that run at the same time.
        pool_tokens: tokens that all of them together may hold; None: each has a window of its own.
    """

    def __init__(self, *, places: int, pool_tokens: int | None = None) -> None:
        self.places, self.pool_tokens = places, pool_tokens
        self.running: set[Ticket] = set()
        self._turns: list[Ticket] = []  # by round, then in the order of asking
        self._sides: deque[Ticket] = deque()
        self._round = 0  # of the turn that was let in last
        self._rounds: dict[str, int] = {}  # of each owner's last turn, where that is still to come

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._sides) + len(self._turns)

    @property
    def held_tokens(self) -> int:
        """Tokens that those who run may come to hold."""
        return sum(map(self._share, self.running))

    def join(self, ticket: Ticket) -> None:
        """Begin to wait."""
        if ticket.side:
            self._sides.append(ticket)
            return
        ticket.round = self._rounds[ticket.owner] = max(self._round, self._rounds.get(ticket.owner, 0) + 1)
        insort(self._turns, ticket, key=lambda each: each.round)

    def leave(self, ticket: Ticket) -> None:
        """Wait or run no more; nothing happens to one who does neither."""
        if ticket in self.running:
            self.running.remove(ticket)
        elif ticket in self._sides:
            self._sides.remove(ticket)
        elif ticket in self._turns:
            self._turns.remove(ticket)

    def admit(self) -> list[Ticket]:
        """Let in all who may run now; returns them in their order."""
        admitted: list[Ticket] = []
        while len(self.running) < self.places and (ticket := self._next()) is not None:
            self._let_in(ticket)
            admitted.append(ticket)
        return admitted

    def _next(self) -> Ticket | None:
        """The one whose turn it is; None when nobody waits, or everybody must wait for room."""
        if self._sides and self._sides[0].passed >= SIDE_PASSES:
            return self._sides[0] if self._fits(self._sides[0]) else None
        passed: dict[str, Ticket] = {}  # nobody overtakes an earlier request of the same owner
        for ticket in self._turns:
            if ticket.owner in passed:
                continue
            if self._fits(ticket):
                for earlier in passed.values():
                    earlier.passed += 1
                return ticket
            if ticket.passed >= PASSES:
                return None
            passed[ticket.owner] = ticket
        return self._sides[0] if self._sides and not passed and self._fits(self._sides[0]) else None

    def _let_in(self, ticket: Ticket) -> None:
        self.leave(ticket)
        self.running.add(ticket)
        if ticket.side:
            return
        for side in self._sides:
            side.passed += 1
        if ticket.round > self._round:
            self._round = ticket.round
            self._rounds = {owner: last for owner, last in self._rounds.items() if last >= self._round}

    def _fits(self, ticket: Ticket) -> bool:
        return self.pool_tokens is None or self.held_tokens + self._share(ticket) <= self.pool_tokens

    def _share(self, ticket: Ticket) -> int:
        """What a ticket counts for: one that is larger than the pool runs alone."""
        return ticket.tokens if self.pool_tokens is None else min(ticket.tokens, self.pool_tokens)


class Queue:
    """The queue before one engine.

    Args:
        places, pool_tokens: see `Line`.
        waiting: how many may wait; beyond that they are refused.
        on_idle: is called when the last one has gone.
    """

    def __init__(
        self,
        *,
        places: int = 1,
        pool_tokens: int | None = None,
        waiting: int = 64,
        on_idle: Callable[[], None] | None = None,
    ) -> None:
        self.line = Line(places=places, pool_tokens=pool_tokens)
        self.most_waiting = waiting
        self.on_idle = on_idle
        self._inside: set[Ticket] = set()  # from `enter` to `leave`, whether they run or not
        self._seconds = FIRST_SECONDS  # that a request takes, averaged

    @property
    def busy(self) -> bool:
        """Whether anybody runs or waits."""
        return bool(self._inside)

    @property
    def running(self) -> int:
        """How many requests the engine works on."""
        return len(self.line.running)

    @property
    def waiting(self) -> int:
        """How many are inside and not running."""
        return len(self._inside) - len(self.line.running)

    def enter(self, owner: str, *, side: bool = False, forced: bool = False) -> Ticket:
        """Take a ticket; everybody who has one is served.

        Args:
            owner: whose request.
            side: whether turns go before it.
            forced: however many wait (one who comes from an engine that has died).

        Raises:
            QueueFull: as many wait as may.
        """
        if not forced and len(self._inside) >= self.line.places + self.most_waiting:
            raise QueueFull(
                f"{self.waiting} requests wait for the engine already: try again a little later.",
                retry_after=self.retry_after,
            )
        ticket = Ticket(owner=owner, side=side)
        self._inside.add(ticket)
        return ticket

    @property
    def retry_after(self) -> int:
        """Seconds after which a place in the queue should be free, whole ones."""
        return min(LONGEST_RETRY_SECONDS, max(1, math.ceil(self._seconds / max(1, self.line.places))))

    def resize(self, *, places: int, pool_tokens: int | None) -> None:
        """Take over what the engine says it can do."""
        if (self.line.places, self.line.pool_tokens) != (places, pool_tokens):
            self.line.places, self.line.pool_tokens = places, pool_tokens
            self._admit()

    async def admit(self, ticket: Ticket, tokens: int) -> None:
        """Wait until the ticket's request may be sent.

        Args:
            ticket: of `enter`.
            tokens: what the request may come to hold.
        """
        ticket.tokens, ticket.passed = tokens, 0
        self.line.join(ticket)
        self._admit()
        if ticket in self.line.running:
            return
        ticket._waiter = asyncio.get_running_loop().create_future()
        try:
            await ticket._waiter
        except asyncio.CancelledError:
            self.finish(ticket)  # it may have been let in just now
            raise

    def finish(self, ticket: Ticket) -> None:
        """The request is over; the ticket may ask again. Nothing happens when it does not run or wait."""
        if ticket in self.line.running:
            self._seconds += (time.monotonic() - ticket._since - self._seconds) / 8
        self.line.leave(ticket)
        self._admit()

    def leave(self, ticket: Ticket) -> None:
        """Give the ticket back; twice is as good as once."""
        self.finish(ticket)
        self._inside.discard(ticket)
        if not self._inside and self.on_idle is not None:
            self.on_idle()

    def _admit(self) -> None:
        for ticket in self.line.admit():
            ticket._since = time.monotonic()
            if ticket._waiter is not None and not ticket._waiter.done():
                ticket._waiter.set_result(None)
