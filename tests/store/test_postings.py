"""The index of words, on every kind of store: what is said is found, on its own path and by its owner alone."""

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.older import make_older
from tests.store.writer import OWNER, Writer, texts

from turnkeep.context.ranking import Postings
from turnkeep.context.words import VERSION, index_terms, split_terms, term_key
from turnkeep.conversation.items import Message, Recalled, ToolCall, ToolResult, assistant, user
from turnkeep.conversation.log import START, Position
from turnkeep.errors import ConversationNotFound, StoreError
from turnkeep.store.base import StoredItem
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite import SqliteStore, postings
from turnkeep.store.sqlite.postings import MOST_ROWS, SLICE_TURNS

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]
ROOT = Path(__file__).parents[2]
FAR = 1 << 30  # a place that no conversation reaches
RECALL_TABLES = ("posting", "word", "extent", "indexed", "vector", "embedded", "embedder")


def keys_of(text: str) -> list[int]:
    """Keys of a text's words."""
    return list({term_key(term) for term in split_terms(text)})


async def load(writer: Writer, text: str, tip: Position | None = None, upto: int = FAR) -> Postings:
    at = (await writer.row()).tip if tip is None else tip
    return await writer.store.consult(
        OWNER, writer.id, lambda index: index.postings(keys_of(text), upto=upto), tip=at
    )


async def places(writer: Writer, word: str, tip: Position | None = None, upto: int = FAR) -> list[int]:
    """Where a word stands on the path to a tip, rising."""
    found = (await load(writer, word, tip, upto)).found
    return sorted(place for each in found.values() for place, _, _ in each.rows)


def count_rows(path: Path) -> dict[str, int]:
    database = sqlite3.connect(path)
    try:
        return {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in RECALL_TABLES
        }
    finally:
        database.close()


def expected_rows(items: Iterable[StoredItem]) -> dict[int, set[tuple[int, int, int]]]:
    """What an index says of these items: for each term, place, count and length."""
    rows: dict[int, set[tuple[int, int, int]]] = {}
    for stored in items:
        if isinstance(stored.item, Message) and stored.item.role in ("user", "assistant"):
            terms = index_terms(stored.item.text, stored.created)
            for term, count in terms.items():
                rows.setdefault(term_key(term), set()).add((stored.at.seq, count, terms.total()))
    return rows


async def check_agrees_with_its_log(writer: Writer, tip: Position) -> set[int]:
    """The index of the path to `tip` says what is said on it, and nothing else; returns the places it knows."""
    items = await writer.store.load_log(OWNER, writer.id, tip=tip)
    expected = expected_rows(items)
    everything = set(expected)
    for turn in range(1, (await writer.row()).turns + 1):
        everything |= set(expected_rows(await writer.items(turn)))
    found = await writer.store.consult(
        OWNER, writer.id, lambda index: index.postings(sorted(everything), upto=tip.seq), tip=tip
    )
    left = await writer.store.consult(
        OWNER,
        writer.id,
        lambda index: index.postings_at(found.left, [stored.at.seq for stored in items]),
        tip=tip,
    )
    both = {**found.found, **left}
    assert {key: set(each.rows) for key, each in both.items() if each.rows} == {
        key: rows for key, rows in expected.items() if key in both
    }
    assert set(found.found) >= {key for key, rows in expected.items() if len(rows) == 1 and key in both}
    return {place for each in both.values() for place, _, _ in each.rows}


