"""A connection to an engine: HTTP/1.1, one request at a time, its response read as it comes.

httptools (C) parses what arrives; everything else that a client of engines needs is here: no redirects,
no cookies, no proxies, no compression. Faults are told by the exceptions below, and by nothing else.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from urllib.parse import quote, urlsplit

import httptools

HEAD_BYTES = 64 * 1024  # of a response before its body; common clients take less
UNREAD_BYTES = 256 * 1024  # of a body, before the engine is made to wait for its reader
_PATH_CHARACTERS = "/?%:@!$&'()*+,;=~-._"  # stay as they are in a request's path
_NO_BODY = (204, 304)


class ConnectTimeout(TimeoutError):
    """The connection was not made in time."""


class HostUnknown(OSError):
    """There is no such host."""


class TlsFailed(OSError):
    """The connection could not be secured."""


class ConnectFailed(OSError):
    """Nobody listens."""


class BrokenOff(ConnectionError):
    """The connection ended before the response did."""


class NotHttp(Exception):
    """What came is no response in HTTP."""


FAULTS = (OSError, NotHttp)  # all that a connection raises; timeouts are OSErrors too


@dataclass(frozen=True, slots=True, eq=False)  # made once for each address: compared as it is
class Target:
    """An address, taken apart for its connections and requests."""

    host: str
    port: int
    tls: bool
    authority: str  # as the Host header has it
    path: str  # before the path of each request


@lru_cache(maxsize=64)
def parse_target(url: str) -> Target:
    """Take an address apart, as `parse_url` returns it.

    Raises:
        HostUnknown: its host is no name that could be looked up.
    """
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    try:
        host = (parts.hostname or "").encode("idna" if not url.isascii() else "ascii").decode()
    except UnicodeError as error:
        raise HostUnknown(str(error)) from error
    authority = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        authority += f":{parts.port}"
    return Target(
        host=host,
        port=parts.port or (443 if tls else 80),
        tls=tls,
        authority=authority,
        path=quote(parts.path, safe=_PATH_CHARACTERS),
    )


class Response:
    """A response whose head has come.

    ended: nothing more comes; what came may still be unread.
    error: why nothing more comes, where it should have.
    """

    __slots__ = ("_connection", "_pieces", "_unread", "_waiter", "ended", "error", "headers", "status")

    def __init__(self, connection: "Connection", status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers  # names in lower case, the last of each
        self.ended = False
        self.error: Exception | None = None
        self._connection: Connection | None = connection
        self._pieces: list[bytes] = []
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case; "": not told."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def read(self) -> bytes:
        """Give what came since the last time, or wait for more; b"" at the end.

        Raises:
            OSError: it broke off, or `fail` was called.
        """
        while not self._pieces:
            if self.error is not None:
                raise self.error
            if self.ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._unread = [], 0
        if self._connection is not None:
            self._connection.go_on_reading()
        return data

    def take(self, data: bytes) -> bool:
        """Keep a piece of the body; False when enough waits for its reader."""
        self._pieces.append(data)
        self._unread += len(data)
        if self._waiter is not None:
            self._wake()
        return self._unread < UNREAD_BYTES

    def end(self) -> None:
        """The body is whole; its connection serves others."""
        self.ended, self._connection = True, None
        self._wake()

    def fail(self, error: Exception) -> None:
        """Raise this in whoever reads, after what came before it."""
        self.error = self.error or error
        self._wake()

    def close(self) -> None:
        """Close the connection, unless the response has ended."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None  # a read of many pieces wakes it once
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Connection(asyncio.Protocol):
    """A connection, made by `connect`.

    Args:
        on_free: is told when it may take the next request.
        on_lost: is told when it is closed, by whichever side.
    """

    def __init__(
        self, on_free: Callable[["Connection"], None], on_lost: Callable[["Connection"], None]
    ) -> None:
        self._on_free, self._on_lost = on_free, on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._begun: asyncio.Future[Response] | None = None  # the head of the response that is awaited
        self._response: Response | None = None
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._delimited = False  # the response says how long it is; else it ends with the connection
        self._paused = False
        self.expiry: asyncio.TimerHandle | None = None  # while nobody uses it

    @property
    def usable(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def request(self, data: bytes) -> Response:
        """Send a request and wait for the head of its response.

        Raises:
            BrokenOff, NotHttp: no response came; the connection is closed.
        """
        assert self._transport is not None
        begun: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._begun = begun
        self._head_bytes = 0
        self._transport.write(data)
        try:
            return await begun
        except BaseException:
            if begun.done() and not begun.cancelled() and begun.exception() is None:
                begun.result().close()  # cancelled just then: this connection may serve others already
            else:
                self.close()
            raise

    def close(self) -> None:
        """Close at once, which tells the engine that nobody listens."""
        if self._transport is not None:
            self._transport.abort()

    def go_on_reading(self) -> None:
        """The reader has caught up."""
        if self._paused and self.usable:
            assert self._transport is not None
            self._paused = False
            self._transport.resume_reading()

    # -- asyncio's calls --------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; have the system notice a peer that has vanished."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        plain = transport.get_extra_info("socket")
        if plain is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._begun is None and self._response is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(NotHttp(str(error)))
            return
        if self._response is None and self._begun is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._break(NotHttp("a head without an end"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        if self._response is not None and not self._delimited and exc is None:
            self._response.end()
            self._response = None
        self._break(BrokenOff("closed by the other side"))
        self._on_lost(self)

    def _break(self, error: Exception) -> None:
        begun, self._begun = self._begun, None
        if begun is not None and not begun.done():
            begun.set_exception(error)
        if self._response is not None:
            self._response.fail(error if isinstance(error, OSError) else BrokenOff(str(error)))
            self._response = None
        self.close()

    # -- the parser's calls -----------------------------------------------------------------------
    def on_message_begin(self) -> None:
        """A response begins."""
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole; one of an interim response is passed over."""
        status = self._parser.get_status_code()
        if self._begun is None or 100 <= status < 200:
            return
        headers = self._headers
        self._delimited = (
            "content-length" in headers
            or "chunked" in headers.get("transfer-encoding", "").lower()
            or status in _NO_BODY
        )
        begun, self._begun = self._begun, None
        if begun.done():  # nobody waits any more
            return
        self._response = Response(self, status, headers)
        begun.set_result(self._response)

    def on_body(self, body: bytes) -> None:
        """A piece of the body came."""
        if self._response is None or self._response.take(body) or self._paused:
            return
        if self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The response is whole; the connection may serve the next request."""
        response, self._response = self._response, None
        if response is None:
            return
        response.end()
        self.go_on_reading()
        if self._parser.should_keep_alive() and self.usable:
            self._on_free(self)
        else:
            self.close()


async def connect(
    target: Target,
    seconds: float | None,
    on_free: Callable[[Connection], None],
    on_lost: Callable[[Connection], None],
) -> Connection:
    """Make a connection within some seconds.

    Raises:
        ConnectTimeout, HostUnknown, TlsFailed, ConnectFailed: it cannot be made.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(
                lambda: Connection(on_free, on_lost),
                target.host,
                target.port,
                ssl=_make_ssl_context() if target.tls else None,
            )
    except TimeoutError as error:
        raise ConnectTimeout(str(error)) from error
    except socket.gaierror as error:
        raise HostUnknown(str(error)) from error
    except ssl.SSLError as error:
        raise TlsFailed(str(error)) from error
    except OSError as error:
        raise (TlsFailed if target.tls and _was_reached(error) else ConnectFailed)(str(error)) from error
    return connection


def _was_reached(error: OSError) -> bool:
    """Whether somebody listens, and only did not go on as TLS does."""
    return isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError)


@lru_cache(maxsize=1)
def _make_ssl_context() -> ssl.SSLContext:
    """The system's authorities; reading them takes some 30 ms."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
