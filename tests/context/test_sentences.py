"""What a sentence states is found: figures, dates, names, codes, and what it denies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.sentences import read_sentence


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("forty-two dogs", ("42",)),
        ("two hundred and fifty-one people", ("251",)),
        ("one thousand two hundred people", ("1200",)),
        ("a thousand", ("1000",)),
        ("3.5 million", ("3500000",)),
        ("10k", ("10000",)),
        ("two and three", ("2", "3")),
        ("twenty twenty", ("20",)),
        ("the fourth of them", ("4",)),
        ("one of them", ()),
        ("one point 2.5 nine", ("2.5", "9")),
        ("zwei Hunde und drei Katzen", ("2", "3")),
        ("三只猫", ("3",)),
    ],
)
def test_numbers_are_found_in_figures_and_words(text, figures):
    assert read_sentence(text).figures == figures


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("on July 20th", ("month 7", "7/20")),
        ("on 20 July 2023", ("month 7", "7/20")),
        ("in July 2023", ("month 7",)),
        ("at 5 pm", ("5:00",)),
        ("at 5:30 pm", ("5:30",)),
        ("um 15 Uhr", ("3:00",)),
        ("at 99 o'clock", ()),
        ("am 3. März", ("month 3", "3/3")),
        ("on Friday", ("weekday 5",)),
        ("we march on", ()),
        ("it was March", ("month 3",)),
        ("May I come", ()),
        ("I am here", ()),
        ("le 14 juillet", ("month 7", "7/14")),
        ("2025-04-03", ("4/3",)),
    ],
)
def test_dates_and_times_are_found(text, dates):
    assert read_sentence(text).dates == dates


def test_what_a_figure_counts_is_found():
    assert read_sentence("I have 3 very old dogs and 2 cats").counted == (("3", "old"), ("2", "cat"))
    assert read_sentence("In 2023 the dogs left").counted == ()
    assert read_sentence("3 of the ones that are dogs").counted == ()


def test_names_are_capitals_that_the_place_does_not_explain():
    sentence = read_sentence("Yesterday Anna's dog met The Bob on Monday")
    assert sentence.names == ("anna", "bob")
    assert sentence.lead == "yesterday"
    assert read_sentence("no capitals").lead == ""


def test_codes_are_kept_apart():
    assert read_sentence("The code is AB-12c now").codes == ("ab12c",)


@pytest.mark.parametrize(
    ("text", "denials"),
    [
        ("I don't like coffee much", (("lik", "coffe"),)),
        ("He is not a good old friend", (("good", "old"),)),
        ("I never smoke and drink", (("smok",),)),
        ("not today but tomorrow, dogs", (("toda",),)),
        ("I can't wait to see dogs", ()),
        ("Why not paint?", ()),
        ("not only dogs", ()),
        ("I said no.", ((),)),
        ("Ich mag Kaffee nicht.", (("mag", "kaffe"),)),
        ("我不喜欢咖啡", (("喜欢", "欢咖"),)),
        ("コーヒーは好きではない。", (("きで", "では"),)),
        ("好きではない", (("きで", "では"),)),
    ],
)
def test_what_is_denied_is_found(text, denials):
    sentence = read_sentence(text)
    assert sentence.denials == denials
    assert sentence.denies == bool(denials)


def test_a_negation_reaches_to_the_end_of_its_clause():
    sentence = read_sentence("I do not like dogs, cats are fine")
    assert [word.text for word in sentence.words if word.denied] == ["not", "like", "dogs"]


def test_some_words_deny_by_their_meaning():
    sentence = read_sentence("She refused coffee because tea was there")
    assert [word.text for word in sentence.words if word.softly] == ["refused", "coffee"]
    assert not sentence.denies


def test_marks_are_given_by_kind():
    sentence = read_sentence("On Friday Bob ate 3 pies")
    assert [sentence.marks(kind) for kind in ("number", "date", "name")] == [("3",), ("weekday 5",), ("bob",)]


@given(st.text(max_size=60))
def test_any_sentence_is_read(text):
    assert read_sentence(text).text == text


@given(
    st.lists(
        st.sampled_from(
            [
                "two",
                "hundred",
                "and",
                "forty",
                "one",
                "million",
                "not",
                "July",
                "3",
                "Bob",
                "nicht",
                "but",
                "can't",
                "wait",
                "pm",
            ]
        ),
        max_size=9,
    )
)
def test_any_words_in_any_order_are_read(words):
    sentence = read_sentence(" ".join(words))
    assert all(float(figure) >= 0 for figure in sentence.figures)
