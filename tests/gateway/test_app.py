"""The application: what reaches a route, what is answered, and what happens when somebody hangs up."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.gateway.asgi import Got, Site
from turnkeep.errors import (
    ContextOverflow,
    ConversationNotFound,
    EngineBusy,
    EngineRefused,
    QueueFull,
    RequestRefused,
    StoreFull,
)
from turnkeep.gateway import bodies, sending
from turnkeep.gateway.app import collect_routes
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.gateway.http import Answer, Call, Route, Socket, SocketRoute, Streamed

SMALL = ServeSettings(embeddings="off", body_bytes=1_000, items=3, stall_seconds=0.05)


async def echo(call: Call) -> Answer:
    return Answer(
        body={"body": call.body, "params": dict(call.params), "query": dict(call.query), "owner": call.owner}
    )


class Gate:
    """A route that never answers, and tells when a request has reached it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.cancelled = False
        self.route = Route(method="POST", pattern="/wait", handler=self.wait, summary="Never answers.")

    async def wait(self, _call: Call) -> Answer:
        self.reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        raise AssertionError("nothing sets it")


def raising(error: BaseException) -> Route:
    async def handler(_call: Call) -> Answer:
        raise error

    return Route(method="POST", pattern="/fail", handler=handler, summary="Fails.")


def streaming(pieces: AsyncGenerator[bytes, None]) -> Route:
    async def handler(_call: Call) -> Streamed:
        return Streamed(pieces=pieces)

    return Route(method="POST", pattern="/stream", handler=handler, summary="Streams.")


ECHO = (
    Route(method="POST", pattern="/echo", handler=echo, summary="Says what it was told."),
    Route(method="GET", pattern="/things/{id}", handler=echo, summary="One."),
    Route(method="DELETE", pattern="/things/{id}", handler=echo, summary="None."),
    Route(method="GET", pattern="/things/last", handler=echo, summary="The last one."),
    Route(method="GET", pattern="/rest/{id*}", handler=echo, summary="All that follows."),
)


def site(*routes: Route, settings: ServeSettings | None = None) -> Site:
    return Site(routes=[*ECHO, *routes], sockets=(), settings=settings)


# -- routes -------------------------------------------------------------------------------------------
def test_a_route_gets_the_body_the_path_and_the_query() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.post("/echo?a=1&a=2&b=", {"x": [1, "é"]})
            assert got.json == {
                "body": {"x": [1, "é"]},
                "params": {},
                "query": {"a": "2", "b": ""},
                "owner": "local",
            }
            assert (await here.get("/things/a%2Fb%20c")).json["params"] == {"id": "a/b c"}
            assert (await here.get("/rest/a/b")).json["params"] == {"id": "a/b"}
            assert (await here.get("/things/last")).json["params"] == {}
            assert (await here.get("/things/x/")).json["params"] == {"id": "x"}

    asyncio.run(run())


def test_a_body_that_is_missing_is_an_empty_object() -> None:
    async def run() -> None:
        async with site() as here:
            assert (await here.call("POST", "/echo", b"")).json["body"] == {}

    asyncio.run(run())


def test_a_path_that_is_not_served_is_told_in_the_envelope() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.get("/nothing")
            assert got.status == 404
            assert got.error == {
                "message": got.error["message"],
                "type": "not_found_error",
                "param": None,
                "code": None,
            }
            assert (await here.get("/things/")).status == 404
            assert (await here.get("/")).status == 404

    asyncio.run(run())


def test_a_method_that_is_not_served_is_told_which_are() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.post("/things/x")
            assert (got.status, got.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
            assert (await here.call("BREW", "/echo")).status == 405

    asyncio.run(run())


def test_head_is_get_without_a_body() -> None:
    async def run() -> None:
        async with site() as here:
            whole, head = await here.get("/things/x"), await here.call("HEAD", "/things/x")
            assert (head.status, head.body) == (200, b"")
            assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.body))

    asyncio.run(run())


