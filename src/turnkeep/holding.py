"""Hold a lease while something is done: wait for it, keep it alive, give it back.

A lease is a row in the store, so it holds between processes and machines. One left
behind by a process of this machine that has died is taken over at once; any other
runs out by itself.
"""

import asyncio
import contextlib
import functools
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .conversation.items import Item
from .conversation.log import Position
from .errors import Conflict, LeaseLost
from .prompt import Desk
from .randomness import draw_bytes
from .store.base import ConversationKind, Lease, Store
from .store.writing import Begun

T = TypeVar("T")

LEASE_SECONDS = 15.0  # a process that vanished on another machine blocks a conversation no longer than this
HEARTBEAT_SECONDS = 4.0
YIELDED_SECONDS = 5.0  # upkeep makes way within a quarter second; one that does not is dead
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 90.0  # how long a second writer waits before it is told of the conflict


class Taker(Protocol):
    """Whose store keeps a lease, and under whose name it is taken: a `Desk`, or less."""

    @property
    def store(self) -> Store:
        """Keeps it."""
        ...

    @property
    def holder(self) -> str:
        """Takes it."""
        ...


@functools.cache
def _machine() -> str:
    return socket.gethostname()


def name_holder() -> str:
    """Make a name for one who takes leases: machine, process, and a random part."""
    return f"{_machine()}/{os.getpid()}/{secrets.token_hex(6)}"


@contextlib.asynccontextmanager
async def hold_conversation(
    desk: Desk, *, patience: float = PATIENCE_SECONDS, stop: asyncio.Event | None = None
) -> AsyncIterator[Lease]:
    """Hold the conversation's lease; a second writer waits its turn.

    Raises:
        Conflict: another writer held it for longer than `patience` seconds, or until `stop` was set.
    """
    async with hold_lease(
        desk, f"conversation:{desk.conversation}", note=desk.engine.url, patience=patience, stop=stop
    ) as lease:
        yield lease


@dataclass(slots=True)
class Held:
    """A conversation that is held for a turn. released: the lease was given back with the turn's end."""

    begun: Begun
    released: bool = False


@contextlib.asynccontextmanager
async def hold_and_begin(
    desk: Desk,
    items: Sequence[Item] | None,
    *,
    after: Position | None = None,
    instructions: str | None = None,
    made: ConversationKind | None = None,
    patience: float = PATIENCE_SECONDS,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Held]:
    """Hold the conversation, with the turn begun that says these items (None: no turn yet).

    Args:
        desk: the conversation.
        items: what is said.
        after: the item that they follow; None for the conversation's tip.
        instructions: become the conversation's, where they are not; None leaves those that it has.
        made: the conversation is not there yet, and is made of this kind.
        patience: seconds to wait for another holder.
        stop: ends the wait when it is set.

    Raises:
        Conflict: another writer held it for longer than `patience` seconds, or until `stop` was set.
    """
    subject, note = f"conversation:{desk.conversation}", desk.engine.url

    async def begin(holder: str, now: float) -> Begun | None:
        return await desk.store.hold_and_begin(
            desk.owner, desk.conversation, items, after=after,
            subject=subject, holder=holder, note=note, now=now, seconds=LEASE_SECONDS, instructions=instructions,
            made=made,
        )  # fmt: skip

    held = Held(await _take(desk, subject, begin, patience, stop))
    heartbeat = _Heartbeat(desk, held.begun.lease)
    try:
        yield held
    finally:
        await heartbeat.end()
        if not held.released:
            await asyncio.shield(desk.store.drop_lease(held.begun.lease))


