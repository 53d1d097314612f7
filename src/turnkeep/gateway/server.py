"""The server: uvicorn's connections with limits of our own, from the first signal to the last reply.

uvicorn parses HTTP (httptools) and knows ASGI; when to stop is decided here, because what was said
in the replies under way has to be kept first.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ..errors import EngineError, UsageError
from .app import HEADERS_BYTES, App
from .door import bracket, is_loopback
from .forgetters import keep_clean, keep_retention
from .gateway import Gateway, ServeSettings

if TYPE_CHECKING:
    from ..engine.base import EngineInfo

KEEP_ALIVE_SECONDS = 60  # an idle connection; clients that talk to a model pause for a minute
LAST_SECONDS = 2.0  # that a client has to read that its stream was cut off
MOST_CONNECTIONS = 4_096
GARBAGE_OBJECTS = 10_000  # some 2 MB
Tell = Callable[[str], None]


class Connection(HttpToolsProtocol):
    """A connection whose client may neither dawdle nor flood.

    `stall_seconds` is set by the `Listener` that makes the class its own.
    """

    stall_seconds = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: uvicorn's own
        super().__init__(*args, **kwargs)
        self._in_head = True  # the headers of a request have not ended yet
        self._head_bytes = 0
        self._head_limit: asyncio.TimerHandle | None = None
        self._unread_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request, not for ever."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._head_limit = self.loop.call_later(self.stall_seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits with the connection."""
        for timer in (self._head_limit, self._unread_limit):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is more of headers than anybody needs."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEADERS_BYTES:
            self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
        elif self._head_limit is None:
            self._head_limit = self.loop.call_later(self.stall_seconds, self._give_up)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are whole; the application sees to the rest."""
        self._in_head = False
        if self._head_limit is not None:
            self._head_limit.cancel()
            self._head_limit = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """The client does not read: what waits for it is no more than a buffer, and not for ever."""
        super().pause_writing()
        self._unread_limit = self.loop.call_later(self.stall_seconds, self._give_up)

    def resume_writing(self) -> None:
        """It reads again."""
        if self._unread_limit is not None:
            self._unread_limit.cancel()
            self._unread_limit = None
        super().resume_writing()

    def _give_up(self) -> None:
        self.transport.abort()


class Listener:
    """Listens for one application.

    Args:
        app: what answers.
        settings: where to listen, and how long to wait for slow clients.
    """

    def __init__(self, app: App, settings: ServeSettings) -> None:
        self._app = app
        self._socket = bind(settings.host, settings.port)
        address, port = self._socket.getsockname()[:2]
        self.url = f"http://{bracket(address)}:{port}"  # where it listens, without a path
        connection = type("Connection", (Connection,), {"stall_seconds": settings.stall_seconds})
        config = Config(
            app,
            http=connection,
            ws=_make_web_socket,  # type: ignore[arg-type]  # called as the class would be, and imported by few
            ws_max_size=settings.body_bytes,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="error",  # what strangers send is no news
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._grace_seconds = settings.grace_seconds
        self._server = Server(config)

    async def start(self) -> None:
        """Take requests from now on."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._socket])

    async def stop(self) -> None:
        """Take no more requests, and give those under way some seconds; then they are cut off, and kept."""
        stopping = asyncio.ensure_future(self._server.shutdown(sockets=[self._socket]))
        await asyncio.wait({stopping}, timeout=self._grace_seconds)
        self._app.cut_off()
        await asyncio.wait({stopping}, timeout=LAST_SECONDS)
        for connection in list(self._server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await stopping
        await self._app.finish()


def _make_web_socket(**given: Any) -> asyncio.Protocol:  # Any: uvicorn's own
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(**given)


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket to an address.

    Raises:
        UsageError: it is taken, or none of this machine's.
    """
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(
            f"Nothing can listen on {bracket(host)}:{port} ({why}): choose another --port or --host."
        ) from error


async def check_keys(gateway: Gateway) -> None:
    """Refuse to listen where others can reach it while there is no key.

    Raises:
        UsageError: anybody who reaches the address could come in, or nobody.
    """
    settings = gateway.settings
    if is_loopback(settings.host) and not settings.require_key:
        return
    if all(key.revoked is not None for key in await gateway.store.list_keys()):
        raise UsageError(
            f"Who calls {settings.host} needs a key, and there is none yet: make one with turnkeep key make NAME."
        )


async def serve(settings: ServeSettings, tell: Tell) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: how.
        tell: is told in a line each where it listens, and which engine it found.

    Raises:
        UsageError: it cannot be served as asked.
        StoreError: the database cannot be used.
    """
    gateway = Gateway(settings)
    try:
        await check_keys(gateway)
        await gateway.open()
        listener = Listener(App(gateway), settings)
        await listener.start()
        gc.freeze()  # what is there now stays: no collection need look at it again
        gc.enable()
        # A turn makes thousands of objects and hardly any circle: by default, every third one pays for a collection.
        gc.set_threshold(GARBAGE_OBJECTS, 10, 10)
        kept = asyncio.gather(keep_retention(gateway), keep_clean(gateway))
        try:
            tell(f"Listening on {listener.url}/v1")
            await _until_stopped(gateway, tell)
        finally:
            kept.cancel()
            await asyncio.gather(kept, return_exceptions=True)
            await listener.stop()
    finally:
        await gateway.close()


async def _until_stopped(gateway: Gateway, tell: Tell) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows: asyncio.run turns Ctrl-C into a cancellation
            pass
    waiting = asyncio.ensure_future(stopped.wait())
    finding = asyncio.ensure_future(_tell_engine(gateway, tell))
    try:
        done, _ = await asyncio.wait({waiting, finding}, return_when=asyncio.FIRST_COMPLETED)
        if finding in done:
            finding.result()
            await waiting
    finally:
        waiting.cancel()
        finding.cancel()
        await asyncio.gather(waiting, finding, return_exceptions=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)  # a second one ends the program at once


async def _tell_engine(gateway: Gateway, tell: Tell) -> None:
    """Say which engine answers; one that does not yet is asked again with each turn."""
    try:
        info = await gateway.pool.open()
    except EngineError as error:
        tell(f"No engine yet: {error}")
        return
    tell(_describe_engine(info, len(gateway.pool.members)))
    for notice in info.notices:
        tell(notice)


def _describe_engine(info: "EngineInfo", engines: int) -> str:
    several = f" and {engines - 1} more" if engines > 1 else ""
    return (
        f"Engine: {info.kind} at {info.url}{several}, model {info.model}, a window of {info.window:,} tokens"
    )
