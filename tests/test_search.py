"""The road from a query to the messages that match: by words, by meaning, late or never, on its own path."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.embedders import WordEmbedder, embed_all
from tests.store.writer import OWNER, Writer
from turnkeep.context import ranking
from turnkeep.context.recall import make_query
from turnkeep.conversation.items import Message, Recalled, assistant
from turnkeep.conversation.log import Position
from turnkeep.indexing import Indexer
from turnkeep.search import By, Findings, Searcher
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite import SqliteStore

NOW = 1_700_000_000.0


def run(scenario: Callable[[Writer], Awaitable[None]]) -> None:
    """Run a scenario at once, on a store in memory."""

    async def main() -> None:
        store = EphemeralStore()
        try:
            await scenario(await Writer.begin(store))
        finally:
            await store.close()

    asyncio.run(main())


async def find(
    searcher: Searcher,
    writer: Writer,
    text: str,
    *,
    tip: Position | None = None,
    upto: int | None = None,
    by: By = "best",
    explicit: bool = False,
    most: int = 5,
) -> Findings:
    at = (await writer.row()).tip if tip is None else tip
    return await searcher.find(
        OWNER,
        writer.id,
        make_query(text, now=NOW),
        tip=at,
        upto=at.seq if upto is None else upto,
        most=most,
        by=by,
        explicit=explicit,
    )


def said(findings: Findings) -> list[str]:
    """What was found, best first."""
    return [match.item.item.text for match in findings.matches if isinstance(match.item.item, Message)]


async def talk(writer: Writer) -> None:
    await writer.say("My puppy is called Biscuit.", "A lovely name.")
    await writer.say("The vessel leaves at noon.", "Do not be late.")
    await writer.say("I play the violin.", "Every day?")


# -- words and meaning ------------------------------------------------------------------------------
def test_words_alone_find_what_holds_them() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        found = await find(Searcher(writer.store), writer, "Who is Biscuit?", explicit=True)
        assert said(found) == ["My puppy is called Biscuit."]
        assert (found.by, found.why) == ("words", None)
        assert found.weight >= 1
        assert found.matches[0].conversation == writer.id
        assert said(await find(Searcher(writer.store), writer, "Who is the hound?", explicit=True)) == []


def test_meaning_finds_what_shares_no_word() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        embedder = WordEmbedder()
        await embed_all(writer, embedder)
        searcher = Searcher(writer.store, embedder)
        found = await find(searcher, writer, "Where is the ship?", explicit=True)
        assert (said(found), found.by) == (["The vessel leaves at noon."], "meaning")
        found = await find(searcher, writer, "Is the hound called Biscuit?", explicit=True)
        assert said(found)[0] == "My puppy is called Biscuit."
        assert found.by == "words and meaning"
        by_words = await find(searcher, writer, "Where is the ship?", by="words", explicit=True)
        assert (said(by_words), by_words.by) == ([], "words")
        by_meaning = await find(searcher, writer, "A dog called violin", by="meaning", explicit=True)
        assert said(by_meaning) == ["My puppy is called Biscuit."]


def test_the_answer_comes_with_its_question_unless_somebody_asked_for_the_very_words() -> None:
    @run
    async def _(writer: Writer) -> None:
        await writer.say("What is the name of the walrus?", "Gottfried.")
        await talk(writer)
        searcher = Searcher(writer.store)
        assert "Gottfried." in said(await find(searcher, writer, "the walrus"))
        assert said(await find(searcher, writer, "the walrus", explicit=True)) == [
            "What is the name of the walrus?"
        ]


def test_recalled_lines_between_two_messages_do_not_part_them() -> None:
    @run
    async def _(writer: Writer) -> None:
        turn = await writer.open(
            "What is the name of the walrus?", Recalled(("[1 May 2023] user: Old.",), (1,))
        )
        await writer.finish(turn, assistant("Gottfried."))
        found = await find(Searcher(writer.store), writer, "the walrus")
        assert said(found) == ["What is the name of the walrus?", "Gottfried."] or said(found) == [
            "Gottfried.", "What is the name of the walrus?",
        ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "  ", "?!"])
def test_nothing_is_looked_for_where_nothing_is_asked(text: str) -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        embedder = WordEmbedder()
        searcher = Searcher(writer.store, embedder)
        assert await find(searcher, writer, text) == Findings()
        assert await find(searcher, writer, "Biscuit", upto=0) == Findings()
        assert embedder.asked == []


def test_nothing_behind_the_last_place_and_nothing_of_a_sibling_is_found() -> None:
    @run
    async def _(writer: Writer) -> None:
        embedder = WordEmbedder()
        trunk = await writer.say("A dog called Biscuit.", "A puppy!")
        ours = await writer.say("Biscuit, the dog, sleeps.", "A puppy sleeps.")
        theirs = await writer.say("A ship.", "A boat.", after=trunk.tip)
        await embed_all(writer, embedder)
        for searcher in (Searcher(writer.store), Searcher(writer.store, embedder)):
            found = await find(searcher, writer, "Where does Biscuit the hound sleep?", tip=theirs.tip)
            assert {match.item.at.branch for match in found.matches if match.item.at.seq > 2} <= {
                theirs.branch
            }
            assert "Biscuit, the dog, sleeps." not in said(found)
            found = await find(searcher, writer, "Where does Biscuit the hound sleep?", tip=ours.tip, upto=2)
            assert max(match.item.at.seq for match in found.matches) <= 2


def test_words_that_are_too_common_to_be_read_whole_rank_what_the_others_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @run
    async def _(writer: Writer) -> None:
        for number in range(20):
            await writer.say(
                f"The walrus {'and the heron' if number == 7 else ''} eats {'fish' * (number % 2)}."
            )
        searcher = Searcher(writer.store)
        whole = await find(searcher, writer, "heron walrus fish", explicit=True, most=50)
        monkeypatch.setattr(ranking, "MOST_POSTINGS", 2)
        part = await find(searcher, writer, "heron walrus fish", explicit=True, most=50)
        assert said(whole)[0] == said(part)[0] == "The walrus and the heron eats fish."
        assert whole.matches[0].score == pytest.approx(part.matches[0].score)
        assert len(part.matches) < len(whole.matches)


# -- vectors that come late, or never ---------------------------------------------------------------
def test_a_vector_that_is_late_means_words_alone_and_the_findings_say_so() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        embedder = WordEmbedder()
        await embed_all(writer, embedder)
        embedder.asked.clear()
        embedder.gate = asyncio.Event()
        searcher = Searcher(writer.store, embedder, seconds=0.01)
        found = await find(searcher, writer, "the ship of Biscuit")
        assert found.by == "words"
        assert found.why == "The message's vector was not there within 0.01 s: found by words alone."
        assert said(found)[0] == "My puppy is called Biscuit."
        embedder.gate.set()
        assert "The vessel leaves at noon." in said(
            await find(searcher, writer, "the ship of Biscuit", explicit=True)
        )
        assert embedder.asked == ["the ship of Biscuit"]  # what came late was not thrown away
        await searcher.close(embedder=False)


def test_an_explicit_search_waits_for_the_vector_as_long_as_it_takes() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        embedder = WordEmbedder()
        await embed_all(writer, embedder)
        gate = embedder.gate = asyncio.Event()
        searcher = Searcher(writer.store, embedder, seconds=0)
        asked = asyncio.ensure_future(find(searcher, writer, "a ship", explicit=True))
        while "a ship" not in embedder.asked:
            await asyncio.sleep(0)
        assert (await find(searcher, writer, "a ship")).by == "words"
        gate.set()
        assert said(await asked) == ["The vessel leaves at noon."]


def test_an_embedder_that_fails_means_words_alone_and_is_asked_again_the_next_time() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        embedder = WordEmbedder()
        await embed_all(writer, embedder)
        embedder.broken = "It is gone: it will be started again."
        searcher = Searcher(writer.store, embedder)
        found = await find(searcher, writer, "a ship of Biscuit")
        assert found.by == "words"
        assert found.why == "Found by words alone: It is gone: it will be started again."
        embedder.broken = None
        again = await find(searcher, writer, "a ship of Biscuit", explicit=True)
        assert (again.by, again.why) == ("words and meaning", None)
        assert "The vessel leaves at noon." in said(again)


def test_two_searches_for_the_same_text_ask_for_one_vector() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        embedder = WordEmbedder()
        searcher = Searcher(writer.store, embedder)
        await asyncio.gather(*(find(searcher, writer, "a ship") for _ in range(3)))
        assert embedder.asked == ["a ship"]


def test_who_gives_up_a_search_leaves_the_others_their_vector() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        embedder = WordEmbedder()
        gate = embedder.gate = asyncio.Event()
        searcher = Searcher(writer.store, embedder)
        first, second = (asyncio.ensure_future(find(searcher, writer, "a ship")) for _ in range(2))
        while not embedder.asked:
            await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert (await second).why is None
        assert first.cancelled()


def test_closing_lets_go_of_late_vectors_and_closes_the_embedder_if_it_may() -> None:
    @run
    async def _(writer: Writer) -> None:
        await talk(writer)
        for may in (False, True):
            embedder = WordEmbedder()
            embedder.gate = asyncio.Event()
            searcher = Searcher(writer.store, embedder, seconds=0)
            await find(searcher, writer, "a ship")
            await searcher.close(embedder=may)
            assert embedder.closed == may
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1  # this one


def test_one_searcher_serves_one_event_loop_after_another(tmp_path: Path) -> None:
    store, embedder = SqliteStore(tmp_path / "turnkeep.db"), WordEmbedder()
    searcher = Searcher(store, embedder)

    async def begin() -> Writer:
        writer = await Writer.begin(store)
        await talk(writer)
        await embed_all(writer, embedder)
        return writer

    writer = asyncio.run(begin())
    for _ in range(2):
        found = asyncio.run(find(searcher, writer, "a ship", explicit=True))
        assert said(found) == ["The vessel leaves at noon."]
    asyncio.run(store.close())


# -- another embedder -------------------------------------------------------------------------------
def test_while_another_embedder_takes_over_the_search_goes_on() -> None:
    @run
    async def _(writer: Writer) -> None:
        for number in range(12):
            await writer.say(f"A dog called Rex{number}.", f"A ship called Nina{number}.")
        old, new = WordEmbedder("old:int8"), WordEmbedder("new:int8")
        await embed_all(writer, old)
        searcher = Searcher(writer.store, new)
        found = await find(searcher, writer, "Rex3", explicit=True)
        assert (said(found), found.by, found.why) == (["A dog called Rex3."], "words", None)
        steps = Indexer(writer.store, OWNER, writer.id, new).steps()
        seen = 0
        async for _ in steps:
            found = await find(searcher, writer, "hound Rex3", explicit=True, most=50)
            assert said(found)[0] == "A dog called Rex3."
            dogs = len(said(found))
            assert dogs >= seen
            seen = dogs
            # Who still uses the old one finds as before, until the new vectors are complete.
            assert (
                len(said(await find(Searcher(writer.store, old), writer, "hound", explicit=True, most=50)))
                == 12
            )
        assert seen == 12


# -- all of an owner's conversations ----------------------------------------------------------------
def test_other_conversations_are_found_by_their_words_and_never_those_of_other_owners() -> None:
    @run
    async def _(writer: Writer) -> None:
        other = await Writer.begin(writer.store, "harbour")
        await talk(other)
        await writer.say("Biscuit, again.")
        for searcher in (Searcher(writer.store), Searcher(writer.store, WordEmbedder())):
            query = make_query("Biscuit", now=NOW)
            found = await searcher.find_elsewhere(OWNER, query, apart=writer.id, most=1)
            (match,) = found.matches
            assert (match.conversation, match.name) == (other.id, "harbour")
            assert said(found) == ["My puppy is called Biscuit."]
            found = await searcher.find_elsewhere(OWNER, query, apart=None, most=9, explicit=True)
            assert {each.conversation for each in found.matches} == {writer.id, other.id}
            assert (
                await searcher.find_elsewhere("eve", query, apart=None, most=9, explicit=True)
            ).matches == []


def test_in_other_conversations_too_the_answer_comes_with_its_question_past_recalled_lines() -> None:
    @run
    async def _(writer: Writer) -> None:
        other = await Writer.begin(writer.store)
        recalled = Recalled(("[1 May 2023] user: Old.",), (1,))
        turn = await other.open("What is the name of the walrus?", recalled)
        await other.finish(turn, assistant("Gottfried."))
        query = make_query("the walrus", now=NOW)
        found = await Searcher(writer.store).find_elsewhere(OWNER, query, apart=writer.id, most=5)
        assert sorted(said(found)) == ["Gottfried.", "What is the name of the walrus?"]


def test_an_explicit_search_looks_at_the_meaning_of_other_conversations_too() -> None:
    @run
    async def _(writer: Writer) -> None:
        embedder = WordEmbedder()
        other = await Writer.begin(writer.store, "harbour")
        await talk(other)
        await writer.say("Nothing of the kind.")
        for each in (writer, other):
            await embed_all(each, embedder)
        searcher = Searcher(writer.store, embedder)
        query = make_query("Where is the ship?", now=NOW)
        found = await searcher.find_elsewhere(OWNER, query, apart=None, most=9, explicit=True)
        assert said(found) == ["The vessel leaves at noon."]
        assert found.matches[0].name == "harbour"
        unasked = await searcher.find_elsewhere(OWNER, query, apart=writer.id, most=9)
        assert unasked.weight < 1  # recall looks where the words are


def test_the_tip_of_another_conversation_bounds_what_is_found_there() -> None:
    @run
    async def _(writer: Writer) -> None:
        other = await Writer.begin(writer.store)
        first = await other.say("The walrus sleeps.", "So it does.")
        await other.say("The walrus wakes.", "So it does.")
        await other.move(first.tip)
        searcher = Searcher(writer.store)
        found = await searcher.find_elsewhere(OWNER, make_query("walrus", now=NOW), apart=writer.id, most=9)
        assert "The walrus wakes." not in said(found)
        assert "The walrus sleeps." in said(found)
