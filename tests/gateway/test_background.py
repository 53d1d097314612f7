"""Background responses run without a reader: polled, followed, cancelled, and never in progress for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.event_order import check_events, parse_stream
from tests.gateway.asgi import Exchange, Site
from tests.gateway.replying import ask, open_site, read_response, read_stream, sent, text_of
from turnkeep.conversation.items import user
from turnkeep.errors import EngineRefused
from turnkeep.gateway import background
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.ids import make_tag, parse_key, response_id
from turnkeep.store.ledger import NewResponse


def run(script: Callable[[Site], Awaitable[None]], replies: Any = (), **options: Any) -> None:
    async def main() -> None:
        async with open_site(replies, **options) as site:
            await script(site)

    asyncio.run(main())


async def begin(site: Site, **fields: Any) -> Any:
    made = read_response(await site.post("/v1/responses", {"input": "Hi.", "background": True, **fields}))
    assert (made["status"], made["output"], made["background"]) == ("queued", [], True)
    return made


async def settle(site: Site, response: str) -> Any:
    """Wait for the end of a response, and show it."""
    running = background.find_background(site.gateway, response)
    if running is not None:
        await asyncio.wait({running.task})
    return read_response(await site.get(f"/v1/responses/{response}"))


async def wait_for_engine(site: Site, requests: int = 1) -> None:
    while len(site.engine.requests) < requests:
        await asyncio.sleep(0)


async def rest_of(exchange: Exchange) -> bytes:
    return b"".join([message.get("body", b"") async for message in exchange.pieces()])


def test_a_response_runs_without_a_reader_and_is_fetched() -> None:
    async def script(site: Site) -> None:
        made = await begin(site)
        await wait_for_engine(site)
        found = read_response(await site.get(f"/v1/responses/{made['id']}"))
        assert found["status"] == "in_progress"
        go_on.set()
        done = await settle(site, made["id"])
        assert (done["status"], text_of(done), done["background"]) == ("completed", "Hello.", True)
        await ask(site, "And?", previous_response_id=made["id"])
        assert sent(site) == ["Hi.", "Hello.", "And?"]

    go_on = asyncio.Event()
    run(script, [["Hel", go_on, "lo."], "Yes."])


def test_a_stream_may_be_left_and_followed_from_where_it_was() -> None:
    async def script(site: Site) -> None:
        exchange = site.begin("POST", "/v1/responses", {"input": "Hi.", "background": True, "stream": True})
        said = b""
        while b"Hel" not in said:
            said += await exchange.piece()
        await exchange.hang_up()
        assert site.engine.stopped == 0
        events = parse_stream(said + b"data: [DONE]")
        response = said.split(b'"id":"')[1].split(b'"')[0].decode()
        follower = site.begin("GET", f"/v1/responses/{response}?stream=true&starting_after={len(events) - 1}")
        go_on.set()
        whole = check_events([*events, *parse_stream(await rest_of(follower))])
        done = await settle(site, response)
        assert (text_of(done), done["output"]) == ("Hello.", whole["output"])
        # The same from the database, from the beginning and from the middle.
        again = await site.get(f"/v1/responses/{response}?stream=true")
        assert read_stream(again)["output"] == done["output"]
        assert parse_stream(again.body)[: len(events)] == events
        middle = await site.get(f"/v1/responses/{response}?stream=true&starting_after=4")
        assert read_stream(middle, starting_after=4)["output"] == done["output"]
        last = len(parse_stream(again.body)) - 1
        over = await site.get(f"/v1/responses/{response}?stream=true&starting_after={last}")
        assert parse_stream(over.body) == []

    go_on = asyncio.Event()
    run(script, [["Hel", go_on, "lo."]])


def test_a_cancelled_response_keeps_what_was_said() -> None:
    async def script(site: Site) -> None:
        made = await begin(site)
        await wait_for_engine(site)
        got = read_response(await site.post(f"/v1/responses/{made['id']}/cancel"))
        assert (got["status"], text_of(got)) == ("cancelled", "Hel")
        assert site.engine.stopped == 1
        assert (await settle(site, made["id"]))["status"] == "cancelled"
        again = read_response(await site.post(f"/v1/responses/{made['id']}/cancel"))
        assert again["status"] == "cancelled"

    run(script, [["Hel", asyncio.Event(), "lo."]])


def test_a_cancelled_stream_ends() -> None:
    async def script(site: Site) -> None:
        exchange = site.begin("POST", "/v1/responses", {"input": "Hi.", "background": True, "stream": True})
        said = b""
        while b"Hel" not in said:
            said += await exchange.piece()
        response = said.split(b'"id":"')[1].split(b'"')[0].decode()
        await site.post(f"/v1/responses/{response}/cancel")
        assert check_events(parse_stream(said + await rest_of(exchange)))["status"] == "cancelled"

    run(script, [["Hel", asyncio.Event(), "lo."]])


def test_what_has_ended_stays_as_it_is() -> None:
    async def script(site: Site) -> None:
        made = await begin(site)
        await settle(site, made["id"])
        got = read_response(await site.post(f"/v1/responses/{made['id']}/cancel"))
        assert got["status"] == "completed"

    run(script)


@pytest.mark.parametrize("followed", [False, True])
def test_a_queued_response_is_deleted_before_its_turn_begins(
    followed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(site: Site) -> None:
        conversation = (await site.post("/v1/conversations", {})).json["id"]
        first = await begin(site, conversation=conversation)
        await wait_for_engine(site)
        second = await begin(site, input="Secret.", conversation=conversation)
        follower = site.begin("GET", f"/v1/responses/{second['id']}?stream=true") if followed else None
        assert (await site.delete(f"/v1/responses/{second['id']}")).status == 200
        assert (await site.get(f"/v1/responses/{second['id']}")).status == 404
        assert background.find_background(site.gateway, second["id"]) is None
        if follower is not None:
            await follower.hang_up()
        go_on.set()
        assert text_of(await settle(site, first["id"])) == "Hello."
        await ask(site, "And?", conversation=conversation)
        assert sent(site) == ["Hi.", "Hello.", "And?"]
        (row,) = await site.store.list_conversations("local")
        assert (row.id, row.turns) == (conversation, 2)

    go_on = asyncio.Event()
    run(script, [["Hel", go_on, "lo."], "Yes."])
    assert [each.getMessage() for each in caplog.records if each.levelname != "DEBUG"] == []


def test_only_background_responses_are_cancelled() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "Hi.")
        assert (await site.post(f"/v1/responses/{made['id']}/cancel")).status == 400
        assert (await site.post("/v1/responses/resp_1/cancel")).status == 404

    run(script)


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_is_told_by_the_response(stream: bool) -> None:
    async def script(site: Site) -> None:
        if stream:
            got = await site.post("/v1/responses", {"input": "Hi.", "background": True, "stream": True})
            failed = read_stream(got)
        else:
            failed = await settle(site, (await begin(site))["id"])
        assert (failed["status"], failed["error"]["message"]) == ("failed", "No.")
        found = read_response(await site.get(f"/v1/responses/{failed['id']}"))
        assert (found["status"], found["error"]) == ("failed", failed["error"])

    run(script, [["Hel", EngineRefused("No.")]])


def test_what_does_not_fit_fails_before_its_turn_begins() -> None:
    async def script(site: Site) -> None:
        made = await begin(site, input="word " * 5_000)
        failed = await settle(site, made["id"])
        assert failed["status"] == "failed"
        assert failed["error"] is not None

    run(script)


def test_events_that_were_not_kept_are_told_from_what_was_said() -> None:
    async def script(site: Site) -> None:
        done = await ask(site, "Hi.")
        assert await site.store.load_events("local", done["id"]) == []
        again = await site.get(f"/v1/responses/{done['id']}?stream=true")
        assert read_stream(again)["output"] == done["output"]

    run(script)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("watched", [False, True])
def test_a_replay_is_what_a_watcher_was_told_from_any_number_on(stream: bool, watched: bool) -> None:
    async def script(site: Site) -> None:
        live = b""
        if stream:
            body = {"input": "Hi.", "background": True, "stream": True}
            exchange = site.begin("POST", "/v1/responses", body)
            live = await exchange.piece()
            response = live.split(b'"id":"')[1].split(b'"')[0].decode()
            if not watched:
                await exchange.hang_up()
        else:
            response = (await begin(site))["id"]
            exchange = site.begin("GET", f"/v1/responses/{response}?stream=true")
            if watched:
                await wait_for_engine(site)
                live = await exchange.piece()
            else:
                await exchange.hang_up()
        go_on.set()
        if watched:
            live += await rest_of(exchange)
        done = await settle(site, response)
        whole = (await site.get(f"/v1/responses/{response}?stream=true")).body
        events = parse_stream(whole)
        assert check_events(events)["output"] == done["output"]
        assert sum(name == "response.output_text.delta" for name, _ in events) == 3
        assert whole == live or not watched
        for number in range(len(events)):
            after = await site.get(f"/v1/responses/{response}?stream=true&starting_after={number}")
            assert whole.endswith(after.body)
            assert parse_stream(after.body) == events[number + 1 :]

    go_on = asyncio.Event()
    run(script, [["Hel", go_on, "lo", "."]])


def test_a_number_beyond_the_end_gets_the_end_of_the_stream_alone() -> None:
    async def script(site: Site) -> None:
        made = await begin(site)
        await wait_for_engine(site)
        path = f"/v1/responses/{made['id']}?stream=true&starting_after=999999"
        exchange = site.begin("GET", path)
        go_on.set()
        live = await rest_of(exchange)
        await settle(site, made["id"])
        assert live == (await site.get(path)).body == b"data: [DONE]\n\n"

    go_on = asyncio.Event()
    run(script, [["Hel", go_on, "lo."]])


def test_what_a_watcher_was_told_is_kept_when_it_is_told() -> None:
    async def script(site: Site) -> None:
        made = await begin(site)
        follower = site.begin("GET", f"/v1/responses/{made['id']}?stream=true")
        said = b""
        while b"Hel" not in said:
            said += await follower.piece()
        told = parse_stream(said + b"data: [DONE]")
        kept = await site.store.load_events("local", made["id"])
        assert [data for _, data in kept][: len(told)] == [data for _, data in told]
        await follower.hang_up()

    run(script, [["Hel", asyncio.Event(), "lo."]])


def test_the_end_of_a_stream_that_broke_off_is_told_alike_ever_after() -> None:
    async def script(site: Site) -> None:
        made = await begin(site)
        done = await settle(site, made["id"])
        key = parse_key(done["id"])
        assert key is not None
        left = response_id(key, make_tag())
        head = {"echo": {"background": True}}
        await site.store.save_response(
            "local",
            NewResponse(
                id=left, created=1.0, status="queued", keeper="background:dead", model="first", head=head
            ),
        )
        told = (await site.get(f"/v1/responses/{left}?stream=true")).body
        assert [name for name, _ in parse_stream(told)][-1] == "response.failed"
        kept = [data for _, data in await site.store.load_events("local", left)]
        assert kept == [data for _, data in parse_stream(told)]
        assert (await site.get(f"/v1/responses/{left}?stream=true")).body == told

    run(script)


def test_a_gateway_that_closes_records_what_it_stops() -> None:
    async def main() -> None:
        store = EphemeralStore()
        site = open_site([["Hel", asyncio.Event(), "lo."]], store=_Kept(store))
        async with site:
            made = await begin(site)
            await wait_for_engine(site)
        async with open_site(store=store) as other:
            found = read_response(await other.get(f"/v1/responses/{made['id']}"))
            assert (found["status"], text_of(found)) == ("incomplete", "Hel")

    asyncio.run(main())


def test_what_a_dead_gateway_left_behind_has_failed() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "Hi.")
        key = parse_key(first["id"])
        assert key is not None
        left = response_id(key, make_tag())
        echo = {name: first[name] for name in ("background", "tools", "tool_choice", "parallel_tool_calls")}
        await site.store.save_response(
            "local",
            NewResponse(id=left, created=1.0, status="queued", keeper="background:dead", head={"echo": echo}),
        )
        events = ((await site.get(f"/v1/responses/{first['id']}?stream=true")).body).decode()
        begun = [(number, data) for number, (_, data) in enumerate(parse_stream(events.encode())[:2])]
        await site.store.save_events("local", left, begun)
        found = (await site.get(f"/v1/responses/{left}")).json
        assert found["status"] == "failed"
        followed = await site.get(f"/v1/responses/{left}?stream=true")
        names = [name for name, _ in parse_stream(followed.body)]
        assert names == ["response.created", "response.in_progress", "response.failed"]

    run(script)


@pytest.mark.parametrize("seen", ["never", "asked for", "said to have failed by an older version"])
def test_what_a_dead_gateway_was_answering_is_gone_on_from_and_deleted(seen: str) -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "Hi.")
        for number in (1, 2):
            left = await leave_open(site, first, f"Lost {number}.")
            if seen == "asked for":
                assert (await site.get(f"/v1/responses/{left}")).json["status"] == "failed"
            elif seen != "never":
                await site.store.mark_response("local", left, "failed")
            if number == 1:
                await ask(site, "And?", previous_response_id=left)
                assert sent(site) == ["Hi.", "Hello.", "And?"]
            else:
                assert (await site.delete(f"/v1/responses/{left}")).status == 200
                assert (await site.get(f"/v1/responses/{left}")).status == 404

    run(script, ["Hello.", "Yes."])


async def leave_open(site: Site, previous: Any, words: str) -> str:
    """Leave a response behind whose turn is open, and whose gateway has died."""
    row = await site.store.load_response("local", previous["id"])
    tip = (await site.store.load_turn("local", row.conversation, row.turn or 0)).tip
    begun = await site.store.hold_and_begin(
        "local", row.conversation, [user(words)], after=tip, subject=f"conversation:{row.conversation}",
        holder="elsewhere/1/dead", note="", now=1.0, seconds=1.0,
    )  # fmt: skip
    assert begun is not None
    assert begun.turn is not None
    left = response_id(parse_key(previous["id"]) or "", make_tag())
    await site.store.save_response(
        "local", NewResponse(id=left, created=1.0, turn=begun.turn.number, head={"given": 1})
    )
    return left


def test_a_gateway_elsewhere_is_followed_and_its_response_cancelled_through_the_store() -> None:
    async def main() -> None:
        store = EphemeralStore()
        async with (
            open_site([["Hel", asyncio.Event(), "lo."]], store=_Kept(store)) as site,
            open_site(store=_Kept(store)) as other,
        ):
            body = {"input": "Hi.", "background": True, "stream": True}
            exchange = site.begin("POST", "/v1/responses", body)
            said = b""
            while b"Hel" not in said:
                said += await exchange.piece()
            response = said.split(b'"id":"')[1].split(b'"')[0].decode()
            follower = other.begin("GET", f"/v1/responses/{response}?stream=true")
            await other.post(f"/v1/responses/{response}/cancel")
            ended = check_events(parse_stream(await rest_of(follower)))
            assert (ended["status"], text_of(ended)) == ("cancelled", "Hel")
            assert check_events(parse_stream(said + await rest_of(exchange))) == ended
        await store.close()

    asyncio.run(main())


class _Kept(EphemeralStore):
    """Another's store, which stays open when its gateway closes."""

    def __init__(self, store: EphemeralStore) -> None:
        self.__dict__ = {**store.__dict__}

    async def close(self) -> None:
        pass


def test_a_retry_of_a_background_request_finds_the_same_response() -> None:
    async def script(site: Site) -> None:
        keyed = {"idempotency-key": "k1"}
        body = {"input": "Hi.", "background": True}
        first = read_response(await site.post("/v1/responses", body, keyed))
        again = read_response(await site.post("/v1/responses", body, keyed))
        assert first["id"] == again["id"]
        await settle(site, first["id"])
        assert len(site.engine.requests) == 1

    run(script)
