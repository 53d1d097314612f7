"""openai-agents with its OpenAIConversationsSession: the agent's memory is a conversation of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import openai
import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)

from tests.gateway.asgi import LIMIT_SECONDS, Site
from turnkeep.engine.base import End, ToolCallDelta
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.gateway.server import Listener
from turnkeep.testing import Step

pytestmark = pytest.mark.real_engine

NO_TRACES = RunConfig(tracing_disabled=True)


def make_agent(client: openai.AsyncOpenAI) -> Agent[None]:
    return Agent(
        name="Helper",
        instructions="Answer briefly.",
        model=OpenAIResponsesModel("any", client),
        model_settings=ModelSettings(max_tokens=24, temperature=0),
    )


def open_client(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)


@contextlib.asynccontextmanager
async def listening(replies: Sequence[Sequence[Step]]) -> AsyncIterator[str]:
    """A gateway over a real socket, whose engine answers by script."""
    settings = ServeSettings(embeddings="off", port=0, grace_seconds=0.0)
    async with Site(replies=replies, settings=settings) as site:
        listener = Listener(site.app, settings)
        await listener.start()
        try:
            yield f"{listener.url}/v1"
        finally:
            await asyncio.wait_for(listener.stop(), LIMIT_SECONDS)


def test_an_agents_session_is_kept(gateway_url: str) -> None:
    async def script() -> None:
        async with open_client(gateway_url) as client:
            session = OpenAIConversationsSession(openai_client=client)
            agent = make_agent(client)
            first = await Runner.run(agent, "My name is Ann.", session=session, run_config=NO_TRACES)
            assert first.final_output
            second = await Runner.run(agent, "What is my name?", session=session, run_config=NO_TRACES)
            items = await session.get_items()
            roles = [item["role"] for item in items]  # type: ignore[typeddict-item]  # messages all
            assert roles == ["user", "assistant", "user", "assistant"]
            assert second.raw_responses[0].usage.input_tokens > first.raw_responses[0].usage.input_tokens
            # Another process, with the id alone, sees the same.
            again = OpenAIConversationsSession(conversation_id=session.session_id, openai_client=client)
            assert await again.get_items(2) == items[2:]
            assert await again.pop_item() == items[-1]
            assert await session.get_items() == items[:-1]
            await session.clear_session()
            with pytest.raises(openai.NotFoundError):
                await again.get_items()

    asyncio.run(script())


def test_an_agents_streamed_run_ends_with_what_was_streamed(gateway_url: str) -> None:
    async def script() -> None:
        async with open_client(gateway_url) as client:
            session = OpenAIConversationsSession(openai_client=client)
            run = Runner.run_streamed(make_agent(client), "Say hello.", session=session, run_config=NO_TRACES)
            pieces = [
                event.data.delta
                async for event in run.stream_events()
                if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
            ]
            assert "".join(pieces) == run.final_output
            assert len(await session.get_items()) == 2

    asyncio.run(script())


def test_an_agents_tool_makes_the_round() -> None:
    looked: list[str] = []

    @function_tool
    def look(place: str) -> str:
        """Look at a place."""
        looked.append(place)
        return "It is blue."

    # The small model calls no tools, so one by script does.
    call = ToolCallDelta(index=0, call_id="call_1", name="look", arguments='{"place": "the sky"}')
    replies: list[list[Step]] = [[call, End(finish_reason="tool_calls")], ["Blue."]]

    async def script() -> None:
        async with listening(replies) as url, open_client(url) as client:
            session = OpenAIConversationsSession(openai_client=client)
            agent = make_agent(client).clone(tools=[look])
            done = await Runner.run(agent, "Look at the sky.", session=session, run_config=NO_TRACES)
            assert looked == ["the sky"]
            assert done.final_output == "Blue."
            kinds = [item["type"] for item in await session.get_items()]
            assert kinds == ["message", "function_call", "function_call_output", "message"]

    asyncio.run(script())
