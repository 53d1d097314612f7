"""Both interfaces of a gateway with a masked prompt: kept and not kept, streamed and whole."""

import json
from typing import Any

import pytest

from tests.gateways import Answered, Caller, run_gateway
from tests.privacy import person
from turnkeep.testing import ScriptedEngine

RESPONSES, CHATS = "/v1/responses", "/v1/chat/completions"


def body_for(path: str, text: str) -> dict[str, Any]:
    return {"input": text} if path == RESPONSES else {"messages": [{"role": "user", "content": text}]}


def shown(path: str, answered: Answered, *, stream: bool) -> str:
    assert answered.status == 200, answered.raw
    if not stream:
        body = answered.body
        return str(
            body["output"][0]["content"][0]["text"]
            if path == RESPONSES
            else body["choices"][0]["message"]["content"]
        )
    events = [
        json.loads(line[6:]) for line in answered.raw.decode().splitlines() if line.startswith("data: {")
    ]
    if path == RESPONSES:
        return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", [RESPONSES, CHATS])
def test_the_model_reads_marks_and_the_client_values(path: str, stream: bool, store: bool) -> None:
    engine = ScriptedEngine(lambda request: list(f"You said: {request.messages[-1]['content']}"))

    async def script(caller: Caller) -> str:
        body = {**body_for(path, person.SAID), "stream": stream, "store": store}
        return shown(path, await caller.post(path, body), stream=stream)

    assert run_gateway(script, engine, mask_prompt=True) == f"You said: {person.SAID}"
    read = json.dumps([list(request.messages) for request in engine.requests])
    assert [value for value in person.VALUES if value in read] == []
    assert "[EMAIL_1]" in read


def test_a_chain_keeps_its_marks_and_what_is_not_kept_adds_none() -> None:
    engine = ScriptedEngine(["Hello [EMAIL_1].", "[EMAIL_2]?", "[EMAIL_2] and [EMAIL_1]"])

    async def script(caller: Caller) -> list[str]:
        first = (await caller.post(RESPONSES, {"input": "I am anna@example.com"})).body
        aside = {"input": "and bob@example.com", "previous_response_id": first["id"], "store": False}
        second = await caller.post(RESPONSES, aside)
        third = await caller.post(
            RESPONSES, {"input": "carl@example.com", "previous_response_id": first["id"]}
        )
        return [shown(RESPONSES, second, stream=False), shown(RESPONSES, third, stream=False)]

    assert run_gateway(script, engine, mask_prompt=True) == [
        "bob@example.com?",
        "carl@example.com and anna@example.com",
    ]
    assert [message["content"] for message in engine.requests[2].messages] == [
        "I am [EMAIL_1]",
        "Hello [EMAIL_1].",
        "[EMAIL_2]",
    ]
