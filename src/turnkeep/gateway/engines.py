"""The engines of a gateway: identical ones behind one face, each with its queue and its slots.

A conversation sticks to one engine while that lives, by rendezvous hashing: when an engine dies,
its conversations alone move, and they come back when it does. A request moves with them as long
as nothing of its reply was shown.

`PooledEngine` is what a conversation's desk knows as its engine. Requests of turns wait in the
queue; those of upkeep do not, since upkeep runs only while no turn does (tending.py).
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

from ..conversation.items import Usage
from ..engine.base import Delta, End, Engine, EngineInfo, Progress, Request, Warmed
from ..engine.client import Retries
from ..errors import EngineBusy, EngineError, EngineProtocolError, EngineTimeout, EngineUnreachable
from .queue import Queue, Ticket
from .slots import Pin, Slots

if TYPE_CHECKING:
    from .gateway import ServeSettings

LOOK_SECONDS = 2.0  # after which an engine that died is looked at again
PLACES_UNTOLD = 64  # requests at a time for an engine that does not say: such engines queue by themselves
FIRST_PAUSE_SECONDS = 0.1  # before all engines are tried again; doubled each time
LONGEST_PAUSE_SECONDS = 5.0

_T = TypeVar("_T")
_log = logging.getLogger("turnkeep.gateway")


@dataclass(slots=True, eq=False)
class Member:
    """One engine of the pool, with who waits for it and what its slots hold."""

    engine: Engine
    queue: Queue
    alive: bool = True
    slots: Slots | None = None  # None: an engine without slots that could be chosen
    info: EngineInfo | None = None  # as last found

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        """Find out what is loaded, and size queue and slots by it."""
        info = await self.engine.probe(refresh=refresh)
        if info is not self.info:
            self.info = info
            shared = info.kind == "llama.cpp" and info.slots > 1
            # Several slots may share one pool, and no endpoint tells: each then reports the whole of it.
            # A pool that overflows breaks off every reply in it, so it is taken to be shared.
            told = info.kind == "llama.cpp" or info.slots > 1
            self.queue.resize(
                places=info.slots if told else PLACES_UNTOLD, pool_tokens=info.window if shared else None
            )
            # Found anew, it may be another server, with nothing read.
            self.slots = Slots(info.slots) if info.kind == "llama.cpp" else None
        return info


@dataclass(slots=True, eq=False, kw_only=True)
class Passage:
    """A turn's way through the queues: one ticket at a time, at the engine it is for.

    called: whether an engine has taken the request, and may have worked on it.
    """

    owner: str
    side: bool = False
    member: Member | None = None
    ticket: Ticket | None = None
    called: bool = False
    engine: str = ""  # address of the engine that answered last
    usages: list[Usage] = field(default_factory=list)  # of the requests that were answered whole

    def enter(self, member: Member, *, forced: bool = False) -> None:
        """Enter the queue of an engine, and leave that of another. Raises `QueueFull`."""
        if self.member is member:
            return
        ticket = member.queue.enter(self.owner, side=self.side, forced=forced)
        self.leave()
        self.member, self.ticket = member, ticket

    def leave(self) -> None:
        """Leave the queue; twice is as good as once."""
        if self.member is not None and self.ticket is not None:
            self.member.queue.leave(self.ticket)
        self.member = self.ticket = None

    async def admit(self, member: Member, tokens: int) -> Ticket:
        """Wait until a request may be sent; the queue's `finish` frees its place again."""
        self.enter(member, forced=True)
        assert self.ticket is not None
        ticket = self.ticket
        await member.queue.admit(ticket, tokens)
        return ticket


passage: ContextVar[Passage | None] = ContextVar("passage", default=None)  # None: upkeep, which does not wait


