"""What goes wrong around a gateway costs no words: engines that die, dawdle or babble, a full disk, kills, hang-ups."""

import asyncio
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.engine.fake_server import Exchange, FakeServer
from tests.engines import RealEngine
from tests.event_order import check_events, parse_stream
from tests.gateway.asgi import LIMIT_SECONDS, Site
from tests.gateway_clients import LOOK_SECONDS, PATIENCE_SECONDS, FakeEngine, Serving, reply_to, text_of
from turnkeep.engine.client import EngineClient, Retries
from turnkeep.engine.generic import GenericEngine
from turnkeep.engine.transport import Timeouts
from turnkeep.gateway import background
from turnkeep.holding import drop_dead_leases, name_holder
from turnkeep.testing import EphemeralStore
from turnkeep.wire.exchange import ReasoningDelta

ROOT = Path(__file__).parents[2]
RESPONSES, CHATS = "/v1/responses", "/v1/chat/completions"
FULL_BYTES = 1_500_000  # that a file may grow to where the disk is full


class Caller:
    """A client of a gateway that runs as a program."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def post(
        self, path: str, body: Any, **headers: str
    ) -> tuple[int, bytes, Any]:  # Any: JSON; headers
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(self.url + path, json=body, headers=named) as answer:
            return answer.status, await answer.read(), answer.headers

    async def chat(self, text: str) -> tuple[int, Any]:  # Any: JSON
        """Say something in the conversation of this client."""
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 20}
        status, data, _ = await self.post(CHATS, body, X_Conversation_ID="faults")
        return status, json.loads(data)


Script = Callable[[Caller], Awaitable[None]]


async def on_gateway(engine: str, folder: Path, script: Script, *options: str, **given: Any) -> None:
    """Run a script on `turnkeep serve`; nothing in it may break in a way that nobody expected."""
    serving = Serving(engine, folder, *options, **given)
    try:
        url = await asyncio.wait_for(asyncio.to_thread(serving.listen), PATIENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_SECONDS)) as session:
            await script(Caller(session, url))
    finally:
        await asyncio.to_thread(serving.end)
    serving.check_log()


def on_fake(fake: FakeEngine, folder: Path, script: Script, *options: str, **given: Any) -> None:
    """As `on_gateway`, on a fake engine."""

    async def main() -> None:
        async with FakeServer(fake) as server:
            await on_gateway(server.url, folder, script, *options, **given)

    asyncio.run(main())


# -- the engine ---------------------------------------------------------------------------------------


@pytest.mark.real_engine
def test_an_engine_that_is_killed_in_the_middle_and_comes_back_costs_one_reply(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engines = [RealEngine(port=port)]

    async def script(caller: Caller) -> None:
        status, first = await caller.chat("Hello, I am Ana.")
        assert status == 200
        body = {"input": "Count.", "stream": True, "max_output_tokens": 2000, "ignore_eos": True}
        async with caller.session.post(caller.url + RESPONSES, json=body) as answer:
            data = await answer.content.readuntil(b"output_text.delta")
            engines[0]._process.kill()
            data += await answer.read()
        final = check_events(parse_stream(data))
        assert final["status"] == "failed"
        assert final["error"]["message"]
        await asyncio.to_thread(engines[0].stop)
        engines[0] = await asyncio.to_thread(lambda: RealEngine(port=port))
        status, second = await caller.chat("And you?")
        assert (status, second["turnkeep"]["turn"]) == (200, 2)
        assert second["turnkeep"]["conversation"] == first["turnkeep"]["conversation"]
        # The failed one is not read: what goes on from it hangs on what stood before it.
        gone_on = {"input": "Hm?", "previous_response_id": final["id"], "max_output_tokens": 16}
        status, data, _ = await caller.post(RESPONSES, gone_on)
        assert status == 200, data

    try:
        asyncio.run(on_gateway(engines[0].url, tmp_path, script))
    finally:
        engines[0].stop()


class Faulty(FakeEngine):
    """A fake engine whose next answers are faults."""

    def __init__(self, *faults: Callable[[Exchange], Awaitable[None]], window: int = 8192) -> None:
        super().__init__(window)
        self.faults = list(faults)
        self[CHATS] = self._fail_or_talk

    async def _fail_or_talk(self, exchange: Exchange) -> None:
        await (self.faults.pop(0) if self.faults else self._talk)(exchange)


async def close_at_once(exchange: Exchange) -> None:
    exchange.closing = True


async def close_in_the_middle(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.say("So ")


async def babble(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.raw(b"data: \xff\xfe{{{ no JSON\n\n")


async def babble_in_the_middle(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.say("So ")
    await exchange.raw(b"data: [1, 2\n\n")


async def show_a_page(exchange: Exchange) -> None:
    await exchange.reply(200, b"<html>Welcome to nginx</html>", "text/html")


async def fail(exchange: Exchange) -> None:
    await exchange.json({"error": {"message": "CUDA error: out of memory"}}, 500)


FAULTS = [close_in_the_middle, babble, babble_in_the_middle, show_a_page, fail]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_engine_that_breaks_off_or_babbles_costs_one_turn_at_every_door(
    tmp_path: Path, fault: Callable[[Exchange], Awaitable[None]]
) -> None:
    async def script(caller: Caller) -> None:
        fake.faults = [fault] * 3
        status, _ = await caller.chat("Whole or not?")
        assert status == 502
        status, data, headers = await caller.post(RESPONSES, {"input": "Whole or not?"})
        assert (status, headers.get("x-should-retry")) == (502, "false"), data
        status, data, _ = await caller.post(RESPONSES, {"input": "Whole or not?", "stream": True})
        if status == 200:
            assert check_events(parse_stream(data))["status"] == "failed"
        else:
            assert (status, json.loads(data)["error"]["type"]) == (502, "server_error")
        assert not fake.faults, "nothing was sent twice"
        status, made = await caller.chat("And now?")
        assert (status, made["choices"][0]["message"]["content"]) == (200, reply_to("And now?"))

    fake = Faulty()
    on_fake(fake, tmp_path, script)


def test_an_engine_that_is_not_ready_or_hangs_up_before_its_answer_is_waited_for(tmp_path: Path) -> None:
    async def not_ready(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "Loading model", "type": "unavailable_error"}}, 503)

    async def script(caller: Caller) -> None:
        status, made = await caller.chat("Hello?")
        assert (status, made["choices"][0]["message"]["content"]) == (200, reply_to("Hello?"))

    fake = Faulty(not_ready, not_ready, close_at_once)
    on_fake(fake, tmp_path, script)
    assert not fake.faults


def test_a_slow_engine_holds_up_nobody_else_and_is_left_when_its_client_leaves(tmp_path: Path) -> None:
    left: list[bool] = []

    async def dawdle(exchange: Exchange) -> None:
        left.append(await exchange.gone())

    async def script(caller: Caller) -> None:
        slow = asyncio.create_task(caller.chat("Are you there?"))
        while fake.faults:
            async with caller.session.get(f"{caller.url}/health") as answer:
                assert answer.status == 200
        status, data, _ = await caller.post(RESPONSES, {"input": "And you?"})
        assert (status, text_of(json.loads(data))) == (200, reply_to("And you?"))
        assert not left
        slow.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not left:
                await asyncio.sleep(LOOK_SECONDS)

    fake = Faulty(dawdle)
    on_fake(fake, tmp_path, script)
    assert left == [True]


async def close_before_the_first_piece(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.raw(b": reading\n\n")


async def turn_away(exchange: Exchange) -> None:
    await exchange.json({"error": {"message": "Loading model", "type": "unavailable_error"}}, 503)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "retry"),
    [
        (close_at_once, 502, "false"),
        (close_before_the_first_piece, 502, "false"),
        (fail, 502, "false"),
        (turn_away, 503, None),
    ],
)
def test_an_engine_that_had_taken_a_stored_turn_is_not_to_be_asked_again(
    fault: Callable[[Exchange], Awaitable[None]], status: int, retry: str | None, stream: bool
) -> None:
    async def main() -> None:
        async with FakeServer(Faulty(*[fault] * 4)) as server:
            client = EngineClient(server.url, retries=Retries(unreachable=0, not_ready=0))
            async with Site(engines=[GenericEngine(client)]) as site:
                got = await site.post(RESPONSES, {"input": "Hi.", "stream": stream})
                assert (got.status, got.headers.get("x-should-retry")) == (status, retry), got.text
                # Where nothing is stored, asking again does no harm.
                got = await site.post(RESPONSES, {"input": "Hi.", "stream": stream, "store": False})
                assert (got.status, got.headers.get("x-should-retry")) == (status, None)

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_an_engine_that_is_not_there_has_begun_nothing() -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with FakeServer(Faulty()) as server:
                client = EngineClient(server.url, retries=Retries(unreachable=0, not_ready=0))
                site = await stack.enter_async_context(Site(engines=[GenericEngine(client)]))
                assert (await site.post(RESPONSES, {"input": "Hi."})).status == 200
            got = await site.post(RESPONSES, {"input": "Hi."})
            assert (got.status, got.headers.get("x-should-retry")) == (502, None), got.text

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_an_engine_that_says_nothing_for_too_long_is_given_up() -> None:
    async def dawdle(exchange: Exchange) -> None:
        assert await exchange.gone()

    async def say_half(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.say("So ")
        assert await exchange.gone()

    async def main() -> None:
        fake = Faulty(dawdle, say_half, dawdle)
        timeouts = Timeouts(first_token=0.2, between_tokens=0.2)
        async with FakeServer(fake) as server:
            client = EngineClient(server.url, timeouts=timeouts, retries=Retries(unreachable=0, not_ready=0))
            async with Site(engines=[GenericEngine(client)]) as site:
                for _ in ("before its first piece", "after it"):
                    got = await site.post(RESPONSES, {"input": "Hi."})
                    assert (got.status, got.headers.get("x-should-retry")) == (504, "false")
                got = await site.post(RESPONSES, {"input": "Hi.", "stream": True})
                assert got.status == 504
                got = await site.post(RESPONSES, {"input": "Hi."})
                assert text_of(got.json) == reply_to("Hi.")

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


# -- the disk -----------------------------------------------------------------------------------------


def limit_files() -> None:
    """As if the disk were full beyond some bytes of a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, resource.RLIM_INFINITY))


