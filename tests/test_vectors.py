"""The vectors in memory: the search is exact, keeps to the path, and to its bound."""

import asyncio
import math
import random
import sys
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.embedders import DIMENSIONS, WordEmbedder, embed_all, meaning_of
from tests.store.writer import OWNER, Writer
from turnkeep import vectors
from turnkeep.context.ranking import MEANING_TOP
from turnkeep.context.recall import Meaning
from turnkeep.conversation.log import START, Position, Range
from turnkeep.embed.base import pack_vector
from turnkeep.store.base import Unembedded
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.vectors import VectorIndex

Scenario = Callable[[Writer, WordEmbedder, VectorIndex], Awaitable[None]]
FAR = 1 << 30
DOG = pack_vector(meaning_of("dog"))


def run(scenario: Scenario) -> None:
    """Run a scenario at once, on a store in memory with an index over it."""

    async def main() -> None:
        store, embedder = EphemeralStore(), WordEmbedder()
        try:
            await scenario(await Writer.begin(store), embedder, VectorIndex(store, embedder))
        finally:
            await store.close()

    asyncio.run(main())


async def embed_many(writer: Writer, embedder: WordEmbedder, bodies: Sequence[bytes]) -> None:
    """Say something for each of these vectors, and keep them."""
    turn = await writer.open(*["x"] * len(bodies))
    await writer.finish(turn)
    batch = await writer.store.find_unembedded(OWNER, writer.id, embedder.name, limit=99)
    assert len(batch.items) == len(bodies)
    assert await writer.store.save_vectors(OWNER, writer.id, embedder.name, batch, bodies)


async def path_to(writer: Writer, tip: Position | None = None) -> tuple[Range, ...]:
    at = (await writer.row()).tip if tip is None else tip
    return (
        await writer.store.consult(OWNER, writer.id, lambda index: index.postings([], upto=FAR), tip=at)
    ).path


async def search(
    writer: Writer, index: VectorIndex, vector: bytes = DOG, tip: Position | None = None, upto: int = FAR
) -> Meaning | None:
    return await index.search(OWNER, writer.id, vector, await path_to(writer, tip), upto=upto)


def near(meaning: Meaning | None) -> list[int]:
    """Places that mean nearly the same, rising."""
    return sorted(place for place, cosine in meaning.cosines.items() if cosine > 0.9) if meaning else []


def test_what_means_the_same_is_near() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        assert await search(writer, index) is None
        await writer.say("My puppy barks.", "A boat sails.")
        assert await search(writer, index) is None  # not embedded yet
        await embed_all(writer, embedder)
        found = await search(writer, index)
        assert found is not None
        assert found.covered == 2
        assert found.cosines[1] == pytest.approx(1, abs=0.03)
        assert found.cosines[2] == pytest.approx(0, abs=0.03)


def test_many_searches_do_not_use_up_none() -> None:
    async def scenario(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        await writer.say("The dog barks.")
        await embed_all(writer, embedder)
        path = await path_to(writer)
        before = sys.getrefcount(None)
        for _ in range(2_000):
            await index.search(OWNER, writer.id, DOG, path, upto=FAR)
        # Where a library gives back a None that it does not own, Python before 3.12 ends sooner or later.
        assert sys.getrefcount(None) > before - 500

    run(scenario)


def test_what_was_embedded_since_is_found_and_the_rest_is_not_loaded_again() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        for number in range(30):
            await writer.say("A dog." if number % 3 == 0 else "A ship.", "Indeed.")
            await embed_all(writer, embedder)
            assert near(await search(writer, index)) == list(range(1, 2 * number + 2, 6))
        assert index.nbytes < 2 * 60 * (DIMENSIONS + 8)


def test_nothing_of_a_sibling_is_near() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        trunk = await writer.say("A dog.", "Indeed.")
        ours = await writer.say("A puppy.", "Indeed.")
        theirs = await writer.say("A ship.", "Another hound.", after=trunk.tip)
        await embed_all(writer, embedder)
        assert near(await search(writer, index, tip=ours.tip)) == [1, 3]
        assert near(await search(writer, index, tip=theirs.tip)) == [1, 4]
        assert near(await search(writer, index, tip=trunk.tip)) == [1]
        assert near(await search(writer, index, tip=theirs.tip, upto=3)) == [1]
        assert await search(writer, index, tip=START) is None


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["dog", "ship"])), min_size=1, max_size=10),
    st.integers(0, 25),
)
def test_on_any_path_the_near_ones_are_those_that_stand_on_it(
    steps: list[tuple[int, str]], upto: int
) -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        tips = [START]
        for where, word in steps:
            tips.append((await writer.say(word, "song", after=tips[where % len(tips)])).tip)
        await embed_all(writer, embedder)
        for tip in tips[1:]:
            log = await writer.store.load_log(OWNER, writer.id, tip=tip)
            expected = [
                each.at.seq for each in log if getattr(each.item, "text", "") == "dog" and each.at.seq <= upto
            ]
            assert near(await search(writer, index, tip=tip, upto=upto)) == expected


