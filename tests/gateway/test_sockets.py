"""The WebSocket form of /v1/responses: the same events, one a message, and chains that are stored nowhere."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from tests.event_order import check_events
from tests.gateway.asgi import LIMIT_SECONDS, Site
from tests.gateway.replying import open_site, read_response, sent, text_of
from turnkeep.engine.base import End, ToolCallDelta
from turnkeep.errors import EngineRefused
from turnkeep.gateway import door, sockets
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.store.keys import digest_secret, make_secret

_SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
TOOL = {"type": "function", "name": "add", "parameters": {}, "strict": True}
CALL = ToolCallDelta(index=0, call_id="c1", name="add", arguments="{}")


class Line:
    """A client of a WebSocket; `headers` are sent with its request."""

    def __init__(self, site: Site, headers: Mapping[str, str] | None = None) -> None:
        self._to: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": "/v1/responses",
            "raw_path": b"/v1/responses",
            "query_string": b"",
            "headers": [
                (name.encode(), value.encode())
                for name, value in {"host": "127.0.0.1", **(headers or {})}.items()
            ],
        }
        self._to.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(site.app(scope, self._to.get, self._take))

    async def _take(self, message: Any) -> None:
        await self._from.put(dict(message))

    async def message(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._from.get(), LIMIT_SECONDS)

    def send(self, body: Any) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self._to.put_nowait({"type": "websocket.receive", "text": text})

    def create(self, content: Any, **fields: Any) -> None:
        self.send({"type": "response.create", "input": content, **fields})

    async def event(self) -> Any:
        message = await self.message()
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def ended(self) -> Any:
        """The response that the next events end with, their order checked."""
        events: list[tuple[str, str]] = []
        while True:
            event = await self.event()
            _SERVER_EVENT.validate_python(event)
            assert event["type"] != "error", event
            events.append((event["type"], json.dumps(event)))
            if event["type"] in ("response.completed", "response.incomplete", "response.failed"):
                return check_events(events)

    async def ask(self, content: Any, **fields: Any) -> Any:
        self.create(content, **fields)
        return await self.ended()

    async def error(self) -> Any:
        event = await self.event()
        assert event["type"] == "error", event
        assert event["error"]["message"] == event["message"]
        return event

    async def hang_up(self) -> None:
        self._to.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, LIMIT_SECONDS)


def run(script: Callable[[Site, Line], Awaitable[None]], replies: Any = ()) -> None:
    async def main() -> None:
        site = open_site(replies)
        site._sockets = sockets.SOCKETS
        async with site:
            line = Line(site)
            assert (await line.message())["type"] == "websocket.accept"
            try:
                await script(site, line)
            finally:
                await line.hang_up()

    asyncio.run(main())


def test_responses_follow_one_another_on_one_connection() -> None:
    async def script(site: Site, line: Line) -> None:
        first = await line.ask("a")
        second = await line.ask("b", previous_response_id=first["id"])
        assert (text_of(first), text_of(second)) == ("1", "2")
        assert sent(site) == ["a", "1", "b"]
        assert read_response(await site.get(f"/v1/responses/{second['id']}"))["output"] == second["output"]

    run(script, ["1", "2"])


def test_what_is_not_stored_is_gone_on_from_on_its_connection_alone() -> None:
    async def script(site: Site, line: Line) -> None:
        first = await line.ask("1 + 1?", store=False, tools=[TOOL])
        output = {"type": "function_call_output", "call_id": "c1", "output": "2"}
        second = await line.ask([output], store=False, previous_response_id=first["id"], tools=[TOOL])
        assert [message["role"] for message in site.engine.requests[-1].messages] == [
            "user",
            "assistant",
            "tool",
        ]
        third = await line.ask("And?", store=False, previous_response_id=second["id"])
        assert text_of(third) == "3"
        assert len(site.engine.requests[-1].messages) == 5
        assert (await site.get(f"/v1/responses/{third['id']}")).status == 404
        assert (await site.store.stats()).conversations == 0
        other = Line(site)
        await other.message()
        other.create("x", store=False, previous_response_id=third["id"])
        assert (await other.error())["code"] == "previous_response_not_found"
        await other.hang_up()

    run(script, [[CALL, End(finish_reason="tool_calls")], "It is 2.", "3"])


def test_a_stored_chain_is_gone_on_from_without_storing() -> None:
    async def script(site: Site, line: Line) -> None:
        first = await line.ask("a")
        aside = await line.ask("b", store=False, previous_response_id=first["id"])
        await line.ask("c", store=False, previous_response_id=aside["id"])
        assert sent(site) == ["a", "1", "b", "2", "c"]
        assert (await site.store.stats()).turns == 1

    run(script, ["1", "2", "3"])


def test_what_was_not_to_be_stored_is_not_stored_later() -> None:
    async def script(site: Site, line: Line) -> None:
        first = await line.ask("a", store=False)
        line.create("b", store=True, previous_response_id=first["id"])
        assert (await line.error())["param"] == "store"
        # The continuation failed: the chain is gone.
        line.create("b", store=False, previous_response_id=first["id"])
        assert (await line.error())["code"] == "previous_response_not_found"

    run(script)


def test_a_turn_that_fails_ends_what_was_not_stored() -> None:
    async def script(site: Site, line: Line) -> None:
        first = await line.ask("a", store=False)
        failed = await line.ask("b", store=False, previous_response_id=first["id"])
        assert failed["status"] == "failed"
        line.create("c", store=False, previous_response_id=first["id"])
        assert (await line.error())["code"] == "previous_response_not_found"
        assert text_of(await line.ask("d")) == "4"

    run(script, ["1", ["2", EngineRefused("No.")], "4"])


def test_input_may_be_handed_over_before_an_answer_is_asked_for() -> None:
    async def script(site: Site, line: Line) -> None:
        prepared = await line.ask("a long text", generate=False)
        assert prepared["output"] == []
        assert site.engine.requests == []
        await line.ask("and?", store=False, previous_response_id=prepared["id"])
        assert sent(site) == ["a long text\n\nand?"]

    run(script)


def test_lanes_are_named_in_their_events() -> None:
    async def script(site: Site, line: Line) -> None:
        line.create("a", stream_id="one")
        line.create("b", stream_id="two")
        line.create("c", stream_id=5)
        events = []
        while (event := await line.event())["type"] != "error":
            events.append(event)
        lanes = [event["stream_id"] for event in events]
        assert lanes == sorted(lanes)
        assert set(lanes) == {"one", "two"}
        assert event["param"] == "stream_id"

    run(script)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("no JSON", None),
        ([1], None),
        ({"type": "response.steer"}, "type"),
        ({"type": "response.create", "background": True}, "background"),
        ({"type": "response.create", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"type": "response.create", "previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_what_cannot_be_served_is_told_and_the_connection_goes_on(message: Any, param: str | None) -> None:
    async def script(site: Site, line: Line) -> None:
        line.send(message)
        error = await line.error()
        assert (error["param"], error["status"]) == (param, 404 if param == "previous_response_id" else 400)
        assert text_of(await line.ask("a")) == "ok"

    run(script)


def test_a_client_that_hangs_up_stops_the_engine() -> None:
    async def script(site: Site, line: Line) -> None:
        line.create("a")
        while (await line.event())["type"] != "response.output_text.delta":
            pass
        await line.hang_up()
        assert site.engine.stopped == 1
        assert (await site.store.stats()).turns == 1

    async def main() -> None:
        site = open_site([["Hel", asyncio.Event()]])
        site._sockets = sockets.SOCKETS
        async with site:
            line = Line(site)
            await line.message()
            await script(site, line)

    asyncio.run(main())


def test_too_many_waiting_requests_are_refused() -> None:
    async def script(site: Site, line: Line) -> None:
        for number in range(sockets.WAITING + 2):
            line.create(str(number))
        ended, refused = 0, 0
        while ended + refused < sockets.WAITING + 2:
            event = await line.event()
            refused += event["type"] == "error"
            ended += event["type"] == "response.completed"
            if event["type"] == "response.in_progress":
                go_on.set()
        assert refused >= 1

    go_on = asyncio.Event()
    run(script, lambda request: [go_on, "ok"])


def test_waiting_requests_take_no_more_together_than_one_may() -> None:
    go_on = asyncio.Event()

    async def main() -> None:
        settings = ServeSettings(embeddings="off", body_bytes=10_000)
        site = Site(replies=[[go_on, "one"], "two"], settings=settings, routes=(), sockets=sockets.SOCKETS)
        async with site:
            line = Line(site)
            assert (await line.message())["type"] == "websocket.accept"
            line.create("a" * 6_000)
            while not site.engine.requests:
                await asyncio.sleep(0)
            line.create("b" * 6_000)
            line.create("c" * 6_000)
            while (event := await line.event())["type"] != "error":
                pass
            assert (event["status"], len(site.engine.requests)) == (429, 1)
            go_on.set()
            told = [await line.event()]
            while sum(event["type"] == "response.completed" for event in told) < 2:
                told.append(await line.event())
            assert await line.ask("d" * 6_000)  # there is room again
            await line.hang_up()

    asyncio.run(main())


def test_a_revoked_key_opens_no_more_on_a_connection_that_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "KNOWN_SECONDS", 0.0)

    async def main() -> None:
        settings = ServeSettings(embeddings="off", require_key=True)
        site = Site(replies=["one"], settings=settings, routes=(), sockets=sockets.SOCKETS)
        async with site:
            secret = make_secret()
            await site.store.create_key("ana", digest_secret(secret), now=0.0)
            line = Line(site, {"authorization": f"Bearer {secret}"})
            assert (await line.message())["type"] == "websocket.accept"
            await line.ask("a")
            await site.store.revoke_key("ana", now=0.0)
            line.create("b")
            error = await line.error()
            assert (error["status"], error["code"]) == (401, "invalid_api_key")
            assert await line.message() == {"type": "websocket.close", "code": 1008}
            assert len(site.engine.requests) == 1

    asyncio.run(main())


def test_a_connection_is_served_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "OPEN_SECONDS", 0.01)

    async def script(site: Site, line: Line) -> None:
        assert (await line.error())["code"] == "websocket_connection_limit_reached"
        assert (await line.message())["type"] == "websocket.close"

    run(script)