def test_a_full_disk_is_told_and_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    said: list[str] = []

    async def fill(caller: Caller) -> None:
        for number in range(200):
            text = f"{number}: {'x' * 20_000}"
            status, made = await caller.chat(text)
            if status != 200:
                assert (status, made["error"]["type"]) == (507, "server_error"), made
                assert "space" in made["error"]["message"] or "written" in made["error"]["message"]
                return
            said.append(text)
        raise AssertionError("the disk never was full")

    async def go_on(caller: Caller) -> None:
        status, made = await caller.chat("There is room again.")
        assert status == 200
        seen = {message["content"] for message in fake.last}
        assert made["turnkeep"]["turn"] >= len(said) + 1
        assert said[-1] in seen, "the last acknowledged turn is read"

    fake = Remembering(window=200_000)
    on_fake(fake, tmp_path, fill, "--strategy", "window", before=limit_files)
    assert len(said) > 3
    on_fake(fake, tmp_path, go_on, "--strategy", "window")


class Remembering(FakeEngine):
    """Remembers what it was sent last."""

    last: list[Any]

    async def _say(self, exchange: Exchange) -> None:
        self.last = exchange.body["messages"]
        await super()._say(exchange)


# -- gateways that die ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [RESPONSES, CHATS])
def test_a_retry_of_what_a_dead_gateway_had_begun_is_told_so(path: str) -> None:
    body = {RESPONSES: {"input": "Hi."}, CHATS: {"messages": [{"role": "user", "content": "Hi."}]}}[path]
    key = {"idempotency-key": "k1"}

    async def main() -> None:
        store = Kept()
        async with Site(replies=[["Hel", asyncio.Event()]], store=store) as dying, Site(store=store) as next_:
            going = dying.begin("POST", path, body, key)
            while not dying.engine.requests:
                await asyncio.sleep(0)
            next_.gateway.clock = lambda: time.time() + 3600  # by then its lease has run out
            got = await next_.post(path, body, key)
            assert (got.status, got.headers["x-should-retry"]) == (502, "false")
            assert "stopped before the reply was whole" in got.error["message"]
            assert not next_.engine.requests
            await going.hang_up()

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


