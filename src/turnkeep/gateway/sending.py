"""Writing answers: JSON whole, streams piece by piece, with what every answer carries."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..randomness import draw_bytes
from .http import Answer, Streamed

_quick: Callable[[Any], bytes] | None  # Any: what json.dumps takes
try:
    import orjson
except ImportError:
    _quick = None
else:
    _quick = orjson.dumps  # takes a tenth of the time

Send = Callable[[Mapping[str, Any]], Awaitable[None]]  # Any: as ASGI has it

SILENT_SECONDS = 15.0  # after which a stream says that it lives: proxies cut what is silent for a minute
PING = b": ping\n\n"  # a comment, which every client skips
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
_EXPOSED = "retry-after, x-request-id, x-should-retry"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Sending:
    """Writes one answer.

    Args:
        send: ASGI's.
        bare: send headers alone, as HEAD asks for.
    """

    def __init__(self, send: Send, *, bare: bool) -> None:
        self._send = send
        self._bare = bare
        self.origin: str | None = None  # of a web page that may read the answer
        self.status: int | None = None  # once it has begun
        self.request_id = f"req_{draw_bytes(12).hex()}"

    async def answer(self, answer: Answer) -> None:
        """Write a whole answer."""
        kind, body = render(answer.body)
        length = (b"content-length", b"%d" % len(body))
        await self._start(answer.status, [(b"content-type", kind), length], answer.headers)
        await self._send({"type": "http.response.body", "body": b"" if self._bare else body})

    async def stream(self, streamed: Streamed) -> None:
        """Write events as they come, and close their source whatever happens."""
        pieces = streamed.pieces
        pulse: _Pulse | None = None
        try:
            # What is refused before the first piece has a status of its own.
            piece = b"" if self._bare else await anext(pieces, b"")
            await self._start(200, _EVENTS, streamed.headers)
            pulse = _Pulse(self._send)
            if piece:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                async for piece in pieces:
                    pulse.beats += 1
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            pulse.stop()
            await self._send({"type": "http.response.body", "body": b""})
        finally:
            if pulse is not None:
                pulse.stop()
            await pieces.aclose()

    async def break_off(self, body: dict[str, object]) -> None:
        """End a stream that has begun with an error as its last event."""
        piece = b"data: " + render(body)[1] + b"\n\n"
        await self._send({"type": "http.response.body", "body": piece})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]], more: Mapping[str, str]) -> None:
        self.status = status
        found = [*headers, (b"x-request-id", self.request_id.encode())]
        found += [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in more.items()
        ]
        if self.origin is not None:
            found += [
                (b"access-control-allow-origin", self.origin.encode("utf-8")),
                (b"access-control-expose-headers", _EXPOSED.encode()),
                (b"vary", b"origin"),
            ]
        await self._send({"type": "http.response.start", "status": status, "headers": found})


def render(body: Any) -> tuple[bytes, bytes]:  # Any: what json.dumps takes
    """The content type and the bytes of an answer's body."""
    if body is None:
        return b"text/plain; charset=utf-8", b""
    if isinstance(body, str):
        return b"text/plain; charset=utf-8", body.encode("utf-8", "replace")
    if _quick is not None:
        try:
            return b"application/json", _quick(body)
        except TypeError:
            pass  # a number that is larger than its numbers, or half a character
    try:
        return b"application/json", _encode(body).encode("utf-8")
    except UnicodeEncodeError:  # half a character, from an engine that cut it
        return b"application/json", json.dumps(body).encode("ascii")


class _Pulse:
    """Sends a comment where a stream is silent; costs nothing while it is not."""

    def __init__(self, send: Send) -> None:
        self.beats = 0  # pieces sent so far
        self._seen = 0
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._pinging: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(SILENT_SECONDS, self._look)

    def _look(self) -> None:
        if self.beats == self._seen and (self._pinging is None or self._pinging.done()):
            ping = self._send({"type": "http.response.body", "body": PING, "more_body": True})
            self._pinging = asyncio.ensure_future(ping)
        self._seen = self.beats
        self._timer = self._loop.call_later(SILENT_SECONDS, self._look)

    def stop(self) -> None:
        """Be silent from now on."""
        self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()
