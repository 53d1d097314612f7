"""What a user says of themselves is gleaned, ranked; questions, code and chatter are not."""

import pytest

from turnkeep.context.gleaning import FACT_CHARACTERS, MOST_A_MESSAGE, glean, rank_sentence
from turnkeep.context.typos import mend_typos
from turnkeep.context.values import find_values


def texts(*said):
    return [gleaned.text for gleaned in glean(*said) if gleaned.rank]


@pytest.mark.parametrize(
    ("rank", "text"),
    [
        (5, "Remember that the spare key is with Rosa."),
        (5, "Can you remember that my PIN is 4711?"),
        (5, "I'm allergic to peanuts"),
        (5, "im alergic to peanuts"),
        (5, "call me Ann"),
        (5, "Ich heiße Bernd."),
        (5, "我叫小明"),
        (5, "Hi, I'm Rosa"),
        (4, "Rosa is my emergency contact"),
        (1, "The storage unit opens with 4711."),
        (4, "my room is 214"),
        (4, "The rent's €900."),
        (4, "Deliveries go to 12 Mill Lane."),
        (4, "You can reach me at a.b@example.org."),
        (4, "Our boss is Farid"),
        (3, "I live in a small flat"),
        (3, "I prefer tea"),
        (3, "Je suis prof"),
        (2, "I bought 3 bikes yesterday"),
        (2, "my room was 214"),
        (2, "I went there with Rosa"),
        (2, "plumber called, he can only do Friday"),
        (1, "It costs $40 there."),
        (1, "The conference is in Porto."),
        (0, "If I had 3 wishes"),
        (0, "What is my room?"),
        (0, "If all goes wrong, on 4 June."),
        (0, "Do you remember my name?"),
        (0, "haha nice one"),
        (0, "The weather is awful."),
    ],
)
def test_a_sentence_has_its_rank(rank, text):
    assert rank_sentence(text) == rank


def test_questions_code_and_quotations_are_no_facts():
    assert (
        texts("```\nmy room is 214\n```\n> my room is 214\n    my room is 214\nWhere is my room 214?") == []
    )


def test_a_pasted_text_counts_only_for_what_it_says_of_its_sender():
    text = "I live in a flat. " + "Something else was written here. " * 60
    assert texts(text) == []
    assert texts(text + "My room is 214.") == ["My room is 214."]


def test_a_long_sentence_is_no_fact():
    assert texts("my room is 214 and " + "so on " * (FACT_CHARACTERS // 6)) == []


def test_the_best_of_a_long_message_are_taken_in_their_order():
    said = [f"I own {n} bikes." for n in range(2, 12)]
    taken = texts(" ".join([*said, "My room is 214."]))
    assert len(taken) == MOST_A_MESSAGE
    assert taken[-1] == "My room is 214."


def test_a_sentence_that_cannot_stand_alone_takes_along_what_it_refers_to():
    assert texts("I own a bike. It's 4711.") == ["I own a bike. It's 4711."]
    assert texts("Can you remember my card number? It's heron42") == [
        "Can you remember my card number? It's heron42"
    ]
    assert texts("It's 4711.", "Fine. What is your PIN?") == ["It's 4711. (asked: What is your PIN?)"]
    assert texts("That is my PIN, 4711.") == ["That is my PIN, 4711."]


def test_a_bare_answer_is_taken_with_its_question():
    assert texts("4711", "What is the PIN?") == ["4711 (asked: What is the PIN?)"]
    assert texts("sure, go on", "What is the PIN?") == []
    assert texts("4711?", "What is the PIN?") == []
    assert texts("Nothing of that sort has ever happened there in Rome", "Where?") == []
    assert texts("Zebra", "Fine.") == []
    assert texts("4711", "Is it " + "so " * FACT_CHARACTERS + "?") == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("on the 4th of June at 9:30 am", ["6/4", "9:30"]),
        ("June 4, or 2026-06-04, or 4 June", ["6/4", "6/4", "6/4"]),
        ("3月5日15点", ["3/5", "3"]),
        ("€1,240 or 1240", ["1240", "1240"]),
        ("flight LH-123 with two bags", ["lh123", "2"]),
        ("+49 170 1234567", ["491701234567"]),
        ("a.b@c.de on Mondays", ["a.b@c.de", "monday"]),
        ("the 5th, at noon, in May", ["day 5", "noon"]),
        ("on 4/5/2026 in June", ["4/5/2026", "month 6"]),
        ("I'm meeting Priya Shah at 7", ["priya shah", "7"]),
        ("Call The Ritz. Go. It's Rosa's", ["ritz", "rosa"]),
        ("500 mg", ["500mg"]),
    ],
)
def test_values_are_found_and_written_alike(text, values):
    assert [value.same for value in find_values(text)] == values


def test_slips_of_the_fingers_are_mended_in_known_words_only():
    assert mend_typos("the appiontment was chagned") == "the appointment was changed"
    assert mend_typos("alergic") == "allergic"
    assert mend_typos("charged, Chagned, heron") == "charged, Chagned, heron"
