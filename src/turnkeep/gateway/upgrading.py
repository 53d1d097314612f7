"""WebSockets: let in as requests are, then handed to their route."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import RequestRefused, TurnkeepError
from .door import read_query
from .http import Call, SocketRoute, describe_error, match_pattern, status_of, trace
from .reading import ClientGone, Receive
from .sending import Send, render

if TYPE_CHECKING:
    from .app import App

NORMAL, GOING_AWAY, REFUSED, FAILED = 1000, 1001, 1008, 1011  # RFC 6455, section 7.4.1

_log = logging.getLogger(__name__)


class AsgiSocket:
    """A WebSocket over ASGI; sending waits while the client does not read, up to a limit.

    Args:
        receive: ASGI's.
        send: likewise.
        stall_seconds: after which a client that reads nothing is given up.
        let_in: refuses a client that may not call.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        stall_seconds: float,
        let_in: Callable[[], Awaitable[object]],
    ) -> None:
        self._let_in = let_in
        self._receive = receive
        self._send = send
        self._stall_seconds = stall_seconds

    async def receive(self) -> str | None:
        """The next message; None when the client has gone."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return None
        text: str | None = message.get("text")
        return (message.get("bytes") or b"").decode("utf-8", "replace") if text is None else text

    async def send(self, text: str) -> None:
        """Send a message."""
        try:
            async with asyncio.timeout(self._stall_seconds):
                await self._send({"type": "websocket.send", "text": text})
        except (TimeoutError, OSError):
            raise ClientGone from None

    async def check_key(self) -> None:
        """Look whether the client may still call."""
        await self._let_in()


async def serve_socket(app: "App", scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Let a WebSocket in, and have its route serve it."""
    await receive()  # websocket.connect
    try:
        route, call = await _let_in(app, scope)
    except TurnkeepError as error:
        await _refuse(scope, send, error)
        return
    await send({"type": "websocket.accept"})
    code = NORMAL
    stall_seconds = app.gateway.settings.stall_seconds
    try:
        await route.handler(
            call, AsgiSocket(receive, send, stall_seconds, lambda: app.door.let_in(call.headers))
        )
    except ClientGone:
        return
    except RequestRefused:  # it was told why
        code = REFUSED
    except asyncio.CancelledError:
        code = GOING_AWAY  # the server stops
    except Exception as error:
        _log.error("WebSocket %s failed: %s", route.pattern, trace(error))
        code = FAILED
    await send({"type": "websocket.close", "code": code})


async def _let_in(app: "App", scope: Mapping[str, Any]) -> tuple[SocketRoute, Call]:
    from .app import path_of, read_headers

    headers, path = read_headers(scope), path_of(scope)
    app.door.check_place(headers)
    for route in app.sockets:
        params = match_pattern(route.pattern, path.split("/"))
        if params is None:
            continue
        call = Call(
            method="GET",
            path=path,
            params=params,
            query=read_query(scope["query_string"]),
            headers=headers,
            body={},
            owner=await app.door.let_in(headers),
            gateway=app.gateway,
        )
        return route, call
    raise RequestRefused("No WebSocket is served at this path: use /v1/responses.", status=404)


async def _refuse(scope: Mapping[str, Any], send: Send, error: TurnkeepError) -> None:
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": REFUSED})
        return
    kind, body = render(describe_error(error))
    head = {"status": status_of(error), "headers": [(b"content-type", kind)]}
    await send({"type": "websocket.http.response.start", **head})
    await send({"type": "websocket.http.response.body", "body": body})
