"""LangChain's ChatOpenAI over the Responses interface: what it continues, it names by id."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

pytestmark = pytest.mark.real_engine


def make_model(url: str, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=url,
        api_key=SecretStr("none"),
        model="any",
        max_completion_tokens=8,
        temperature=0,
        max_retries=0,
        **options,
    )


def make_chained(url: str) -> ChatOpenAI:
    return make_model(url, use_responses_api=True, use_previous_response_id=True)


def test_langchain_sends_what_is_new_and_is_remembered(gateway_url: str) -> None:
    model = make_chained(gateway_url)
    messages: list[BaseMessage] = [SystemMessage("Answer briefly."), HumanMessage("My name is Ann.")]
    read = []
    for text in ("What is my name?", "Are you sure?", "Thank you."):
        reply = model.invoke(messages)
        assert reply.text
        assert reply.usage_metadata is not None
        read.append(reply.usage_metadata["input_tokens"])
        messages += [reply, HumanMessage(text)]
    # Each request sent one message; what the engine read grew with the conversation.
    assert read == sorted(set(read))
    assert reply.usage_metadata is not None
    details = reply.usage_metadata["input_token_details"]
    assert details["cache_read"] > 0


def test_langchain_streams(gateway_url: str) -> None:
    async def script() -> None:
        model = make_chained(gateway_url)
        whole: Any = None
        async for chunk in model.astream("Say hello."):
            whole = chunk if whole is None else whole + chunk
        assert whole.text
        again = await model.ainvoke(
            [
                HumanMessage("Say hello."),
                AIMessage(whole.content, response_metadata=whole.response_metadata),
                HumanMessage("Again."),
            ]
        )
        assert again.text

    asyncio.run(script())


def test_langchains_chat_completions_are_recognised(gateway_url: str) -> None:
    model = make_model(gateway_url, use_responses_api=False)
    messages: list[BaseMessage] = [HumanMessage("My name is Ann.")]
    first = model.invoke(messages)
    second = model.invoke([*messages, first, HumanMessage("What is my name?")])
    assert first.usage_metadata is not None
    assert second.usage_metadata is not None
    assert (
        second.usage_metadata["input_token_details"]["cache_read"] >= first.usage_metadata["input_tokens"] - 1
    )
