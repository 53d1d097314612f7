"""The official client, on the real llama.cpp, over a real socket: sync, async, streamed, conversations, WebSocket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.engines import RealEngine
from tests.event_order import check_events
from tests.gateway.asgi import LIMIT_SECONDS
from turnkeep.gateway.app import App
from turnkeep.gateway.gateway import Gateway, ServeSettings
from turnkeep.gateway.server import Listener

pytestmark = pytest.mark.real_engine


@contextlib.asynccontextmanager
async def serving(llama: RealEngine, folder: Path) -> AsyncIterator[str]:
    """A gateway in front of a real engine; gives the address that clients take."""
    settings = ServeSettings(
        embeddings="off", port=0, engines=(llama.url,), db=folder / "kept.db", grace_seconds=0.0
    )
    gateway = Gateway(settings)
    await gateway.open()
    listener = Listener(App(gateway), settings)
    await listener.start()
    try:
        yield f"{listener.url}/v1"
    finally:
        await asyncio.wait_for(listener.stop(), LIMIT_SECONDS)
        await gateway.close()


def run(script: Callable[[openai.AsyncOpenAI], Awaitable[None]], llama: RealEngine, folder: Path) -> None:
    async def main() -> None:
        async with (
            serving(llama, folder) as url,
            openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client,
        ):
            await script(client)

    asyncio.run(main())


def run_sync(script: Callable[[openai.OpenAI], None], llama: RealEngine, folder: Path) -> None:
    async def main() -> None:
        async with serving(llama, folder) as url:
            with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
                await asyncio.to_thread(script, client)

    asyncio.run(main())


def test_a_chain_is_made_read_and_deleted(llama: RealEngine, tmp_path: Path) -> None:
    async def script(client: openai.AsyncOpenAI) -> None:
        first = await client.responses.create(input="My name is Ann.", max_output_tokens=8)
        assert first.output_text
        second = await client.responses.create(
            input="What is my name?", previous_response_id=first.id, max_output_tokens=8
        )
        assert second.usage is not None
        assert first.usage is not None
        # The engine read the new message only: what stood before it was in its cache.
        assert second.usage.input_tokens > first.usage.input_tokens
        assert second.usage.input_tokens_details.cached_tokens >= first.usage.input_tokens - 1
        found = await client.responses.retrieve(second.id)
        assert found.output_text == second.output_text
        items = await client.responses.input_items.list(second.id)
        assert [item.type async for item in items] == ["message"]
        counted = await client.responses.input_tokens.count(input="My name is Ann.")
        assert counted.input_tokens == first.usage.input_tokens
        await client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(first.id)
        await client.responses.create(input="And?", previous_response_id=second.id, max_output_tokens=8)

    run(script, llama, tmp_path)


def test_a_stream_is_read_by_the_clients_own_machine(llama: RealEngine, tmp_path: Path) -> None:
    async def script(client: openai.AsyncOpenAI) -> None:
        async with client.responses.stream(model="any", input="Say hello.", max_output_tokens=12) as stream:
            kinds = [event.type async for event in stream]
        assert kinds[0] == "response.created"
        assert kinds[-1] in ("response.completed", "response.incomplete")
        raw = await client.responses.create(input="Say hello.", max_output_tokens=12, stream=True)
        final = check_events([(event.type, event.to_json()) async for event in raw])
        found = await client.responses.retrieve(final["id"])
        assert found.output_text == final["output"][0]["content"][0]["text"]

    run(script, llama, tmp_path)


def test_a_whole_stream_gives_its_final_response(llama: RealEngine, tmp_path: Path) -> None:
    def script(client: openai.OpenAI) -> None:
        # At 0, since a reply that is drawn at random may go on until the window is full: then it is incomplete.
        with client.responses.stream(model="any", input="Say hello.", temperature=0) as stream:
            text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            assert stream.get_final_response().output_text == text

    run_sync(script, llama, tmp_path)


class Point(BaseModel):
    x: int
    y: int


def test_a_schema_is_kept_to(llama: RealEngine, tmp_path: Path) -> None:
    async def script(client: openai.AsyncOpenAI) -> None:
        parsed = await client.responses.parse(
            input="Name a point.", text_format=Point, max_output_tokens=200, temperature=0
        )
        assert parsed.status == "incomplete" or isinstance(parsed.output_parsed, Point)

    run(script, llama, tmp_path)


def test_a_conversation_is_kept_by_id(llama: RealEngine, tmp_path: Path) -> None:
    def script(client: openai.OpenAI) -> None:
        conversation = client.conversations.create(
            metadata={"a": "b"}, items=[{"role": "user", "content": "My name is Ann.", "type": "message"}]
        )
        reply = client.responses.create(
            input="What is my name?", conversation=conversation.id, max_output_tokens=8
        )
        assert reply.conversation is not None
        assert reply.conversation.id == conversation.id
        items = client.conversations.items.list(conversation.id, order="asc", limit=2)
        listed = list(items)  # all pages
        assert [item.type for item in listed] == ["message"] * 3
        reply_id = listed[-1].id
        assert reply_id == reply.output[0].id
        shown = client.conversations.items.retrieve(str(reply_id), conversation_id=conversation.id)
        assert shown.id == reply_id
        added = client.conversations.items.create(
            conversation.id, items=[{"role": "user", "content": "x", "type": "message"}]
        )
        assert len(added.data) == 1
        client.conversations.items.delete(str(added.data[0].id), conversation_id=conversation.id)
        assert len(list(client.conversations.items.list(conversation.id))) == 3
        assert client.conversations.update(conversation.id, metadata={"c": "d"}).metadata == {"c": "d"}
        assert client.conversations.delete(conversation.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.conversations.retrieve(conversation.id)

    run_sync(script, llama, tmp_path)


def test_a_background_response_is_polled_and_followed(llama: RealEngine, tmp_path: Path) -> None:
    async def script(client: openai.AsyncOpenAI) -> None:
        made = await client.responses.create(input="Say hello.", background=True, max_output_tokens=12)
        assert made.status == "queued"
        stream = await client.responses.retrieve(made.id, stream=True)
        final = check_events([(event.type, event.to_json()) async for event in stream])
        assert final["status"] in ("completed", "incomplete")
        assert (await client.responses.retrieve(made.id)).status == final["status"]

    run(script, llama, tmp_path)


def test_a_websocket_carries_a_chain_that_is_stored_nowhere(llama: RealEngine, tmp_path: Path) -> None:
    async def script(client: openai.AsyncOpenAI) -> None:
        async with client.responses.connect() as connection:
            previous: dict[str, Any] = {}
            for _ in range(2):
                await connection.response.create(
                    input="Say hello.", store=False, max_output_tokens=8, **previous
                )
                events: list[tuple[str, str]] = []
                async for event in connection:
                    events.append((event.type, event.to_json()))
                    if event.type in ("response.completed", "response.incomplete"):
                        break
                previous = {"previous_response_id": check_events(events)["id"]}

    run(script, llama, tmp_path)


def test_errors_are_the_clients_own(llama: RealEngine, tmp_path: Path) -> None:
    def script(client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="hosted elsewhere"):
            client.responses.create(input="x", tools=[{"type": "web_search"}])
        with pytest.raises(openai.NotFoundError) as missing:
            client.responses.create(input="x", previous_response_id="resp_1")
        assert missing.value.code == "previous_response_not_found"
        with pytest.raises(openai.BadRequestError) as overflow:
            client.responses.create(input="word " * 6_000)
        assert overflow.value.code == "context_length_exceeded"

    run_sync(script, llama, tmp_path)
