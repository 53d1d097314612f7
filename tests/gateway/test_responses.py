"""POST, GET and DELETE /v1/responses: what is said is answered, remembered, and found again."""

import asyncio

from tests.gateway.replying import ask, kinds, open_site, read_response, sent, text_of
from turnkeep.engine.base import ReasoningDelta, ToolCallDelta

TOOL = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}
CALL = ToolCallDelta(index=0, call_id="c1", name="add", arguments='{"a":1}')


def test_a_request_is_answered_and_found_again() -> None:
    async def run() -> None:
        async with open_site(["Hello."]) as site:
            made = await ask(site, "Hi.", instructions="Be brief.", metadata={"a": "b"}, temperature=0.5)
            assert (made["status"], text_of(made)) == ("completed", "Hello.")
            assert (made["instructions"], made["metadata"], made["temperature"]) == (
                "Be brief.",
                {"a": "b"},
                0.5,
            )
            assert made["turnkeep"]["turn"] == 1
            found = read_response(await site.get(f"/v1/responses/{made['id']}"))
            assert found == made | {"completed_at": found["completed_at"]}

    asyncio.run(run())


def test_a_stream_ends_with_what_is_found_again() -> None:
    async def run() -> None:
        async with open_site([[ReasoningDelta("hm"), "Hel", "lo."]]) as site:
            made = await ask(site, "Hi.", stream=True)
            assert kinds(made["output"]) == ["reasoning", "message"]
            found = read_response(await site.get(f"/v1/responses/{made['id']}"))
            assert found == made | {"completed_at": found["completed_at"]}

    asyncio.run(run())


def test_a_chain_reads_what_was_said_before() -> None:
    async def run() -> None:
        async with open_site(["one", "two"]) as site:
            first = await ask(site, "My name is Ann.", instructions="Be brief.")
            second = await ask(site, "What is my name?", previous_response_id=first["id"])
            assert second["previous_response_id"] == first["id"]
            # Instructions are not inherited.
            assert sent(site) == ["My name is Ann.", "one", "What is my name?"]
            assert second["instructions"] is None

    asyncio.run(run())