@pytest.mark.parametrize("in_thread", [False, True])
def test_of_many_the_nearest_are_given_exactly(in_thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "IN_THREAD_ABOVE", 0 if in_thread else 10**9)
    monkeypatch.setattr(vectors, "PAGE_VECTORS", 64)  # several pages
    dice = random.Random(2)
    drawn = [[dice.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(300)]

    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        for start in range(0, 300, 60):
            await embed_many(writer, embedder, [pack_vector(each) for each in drawn[start : start + 60]])
        found = await search(writer, index, pack_vector(drawn[7]))
        assert found is not None
        assert len(found.cosines) == MEANING_TOP
        assert max(found.cosines, key=lambda place: found.cosines[place]) == 8

        def exact(number: int) -> float:
            dot = math.fsum(a * b for a, b in zip(drawn[7], drawn[number], strict=True))
            return dot / math.hypot(*drawn[7]) / math.hypot(*drawn[number])

        nearest = sorted(range(300), key=exact, reverse=True)
        assert len({number + 1 for number in nearest[:MEANING_TOP]} & set(found.cosines)) >= MEANING_TOP - 3
        assert all(
            cosine == pytest.approx(exact(place - 1), abs=0.05) for place, cosine in found.cosines.items()
        )


def test_the_cosine_of_nothing_in_common_becomes_zero() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        await writer.say("A dog and a boat.", "A dog.")
        await embed_all(writer, embedder)
        plain = await search(writer, index)
        embedder.baseline = 0.5
        stretched = await search(writer, index)
        assert plain is not None
        assert stretched is not None
        for place, cosine in plain.cosines.items():
            assert stretched.cosines[place] == pytest.approx((cosine - 0.5) / 0.5)


def test_conversations_used_least_recently_leave_memory_first() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, _index: VectorIndex) -> None:
        body = [DOG] * 100
        index = VectorIndex(writer.store, embedder, most_bytes=3 * 120 * (DIMENSIONS + 8))
        writers = [writer, *[await Writer.begin(writer.store) for _ in range(4)]]
        for each in writers:
            await embed_many(each, embedder, body)
        sizes = []
        for each in writers:
            assert len(near(await search(each, index))) == 100
            sizes.append(index.nbytes)
        assert sizes[0] < sizes[1] < sizes[2] == sizes[3] == sizes[4] <= 3 * 120 * (DIMENSIONS + 8)
        assert len(near(await search(writers[2], index))) == 100  # the oldest of the three, and used again
        assert len(near(await search(writer, index))) == 100  # gone, and loaded again
        assert {held for _, held, _ in index._held} == {writers[4].id, writers[2].id, writer.id}
        assert index.nbytes == sizes[4]


def test_of_a_conversation_larger_than_the_bound_the_newest_vectors_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vectors, "PAGE_VECTORS", 16)

    @run
    async def _(writer: Writer, embedder: WordEmbedder, _index: VectorIndex) -> None:
        bound = 100 * (DIMENSIONS + 8)
        index = VectorIndex(writer.store, embedder, most_bytes=bound)
        for _ in range(20):
            await embed_many(writer, embedder, [DOG] * 10)
        found = await search(writer, index)
        assert found is not None
        assert found.covered == 200
        assert near(found)[-1] == 200
        assert 80 <= len(near(found)) <= 100
        assert near(found) == list(range(201 - len(near(found)), 201))
        assert index.nbytes <= bound


def test_another_embedders_vectors_are_never_compared() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        await writer.say("A dog.", "Indeed.")
        await embed_all(writer, embedder)
        assert near(await search(writer, index)) == [1]
        embedder.name = "others:int8"
        assert await search(writer, index) is None  # words alone, until the new vectors are there
        batch = await writer.store.find_unembedded(OWNER, writer.id, embedder.name, limit=9)
        shorter = [bytes(8)] * len(batch.items)  # under the same name
        assert await writer.store.save_vectors(OWNER, writer.id, embedder.name, batch, shorter)
        assert await search(writer, index) is None


def test_searches_at_once_load_everything_once() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        for _ in range(20):
            await writer.say("A dog.", "A hound.")
        await embed_all(writer, embedder)
        found = await asyncio.gather(*(search(writer, index) for _ in range(5)))
        assert [near(each) for each in found] == [list(range(1, 41))] * 5
        assert index.nbytes <= 46 * (DIMENSIONS + 8)


def test_a_batch_of_nothing_changes_nothing() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder, index: VectorIndex) -> None:
        empty = Unembedded(after=0, upto=0, items=[])
        assert await writer.store.save_vectors(OWNER, writer.id, embedder.name, empty, [])
        assert await search(writer, index) is None
