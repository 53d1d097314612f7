"""Many finished turns are appended at once, in one transaction."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from tests.store.keeper import begin, ledger
from tests.store.writer import OWNER, Writer

from turnkeep.context.words import split_terms, term_key
from turnkeep.conversation.items import Item, assistant, user
from turnkeep.conversation.log import START, Position
from turnkeep.errors import Conflict, ConversationError, ConversationNotFound, LeaseLost, UsageError
from turnkeep.store.base import Turn
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite.appends import AT_ONCE_CHARACTERS

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]


async def append(writer: Writer, *turns: list[Item], after: Position = START) -> list[Turn]:
    return await ledger(writer).append_turns(
        OWNER, writer.id, turns, after=after, lease=writer.lease, now=writer.now()
    )


def pair(number: int, filler: str = "") -> list[Item]:
    return [user(f"Turn {number}.{filler}"), assistant(f"Word{number}.{filler}")]


async def found(writer: Writer, word: str) -> list[int]:
    tip = (await writer.row()).tip
    keys = [term_key(term) for term in split_terms(word)]
    postings = await writer.store.consult(
        OWNER, writer.id, lambda index: index.postings(keys, upto=tip.seq), tip=tip
    )
    return sorted(place for each in postings.found.values() for place, *_ in each.rows)


def test_turns_stand_as_if_they_had_been_said_one_after_the_other(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        other = await begin(writer, "named")
        turns = await append(writer, pair(1), [user("Nobody answered.")], pair(3))
        for text, reply in (("Turn 1.", "Word1."), ("Nobody answered.", None), ("Turn 3.", "Word3.")):
            await other.finish(await other.open(text), reply)
        assert turns == await writer.store.load_turns(OWNER, writer.id, tip=turns[-1].tip)
        assert [(t.number, t.after, t.first, t.last, t.state, t.branch) for t in turns] == [
            (t.number, t.after, t.first, t.last, t.state, t.branch)
            for t in await other.store.load_turns(OWNER, other.id, tip=(await other.row()).tip)
        ]
        assert await writer.log() == await other.log()
        row = await writer.row()
        assert (row.tip, row.turns, row.updated) == (Position(0, 5), 3, writer.clock)
        assert await found(writer, "word3") == [5]
        assert (await writer.say("Next.")).number == 4
        assert await found(writer, "next") == [6]


def test_behind_something_else_a_branch_is_forked(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        await writer.say("Two.")
        turns = await append(writer, pair(3), pair(4), after=Position(0, 2))
        assert [(turn.number, turn.after) for turn in turns] == [(3, Position(0, 2)), (4, Position(1, 4))]
        assert await writer.log() == ["One.", "Yes.", "Turn 3.", "Word3.", "Turn 4.", "Word4."]
        assert turns == await writer.store.load_turns(OWNER, writer.id, tip=turns[-1].tip, after=2)


def test_of_much_text_the_rest_is_indexed_in_upkeep(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        filler = " tea" * (AT_ONCE_CHARACTERS // 40)
        await append(writer, *(pair(number, filler) for number in range(1, 31)))
        assert await found(writer, "word2") == [4]
        assert await found(writer, "word29") == []
        await writer.say("Next.")  # waits for those before it
        assert await found(writer, "next") == []
        progress = await writer.store.index_words(OWNER, writer.id)
        assert (progress.done, progress.turns) == (31, 31)
        assert [await found(writer, word) for word in ("word2", "word29", "next")] == [[4], [58], [61]]


def test_what_cannot_be_appended_is_refused_whole(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        with pytest.raises(UsageError, match="at least one"):
            await append(writer)
        with pytest.raises(UsageError, match="at least one"):
            await append(writer, pair(1), [])
        with pytest.raises(ConversationError, match="no item 7"):
            await append(writer, pair(1), after=Position(0, 7))
        turn = await writer.open("One.")
        with pytest.raises(Conflict):
            await append(writer, pair(1), after=turn.tip)
        with pytest.raises(ConversationNotFound):
            await ledger(writer).append_turns(
                "eve", writer.id, [pair(1)], after=START, lease=writer.lease, now=1
            )
        await writer.finish(turn, "Yes.")
        await writer.overtaken()
        with pytest.raises(LeaseLost):
            await append(writer, pair(1))
        assert ((await writer.row()).turns, await writer.log()) == (1, ["One.", "Yes."])


def test_500_messages_are_kept_in_a_moment() -> None:
    async def main() -> float:
        store = EphemeralStore()
        writer = await Writer.begin(store)
        turns = [pair(number, " and so on, as people say it" * 5) for number in range(250)]
        began = time.process_time()
        await append(writer, *turns)
        took = time.process_time() - began
        assert len(await writer.log()) == 500
        await store.close()
        return took

    assert asyncio.run(main()) < 0.5  # seconds of the processor; about 0.03 is usual
