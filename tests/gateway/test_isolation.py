"""For every route: what belongs to one key is, to another, not there."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.gateway.asgi import Got, Site
from tests.gateway.test_sockets import Line
from turnkeep.gateway.app import collect_routes
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.gateway.http import Route
from turnkeep.store.keys import digest_secret, make_secret

SECRET = "Xylophone-4711"  # what ana said, in every place that keeps words
KEYED = [
    route for route in collect_routes() if "{" in route.pattern and not route.pattern.startswith("/v1/models")
]


async def make_key(site: Site, name: str) -> dict[str, str]:
    secret = make_secret()
    await site.store.create_key(name, digest_secret(secret), now=0.0)
    return {"authorization": f"Bearer {secret}"}


async def make_things(site: Site, key: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What ana has: for each first part of a path, the values of its braces."""

    async def post(path: str, body: Any) -> Any:
        got = await site.post(path, body, key)
        assert got.status == 200, got.text
        return got.json

    item = {"type": "message", "role": "user", "content": SECRET}
    conversation = await post("/v1/conversations", {"items": [item], "metadata": {"note": SECRET}})
    items = (await site.get(f"/v1/conversations/{conversation['id']}/items", key)).json["data"]
    response = await post(
        "/v1/responses", {"input": SECRET, "instructions": SECRET, "metadata": {"note": SECRET}}
    )
    message = {"role": "user", "content": SECRET}
    chat = await post("/v1/chat/completions", {"model": "m", "messages": [message], "store": True})
    return {
        "responses": {"id": response["id"]},
        "conversations": {"id": conversation["id"], "item": items[0]["id"]},
        "chat": {"id": chat["id"]},
    }


def fill(route: Route, things: Mapping[str, Mapping[str, str]]) -> str:
    path = route.pattern
    for name, value in things[path.split("/")[2]].items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"{route.pattern} needs an id that the test does not make"
    return path


BODIES = {"/items": {"items": [{"type": "message", "role": "user", "content": "hi"}]}}


def body_of(route: Route) -> Any:
    if route.method != "POST":
        return None
    return next(
        (body for end, body in BODIES.items() if route.pattern.endswith(end)), {"metadata": {"a": "b"}}
    )


async def with_two_keys(check: Any) -> None:
    settings = ServeSettings(embeddings="off", require_key=True)
    async with Site(settings=settings, replies=lambda _request: f"You said {SECRET}.") as site:
        ana, ben = await make_key(site, "ana"), await make_key(site, "ben")
        await check(site, ana, ben, await make_things(site, ana))


def refused_without_a_word(got: Got) -> bool:
    return got.status == 404 and SECRET not in got.text and "error" in got.json


@pytest.mark.parametrize("route", KEYED, ids=lambda route: f"{route.method} {route.pattern}")
def test_somebody_elses_id_is_not_there(route: Route) -> None:
    async def check(site: Site, ana: Any, ben: Any, things: Any) -> None:
        path = fill(route, things)
        got = await site.call(route.method, path, body_of(route), ben)
        assert refused_without_a_word(got), f"{path}: {got.status} {got.text}"
        for name in ("responses", "conversations", "chat"):  # nothing of ana's has gone
            base = {"chat": "chat/completions"}.get(name, name)
            assert (await site.get(f"/v1/{base}/{things[name]['id']}", ana)).status == 200

    asyncio.run(with_two_keys(check))


def test_ids_in_bodies_are_looked_up_for_the_caller_alone() -> None:
    async def check(site: Site, _ana: Any, ben: Any, things: Any) -> None:
        for body in (
            {"input": "hi", "conversation": things["conversations"]["id"]},
            {"input": "hi", "conversation": {"id": things["conversations"]["id"]}},
            {"input": "hi", "previous_response_id": things["responses"]["id"]},
        ):
            for path in ("/v1/responses", "/v1/responses/input_tokens"):
                got = await site.post(path, body, ben)
                assert refused_without_a_word(got), f"{path} {body}: {got.status} {got.text}"
        sent = [request for request in site.engine.requests if "hi" in str(request.messages)]
        assert sent == []

    asyncio.run(with_two_keys(check))


