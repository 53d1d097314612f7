"""Forgetting a turn leaves tombstones, and nothing that was made of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.store.writer import OWNER, Writer

from turnkeep.context.recall import SHORTEST_QUOTE, quote_message
from turnkeep.context.view import Line, Span, View, dump_view, load_view
from turnkeep.context.words import split_terms, term_key
from turnkeep.conversation.items import (
    Forgotten,
    Item,
    Message,
    Note,
    Reasoning,
    Recalled,
    Text,
    assistant,
    user,
)
from turnkeep.conversation.log import START, Position
from turnkeep.errors import Conflict, ConversationNotFound, LeaseLost
from turnkeep.store.base import Turn
from turnkeep.store.erasing import Erased, Eraser, EveryMention
from turnkeep.store.sqlite import SqliteStore

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]


async def forget(writer: Writer, turn: int) -> tuple[int, ...]:
    return await writer.store.forget_turn(OWNER, writer.id, turn, lease=writer.lease, now=writer.now())


async def save(writer: Writer, view: View) -> int:
    stored = await writer.store.save_view(OWNER, writer.id, at=view.at, key="k", body=dump_view(view), now=1)
    return stored.number


async def load(writer: Writer, number: int) -> View:
    stored = await writer.store.load_view(OWNER, writer.id, number)
    return load_view(stored.number, stored.at, stored.body)


async def answer(writer: Writer, text: str, *items: Item, after: Position | None = None) -> Turn:
    turn = await writer.open(text, after=after)
    return await writer.store.finish_turn(
        OWNER, writer.id, turn.number, state="done", items=items, receipt={"notices": ["It was long."], "window": 512}, lease=writer.lease, now=writer.now()
    )  # fmt: skip


async def found(writer: Writer, word: str) -> list[int]:
    """The places where the index of words has a word."""
    tip = (await writer.row()).tip
    keys = [term_key(term) for term in split_terms(word)]
    postings = await writer.store.consult(
        OWNER, writer.id, lambda index: index.postings(keys, upto=tip.seq), tip=tip
    )
    return sorted(place for key in keys if key in postings.found for place, *_ in postings.found[key].rows)


def test_tombstones_with_the_same_ids_and_places_stay(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        reply = Message("assistant", (Reasoning("Hm."), Text("Two!")))
        await answer(writer, "My code is 4711.", Recalled(("old line",), (1,)), reply)
        await writer.say("Three.")
        before = await writer.items(2)
        log = await writer.log()
        assert await forget(writer, 2) == (2,)
        after = await writer.items(2)
        assert [(each.id, each.at, each.turn, each.created) for each in after] == [
            (each.id, each.at, each.turn, each.created) for each in before
        ]
        assert [each.item for each in after] == [
            Forgotten("user"),
            Forgotten("recalled"),
            Forgotten("assistant"),
        ]
        rest = [text for text in await writer.log() if "Forgotten" not in text]
        assert rest == [log[0], log[1], *log[-2:]]
        assert (await writer.row()).tip == Position(0, 7)
        assert await writer.store.search_text(OWNER, "4711") == []


def test_forgetting_twice_changes_nothing(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        await forget(writer, 1)
        before = await writer.items(1)
        assert await forget(writer, 1) == (1,)
        assert await writer.items(1) == before


def test_the_index_of_words_is_as_if_it_had_never_been_said(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        other = await Writer.join(
            writer.store, (await writer.store.create_conversation(OWNER, None, now=1)).id, "other"
        )
        await writer.say("The harbour is deep.", "So is the harbour.")
        await other.say("The harbour is deep.", "So is the harbour.")
        await writer.say("The zebra drinks in the harbour.", "A zebra, indeed.")
        assert await found(writer, "zebra") == [3, 4]
        await forget(writer, 2)
        assert await found(writer, "zebra") == []
        assert await found(writer, "harbour") == [1, 2] == await found(other, "harbour")
        tip = (await writer.row()).tip
        keys = [term_key(term) for term in split_terms("harbour zebra")]
        ours = await writer.store.consult(
            OWNER, writer.id, lambda index: index.postings(keys, upto=tip.seq), tip=tip
        )
        theirs = await writer.store.consult(
            OWNER, other.id, lambda index: index.postings(keys, upto=tip.seq), tip=(await other.row()).tip
        )
        assert (ours.items, ours.words) == (theirs.items, theirs.words)
        assert {key: each.items for key, each in ours.found.items()} == {
            key: each.items for key, each in theirs.found.items()
        }


def test_vectors_and_sizes_of_the_turn_go(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        await writer.say("One.")
        await writer.say("Two.")
        batch = await store.find_unembedded(OWNER, writer.id, "mini", limit=9)
        assert await store.save_vectors(OWNER, writer.id, "mini", batch, [b"x"] * 4)
        tip = (await writer.row()).tip
        await store.save_sizes(OWNER, writer.id, "bpe", {Position(0, seq): seq for seq in range(1, 5)})
        await forget(writer, 1)
        vectors = await store.load_vectors(OWNER, writer.id, "mini", after=0, limit=9)
        assert [each.at.seq for each in vectors] == [3, 4]
        assert await store.load_sizes(OWNER, writer.id, "bpe", tip=tip) == {
            Position(0, 3): 3,
            Position(0, 4): 4,
        }
        assert (await store.measure_embedded(OWNER, writer.id, "mini")).done == 2


def test_a_vector_that_was_being_made_meanwhile_is_not_kept(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store = writer.store
        await writer.say("One.")
        await writer.say("Two.")
        batch = await store.find_unembedded(OWNER, writer.id, "mini", limit=9)
        await forget(writer, 1)
        assert await store.save_vectors(OWNER, writer.id, "mini", batch, [b"x"] * 4)
        vectors = await store.load_vectors(OWNER, writer.id, "mini", after=0, limit=9)
        assert [each.at.seq for each in vectors] == [3, 4]


def test_copies_that_later_turns_recalled_go_line_by_line(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        await writer.say("Two.")
        both = Recalled(("user: One.", "user: Two.", "user: One again."), (1, 2, 1))
        await answer(writer, "Three.", both, assistant("Yes."))
        await answer(writer, "Four.", Recalled(("user: One.",), (1,)), assistant("Yes."))
        await forget(writer, 1)
        assert (await writer.items(3))[1].item == Recalled(("user: Two.",), (2,))
        assert (await writer.items(4))[1].item == Forgotten("recalled")


def test_copies_in_the_owner_s_other_conversations_go(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        turn = await answer(
            writer, "My code\nis 4711.", assistant("A. " * 400 + "The code is 4711. " + "B. " * 400)
        )
        message, reply = [each.item for each in await writer.items(turn.number)]
        assert isinstance(message, Message)
        assert isinstance(reply, Message)
        other = await Writer.join(
            writer.store, (await writer.store.create_conversation(OWNER, None, now=1)).id, "other"
        )
        lines = (
            quote_message(message, said=1001.0),
            quote_message(reply, said=1002.0, keys=[term_key(term) for term in split_terms("code 4711")]),
            quote_message(user("Tea."), said=1001.0),
            quote_message(message, said=1e6),  # said on another day
        )
        assert all("4711" in lines[place] for place in (0, 1))
        await answer(other, "Hi.", Recalled(lines, (0, 0, 0, 0)), assistant("Yes."))
        await answer(other, "Hi.", Recalled(lines[:2], (0, 5)), assistant("Yes."))
        await forget(writer, turn.number)
        assert (await other.items(1))[1].item == Recalled(lines[2:], (0, 0))
        assert (await other.items(2))[1].item == Recalled(lines[1:2], (5,))  # of a turn of its own
        receipts = [await writer.store.load_receipt(OWNER, other.id, number) or {} for number in (1, 2)]
        assert [receipt.get("forgotten") for receipt in receipts] == [None, [0]]


async def forget_value(writer: Writer, *others: Writer, value: str) -> Erased | None:
    assert isinstance(writer.store, Eraser)
    leases = [each.lease for each in (writer, *others)]
    return await writer.store.erase(OWNER, EveryMention(value=value), leases=leases, now=writer.now())


VALUE = "DE89 3704 0044 0532 0130 00"


def cut_line(message: Item, said: float) -> str:
    """A line that quotes the message up to the middle of the value."""
    assert isinstance(message, Message)
    line = quote_message(message, said=said, most=SHORTEST_QUOTE)
    assert line.endswith("DE89 3704 …"), line
    return line


ONCE = f"{'blah ' * 10}{VALUE} soon, then."
TWICE = f"{VALUE} {'x' * 21} {VALUE} soon, then."


@pytest.mark.parametrize("said", [ONCE, TWICE], ids=["once", "twice"])
def test_half_of_a_value_in_a_copy_goes_with_the_value(on_store: OnStore, said: str) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await answer(writer, said, assistant("Noted."))
        await writer.say("Two.")
        half = cut_line((await writer.items(1))[0].item, 1001.0)
        await answer(writer, "Three.", Recalled((half, "user: Two."), (1, 2)), assistant("Yes."))
        await answer(writer, "Four.", Recalled((half,), (1,)), assistant("Yes."))
        other = await Writer.join(
            writer.store, (await writer.store.create_conversation(OWNER, None, now=1)).id, "other"
        )
        await answer(other, "Hi.", Recalled((half, "user: Tea."), (0, 0)), assistant("Yes."))
        await answer(other, f"It is {VALUE}.", Recalled((half,), (0,)), assistant("Yes."))
        erased = await forget_value(writer, other, value=VALUE)
        assert (await writer.items(3))[1].item == Recalled(("user: Two.",), (2,))
        assert (await writer.items(4))[1].item == Forgotten("recalled")
        assert (await other.items(1))[1].item == Recalled(("user: Tea.",), (0,))
        assert (await other.items(2))[1].item == Forgotten("recalled")
        assert (await writer.items(1))[0].item == user(said.replace(VALUE, "[forgotten]"))
        assert erased is not None
        assert erased.turns == {writer.id: (1, 3, 4), other.id: (2,)}


def test_notes_that_pin_or_correct_what_was_said_go_and_others_stay(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("My code is 4711.")
        line = Line(text="The code is 4711.", turns=(1, 1))
        await save(writer, View(at=Position(0, 2), lines=(line,)))
        notes = [
            Note(op="remember", text="My code is 4711.", turn=1),
            Note(op="remember", text="My code is 4711.", turn=99),  # of a turn that said the same
            Note(op="edit_line", text="It is 4712.", old=line.text),
            Note(op="remember", text="Tea."),
        ]
        for note in notes:
            await writer.finish(await writer.open(note))
        await forget(writer, 1)
        left = [(await writer.items(turn))[0].item for turn in range(2, 6)]
        assert left == [Forgotten("note")] * 3 + [notes[3]]


def test_a_forgotten_note_goes_wherever_it_was_carried(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        note = Note(op="remember", text="Tea.")
        await writer.finish(await writer.open(note))
        await writer.finish(await writer.open(note, user("Hi."), after=START), "Yes.")
        view = View(at=Position(1, 3), lines=(Line(text="Tea.", turns=(2, 2)), Line(text="b", turns=(2, 2))))
        number = await save(writer, view)
        await forget(writer, 1)
        assert [each.item for each in await writer.items(2)] == [
            Forgotten("note"),
            user("Hi."),
            assistant("Yes."),
        ]
        assert [line.text for line in (await load(writer, number)).lines] == ["b"]


def test_every_stored_view_loses_what_rests_on_the_turn(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for n in range(4):
            await writer.say(f"Turn {n}.")
        lines = (Line(text="a", turns=(1, 2), seen=Position(0, 4)), Line(text="b", turns=(3, 3)))
        views = [
            View(at=Position(0, 6), lines=lines, spans=(Span((1, 2)), Span((3, 3)))),
            View(at=Position(0, 6), lines=lines[1:]),
        ]
        numbers = [await save(writer, view) for view in views]
        await forget(writer, 1)
        first, second = [await load(writer, number) for number in numbers]
        assert (first.lines, first.unsummarised) == (lines[1:], ((2, 2),))
        assert (second.lines, second.unsummarised) == (lines[1:], ())


def test_all_answers_to_the_same_words_are_forgotten_together_and_an_edit_is_not(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        tip = (await writer.row()).tip
        await writer.say("My code is 4711.", after=tip)
        await writer.say("My code is 4711.", after=tip)
        await writer.say("It is a secret.", after=tip)
        await writer.say("My code is 4711.")  # said in another place: a turn of its own
        assert await forget(writer, 3) == (2, 3)
        assert [len(await writer.store.search_text(OWNER, text)) for text in ("secret", "4711")] == [1, 1]


def test_receipts_keep_figures_and_the_newest_says_that_something_was_forgotten(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for text in ("One.", "Two.", "Three."):
            await answer(writer, text, assistant("Yes."))
        await writer.finish(await writer.open("Four."), state="failed", error="The engine refused Four.")
        load = writer.store.load_receipt
        await forget(writer, 1)
        assert await load(OWNER, writer.id, 1) == {"window": 512}
        assert await load(OWNER, writer.id, 2) == {"notices": ["It was long."], "window": 512}
        assert await load(OWNER, writer.id, 3) == {
            "notices": ["It was long."],
            "window": 512,
            "forgotten": [1],
        }
        await forget(writer, 2)
        assert (await load(OWNER, writer.id, 3) or {})["forgotten"] == [1, 2]
        await forget(writer, 4)
        assert (await writer.store.load_turn(OWNER, writer.id, 4)).error == "It was forgotten."


def test_a_partial_reply_is_forgotten(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.partial(await writer.open("Three."), "Th")
        await writer.settle()
        await forget(writer, 1)
        assert await writer.store.load_partial(OWNER, writer.id, 1) == ""
        assert [each.item for each in await writer.items(1)] == [Forgotten("user"), Forgotten("partial")]


def test_what_cannot_be_forgotten_is_refused_and_nothing_changes(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("One.")
        await writer.open("Two.")
        with pytest.raises(Conflict, match="still being answered"):
            await forget(writer, 2)
        with pytest.raises(ConversationNotFound, match="no turn 3"):
            await forget(writer, 3)
        with pytest.raises(ConversationNotFound):
            await writer.store.forget_turn("eve", writer.id, 1, lease=writer.lease, now=1)
        await writer.overtaken()
        with pytest.raises(LeaseLost):
            await forget(writer, 1)
        assert [each.item for each in await writer.items(1)] == [user("One."), assistant("Yes.")]


SECRET = "xylophonist"


def read(path: Path | str) -> bytes:
    return Path(path).read_bytes()


@pytest.mark.parametrize("size", [1, 300, 9_000])  # words: within a page, and on pages of its own
@pytest.mark.parametrize("turn", [1, 7, 15])
def test_the_file_holds_no_byte_of_what_was_forgotten(tmp_path: Path, size: int, turn: int) -> None:
    path = tmp_path / "turnkeep.db"

    async def main() -> None:
        store = SqliteStore(path)
        writer = await Writer.begin(store)
        for n in range(1, 16):
            await writer.say(f"{SECRET} " * size if n == turn else f"word {n} " * size, "I see.")
        await answer(writer, "And?", Recalled((f"user: {SECRET}",), (turn,)), assistant("Yes."))
        line = Line(text=f"The {SECRET}.", turns=(turn, turn))
        await save(writer, View(at=Position(0, 30), lines=(line, Line(text="b", turns=(16, 16)))))
        await save(writer, View(at=Position(0, 32), lines=(line,)))
        assert SECRET.encode() in read(path) + read(f"{path}-wal")
        await forget(writer, turn)
        assert SECRET.encode() not in read(path)
        assert not read(f"{path}-wal")
        await writer.say("Next.")
        await store.close()
        assert SECRET.encode() not in read(path)

    asyncio.run(main())


def test_a_process_killed_while_it_forgets_has_forgotten_all_or_nothing(
    on_store: OnStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        await writer.say("The zebra.")
        await save(writer, View(at=Position(0, 2), lines=(Line(text="Zebra.", turns=(1, 1)),)))

        def fail(*_: object) -> None:
            raise RuntimeError("killed")

        with monkeypatch.context() as patch:
            patch.setattr("turnkeep.store.sqlite.forget.mark_newest", fail)
            with pytest.raises(RuntimeError):
                await forget(writer, 1)
        assert (await writer.items(1))[0].item == user("The zebra.")
        assert await found(writer, "zebra") == [1]
        assert (await load(writer, 1)).lines
