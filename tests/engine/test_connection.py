"""A connection to an engine, byte by byte: a transport that writes down what it is told stands for the network."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.fake_server import Exchange, FakeServer

from turnkeep.engine.client import EngineClient, Retries
from turnkeep.engine.connection import (
    UNREAD_BYTES,
    BrokenOff,
    Connection,
    HostUnknown,
    NotHttp,
    Response,
    parse_target,
)
from turnkeep.errors import UsageError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Wire(asyncio.Transport):
    """Notes what a connection does with it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.open, self.reading = True, True

    def write(self, data: Any) -> None:
        self.sent += data

    def abort(self) -> None:
        self.open = False

    def is_closing(self) -> bool:
        return not self.open

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def connect(free: Callable[[Connection], None] = lambda connection: None) -> tuple[Connection, Wire]:
    connection, wire = Connection(free, lambda connection: None), Wire()
    connection.connection_made(wire)
    return connection, wire


async def ask(connection: Connection, *answers: bytes) -> Response:
    """Send a request, and give it these bytes for an answer."""
    asking = asyncio.ensure_future(connection.request(b"GET / HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    for answer in answers:
        connection.data_received(answer)
    return await asking


def test_a_response_is_read_however_its_bytes_are_cut() -> None:
    async def main() -> None:
        for cut in range(1, len(OK)):
            response = await ask(connect()[0], OK[:cut], OK[cut:])
            assert (response.status, await response.read(), await response.read()) == (200, b"{}", b"")

    asyncio.run(main())


def test_an_interim_response_is_passed_over() -> None:
    async def main() -> None:
        response = await ask(connect()[0], b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK)
        assert (response.status, response.headers) == (200, {"content-length": "2"})

    asyncio.run(main())


def test_who_takes_a_connection_as_soon_as_it_is_free_gets_its_own_answer() -> None:
    async def main() -> None:
        others: list[asyncio.Future[Response]] = []

        def take(connection: Connection) -> None:
            if not others:
                others.append(asyncio.ensure_future(connection.request(b"GET /2 HTTP/1.1\r\n\r\n")))

        connection, _ = connect(take)
        first = await ask(connection, OK)
        connection.data_received(OK.replace(b"{}", b"[]"))
        assert (await first.read(), await (await others[0]).read()) == (b"{}", b"[]")

    asyncio.run(main())


def test_a_call_that_is_cancelled_when_its_answer_is_whole_closes_nobody_elses_connection() -> None:
    async def main() -> None:
        connection, wire = connect()
        asking = asyncio.ensure_future(connection.request(b"GET / HTTP/1.1\r\n\r\n"))
        await asyncio.sleep(0)
        connection.data_received(OK)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert wire.open

    asyncio.run(main())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"])
def test_a_call_that_is_cancelled_before_closes_it(answer: bytes) -> None:
    async def main() -> None:
        connection, wire = connect()
        asking = asyncio.ensure_future(connection.request(b"GET / HTTP/1.1\r\n\r\n"))
        await asyncio.sleep(0)
        if answer:
            connection.data_received(answer)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert not wire.open

    asyncio.run(main())


def test_an_engine_waits_for_a_reader_who_is_slow() -> None:
    async def main() -> None:
        connection, wire = connect()
        response = await ask(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        connection.data_received(b"x" * (UNREAD_BYTES - 1))
        assert wire.reading
        connection.data_received(b"x")
        assert not wire.reading
        assert len(await response.read()) == UNREAD_BYTES
        assert wire.reading

    asyncio.run(main())


def test_what_nobody_asked_for_closes_the_connection() -> None:
    async def main() -> None:
        connection, wire = connect()
        await ask(connection, OK)
        assert wire.open
        connection.data_received(OK)
        assert not wire.open

    asyncio.run(main())


def test_a_connection_that_is_not_to_be_kept_is_not() -> None:
    async def main() -> None:
        freed: list[Connection] = []
        connection, wire = connect(freed.append)
        response = await ask(connection, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await response.read(), freed, wire.open) == (b"{}", [], False)

    asyncio.run(main())


def test_an_end_is_an_end_only_where_no_length_was_told() -> None:
    async def main() -> None:
        connection, _ = connect()
        response = await ask(connection, b"HTTP/1.1 200 OK\r\n\r\nab")
        connection.connection_lost(None)
        assert (await response.read(), await response.read()) == (b"ab", b"")
        connection, _ = connect()
        response = await ask(connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        connection.connection_lost(None)
        assert await response.read() == b"ab"
        with pytest.raises(BrokenOff):
            await response.read()

    asyncio.run(main())


@pytest.mark.parametrize("answer", [b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000])
def test_what_is_no_http_is_said(answer: bytes) -> None:
    async def main() -> None:
        connection, wire = connect()
        with pytest.raises(NotHttp):
            await ask(connection, answer)
        assert not wire.open

    asyncio.run(main())


def test_an_address_is_taken_apart() -> None:
    assert parse_target("http://[::1]:8080/a b").authority == "[::1]:8080"
    target = parse_target("https://bücher.example/ü")
    assert (target.host, target.port, target.tls) == ("xn--bcher-kva.example", 443, True)
    assert target.path == "/%C3%BC"
    with pytest.raises(HostUnknown):
        parse_target(f"http://{'ü' * 70}.example")


def test_a_key_that_would_be_two_headers_is_refused() -> None:
    with pytest.raises(UsageError, match="key holds a line break"):
        EngineClient("http://localhost:1", api_key="a\r\nX: b")


def test_a_call_says_where_it_goes() -> None:
    async def models(exchange: Exchange) -> None:
        await exchange.json({"data": []})

    async def main() -> None:
        async with FakeServer({"/v1/models": models}) as server:
            client = EngineClient(server.url, retries=Retries(unreachable=0, not_ready=0))
            assert await client.get("/v1/models") == {"data": []}
            await client.close()
            (seen,) = server.seen
            assert seen.headers["host"] == server.url.removeprefix("http://")
            assert "content-type" not in seen.headers

    asyncio.run(main())
