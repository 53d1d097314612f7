"""An engine's /v1/embeddings: asked strictly as it is written down, believed only when it answers so."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from tests.embed.test_base import cosine
from tests.engine.fake_server import Exchange, FakeServer
from tests.engines import RealEngine

from turnkeep.embed.base import Embedder
from turnkeep.embed.connect import connect_embedder
from turnkeep.embed.endpoint import MOST_CHARACTERS, MOST_TEXTS, USUAL_BASELINE
from turnkeep.errors import EngineProtocolError, EngineRefused, EngineUnreachable, TurnkeepError

Vectors = Callable[[Sequence[str]], Sequence[object]]


def connect(url: str) -> Embedder:
    embedder = connect_embedder(url)
    assert embedder is not None
    return embedder


def letters(texts: Sequence[str]) -> list[list[float]]:
    """A vector that tells texts apart: how often each vowel stands there, and one."""
    return [[1.0, *(float(text.count(vowel)) for vowel in "aeiou")] for text in texts]


class Embeddings:
    """Plays /v1/embeddings, and refuses what real ones refuse."""

    def __init__(self, vectors: Vectors = letters, model: str = "vowels", only: str | None = None) -> None:
        self.vectors, self.model, self.only = vectors, model, only
        self.asked: list[list[str]] = []

    async def __call__(self, exchange: Exchange) -> None:
        body: dict[str, Any] = exchange.body  # Any: JSON
        assert exchange.method == "POST"
        assert body.keys() <= {"input", "model", "encoding_format"}
        texts = body["input"]
        assert isinstance(texts, list)
        assert all(isinstance(text, str) for text in texts)
        assert 0 < len(texts) <= MOST_TEXTS
        assert max(map(len, texts)) <= MOST_CHARACTERS
        if self.only is not None and body.get("model") != self.only:
            await exchange.json({"error": {"message": "model not found"}}, 404)
            return
        self.asked.append(texts)
        rows = [
            {"object": "embedding", "index": number, "embedding": vector}
            for number, vector in enumerate(self.vectors(texts))
        ]
        await exchange.json({"object": "list", "model": self.model, "data": rows[::-1], "usage": {}})


def serve(embeddings: Embeddings, work: Callable[[str], Awaitable[None]]) -> None:
    async def main() -> None:
        async with FakeServer({"/v1/embeddings": embeddings}) as server:
            await work(server.url)

    asyncio.run(main())


async def refused(embedder: Embedder, kind: type[TurnkeepError]) -> str:
    with pytest.raises(kind) as caught:
        await embedder.embed(["a", "b"])
    return str(caught.value)


def test_each_text_gets_its_own_vector_whatever_order_they_come_in() -> None:
    embeddings = Embeddings()

    async def work(url: str) -> None:
        embedder = connect(url)
        texts = [f"{'a' * number}{'e' * (40 - number)}" for number in range(40)]
        vectors = await embedder.embed(texts)
        assert [len(part) for part in embeddings.asked] == [16, 16, 8]
        assert vectors == [(await embedder.embed([text]))[0] for text in texts]
        assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[39])
        assert await embedder.embed([]) == []

    serve(embeddings, work)


def test_a_long_text_is_cut_before_an_engine_refuses_it() -> None:
    embeddings = Embeddings()

    async def work(url: str) -> None:
        await connect(url).embed(["x" * 100_000])
        assert len(embeddings.asked[0][0]) == MOST_CHARACTERS

    serve(embeddings, work)


def test_a_text_that_is_not_unicode_is_sent_all_the_same() -> None:
    async def work(url: str) -> None:
        assert len(await connect(url).embed(["a \ud800 half character"])) == 1

    serve(Embeddings(), work)


def test_a_named_model_is_asked_for() -> None:
    async def work(url: str) -> None:
        embedder = connect(f"{url}/v1#vowels:small")
        assert len(await embedder.embed(["a"])) == 1
        assert embedder.name == f"{url}#vowels:small:6:int8"
        assert "model not found" in await refused(connect(f"{url}#other"), EngineRefused)

    serve(Embeddings(only="vowels:small", model="vowels:small-q8"), work)


def test_another_model_or_length_of_vectors_has_another_name() -> None:
    embeddings = Embeddings()

    async def work(url: str) -> None:
        embedder = connect(url)
        await embedder.prepare()
        first = embedder.name
        assert await connect(url).embed(["a"])
        assert embedder.name == first
        embeddings.model = "consonants"
        await embedder.embed(["a"])
        second = embedder.name
        embeddings.vectors = lambda texts: [[*vector, 1.0] for vector in letters(texts)]
        await embedder.embed(["a"])
        assert len({first, second, embedder.name}) == 3
        assert embedder.baseline == USUAL_BASELINE  # that of another model tells nothing of this one

    serve(embeddings, work)


def test_what_it_gives_for_nothing_in_common_is_measured_when_it_gets_ready() -> None:
    async def work(url: str) -> None:
        embedder = connect(url)
        assert embedder.baseline == USUAL_BASELINE
        await embedder.prepare()
        assert embedder.baseline == pytest.approx(0.85, abs=0.1)  # vowels are everywhere
        await embedder.close()

    serve(Embeddings(), work)


@pytest.mark.parametrize(
    "vectors",
    [
        lambda texts: letters(texts)[1:],
        lambda texts: [*letters(texts), [1.0]],
        lambda texts: [[] for _ in texts],
        lambda texts: ["AACAPwAAAEA=" for _ in texts],
        lambda texts: [None for _ in texts],
        lambda texts: [[None] for _ in texts],
        lambda texts: [[1e999, 1.0] for _ in texts],
        lambda texts: [{"a": 1} for _ in texts],
    ],
    ids=["too few", "too many", "empty", "base64", "none", "no numbers", "infinite", "a table"],
)
def test_an_answer_without_a_vector_for_each_text_is_refused_in_one_sentence(vectors: Vectors) -> None:
    async def work(url: str) -> None:
        sentence = await refused(connect(url), EngineProtocolError)
        assert "a vector for each text" in sentence
        assert "--embeddings URL#MODEL" in sentence

    serve(Embeddings(vectors), work)


@pytest.mark.parametrize("value", [[], {"data": {}}, {"data": [1, 2]}, {"data": [{}, {}]}, {"choices": []}])
def test_an_answer_of_another_shape_is_refused_in_one_sentence(value: object) -> None:
    async def main() -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.json(value)

        async with FakeServer({"/v1/embeddings": answer}) as server:
            assert "a vector for each text" in await refused(connect(server.url), EngineProtocolError)

    asyncio.run(main())


def test_vectors_of_several_lengths_are_refused() -> None:
    async def work(url: str) -> None:
        assert "several lengths" in await refused(connect(url), EngineProtocolError)

    serve(Embeddings(lambda texts: [[1.0] * (number + 1) for number, _ in enumerate(texts)]), work)


def test_nobody_there_is_told_at_once() -> None:
    async def main() -> None:
        async with FakeServer({}) as server:
            url = server.url
        assert url in await refused(connect(url), EngineUnreachable)

    asyncio.run(main())


def test_a_real_engine_gives_vectors_that_can_be_compared(start_llama: Callable[..., RealEngine]) -> None:
    engine = start_llama(
        embedding=True, pooling_type=1, window=512, n_ubatch=512
    )  # 1: the mean of all tokens

    async def main() -> None:
        embedder = connect(engine.url)
        await embedder.prepare()
        assert 0 < embedder.baseline <= 0.95
        one, same, other = await embedder.embed(["My dog is called Biscuit."] * 2 + ["Twelve."])
        assert cosine(one, same) == pytest.approx(1, abs=0.02)
        assert cosine(one, other) < cosine(one, same)

    asyncio.run(main())
