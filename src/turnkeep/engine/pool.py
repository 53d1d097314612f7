"""One HTTP session for each event loop, its connections kept for the next call.

A session belongs to the loop in which it was opened, and a client to none: so there is one
for each loop that calls, closed by `close()`, with the client, or with its loop, whichever
comes first. An idle connection is kept shortly: engines close theirs after 5 seconds (uvicorn,
llama.cpp's httplib), and one that is closed just when it is used again costs another attempt.
"""

import asyncio
import weakref
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import aiohttp

KEPT_SECONDS = 3.0  # an idle connection; well below the 5 of common servers


class SessionPool:
    """The sessions of one client.

    Args:
        headers: sent with each request.
        connect_seconds: limit for making a connection.
    """

    def __init__(self, headers: Mapping[str, str], *, connect_seconds: float | None) -> None:
        self._headers = headers
        self._connect_seconds = connect_seconds
        self._sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, _Guard]] = {}

    async def session(self) -> "aiohttp.ClientSession":
        """The session of the running loop."""
        loop = asyncio.get_running_loop()
        session, _ = self._sessions.get(loop, (None, None))
        if session is None or session.closed:
            for ended in [known for known in self._sessions if known.is_closed()]:
                del self._sessions[ended]
            session = self._make()
            guard = _hold(session)
            self._sessions[loop] = session, guard
            await anext(guard)  # from here on, the loop closes it when it ends
            # Held apart from this object, or both might be collected at once, with the session still open.
            _guards.add(guard)
            weakref.finalize(self, _let_go, guard).atexit = False
        return session

    def _make(self) -> "aiohttp.ClientSession":
        import aiohttp

        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds)
        return aiohttp.ClientSession(
            headers=self._headers,
            timeout=limits,
            cookie_jar=aiohttp.DummyCookieJar(),
            # No limit: who may call at a time is decided where turns begin.
            connector=_make_connector(limit=0, keepalive_timeout=KEPT_SECONDS),
        )

    async def close(self) -> None:
        """Close the running loop's session; those of other loops are closed there."""
        _, guard = self._sessions.get(asyncio.get_running_loop(), (None, None))
        self._sessions = {}
        if guard is not None:
            _guards.discard(guard)
            await guard.aclose()


_Guard: TypeAlias = AsyncGenerator[None, None]
_guards: set[_Guard] = set()  # of open sessions


async def _hold(session: "aiohttp.ClientSession") -> _Guard:
    try:
        yield
    finally:
        await session.close()


def _let_go(guard: _Guard) -> None:
    """Let a session go that nobody can use any more: its loop closes it when the generator is collected."""
    _guards.discard(guard)


def _make_connector(*, limit: int, keepalive_timeout: float) -> "aiohttp.TCPConnector":
    """Make a connector that counts the connections it has made, as `made`."""
    import aiohttp

    class Counting(aiohttp.TCPConnector):
        made = 0

        async def _create_connection(self, *args: Any) -> Any:  # Any: handed on as they come
            self.made += 1
            return await super()._create_connection(*args)

    return Counting(limit=limit, keepalive_timeout=keepalive_timeout)


def count_connections(session: "aiohttp.ClientSession") -> int:
    """How many connections a session has made: the same number after a call means that it used a kept one."""
    return int(getattr(session.connector, "made", 0))
