"""The lines of an earlier summary in place of the present ones."""

from turnkeep.context.restoring import restore_lines
from turnkeep.context.view import Line, Span, View, dump_view, load_view
from turnkeep.conversation.log import Position

OLD = Line(text="Ana likes tea.", turns=(1, 2))
EDITED = Line(text="Ana likes cocoa.", turns=(1, 2), locked=True)
JOINED = Line(text="Ana likes cocoa and has a dog.", turns=(2, 7))
SINCE = Line(text="Bob is 42.", turns=(6, 6))
EARLIER = View(number=3, at=Position(0, 10), lines=(OLD,), spans=(Span((1, 5)),))
PRESENT = View(
    number=8,
    at=Position(0, 20),
    lines=(EDITED, JOINED, SINCE),
    spans=(Span((1, 5)), Span((6, 9))),
    given_up=((10, 10),),
    refused=(("number", 1),),
    facts_upto=20,
    notes_upto=20,
    copies_upto=25,
)


def test_earlier_lines_stand_again_beside_those_about_turns_folded_since():
    view = restore_lines(PRESENT, EARLIER, last_turn=5)
    assert view.lines == (OLD, SINCE)
    assert (view.number, view.restored_over, view.refused) == (None, 8, ())
    kept = ("at", "spans", "given_up", "facts", "facts_upto", "notes_upto", "copies_upto", "day")
    assert [getattr(view, name) for name in kept] == [getattr(PRESENT, name) for name in kept]


def test_a_line_that_is_there_again_stands_once():
    present = View(number=8, lines=(Line(text=OLD.text, turns=(6, 6)), SINCE))
    assert restore_lines(present, EARLIER, last_turn=5).lines == (OLD, SINCE)


def test_what_it_took_the_place_of_is_stored_with_it():
    view = restore_lines(PRESENT, EARLIER, last_turn=5)
    assert load_view(9, view.at, dump_view(view)).restored_over == 8
    assert load_view(3, EARLIER.at, {}).restored_over is None
