"""POST, GET and DELETE /v1/responses: what is said is answered, remembered, and found again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.event_order import check_events, parse_stream
from tests.gateway.asgi import Site
from tests.gateway.replying import ask, kinds, open_site, read_response, read_stream, sent, text_of
from turnkeep.context.strategy import NAMES
from turnkeep.engine.base import End, ReasoningDelta, Request, ToolCallDelta
from turnkeep.errors import EngineRefused, EngineUnreachable
from turnkeep.gateway import background, retries
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.testing import ScriptedEngine, Step

TOOL = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}
CALL = ToolCallDelta(index=0, call_id="c1", name="add", arguments='{"a":1}')


def run(script: Callable[[Site], Awaitable[None]], replies: Any = (), **options: Any) -> None:
    async def main() -> None:
        async with open_site(replies, **options) as site:
            await script(site)

    asyncio.run(main())


# -- asking -----------------------------------------------------------------------------


def test_a_request_is_answered_and_found_again() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "Hi.", instructions="Be brief.", metadata={"a": "b"}, temperature=0.5)
        assert (made["status"], text_of(made)) == ("completed", "Hello.")
        assert (made["instructions"], made["metadata"]) == ("Be brief.", {"a": "b"})
        assert (made["turnkeep"]["turn"], made["usage"]["output_tokens"]) == (1, 2)
        found = read_response(await site.get(f"/v1/responses/{made['id']}"))
        assert found == made | {"completed_at": found["completed_at"]}
        assert site.engine.requests[0].temperature == 0.5

    run(script, ["Hello."])


def test_a_stream_ends_with_what_is_found_again() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "Hi.", stream=True)
        assert kinds(made["output"]) == ["reasoning", "message"]
        found = read_response(await site.get(f"/v1/responses/{made['id']}"))
        assert found == made | {"completed_at": found["completed_at"]}

    run(script, [[ReasoningDelta("hm"), "Hel", "lo."]])


def test_an_empty_reply_is_an_empty_text_however_it_is_read() -> None:
    async def script(site: Site) -> None:
        for stream in (False, True):
            made = await ask(site, "Hi.", stream=stream)
            assert (kinds(made["output"]), text_of(made)) == (["message"], "")
            found = read_response(await site.get(f"/v1/responses/{made['id']}"))
            assert found["output"] == made["output"]

    run(script, ["", ""])


def test_no_input_asks_all_the_same() -> None:
    async def script(site: Site) -> None:
        made = read_response(await site.post("/v1/responses", {}))
        assert text_of(made) == "ok"

    run(script)


def test_what_is_asked_for_reaches_the_engine() -> None:
    async def script(site: Site) -> None:
        form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
        await ask(
            site, "Hi.", tools=[TOOL], tool_choice="required", text={"format": form}, max_output_tokens=50
        )
        request = site.engine.requests[0]
        assert request.max_tokens == 50
        assert [tool["function"]["name"] for tool in request.tools] == ["add"]  # type: ignore[index]  # JSON
        assert request.sampling["tool_choice"] == "required"
        schema = {"name": "n", "schema": {"type": "object"}}
        assert request.sampling["response_format"] == {"type": "json_schema", "json_schema": schema}

    run(script)


def test_an_image_is_passed_on() -> None:
    async def script(site: Site) -> None:
        url = "data:image/png;base64,AA=="
        parts = [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": url},
        ]
        made = await ask(site, [{"role": "user", "content": parts}])
        content = site.engine.requests[0].messages[-1]["content"]
        assert content[-1] == {"type": "image_url", "image_url": {"url": url}}
        listed = (await site.get(f"/v1/responses/{made['id']}/input_items")).json
        assert listed["data"][0]["content"][1]["image_url"] == url

    run(script)


def test_another_models_name_is_answered_by_the_engines_model_and_said() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "Hi.", model="gpt-5")
        assert (made["model"], made["turnkeep"]["asked_model"]) == ("script", "gpt-5")

    run(script)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": "x", "tools": [{"type": "web_search"}]}, 400, "tools[0].type"),
        ({"input": "x", "prompt": {"id": "p"}}, 400, "prompt"),
        (
            {"input": "x", "previous_response_id": "resp_1", "conversation": "conv_1"},
            400,
            "previous_response_id",
        ),
        ({"input": "x", "previous_response_id": "resp_1"}, 404, "previous_response_id"),
        ({"input": "x", "conversation": "conv_1"}, 404, "conversation"),
        ({"input": [{"type": "function_call_output", "call_id": "c9", "output": "1"}]}, 400, "input"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, 404, "input[0]"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, 400, "input[0].encrypted_content"),
    ],
)
def test_what_cannot_be_served_is_refused_and_leaves_nothing_behind(
    body: dict[str, Any], status: int, param: str
) -> None:
    async def script(site: Site) -> None:
        for stream in (False, True):
            got = await site.post("/v1/responses", body | {"stream": stream})
            assert (got.status, got.error["param"]) == (status, param)
        assert (await site.store.stats()).conversations == 0
        assert site.engine.requests == []

    run(script)


# -- going on -------------------------------------------------------------------------------


def test_a_chain_reads_what_was_said_before_but_not_its_instructions() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "My name is Ann.", instructions="Be brief.")
        second = await ask(site, "What is my name?", previous_response_id=first["id"])
        assert sent(site) == ["My name is Ann.", "one", "What is my name?"]
        assert (second["previous_response_id"], second["instructions"]) == (first["id"], None)
        third = await ask(site, "And?", previous_response_id=second["id"], instructions="Shout.")
        assert sent(site)[0] == "Shout."
        assert text_of(third) == "three"

    run(script, ["one", "two", "three"])


def test_two_continuations_of_one_response_do_not_see_each_other() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "a")
        left = await ask(site, "b", previous_response_id=first["id"])
        right = await ask(site, "c", previous_response_id=first["id"])
        await ask(site, "d", previous_response_id=left["id"])
        assert sent(site) == ["a", "1", "b", "2", "d"]
        await ask(site, "e", previous_response_id=right["id"])
        assert sent(site) == ["a", "1", "c", "3", "e"]

    run(script, ["1", "2", "3", "4", "5"])


def test_a_tool_is_called_and_its_output_goes_on_from_the_call() -> None:
    async def script(site: Site) -> None:
        called = await ask(site, "1 + 1?", tools=[TOOL])
        assert kinds(called["output"]) == ["function_call"]
        output = {"type": "function_call_output", "call_id": "c1", "output": "2"}
        done = await ask(site, [output], tools=[TOOL], previous_response_id=called["id"])
        assert text_of(done) == "It is 2."
        messages = site.engine.requests[-1].messages
        assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
        assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == "c1"
        listed = (await site.get(f"/v1/responses/{done['id']}/input_items")).json["data"]
        assert [(item["type"], item["output"]) for item in listed] == [("function_call_output", "2")]

    run(script, [[CALL, End(finish_reason="tool_calls")], "It is 2."])


def test_a_result_answers_a_call_that_is_open() -> None:
    async def script(site: Site) -> None:
        call = {"type": "function_call", "call_id": "c9", "name": "add", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "c9", "output": "2"}
        said = {"role": "user", "content": "Well?"}
        first = await ask(site, [said, call, output])
        for given, previous in (
            ([output, call, said], None),
            ([said, call, said, output], None),
            ([said, call, output, output], None),
            ([output], first["id"]),
        ):
            got = await site.post("/v1/responses", {"input": given, "previous_response_id": previous})
            assert (got.status, got.error["param"]) == (400, "input")
            assert "'c9'" in got.error["message"]
        assert len(site.engine.requests) == 1

    run(script)


def test_of_two_clients_that_send_the_result_of_one_call_to_a_conversation_one_is_refused() -> None:
    go = asyncio.Event()

    async def script(site: Site) -> None:
        talk = (await site.post("/v1/conversations", {})).json["id"]
        await ask(site, "1 + 1?", tools=[TOOL], conversation=talk)
        output = {"type": "function_call_output", "call_id": "c1", "output": "2"}
        body = {"input": [output], "tools": [TOOL], "conversation": talk}
        first = asyncio.create_task(site.post("/v1/responses", body))
        while len(site.engine.requests) < 2:
            await asyncio.sleep(0)
        second = asyncio.create_task(site.post("/v1/responses", body))
        # Something else is answered meanwhile, so that the second waits for the conversation.
        await ask(site, "Hm.")
        go.set()
        answered, refused = await first, await second
        assert answered.status == 200
        assert (refused.status, refused.error["param"]) == (400, "input")
        assert "'c1'" in refused.error["message"]
        await ask(site, "And?", conversation=talk)
        roles = [message["role"] for message in site.engine.requests[-1].messages]
        assert roles == ["user", "assistant", "tool", "assistant", "user"]

    run(script, [[CALL, End(finish_reason="tool_calls")], ["It is ", go, "2."], "Yes.", "So."])


def test_a_streamed_call_has_the_ids_that_are_found_again() -> None:
    async def script(site: Site) -> None:
        called = await ask(site, "1 + 1?", tools=[TOOL], stream=True)
        found = read_response(await site.get(f"/v1/responses/{called['id']}"))
        assert found["output"] == called["output"]
        assert kinds(found["output"]) == ["message", "function_call", "function_call"]

    second = ToolCallDelta(index=1, call_id="c2", name="add", arguments="{}")
    run(script, [["I add.", CALL, second, End(finish_reason="tool_calls")]])


def test_an_item_that_is_referred_to_is_said_again_unless_it_is_gone_on_from() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "a")
        reply = {"type": "item_reference", "id": first["output"][0]["id"]}
        await ask(site, [reply, {"role": "user", "content": "b"}], previous_response_id=first["id"])
        assert sent(site) == ["a", "1", "b"]
        await ask(site, [{"role": "user", "content": "c"}, reply, {"role": "user", "content": "d"}])
        assert sent(site) == ["c", "1", "d"]

    run(script, ["1", "2", "3"])


def test_a_call_that_is_referred_to_may_be_answered() -> None:
    async def script(site: Site) -> None:
        called = await ask(site, "1 + 1?", tools=[TOOL])
        output = {"type": "function_call_output", "call_id": "c1", "output": "2"}
        reference = {"type": "item_reference", "id": called["output"][0]["id"]}
        await ask(site, [{"role": "user", "content": "1 + 1?"}, reference, output], tools=[TOOL])
        assert [message["role"] for message in site.engine.requests[-1].messages] == [
            "user",
            "assistant",
            "tool",
        ]

    run(script, [[CALL, End(finish_reason="tool_calls")], "2"])


def test_a_fact_of_the_first_turn_is_read_in_the_tenth_though_the_window_holds_no_ten() -> None:
    engine = ScriptedEngine(lambda request: "I see, thank you. " * 8, window=512)

    async def main() -> None:
        async with open_site(engines=[engine], strategy=NAMES) as site:
            previous: str | None = None
            said = ["My dog is called Rex.", *(f"Tell me of day {n}. " * 12 for n in range(8))]
            for content in said:
                previous = (await ask(site, content, previous_response_id=previous))["id"]
            last = await ask(site, "How is my dog called?", previous_response_id=previous)
            read = "\n".join(str(message["content"]) for message in engine.requests[-1].messages)
            assert "Rex" in read
            verbatim = last["turnkeep"]["verbatim"]
            assert verbatim[0][0] > 1  # the first turn is not read word for word any more

    asyncio.run(main())


# -- what is not stored ---------------------------------------------------------------------


def test_what_is_not_to_be_stored_is_answered_and_nowhere_kept() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "a secret", store=False)
        assert (made["store"], text_of(made)) == (False, "one")
        assert (await site.get(f"/v1/responses/{made['id']}")).status == 404
        got = await site.post("/v1/responses", {"input": "x", "previous_response_id": made["id"]})
        assert (got.status, got.error["code"]) == (404, "previous_response_not_found")
        stats = await site.store.stats()
        assert (stats.conversations, stats.items) == (0, 0)

    run(script, ["one"])


def test_a_chain_is_read_but_not_extended_by_what_is_not_stored() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "a")
        aside = await ask(
            site, "b", previous_response_id=first["id"], store=False, stream=True, instructions="Shout."
        )
        assert sent(site) == ["Shout.", "a", "1", "b"]
        assert (await site.get(f"/v1/responses/{aside['id']}")).status == 404
        await ask(site, "c", previous_response_id=first["id"])
        assert sent(site) == ["a", "1", "c"]

    run(script, ["1", "2", "3"])


def test_the_server_says_what_a_missing_store_means() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "a")
        assert (await site.get(f"/v1/responses/{made['id']}")).status == 404
        kept = await ask(site, "a", store=True)
        assert (await site.get(f"/v1/responses/{kept['id']}")).status == 200

    run(script, settings=ServeSettings(embeddings="off", store_default=False))


# -- listing and deleting ----------------------------------------------------------------------


def test_the_input_of_a_response_is_listed_in_pages() -> None:
    async def script(site: Site) -> None:
        said = [{"role": "user" if n % 2 else "assistant", "content": str(n)} for n in range(5)]
        made = await ask(site, [{"role": "developer", "content": "Be brief."}, *said])
        path = f"/v1/responses/{made['id']}/input_items"
        none = (await site.get(f"{path}?limit=0")).json
        assert (none["data"], none["has_more"]) == ([], True)
        newest = (await site.get(f"{path}?limit=4")).json
        assert [item["content"][0]["text"] for item in newest["data"]] == ["4", "3", "2", "1"]
        assert newest["has_more"]
        rest = (await site.get(f"{path}?limit=4&after={newest['last_id']}")).json
        assert [item["role"] for item in rest["data"]] == ["assistant", "developer"]
        assert not rest["has_more"]
        assert len((await site.get(f"{path}?order=asc")).json["data"]) == 6

    run(script)


@pytest.mark.parametrize("query", ["limit=101", "limit=x", "order=up", "limit=-1"])
def test_a_page_that_makes_no_sense_is_refused(query: str) -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "a")
        got = await site.get(f"/v1/responses/{made['id']}/input_items?{query}")
        assert got.error["param"] == query.split("=")[0]

    run(script)


def test_a_deleted_response_is_gone_and_its_descendants_are_whole() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "a")
        second = await ask(site, "b", previous_response_id=first["id"])
        got = await site.delete(f"/v1/responses/{first['id']}")
        assert got.json == {"id": first["id"], "object": "response.deleted", "deleted": True}
        assert (await site.get(f"/v1/responses/{first['id']}")).status == 404
        assert (await site.delete(f"/v1/responses/{first['id']}")).status == 404
        await ask(site, "c", previous_response_id=second["id"])
        assert sent(site) == ["a", "1", "b", "2", "c"]

    run(script, ["1", "2", "3"])


def test_deleting_the_last_response_of_a_chain_leaves_no_word() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "a secret")
        second = await ask(site, "b", previous_response_id=first["id"])
        await site.delete(f"/v1/responses/{first['id']}")
        await site.delete(f"/v1/responses/{second['id']}")
        stats = await site.store.stats()
        assert (stats.conversations, stats.items, stats.text_bytes) == (0, 0, 0)

    run(script)


def test_the_tokens_of_a_prompt_are_counted_without_keeping_it() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "one two three")
        before = await site.store.stats()
        alone = (await site.post("/v1/responses/input_tokens", {"input": "one two three"})).json
        chain = (
            await site.post(
                "/v1/responses/input_tokens",
                {"input": "one two three", "previous_response_id": first["id"]},
            )
        ).json
        assert alone["object"] == "response.input_tokens"
        assert first["usage"]["input_tokens"] == alone["input_tokens"] < chain["input_tokens"]
        assert (await site.store.stats()).items == before.items
        assert (await site.store.stats()).conversations == before.conversations

    run(script)


# -- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_cannot_be_reached_is_told_with_its_status(stream: bool) -> None:
    async def script(site: Site) -> None:
        got = await site.post("/v1/responses", {"input": "x", "stream": stream})
        assert got.status == 502
        assert "x-should-retry" not in got.headers  # it has begun nothing

    run(script, [[EngineUnreachable("Nobody answers.")]])


def test_an_engine_that_breaks_off_is_not_to_be_asked_again_by_the_client() -> None:
    async def script(site: Site) -> None:
        got = await site.post("/v1/responses", {"input": "x"})
        assert got.status == 502
        assert got.headers["x-should-retry"] == "false"

    run(script, [["Hel", EngineRefused("The engine fell over.")]])


def test_a_stream_that_breaks_off_ends_as_failed_and_is_kept_so() -> None:
    async def script(site: Site) -> None:
        failed = await ask(site, "Hi.", stream=True)
        assert failed["status"] == "failed"
        assert failed["error"]["message"] == "The engine fell over."
        found = read_response(await site.get(f"/v1/responses/{failed['id']}"))
        assert (found["status"], found["error"]) == ("failed", failed["error"])
        assert found["output"] == failed["output"]
        # What failed is not read again; what goes on from it hangs on what was before.
        await ask(site, "Again.", previous_response_id=failed["id"])
        assert sent(site) == ["Again."]

    run(script, [["Hel", EngineRefused("The engine fell over.")], "Hello."])


def test_a_reply_that_is_too_long_is_incomplete() -> None:
    async def script(site: Site) -> None:
        for stream in (False, True):
            made = await ask(site, "Hi.", stream=stream, max_output_tokens=1)
            assert (made["status"], made["incomplete_details"]) == (
                "incomplete",
                {"reason": "max_output_tokens"},
            )
            assert made["output"][0]["status"] == "incomplete"
            found = read_response(await site.get(f"/v1/responses/{made['id']}"))
            assert found["output"] == made["output"]

    run(script, [["Hel", End(finish_reason="length")]] * 2)


def test_input_that_does_not_fit_is_refused_or_cut_as_asked() -> None:
    async def script(site: Site) -> None:
        said = [{"role": "user", "content": "word " * 600}, {"role": "user", "content": "Hi."}]
        got = await site.post("/v1/responses", {"input": said})
        assert (got.status, got.error["code"]) == (400, "context_length_exceeded")
        made = await ask(site, said, truncation="auto")
        assert made["turnkeep"]["input_items_left_out"] == 1
        assert sent(site)[-1].endswith("Hi.")
        assert "word " * 300 not in "".join(sent(site))
        # Nothing that was said is lost: it is shown, and goes with its response alone.
        path = f"/v1/responses/{made['id']}"
        listed = (await site.get(f"{path}/input_items?order=asc")).json["data"]
        assert [item["content"][0]["text"] for item in listed] == ["word " * 600, "Hi."]
        assert read_response(await site.get(path))["output"] == made["output"]
        again = await ask(site, "And?", previous_response_id=made["id"])
        for response in (again, made):
            assert (await site.delete(f"/v1/responses/{response['id']}")).status == 200
        assert (await site.store.stats()).conversations == 0

    engine = ScriptedEngine(["Hello."], window=512)

    async def main() -> None:
        async with open_site(engines=[engine]) as site:
            site.engine = engine
            await script(site)

    asyncio.run(main())


def test_a_client_that_hangs_up_stops_the_engine_and_what_was_said_is_kept() -> None:
    async def script(site: Site) -> None:
        exchange = site.begin("POST", "/v1/responses", {"input": "Hi.", "stream": True})
        said = b""
        while b"Hel" not in said:
            said += await exchange.piece()
        await exchange.hang_up()
        assert site.engine.stopped == 1
        response = said.split(b'"id":"')[1].split(b'"')[0].decode()
        found = read_response(await site.get(f"/v1/responses/{response}"))
        assert (found["status"], text_of(found)) == ("incomplete", "Hel")
        await ask(site, "And?", previous_response_id=response)
        assert sent(site) == ["Hi.", "Hel", "And?"]

    run(script, [["Hel", asyncio.Event(), "lo."], "Yes."])


def test_a_response_that_is_under_way_cannot_be_gone_on_from_nor_deleted() -> None:
    async def script(site: Site) -> None:
        exchange = site.begin("POST", "/v1/responses", {"input": "Hi.", "stream": True})
        said = await exchange.piece()
        response = said.split(b'"id":"')[1].split(b'"')[0].decode()
        found = read_response(await site.get(f"/v1/responses/{response}"))
        assert found["status"] == "in_progress"
        got = await site.post("/v1/responses", {"input": "x", "previous_response_id": response})
        assert got.status == 409
        assert (await site.delete(f"/v1/responses/{response}")).status == 409
        go_on.set()
        rest = b"".join([message["body"] async for message in exchange.pieces()])
        assert check_events(parse_stream(said + rest))["status"] == "completed"

    go_on = asyncio.Event()
    run(script, [["Hel", go_on, "lo."]])


def test_the_events_of_a_response_that_has_ended_are_told_again() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "Hi.")
        again = read_stream(await site.get(f"/v1/responses/{made['id']}?stream=true"))
        assert again["output"] == made["output"]
        rest = await site.get(f"/v1/responses/{made['id']}?stream=true&starting_after=3")
        assert read_stream(rest, starting_after=3)["output"] == made["output"]
        assert (await site.get(f"/v1/responses/{made['id']}?stream=maybe")).error["param"] == "stream"
        assert (await site.get("/v1/responses/resp_1?stream=true")).status == 404

    run(script, ["Hello."])


# -- retries -------------------------------------------------------------------------------------


KEYED = {"idempotency-key": "k1"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_makes_no_second_turn(stream: bool) -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "Hi.", KEYED, stream=stream)
        again = await ask(site, "Hi.", KEYED, stream=stream)
        assert again["id"] == first["id"]
        assert again["output"] == first["output"]
        assert len(site.engine.requests) == 1

    run(script, ["Hello."])


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_waits_for_the_first_to_end(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, began, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(seconds: float) -> None:
        waits.set()
        await go_on.wait()

    def answer(request: Request) -> list[Step]:
        began.set()
        return ["Hel", go_on, "lo."]

    async def script(site: Site) -> None:
        monkeypatch.setattr(background, "_pause", wait)
        monkeypatch.setattr(retries, "_pause", wait)
        first = site.begin("POST", "/v1/responses", {"input": "Hi.", "stream": stream}, KEYED)
        await began.wait()
        again = site.begin("POST", "/v1/responses", {"input": "Hi.", "stream": stream}, KEYED)
        await waits.wait()
        go_on.set()
        read = read_stream if stream else read_response
        told, found = read(await first.whole()), read(await again.whole())
        assert (told["id"], told["output"]) == (found["id"], found["output"])
        assert len(site.engine.requests) == 1

    run(script, answer)


def test_a_key_stands_for_one_request() -> None:
    async def script(site: Site) -> None:
        await ask(site, "Hi.", KEYED)
        got = await site.post("/v1/responses", {"input": "Ho."}, KEYED)
        assert (got.status, got.error["code"]) == (409, "idempotency_key_reused")

    run(script)


def test_a_key_of_a_request_that_was_refused_is_free_again() -> None:
    async def script(site: Site) -> None:
        got = await site.post("/v1/responses", {"input": "Hi.", "previous_response_id": "resp_1"}, KEYED)
        assert got.status == 404
        await ask(site, "Hi.", KEYED)

    run(script)


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_of_what_failed_is_told_that_it_failed(stream: bool) -> None:
    async def script(site: Site) -> None:
        body = {"input": "Hi.", "stream": stream}
        first = await site.post("/v1/responses", body, KEYED)
        again = await site.post("/v1/responses", body, KEYED)
        assert first.status == 502
        if stream:
            assert read_stream(again)["status"] == "failed"
        else:
            assert (again.status, again.headers["x-should-retry"]) == (502, "false")
        assert len(site.engine.requests) == 1

    run(script, [[EngineRefused("No.")]])


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_of_what_the_engine_refused_is_refused_as_it_was(stream: bool) -> None:
    async def script(site: Site) -> None:
        body = {"input": "Hi.", "stream": stream}
        first, again = [await site.post("/v1/responses", body, KEYED) for _ in range(2)]
        assert (first.status, again.status, again.error) == (400, 400, first.error)
        assert again.headers.get("x-should-retry") == first.headers.get("x-should-retry")
        assert len(site.engine.requests) == 1

    run(script, [[EngineRefused("No.", http_status=400)]])


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_of_what_was_broken_off_before_a_word_was_said_is_answered_anew(stream: bool) -> None:
    async def script(site: Site) -> None:
        broken = site.begin("POST", "/v1/responses", {"input": "Hi.", "stream": stream}, KEYED)
        while not site.engine.requests:
            await asyncio.sleep(0)
        await broken.hang_up()
        again = await ask(site, "Hi.", KEYED, stream=stream)
        assert text_of(again) == "Hello."
        assert len(site.engine.requests) == 2

    run(script, [[asyncio.Event()], "Hello."])


def test_a_key_means_nothing_where_nothing_is_stored() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, "Hi.", KEYED, store=False)
        again = await ask(site, "Hi.", KEYED, store=False)
        assert first["id"] != again["id"]

    run(script)
