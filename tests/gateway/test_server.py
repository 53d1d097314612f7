"""Real sockets and the real command: slow clients, floods, stopping, and what it takes to start."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.gateway.asgi import LIMIT_SECONDS, Site
from turnkeep.engine.embedded import BUILT_IN_NOTICE
from turnkeep.errors import UsageError
from turnkeep.gateway import server
from turnkeep.gateway.app import HEADERS_BYTES
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.gateway.http import Answer, Call, Route, Socket, SocketRoute, Streamed
from turnkeep.gateway.server import Listener, bind, check_keys
from turnkeep.settings import load_settings
from turnkeep.store.keys import digest_secret, make_secret
from turnkeep.terminal.serving import make_serve_settings

QUICK = ServeSettings(embeddings="off", port=0, stall_seconds=0.2, grace_seconds=0.0)


async def hello(call: Call) -> Answer:
    return Answer(body={"hello": call.owner})


HELLO = Route(method="GET", pattern="/hello", handler=hello, summary="Greets.")


class Talker:
    """Streams for ever, and tells how much was taken and whether it was closed."""

    def __init__(self, piece: bytes = b"data: 1\n\n") -> None:
        self.piece = piece
        self.sent = 0
        self.closed = asyncio.Event()
        self.route = Route(method="GET", pattern="/talk", handler=self.talk, summary="Talks.")

    async def talk(self, _call: Call) -> Streamed:
        return Streamed(pieces=self.pieces())

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield self.piece
                self.sent += len(self.piece)
                await asyncio.sleep(0)
        finally:
            self.closed.set()


@contextlib.asynccontextmanager
async def listening(
    *routes: Route, sockets: Sequence[SocketRoute] = (), settings: ServeSettings = QUICK
) -> AsyncIterator[Listener]:
    async with Site(routes=[HELLO, *routes], sockets=sockets, settings=settings) as here:
        listener = Listener(here.app, settings)
        await listener.start()
        try:
            yield listener
        finally:
            await asyncio.wait_for(listener.stop(), LIMIT_SECONDS)  # once more than needed, at times


@contextlib.asynccontextmanager
async def connected(listener: Listener) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = listener.url.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


async def read_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes."""
    try:
        return await asyncio.wait_for(reader.read(), LIMIT_SECONDS)
    except ConnectionResetError:
        return b""


# -- connections --------------------------------------------------------------------------------------
def test_several_requests_go_over_one_connection() -> None:
    async def run() -> None:
        async with listening() as here, connected(here) as (reader, writer):
            for _ in range(3):
                writer.write(get("/hello"))
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                assert b"server:" not in head
                assert await reader.readexactly(len(b'{"hello":"local"}')) == b'{"hello":"local"}'

    asyncio.run(run())


def test_what_is_no_http_is_refused() -> None:
    async def run() -> None:
        async with listening() as here, connected(here) as (reader, writer):
            writer.write(b"hello there\r\n\r\n")
            assert (await read_end(reader)).startswith(b"HTTP/1.1 400")

    asyncio.run(run())


@pytest.mark.parametrize("line", [b"X: " + b"x" * 1000 + b"\r\n", b"x" * 1000])
def test_headers_without_end_are_refused_before_they_fill_the_memory(line: bytes) -> None:
    async def run() -> None:
        async with (
            listening(settings=ServeSettings(embeddings="off", port=0)) as here,
            connected(here) as (reader, writer),
        ):
            writer.write(b"GET /hello HTTP/1.1\r\n" + line * (HEADERS_BYTES // len(line)))
            await writer.drain()
            writer.write(line)  # one more than there may be
            assert (await read_end(reader)).startswith(b"HTTP/1.1 431")

    asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"GET /hello HTTP/1.1\r\nHost: loc"])
def test_a_client_that_does_not_finish_its_headers_is_dropped(sent: bytes) -> None:
    async def run() -> None:
        async with listening() as here, connected(here) as (reader, writer):
            writer.write(sent)
            assert await read_end(reader) == b""

    asyncio.run(run())


