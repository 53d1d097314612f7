"""What stands on another branch weighs nothing: a branch is searched as if it were all there is.

Each path of a random tree is compared with a conversation that holds this path alone.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.embedders import WordEmbedder
from tests.store.costs import Steps
from tests.store.older import make_older
from tests.store.writer import OWNER, Writer

from turnkeep.context import ranking
from turnkeep.context.ranking import Postings
from turnkeep.context.recall import make_query
from turnkeep.context.words import index_terms, term_key
from turnkeep.conversation.items import TurnState
from turnkeep.conversation.log import START, Position, Range
from turnkeep.indexing import Indexer
from turnkeep.search import Findings, Searcher
from turnkeep.store.base import Store
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.reading import Index
from turnkeep.store.sqlite import SqliteStore, postings
from turnkeep.store.sqlite.conversations import find_place
from turnkeep.store.sqlite.database import Database
from turnkeep.store.sqlite.extents import Side, find_side
from turnkeep.store.sqlite.paths import Parents

Weighed = tuple[list[tuple[int, float]], float]  # place and score of what was found; the weight of it all

WORDS = ("walrus", "heron", "lisbon", "biscuit", "violin", "dog", "hound", "storm", "is", "?")
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Said:
    """One turn of a tree. `where` picks the turn it follows, or the start; high numbers the newest."""

    where: int
    text: str
    reply: str
    state: TurnState
    forgotten: bool
    now: float


TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
TREES = st.lists(
    st.builds(
        Said,
        where=st.one_of(st.integers(0, 30), st.just(-1), st.just(-1)),
        text=TEXTS,
        reply=TEXTS,
        state=st.sampled_from(["done", "done", "done", "cut_off", "failed"]),
        forgotten=st.sampled_from([False] * 7 + [True]),
        now=st.integers(0, 40).map(lambda day: day * DAY_SECONDS + 1001),
    ),
    max_size=14,
)


@dataclass
class Tree:
    """A conversation with branches; `ways` says for each end which turns lead there."""

    writer: Writer
    ways: dict[Position, tuple[Said, ...]] = field(default_factory=lambda: {START: ()})

    async def grow(self, steps: Sequence[Said]) -> None:
        for step in steps:
            after = list(self.ways)[step.where % len(self.ways) if step.where >= 0 else -1]
            end = await say(self.writer, step, after)
            self.ways[end] = (*self.ways[after], step)


async def say(writer: Writer, said: Said, after: Position) -> Position:
    """Say one turn, and forget it if so it is meant; returns where it ends."""
    writer.clock = said.now
    turn = await writer.open(said.text, after=after)
    turn = await writer.finish(turn, None if said.state == "failed" else said.reply, said.state)
    if said.forgotten:
        await writer.store.forget_turn(
            OWNER, writer.id, turn.number, lease=writer.lease, now=writer.now(), alike=False
        )
    return turn.tip


async def copy_alone(store: Store, way: Sequence[Said]) -> Writer:
    """Say the turns of one path in a conversation of their own."""
    writer, tip = await Writer.begin(store), START
    for said in way:
        tip = await say(writer, said, tip)
    return writer


def all_keys(way: Sequence[Said]) -> list[int]:
    """The keys of all words there are, and of the days of a path."""
    days = [said.now for said in way] or [1001.0]
    return sorted({term_key(term) for day in days for term in index_terms(" ".join(WORDS), day)})


async def look_up(writer: Writer, tip: Position, keys: Sequence[int], upto: int) -> Postings:
    """What the index says, that of the words left for later at all places included."""

    def look(index: Index) -> Postings:
        found = index.postings(keys, upto=upto)
        return ranking.add_found(found, index.postings_at(found.left, range(1, upto + 1)))

    return await writer.store.consult(OWNER, writer.id, look, tip=tip)


async def search(writer: Writer, searcher: Searcher, tip: Position, text: str, *, explicit: bool) -> Findings:
    query = make_query(text, now=2e6)
    return await searcher.find(
        OWNER, writer.id, query, tip=tip, upto=max(1, tip.seq - 1), most=5, explicit=explicit
    )


def describe(found: Findings) -> object:
    """What was found, its order, its scores and its weight, but for ids and branches."""
    matches = [(match.item.at.seq, match.item.item, match.score) for match in found.matches]
    return matches, found.weight, found.by, found.why


@contextmanager
def few_rows_read() -> Iterator[None]:
    """All the limits of a query so low that a conversation of some turns reaches them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "MOST_ROWS", 3)
        patch.setattr(ranking, "MOST_POSTINGS", 4)
        patch.setattr(ranking, "FEW_ITEMS", 6)
        yield


