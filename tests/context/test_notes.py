"""Notes: what becomes of them when a compaction folds them, and what forgetting leaves of a view."""

import dataclasses
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.notes import (
    NOTE_CHARACTERS,
    apply_notes,
    forget_facts,
    forget_in_view,
    is_same,
    lock_meant,
    make_corrections,
    make_note,
    pin_fact,
)
from turnkeep.context.view import Entry, Line, Span, View
from turnkeep.conversation.items import Note, user
from turnkeep.conversation.log import START, Position
from turnkeep.errors import UsageError


@dataclass(frozen=True)
class Kept:
    """A line or a fact, as far as notes know it."""

    text: str
    turn: int = 0
    locked: bool = False
    by: Position = START


def make_fact(note: Note, entry: Entry) -> Kept:
    return Kept(note.text, note.turn or entry.turn, locked=True)


def entry(item, seq=1):
    return Entry(at=Position(0, seq), turn=seq, item=item)


def apply(lines, facts, *notes):
    entries = [entry(note, seq) for seq, note in enumerate(notes, 1)]
    return apply_notes(
        [Kept(text) for text in lines], [Kept(text) for text in facts], entries, make_fact=make_fact
    )


def test_what_is_to_be_remembered_becomes_a_locked_fact_of_its_turn():
    lines, facts = apply(["A line."], ["A fact."], make_note("I like tea."), make_note("My words.", turn=7))
    assert lines == (Kept("A line."),)
    assert facts == (Kept("A fact."), Kept("I like tea.", 1, locked=True), Kept("My words.", 7, locked=True))


def test_what_is_a_fact_already_is_locked_and_not_kept_twice():
    _, facts = apply([], ["I  like TEA.", "Other."], make_note("i like tea."))
    assert facts == (Kept("Other."), Kept("i like tea.", 1, locked=True))


def test_an_edit_changes_and_locks_what_is_meant_where_it_stands():
    lines, facts = apply(
        ["a", "b", "c"],
        ["d", "e"],
        Note(op="edit_line", old="b", text="B"),
        Note(op="edit_fact", old="d", text="D"),
    )
    assert lines == (Kept("a"), Kept("B", locked=True), Kept("c"))
    assert facts == (Kept("D", locked=True), Kept("e"))


def test_an_edit_of_what_had_been_replaced_before_stands_behind_what_replaced_it():
    edit = entry(Note(op="edit_fact", old="a", text="b"), 5)
    for by, expected in (
        (4, [Kept("a", by=Position(0, 4)), Kept("b", 5, locked=True)]),
        (6, [Kept("b", locked=True, by=Position(0, 6))]),
    ):
        _, facts = apply_notes([], [Kept("a", by=Position(0, by))], [edit], make_fact=make_fact)
        assert list(facts) == expected


def test_corrections_are_made_of_what_reads_so():
    view = View(
        lines=(Line(text="Ana likes tea.", turns=(1, 1)),),
        facts=(pin_fact(Note(op="remember", text="ana  likes TEA."), entry(user("x"))),),
    )
    assert make_corrections(view, " ana likes tea. ", " Ana likes cocoa. ") == [
        Note(op="edit_line", old="Ana likes tea.", text="Ana likes cocoa."),
        Note(op="edit_fact", old="ana  likes TEA.", text="Ana likes cocoa."),
    ]
    assert make_corrections(view, "Ana likes tea.", None) == [
        Note(op="remove_line", old="Ana likes tea.", text=""),
        Note(op="remove_fact", old="ana  likes TEA.", text=""),
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("Bob.", "x", "Neither summary nor facts read 'Bob.'"),
        ("", None, "Neither summary nor facts read ''"),
        ("Ana likes tea.", "  ", "no new words"),
        ("Ana likes tea.", "x" * (NOTE_CHARACTERS + 1), "1,001 characters, but a correction may have 1,000"),
    ],
)
def test_what_is_no_correction_is_refused(old, new, why):
    view = View(lines=(Line(text="Ana likes tea.", turns=(1, 1)),))
    with pytest.raises(UsageError, match=why):
        make_corrections(view, old, new)


def test_a_removal_takes_only_what_is_meant():
    lines, facts = apply(
        ["a", "b"],
        ["b", "c"],
        Note(op="remove_line", old="b", text=""),
        Note(op="remove_fact", old="c", text=""),
    )
    assert (lines, facts) == ((Kept("a"),), (Kept("b"),))