def test_a_second_request_that_does_not_come_whole_is_dropped_too() -> None:
    async def run() -> None:
        async with listening() as here, connected(here) as (reader, writer):
            writer.write(get("/hello"))
            await reader.readuntil(b"}")
            writer.write(b"GET /hel")
            assert await read_end(reader) == b""

    asyncio.run(run())


def test_a_client_that_reads_nothing_holds_little_and_not_for_long() -> None:
    async def run() -> None:
        talker = Talker(b"x" * 10_000)
        async with listening(talker.route) as here, connected(here) as (_reader, writer):
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()
            writer.write(get("/talk"))
            await asyncio.wait_for(talker.closed.wait(), LIMIT_SECONDS)
            # What the kernel buffers for a connection on loopback is a few megabytes; then it waits.
            assert talker.sent < 16_000_000

    asyncio.run(run())


def test_a_client_that_hangs_up_stops_what_is_said_to_it() -> None:
    async def run() -> None:
        talker = Talker()
        async with listening(talker.route) as here:
            async with connected(here) as (reader, writer):
                writer.write(get("/talk"))
                await reader.readuntil(b"data: 1\n\n")
                assert not talker.closed.is_set()
            assert await asyncio.wait_for(talker.closed.wait(), LIMIT_SECONDS)

    asyncio.run(run())


def test_more_connections_than_there_may_be_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 1)

    async def run() -> None:
        async with listening() as here, connected(here) as (reader, writer):
            writer.write(get("/hello"))
            await reader.readuntil(b"}")
            async with connected(here) as (other, _other_writer):
                assert await read_end(other) == b""

    asyncio.run(run())


# -- stopping -----------------------------------------------------------------------------------------
def test_a_stop_cuts_off_what_is_under_way_with_a_word() -> None:
    async def run() -> None:
        talker = Talker()
        async with listening(talker.route) as here, connected(here) as (reader, writer):
            writer.write(get("/talk"))
            await reader.readuntil(b"data: 1\n\n")
            stopping = asyncio.create_task(here.stop())
            said = await read_end(reader)
            await stopping
            assert b"The gateway is stopping" in said
            assert said.endswith(b"0\r\n\r\n"), "the stream ends as streams do"
            assert talker.closed.is_set()
            with pytest.raises(ConnectionRefusedError):
                async with connected(here):
                    pass

    asyncio.run(run())


