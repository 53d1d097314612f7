"""Chat completions with the official client, on the real llama.cpp: histories, names, streams, stored ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.engines import RealEngine
from tests.gateway.test_official import run, run_sync

pytestmark = pytest.mark.real_engine

TITLE = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."


def user(text: str) -> ChatCompletionMessageParam:
    return {"role": "user", "content": text}


def receipt(answered: Any) -> dict[str, Any]:
    """turnkeep's field, which the client's types do not know and keep all the same."""
    return cast(dict[str, Any], answered.turnkeep)


def test_a_history_that_is_resent_is_read_no_second_time(llama: RealEngine, tmp_path: Path) -> None:
    def script(client: openai.OpenAI) -> None:
        messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Answer briefly. " * 20}]
        receipts = []
        for text in ("My name is Ada.", "What is my name?", "Are you sure?"):
            messages.append(user(text))
            answered = client.chat.completions.create(
                model="gpt-4o", messages=messages, max_tokens=12, temperature=0
            )
            reply = answered.choices[0].message.content or ""
            messages.append({"role": "assistant", "content": f" {reply} \n"})
            receipts.append(receipt(answered))
            # A side request between the turns costs the chat nothing.
            titled = client.chat.completions.create(model="gpt-4o", messages=[user(TITLE)], max_tokens=4)
            assert "conversation" not in receipt(titled)
        assert [each["turn"] for each in receipts] == [1, 2, 3]
        assert len({each["conversation"] for each in receipts}) == 1
        assert all(each["read_tokens"] < 60 < each["reused_tokens"] for each in receipts[1:])

    run_sync(script, llama, tmp_path)


def test_a_named_conversation_takes_what_is_new_and_streams_it(llama: RealEngine, tmp_path: Path) -> None:
    async def script(client: openai.AsyncOpenAI) -> None:
        for turn, text in enumerate(("My name is Ada.", "What is my name?"), 1):
            stream = await client.chat.completions.create(
                model="gpt-4o",
                messages=[user(text)],
                max_tokens=12,
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"conversation": "trip"},
            )
            chunks = [chunk async for chunk in stream]
            assert chunks[0].choices[0].delta.role == "assistant"
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
            last = chunks[-1]
            assert last.usage is not None
            assert last.usage.completion_tokens <= 12
            assert receipt(last)["turn"] == turn
            assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)

    run(script, llama, tmp_path)


def test_a_stream_that_is_left_stops_the_engine_and_is_kept(llama: RealEngine, tmp_path: Path) -> None:
    async def script(client: openai.AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(
            model="m",
            messages=[user("Tell me a long story.")],
            stream=True,
            extra_body={"conversation": "story"},
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
        answered = await client.chat.completions.create(
            model="m", messages=[user("Go on.")], max_tokens=4, extra_body={"conversation": "story"}
        )
        assert receipt(answered)["turn"] == 2

    run(script, llama, tmp_path)


def test_stored_completions_are_served(llama: RealEngine, tmp_path: Path) -> None:
    def script(client: openai.OpenAI) -> None:
        made = client.chat.completions.create(
            model="m", messages=[user("Hi")], max_tokens=4, store=True, metadata={"topic": "sky"}
        )
        completions = client.chat.completions
        assert completions.retrieve(made.id).choices == made.choices
        assert [each.id for each in completions.list(metadata={"topic": "sky"})] == [made.id]
        assert [each.id for each in completions.list(metadata={"topic": "sea"})] == []
        assert completions.update(made.id, metadata={"topic": "sea"}).metadata == {"topic": "sea"}
        assert [each.content for each in completions.messages.list(made.id)] == ["Hi"]
        assert completions.delete(made.id).deleted
        with pytest.raises(openai.NotFoundError):
            completions.retrieve(made.id)

    run_sync(script, llama, tmp_path)


def test_500_messages_to_a_small_window_are_answered(
    start_llama: Callable[..., RealEngine], tmp_path: Path
) -> None:
    def script(client: openai.OpenAI) -> None:
        messages: list[Any] = [
            {"role": ("user", "assistant")[n % 2], "content": f"Message {n}: " + "some words " * 8}
            for n in range(500)
        ]
        messages.append(user("What now?"))
        answered = client.chat.completions.create(model="m", messages=messages, max_tokens=8)
        found = receipt(answered)
        assert answered.choices[0].message.content
        assert found["turn"] == 251
        assert found["prompt_tokens"] < 1_024
        assert sum(last - first + 1 for first, last in found["left_out"]) > 200

    run_sync(script, start_llama(window=1_024), tmp_path)


def test_tools_make_the_round(llama: RealEngine, tmp_path: Path) -> None:
    def script(client: openai.OpenAI) -> None:
        messages: list[Any] = [
            user("Which colour has the sky?"),
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "call00001", "type": "function", "function": {"name": "look", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "call00001", "content": "blue"},
        ]
        tools: list[Any] = [
            {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        ]
        answered = client.chat.completions.create(model="m", messages=messages, tools=tools, max_tokens=8)
        assert receipt(answered)["turn"] == 2

    run_sync(script, llama, tmp_path)


def test_refusals_are_the_client_s_errors(llama: RealEngine, tmp_path: Path) -> None:
    def script(client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="m", messages=[user("Hi")], n=2)
        assert refused.value.param == "n"
        with pytest.raises(openai.BadRequestError) as long:
            client.chat.completions.create(model="m", messages=[user("word " * 9_000)])
        assert long.value.code == "context_length_exceeded"

    run_sync(script, llama, tmp_path)