# -- as if it were all there is ---------------------------------------------------------------------
@settings(max_examples=30)
@given(TREES)
def test_the_index_of_a_path_is_that_of_a_conversation_that_has_only_this_path(steps: list[Said]) -> None:
    async def main() -> list[tuple[Postings, Postings]]:
        store = EphemeralStore()
        tree = Tree(await Writer.begin(store))
        await tree.grow(steps)
        pairs = []
        for tip, way in tree.ways.items():
            alone, keys = await copy_alone(store, way), all_keys(way)
            for upto in {tip.seq, tip.seq // 2}:
                here = await look_up(tree.writer, tip, keys, upto)
                there = await look_up(alone, Position(0, tip.seq), keys, upto)
                pairs.append((here, there))
        await store.close()
        return pairs

    with few_rows_read():
        pairs = asyncio.run(main())
    for here, there in pairs:
        assert (here.items, here.words) == (there.items, there.words)
        assert here.left == there.left
        assert {key: (found.items, list(found.rows)) for key, found in here.found.items()} == {
            key: (found.items, list(found.rows)) for key, found in there.found.items()
        }


@pytest.mark.parametrize("embedder", [None, WordEmbedder()], ids=["words", "meaning"])
@settings(max_examples=10)
@given(steps=TREES, text=TEXTS)
def test_a_question_finds_on_a_branch_what_it_finds_in_a_conversation_of_this_branch_alone(
    embedder: WordEmbedder | None, steps: list[Said], text: str
) -> None:
    async def main() -> list[tuple[object, object]]:
        store = EphemeralStore()
        tree, searcher = Tree(await Writer.begin(store)), Searcher(store, embedder)
        await tree.grow(steps)
        await embed(tree.writer, embedder)
        pairs = []
        for tip, way in tree.ways.items():
            alone = await copy_alone(store, way)
            await embed(alone, embedder)
            for explicit in (False, True):
                here = await search(tree.writer, searcher, tip, text, explicit=explicit)
                there = await search(alone, searcher, Position(0, tip.seq), text, explicit=explicit)
                pairs.append((describe(here), describe(there)))
        await store.close()
        return pairs

    with few_rows_read():
        pairs = asyncio.run(main())
    for here, there in pairs:
        assert here == there


async def embed(writer: Writer, embedder: WordEmbedder | None) -> None:
    async def pause() -> None:
        """Nobody waits."""

    await Indexer(writer.store, OWNER, writer.id, embedder).run(pause)


def test_a_question_on_two_branches_weighs_alike_however_often_the_other_was_asked() -> None:
    """Each branch names a word once, and the question is said again and again on the first of them."""

    async def main() -> list[tuple[Weighed, Weighed]]:
        store = EphemeralStore()
        writer, searcher = await Writer.begin(store), Searcher(store)
        trunk = await writer.say("We need a word for the door.", "Noted.")
        ends = []
        for word in ("kestrel", "walnut"):
            end = await writer.say(f"The secret word is {word}.", "Noted.", after=trunk.tip)
            for number in range(8):
                end = await writer.say(f"Let us talk about topic{number} now.", "Noted.", after=end.tip)
            ends.append(end.tip)
        pairs = []
        for _ in range(3):
            one, other = [
                await search(writer, searcher, tip, "What is the secret word?", explicit=False)
                for tip in ends
            ]
            pairs.append((weigh(one), weigh(other)))
            for _ in range(4):
                await writer.say("What is the secret word?", "The secret word is kestrel.", after=ends[0])
        await store.close()
        return pairs

    pairs = asyncio.run(main())
    for one, other in pairs:
        assert one == other == pairs[0][0]


def weigh(found: Findings) -> Weighed:
    return [(match.item.at.seq, match.score) for match in found.matches], found.weight


def test_what_was_said_behind_a_place_weighs_nothing_there() -> None:
    """Before anything is said on a branch of its own: the place is amid a conversation that has no branch yet."""

    async def main() -> tuple[Postings, Postings]:
        store = EphemeralStore()
        writer = await Writer.begin(store)
        turns = [await writer.say(f"The heron is {n}.", "The walrus is not.") for n in range(6)]
        keys = [term_key("heron"), term_key("walrus")]
        early = await look_up(writer, turns[1].tip, keys, 4)
        nothing = await look_up(writer, START, keys, 0)
        await store.close()
        return early, nothing

    early, nothing = asyncio.run(main())
    assert early.items == 4
    assert [found.items for found in early.found.values()] == [2, 2]
    assert (nothing.items, nothing.words, nothing.found, nothing.left) == (0, 0, {}, {})


# -- what is kept for it ----------------------------------------------------------------------------
def extents_and_totals(path: Path) -> tuple[list[object], list[object]]:
    """Items and terms of each conversation, as its items have them, and as its totals say."""
    with closing(sqlite3.connect(path)) as database:
        summed = database.execute(
            "SELECT conversation, count(*), sum(words) FROM extent GROUP BY conversation ORDER BY conversation"
        ).fetchall()
        kept = database.execute(
            "SELECT conversation, items, words FROM indexed WHERE items > 0 ORDER BY conversation"
        ).fetchall()
    return summed, kept


def test_what_the_items_of_a_conversation_have_together_are_its_totals(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def main() -> None:
        store = SqliteStore(path)
        for _ in range(2):
            writer = await Writer.begin(store)
            first = await writer.say("The heron sleeps.", "It does.")
            await writer.say("The walrus sleeps.", "It does not.", after=first.tip)
            second = await writer.say("The walrus wakes.", "?", after=first.tip)
        await store.forget_turn(OWNER, writer.id, second.number, lease=writer.lease, now=writer.now())
        await store.close()

    asyncio.run(main())
    summed, kept = extents_and_totals(path)
    assert len(kept) == 2
    assert summed == kept


def test_a_conversation_of_an_older_turnkeep_weighs_by_its_path_too(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    keys = [term_key("heron"), term_key("walrus")]

    async def grow() -> tuple[Writer, Position, Postings]:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        first = await writer.say("The heron sleeps.", "It does.")
        ours = await writer.say("The walrus and the heron.", "Both.", after=first.tip)
        for _ in range(5):
            await writer.say("The walrus wakes.", "The walrus!", after=first.tip)
        found = await look_up(writer, ours.tip, keys, 4)
        await store.close()
        return writer, ours.tip, found

    async def look_again(writer: Writer, tip: Position) -> Postings:
        store = SqliteStore(path)
        found = await look_up(writer.on(store), tip, keys, 4)
        await store.close()
        return found

    writer, tip, found = asyncio.run(grow())
    make_older(path, 3)
    assert found.found[keys[1]].items == 1
    assert asyncio.run(look_again(writer, tip)) == found
    summed, kept = extents_and_totals(path)
    assert summed == kept


# -- what it costs ----------------------------------------------------------------------------------
def test_the_shorter_side_is_counted() -> None:
    async def main() -> list[tuple[bool, list[Range], list[Range]]]:
        store = EphemeralStore()
        writer = await Writer.begin(store)
        turns = [await writer.say(f"Turn {number}.") for number in range(20)]
        again = await writer.say("Turn 19 again.", after=turns[18].tip)
        early = await writer.say("Turn 2 again.", after=turns[1].tip)

        def choose(database: Database, tip: Position) -> Side:
            place, _ = find_place(database, OWNER, writer.id)
            return find_side(database, place, Parents(database, place).path(tip), 2)

        sides = [
            await store._read(choose, tip) for tip in (turns[19].tip, again.tip, early.tip, turns[1].tip)
        ]
        await store.close()
        return [(side.beside, list(side.ranges), list(side.windows)) for side in sides]

    first, again, early, amid = asyncio.run(main())
    assert first == (True, [Range(1, 38, 40), Range(2, 4, 6)], [Range(0, 4, 6), Range(0, 38, 40)])
    assert again == (True, [Range(0, 38, 40), Range(2, 4, 6)], [Range(0, 4, 6), Range(1, 38, 40)])
    path = [Range(0, 0, 4), Range(2, 4, 6)]
    assert early == (False, path, path)
    assert amid == (False, path[:1], path[:1])


def _ask(keys: Sequence[int], upto: int, index: Index) -> Postings:
    return index.postings(keys, upto=upto)


async def question_steps(turns: int, forks: int) -> int:
    """The steps of SQLite that questions take in a conversation, some of whose turns were answered again."""
    store, steps = EphemeralStore(), Steps()
    writer = await Writer.begin(store)
    for number in range(1, turns + 1):
        turn = await writer.say(f"The w{number % 90} and the v{number % 31}.", f"Not the u{number % 17}.")
        if forks and number % (turns // forks) == 0:
            await writer.say("Another.", "Not so.", after=turn.after)
    tip = (await writer.row()).tip
    await store._worker.run(steps.watch)
    for words in ("w1 v2 u3", "w5", "u1 u2 v4 v5 w7"):
        ask = partial(_ask, [term_key(word) for word in words.split()], tip.seq - 40)
        await store.consult(OWNER, writer.id, ask, tip=tip)
    await store.close()
    return steps.taken


def test_what_turns_that_were_answered_again_add_to_a_question_does_not_grow_with_the_conversation() -> None:
    async def main() -> list[int]:
        return [
            await question_steps(turns, forks=5) - await question_steps(turns, forks=0)
            for turns in (120, 240)
        ]

    short, long = asyncio.run(main())
    assert 0 < long < 1.2 * short