class EnginePool:
    """Identical engines.

    Args:
        engines: at least one.
        waiting: how many requests may wait at each.
        look_seconds: after which an engine that died is looked at again.
        patience: how long all of them are tried again, when none can be reached or none is ready;
            of one engine alone its client takes care.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        *,
        waiting: int = 64,
        look_seconds: float = LOOK_SECONDS,
        patience: Retries | None = None,
    ) -> None:
        self.members = [Member(engine, Queue(waiting=waiting)) for engine in engines]
        self.patience = patience or Retries(unreachable=0, not_ready=0)
        self.on_moved: Callable[[str], None] | None = None  # is told of a conversation on another engine
        self._look_seconds = look_seconds
        self._looking: asyncio.Task[None] | None = None

    async def open(self) -> EngineInfo:
        """Find out what the engines have loaded; one that answers is enough.

        Raises:
            EngineError, UsageError: none can be used as asked.
        """
        found = await asyncio.gather(*(member.probe() for member in self.members), return_exceptions=True)
        for member, result in zip(self.members, found, strict=True):
            if isinstance(result, EngineError):
                self.lost(member, result)
            elif isinstance(result, BaseException):
                raise result
        infos = [result for result in found if isinstance(result, EngineInfo)]
        if not infos:
            raise next(result for result in found if isinstance(result, BaseException))
        return infos[0]

    @property
    def info(self) -> EngineInfo | None:
        """What an engine that lives has loaded; None before any has answered."""
        known = [member for member in self.members if member.info is not None]
        return next((member.info for member in known if member.alive), known[0].info if known else None)

    def order(self, conversation: str) -> list[Member]:
        """The engines in the order in which they are tried for a conversation: living ones first."""
        if len(self.members) == 1:
            return self.members
        ranked = sorted(
            self.members, key=lambda member: _weigh(member.engine.url, conversation), reverse=True
        )
        return sorted(ranked, key=lambda member: not member.alive)

    def lost(self, member: Member, error: EngineError) -> None:
        """Take an engine for dead until it answers again. The only one is tried each time."""
        if not member.alive or len(self.members) == 1:
            return
        member.alive = False
        _log.warning("an engine is left out until it answers again: %s", error)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while dead := [member for member in self.members if not member.alive]:
            await asyncio.sleep(self._look_seconds)
            for member in dead:
                with contextlib.suppress(EngineError):
                    await member.probe(refresh=True)
                    member.alive = True
                    _log.info("%s answers again", member.engine.url)

    def seat(self, conversation: str | None) -> "PooledEngine":
        """The engine of a conversation; None for a request that extends none."""
        return PooledEngine(self, conversation)

    async def close(self) -> None:
        """Close all engines."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(*(member.engine.close() for member in self.members))


def connect_pool(settings: "ServeSettings") -> EnginePool:
    """Make the pool that settings name; without an address, the embedded engine.

    Raises:
        UsageError: an address is none, or names the same engine twice.
    """
    from ..engine.connect import connect
    from ..errors import UsageError

    urls: Sequence[str | None] = settings.engines or (None,)
    several = len(urls) > 1
    # Another engine is nearer than the next try at the same one.
    at_once = Retries(unreachable=0, not_ready=0) if several else None
    engines = [
        connect(
            url,
            model=settings.model,
            api_key=settings.api_key,
            window=settings.window,
            gguf=settings.gguf,
            retries=at_once,
        )
        for url in urls
    ]
    if len({engine.url for engine in engines}) < len(engines):
        raise UsageError("Two --engine options name the same address: name each engine once.")
    return EnginePool(engines, waiting=settings.waiting, patience=Retries() if several else None)


def _weigh(url: str, conversation: str) -> bytes:
    return blake2b(f"{url}\0{conversation}".encode(), digest_size=8).digest()


