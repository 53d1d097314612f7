"""Whatever answers at an address is found out, and what is no engine is said."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest
from tests.engine.fake_server import Answer, Exchange, FakeServer
from tests.engines import RealEngine

from turnkeep.engine.client import EngineClient, Retries
from turnkeep.engine.probe import DetectedEngine
from turnkeep.errors import EngineError, EngineProtocolError, EngineRefused, EngineUnreachable
from turnkeep.wire.exchange import End, Request, TextDelta

HI = Request(messages=[{"role": "user", "content": "My dog is called Rex."}], temperature=0)
AT_ONCE = Retries(unreachable=0, not_ready=0)


def answering(value: object, status: int = 200) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.json(value, status)

    return answer


async def page(exchange: Exchange) -> None:
    await exchange.reply(200, b"<html>Router login</html>", "text/html")


def detected(server: FakeServer) -> DetectedEngine:
    return DetectedEngine(EngineClient(server.url, retries=AT_ONCE))


def test_a_llama_cpp_is_found(start_llama: Callable[..., RealEngine]) -> None:
    real = start_llama(window=1024)

    async def main() -> None:
        engine = DetectedEngine(EngineClient(f"{real.url}/v1/"))
        info = await engine.probe()
        assert (info.kind, info.url, engine.url) == ("llama.cpp", real.url, real.url)
        assert await engine.count(HI) is not None
        assert await engine.count_texts(["Rex"]) is not None
        async with aclosing(engine.stream(HI)) as deltas:
            found = [delta async for delta in deltas]
        assert (
            "".join(delta.text for delta in found if isinstance(delta, TextDelta))
            == "Got it. Your dog is called Rex."
        )
        assert isinstance(found[-1], End)
        warmed = await engine.warm(
            Request(messages=[*HI.messages, {"role": "assistant", "content": "Got it."}])
        )
        assert warmed is not None
        await engine.close()

    asyncio.run(main())


def test_any_other_engine_is_generic() -> None:
    async def main() -> str:
        props = answering({"error": "Unexpected endpoint or method. (GET /props)"})
        models = answering({"data": [{"id": "a"}]})
        async with FakeServer({"/props": props, "/v1/models": models}) as server:
            return (await detected(server).probe()).kind

    assert asyncio.run(main()) == "generic"


def test_another_engine_at_the_same_address_is_found_when_asked_anew() -> None:
    async def main() -> None:
        answers = {"/props": answering({}, 404), "/v1/models": answering({"data": [{"id": "a"}]})}
        async with FakeServer(answers) as server:
            engine = detected(server)
            await engine.probe()
            await engine.probe()
            assert [exchange.path for exchange in server.seen] == ["/props", "/v1/models"]
            await engine.probe(refresh=True)
            assert [exchange.path for exchange in server.seen] == ["/props", "/v1/models"] * 2

    asyncio.run(main())


@pytest.mark.parametrize(
    ("props", "models", "kind", "words"),
    [
        (page, page, EngineProtocolError, "web page"),
        (answering({}, 404), answering({"status": "ok"}), EngineProtocolError, "not as an OpenAI-style API"),
        (answering({}, 404), answering({}, 404), EngineProtocolError, "lists no models"),
        (answering({"error": "no"}, 401), page, EngineRefused, "--api-key"),
        (answering({}, 404), answering({"error": "no"}, 403), EngineRefused, "--api-key"),
    ],
)
def test_what_is_no_engine_for_us_is_said(
    props: Answer, models: Answer, kind: type[EngineError], words: str
) -> None:
    async def main() -> None:
        async with FakeServer({"/props": props, "/v1/models": models}) as server:
            await detected(server).probe()

    with pytest.raises(kind, match=words):
        asyncio.run(main())


def test_a_failed_search_is_made_again_at_the_next_call() -> None:
    async def main() -> str:
        answers = {"/props": answering({}, 404), "/v1/models": answering({"data": [{"id": "a"}]})}
        async with FakeServer(answers, listening=False) as server:
            engine = detected(server)
            with pytest.raises(EngineUnreachable):
                await engine.probe()
            await server.listen()
            return (await engine.probe()).model

    assert asyncio.run(main()) == "a"


def test_its_repr_shows_the_address() -> None:
    assert repr(DetectedEngine(EngineClient("http://localhost:1", api_key="secret"))) == (
        "DetectedEngine('http://localhost:1')"
    )