# -- what is indexed --------------------------------------------------------------------------------
def test_what_is_said_is_found_by_its_words_at_once(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        open_turn = await writer.open("My dog is called Biscuit.")
        assert await places(writer, "biscuit", tip=open_turn.tip) == [1]
        await writer.finish(open_turn, "What a name: Biscuit, Biscuit!")
        found = await load(writer, "Biscuit")
        assert (found.items, found.words) == (
            2,
            sum(map(sum_of_terms, ("My dog is called Biscuit.", "What a name: Biscuit, Biscuit!"))),
        )
        (only,) = found.found.values()
        assert only.items == 2
        assert [(place, count) for place, count, _ in only.rows] == [(2, 2), (1, 1)]  # the newest first
        assert await places(writer, "cat") == []


def sum_of_terms(text: str) -> int:
    return index_terms(text, 1001.0).total()


def test_the_day_it_was_said_finds_it_too(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.say("Hello there, Biscuit.")
        days = set(index_terms("Biscuit", 1001.0)) - set(index_terms("Biscuit", 400 * 86400.0))
        assert days
        found = await writer.store.consult(
            OWNER,
            writer.id,
            lambda index: index.postings([term_key(day) for day in days], upto=FAR),
            tip=turn.tip,
        )
        assert {place for each in found.found.values() for place, _, _ in each.rows} >= {1}


def test_only_what_user_and_assistant_said_is_indexed(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        call = Message("assistant", (ToolCall(call_id="c", name="look", arguments='{"q": "walrus"}'),))
        turn = await writer.open("Look for a walrus.", Recalled(("[1 May 2023] user: A walrus.",), (1,)))
        await writer.store.append_items(
            OWNER,
            writer.id,
            turn.number,
            [call, Message("tool", (ToolResult(call_id="c", text="walrus walrus"),))],
            lease=writer.lease,
            now=writer.now(),
        )
        await writer.finish(turn, "Here is a walrus.")
        assert await places(writer, "walrus") == [1, 5]
        tip = (await writer.row()).tip
        assert await writer.store.consult(
            OWNER, writer.id, lambda index: index.gaps(range(1, 9)), tip=tip
        ) == {2, 4}


def test_a_reply_that_broke_off_in_a_dead_process_is_not_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.open("Sing.")
        await writer.partial(turn, "Walrus, walrus")
        (settled,) = await writer.settle()
        assert await places(writer, "walrus", tip=settled.tip) == []
        assert await places(writer, "sing", tip=settled.tip) == [1]


def test_items_are_loaded_by_their_places_and_none_behind_the_tip(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        first = await writer.say("One.", "Two.")
        await writer.say("Three.", "Four.")
        tip = (await writer.row()).tip
        loaded = await writer.store.consult(
            OWNER, writer.id, lambda index: index.items([4, 1, 99, 0]), tip=tip
        )
        assert sorted(texts(loaded)) == ["Four.", "One."]
        assert texts(
            await writer.store.consult(OWNER, writer.id, lambda index: index.items([1, 3, 4]), tip=first.tip)
        ) == ["One."]
        assert await writer.store.consult(OWNER, writer.id, lambda index: index.items([]), tip=tip) == []
        assert await writer.store.consult(OWNER, writer.id, lambda index: index.gaps([]), tip=tip) == set()


def test_nothing_is_found_behind_the_place_that_is_asked_for(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for _ in range(3):
            await writer.say("Biscuit.", "Good dog.")
        assert await places(writer, "biscuit") == [1, 3, 5]
        assert await places(writer, "biscuit", upto=3) == [1, 3]
        assert await places(writer, "biscuit", upto=0) == []
        assert (await load(writer, "", upto=FAR)).found == {}


def test_of_a_word_that_stands_everywhere_the_newest_places_are_read(
    on_store: OnStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_ROWS > 1000
    monkeypatch.setattr(postings, "MOST_ROWS", 4)

    @on_store
    async def _(writer: Writer) -> None:
        for _ in range(6):
            await writer.say("Biscuit.", "Good dog.")
        assert await places(writer, "biscuit") == [5, 7, 9, 11]


# -- branches ---------------------------------------------------------------------------------------
def test_nothing_of_a_sibling_is_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        trunk = await writer.say("We met in Lisbon.", "In Lisbon, then.")
        ours = await writer.say("I like the walrus.", "The walrus it is.")
        theirs = await writer.say("I like the heron.", "The heron it is.", after=trunk.tip)
        assert ours.branch != theirs.branch
        assert await places(writer, "walrus", tip=theirs.tip) == []
        assert await places(writer, "heron", tip=ours.tip) == []
        for tip, word in ((ours.tip, "walrus"), (theirs.tip, "heron")):
            assert await places(writer, word, tip=tip) == [3, 4]
            assert await places(writer, "lisbon", tip=tip) == [1, 2]
            found = await writer.store.consult(OWNER, writer.id, lambda index: index.items([3]), tip=tip)
            assert texts(found) == [f"I like the {word}."]
        at = await writer.store.consult(
            OWNER,
            writer.id,
            lambda index: index.postings_at({keys_of("walrus")[0]: 2}, [3, 4]),
            tip=theirs.tip,
        )
        assert [list(each.rows) for each in at.values()] == [[]]


WORDS = ["walrus", "heron", "lisbon", "biscuit", "violin"]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(WORDS), st.sampled_from(WORDS)), max_size=14))
def test_the_index_of_any_path_says_what_is_said_on_it(steps: list[tuple[int, str, str]]) -> None:
    async def main() -> list[tuple[Position, set[int]]]:
        store = EphemeralStore()
        writer = await Writer.begin(store)
        tips = [START]
        for where, said, answered in steps:
            after = tips[where % len(tips)]
            tips.append((await writer.say(f"{said} {said}", answered, after=after)).tip)
        known = [(tip, await check_agrees_with_its_log(writer, tip)) for tip in tips]
        await store.close()
        return known

    for tip, places_known in asyncio.run(main()):
        assert places_known == set(range(1, tip.seq + 1))


# -- owners, other conversations, the end -----------------------------------------------------------
def test_the_index_of_another_owner_is_not_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.say("My dog is called Biscuit.")
        store, ours, keys = writer.store, writer.id, keys_of("biscuit")
        for call in (
            store.consult("eve", ours, lambda index: index.postings(keys, upto=FAR), tip=turn.tip),
            store.consult("eve", ours, lambda index: index.postings_at({keys[0]: 1}, [1]), tip=turn.tip),
            store.consult("eve", ours, lambda index: index.gaps([1]), tip=turn.tip),
            store.consult("eve", ours, lambda index: index.items([1]), tip=turn.tip),
            store.index_words("eve", ours),
        ):
            with pytest.raises(ConversationNotFound):
                await call
        assert await store.load_elsewhere("eve", keys, apart=None) == []
        await store.create_conversation("eve", None, now=1)
        assert await store.load_elsewhere("eve", keys, apart=None) == []


def test_other_conversations_of_an_owner_are_found_each_on_the_path_to_its_tip(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        other = await Writer.begin(writer.store, "harbour")
        trunk = await other.say("The walrus sleeps.", "It does.")
        wakes = await other.say("The walrus wakes.", "It does.")
        await other.move(trunk.tip)
        await writer.say("A walrus here too.")
        keys = keys_of("walrus")
        (found,) = await writer.store.load_elsewhere(OWNER, keys, apart=writer.id)
        assert (found.conversation, found.name, found.tip) == (other.id, "harbour", trunk.tip)
        assert [[place for place, _, _ in each.rows] for each in found.postings.found.values()] == [[1]]
        assert found.postings.items == (await load(other, "walrus", tip=wakes.tip)).items  # not what is apart
        both = await writer.store.load_elsewhere(OWNER, keys, apart=None)
        assert {each.conversation for each in both} == {writer.id, other.id}
        alone = [
            (await load(writer, "walrus")).items,
            (await load(other, "walrus", tip=wakes.tip)).items,  # all of it counts
        ]
        assert {each.postings.items for each in both} == {sum(alone)}  # weighed over all of them
        assert await writer.store.load_elsewhere(OWNER, [], apart=None) == []
        assert await writer.store.load_elsewhere(OWNER, keys_of("heron"), apart=None) == []


def test_a_search_over_all_conversations_looks_into_so_many_at_most(
    on_store: OnStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "MOST_CONVERSATIONS", 2)

    @on_store
    async def _(writer: Writer) -> None:
        rare = [await Writer.begin(writer.store) for _ in range(4)]
        for number, each in enumerate(rare):
            await each.say("walrus" if number else "walrus heron")
        found = await writer.store.load_elsewhere(OWNER, keys_of("walrus heron"), apart=None)
        assert len(found) == 2
        assert found[0].conversation == rare[0].id  # it holds the rarest word


def test_a_deleted_conversation_leaves_nothing_in_the_index(tmp_path: Path) -> None:
    async def main(path: Path) -> None:
        store = SqliteStore(path)
        writer, other = await Writer.begin(store), await Writer.begin(store)
        await writer.say("The walrus sleeps.")
        await other.say("The heron sleeps.")
        await store.delete_conversation(OWNER, writer.id)
        assert await store.load_elsewhere(OWNER, keys_of("walrus"), apart=None) == []
        (left,) = await store.load_elsewhere(OWNER, keys_of("sleeps"), apart=None)
        assert (left.conversation, left.postings.items) == (other.id, 2)
        await store.delete_conversation(OWNER, other.id)
        await store.close()

    asyncio.run(main(tmp_path / "turnkeep.db"))
    assert count_rows(tmp_path / "turnkeep.db") == dict.fromkeys(RECALL_TABLES, 0)


# -- together with the items, or not at all ---------------------------------------------------------
@pytest.mark.parametrize("table", ["posting", "word", "extent", "indexed"])
def test_an_item_whose_words_cannot_be_indexed_is_not_kept(table: str, tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def main() -> None:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        with sqlite3.connect(path) as database:
            database.execute(
                f"CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        database.close()
        with pytest.raises(StoreError):
            await writer.open("The walrus sleeps.")
        assert (await writer.row()).turns == 0
        assert (await store.stats()).items == 0
        await store.close()

    asyncio.run(main())


def test_a_reply_that_cannot_be_kept_is_not_in_the_index(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def main() -> None:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        turn = await writer.open("The heron sleeps.")
        before = count_rows(path)
        with sqlite3.connect(path) as database:
            database.execute(
                "CREATE TRIGGER full BEFORE UPDATE OF receipt ON turn BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        database.close()
        with pytest.raises(StoreError):
            await writer.finish(turn, "The walrus sleeps.")
        assert count_rows(path) == before
        await store.close()

    asyncio.run(main())


def test_a_process_killed_while_it_writes_leaves_no_item_without_its_words(tmp_path: Path) -> None:
    dice = random.Random(11)

    async def prepare(path: Path) -> str:
        store = SqliteStore(path)
        row = await store.create_conversation(OWNER, None, now=1)
        await store.close()
        return row.id

    async def check(path: Path, conversation: str) -> int:
        store = SqliteStore(path)
        writer = await Writer.join(store, conversation, "checker", now=9e9)
        await writer.settle()
        turns = (await writer.row()).turns
        if turns:
            await check_agrees_with_its_log(writer, (await store.load_turn(OWNER, conversation, turns)).tip)
            assert await store.index_words(OWNER, conversation) == await store.index_words(
                OWNER, conversation
            )
        await store.close()
        return turns

    written = []
    for number in range(4):
        path = tmp_path / f"{number}.db"
        conversation = asyncio.run(prepare(path))
        command = [sys.executable, "-m", "tests.store.appender", str(path), conversation, "walrus", "10000"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == b"ready\n"
            process.stdin.close()  # go
            assert process.stdout.readline() == b"said\n"  # however busy the machine is
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(dice.uniform(0.05, 0.3))
            process.kill()
        written.append(asyncio.run(check(path, conversation)))
    assert max(written) > 1


# -- conversations of an older turnkeep -------------------------------------------------------------
def test_a_conversation_of_an_older_turnkeep_is_indexed_in_slices_that_can_stop(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    turns = 2 * SLICE_TURNS + 20

    async def say_much() -> str:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        for number in range(turns):
            await writer.say(f"A {'heron' if number % 10 else 'walrus'}.", f"It was number {number}.")
        await store.close()
        return writer.id

    async def go_on(conversation: str) -> None:
        store = SqliteStore(path)  # a new process each time
        writer = await Writer.join(store, conversation, "later", now=9e9)
        assert (await load(writer, "walrus")).found == {}
        progress = await store.index_words(OWNER, conversation)
        assert (progress.done, progress.turns) == (SLICE_TURNS, turns)
        assert await places(writer, "walrus") == list(range(1, 2 * SLICE_TURNS, 20))
        await writer.say("And a duck, said meanwhile.")  # waits for those before it
        assert await places(writer, "duck") == []
        await store.close()
        one, other = SqliteStore(path), SqliteStore(path)
        steps = await asyncio.gather(*(each.index_words(OWNER, conversation) for each in (one, other) * 2))
        assert max(step.done for step in steps) == turns + 1 == steps[0].turns
        await other.close()
        writer = writer.on(one)
        await check_agrees_with_its_log(writer, (await writer.row()).tip)
        await writer.say("A violin.")
        assert await places(writer, "violin") == [2 * turns + 3]
        await check_agrees_with_its_log(writer, (await writer.row()).tip)
        await one.close()

    conversation = asyncio.run(say_much())
    make_older(path, 1)
    asyncio.run(go_on(conversation))


def test_a_turn_that_was_open_while_its_slice_was_indexed_is_found_whole(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def begin() -> Writer:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        await writer.open("The walrus sleeps.")
        await store.close()
        return writer

    async def go_on(before: Writer) -> None:
        store = SqliteStore(path)
        writer = before.on(store)
        turn = await store.load_turn(OWNER, writer.id, 1)
        await store.index_words(OWNER, writer.id)
        await writer.finish(turn, "The heron does not.")
        await check_agrees_with_its_log(writer, (await writer.row()).tip)
        assert await places(writer, "heron") == [2]
        await store.close()

    writer = asyncio.run(begin())
    make_older(path, 1)
    asyncio.run(go_on(writer))


def test_a_turn_whose_slice_is_still_to_come_waits_for_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "turnkeep.db"
    monkeypatch.setattr(postings, "SLICE_TURNS", 1)

    async def begin() -> Writer:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        await writer.say("The duck sleeps.")
        await writer.open("The walrus sleeps.")
        await store.close()
        return writer

    async def go_on(before: Writer) -> None:
        store = SqliteStore(path)
        writer = before.on(store)
        assert (await store.index_words(OWNER, writer.id)).done == 1
        await writer.finish(await store.load_turn(OWNER, writer.id, 2), "The heron does not.")
        assert await places(writer, "heron") == []
        assert (await store.index_words(OWNER, writer.id)).done == 2
        assert (await places(writer, "walrus"), await places(writer, "heron")) == ([3], [4])
        await store.close()

    writer = asyncio.run(begin())
    make_older(path, 1)
    asyncio.run(go_on(writer))


def test_a_turn_that_ends_after_a_later_one_is_indexed_once(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        first = await writer.open("The walrus sleeps.")
        await writer.say("The heron sleeps.", after=START)
        first = await writer.finish(first, "It snores.")
        progress = await writer.store.index_words(OWNER, writer.id)
        assert (progress.done, progress.turns) == (2, 2)
        await writer.say("The duck sleeps.", after=first.tip)
        await check_agrees_with_its_log(writer, (await writer.row()).tip)


def test_an_index_of_other_terms_is_not_used_and_made_anew(
    on_store: OnStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("The walrus sleeps.")
        monkeypatch.setattr(postings, "VERSION", VERSION + 1)
        assert (await load(writer, "walrus")).found == {}
        assert await writer.store.load_elsewhere(OWNER, keys_of("walrus"), apart=None) == []
        await writer.say("The heron sleeps.")  # waits until the old index is gone
        assert (await load(writer, "heron")).found == {}
        progress = await writer.store.index_words(OWNER, writer.id)
        assert (progress.done, progress.turns) == (2, 2)
        await check_agrees_with_its_log(writer, (await writer.row()).tip)
        assert await places(writer, "walrus") == [1]
        assert len(await writer.store.load_elsewhere(OWNER, keys_of("walrus"), apart=None)) == 1
        monkeypatch.undo()


def test_what_recall_keeps_is_counted_among_the_indexes(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        dice = random.Random(1)
        before = (await writer.store.stats()).index_bytes
        for _ in range(40):
            await writer.say(" ".join(f"w{dice.randrange(10**6)}" for _ in range(60)))
        after = (await writer.store.stats()).index_bytes
        if before is None:  # this SQLite does not tell
            assert after is None
            return
        assert after is not None
        assert after - before > 2400 * 16  # postings and words; the items' own index takes a page or two
        assert (await writer.store.stats()).tables["posting"] >= 2400


def test_both_ends_of_a_message_are_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await writer.finish(
            await writer.open(user("A heron."), user("A violin.")), assistant("A walrus.")
        )
        for number, word in enumerate(("heron", "violin", "walrus"), 1):
            assert await places(writer, word, tip=turn.tip) == [number]