class Kept(EphemeralStore):
    """A store that outlives the gateway that closes it."""

    async def close(self) -> None:
        """Nothing: another gateway goes on with it."""


def test_a_stream_that_a_dead_gateway_left_in_the_middle_is_told_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "LOOK_SECONDS", 0.01)

    async def main() -> None:
        store = Kept()
        replies = [[ReasoningDelta("Hm."), "Hel", asyncio.Event()]]
        async with Site(replies=replies, store=store) as dying, Site(store=store) as next_:
            body = {"input": "Hi.", "background": True, "stream": True}
            going = dying.begin("POST", RESPONSES, body)
            said = b""
            while b"Hel" not in said:
                said += await going.piece()
            response = said.split(b'"id":"')[1].split(b'"')[0].decode()
            told = parse_stream(said + b"data: [DONE]")
            while len(await store.load_events("local", response)) < len(told):
                await asyncio.sleep(0)
            next_.gateway.clock = lambda: time.time() + 3600
            whole = await next_.get(f"{RESPONSES}/{response}?stream=true")
            events = parse_stream(whole.body)
            assert events[: len(told)] == told
            final = check_events(events)
            assert final["status"] == "failed"
            assert [item["status"] for item in final["output"]] == ["completed", "incomplete"]
            for number in range(len(events)):  # followed from anywhere
                rest = await next_.get(f"{RESPONSES}/{response}?stream=true&starting_after={number}")
                assert rest.body.endswith(b"data: [DONE]\n\n")
                assert parse_stream(rest.body) == events[number + 1 :]
            await going.hang_up()

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_leases_of_dead_processes_are_given_back_and_no_others() -> None:
    done = subprocess.Popen([sys.executable, "-c", "pass"])
    done.wait()
    live = name_holder()
    dead = live.replace(f"/{os.getpid()}/", f"/{done.pid}/")

    async def main() -> None:
        store = EphemeralStore()
        for subject, holder in (("retry:1", dead), ("retry:2", live), ("retry:3", "elsewhere/1/abc")):
            assert await store.take_lease(subject, holder, now=0.0, seconds=600.0)
        await drop_dead_leases(store, now=1.0)
        assert {lease.subject for lease in await store.held_leases("", now=1.0)} == {"retry:2", "retry:3"}

    asyncio.run(main())


def crash(*options: str) -> dict[str, int]:
    """Run the program that kills; returns what it found, counted."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.gateway_crash", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return {name: int(count.replace(",", "")) for count, name in lines}


def test_a_gateway_that_is_killed_again_and_again_loses_nothing() -> None:
    found = crash("--kills", "8", "--hang-ups", "0")
    assert found["killed under load"] + found.get("killed while starting", 0) == 8
    assert min(found["acknowledged"], found["streams in order"], found["turns looked at: done"]) > 0


@pytest.mark.real_engine
def test_a_gateway_that_is_killed_before_a_real_engine_stops_it() -> None:
    found = crash("--kills", "2", "--hang-ups", "0", "--engine", "real")
    assert sum(count for name, count in found.items() if name.startswith("killed")) == 2


def test_clients_that_hang_up_half_way_cost_no_memory() -> None:
    found = crash("--kills", "0", "--hang-ups", "40")
    assert found["hang-ups"] == 80
