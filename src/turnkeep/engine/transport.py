"""One HTTP exchange with an engine: sent, timed, and its faults put into words.

What reads HTTP is imported at the first exchange, not with this module. Faults of a connection are
put into words here and nowhere else; what an engine's error body means, wire/failures.py says.
Retries and streams belong to client.py.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .._version import __version__
from ..errors import (
    EngineError,
    EngineProtocolError,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    UsageError,
)
from ..wire.failures import classify_failure, failure_error
from ..wire.json_text import dump_body

if TYPE_CHECKING:
    from .connection import Response, Target
    from .pool import ConnectionPool

Json: TypeAlias = Any  # a parsed body; adapters check the fields they read

MAX_BODY_BYTES = (
    64 * 1024 * 1024
)  # of an answer that is not streamed; lists of models or tokens are far smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the client waits, in seconds; None: without limit.

    first_token is long: a slow machine reads a long prompt for minutes; it begins anew with each
    report of progress. Comments that only keep a connection open are no answer.
    """

    connect: float | None = 10.0
    first_token: float | None = 600.0
    between_tokens: float | None = 120.0
    total: float | None = 3600.0


@dataclass(frozen=True, slots=True)
class Wait:
    """A moment on the event loop's clock (None: never) and what is awaited until then, in words."""

    at: float | None
    what: str


def describe_wait(seconds: float | None, what: str) -> str:
    """Example: 3, "an answer" → "an answer within 3 seconds"."""
    return what if seconds is None else f"{what} within {seconds:g} seconds"