@dataclass(slots=True)
class PooledEngine:
    """The pool as one conversation sees it: an `Engine`.

    Args:
        pool: the engines.
        conversation: whose prompts are sent; None for those that extend none.
    """

    pool: EnginePool
    conversation: str | None
    _member: Member | None = field(default=None)

    @property
    def member(self) -> Member:
        """The engine that the next request goes to first."""
        first = self.pool.order(self.conversation or "")[0]
        self._settle(first)
        return first

    @property
    def url(self) -> str:
        """The address of the engine that was used last."""
        return (self._member or self.member).engine.url

    def _settle(self, member: Member) -> None:
        moved, self._member = self._member not in (None, member), member
        if moved and self.conversation is not None and self.pool.on_moved is not None:
            self.pool.on_moved(self.conversation)

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        """Find out what is loaded."""
        return await self._reach(lambda member: member.probe(refresh=refresh))

    async def count(self, request: Request) -> int | None:
        """Count the whole prompt."""
        return await self._reach(lambda member: member.engine.count(request))

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count plain texts."""
        return await self._reach(lambda member: member.engine.count_texts(texts))

    async def warm(self, request: Request) -> Warmed | None:
        """Have the engine read a prompt, in the conversation's slot."""

        async def warm(member: Member) -> Warmed | None:
            with _pinned(member, self.conversation, side=False) as pin:
                return await member.engine.warm(_with_slot(request, pin))

        return await self._reach(warm)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Send the request when its turn comes, and yield its deltas."""
        tries, way = _Tries(self.pool), passage.get()
        while True:
            for member in self.pool.order(self.conversation or ""):
                self._settle(member)
                shown = False
                try:
                    async with (
                        self._admitted(member, request, way) as (sent, pin),
                        contextlib.aclosing(member.engine.stream(sent)) as deltas,
                    ):
                        async for delta in deltas:
                            if way is not None:
                                way.called = True
                            if not shown and not isinstance(delta, Progress):
                                shown = True
                                if way is not None:
                                    way.engine = member.engine.url
                            if isinstance(delta, End):
                                if way is not None:
                                    way.usages.append(delta.usage)
                                if pin is not None:
                                    _learn(member, pin, delta)
                            yield delta
                    return
                except EngineError as error:
                    if way is not None:
                        way.called = way.called or error.taken
                    if shown or not await self._has_died(member, error):
                        raise
                    tries.failed(member, error)
            await tries.again()

    @contextlib.asynccontextmanager
    async def _admitted(
        self, member: Member, request: Request, way: Passage | None
    ) -> AsyncGenerator[tuple[Request, Pin | None], None]:
        """Wait for a place at the engine and hold it, with the slot."""
        side = way is not None and way.side
        ticket = None
        if way is not None:
            tokens = request.tokens
            if tokens is None and member.info is not None:  # nobody has planned it
                tokens = member.info.window // 4
            ticket = await way.admit(member, tokens or 0)
        slots = member.slots
        pin = None if slots is None else slots.take(self.conversation, side=side)
        try:
            yield (request if pin is None else _with_slot(request, pin)), pin
        finally:
            if slots is not None and pin is not None:
                slots.give_back(pin)
            if ticket is not None:
                member.queue.finish(ticket)

    async def _has_died(self, member: Member, error: EngineError) -> bool:
        """Whether an error says that this engine is away, so that another may do."""
        if _is_away(error):
            return True
        if not isinstance(error, EngineProtocolError) or len(self.pool.members) == 1:
            return False
        try:  # a stream that broke off: the engine's fault, or its end?
            await member.engine.probe(refresh=True)
        except EngineError:
            return True
        return False

    async def _reach(self, call: Callable[[Member], Awaitable[_T]]) -> _T:
        tries = _Tries(self.pool)
        while True:
            for member in self.pool.order(self.conversation or ""):
                self._settle(member)
                try:
                    return await call(member)
                except EngineError as error:
                    if not _is_away(error):
                        raise
                    tries.failed(member, error)
            await tries.again()

    async def close(self) -> None:
        """Nothing: the pool closes the engines."""


class _Tries:
    """Decides how long all engines are tried again when none answered."""

    def __init__(self, pool: EnginePool) -> None:
        self._pool = pool
        self._began = asyncio.get_running_loop().time()
        self._pause = FIRST_PAUSE_SECONDS
        self._error: EngineError | None = None

    def failed(self, member: Member, error: EngineError) -> None:
        """One engine could not be reached."""
        self._pool.lost(member, error)
        if not isinstance(self._error, EngineBusy):  # one that is loading is worth waiting for
            self._error = error

    async def again(self) -> None:
        """Pause; raises the error when it has lasted too long."""
        assert self._error is not None
        patience = self._pool.patience
        limit = patience.not_ready if isinstance(self._error, EngineBusy) else patience.unreachable
        pause = self._pause * random.uniform(0.5, 1)  # noqa: S311  # jitter, not a secret
        if asyncio.get_running_loop().time() + pause > self._began + limit:
            raise self._error
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._error = None
        await asyncio.sleep(pause)


def _is_away(error: EngineError) -> bool:
    if isinstance(error, EngineTimeout):  # of connecting: an address that nobody has
        from ..engine.connection import ConnectTimeout

        return isinstance(error.__cause__, ConnectTimeout)
    return isinstance(error, EngineUnreachable | EngineBusy)


@contextlib.contextmanager
def _pinned(member: Member, conversation: str | None, *, side: bool) -> Iterator[Pin | None]:
    """Hold a slot for a request; None where there are none to choose from."""
    slots = member.slots
    if slots is None:
        yield None
        return
    pin = slots.take(conversation, side=side)
    try:
        yield pin
    finally:
        slots.give_back(pin)


def _with_slot(request: Request, pin: Pin | None) -> Request:
    return request if pin is None or pin.slot is None else replace(request, slot=pin.slot)


def _learn(member: Member, pin: Pin, end: End) -> None:
    if member.slots is not None:
        usage = end.usage
        member.slots.learn(pin, prompt_tokens=usage.prompt_tokens, cached_tokens=usage.cached_tokens)


def describe_pool(pool: EnginePool) -> Mapping[str, float]:
    """Numbers of the pool as a whole, for metrics."""
    return {
        "engines_alive": sum(member.alive for member in pool.members),
        "running": sum(member.queue.running for member in pool.members),
        "waiting": sum(member.queue.waiting for member in pool.members),
    }
