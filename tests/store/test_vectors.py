"""Vectors, on every kind of store: kept once, in the order of turns, and gone with their conversation."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from tests.store.writer import OWNER, Writer, texts

from turnkeep.conversation.items import Recalled, user
from turnkeep.conversation.log import START
from turnkeep.errors import ConversationNotFound
from turnkeep.store.base import IndexProgress, Store, Unembedded
from turnkeep.store.sqlite import SqliteStore

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]
MODEL, OTHER = "small:int8", "large:int8"


def vectors_of(batch: Unembedded, mark: int = 0) -> list[bytes]:
    """A vector for each item that tells which one it is of."""
    return [bytes([each.turn, each.at.seq, each.at.branch, mark]) for each in batch.items]


async def embed(writer: Writer, model: str = MODEL, limit: int = 2, mark: int = 0) -> Unembedded:
    """Embed the next turns."""
    batch = await writer.store.find_unembedded(OWNER, writer.id, model, limit=limit)
    assert await writer.store.save_vectors(OWNER, writer.id, model, batch, vectors_of(batch, mark))
    return batch


async def stored(writer: Writer, model: str = MODEL, after: int = 0, limit: int = 100) -> list[bytes]:
    return [
        each.body
        for each in await writer.store.load_vectors(OWNER, writer.id, model, after=after, limit=limit)
    ]


async def progress(store: Store, conversation: str, model: str = MODEL) -> tuple[int, int]:
    found = await store.measure_embedded(OWNER, conversation, model)
    return found.done, found.turns


def test_turns_are_embedded_in_their_order_until_none_is_left(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for number in range(5):
            await writer.say(f"Question {number}.", f"Answer {number}.")
        assert await progress(writer.store, writer.id) == (0, 5)
        assert texts((await embed(writer)).items) == ["Question 0.", "Answer 0.", "Question 1.", "Answer 1."]
        assert await progress(writer.store, writer.id) == (2, 5)
        await embed(writer)
        await embed(writer)
        left = await writer.store.find_unembedded(OWNER, writer.id, MODEL, limit=2)
        assert (left.after, left.upto, left.items) == (5, 5, [])
        assert await stored(writer) == [bytes([1 + n // 2, n + 1, 0, 0]) for n in range(10)]
        assert await writer.store.measure_embedded(OWNER, writer.id, MODEL) == IndexProgress(done=5, turns=5)


def test_messages_alone_are_embedded_and_those_that_say_something(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        first = await writer.open(Recalled(("[1 May 2023] user: Old.",), (1,)), user("New."), user(" \n"))
        await writer.finish(first, "Indeed.")
        silent = await writer.open("")
        await writer.finish(silent, "")
        batch = await embed(writer, limit=9)
        assert texts(batch.items) == ["New.", "Indeed."]
        assert (batch.after, batch.upto) == (0, 2)


def test_an_open_turn_holds_up_those_after_it_and_a_failed_one_is_passed_over(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        failed = await writer.open("Two.")
        await writer.finish(failed, state="failed", error="no")
        open_turn = await writer.open("Three.")
        batch = await embed(writer, limit=9)
        assert (texts(batch.items), batch.upto) == (["One.", "Yes."], 2)
        assert (await embed(writer, limit=9)).items == []
        await writer.finish(open_turn, "Done.")
        assert texts((await embed(writer, limit=9)).items) == ["Three.", "Done."]


def test_branches_are_embedded_too(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        await writer.say("Another.", after=START)
        await embed(writer, limit=9)
        assert await stored(writer) == [
            bytes(each) for each in ((1, 1, 0, 0), (1, 2, 0, 0), (2, 1, 1, 0), (2, 2, 1, 0))
        ]


def test_of_two_who_embed_the_same_turns_one_keeps_its_vectors(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for _ in range(3):
            await writer.say("Hello.")
        batch = await writer.store.find_unembedded(OWNER, writer.id, MODEL, limit=2)
        await embed(writer, limit=3, mark=7)
        assert not await writer.store.save_vectors(OWNER, writer.id, MODEL, batch, vectors_of(batch))
        assert {body[3] for body in await stored(writer)} == {7}
        assert len(await stored(writer)) == 6


def test_a_batch_needs_a_vector_for_each_item_or_nothing_is_kept(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("Hello.")
        batch = await writer.store.find_unembedded(OWNER, writer.id, MODEL, limit=2)
        with pytest.raises(ValueError, match="shorter"):
            await writer.store.save_vectors(OWNER, writer.id, MODEL, batch, vectors_of(batch)[1:])
        assert await stored(writer) == []
        assert await progress(writer.store, writer.id) == (0, 1)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_whole_turns_are_loaded_from_where_the_reader_stands(on_store: OnStore, limit: int) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for number in range(6):
            turn = await writer.open("One.", *["More."] * (number % 3))
            await writer.finish(turn, "Yes.")
        await embed(writer, limit=9)
        expected = await stored(writer)
        found: list[bytes] = []
        while page := await stored(writer, after=found[-1][0] if found else 0, limit=limit):
            assert len(page) >= min(limit, len(expected) - len(found))
            found += page
        assert found == expected


def test_the_vectors_of_two_embedders_stand_beside_each_other_until_one_is_dropped(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        await writer.say("Two.")
        await embed(writer, MODEL, limit=9, mark=1)
        await embed(writer, OTHER, limit=1, mark=2)
        assert [body[3] for body in await stored(writer, MODEL)] == [1] * 4
        assert [body[3] for body in await stored(writer, OTHER)] == [2] * 2
        assert await progress(writer.store, writer.id, OTHER) == (1, 2)
        await writer.store.drop_other_vectors(OWNER, writer.id, OTHER)
        assert await stored(writer, MODEL) == []
        assert await progress(writer.store, writer.id, MODEL) == (0, 2)
        assert len(await stored(writer, OTHER)) == 2
        await writer.store.drop_other_vectors(OWNER, writer.id, "never seen")
        assert await stored(writer, OTHER) == []


def test_the_vectors_of_one_conversation_are_dropped_alone(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        other = await Writer.begin(writer.store)
        for each in (writer, other):
            await each.say("One.")
            await embed(each)
        await writer.store.drop_other_vectors(OWNER, writer.id, OTHER)
        assert await stored(writer) == []
        assert len(await stored(other)) == 2


def test_the_vectors_of_another_owner_are_not_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("Secret.")
        batch = await embed(writer)
        store, ours = writer.store, writer.id
        for call in (
            store.find_unembedded("eve", ours, MODEL, limit=9),
            store.save_vectors("eve", ours, MODEL, batch, vectors_of(batch)),
            store.load_vectors("eve", ours, MODEL, after=0, limit=9),
            store.measure_embedded("eve", ours, MODEL),
            store.drop_other_vectors("eve", ours, OTHER),
        ):
            with pytest.raises(ConversationNotFound):
                await call
        assert len(await stored(writer)) == 2


def test_a_deleted_conversation_leaves_no_vector_and_no_byte_of_one(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    body = b"vector of the walrus"

    async def main() -> None:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        await writer.say("The walrus sleeps.")
        batch = await store.find_unembedded(OWNER, writer.id, MODEL, limit=9)
        await store.save_vectors(OWNER, writer.id, MODEL, batch, [body] * len(batch.items))
        await store.delete_conversation(OWNER, writer.id)
        await store.close()

    asyncio.run(main())
    assert all(body not in file.read_bytes() for file in tmp_path.iterdir())
    database = sqlite3.connect(path)
    counts = [
        database.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("vector", "embedded")
    ]
    database.close()
    assert counts == [(0,), (0,)]


def test_what_was_embedded_is_there_after_a_restart(tmp_path: Path) -> None:
    async def run(work: Callable[[SqliteStore], Awaitable[Writer]]) -> Writer:
        store = SqliteStore(tmp_path / "turnkeep.db")
        try:
            return await work(store)
        finally:
            await store.close()

    async def begin(store: SqliteStore) -> Writer:
        writer = await Writer.begin(store)
        for _ in range(4):
            await writer.say("Hello.")
        await embed(writer)
        return writer

    before = asyncio.run(run(begin))

    async def go_on(store: SqliteStore) -> Writer:
        writer = before.on(store)
        batch: Sequence[object] = (await embed(writer)).items
        assert len(batch) == 4
        assert await progress(store, writer.id) == (4, 4)
        return writer

    asyncio.run(run(go_on))