def test_a_stop_keeps_what_was_said_by_then() -> None:
    async def run() -> None:
        async with Site(replies=[["Hello there", asyncio.Event()]], settings=QUICK) as site:
            listener = Listener(site.app, QUICK)
            await listener.start()
            async with connected(listener) as (reader, writer):
                body = json.dumps({"input": "Hi", "stream": True}).encode()
                head = (
                    f"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await asyncio.wait_for(reader.readuntil(b"Hello there"), LIMIT_SECONDS)
                await asyncio.wait_for(listener.stop(), LIMIT_SECONDS)
            (row,) = await site.store.list_conversations("local")
            turn = await site.store.load_turn("local", row.id, 1)
            items = await site.store.load_turn_items("local", row.id, 1)
            assert turn.state == "cut_off"
            assert [str(item.item.text) for item in items] == ["Hi", "Hello there"]  # type: ignore[union-attr]  # messages
            assert site.engine.stopped == 1

    asyncio.run(run())


# -- addresses ----------------------------------------------------------------------------------------
def test_an_address_that_is_taken_or_none_of_ours_is_told_in_a_sentence() -> None:
    with bind("localhost", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="choose another --port"):
            bind("127.0.0.1", port)
    with pytest.raises(UsageError, match="choose another --port or --host"):
        bind("no-such-name.invalid", 0)


def test_addresses_of_the_sixth_version_are_bound_too() -> None:
    if not socket.has_ipv6:
        pytest.fail("this machine has no IPv6, which the test needs")
    with bind("::1", 0) as found:
        assert found.family is socket.AF_INET6


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_where_a_key_is_asked_for_there_has_to_be_one(host: str) -> None:
    async def run() -> None:
        async with Site(
            routes=(), sockets=(), settings=ServeSettings(host=host, require_key=True, embeddings="off")
        ) as here:
            with pytest.raises(UsageError, match="turnkeep key make NAME"):
                await check_keys(here.gateway)
            await here.store.create_key("ana", digest_secret(make_secret()), now=0.0)
            await check_keys(here.gateway)
            await here.store.revoke_key("ana", now=0.0)
            with pytest.raises(UsageError, match="turnkeep key make NAME"):
                await check_keys(here.gateway)

    asyncio.run(run())


def test_on_this_machine_no_key_is_needed() -> None:
    async def run() -> None:
        async with Site(routes=(), sockets=()) as here:
            await check_keys(here.gateway)

    asyncio.run(run())


# -- WebSockets ---------------------------------------------------------------------------------------
async def repeat(call: Call, talk: Socket) -> None:
    while (text := await talk.receive()) is not None:
        if text == "fail":
            raise ValueError(text * 3)
        if text == "end":
            return
        await talk.send(f"{call.owner}: {text}")


def socket_url(listener: Listener, path: str = "/v1/echo") -> str:
    return listener.url.replace("http://", "ws://") + path


def test_a_web_socket_is_let_in_and_served(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        route = SocketRoute(pattern="/v1/echo", handler=repeat)
        async with listening(sockets=(route,)) as here:
            async with connect(socket_url(here)) as talk:
                await talk.send("hello")
                assert await talk.recv() == "local: hello"
                await talk.send("end")
                with pytest.raises(ConnectionClosed) as ended:
                    await talk.recv()
                assert ended.value.rcvd is not None
                assert ended.value.rcvd.code == 1000
            async with connect(socket_url(here)) as talk:
                await talk.send("fail")
                with pytest.raises(ConnectionClosed) as failed:
                    await talk.recv()
                assert failed.value.rcvd is not None
                assert failed.value.rcvd.code == 1011

    asyncio.run(run())
    assert "ValueError" in caplog.text
    assert "failfail" not in caplog.text


@pytest.mark.parametrize(
    ("path", "headers", "settings", "status"),
    [
        ("/v1/nothing", {}, {}, 404),
        ("/v1/echo", {"Origin": "https://evil.example"}, {}, 403),
        ("/v1/echo", {}, {"require_key": True}, 401),
    ],
)
def test_a_web_socket_that_may_not_come_in_is_told_why(
    path: str, headers: dict[str, str], settings: dict[str, Any], status: int
) -> None:
    async def run() -> None:
        route = SocketRoute(pattern="/v1/echo", handler=repeat)
        serve = ServeSettings(embeddings="off", port=0, grace_seconds=0.0, **settings)
        async with listening(sockets=(route,), settings=serve) as here:
            with pytest.raises(InvalidStatus) as refused:
                async with connect(socket_url(here, path), additional_headers=headers):
                    pass
            response = refused.value.response
            assert response.status_code == status
            assert json.loads(response.body)["error"]["message"]

    asyncio.run(run())


# -- the command --------------------------------------------------------------------------------------
class Program:
    """`turnkeep serve` as a program; `lines` are what it printed so far."""

    def __init__(self, *arguments: str, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "turnkeep", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Stop it. Returns its status and the rest of what it said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=LIMIT_SECONDS)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    running: list[Program] = []

    def begin(*arguments: str, **environ: str) -> Program:
        running.append(Program(*arguments, environ={"TURNKEEP_HOME": str(tmp_path), **environ}))
        return running[-1]

    yield begin
    for program in running:
        if program.process.poll() is None:
            program.process.kill()
            program.process.communicate()


def fetch(url: str, path: str) -> Any:
    with socket.create_connection(url.removeprefix("http://").split(":"), timeout=LIMIT_SECONDS) as found:  # type: ignore[arg-type]  # a name and a port
        found.sendall(get(path, "Connection: close"))
        file: IO[bytes] = found.makefile("rb")
        whole = file.read()
    head, _, body = whole.partition(b"\r\n\r\n")
    return json.loads(body) if b"200 OK" in head.split(b"\r\n")[0] else head


def test_the_command_says_where_it_listens_and_what_it_found_and_ends_when_told(start: Any) -> None:
    program = start(TURNKEEP_EMBEDDINGS="off")
    url = re.fullmatch(r"Listening on (http://127\.0\.0\.1:\d+)/v1", program.line())
    assert url is not None
    assert fetch(url[1], "/health")["status"] == "ok"
    assert re.fullmatch(
        r"Engine: llama\.cpp at embedded:.+, model .+, a window of [\d,]+ tokens", program.line()
    )
    assert program.line() == BUILT_IN_NOTICE
    assert fetch(url[1], "/v1/models")["data"]
    assert program.end(signal.SIGINT) == (0, "", "")


def test_an_engine_that_is_not_there_yet_does_not_keep_the_gateway_from_listening(start: Any) -> None:
    program = start("--engine", "http://127.0.0.1:1", TURNKEEP_API_KEY="sk-very-secret")
    listening_line = program.line()
    assert listening_line.startswith("Listening on ")
    later = program.line()
    assert later.startswith("No engine yet: ")
    status, out, err = program.end()
    assert status == 0
    assert "sk-very-secret" not in listening_line + later + out + err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0"), "turnkeep key make NAME"),
        (("--require-key", "on"), "turnkeep key make NAME"),
        (("--allow-origin", "*"), "--require-key"),
        (("--allow-origin", "chat.example"), "--allow-origin must be"),
        (("--port", "70000"), "--port must be"),
        (("--engine", "http://a:1", "--engine", "http://a:1"), "name each engine once"),
        (("--engine", "http://a:1", "--engine", "embedded"), "one of a kind"),
        (("--strategy", "magic"), "magic"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_in_a_sentence(
    start: Any, arguments: tuple[str, ...], says: str
) -> None:
    out, err = start(*arguments).process.communicate(timeout=LIMIT_SECONDS)
    assert out == ""
    assert re.fullmatch(r"turnkeep: [^\n]+\n", err), err
    assert says in err


def test_limits_are_options(start: Any) -> None:
    limits = ("--max-body", "2K", "--stall-seconds", "0.2", "--grace-seconds", "0")
    program = start("--engine", "http://127.0.0.1:1", *limits)
    url = program.line().removeprefix("Listening on ").removesuffix("/v1")
    assert b"larger than 2,048 bytes" in post(url, 3_000, b"x" * 3_000)
    assert b"for 0.2 seconds" in post(url, 100, b"x")
    program.line()
    assert program.end()[0] == 0
    flags = dict(zip((name.strip("-").replace("-", "_") for name in limits[::2]), limits[1::2], strict=True))
    asked = make_serve_settings(load_settings(flags, {}, with_file=False), ())
    assert (asked.body_bytes, asked.stall_seconds, asked.grace_seconds) == (2_048, 0.2, 0.0)


def post(url: str, length: int, sent: bytes) -> bytes:
    """Send a body that is as long as it says, or not; returns the whole answer."""
    with socket.create_connection(url.removeprefix("http://").split(":"), timeout=LIMIT_SECONDS) as line:  # type: ignore[arg-type]  # a name and a port
        head = f"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        line.sendall(head.encode() + sent)
        file: IO[bytes] = line.makefile("rb")
        return file.read()


# -- what it takes ------------------------------------------------------------------------------------
MOST_IDLE_MB = 60.0


def test_it_is_small_while_nobody_calls(start: Any) -> None:
    program = start("--engine", "http://127.0.0.1:1")
    assert program.line().startswith("Listening on ")
    program.line()  # it has tried to reach its engine, and loaded what that takes
    status = Path(f"/proc/{program.process.pid}/status").read_text("utf-8")
    (memory,) = (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
    program.end()
    assert memory <= MOST_IDLE_MB