def test_ids_in_other_places_are_looked_up_for_the_caller_alone() -> None:
    async def check(site: Site, _ana: Any, ben: Any, things: Any) -> None:
        conversation, response = things["conversations"]["id"], things["responses"]["id"]
        referred = [{"type": "item_reference", "id": things["conversations"]["item"]}]
        message = [{"role": "user", "content": "hi"}]
        for path, body, headers in (
            ("/v1/responses", {"input": referred}, {}),
            ("/v1/responses", {"input": "hi", "previous_response_id": response, "store": False}, {}),
            ("/v1/responses", {"input": "hi", "conversation": conversation, "background": True}, {}),
            ("/v1/responses/compact", {"previous_response_id": response}, {}),
            ("/v1/conversations", {"items": referred}, {}),
            ("/v1/chat/completions", {"messages": message, "conversation": conversation}, {}),
            ("/v1/chat/completions", {"messages": message}, {"x-conversation-id": conversation}),
        ):
            got = await site.post(path, body, {**ben, **headers})
            assert refused_without_a_word(got), f"{path} {body} {headers}: {got.status} {got.text}"

    asyncio.run(with_two_keys(check))


NAMED: dict[
    str, Callable[[Any], dict[str, Any]]
] = {  # what a request may name, and how, of things that another key made
    "previous_response_id": lambda things: {"previous_response_id": things["responses"]["id"]},
    "conversation": lambda things: {"conversation": things["conversations"]["id"]},
    "conversation.id": lambda things: {"conversation": {"id": things["conversations"]["id"]}},
    "item_reference": lambda things: {
        "input": [{"type": "item_reference", "id": things["conversations"]["item"]}]
    },
}
ASKED: dict[str, dict[str, Any]] = {  # how the WebSocket may be asked
    "stored": {},
    "not stored": {"store": False},
    "prepared": {"generate": False},
    "compacted": {"input": [{"type": "compaction_trigger"}]},
}


@pytest.mark.parametrize("way", ASKED)
@pytest.mark.parametrize("name", NAMED)
def test_over_a_web_socket_somebody_elses_id_is_not_there(name: str, way: str) -> None:
    async def check(site: Site, ana: Any, ben: Any, things: Any) -> None:
        body = {"input": "hi", **NAMED[name](things)}
        asked = ASKED[way] if "input" not in ASKED[way] else {"input": [*_items(body), *ASKED[way]["input"]]}
        before = len(site.engine.requests)
        line = Line(site, ben)
        assert (await line.message())["type"] == "websocket.accept"
        line.send({"type": "response.create", **body, **asked})
        told = await line.event()
        assert (told["type"], told["status"]) == ("error", 404), told
        assert SECRET not in str(told)
        assert len(site.engine.requests) == before
        # The connection serves its own key on, and what was asked for is there for its owner.
        assert SECRET not in str((await line.ask("hi again"))["turnkeep"])
        assert [SECRET in str(request.messages) for request in site.engine.requests[before:]] == [False]
        await line.hang_up()
        line = Line(site, ana)
        assert (await line.message())["type"] == "websocket.accept"
        line.send({"type": "response.create", **body, **asked})
        assert (await line.event())["type"] == "response.created"
        await line.hang_up()

    asyncio.run(with_two_keys(check))


def _items(body: Mapping[str, Any]) -> list[Any]:
    said = body["input"]
    return [{"type": "message", "role": "user", "content": said}] if isinstance(said, str) else list(said)


def test_a_retrys_key_is_its_owners() -> None:
    async def check(site: Site, ana: Any, ben: Any, _things: Any) -> None:
        body, same = {"input": "The same words."}, {"idempotency-key": "one"}
        first = (await site.post("/v1/responses", body, {**ana, **same})).json
        again = (await site.post("/v1/responses", body, {**ana, **same})).json
        other = (await site.post("/v1/responses", body, {**ben, **same})).json
        assert first["id"] == again["id"] != other["id"]

    asyncio.run(with_two_keys(check))


def test_lists_hold_what_is_ones_own() -> None:
    async def check(site: Site, ana: Any, ben: Any, _things: Any) -> None:
        assert len((await site.get("/v1/chat/completions", ana)).json["data"]) == 1
        assert (await site.get("/v1/chat/completions", ben)).json["data"] == []

    asyncio.run(with_two_keys(check))


def test_a_history_is_recognised_for_its_owner_alone() -> None:
    async def check(site: Site, ana: Any, ben: Any, _things: Any) -> None:
        history = [
            {"role": "user", "content": SECRET},
            {"role": "assistant", "content": f"You said {SECRET}."},
            {"role": "user", "content": "And now?"},
        ]
        body = {"model": "m", "messages": history}
        conversations = [
            (await site.post("/v1/chat/completions", body, key)).json["turnkeep"]["conversation"]
            for key in (ana, ben)
        ]
        assert conversations[0] != conversations[1]

    asyncio.run(with_two_keys(check))
