"""A line is placed on the turns that support it, narrowly, or refused with its reason."""

import pytest

from turnkeep.context.evidence import Utterance
from turnkeep.context.placing import find_aliases, place_lines, say_entries
from turnkeep.context.view import Entry, Line
from turnkeep.conversation.items import Message, Recalled, ToolResult, assistant, user
from turnkeep.conversation.log import Position

FOLDED = [
    Utterance(1, "user", "Hello, I am Ana."),
    Utterance(1, "assistant", "Hi there!"),
    Utterance(2, "user", "I have two dogs, and my son is 7 and my daughter is 9."),
    Utterance(3, "user", "The train to Rome leaves at 14:05."),
    Utterance(3, "assistant", "I recommend a window seat."),
    Utterance(4, "user", "My flight to Oslo leaves at 17:30."),
    Utterance(
        5, "user", "I do not eat mushrooms. The shed's code is AB-1234, and the gate's code is XY-9876."
    ),
    Utterance(6, "user", "By the way, I am 42."),
    Utterance(40, "user", "The dogs are called Rex and Bella."),
]
KEPT = [Utterance(50, "user", "We bought a red sofa in Turin.")]


def place(*lines, **options):
    return place_lines(lines, FOLDED, KEPT, aliases={"user": ["Ana"]}, **options)


@pytest.mark.parametrize(
    ("line", "turns"),
    [
        ("Ana has two dogs.", (2, 2)),
        ("The user's train to Rome leaves at 14:05.", (3, 3)),
        ("The assistant recommended a window seat.", (3, 3)),
        ("The flight to Oslo leaves at 17:30.", (4, 4)),
        ("The user does not eat mushrooms.", (5, 5)),
        ("The code of the shed is AB-1234.", (5, 5)),
        ("The user's son is 7 years old.", (2, 2)),
        ("The user is 42 years old.", (6, 6)),
        ("The two dogs are called Rex and Bella.", (2, 40)),
    ],
)
def test_a_supported_line_rests_on_the_turns_that_hold_it(line, turns):
    (placed,) = place(line, seen=Position(0, 9)).lines
    assert placed == Line(text=line, turns=turns, seen=Position(0, 9))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Ana has three dogs.", "number"),
        ("The flight to Oslo leaves at 14:05.", "date"),
        ("The user's son is 9 years old.", "number"),
        ("The code of the shed is XY-9876.", "code"),
        ("The code of the shed is AB-1235.", "code"),
        ("Gustav has two dogs.", "name"),
        ("The user eats mushrooms.", "negation"),
        ("The user does not have two dogs.", "negation"),
        ("The assistant has two dogs.", "speaker"),
        ("The user studied law and plays the violin.", "unsupported"),
        ("The user's dogs enjoy sunny beaches and salty waves.", "unsupported"),
        ("The user bought a red sofa.", "later"),
        ("The user does not eat mushro", "half"),
        ("The user is 7.", "unsupported"),
        ("They have called.", "vague"),
        ("", "unsupported"),
    ],
)
def test_a_line_that_nothing_bears_out_is_refused(line, why):
    placed = place(line)
    assert (placed.lines, dict(placed.refused)) == ((), {why: 1})


def test_a_line_goes_in_up_to_its_first_wrong_sentence():
    placed = place("Ana has two dogs. Ana has three cats.")
    assert [line.text for line in placed.lines] == ["Ana has two dogs."]
    assert placed.refused == (("number", 1),)


def test_what_the_summary_says_already_is_counted_and_not_told_again():
    placed = place("Ana has two dogs.", known=["Ana has two dogs and a son."])
    assert (placed.lines, placed.repeated) == ((), 1)
    assert place("Ana has two dogs.", known=["Ana has three dogs."]).repeated == 0


def test_who_speaks_in_a_line_is_said():
    (placed,) = place("I have two dogs.").lines
    assert placed.text == "user: I have two dogs."


def test_a_copied_line_of_somebody_else_s_is_left_as_it_is():
    said = [Utterance(1, "", "We sell green bicycles here.")]
    (placed,) = place_lines(["We sell green bicycles."], said).lines
    assert placed.text == "We sell green bicycles."


def test_a_line_about_three_things_rests_on_three_turns():
    (placed,) = place(
        "Ana has two dogs and the train to Rome leaves at 14:05 and the flight to Oslo leaves at 17:30."
    ).lines
    assert placed.turns == (2, 4)


def test_names_of_the_user_are_found_in_what_they_say_and_in_the_summary():
    said = [
        Utterance(1, "user", "My name is ana. Call me Annie, I'm German. My name is not important."),
        Utterance(2, "assistant", "My name is Otto."),
        Utterance(3, "user", "Ich heiße Ána"),
    ]
    lines = ["The user's name is Anna.", "Berta is the user.", "El usuario se llama Inés."]
    assert find_aliases(said, lines) == {"user": ["ana", "Annie", "German", "Ána", "Anna", "Berta", "Inés"]}


def test_quotations_are_nothing_that_was_said():
    entries = [
        Entry(at=Position(0, 1), turn=1, item=user("one")),
        Entry(at=Position(0, 2), turn=1, item=Recalled(("quoted",), (1,))),
        Entry(at=Position(0, 3), turn=1, item=Message("tool", (ToolResult(call_id="c", text="22 degrees"),))),
        Entry(at=Position(0, 4), turn=1, item=assistant("two")),
        Entry(at=Position(0, 5), turn=2, item=user(" ")),
    ]
    assert say_entries(entries) == [
        Utterance(1, "user", "one"),
        Utterance(1, "", "22 degrees"),
        Utterance(1, "assistant", "two"),
    ]
