"""Summaries are asked for in one place, and only usable lines are taken."""

import pytest

from turnkeep.context.compaction import (
    Compaction,
    describe_cut,
    fill_view,
    fit_lines,
    fold_view,
    merge_ranges,
    parse_summary,
    render_instruction,
    summarised_ranges,
)
from turnkeep.context.view import Entry, Line, View
from turnkeep.conversation.items import Recalled, assistant, user
from turnkeep.conversation.log import Position


def words(text):
    return len(text.split())


def test_the_instruction_quotes_where_the_folded_part_ends():
    assert "up to but not including \"What is 'this'?\"" in render_instruction('What is "this"?')
    assert "up to" not in render_instruction()


def test_lines_are_taken_and_everything_around_them_is_not():
    answer = "Here is the summary:\n- Ana likes tea.\n* Bob, 42\n1. Rome\n\n(2) Paris\n- Ana likes tea.\nThat is all."
    assert parse_summary(answer, complete=True) == ("Ana likes tea.", "Bob, 42", "Rome", "Paris")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "They talked.",
        "<think>- a secret line\n</think>",
        "<think>\n- never closed",
        "- " + "x" * 401,
        "-\n- \n",
    ],
)
def test_an_answer_without_usable_lines_gives_none(answer):
    assert parse_summary(answer, complete=True) == ()


def test_a_summary_that_was_cut_off_gives_no_line():
    assert parse_summary("- Ana likes tea.\n- Bob li", complete=False) == ()


def test_a_cut_says_what_it_folds_and_where_the_rest_begins():
    entries = [
        Entry(at=Position(0, 1), turn=1, item=user("one")),
        Entry(at=Position(0, 2), turn=1, item=assistant("two")),
        Entry(at=Position(0, 3), turn=2, item=Recalled(("quoted",), (1,))),
        Entry(at=Position(0, 4), turn=2, item=user("a b c d e f g h i j")),
    ]
    cut = describe_cut(entries, Position(0, 2))
    assert cut == Compaction(at=Position(0, 2), folded=(1, 1), limit="a b c d e f g h")
    assert describe_cut(entries, Position(0, 4)).limit == ""


CUT = Compaction(at=Position(0, 8), folded=(3, 4), limit="")
BEFORE = View(number=1, at=Position(0, 4), lines=(Line(text="old", turns=(1, 2)),), day="1 Jan 2026")


def test_new_lines_follow_the_old_ones():
    view = fold_view(
        BEFORE, CUT, ["new"], seen=Position(0, 8), day="2 Jan 2026", budget_tokens=99, count=words
    )
    assert [line.text for line in view.lines] == ["old", "new"]
    assert (view.at, view.number, view.day, view.unsummarised) == (Position(0, 8), None, "2 Jan 2026", ())
    assert summarised_ranges(view) == ((1, 4),)


def test_without_a_usable_line_the_cut_goes_on_and_the_turns_are_marked():
    view = fold_view(BEFORE, CUT, [], seen=Position(0, 8), day="", budget_tokens=99, count=words)
    assert [line.text for line in view.lines] == ["old"]
    assert view.at == Position(0, 8)
    assert view.unsummarised == ((3, 4),)


def test_beyond_the_budget_the_oldest_lines_go_and_their_turns_are_marked():
    view = fold_view(BEFORE, CUT, ["new one"], seen=Position(0, 8), day="", budget_tokens=3, count=words)
    assert [line.text for line in view.lines] == ["new one"]
    assert view.unsummarised == ((1, 2),)


def test_turns_that_another_line_speaks_of_are_not_marked():
    lines = tuple(Line(text=text, turns=(1, 2)) for text in ("a", "b"))
    view = fit_lines(View(lines=lines), budget_tokens=2, count=words)
    assert [line.text for line in view.lines] == ["b"]
    assert view.unsummarised == ()


def test_a_later_summary_fills_the_gap_in_its_place():
    gap = View(at=Position(0, 20), lines=(Line(text="late", turns=(9, 10)),), unsummarised=((1, 8),))
    view = fill_view(gap, (3, 5), ["early"], seen=Position(0, 8), budget_tokens=99, count=words)
    assert [line.text for line in view.lines] == ["early", "late"]
    assert view.unsummarised == ((1, 2), (6, 8))


def test_ranges_that_touch_are_joined():
    assert merge_ranges([(4, 6), (1, 3), (9, 9)]) == ((1, 6), (9, 9))
