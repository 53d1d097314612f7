"""The client keeps its word when the engine is away, slow, silent, or not an engine at all."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest
from tests.engine.fake_server import Answer, Exchange, FakeServer

from turnkeep.engine.client import EngineClient, Retries, Timeouts
from turnkeep.errors import (
    ContextOverflow,
    EngineBusy,
    EngineError,
    EngineProtocolError,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    UsageError,
)
from turnkeep.wire.exchange import Delta, End, Progress, TextDelta

CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
AT_ONCE = Retries(unreachable=0, not_ready=0)
PATIENT = Retries(unreachable=20, not_ready=20)
LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
KEY = "sk-very-secret"
WHOLE = [TextDelta("Hi"), End(finish_reason="stop")]


async def say_hi(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.say("Hi")
    await exchange.say(finish="stop")
    await exchange.done()


def failing(*failures: Answer, then: Answer = say_hi) -> Answer:
    """An answer that fails in these ways first."""
    left = [*failures]

    async def answer(exchange: Exchange) -> None:
        await (left.pop(0) if left else then)(exchange)

    return answer


async def loading(exchange: Exchange) -> None:
    await exchange.json(LOADING, 503)


async def collect(deltas: AsyncGenerator[Delta, None]) -> list[Delta]:
    return [delta async for delta in deltas]


def client_of(server: FakeServer, retries: Retries = AT_ONCE, **timeouts: float) -> EngineClient:
    return EngineClient(server.url, retries=retries, timeouts=Timeouts(**timeouts), api_key=KEY)


def ask(
    answer: Answer, retries: Retries = AT_ONCE, **timeouts: float
) -> tuple[list[Delta], Exception | None, FakeServer]:
    """Stream one reply from an engine that answers so; deltas, error, and the server."""

    async def main() -> tuple[list[Delta], Exception | None, FakeServer]:
        deltas: list[Delta] = []
        async with FakeServer({CHAT: answer}) as server:
            try:
                async with aclosing(client_of(server, retries, **timeouts).stream(CHAT, BODY)) as stream:
                    async for delta in stream:
                        deltas.append(delta)  # noqa: PERF401  # what came before an error counts
            except (EngineError, ContextOverflow, UsageError) as error:
                return deltas, error, server
            return deltas, None, server

    return asyncio.run(main())


def check(error: Exception | None, kind: type[Exception], words: str) -> None:
    """One clear sentence of the right kind, with the key nowhere in it."""
    assert type(error) is kind, repr(error)
    assert words in str(error)
    assert KEY not in f"{error} {error!r} {error.__cause__!r}"
    assert str(error).endswith(".")
    assert "\n" not in str(error)


# -- what is sent


def test_a_reply_is_streamed() -> None:
    deltas, error, server = ask(say_hi)
    assert (deltas, error) == (WHOLE, None)
    assert server.seen[0].body == BODY


def test_the_key_is_sent_and_shown_nowhere() -> None:
    _, _, server = ask(say_hi)
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    client = EngineClient(server.url, api_key=KEY)
    assert KEY not in f"{client!r} {client._transport!r}"


def test_the_tap_sees_every_request_as_sent() -> None:
    async def main() -> None:
        seen: list[tuple[str, object]] = []

        async def models(exchange: Exchange) -> None:
            await exchange.json({"data": []})

        async with FakeServer({CHAT: failing(loading), "/v1/models": models}) as server:
            client = EngineClient(
                server.url, retries=PATIENT, tap=lambda path, body: seen.append((path, body))
            )
            await client.get("/v1/models")
            await collect(client.stream(CHAT, BODY))
        assert seen == [("/v1/models", {}), (CHAT, BODY), (CHAT, BODY)]

    asyncio.run(main())


def test_text_that_utf8_cannot_hold_is_replaced() -> None:
    async def main() -> object:
        async def echo(exchange: Exchange) -> None:
            await exchange.json(exchange.body)

        async with FakeServer({"/echo": echo}) as server:
            return await client_of(server).post("/echo", {"text": "a\ud800b ü"})

    assert asyncio.run(main()) == {"text": "a?b ü"}


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_a_field_that_json_cannot_hold_is_refused(value: object) -> None:
    async def main() -> None:
        async with FakeServer({}) as server:
            await client_of(server).post("/x", {"field": value})

    with pytest.raises(UsageError, match="cannot be written as JSON"):
        asyncio.run(main())


def test_several_bodies_go_over_one_connection() -> None:
    async def main() -> None:
        async def double(exchange: Exchange) -> None:
            await exchange.json(exchange.body["n"] * 2)

        async with FakeServer({"/double": double}) as server:
            answers = await client_of(server).post_many("/double", [{"n": n} for n in range(20)])
            assert answers == [n * 2 for n in range(20)]
            assert server.connections == 1
            assert await client_of(server).post_many("/double", []) == []

    asyncio.run(main())


async def say_in_chunks(exchange: Exchange) -> None:
    """A reply as servers send it that keep the connection."""
    await exchange.raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    events = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'
    for piece in (events, b"data: [DONE]\n\n"):
        await exchange.raw(b"%x\r\n%s\r\n" % (len(piece), piece))
    await exchange.raw(b"0\r\n\r\n")


def test_connections_are_kept_between_calls_and_closed_with_the_client() -> None:
    async def main() -> None:
        async def models(exchange: Exchange) -> None:
            await exchange.json({"data": []})

        async with FakeServer({CHAT: say_in_chunks, "/v1/models": models}) as server:
            client = client_of(server)
            for _ in range(3):
                await client.get("/v1/models")
                assert await collect(client.stream(CHAT, BODY)) == WHOLE
            assert server.connections == 1
            await client.close()
            assert await collect(client.stream(CHAT, BODY)) == WHOLE  # it can be used again
            assert server.connections == 2
            await client.close()

    asyncio.run(main())


def test_a_kept_connection_that_the_engine_has_closed_is_made_again_at_once() -> None:
    async def close(exchange: Exchange) -> None:
        exchange.closing = True  # without an answer

    async def main() -> None:
        async with FakeServer({CHAT: failing(say_in_chunks, close, then=say_in_chunks)}) as server:
            client = client_of(server)
            for _ in range(2):
                assert await collect(client.stream(CHAT, BODY)) == WHOLE
            assert (len(server.seen), server.connections, client.outages) == (3, 2, 0)
            await client.close()

    asyncio.run(main())


def test_a_new_connection_that_breaks_is_no_matter_of_keeping() -> None:
    async def close(exchange: Exchange) -> None:
        exchange.closing = True

    _, error, server = ask(close)
    check(error, EngineUnreachable, "closed the connection")
    assert len(server.seen) == 1


def test_one_client_serves_several_loops_one_after_another() -> None:
    client: EngineClient | None = None

    async def main(port_server: FakeServer) -> list[Delta]:
        nonlocal client
        async with port_server as server:
            client = client or client_of(server)
            client.url = client._transport.url = server.url
            return await collect(client.stream(CHAT, BODY))

    for _ in range(3):
        assert asyncio.run(main(FakeServer({CHAT: say_hi}))) == WHOLE


# -- away, loading, busy


def test_a_dead_port_is_said() -> None:
    async def main() -> None:
        async with FakeServer({}, listening=False) as server:
            await client_of(server).get("/v1/models")

    with pytest.raises(EngineUnreachable) as caught:
        asyncio.run(main())
    check(caught.value, EngineUnreachable, "Nobody answers at http://127.0.0.1:")
    assert caught.value.__cause__ is not None


def test_an_engine_that_comes_up_meanwhile_is_reached() -> None:
    async def main() -> list[Delta]:
        async with FakeServer({CHAT: say_hi}, listening=False) as server:
            attempts: list[asyncio.Task[None]] = []

            def come_up(path: str, body: object) -> None:
                attempts.append(asyncio.create_task(server.listen() if attempts else asyncio.sleep(0)))

            return await collect(EngineClient(server.url, retries=PATIENT, tap=come_up).stream(CHAT, BODY))

    assert asyncio.run(main()) == WHOLE


def test_an_unknown_host_is_said_at_once() -> None:
    client = EngineClient("http://no-such-host.invalid", retries=PATIENT)
    began = time.monotonic()
    with pytest.raises(EngineUnreachable, match="no such host"):
        asyncio.run(client.get("/v1/models"))
    assert time.monotonic() - began < 10


def test_an_address_that_does_not_speak_https_is_said_at_once() -> None:
    async def answer_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(answer_plainly, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await EngineClient(f"https://127.0.0.1:{port}", retries=PATIENT).get("/v1/models")

    began = time.monotonic()
    with pytest.raises(EngineUnreachable, match="https"):
        asyncio.run(main())
    assert time.monotonic() - began < 10


def test_loading_is_waited_for() -> None:
    deltas, error, server = ask(failing(loading, loading), PATIENT)
    assert (deltas, error) == (WHOLE, None)
    assert len(server.seen) == 3


def test_a_wait_is_told_once_with_its_reason() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        async with FakeServer({CHAT: failing(loading, loading)}) as server:
            client = EngineClient(server.url, retries=PATIENT, on_wait=told.append)
            await collect(client.stream(CHAT, BODY))
            assert len(told) == 1
            await collect(client.stream(CHAT, BODY))
        return told

    [told] = asyncio.run(main())
    assert re.fullmatch(r"The engine at \S+ is still loading its model\. Waiting up to \d+ \w+\.", told)


def test_a_wait_of_seconds_is_not_worth_a_word() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        async with FakeServer({}, listening=False) as server:
            retries = Retries(unreachable=0.2, not_ready=300)
            with pytest.raises(EngineUnreachable):
                await EngineClient(server.url, retries=retries, on_wait=told.append).get("/v1/models")
        return told

    assert asyncio.run(main()) == []


def test_loading_past_the_deadline_is_said() -> None:
    _, error, server = ask(failing(*[loading] * 50), Retries(not_ready=0.4))
    check(error, EngineBusy, "still loading its model")
    assert 2 <= len(server.seen) < 50


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_gateway_that_has_no_engine_yet_is_asked_again(status: int) -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.reply(status, b"<html>Bad Gateway</html>", "text/html")

    deltas, error, _ = ask(failing(page), PATIENT)
    assert (deltas, error) == (WHOLE, None)


def test_a_connection_that_breaks_before_an_answer_is_made_again() -> None:
    async def hang_up(exchange: Exchange) -> None:
        exchange.closing = True

    deltas, error, _ = ask(failing(hang_up), PATIENT)
    assert (deltas, error) == (WHOLE, None)
    _, error, _ = ask(failing(hang_up))
    check(error, EngineUnreachable, "closed the connection")


def test_a_full_pool_is_asked_again_only_before_the_first_delta() -> None:
    full = {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}

    async def full_at_once(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.event(full)

    async def full_later(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.say("H")
        await exchange.event(full)

    assert ask(failing(full_at_once), PATIENT)[0] == WHOLE
    deltas, error, server = ask(failing(full_later), PATIENT)
    assert (deltas, len(server.seen)) == ([TextDelta("H")], 1)
    check(error, EngineBusy, "no room for now")


def test_outages_are_counted() -> None:
    async def main() -> int:
        async with FakeServer({CHAT: failing(loading)}) as server:
            client = client_of(server, PATIENT)
            await collect(client.stream(CHAT, BODY))
            return client.outages

    assert asyncio.run(main()) == 1


# -- slow


async def never(exchange: Exchange) -> None:
    assert await exchange.gone()


def test_a_slow_first_token_is_a_timeout() -> None:
    _, error, _ = ask(never, first_token=0.2)
    check(error, EngineTimeout, "a first token within 0.2 seconds")


def test_comments_are_no_first_token() -> None:
    async def ping(exchange: Exchange) -> None:
        await exchange.open_stream()
        while True:
            await exchange.raw(b": ping\n\n")
            await asyncio.sleep(0.02)

    _, error, _ = ask(ping, first_token=0.3)
    check(error, EngineTimeout, "a first token within 0.3 seconds")


def test_comments_keep_nothing_from_coming() -> None:
    async def ping(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.raw(b": ping\n\n: ping\r\n\r\n")
        await exchange.say("Hi")
        await exchange.raw(b": ping\n\n")
        await exchange.say(finish="stop")
        await exchange.done()

    assert ask(ping)[:2] == (WHOLE, None)


def test_progress_begins_the_wait_for_the_first_token_anew() -> None:
    async def read_long(exchange: Exchange) -> None:
        await exchange.open_stream()
        for processed in range(4):
            await exchange.event({"prompt_progress": {"total": 4, "cache": 0, "processed": processed}})
            await asyncio.sleep(0.2)
        await exchange.say("Hi")
        await exchange.say(finish="stop")

    deltas, error, _ = ask(read_long, first_token=0.5)
    assert error is None
    assert deltas[-2:] == WHOLE
    assert deltas[0] == Progress(total=4, cached=0, processed=0)


def test_a_stall_between_tokens_is_a_timeout() -> None:
    async def stall(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.say("H")
        assert await exchange.gone()

    deltas, error, _ = ask(stall, between_tokens=0.2)
    assert deltas == [TextDelta("H")]
    check(error, EngineTimeout, "a next token within 0.2 seconds")


def test_a_reply_that_never_ends_is_a_timeout_in_all() -> None:
    async def ramble(exchange: Exchange) -> None:
        await exchange.open_stream()
        while True:
            await exchange.say("H")
            await asyncio.sleep(0.02)

    deltas, error, _ = ask(ramble, total=0.5)
    assert TextDelta("H") in deltas
    check(error, EngineTimeout, "a whole reply within 0.5 seconds")


def test_a_slow_reader_is_no_slow_engine() -> None:
    async def main() -> list[Delta]:
        deltas = []
        async with FakeServer({CHAT: say_hi}) as server:
            async for delta in client_of(server, between_tokens=0.1).stream(CHAT, BODY):
                deltas.append(delta)
                await asyncio.sleep(0.3)
        return deltas

    assert asyncio.run(main()) == WHOLE


def test_a_json_call_has_a_timeout() -> None:
    async def main() -> None:
        async with FakeServer({"/props": never}) as server:
            await client_of(server, first_token=0.2).get("/props")

    with pytest.raises(EngineTimeout, match=r"an answer within 0\.2 seconds"):
        asyncio.run(main())


def test_no_limits_are_none() -> None:
    async def main() -> list[Delta]:
        timeouts = Timeouts(connect=None, first_token=None, between_tokens=None, total=None)
        async with FakeServer({CHAT: say_hi}) as server:
            return await collect(EngineClient(server.url, timeouts=timeouts).stream(CHAT, BODY))

    assert asyncio.run(main()) == WHOLE


# -- ends


def test_a_silent_end_is_a_failure() -> None:
    async def stop(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.say("H")

    deltas, error, server = ask(stop, PATIENT)
    assert (deltas, len(server.seen)) == ([TextDelta("H")], 1)
    check(error, EngineProtocolError, "broke off its reply")


def test_a_broken_connection_is_a_failure() -> None:
    async def abort(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.say("H")
        exchange.writer.transport.abort()

    deltas, error, _ = ask(abort)
    assert deltas in ([TextDelta("H")], [])  # a reset may overtake what was sent
    check(error, EngineProtocolError, "broke off its reply")


def test_a_chunked_body_cut_off_is_a_failure() -> None:
    async def cut(exchange: Exchange) -> None:
        exchange.closing = True
        await exchange.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        piece = b'data: {"choices":[{"delta":{"content":"H"}}]}\n\n'
        await exchange.raw(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    deltas, error, _ = ask(cut)
    assert deltas == [TextDelta("H")]
    check(error, EngineProtocolError, "broke off its reply")


def test_done_is_not_waited_for_forever_once_the_reply_is_whole() -> None:
    async def no_end(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.say("Hi")
        await exchange.say(finish="stop")
        while not exchange.reader.at_eof():
            await exchange.raw(b": ping\n\n")
            await asyncio.sleep(0.02)

    assert ask(no_end, between_tokens=0.2)[:2] == (WHOLE, None)


@pytest.mark.parametrize("done", [True, False])
def test_an_error_in_the_stream_is_said(done: bool) -> None:
    async def fail(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.say("H")
        await exchange.event({"error": {"message": "the GPU is on fire", "code": 500}})
        if done:
            await exchange.done()

    deltas, error, _ = ask(fail)
    assert deltas == [TextDelta("H")]
    check(error, EngineRefused, "the GPU is on fire")


def test_a_reply_that_comes_whole_is_taken() -> None:
    async def whole(exchange: Exchange) -> None:
        await exchange.json({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})

    assert ask(whole)[:2] == (WHOLE, None)


def test_an_overflow_carries_its_numbers() -> None:
    async def refuse(exchange: Exchange) -> None:
        said = "request (5010 tokens) exceeds the available context size (4096 tokens)"
        await exchange.json({"error": {"message": said, "n_prompt_tokens": 5010, "n_ctx": 4096}}, 400)

    _, error, _ = ask(refuse, PATIENT)
    check(error, ContextOverflow, "too long")
    assert isinstance(error, ContextOverflow)
    assert (error.needed, error.available) == (5010, 4096)


# -- stopping


async def stop_by_closing(stream: AsyncGenerator[Delta, None]) -> None:
    async with aclosing(stream) as deltas:
        async for _ in deltas:
            break


async def stop_by_cancelling(stream: AsyncGenerator[Delta, None]) -> None:
    first = asyncio.Event()

    async def read() -> None:
        async with aclosing(stream) as deltas:
            async for _ in deltas:
                first.set()

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("stop", [stop_by_closing, stop_by_cancelling])
def test_stopping_closes_the_connection_at_once(
    stop: Callable[[AsyncGenerator[Delta, None]], Coroutine[Any, Any, None]],
) -> None:
    async def main() -> float:
        gone = asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            await exchange.open_stream()
            await exchange.say("H")
            assert await exchange.gone()
            gone.set()

        async with FakeServer({CHAT: answer}) as server:
            await stop(client_of(server).stream(CHAT, BODY))
            began = time.monotonic()
            await asyncio.wait_for(gone.wait(), 5)
            return time.monotonic() - began

    assert asyncio.run(main()) < 0.25


def test_cancelling_a_call_closes_its_connection() -> None:
    async def main() -> None:
        asked, gone = asyncio.Event(), asyncio.Event()

        async def answer(exchange: Exchange) -> None:
            asked.set()
            assert await exchange.gone()
            gone.set()

        async with FakeServer({"/completion": answer}) as server:
            task = asyncio.create_task(client_of(server).post("/completion", {}))
            await asked.wait()
            task.cancel()
            await asyncio.wait_for(gone.wait(), 5)
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


# -- not an engine


async def page(exchange: Exchange) -> None:
    await exchange.reply(200, b"<!doctype html><title>Router</title>", "text/html")


async def missing_page(exchange: Exchange) -> None:
    await exchange.reply(404, b"<html>Not Found</html>", "text/html")


async def other_json(exchange: Exchange) -> None:
    await exchange.json({"status": "ok"})


async def rubbish(exchange: Exchange) -> None:
    await exchange.reply(200, bytes(range(256)), "application/octet-stream")


async def nothing(exchange: Exchange) -> None:
    await exchange.reply(200, b"")


async def no_http(exchange: Exchange) -> None:
    exchange.closing = True
    await exchange.raw(b"SSH-2.0-OpenSSH_9.6\r\n" * 3)


async def endless_header(exchange: Exchange) -> None:
    exchange.closing = True
    await exchange.raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)


async def rubbish_stream(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.raw(b"data: rubbish\n\n")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page, "answered with a web page"),
        (missing_page, "answered with a web page"),
        (other_json, "broke off its reply"),
        (rubbish, "something that is not JSON"),
        (nothing, "something that is not JSON"),
        (no_http, "does not answer in HTTP"),
        (endless_header, "does not answer in HTTP"),
        (rubbish_stream, "cannot be read"),
    ],
)
def test_what_is_no_engine_is_said(answer: Answer, words: str) -> None:
    _, error, _ = ask(answer)
    check(error, EngineProtocolError, words)


def test_an_endless_answer_is_not_kept() -> None:
    async def endless(exchange: Exchange) -> None:
        exchange.closing = True
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            await exchange.raw(b" " * 4_000_000)

    _, error, _ = ask(endless)
    check(error, EngineProtocolError, "more than 67,108,864 bytes")


def test_a_redirect_is_not_followed_with_the_key() -> None:
    async def redirect(exchange: Exchange) -> None:
        await exchange.reply(308, b"", Location="http://example.org/v1")

    _, error, _ = ask(redirect)
    check(error, EngineRefused, "http://example.org/v1")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said(status: int) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "Invalid API Key"}}, status)

    _, error, server = ask(refuse, PATIENT)
    check(error, EngineRefused, "--api-key or OPENAI_API_KEY")
    assert isinstance(error, EngineRefused)
    assert error.http_status == status
    assert len(server.seen) == 1


def test_the_http_library_is_imported_at_the_first_call() -> None:
    program = (
        "import sys; from turnkeep.engine.connect import connect;"
        "connect('http://localhost:1'); connect(None);"
        "print([m for m in ('httptools', 'xllamacpp', 'turnkeep.engine.connection') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
