"""Whatever is sent, the answer is an answer: never a fault of our own, always the envelope."""

import asyncio
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from tests.gateway.asgi import Site
from turnkeep.gateway.app import collect_routes

ROUTES = collect_routes()
FIELDS = sorted(
    {name for route in ROUTES for name in (route.body or {}).get("properties", {})}
    | {
        "content",
        "role",
        "type",
        "call_id",
        "name",
        "arguments",
        "output",
        "text",
        "id",
        "image_url",
        "function",
    }
)
WORDS = [
    "user",
    "assistant",
    "system",
    "tool",
    "message",
    "function_call",
    "function_call_output",
    "input_text",
]
WORDS += [
    "input_image",
    "reasoning",
    "auto",
    "none",
    "compaction",
    "json_schema",
    "function",
    "web_search",
    "conv_x",
    "",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = SCALARS | st.sampled_from(WORDS) | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
PARTS = st.text("abc_0%./ é\0", min_size=1, max_size=6) | st.sampled_from(
    ["conv_x", "resp_1", "msg_é", "chatcmpl-"]
)
QUERIES = st.dictionaries(
    st.sampled_from(["limit", "order", "after", "stream", "starting_after", "include", "include[]", "model"]),
    st.sampled_from(["", "0", "1", "-1", "99999999999999999999", "asc", "true", "x", "é"]),
    max_size=3,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, Any]:
    route = draw(st.sampled_from(ROUTES))
    parts = route.pattern.split("/")
    path = "/".join(draw(PARTS).replace("/", "%2F") if part.startswith("{") else part for part in parts)
    query = "&".join(f"{name}={value}" for name, value in draw(QUERIES).items())
    known = sorted((route.body or {}).get("properties", {})) or FIELDS
    body = draw(st.dictionaries(st.sampled_from(known), VALUES, max_size=5))
    required = {name: draw(st.text(min_size=1) | VALUES) for name in (route.body or {}).get("required", ())}
    return route.method, f"{path}?{query}" if query else path, {**body, **required}


@given(st.lists(requests(), min_size=8, max_size=8))
@settings(max_examples=25, deadline=None)
def test_nothing_that_is_sent_is_a_fault_of_ours(sent: list[tuple[str, str, Any]]) -> None:
    async def run() -> None:
        async with Site(replies=lambda _request: "ok") as site:
            for method, path, body in sent:
                got = await site.call(method, path, body if method == "POST" else None)
                assert got.status < 500, f"{method} {path} {body}: {got.status} {got.text}"
                if got.status >= 400:
                    assert got.error["message"], got.text
                    assert set(got.error) >= {"message", "type", "param", "code"}

    asyncio.run(run())
