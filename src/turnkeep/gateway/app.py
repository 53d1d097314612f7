"""The ASGI application: has the door let a request in, a route answer it, and errors told.

Nothing of a request's body is read before it was let in. A client that hangs up cancels the route
that works for it, which stops the turn and keeps what was said. Bare ASGI: a framework would
cost as much as all of this. Log lines hold no text of people: an unexpected error is told by its
kind and the lines of code it passed.
"""

import asyncio
import importlib
import logging
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from ..errors import RequestRefused, TurnkeepError
from .door import Door, read_query
from .gateway import Gateway
from .http import (
    Answer,
    Call,
    Route,
    SocketRoute,
    Streamed,
    describe_error,
    envelope,
    error_headers,
    match_pattern,
    status_of,
    trace,
)
from .reading import BodyReader, ClientGone, Held, Receive
from .sending import Send, Sending

Scope = Mapping[str, Any]  # Any: as ASGI has it

WATCH_SECONDS = 0.05  # after which it is looked whether the client is still there
HEADERS_BYTES = 64 * 1024  # names and values together
ROUTED = ("models", "responses", "conversations", "background", "chats")
SOCKETED = ("sockets",)
ALLOWED_HEADERS = (  # that a listed web page may send
    "authorization, content-type, idempotency-key, x-api-key, x-conversation-id, x-stainless-arch, x-stainless-lang, "
    "x-stainless-os, x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, "
    "x-stainless-runtime-version, x-stainless-timeout, openai-organization, openai-project, openai-beta"
)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_log = logging.getLogger(__name__)


def collect_routes() -> tuple[Route, ...]:
    """All rows of the interface."""
    return tuple(route for module in _import(ROUTED) for route in module.ROUTES)


def collect_sockets() -> tuple[SocketRoute, ...]:
    """All paths that take WebSockets."""
    return tuple(route for module in _import(SOCKETED) for route in module.SOCKETS)


def _import(names: Sequence[str]) -> list[ModuleType]:
    """The modules of routes; late, since importing the application should not need all of them."""
    return [importlib.import_module(f".{name}", __package__) for name in names]


