"""Whole gateways for tests: the application on an engine and a store, called through ASGI, closed whatever happens."""

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from turnkeep.engine.base import Engine
from turnkeep.gateway.app import App
from turnkeep.gateway.engines import EnginePool
from turnkeep.gateway.gateway import Gateway, GatewayStore, ServeSettings
from turnkeep.store.ephemeral import EphemeralStore

T = TypeVar("T")

SERVED = ("models", "chats", "responses")  # modules of routes


@dataclass(slots=True)
class Answered:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def raw(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def body(self) -> Any:  # Any: JSON
        return json.loads(self.raw)

    @property
    def events(self) -> list[Any]:  # Any: JSON
        """The events of a stream, without [DONE]; comments are passed over."""
        lines = [line for line in self.raw.decode().split("\n\n") if line.startswith("data: ")]
        return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


@dataclass(slots=True)
class Caller:
    """Calls an application as a web server would.

    Args:
        gateway: what it serves.
        key: the secret that is sent along.
    """

    gateway: Gateway
    app: App
    key: str | None = None

    async def get(self, path: str) -> Answered:
        return await self.call("GET", path)

    async def delete(self, path: str) -> Answered:
        return await self.call("DELETE", path)

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> Answered:
        """Headers come by names with underscores."""
        return await self.call("POST", path, body, headers)

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        hang_up: Callable[[Answered], bool] = lambda _: False,
    ) -> Answered:
        """Call once; the client hangs up as soon as `hang_up` says so of what has come."""
        answered, gone, sent = Answered(), asyncio.Event(), False
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.key is not None:
            named["authorization"] = f"Bearer {self.key}"
        data = b"" if body is None else json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": data, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]
                answered.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answered.pieces.append(message["body"])
            if hang_up(answered):
                gone.set()

        url = urlsplit(path)
        scope = {
            "type": "http",
            "method": method,
            "path": url.path,
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": [
                (b"host", b"localhost"),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(data)).encode()),
                *((name.lower().encode(), value.encode()) for name, value in named.items()),
            ],
        }
        await self.app(scope, receive, send)
        return answered


@contextlib.asynccontextmanager
async def open_gateway(
    *engines: Engine,
    store: GatewayStore | None = None,
    **settings: Any,  # Any: as ServeSettings takes them
) -> AsyncGenerator[Caller, None]:
    """A gateway on engines and a store of its own."""
    routes = [
        route for name in SERVED for route in importlib.import_module(f"turnkeep.gateway.{name}").ROUTES
    ]
    serve = ServeSettings(**{"strategy": "window,summary", **settings})
    pool = EnginePool(engines, waiting=serve.waiting)
    gateway = Gateway(serve, store=store or EphemeralStore(), pool=pool)
    try:
        await gateway.open()
        yield Caller(gateway, App(gateway, routes, ()))
    finally:
        await gateway.close()


def run_gateway(
    script: Callable[[Caller], Awaitable[T]],
    *engines: Engine,
    store: GatewayStore | None = None,
    **settings: Any,  # Any: as ServeSettings takes them
) -> T:
    """Run a script on a gateway."""

    async def main() -> T:
        async with open_gateway(*engines, store=store, **settings) as caller:
            return await script(caller)

    return asyncio.run(main())
