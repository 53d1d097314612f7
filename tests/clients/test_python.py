"""The official client for Python, sync and async, against `turnkeep serve` as it is started."""

import asyncio
from collections.abc import Iterator

import openai
import pytest
from pydantic import BaseModel

from tests.event_order import check_events

pytestmark = pytest.mark.real_engine


class Colour(BaseModel):
    red: bool


@pytest.fixture
def client(gateway_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=gateway_url, api_key="none", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def test_responses_are_chained(client: openai.OpenAI) -> None:
    first = client.responses.create(model="any", input="My name is Ann.", max_output_tokens=24)
    second = client.responses.create(
        model="any", input="What is my name?", previous_response_id=first.id, max_output_tokens=24
    )
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens_details.cached_tokens >= first.usage.input_tokens - 1
    assert client.responses.retrieve(second.id).output == second.output
    assert [item.type for item in client.responses.input_items.list(second.id)] == ["message"]
    counted = client.responses.input_tokens.count(model="any", input="My name is Ann.")
    assert counted.input_tokens == first.usage.input_tokens


def test_streams_are_read_by_the_clients_own_machine(client: openai.OpenAI) -> None:
    with client.responses.stream(model="any", input="My name is Ana.", temperature=0) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == text
    raw = client.responses.create(model="any", input="My name is Ana.", temperature=0, stream=True)
    assert check_events([(event.type, event.to_json()) for event in raw])["output"]


def test_what_is_parsed_has_the_form_asked_for(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(
        model="any", input="Is it red?", text_format=Colour, max_output_tokens=60, temperature=0
    )
    assert isinstance(parsed.output_parsed, Colour)


def test_a_background_response_is_polled_followed_and_cancelled(gateway_url: str) -> None:
    async def script() -> None:
        async with openai.AsyncOpenAI(base_url=gateway_url, api_key="none", max_retries=0) as client:
            live = await client.responses.create(
                model="any", input="Say hello.", background=True, max_output_tokens=24, stream=True
            )
            events = [event async for event in live]
            final = check_events([(event.type, event.to_json()) for event in events])
            assert (await client.responses.retrieve(final["id"])).status == final["status"]
            rest = await client.responses.retrieve(final["id"], stream=True, starting_after=2)
            assert [event async for event in rest] == events[3:]
            long = await client.responses.create(model="any", input="Tell a long story.", background=True)
            cancelled = await client.responses.cancel(long.id)
            assert cancelled.status in ("cancelled", "completed")  # it may have ended by then
            assert (await client.responses.retrieve(long.id)).status == cancelled.status

    asyncio.run(script())


def test_conversations_and_items_are_kept(client: openai.OpenAI) -> None:
    conversation = client.conversations.create(
        metadata={"a": "b"}, items=[{"type": "message", "role": "user", "content": "My name is Ann."}]
    )
    reply = client.responses.create(
        model="any", input="What is my name?", conversation=conversation.id, max_output_tokens=24
    )
    listed = list(client.conversations.items.list(conversation.id, order="asc", limit=2))
    assert listed[-1].id == reply.output[0].id
    assert len(listed) == 3
    client.conversations.items.delete(str(listed[0].id), conversation_id=conversation.id)
    assert len(list(client.conversations.items.list(conversation.id))) == 2
    assert client.conversations.update(conversation.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert client.conversations.delete(conversation.id).deleted


def test_chat_completions_are_stored_and_streamed(client: openai.OpenAI) -> None:
    completions = client.chat.completions
    made = completions.create(
        model="any", messages=[{"role": "user", "content": "Hi"}], max_tokens=24, store=True
    )
    assert completions.retrieve(made.id).choices == made.choices
    assert [each.id for each in completions.list()][-1] == made.id
    with completions.stream(
        model="any", messages=[{"role": "user", "content": "Hi"}], max_tokens=24
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        assert stream.get_final_completion().choices[0].message.content == text
    assert completions.delete(made.id).deleted


def test_models_are_listed_and_refusals_are_the_clients_own(client: openai.OpenAI) -> None:
    (model,) = client.models.list()
    assert client.models.retrieve(model.id) == model
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("another")
    with pytest.raises(openai.BadRequestError, match="hosted"):
        client.responses.create(model="any", input="x", tools=[{"type": "web_search"}])


def test_embeddings_are_near_where_the_meaning_is(embedding_url: str) -> None:
    texts = ["My dog is ill.", "The puppy needs a vet.", "Interest rates rose again."]
    with openai.OpenAI(base_url=embedding_url, api_key="none", max_retries=0) as client:
        # Asked for no form, the client asks for base64 and unpacks it; strict, it would refuse its own request's answer.
        made = client.embeddings.create(model="any", input=texts)
        strict = client.with_options(_extra_kwargs={"_strict_response_validation": True})
        plain = strict.embeddings.create(model="any", input=texts[0], encoding_format="float")
        with pytest.raises(openai.BadRequestError) as refused:
            client.embeddings.create(model="any", input=texts, dimensions=7)
    assert [row.index for row in made.data] == [0, 1, 2]
    assert {len(row.embedding) for row in made.data} == {384}
    assert plain.data[0].embedding == pytest.approx(made.data[0].embedding, abs=1e-6)
    dog, puppy, rates = (row.embedding for row in made.data)
    assert _cosine(dog, puppy) > _cosine(dog, rates) + 0.2
    assert made.usage.total_tokens > 0
    assert refused.value.param == "dimensions"


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))  # both are of length 1