class Clock:
    """Makes the waits of one call; all of them end with the call's total."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        total = timeouts.total
        self.end = None if total is None else asyncio.get_running_loop().time() + total

    def until(self, seconds: float | None, what: str) -> Wait:
        """Begin a wait of `seconds`."""
        at = None if seconds is None else asyncio.get_running_loop().time() + seconds
        if self.end is not None and (at is None or self.end < at):
            return self.last
        return Wait(at, describe_wait(seconds, what))

    @property
    def last(self) -> Wait:
        """The wait with which the call ends."""
        return Wait(self.end, describe_wait(self.timeouts.total, "a whole reply"))


class Transport:
    """Sends single requests to one address and reads what comes back.

    Args:
        url: as `parse_url` returns it.
        name: subject of error sentences.
        api_key: sent as a Bearer token, shown nowhere.
        connect_seconds: limit for making a connection.
    """

    def __init__(self, url: str, *, name: str, api_key: str | None, connect_seconds: float | None) -> None:
        self.url = url
        self.name = name
        self._api_key = api_key
        self._connect_seconds = connect_seconds
        self._headers = f"User-Agent: turnkeep/{__version__}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
        if api_key:
            self._headers += f"Authorization: Bearer {check_key(api_key)}\r\n"
        self._pool: ConnectionPool | None = None

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def open(self) -> "ConnectionPool":
        """The connections; asked before a wait begins, since the first import may take long."""
        if self._pool is None:
            from .pool import ConnectionPool

            self._pool = ConnectionPool(connect_seconds=self._connect_seconds)
        return self._pool

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._pool is not None:
            await self._pool.close()

    async def send(self, path: str, body: Mapping[str, Any] | None) -> "Response":
        """Send a POST, or a GET when `body` is None; returns a response of status 200, still to be read.

        Its connection is kept when it was read to its end, and closed by its `close()` before that.

        Raises:
            ContextOverflow, EngineBusy, EngineRefused: by what the error body says.
            EngineProtocolError: it is no engine that answers.
        """
        response = await self._request(path, None if body is None else self._encode(body))
        if response.status == 200:
            return response
        try:
            raise self._refusal(response, await self._read_bytes(response))
        finally:
            response.close()

    async def _request(self, path: str, payload: bytes | None) -> "Response":
        """Send once, and once more at once where a kept connection turns out to be closed by the other side."""
        from .connection import BrokenOff, parse_target

        pool, target = self.open(), parse_target(self.url)
        data = self._write(target, path, payload)
        connection, kept = await pool.take(target)
        try:
            return await connection.request(data)
        except BrokenOff:
            if not kept:
                raise  # a connection made for this call: whether to repeat it is for others to say
        connection = await pool.make(target)
        return await connection.request(data)

    def _write(self, target: "Target", path: str, payload: bytes | None) -> bytes:
        """A request as it is sent."""
        first = f"{'GET' if payload is None else 'POST'} {target.path}{path} HTTP/1.1\r\nHost: {target.authority}\r\n"
        if payload is None:
            return f"{first}{self._headers}\r\n".encode()
        body = f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
        return f"{first}{self._headers}{body}\r\n".encode() + payload

    async def read_json(self, response: "Response") -> Json:
        """Read a whole body as JSON.

        Raises:
            EngineProtocolError: it is not JSON, or too large.
        """
        body = await self._read_bytes(response)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._not_an_engine(body) from error

    @contextmanager
    def translated(self, wait: Wait) -> Iterator[None]:
        """Turn the faults of a connection into `EngineError`s; `wait` is what a timeout was for."""
        from .connection import FAULTS

        try:
            yield
        except FAULTS as error:
            raise self.explain(error, wait) from error

    def explain(self, error: Exception, wait: Wait) -> EngineError:
        """Put the fault of a connection into words; `wait` is what a timeout was for."""
        from .connection import ConnectFailed, ConnectTimeout, HostUnknown, NotHttp, TlsFailed

        match error:
            case ConnectTimeout():
                return EngineTimeout(
                    f"{self.name} cannot be reached within {self._connect_seconds:g} seconds: check the address."
                )
            case TimeoutError():
                return EngineTimeout(
                    f"{self.name} did not give {wait.what}: it may be busy, or the prompt long; try again."
                )
            case HostUnknown():
                return EngineUnreachable(f"{self.name} is not found: no such host; check the address.")
            case TlsFailed():
                said = f"{self.name} cannot be reached over https ({_plain(error)}): try http, or mend its certificate."
                return EngineUnreachable(said)
            case ConnectFailed():
                said = (
                    f"Nobody answers at {self.url}: start the engine, or give the address where it listens."
                )
                return EngineUnreachable(said)
            case NotHttp():
                return EngineProtocolError(
                    f"{self.name} does not answer in HTTP as engines do: check the address and the port."
                )
        return EngineUnreachable(
            f"{self.name} closed the connection: look at its log, and start it again if it has stopped."
        )

    def _encode(self, body: Mapping[str, Any]) -> bytes:
        try:
            return dump_body(body)
        except (TypeError, ValueError) as error:
            raise UsageError(f"A field of the request cannot be written as JSON: {error}.") from error

    async def _read_bytes(self, response: "Response") -> bytes:
        body = bytearray()
        while piece := await response.read():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise EngineProtocolError(f"{self.name} answered with more than {MAX_BODY_BYTES:,} bytes.")
        return bytes(body)

    def _refusal(self, response: "Response", body: bytes) -> Exception:
        status = response.status
        if 300 <= status < 400:
            target = response.headers.get("location", "another address")
            return EngineRefused(f"{self.name} sends on to {target}: give that address.", http_status=status)
        is_page = _is_page(body)
        said = f"HTTP {status}" if is_page or not body.strip() else body.decode(errors="replace")
        failure = classify_failure(status, said)
        if is_page and failure.kind in ("fatal", "unknown_model"):
            return self._not_an_engine(body)
        return failure_error(failure, self.name, http_status=status, key_given=bool(self._api_key))

    def _not_an_engine(self, body: bytes) -> EngineProtocolError:
        what = "a web page" if _is_page(body) else "something that is not JSON"
        return EngineProtocolError(
            f"{self.name} answered with {what}: check that the address is that of an OpenAI-style API."
        )


def check_key(key: str) -> str:
    """Give a key back that a header can hold.

    Raises:
        UsageError: it cannot be one.
    """
    if not key.isprintable():
        raise UsageError(
            "The engine's key holds a line break or another sign that is none of a key: give it anew."
        )
    return key


def _is_page(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