@contextlib.asynccontextmanager
async def hold_alone(desk: Desk) -> AsyncIterator[Lease]:
    """Hold the conversation when no upkeep works on it any more, of whatever process.

    Every engine that upkeep works on is claimed as a turn claims it, and waited for to be let go.

    Raises:
        Conflict: another writer held the conversation for too long.
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
        yield lease


async def _wait_for_upkeep(desk: Desk) -> None:
    """Wait until whoever does upkeep now has let go; others that begin meanwhile see what is held."""
    holders = {lease.holder for lease in await desk.store.held_leases("upkeep:", now=time.time())}
    deadline = time.monotonic() + YIELDED_SECONDS
    while time.monotonic() < deadline:
        busy = await desk.store.held_leases("upkeep:", now=time.time())
        if holders.isdisjoint(lease.holder for lease in busy):
            return
        await asyncio.sleep(LOOK_SECONDS)


@contextlib.asynccontextmanager
async def hold_lease(
    desk: Taker, subject: str, *, note: str, patience: float, stop: asyncio.Event | None = None
) -> AsyncIterator[Lease]:
    """Hold a lease, kept alive by a heartbeat.

    Args:
        desk: whose store keeps the lease, and under whose name it is taken.
        subject: what is held.
        note: what for.
        patience: seconds to wait for another holder.
        stop: ends the wait when it is set.

    Raises:
        Conflict: another held it for longer than `patience`, or until `stop` was set.
    """

    async def take(holder: str, now: float) -> Lease | None:
        return await desk.store.take_lease(subject, holder, now=now, seconds=LEASE_SECONDS, note=note)

    lease = await _take(desk, subject, take, patience, stop)
    heartbeat = _Heartbeat(desk, lease)
    try:
        yield lease
    finally:
        await heartbeat.end()
        await asyncio.shield(desk.store.drop_lease(lease))


async def _take(
    desk: Taker,
    subject: str,
    attempt: Callable[[str, float], Awaitable[T | None]],
    patience: float,
    stop: asyncio.Event | None,
) -> T:
    """Attempt to take a lease, as a holder and at a time, until it is given."""
    # A name of its own for each holding: two turns of one process exclude each other too.
    holder = f"{desk.holder}/{draw_bytes(4).hex()}"
    deadline, pause = time.monotonic() + patience, 0.01
    while True:
        now = time.time()
        taken = await _take_once(desk, subject, holder, attempt, now)
        for held in [] if taken else await desk.store.held_leases(subject, now=now):
            if held.subject == subject and _has_died(held.holder):
                # As if it had run out already. Whoever takes it in between has one that runs
                # longer than the dead one's, so this take fails then, and the loop goes on.
                later = max(now, held.expires + 0.001)
                taken = await _take_once(desk, subject, holder, attempt, later)
        if taken is not None:
            return taken
        if time.monotonic() > deadline or (stop is not None and stop.is_set()):
            raise Conflict(
                "Another program is writing to this conversation: wait for it to finish, or use another name."
            )
        await asyncio.sleep(pause)
        pause = min(0.2, pause * 1.5)


async def _take_once(
    desk: Taker,
    subject: str,
    holder: str,
    attempt: Callable[[str, float], Awaitable[T | None]],
    now: float,
) -> T | None:
    """Try once. A lease that was taken just when this was cancelled is given back, not left to run out."""
    try:
        return await attempt(holder, now)
    except asyncio.CancelledError:
        await asyncio.shield(_give_back(desk, subject, holder, now))
        raise


async def _give_back(desk: Taker, subject: str, holder: str, now: float) -> None:
    """Give back what a holder may have taken by a call that goes on though nobody waits for it."""
    for lease in await desk.store.held_leases(subject, now=now):
        if lease.subject == subject and lease.holder == holder:
            await desk.store.drop_lease(lease)


class _Heartbeat:
    """Renews a lease from time to time, until `end`; a short turn ends before the first."""

    def __init__(self, desk: Taker, lease: Lease) -> None:
        self._desk, self._lease = desk, lease
        self._loop = asyncio.get_running_loop()
        self._renewing: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(HEARTBEAT_SECONDS, self._begin)

    def _begin(self) -> None:
        self._renewing = self._loop.create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        while True:
            self._lease = await self._desk.store.renew_lease(
                self._lease, now=time.time(), seconds=LEASE_SECONDS
            )
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def end(self) -> None:
        """Stop; raises what a renewal failed with, but for the lease's loss, which the next write says."""
        self._timer.cancel()
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError, LeaseLost):
                await self._renewing


async def drop_dead_leases(store: Store, *, now: float) -> None:
    """Give back what processes of this machine held that are no more, so that nobody waits for them."""
    for lease in await store.held_leases("", now=now):
        if _has_died(lease.holder):
            await store.drop_lease(lease)


def _has_died(holder: str) -> bool:
    """Tell whether a holder was a process of this machine that is no more."""
    machine, _, rest = holder.partition("/")
    process = rest.partition("/")[0]
    if machine != _machine() or not process.isdigit() or sys.platform == "win32":
        return False  # there, signal 0 is not a question
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it lives, as somebody else's
    return False