def test_notes_apply_one_after_another():
    lines, facts = apply(
        ["a"],
        [],
        Note(op="edit_line", old="a", text="b"),
        Note(op="edit_line", old="b", text="c"),
        make_note("x"),
        Note(op="edit_fact", old="x", text="y"),
        Note(op="remove_fact", old="y", text=""),
    )
    assert lines == (Kept("c", locked=True),)
    assert facts == ()


@pytest.mark.parametrize("op", ["edit_line", "edit_fact"])
def test_an_edit_is_not_lost_when_its_line_is_no_more(op):
    lines, facts = apply(["other"], [], Note(op=op, old="gone", text="It is 5."))
    assert lines == (Kept("other"),)
    assert facts == (Kept("It is 5.", 1, locked=True),)


def test_what_is_no_note_is_passed_over():
    assert apply_notes([Kept("a")], [Kept("b")], [entry(user("x"))], make_fact=make_fact) == (
        (Kept("a"),),
        (Kept("b"),),
    )


def test_what_notes_in_the_log_speak_of_is_locked_until_they_are_folded():
    entries = [entry(make_note("x")), entry(Note(op="remove_line", old="b", text="")), entry(user("y"))]
    view = View(lines=(Line(text="a", turns=(1, 1)), Line(text="b", turns=(2, 2))))
    assert [line.locked for line in lock_meant(view, entries).lines] == [False, True]
    assert lock_meant(view, entries[:1]) is view


@given(st.text(), st.text())
def test_texts_are_the_same_but_for_case_and_space(one, other):
    assert is_same(one, f"  {one}\n")
    assert is_same(one, other) == is_same(other, one)


def test_a_note_is_what_was_said_without_the_space_around_it():
    assert make_note(" Tea {0} %s \n", turn=3) == Note(op="remember", text="Tea {0} %s", turn=3)
    assert make_note("x" * NOTE_CHARACTERS).text


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_nothing_cannot_be_remembered(text):
    with pytest.raises(UsageError, match="nothing to remember: say what"):
        make_note(text)


def test_too_much_is_refused_with_the_numbers():
    with pytest.raises(UsageError, match="That has 1,001 characters, but 1,000 can"):
        make_note("x" * 1_001)
    with pytest.raises(UsageError, match="Turn 4 has 2,000 characters"):
        make_note("x" * 2_000, turn=4)


# -- forgetting ---------------------------------------------------------------------------------


def view(**fields):
    return View(at=Position(0, 20), number=3, day="1 Jan 2026", **fields)


def test_lines_that_rest_on_a_forgotten_turn_go_and_their_other_turns_count_as_unsummarised():
    before = view(
        lines=(Line(text="a", turns=(1, 3)), Line(text="b", turns=(4, 4)), Line(text="c", turns=(5, 9))),
        spans=(Span((1, 3)), Span((4, 4)), Span((5, 9))),
        unsummarised=((10, 12),),
    )
    after = forget_in_view(before, {2, 11})
    assert [line.text for line in after.lines] == ["b", "c"]
    assert after.spans == (Span((4, 4)), Span((5, 9)))
    assert after.unsummarised == ((1, 1), (3, 3), (10, 10), (12, 12))
    assert (after.at, after.number, after.day) == (before.at, before.number, before.day)


def test_a_line_that_was_changed_to_a_forgotten_note_goes():
    before = view(lines=(Line(text="a", turns=(1, 1)), Line(text="b", turns=(1, 1))))
    assert [line.text for line in forget_in_view(before, {9}, {"b"}).lines] == ["a"]


def test_a_view_that_nothing_of_it_rests_on_stays_as_it_is():
    before = view(lines=(Line(text="a", turns=(1, 3)),), unsummarised=((4, 5),))
    assert forget_in_view(before, {6}) == before


def test_facts_of_forgotten_turns_and_notes_go():
    facts = [Kept("a", 1), Kept("b", 2), Kept("c", 3)]
    assert forget_facts(facts, {2}, {"c"}) == (Kept("a", 1),)


def test_forgetting_looks_at_all_that_a_view_can_hold_of_what_was_said():
    """A field that is added to views, and may hold words, has to be looked at by `forget_in_view`."""
    assert {field.name for field in dataclasses.fields(View)} == {
        "at",
        "lines",  # words
        "spans",
        "unsummarised",
        "given_up",
        "refused",
        "day",
        "bare_upto",
        "copies_upto",
        "tip",
        "facts",  # words
        "facts_upto",
        "notes_upto",
        "restored_over",
        "number",
    }