class App:
    """Serves one gateway, which whoever made it has opened.

    Args:
        gateway: what the routes work with.
        routes: rows of the interface; None for all.
        sockets: likewise.
    """

    def __init__(
        self,
        gateway: Gateway,
        routes: Sequence[Route] | None = None,
        sockets: Sequence[SocketRoute] | None = None,
    ) -> None:
        self.gateway = gateway
        self.routes = collect_routes() if routes is None else tuple(routes)
        self.sockets = collect_sockets() if sockets is None else tuple(sockets)
        self.door = Door(gateway.settings, gateway.store, gateway.clock)
        self._bodies = BodyReader(gateway.settings)
        self._exact = {
            (route.method, route.pattern): route for route in self.routes if "{" not in route.pattern
        }
        self._under_way: set[asyncio.Task[Any]] = set()  # Any: the server's own tasks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            if scope["type"] == "http":
                await self._serve(scope, _Watch(receive, task), send)
            elif scope["type"] == "websocket":
                from .upgrading import serve_socket  # few need it

                await serve_socket(self, scope, receive, send)
            else:
                raise RuntimeError(f"{scope['type']} is not served here: turn it off in the server")
        finally:
            self._under_way.discard(task)

    def cut_off(self) -> None:
        """End all requests under way with a word; what was said is kept."""
        for task in self._under_way:
            task.cancel()

    async def finish(self) -> None:
        """Wait until all requests under way have ended."""
        while others := self._under_way - {asyncio.current_task()}:
            await asyncio.wait(others)

    # -- one request ------------------------------------------------------------------------------
    async def _serve(self, scope: Scope, watch: "_Watch", send: Send) -> None:
        sending = Sending(send, bare=scope["method"] == "HEAD")
        held = Held()
        try:
            headers = read_headers(scope)
            sending.origin = self.door.check_place(headers)
            answer = await self._answer(scope, headers, watch, held, sending)
            if isinstance(answer, Streamed):
                await sending.stream(answer)
            else:
                await sending.answer(answer)
        except TurnkeepError as error:
            await self._refuse(sending, scope, error)
        except ClientGone:
            pass
        except asyncio.CancelledError:
            if not watch.gone:  # else nobody listens
                await self._take_leave(sending)
        except Exception as error:
            _log.error("%s %s failed: %s", scope["method"], self._pattern(scope), trace(error))
            await self._apologise(sending)
        finally:
            watch.stop()
            self._bodies.release(held)
            self.gateway.metrics.count_answer(sending.status or 499)  # 499: it hung up before

    async def _answer(
        self, scope: Scope, headers: Mapping[str, str], watch: "_Watch", held: Held, sending: Sending
    ) -> Answer | Streamed:
        method, path = scope["method"], path_of(scope)
        if method == "OPTIONS":
            return self._answer_options(path, headers, sending)
        found = self.find(method, path)
        if isinstance(found, Answer):
            return found
        route, params = found
        owner = "" if route.open else await self.door.let_in(headers)
        has_body = method in _WITH_BODY
        body = await self._bodies.read(watch.receive, headers, held) if has_body else {}
        call = Call(
            method=method,
            path=path,
            params=params,
            query=read_query(scope["query_string"]),
            headers=headers,
            body=body,
            owner=owner,
            gateway=self.gateway,
        )
        watch.start()
        return await route.handler(call)

    # -- finding a route --------------------------------------------------------------------------
    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | Answer:
        """Find the route of a request and what its path says, or the answer that there is none.

        Args:
            method: HEAD is served as GET.
            path: as it was sent, quoted.
        """
        method = "GET" if method == "HEAD" else method
        if (exact := self._exact.get((method, path))) is not None:
            return exact, {}
        matches = self._matches(path)
        for route, params in matches:
            if route.method == method:
                return route, params
        return _answer_unserved([route.method for route, _params in matches])

    def _matches(self, path: str) -> list[tuple[Route, dict[str, str]]]:
        """All routes of a path, those without braces first."""
        parts = (path.rstrip("/") or "/").split("/")
        found = [
            (route, params)
            for route in self.routes
            if (params := match_pattern(route.pattern, parts)) is not None
        ]
        return sorted(found, key=lambda row: len(row[1]))

    def _pattern(self, scope: Scope) -> str:
        """The pattern of a request's path, for the log: the path itself may hold names that people gave."""
        matches = self._matches(path_of(scope))
        return matches[0][0].pattern if matches else "an unknown path"

    def _answer_options(self, path: str, headers: Mapping[str, str], sending: Sending) -> Answer:
        """What may be done at a path; for a web page elsewhere also whether it may."""
        methods = {route.method for route, _params in self._matches(path)}
        if not methods:
            return _answer_unserved([])
        allow = _join_methods(methods)
        if sending.origin is None or "access-control-request-method" not in headers:
            return Answer(body=None, status=204, headers={"allow": allow})
        cross = {
            "access-control-allow-methods": allow,
            "access-control-allow-headers": ALLOWED_HEADERS,
            "access-control-max-age": "600",
        }
        return Answer(body=None, status=204, headers={"allow": allow, **cross})

    # -- errors -----------------------------------------------------------------------------------
    async def _refuse(self, sending: Sending, scope: Scope, error: TurnkeepError) -> None:
        status, body = status_of(error), describe_error(error)
        if status >= 500:  # the sentence may quote an engine, and with it what people wrote
            _log.warning("%s %s: %d, %s", scope["method"], self._pattern(scope), status, type(error).__name__)
        if sending.status is not None:
            await sending.break_off(body)
            return
        headers = error_headers(error)
        if status in (408, 413, 415, 431):  # its body was not read to its end
            headers["connection"] = "close"
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        await sending.answer(Answer(body=body, status=status, headers=headers))

    async def _take_leave(self, sending: Sending) -> None:
        """The server stops, and has waited long enough: what was said so far is kept."""
        body = envelope(503, "The gateway is stopping: ask again soon.")
        if sending.status is not None:
            await sending.break_off(body)
            return
        await sending.answer(Answer(body=body, status=503, headers={"retry-after": "5"}))

    async def _apologise(self, sending: Sending) -> None:
        body = envelope(500, "turnkeep failed at this request: its log says where, please report it.")
        if sending.status is not None:
            await sending.break_off(body)
            return
        # Nobody knows how far it came: a second try might be a second turn.
        await sending.answer(Answer(body=body, status=500, headers={"x-should-retry": "false"}))


class _Watch:
    """Cancels the task that serves a request when its client hangs up.

    Begins to look a moment later: most requests that need no engine are answered by then, and need no second task.
    """

    __slots__ = ("_serving", "_timer", "_watching", "gone", "receive")

    def __init__(self, receive: Receive, serving: "asyncio.Task[Any]") -> None:  # Any: the server's own task
        self.receive = receive
        self.gone = False
        self._serving = serving
        self._watching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch from now on; the body has been read."""
        self._timer = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._begin)

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass  # more of a body that no route takes
        self.gone = True
        self._serving.cancel()

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()


def read_headers(scope: Scope) -> dict[str, str]:
    """The headers by their names in lower case, the last of each name.

    Raises:
        RequestRefused: there is too much of them.
    """
    found = scope["headers"]
    if sum(len(name) + len(value) for name, value in found) > HEADERS_BYTES:
        raise RequestRefused(f"The headers take more than {HEADERS_BYTES:,} bytes: send less.", status=431)
    return {name.decode("latin-1"): _decode(value) for name, value in found}


def _decode(value: bytes) -> str:
    """What a header says: programs send names of people and chats in UTF-8, old ones in Latin-1."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def path_of(scope: Scope) -> str:
    """The path as it was sent, quoted."""
    raw: bytes | None = scope.get("raw_path")
    return str(scope["path"]) if raw is None else raw.decode("latin-1")


def _join_methods(methods: set[str]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def _answer_unserved(methods: Sequence[str]) -> Answer:
    """What is said of a path that is not served, or not by that method."""
    if not methods:
        return Answer(
            body=envelope(404, "There is nothing at this path: GET /openapi.json lists what there is."),
            status=404,
        )
    allow = _join_methods(set(methods))
    return Answer(
        body=envelope(405, f"This path is not served by that method: use {allow}."),
        status=405,
        headers={"allow": allow},
    )
