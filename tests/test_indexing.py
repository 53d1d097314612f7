"""Indexing in upkeep: step by step, from where it stopped, in whatever process, to the end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.embedders import WordEmbedder
from tests.store.writer import OWNER, Writer
from turnkeep.errors import EngineUnreachable
from turnkeep.indexing import BATCH_TURNS, Indexer
from turnkeep.store.base import IndexProgress, Store
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite import SqliteStore

TURNS = 2 * BATCH_TURNS + 3


def run(scenario: Callable[[Writer], Awaitable[None]]) -> None:
    """Run a scenario at once, on a conversation of `TURNS` turns."""

    async def main() -> None:
        store = EphemeralStore()
        try:
            await scenario(await say_much(store))
        finally:
            await store.close()

    asyncio.run(main())


async def say_much(store: Store) -> Writer:
    writer = await Writer.begin(store)
    for number in range(TURNS):
        await writer.say(f"Dog number {number}.", f"Ship number {number}.")
    return writer


def indexer(writer: Writer, embedder: WordEmbedder | None) -> Indexer:
    return Indexer(writer.store, OWNER, writer.id, embedder)


async def count_vectors(writer: Writer, embedder: WordEmbedder) -> int:
    return len(await writer.store.load_vectors(OWNER, writer.id, embedder.name, after=0, limit=10_000))


async def no_pause() -> None:
    """Nobody waits for the machine."""


def test_progress_is_told_by_words_and_then_by_meaning() -> None:
    @run
    async def _(writer: Writer) -> None:
        embedder = WordEmbedder()
        told = [step async for step in indexer(writer, embedder).steps()]
        assert told == [(TURNS, TURNS), (BATCH_TURNS, TURNS), (2 * BATCH_TURNS, TURNS), (TURNS, TURNS)]
        assert await count_vectors(writer, embedder) == 2 * TURNS
        assert embedder.prepared == 1
        assert sorted(embedder.asked) == sorted(
            f"{what} number {number}." for what in ("Dog", "Ship") for number in range(TURNS)
        )


def test_what_is_indexed_is_not_indexed_again() -> None:
    @run
    async def _(writer: Writer) -> None:
        embedder = WordEmbedder()
        ours = indexer(writer, embedder)
        await ours.run(no_pause)
        asked = len(embedder.asked)
        await ours.run(no_pause)
        await indexer(writer, embedder).run(no_pause)
        assert len(embedder.asked) == asked
        await writer.say("A new puppy.", "Good.")
        await ours.run(no_pause)
        assert embedder.asked[asked:] == ["A new puppy.", "Good."]


def test_without_an_embedder_words_alone_are_indexed() -> None:
    @run
    async def _(writer: Writer) -> None:
        assert [step async for step in indexer(writer, None).steps()] == [(TURNS, TURNS)]
        assert await indexer(writer, None).measure() == IndexProgress(done=0, turns=TURNS)


def test_it_makes_way_before_each_step() -> None:
    @run
    async def _(writer: Writer) -> None:
        embedder = WordEmbedder()
        waited: list[int] = []

        async def pause() -> None:
            waited.append(len(embedder.asked))

        await indexer(writer, embedder).run(pause)
        assert waited == [0, 0, 2 * BATCH_TURNS, 4 * BATCH_TURNS, 2 * TURNS]


def test_it_stops_at_any_step_and_another_process_goes_on_from_there(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    embedder = WordEmbedder()

    async def begin() -> Writer:
        store = SqliteStore(path)
        writer = await say_much(store)
        await store.close()
        return writer

    async def one_step(before: Writer, keep: bool) -> IndexProgress:
        store = SqliteStore(path)
        writer = before.on(store)
        if not keep:  # stopped while a batch is made: that batch is lost, and no other
            embedder.gate = asyncio.Event()
            task = asyncio.ensure_future(indexer(writer, embedder).run(no_pause))
            while not embedder.asked:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            embedder.gate = None
        else:
            async for _ in indexer(writer, embedder).steps():
                if embedder.asked:
                    break
        embedder.asked.clear()
        progress = await indexer(writer, embedder).measure()
        await store.close()
        return progress

    writer = asyncio.run(begin())
    done = [asyncio.run(one_step(writer, keep)).done for keep in (False, True, False, True, True)]
    assert done == [0, BATCH_TURNS, BATCH_TURNS, 2 * BATCH_TURNS, TURNS]


def test_two_that_index_at_once_keep_each_vector_once() -> None:
    @run
    async def _(writer: Writer) -> None:
        one, other = WordEmbedder(), WordEmbedder()
        await asyncio.gather(indexer(writer, one).run(no_pause), indexer(writer, other).run(no_pause))
        assert await count_vectors(writer, one) == 2 * TURNS


def test_an_embedder_that_fails_loses_nothing_that_was_kept() -> None:
    @run
    async def _(writer: Writer) -> None:
        embedder = WordEmbedder()
        ours = indexer(writer, embedder)
        steps = ours.steps()
        assert await anext(steps) == (TURNS, TURNS)
        assert await anext(steps) == (BATCH_TURNS, TURNS)
        embedder.broken = "It is gone."
        with pytest.raises(EngineUnreachable, match=r"It is gone\."):
            await anext(steps)
        assert await ours.measure() == IndexProgress(done=BATCH_TURNS, turns=TURNS)
        embedder.broken = None
        await ours.run(no_pause)
        assert await ours.measure() == IndexProgress(done=TURNS, turns=TURNS)


def test_another_embedder_takes_over_and_the_old_vectors_stay_until_it_has_all() -> None:
    @run
    async def _(writer: Writer) -> None:
        old, new = WordEmbedder("old:int8"), WordEmbedder("new:int8")
        await indexer(writer, old).run(no_pause)
        beside = []
        async for done, _ in indexer(writer, new).steps():
            if new.asked:
                beside.append((done, await count_vectors(writer, old), await count_vectors(writer, new)))
        assert [counts for *counts, _ in beside] == [
            [BATCH_TURNS, 2 * TURNS], [2 * BATCH_TURNS, 2 * TURNS], [TURNS, 2 * TURNS],
        ]  # fmt: skip
        assert [made for *_, made in beside] == [2 * BATCH_TURNS, 4 * BATCH_TURNS, 2 * TURNS]
        assert await count_vectors(writer, old) == 0
        assert await count_vectors(writer, new) == 2 * TURNS
