"""Whatever an engine sends, and however a turn ends, its events come in order and say what is kept."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.event_order import EventOrder, check_events, parse_stream
from tests.gateway.asgi import Exchange, Site
from tests.gateway.replying import open_site
from turnkeep.engine.base import Delta, End, ReasoningDelta, ToolCallDelta
from turnkeep.errors import EngineRefused, EngineTimeout
from turnkeep.testing import ScriptedEngine, Step

TEXT = st.text(min_size=1, max_size=5)
ARGUMENTS = st.sampled_from(["", "{", "{}", '{"a":', "1}"])
DELTAS: st.SearchStrategy[str | Delta] = st.one_of(
    TEXT,
    TEXT.map(ReasoningDelta),
    st.builds(
        ToolCallDelta,
        index=st.integers(0, 2),
        call_id=st.sampled_from(["", "c0", "c1"]),
        name=st.just("f"),
        arguments=ARGUMENTS,
    ),
)
ENDS = st.sampled_from(
    ["stop", "length", "tool_calls", "content_filter", "refused", "timeout", "hang up", "cancel"]
)
Turn = tuple[list[str | Delta], str]
TURNS = st.lists(st.tuples(st.lists(DELTAS, max_size=6), ENDS), min_size=1, max_size=3)


def steps(turn: Turn) -> list[Step]:
    """What the engine sends."""
    deltas, end = turn
    match end:
        case "refused":
            last: list[Step] = [EngineRefused("No.")]
        case "timeout":
            last = [EngineTimeout("Too slow.")]
        case "hang up" | "cancel":
            last = [asyncio.Event()]
        case "stop" | "length" | "tool_calls" | "content_filter" as reason:
            last = [End(finish_reason=reason)]
    return [*deltas, *last]


@contextlib.asynccontextmanager
async def scripted(turns: list[Turn]) -> AsyncIterator[Site]:
    engine = ScriptedEngine([steps(turn) for turn in turns])
    async with open_site(engines=[engine]) as site:
        site.engine = engine
        yield site


async def take_all(exchange: Exchange, stop: bool) -> bytes:
    """Read a stream to its end; with `stop`, hang up when nothing more comes."""
    said = b""
    if not stop:
        return b"".join([message.get("body", b"") async for message in exchange.pieces()])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.02):
            while True:
                said += await exchange.piece()
    await exchange.hang_up()
    return said


def read_begun(said: bytes) -> list[tuple[str, str]]:
    """The events of a stream that was left."""
    return parse_stream(said + b"data: [DONE]") if said else []


async def check_kept(site: Site, told: dict[str, Any]) -> None:
    """What is kept is what was told; what was cut off before anything was said is not kept."""
    response = told["id"]
    found = (await site.get(f"/v1/responses/{response}")).json
    assert (found["status"], found["error"]) == (told["status"], told["error"])
    again = check_events(parse_stream((await site.get(f"/v1/responses/{response}?stream=true")).body))
    assert again["output"] in (found["output"], told["output"])
    if found["output"]:
        # Pieces that came mixed are one item in the record: only their texts are the same.
        assert sorted(texts(found)) == sorted(texts(told))


def texts(response: dict[str, Any]) -> str:
    return "".join(
        [
            *(part["text"] for item in response["output"] for part in item.get("content", ())),
            *(item["arguments"] for item in response["output"] if "arguments" in item),
        ]
    )


async def run_turn(site: Site, turn: Turn, previous: str | None, background: bool) -> str | None:
    """One turn, checked; returns the response to go on from, if there is one."""
    _, end = turn
    body = {"input": "Hi.", "stream": True, "background": background, "previous_response_id": previous}
    exchange = site.begin("POST", "/v1/responses", body)
    if end == "cancel" and background:
        said = b""
        while b"response.created" not in said:
            said += await exchange.piece()
        response = json.loads(parse_stream(said + b"data: [DONE]")[0][1])["response"]["id"]
        await site.post(f"/v1/responses/{response}/cancel")
        said += await take_all(exchange, stop=False)
        assert check_events(parse_stream(said))["status"] == "cancelled"
        return previous  # it may have been cancelled before its turn began
    said = await take_all(exchange, stop=end in ("hang up", "cancel"))
    if said.startswith(b'{"error"'):
        assert end in ("refused", "timeout")
        return previous
    if end in ("hang up", "cancel"):
        order = EventOrder()
        for name, data in read_begun(said):
            order.take(name, data)
        if background:  # it runs on, and would keep the engine from the next
            await site.post(f"/v1/responses/{order.response}/cancel")
            return previous
        return order.response
    told = check_events(parse_stream(said))
    await check_kept(site, told)
    return str(told["id"])


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(TURNS, st.booleans())
def test_any_turns_are_told_in_order(turns: list[Turn], background: bool) -> None:
    async def main() -> None:
        async with scripted(turns) as site:
            previous: str | None = None
            for turn in turns:
                previous = await run_turn(site, turn, previous, background)

    asyncio.run(main())
