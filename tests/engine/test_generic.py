"""An engine of which only the API is known: models, window, errors; on a strict fake server."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from tests.engine.fake_server import Answer, Exchange, FakeServer

from turnkeep.engine.base import EngineInfo, Warmed
from turnkeep.engine.client import EngineClient, Retries
from turnkeep.engine.generic import DEFAULT_WINDOW, GenericEngine, ServedModel, choose_model, settle_window
from turnkeep.errors import ContextOverflow, EngineProtocolError, EngineRefused, UsageError
from turnkeep.wire.exchange import Request

MODELS, CHAT = "/v1/models", "/v1/chat/completions"
HI = Request(messages=[{"role": "user", "content": "Hi"}])
AT_ONCE = Retries(unreachable=0, not_ready=0)


def listing(*models: dict[str, Any]) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.json({"object": "list", "data": [*models]})

    return answer


def answering(value: object, status: int = 200) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.json(value, status)

    return answer


async def say_hi(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.say("Hi")
    await exchange.say(finish="length")
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": exchange.body.get("seed", 7)},
    }
    await exchange.event({"choices": [], "usage": usage})
    await exchange.done()


def probe(models: Answer, **options: Any) -> EngineInfo:
    async def main() -> EngineInfo:
        async with FakeServer({MODELS: models}) as server:
            return await GenericEngine(EngineClient(server.url, retries=AT_ONCE), **options).probe()

    return asyncio.run(main())


# -- models and windows


def test_the_served_model_and_its_window_are_found() -> None:
    info = probe(listing({"id": "qwen", "max_model_len": 32768, "owned_by": "vllm"}))
    assert (info.kind, info.model, info.models) == ("generic", "qwen", ("qwen",))
    assert (info.window, info.window_source, info.notices) == (32768, "loaded", ())
    assert (info.counts, info.takes_minus_one, info.reports_cache) == (False, False, False)


def test_the_window_in_meta_counts_too() -> None:
    assert probe(listing({"id": "qwen", "meta": {"n_ctx": 8192}})).window == 8192


def test_an_unknown_window_is_assumed_small_with_a_notice() -> None:
    info = probe(listing({"id": "qwen"}))
    assert (info.window, info.window_source) == (DEFAULT_WINDOW, "default")
    assert "4,096" in info.notices[0]
    assert "--window" in info.notices[0]


def test_a_window_that_the_person_gives_is_taken_where_none_is_told() -> None:
    info = probe(listing({"id": "qwen"}), window=20000)
    assert (info.window, info.window_source, info.notices) == (20000, "user", ())


def test_the_first_of_several_models_is_used_with_a_notice() -> None:
    info = probe(listing({"id": "a", "max_model_len": 4096}, {"id": "b"}))
    assert info.model == "a"
    assert "--model" in info.notices[0]
    named = probe(listing({"id": "a"}, {"id": "b", "max_model_len": 4096}), model="b")
    assert (named.model, named.notices) == ("b", ())


def test_a_model_that_is_not_served_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"does not serve 'c': choose one of a, b\."):
        probe(listing({"id": "a"}, {"id": "b"}), model="c")


@pytest.mark.parametrize(
    ("served", "named", "sent"),
    [
        (ServedModel(id="qwen3:latest"), "qwen3", "qwen3:latest"),  # Ollama
        (ServedModel(id="openai/*"), "openai/gpt", "openai/gpt"),  # LiteLLM
        (ServedModel(id="/models/a.gguf", aliases=("/models/a.gguf",)), "a.gguf", "/models/a.gguf"),
        (ServedModel(id="C:\\models\\a.gguf"), "a.gguf", "C:\\models\\a.gguf"),
        (ServedModel(id="a", aliases=("b",)), "b", "a"),
    ],
)
def test_a_model_may_be_named_as_people_do(served: ServedModel, named: str, sent: str) -> None:
    assert choose_model([ServedModel(id="other"), served], named, "The engine").id == sent


def test_an_engine_that_serves_nothing_is_said() -> None:
    with pytest.raises(UsageError, match="serves no model: load one"):
        probe(listing())


def test_an_engine_without_a_list_takes_the_model_that_is_named() -> None:
    missing = answering({"error": {"message": "not found"}}, 404)
    info = probe(missing, model="qwen")
    assert (info.model, info.models, info.window) == ("qwen", (), DEFAULT_WINDOW)
    with pytest.raises(EngineProtocolError, match=r"lists no models at /v1/models: .*--model"):
        probe(missing)


@pytest.mark.parametrize("value", [{"status": "ok"}, [], {"data": "x"}, None])
def test_json_that_is_no_list_of_models_is_no_engine(value: object) -> None:
    with pytest.raises(EngineProtocolError, match="not as an OpenAI-style API"):
        probe(answering(value))


def test_entries_that_are_no_models_are_passed_over() -> None:
    assert probe(listing({"id": 5}, {"name": "x"}, {"id": "a", "aliases": "x", "meta": []})).models == ("a",)


def test_a_refused_key_is_said() -> None:
    with pytest.raises(EngineRefused, match="--api-key"):
        probe(answering({"error": "Unauthorized"}, 401))


@pytest.mark.parametrize(
    ("loaded", "wanted", "settled"),
    [
        (8192, None, (8192, "loaded", ())),
        (8192, 4096, (4096, "user", ())),
        (8192, 8192, (8192, "user", ())),
        (None, 9000, (9000, "user", ())),
    ],
)
def test_a_window_is_settled(loaded: int | None, wanted: int | None, settled: object) -> None:
    assert settle_window(loaded, wanted, "The engine") == settled


@pytest.mark.parametrize(
    ("wanted", "words"),
    [(8193, "8,193 tokens is more than the 8,192"), (0, "holds nothing"), (-5, "holds nothing")],
)
def test_a_window_that_cannot_be_had_is_refused_with_the_number(wanted: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        settle_window(8192, wanted, "The engine at http://x")


# -- calls


def test_a_probe_is_kept_until_asked_anew_or_after_an_outage() -> None:
    async def main() -> None:
        async with FakeServer({MODELS: listing({"id": "a"})}) as server:
            client = EngineClient(server.url)
            engine = GenericEngine(client)
            await engine.probe()
            await engine.probe()
            assert len(server.seen) == 1
            await engine.probe(refresh=True)
            assert len(server.seen) == 2
            client.outages += 1  # it was away: something else may be loaded now
            await engine.probe()
            await engine.probe()
            assert len(server.seen) == 3

    asyncio.run(main())


def test_a_request_names_the_model_and_carries_what_is_given() -> None:
    async def main() -> Any:
        async with FakeServer({MODELS: listing({"id": "a"}), CHAT: say_hi}) as server:
            engine = GenericEngine(EngineClient(server.url))
            request = Request(messages=HI.messages, max_tokens=5, sampling={"top_k": 1})
            async with aclosing(engine.stream(request)) as deltas:
                assert [type(delta).__name__ async for delta in deltas] == ["TextDelta", "End"]
            return server.seen[-1].body

    assert asyncio.run(main()) == {
        "model": "a",
        "messages": HI.messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "top_k": 1,
    }


def overflow(window: int) -> Answer:
    return answering(
        {"error": {"message": f"This model's maximum context length is {window} tokens. However, your prompt contains 5010 input tokens."}},
        400,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "window", "source"), [(2048, 2048, "learned"), (4096, 4096, "default"), (9999, 4096, "default")]
)
def test_an_overflow_teaches_a_smaller_window(told: int, window: int, source: str) -> None:
    async def main() -> EngineInfo:
        async with FakeServer({MODELS: listing({"id": "a"}), CHAT: overflow(told)}) as server:
            engine = GenericEngine(EngineClient(server.url))
            with pytest.raises(ContextOverflow) as caught:
                async with aclosing(engine.stream(HI)) as deltas:
                    await anext(deltas)
            assert (caught.value.needed, caught.value.available) == (5010, told)
            return await engine.probe()

    info = asyncio.run(main())
    assert (info.window, info.window_source) == (window, source)


def test_it_cannot_count() -> None:
    engine = GenericEngine(EngineClient("http://localhost"))
    assert asyncio.run(engine.count(HI)) is None
    assert asyncio.run(engine.count_texts(["a"])) is None


def test_warming_asks_for_one_token_after_one_word() -> None:
    async def main() -> tuple[Warmed | None, Any]:
        async with FakeServer({MODELS: listing({"id": "a"}), CHAT: say_hi}) as server:
            engine = GenericEngine(EngineClient(server.url))
            log = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
            return await engine.warm(Request(messages=log, max_tokens=500)), server.seen[-1].body

    warmed, body = asyncio.run(main())
    assert warmed == Warmed(read_tokens=2, prompt_tokens=9)
    assert body["max_tokens"] == 1
    assert body["messages"][2:] == [{"role": "user", "content": "Hi"}]


def test_a_lone_user_message_cannot_be_warmed() -> None:
    assert asyncio.run(GenericEngine(EngineClient("http://localhost")).warm(HI)) is None


def test_warming_too_much_teaches_the_window() -> None:
    async def main() -> int:
        async with FakeServer({MODELS: listing({"id": "a"}), CHAT: overflow(2048)}) as server:
            engine = GenericEngine(EngineClient(server.url))
            with pytest.raises(ContextOverflow):
                await engine.warm(Request(messages=[{"role": "system", "content": "x"}]))
            return (await engine.probe()).window

    assert asyncio.run(main()) == 2048


def test_an_engine_that_was_closed_can_be_asked_again() -> None:
    async def main() -> str:
        async with FakeServer({MODELS: listing({"id": "a"})}) as server:
            engine = GenericEngine(EngineClient(server.url))
            await engine.close()
            await engine.close()
            return (await engine.probe()).model

    assert asyncio.run(main()) == "a"
