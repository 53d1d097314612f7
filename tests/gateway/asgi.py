"""A gateway called in this process, through ASGI: no sockets, no ports, no waiting.

async with Site(replies=["Hello."]) as site:
    got = await site.post("/v1/responses", {"input": "Hi"})
    assert got.status == 200, got.text
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from turnkeep.engine.base import Engine
from turnkeep.gateway.app import App
from turnkeep.gateway.engines import EnginePool
from turnkeep.gateway.gateway import Gateway, GatewayStore, ServeSettings
from turnkeep.gateway.http import Route, SocketRoute
from turnkeep.testing import EphemeralStore, ScriptedEngine

LIMIT_SECONDS = 20.0  # for one answer; a test that hangs is a test that fails


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """What the envelope of an error holds."""
        assert self.status >= 400, self.text
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        """The data of a stream's events; "[DONE]" as it stands, comments left out."""
        return [read_event(block) for block in self.text.split("\n\n") if block and not block.startswith(":")]


def read_event(block: str) -> Any:
    data = "\n".join(line[5:].lstrip(" ") for line in block.split("\n") if line.startswith("data:"))
    return data if data == "[DONE]" else json.loads(data)


class Exchange:
    """One request under way: `start` and `pieces` as they come, and a client that can hang up."""

    def __init__(self, app: App, scope: dict[str, Any], sent: Sequence[bytes | None]) -> None:
        self._parts = list(sent)
        self._gone = asyncio.Event()
        self._messages: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: App, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._messages.put_nowait(None)

    async def _receive(self) -> Mapping[str, Any]:
        if self._parts and (part := self._parts.pop(0)) is not None:
            return {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Mapping[str, Any]) -> None:
        self._messages.put_nowait(message)

    async def pieces(self) -> AsyncIterator[Mapping[str, Any]]:
        """ASGI's messages as they come."""
        while (message := await asyncio.wait_for(self._messages.get(), LIMIT_SECONDS)) is not None:
            yield message

    async def piece(self) -> bytes:
        """The next bytes of the body."""
        async for message in self.pieces():
            if message["type"] == "http.response.body":
                return bytes(message["body"])
        raise AssertionError("the answer has ended")

    async def hang_up(self) -> None:
        """Be a client that goes away; returns when the gateway has noticed and cleaned up."""
        self._gone.set()
        await asyncio.wait_for(asyncio.shield(asyncio.wait({self.task})), LIMIT_SECONDS)

    async def whole(self) -> Got:
        """Wait for the end."""
        status, headers, body = 0, {}, b""
        async for message in self.pieces():
            if message["type"] == "http.response.start":
                assert status == 0, "an answer starts once"
                status = message["status"]
                headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                body += message["body"]
        await self.task
        return Got(status, headers, body)


class Site:
    """A gateway with a scripted engine and a store in memory, as its clients see it.

    Args:
        replies: of the scripted engine, as `ScriptedEngine` takes them.
        engines: in place of it.
        store: in place of the one in memory.
        settings: how to serve.
        routes: in place of all.
        sockets: likewise.
    """

    def __init__(
        self,
        *,
        replies: Any = (),
        engines: Sequence[Engine] = (),
        store: GatewayStore | None = None,
        settings: ServeSettings | None = None,
        routes: Sequence[Route] | None = None,
        sockets: Sequence[SocketRoute] | None = None,
    ) -> None:
        self.engine = ScriptedEngine(replies)
        self.engines = list(engines) or [self.engine]
        self.store: GatewayStore = store or EphemeralStore()
        self.settings = settings or ServeSettings(embeddings="off")
        self._routes, self._sockets = routes, sockets

    async def __aenter__(self) -> Self:
        pool = EnginePool(self.engines, waiting=self.settings.waiting)
        self.gateway = Gateway(self.settings, store=self.store, pool=pool)
        await self.gateway.open()
        self.app = App(self.gateway, self._routes, self._sockets)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.app.finish()
        await self.gateway.close()

    def begin(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        parts: Sequence[bytes | None] | None = None,
    ) -> Exchange:
        """Send a request; `body` as JSON, bytes as they are, or `parts` piece by piece, None for one that never comes."""
        path, _, query = path.partition("?")
        if parts is None:
            parts = [body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()]
        given = {"host": "127.0.0.1", **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        }
        return Exchange(self.app, scope, parts)

    async def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Got:
        """Send a request and wait for the whole answer."""
        return await self.begin(method, path, body, headers).whole()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Got:
        return await self.call("GET", path, None, headers)

    async def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Got:
        return await self.call("POST", path, {} if body is None else body, headers)

    async def delete(self, path: str, headers: Mapping[str, str] | None = None) -> Got:
        return await self.call("DELETE", path, None, headers)
