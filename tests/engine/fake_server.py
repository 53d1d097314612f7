"""A strict fake of an engine over plain sockets, for faults that no real engine makes on demand.

Each path of a test has one answer, an async function that writes it. A request that is not well formed, for
a path without an answer, or an answer that fails, fails the test when the server closes.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

MODELS = {"object": "list", "data": [{"id": "fake", "object": "model"}]}
CLOSE_SECONDS = 10.0  # no answer of a test takes longer


@dataclass(slots=True)
class Exchange:
    """A request, and the means to answer it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any  # parsed JSON; None for a GET
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closing: bool = False  # the answer's end is that of the connection

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        """Send a whole answer."""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.raw(
            f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode()
            + body
        )

    async def json(self, value: object, status: int = 200) -> None:
        """Send a JSON answer."""
        await self.reply(status, json.dumps(value).encode())

    async def open_stream(self) -> None:
        """Begin a stream of events; it ends when the connection closes."""
        self.closing = True
        await self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n")

    async def event(self, value: object) -> None:
        """Send an event."""
        await self.raw(b"data: " + json.dumps(value).encode() + b"\n\n")

    async def say(self, text: str | None = None, finish: str | None = None) -> None:
        """Send a piece of a reply."""
        delta = {} if text is None else {"content": text}
        await self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    async def done(self) -> None:
        """Send the end of a stream."""
        await self.raw(b"data: [DONE]\n\n")

    async def gone(self) -> bool:
        """Wait until the client has closed the connection."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True


Answer: TypeAlias = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class FakeServer:
    """async with FakeServer({"/path": answer}) as server: server.url

    `listening` False: the port is bound, but connections are refused until `listen()`.
    """

    answers: Mapping[str, Answer]
    listening: bool = True
    seen: list[Exchange] = field(default_factory=list)
    connections: int = 0
    faults: list[str] = field(default_factory=list)
    url: str = ""
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _idle: set[asyncio.StreamWriter] = field(default_factory=set)  # connections kept for a next request

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, start_serving=self.listening)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._idle:
            writer.close()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            for task in pending:
                task.cancel()
                self.faults.append("an answer never ended")
        await self._server.wait_closed()
        assert error is not None or not self.faults, self.faults

    async def listen(self) -> None:
        """Take connections from now on."""
        assert self._server is not None
        await self._server.start_serving()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while (exchange := await self._next(reader, writer)) is not None:
                self.seen.append(exchange)
                await self.answers[exchange.path](exchange)
                if exchange.closing:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left: tests of that wait for `gone`
        except Exception as error:
            self.faults.append(repr(error))
            raise
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange | None:
        self._idle.add(writer)
        try:
            head = await reader.readline()
        finally:
            self._idle.discard(writer)
        return await self._read(head, reader, writer) if head else None

    async def _read(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Exchange:
        method, path, version = head.decode().split()
        headers = {}
        while line := (await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        assert version == "HTTP/1.1"
        assert method in ("GET", "POST")
        assert path in self.answers, f"nothing answers {path}"
        assert "host" in headers
        body = None
        if method == "POST":
            assert headers["content-type"] == "application/json"
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
        return Exchange(method, path, headers, body, reader, writer)
