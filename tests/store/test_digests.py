"""Histories are recognised by keyed digests, until something of them is forgotten."""

from collections.abc import Awaitable, Callable

import pytest
from tests.store.keeper import begin, forget, ledger
from tests.store.writer import OWNER, Writer

from turnkeep.conversation.items import Message, Recalled, assistant
from turnkeep.conversation.log import START, Position
from turnkeep.errors import ConversationNotFound
from turnkeep.store.ledger import MOST_FOUND, Recognised

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


async def known(writer: Writer, *numbers: int) -> list[int]:
    """Which of these digests are kept."""
    return [
        number for number in numbers if await ledger(writer).find_digests(OWNER, [digest(number)]) is not None
    ]


def test_the_longest_known_history_is_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        for number in (1, 2, 3):
            await writer.say(f"Turn {number}.")
        await books.save_digests(OWNER, writer.id, [(digest(n), n) for n in (1, 2, 3)])
        found = await books.find_digests(OWNER, [digest(1), digest(2), digest(8), digest(9)])
        assert found is not None
        place = Recognised(digest=digest(2), conversation=writer.id, turn=2, at=Position(0, 4))
        assert (found.index, found.places) == (1, (place,))
        assert await books.find_digests(OWNER, [digest(8)]) is None
        assert await books.find_digests(OWNER, []) is None
        assert await books.find_digests("eve", [digest(1)]) is None


def test_several_conversations_with_one_history_are_found_the_newest_first(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        others = [await begin(writer, "history") for _ in range(MOST_FOUND)]
        for each in (writer, *others):
            await each.say("Hi.")
            await books.save_digests(OWNER, each.id, [(digest(1), 1)])
        await books.save_digests(OWNER, writer.id, [(digest(1), 1)])  # again: nothing new
        found = await books.find_digests(OWNER, [digest(1)])
        assert found is not None
        assert [place.conversation for place in found.places] == [each.id for each in reversed(others)]
        assert (await writer.store.stats()).tables["digest"] == MOST_FOUND + 1


def test_the_digests_of_another_owner_are_not_known(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        await writer.say("Hi.")
        with pytest.raises(ConversationNotFound):
            await books.save_digests("eve", writer.id, [(digest(1), 1)])
        assert await known(writer, 1) == []


def test_forgetting_a_turn_takes_all_histories_along_that_held_it(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        for number in (1, 2, 3):
            await writer.say(f"Turn {number}.")
        beside = await writer.say("Beside the third.", after=Position(0, 4))
        first_again = await writer.say("In the place of the first.", after=START)
        after_it = await writer.say("Behind that.", after=first_again.tip)
        turns = (1, 2, 3, beside.number, first_again.number, after_it.number)
        await books.save_digests(OWNER, writer.id, [(digest(n), n) for n in turns])
        await forget(writer, [3])
        assert await known(writer, *turns) == [1, 2, 4, 5, 6]
        await forget(writer, [2])
        assert await known(writer, *turns) == [1, 5, 6]
        await forget(writer, [5])
        assert await known(writer, *turns) == [1]


def test_the_digest_of_a_turn_of_one_message_goes_too(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.finish(await writer.open("Nobody answered."))
        await ledger(writer).save_digests(OWNER, writer.id, [(digest(1), 1)])
        await forget(writer, [1])
        assert await known(writer, 1) == []


def test_the_digest_of_a_forgotten_turn_is_not_kept(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        await writer.say("One.")
        await writer.finish(await writer.open("Two."), Message("assistant", assistant("Yes.").parts))
        turn = await writer.open("Three.", Recalled(("user: One.",), (1,)))
        await writer.finish(turn, "Yes.")
        await forget(writer, [1])  # and with it the line that the third turn recalled
        await books.save_digests(OWNER, writer.id, [(digest(n), n) for n in (1, 2, 3, 9)])
        assert await known(writer, 1, 2, 3, 9) == [2, 3]


def test_an_owner_has_one_digest_key_for_good(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        key = await books.load_digest_key(OWNER)
        assert len(key) == 32
        assert await books.load_digest_key(OWNER) == key
        theirs = await books.load_digest_key("eve")  # who has said nothing yet
        assert theirs != key
        await books.delete_owner("eve")
        assert await books.load_digest_key("eve") not in (key, theirs)
        assert await books.load_digest_key(OWNER) == key
