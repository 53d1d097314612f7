"""The connections to one engine, kept for each event loop and for the next call.

A connection belongs to the loop in which it was opened, and a client to none: so there is one
set for each loop that calls, closed by `close()`, with the client, or with its loop, whichever
comes first. An idle connection is kept shortly: engines close theirs after 5 seconds (uvicorn,
llama.cpp's httplib), and one that is closed just when it is used again costs another attempt.
"""

import asyncio
import weakref
from collections.abc import AsyncGenerator
from typing import TypeAlias

from .connection import Connection, Target, connect

KEPT_SECONDS = 3.0  # an idle connection; well below the 5 of common servers


class ConnectionPool:
    """The connections of one client.

    Args:
        connect_seconds: limit for making a connection.
    """

    def __init__(self, *, connect_seconds: float | None) -> None:
        self._connect_seconds = connect_seconds
        self._kept: dict[asyncio.AbstractEventLoop, tuple[_Connections, _Guard]] = {}

    async def take(self, target: Target) -> tuple[Connection, bool]:
        """A connection to an address, and whether it was kept from an earlier call.

        Raises: as `connect`.
        """
        connections = await self._connections()
        if (idle := connections.take_idle(target)) is not None:
            return idle, True
        return await connections.connect(target, self._connect_seconds), False

    async def make(self, target: Target) -> Connection:
        """A new connection. Raises as `connect`."""
        return await (await self._connections()).connect(target, self._connect_seconds)

    async def _connections(self) -> "_Connections":
        """Those of the running loop."""
        loop = asyncio.get_running_loop()
        known = self._kept.get(loop)
        if known is not None:
            return known[0]
        for ended in [known for known in self._kept if known.is_closed()]:
            del self._kept[ended]
        connections = _Connections(loop)
        guard = _hold(connections)
        self._kept[loop] = connections, guard
        await anext(guard)  # from here on, the loop closes them when it ends
        # Held apart from this object, or both might be collected at once, with connections still open.
        _guards.add(guard)
        weakref.finalize(self, _let_go, guard).atexit = False
        return connections

    async def close(self) -> None:
        """Close the running loop's connections; those of other loops are closed there."""
        _, guard = self._kept.get(asyncio.get_running_loop(), (None, None))
        self._kept = {}
        if guard is not None:
            _guards.discard(guard)
            await guard.aclose()


class _Connections:
    """Those of one loop: the ones in use, and those that wait to be used again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._idle: dict[Target, list[Connection]] = {}

    def take_idle(self, target: Target) -> Connection | None:
        """The connection to an address that was used last."""
        idle = self._idle.get(target, [])
        while idle:
            connection = idle.pop()
            assert connection.expiry is not None
            connection.expiry.cancel()
            if connection.usable:
                return connection
        return None

    async def connect(self, target: Target, seconds: float | None) -> Connection:
        """Make a connection to an address; no limit: who may call at a time is decided where turns begin."""

        def keep(connection: Connection) -> None:
            connection.expiry = self._loop.call_later(KEPT_SECONDS, connection.close)
            self._idle.setdefault(target, []).append(connection)

        def forget(connection: Connection) -> None:
            self._open.discard(connection)
            if not self._open:
                self._all_closed.set()
            idle = self._idle.get(target, [])
            if connection in idle:
                idle.remove(connection)
            if connection.expiry is not None:
                connection.expiry.cancel()

        connection = await connect(target, seconds, keep, forget)
        self._open.add(connection)
        return connection

    async def close(self) -> None:
        """Close all of them."""
        for connection in list(self._open):
            connection.close()
        if self._open:
            self._all_closed.clear()
            await self._all_closed.wait()  # the loop lets go of each in its next round


_Guard: TypeAlias = AsyncGenerator[None, None]
_guards: set[_Guard] = set()  # of loops with connections


async def _hold(connections: _Connections) -> _Guard:
    try:
        yield
    finally:
        await connections.close()


def _let_go(guard: _Guard) -> None:
    """Let connections go that nobody can use any more: their loop closes them when the generator is collected."""
    _guards.discard(guard)
