"""Lines that do not fit are merged, the oldest first, and dropped only then."""

from turnkeep.context.merging import merge_lines
from turnkeep.context.view import Line
from turnkeep.conversation.log import Position


def words(text):
    return len(text.split())


def line(text, turn=1, *, locked=False):
    return Line(text=text, turns=(turn, turn), seen=Position(0, turn), locked=locked)


def merge(lines, budget):
    return [one.text for one in merge_lines(lines, budget_tokens=budget, count=words)]


def test_lines_that_fit_stay_as_they_are():
    lines = (line("Ana likes tea."), line("Ana has two dogs.", 2))
    assert merge_lines(lines, budget_tokens=9, count=words) == lines


def test_what_a_newer_line_says_as_well_goes_first():
    lines = [
        line("Ana likes green tea. Bob sails."),
        line("Rain fell.", 2),
        line("Ana likes green tea a lot.", 3),
    ]
    assert merge(lines, 15) == ["Bob sails.", "Rain fell.", "Ana likes green tea a lot."]


def test_a_newer_line_that_denies_it_does_not_say_it_as_well():
    lines = [line("Ana eats green apples."), line("Ana does not eat green apples.", 2)]
    assert merge(lines, 11) == ["Ana eats green apples; does not eat green apples."]


def test_lines_about_one_subject_are_joined_with_all_their_turns():
    lines = [line("The user likes tea."), line("The user has two dogs.", 4), line("Bob sails.", 5)]
    (joined, bob) = merge_lines(lines, budget_tokens=12, count=words)
    assert joined == Line(text="The user likes tea; has two dogs.", turns=(1, 4), seen=Position(0, 4))
    assert bob.text == "Bob sails."


def test_only_what_stands_before_a_verb_is_a_subject():
    lines = [
        line("Ana and Bob sail."),
        line("Ana and Eve dance.", 2),
        line("The dog barks.", 3),
        line("The cat sleeps.", 4),
    ]
    assert len(merge(lines, 100)) == 4
    assert merge(lines, 17) == ["Ana and Eve dance.", "The dog barks.", "The cat sleeps."]


def test_joined_lines_stay_short():
    lines = [line("Ana " + "likes " * 40), line("Ana " + "hates " * 40, 2)]
    assert len(merge(lines, 60)) == 1
    assert ";" not in merge(lines, 60)[0]


def test_of_the_older_half_the_line_that_tells_least_goes():
    lines = [
        line("Rex weighs 30 kg."),
        line("somebody was happy", 2),
        line("all went home", 3),
        line("all sang", 4),
    ]
    assert merge(lines, 14) == ["Rex weighs 30 kg.", "all went home", "all sang"]


def test_a_locked_line_is_neither_merged_nor_dropped():
    lines = [line("Ana likes tea.", locked=True), line("Ana has two dogs.", 2), line("Ana likes tea.", 3)]
    assert merge(lines, 1) == ["Ana likes tea."]
    assert merge_lines(lines, budget_tokens=1, count=words)[0].locked


def test_two_equal_lines_are_told_apart_by_place():
    assert merge([line("Ana likes tea."), line("Ana likes tea.")], 5) == ["Ana likes tea."]
