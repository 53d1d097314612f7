"""The gateway's own OpenAPI document, tried out by schemathesis: whatever is sent, no fault of ours is answered.

For longer: SCHEMA_EXAMPLES=500 pytest tests/gateway/test_schema.py
"""

import asyncio
import json
import os
import warnings
from typing import Any
from urllib.parse import urlencode

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.gateway.asgi import Site
from turnkeep.gateway.app import collect_routes
from turnkeep.gateway.openapi import describe_routes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its own dependencies are told is not our concern
    import schemathesis

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "2"))  # of a few requests each
AT_ONCE = 6
DOCUMENT = json.loads(json.dumps(describe_routes(collect_routes())))  # as it goes over the wire
FOUND: Any = schemathesis.openapi.from_dict(
    DOCUMENT
).get_all_operations()  # Any: results, each ok or an error
OPERATIONS = [found.ok() for found in FOUND]
UNSET = schemathesis.core.NOT_SET


async def make_ids(site: Site) -> dict[str, dict[str, str]]:
    """Things that are there: for each first part of a path, the values of its braces."""
    item = {"type": "message", "role": "user", "content": "Hello."}
    conversation = (await site.post("/v1/conversations", {"items": [item]})).json["id"]
    items = (await site.get(f"/v1/conversations/{conversation}/items")).json["data"]
    response = (await site.post("/v1/responses", {"input": "Hello.", "background": True})).json["id"]
    asked = {"messages": [{"role": "user", "content": "Hello."}], "store": True}
    chat = (await site.post("/v1/chat/completions", asked)).json["id"]
    return {
        "responses": {"id": response},
        "conversations": {"id": conversation, "item": items[0]["id"]},
        "chat": {"id": chat},
    }


async def send(
    site: Site, case: Any, ids: dict[str, dict[str, str]] | None
) -> None:  # Any: schemathesis' Case
    path = case.formatted_path
    if ids is not None:  # in place of what was made up
        path = case.operation.path
        first = path.removeprefix("/v1/").split("/")[0]
        for name, value in ids.get(first, {"id": "script"}).items():
            path = path.replace(f"{{{name}}}", value)
    query = urlencode({name: str(value) for name, value in (case.query or {}).items()})
    body = None if case.body is UNSET else json.dumps(case.body).encode()
    got = await site.call(case.method, f"{path}?{query}" if query else path, body)
    assert got.status < 500, f"{case.method} {path} {case.body!r}: {got.status} {got.text}"
    if got.status >= 400:
        assert got.error["message"], got.text


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_the_document_lets_pass_is_answered(operation: Any) -> None:
    tried = st.lists(st.tuples(operation.as_strategy(), st.booleans()), min_size=AT_ONCE, max_size=AT_ONCE)

    @given(tried)
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),  # made-up JSON is large and slow to make
    )
    def try_out(cases: list[tuple[Any, bool]]) -> None:
        async def main() -> None:
            async with Site(replies=lambda _request: "ok") as site:
                ids = await make_ids(site)
                for case, living in cases:
                    await send(site, case, ids if living else None)

        asyncio.run(main())

    try_out()