def test_options_lists_the_methods_of_a_path() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.call("OPTIONS", "/things/x")
            assert (got.status, got.headers["allow"], got.body) == (204, "DELETE, GET, HEAD, OPTIONS", b"")
            assert (await here.call("OPTIONS", "/nothing")).status == 404

    asyncio.run(run())


def test_each_answer_has_an_id_of_its_own() -> None:
    async def run() -> None:
        async with site() as here:
            ids = {
                (await here.get(path)).headers["x-request-id"]
                for path in ("/things/x", "/nothing", "/things/x")
            }
            assert len(ids) == 3

    asyncio.run(run())


def test_every_route_is_in_the_manual() -> None:
    docs = Path(__file__).parents[2] / "docs"
    manual = "".join(
        (docs / f"{name}.md").read_text("utf-8") for name in ("gateway", "responses", "chat-completions")
    )
    routes = {route.pattern.replace("*}", "}") for route in collect_routes()}
    assert {path for path in routes if path not in manual} == set()


# -- limits -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"[1]", "JSON object"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": ' + b"9" * 900 + b"}", ""),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a": "\\ud83d"}', "UTF-8"),
        (b'{"input": [1, 2, 3, 4]}', "at most 3"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "deep"),
        (b"[" * 900, "not JSON"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_in_a_sentence(body: bytes, says: str) -> None:
    async def run() -> None:
        async with site(settings=SMALL) as here:
            got = await here.call("POST", "/echo", body)
            if says:
                assert (got.status, got.error["type"]) == (400, "invalid_request_error")
                assert says in got.error["message"]
            else:
                assert got.status == 200

    asyncio.run(run())


def test_a_whole_character_in_escapes_passes() -> None:
    async def run() -> None:
        async with site() as here:
            assert (await here.call("POST", "/echo", b'{"a": "\\ud83d\\ude00"}')).json["body"] == {
                "a": "\U0001f600"
            }

    asyncio.run(run())


def test_brackets_without_end_are_refused() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.call("POST", "/echo", b"[" * 100_000)
            assert (got.status, "deep" in got.error["message"]) == (400, True)

    asyncio.run(run())


def test_many_flat_brackets_are_not_deep() -> None:
    async def run() -> None:
        async with site() as here:
            assert (await here.post("/echo", {"a": [[1]] * 500})).status == 200

    asyncio.run(run())


def test_a_body_that_is_too_large_is_refused_as_soon_as_it_is_known() -> None:
    async def run() -> None:
        async with site(settings=SMALL) as here:
            declared = await here.call("POST", "/echo", b"{}", {"content-length": "1001"})
            assert declared.status == 413
            parts = here.begin("POST", "/echo", parts=[b'{"a": "', b"x" * 1_000, b"never sent"])
            got = await parts.whole()
            assert (got.status, got.headers["connection"]) == (413, "close")

    asyncio.run(run())


def test_bodies_may_not_take_more_together_than_there_is_room_for() -> None:
    async def run() -> None:
        gate = Gate()
        async with site(gate.route, settings=SMALL) as here:
            large = json.dumps({"a": "x" * 900}).encode()
            waiting = [here.begin("POST", "/wait", large) for _ in range(8)]
            await gate.reached.wait()
            got = await here.call("POST", "/echo", large)
            assert (got.status, got.headers["retry-after"]) == (503, "1")
            for each in waiting:
                await each.hang_up()
            assert (await here.call("POST", "/echo", large)).status == 200

    asyncio.run(run())


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def run() -> None:
        async with site(settings=SMALL) as here:
            assert (await here.begin("POST", "/echo", parts=[b"{", None]).whole()).status == 408

    asyncio.run(run())


def test_a_compressed_body_is_refused() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.call("POST", "/echo", b"{}", {"content-encoding": "gzip"})
            assert got.status == 415

    asyncio.run(run())


def test_headers_that_are_too_large_are_refused() -> None:
    async def run() -> None:
        async with site() as here:
            assert (await here.get("/things/x", {"x-large": "x" * 70_000})).status == 431

    asyncio.run(run())


@pytest.mark.parametrize("module", [bodies, sending])
def test_what_is_read_and_written_does_not_depend_on_the_quick_parser(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(call: Call) -> Answer:
        return Answer(body={"large": 2**70, "half": "\ud83d", "text": call.body["text"]})

    async def run() -> Got:
        async with site(Route(method="POST", pattern="/odd", handler=answer, summary="Odd.")) as here:
            assert (await here.call("POST", "/odd", b'{"text": NaN}')).status == 400
            assert (await here.call("POST", "/odd", b'{"text": "\xff"}')).status == 400
            return await here.post("/odd", {"text": "é\u2028"})

    quick = asyncio.run(run())
    monkeypatch.setattr(module, "_quick", None)
    assert asyncio.run(run()).json == quick.json == {"large": 2**70, "half": "\ud83d", "text": "é\u2028"}


# -- errors -------------------------------------------------------------------------------------------
def with_begun(error: EngineBusy) -> EngineBusy:
    error.begun = True
    return error


@pytest.mark.parametrize(
    ("error", "status", "fields", "headers"),
    [
        (ConversationNotFound("There is none."), 404, {"type": "not_found_error"}, {}),
        (
            RequestRefused("No.", param="input[2]", code="bad"),
            400,
            {"type": "invalid_request_error", "param": "input[2]", "code": "bad", "message": "No."},
            {},
        ),
        (RequestRefused("No.", status=409), 409, {"type": "invalid_request_error"}, {}),
        (ContextOverflow("Too long."), 400, {"code": "context_length_exceeded"}, {}),
        (QueueFull("Full.", retry_after=7), 429, {"type": "rate_limit_error"}, {"retry-after": "7"}),
        (EngineBusy("Loading."), 503, {"type": "server_error"}, {"retry-after": "2"}),
        (with_begun(EngineBusy("Loading.")), 503, {}, {"x-should-retry": "false"}),
        (EngineRefused("No such field.", http_status=422), 400, {"type": "invalid_request_error"}, {}),
        (EngineRefused("Wrong key.", http_status=401), 502, {"type": "server_error"}, {}),
        (StoreFull("The disk is full."), 507, {"type": "server_error"}, {}),
    ],
)
def test_an_error_is_told_by_whose_fault_it_is(
    error: Exception, status: int, fields: dict[str, Any], headers: dict[str, str]
) -> None:
    async def run() -> None:
        async with site(raising(error)) as here:
            got = await here.post("/fail")
            assert got.status == status
            assert got.error | fields == got.error
            assert {**got.headers, **headers} == got.headers

    asyncio.run(run())


def test_a_fault_of_our_own_is_told_without_what_people_wrote(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with site(raising(ValueError("my secret diary"))) as here:
            got = await here.post("/fail")
            assert (got.status, got.headers["x-should-retry"]) == (500, "false")
            assert "diary" not in got.text

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())
    assert "ValueError" in caplog.text
    assert "test_app.py" in caplog.text, "where it happened"
    assert "diary" not in caplog.text


def test_the_log_names_the_pattern_not_the_path(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_call: Call) -> Answer:
        raise EngineBusy("The engine says: my secret diary.")

    route = Route(method="GET", pattern="/v1/conversations/{id}", handler=fail, summary="Fails.")

    async def run() -> None:
        async with site(route) as here:
            assert (await here.get("/v1/conversations/diary-of-ana")).status == 503

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())
    assert "/v1/conversations/{id}: 503, EngineBusy" in caplog.text
    assert "diary" not in caplog.text


# -- streams ------------------------------------------------------------------------------------------
def test_a_stream_is_sent_piece_by_piece() -> None:
    async def run() -> None:
        gate = asyncio.Event()

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"data: 1\n\n"
            await gate.wait()
            yield b"data: 2\n\ndata: 3\n\n"

        async with site(streaming(pieces())) as here:
            request = here.begin("POST", "/stream", {})
            assert await request.piece() == b"data: 1\n\n"
            gate.set()
            got = await request.whole()
            assert got.events == [2, 3]

    asyncio.run(run())


def test_what_is_refused_before_the_first_piece_has_its_status() -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        raise QueueFull("Full.", retry_after=3)
        yield b""

    async def run() -> None:
        async with site(streaming(pieces())) as here:
            got = await here.post("/stream")
            assert (got.status, got.headers["retry-after"]) == (429, "3")

    asyncio.run(run())


def test_a_stream_that_fails_ends_with_the_error() -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        raise EngineBusy("Gone.")

    async def run() -> None:
        async with site(streaming(pieces())) as here:
            got = await here.post("/stream")
            assert (got.status, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            assert got.events[0] == 1
            assert got.events[1]["error"]["message"] == "Gone."

    asyncio.run(run())


def test_a_silent_stream_says_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SILENT_SECONDS", 0.01)

    async def run() -> None:
        gate = asyncio.Event()

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"data: 1\n\n"
            await gate.wait()

        async with site(streaming(pieces())) as here:
            request = here.begin("POST", "/stream", {})
            assert await request.piece() == b"data: 1\n\n"
            assert await request.piece() == b": ping\n\n"
            gate.set()
            assert (await request.whole()).events == []

    asyncio.run(run())


@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_hangs_up_closes_the_stream(begun: bool) -> None:
    closed: list[bool] = []
    reached = asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes, None]:
        reached.set()
        try:
            if begun:
                yield b"data: 1\n\n"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # closing may take its time
            closed.append(True)

    async def run() -> None:
        async with site(streaming(pieces())) as here:
            request = here.begin("POST", "/stream", {})
            await reached.wait()
            if begun:
                await request.piece()
            await request.hang_up()
            assert closed == [True]
            assert not request.task.cancelled()

    asyncio.run(run())


def test_a_client_that_hangs_up_cancels_what_works_for_it() -> None:
    async def run() -> None:
        gate = Gate()
        async with site(gate.route) as here:
            request = here.begin("POST", "/wait", {})
            await gate.reached.wait()
            await request.hang_up()
            assert gate.cancelled

    asyncio.run(run())


def test_a_server_that_stops_says_so() -> None:
    async def run() -> None:
        gate = Gate()
        async with site(gate.route) as here:
            request = here.begin("POST", "/wait", {})
            await gate.reached.wait()
            request.task.cancel()
            got = await request.whole()
            assert (got.status, gate.cancelled) == (503, True)
            assert "stopping" in got.error["message"]

    asyncio.run(run())


def test_a_server_that_stops_ends_streams_with_a_word() -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        await asyncio.Event().wait()

    async def run() -> None:
        async with site(streaming(pieces())) as here:
            request = here.begin("POST", "/stream", {})
            await request.piece()
            request.task.cancel()
            assert "stopping" in (await request.whole()).events[-1]["error"]["message"]

    asyncio.run(run())


# -- WebSockets ---------------------------------------------------------------------------------------
async def talk(site: Site, path: str, sent: asyncio.Queue[Any]) -> asyncio.Task[None]:
    """A WebSocket that says nothing; what it is told goes to `sent`."""
    given: asyncio.Queue[Any] = asyncio.Queue()
    given.put_nowait({"type": "websocket.connect"})
    headers = [(b"host", b"127.0.0.1")]
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers}
    return asyncio.create_task(site.app(scope, given.get, sent.put))


def test_a_server_that_stops_says_so_on_web_sockets_too() -> None:
    async def listen(_call: Call, socket: Socket) -> None:
        assert await socket.receive() is None

    async def run() -> None:
        async with Site(routes=(), sockets=[SocketRoute(pattern="/v1/talk", handler=listen)]) as here:
            sent: asyncio.Queue[Any] = asyncio.Queue()
            task = await talk(here, "/v1/talk", sent)
            assert await sent.get() == {"type": "websocket.accept"}
            here.app.cut_off()
            assert await sent.get() == {"type": "websocket.close", "code": 1001}
            await task

    asyncio.run(run())


def test_a_web_socket_is_refused_by_servers_that_can_say_no_more_than_no() -> None:
    async def run() -> None:
        async with Site(routes=(), sockets=()) as here:
            sent: asyncio.Queue[Any] = asyncio.Queue()
            await (await talk(here, "/v1/talk", sent))
            assert await sent.get() == {"type": "websocket.close", "code": 1008}

    asyncio.run(run())
