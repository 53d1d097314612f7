"""Reading a body within its limits: its own size, the time it takes, and what all bodies hold together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import RequestRefused
from .bodies import parse_body
from .gateway import ServeSettings

Receive = Callable[[], Awaitable[Mapping[str, Any]]]  # Any: as ASGI has it

TOGETHER = 8  # times the largest body: what the bodies of all requests under way may take
_PLAIN = ("", "identity")


class ClientGone(Exception):
    """The client hung up; there is nobody to answer."""


@dataclass(slots=True)
class Held:
    """How many bytes of a request's body are held; given back when it is answered."""

    size: int = 0


class BodyReader:
    """Reads the bodies of a gateway's requests."""

    def __init__(self, settings: ServeSettings) -> None:
        self._most_bytes = settings.body_bytes
        self._most_items = settings.items
        self._stall_seconds = settings.stall_seconds
        self._together = 0  # bytes

    async def read(self, receive: Receive, headers: Mapping[str, str], held: Held) -> dict[str, Any]:
        """Read a body as JSON.

        Args:
            receive: ASGI's.
            headers: names in lower case.
            held: is told what is held from now on, also when this raises.

        Raises:
            RequestRefused: it is no JSON object, too large or too slow, or others hold all the room there is.
            ClientGone: nobody waits any more.
        """
        if headers.get("content-encoding", "").lower() not in _PLAIN:
            raise RequestRefused("The body is compressed: send it as it is.", status=415)
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._most_bytes:
            raise self._too_large()
        raw = await self._read_bytes(receive, held)
        return parse_body(raw, most_items=self._most_items)

    def release(self, held: Held) -> None:
        """Give back what a body held."""
        self._together -= held.size
        held.size = 0

    async def _read_bytes(self, receive: Receive, held: Held) -> bytes:
        pieces: list[bytes] = []
        deadline = _Deadline(self._stall_seconds)
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                pieces.append(message.get("body", b""))
                self._hold(len(pieces[-1]), held)
                if not message.get("more_body", False):
                    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
                deadline.postpone()
        except asyncio.CancelledError:
            if not deadline.passed:
                raise
            raise RequestRefused(
                f"Nothing of the body came for {self._stall_seconds:g} seconds: send it again.", status=408
            ) from None
        finally:
            deadline.end()

    def _hold(self, size: int, held: Held) -> None:
        self._together += size
        held.size += size
        if held.size > self._most_bytes:
            raise self._too_large()
        if self._together > TOGETHER * self._most_bytes:
            error = RequestRefused("There are too many large requests at once: try again soon.", status=503)
            error.retry_after = 1.0
            raise error

    def _too_large(self) -> RequestRefused:
        return RequestRefused(f"The body is larger than {self._most_bytes:,} bytes: send less.", status=413)


class _Deadline:
    """Cancels the task that made it when nobody postpones it; a fifth of what `asyncio.timeout` costs."""

    __slots__ = ("_loop", "_seconds", "_task", "_timer", "passed")

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._timer = self._loop.call_later(seconds, self._pass)

    def _pass(self) -> None:
        assert self._task is not None
        self.passed = self._task.cancel()

    def postpone(self) -> None:
        """Begin again."""
        self._timer.cancel()
        self._timer = self._loop.call_later(self._seconds, self._pass)

    def end(self) -> None:
        """It matters no more."""
        self._timer.cancel()
        if self.passed:
            assert self._task is not None
            self._task.uncancel()
