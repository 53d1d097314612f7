"""Marks: stable, put back byte for byte, wherever a stream is cut; and forgotten."""

import re
import sys
from collections.abc import Callable, Iterable

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.privacy import person
from turnkeep.privacy import Mark, Marks, Unmasker, find_shown, marks, mask, parse_patterns, unmask

WORDS = st.sampled_from(
    [*person.VALUES, "Hello ", " and ", "\n", "[", "]", "[EMAIL_1]", "[EMAIL_2]", "[LITERAL_1]", "[PHONE_", "_1]", "call me: ", "[[",
     "https://u:", "@example.com/", "password: a", "-----BEGIN PRIVATE KEY-----", "anna@example.com", "anna@example.com.au", "bob@example.com", "467 3395", "[IP_0]", "1", "x"]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=12).map("".join)


@hypothesis.settings(max_examples=50)
@hypothesis.given(st.lists(TEXTS, max_size=5))
def test_what_is_masked_and_put_back_is_the_same_text(texts: list[str]) -> None:
    marks = Marks()
    masked = []
    for text in texts:
        one = mask(text, marks)
        marks = one.marks
        masked.append(one.text)
        assert unmask(one.text, marks) == text
    assert [unmask(text, marks) for text in masked] == texts, "later marks change nothing"


@hypothesis.settings(max_examples=50)
@hypothesis.given(TEXTS, st.data())
def test_a_stream_that_is_cut_anywhere_is_put_back_right(text: str, data: st.DataObject) -> None:
    masked = mask(text, mask(person.SAID).marks)
    written, marks = masked.text, masked.marks
    cuts = data.draw(st.lists(st.integers(0, len(written)), max_size=6).map(sorted))
    unmasker = Unmasker(marks)
    pieces = [unmasker.feed(written[a:b]) for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert "".join([*pieces, unmasker.end()]) == text


def test_every_mark_is_put_back_at_every_cut() -> None:
    masked = mask(person.SAID)
    for cut in range(len(masked.text) + 1):
        unmasker = Unmasker(masked.marks)
        shown = unmasker.feed(masked.text[:cut]) + unmasker.feed(masked.text[cut:]) + unmasker.end()
        assert shown == person.SAID


def test_no_more_is_held_back_than_the_beginning_of_a_mark_that_there_is() -> None:
    marks = mask("anna@example.com").marks
    unmasker = Unmasker(marks)
    assert unmasker.feed("see [EMA") == "see "
    assert unmasker.feed("IL_1] [PHONE") == "anna@example.com [PHONE"
    assert unmasker.feed(" [") == " "
    assert unmasker.feed("[EMAIL_") == "["
    assert unmasker.feed("2") == "[EMAIL_2"
    assert unmasker.feed("[E") == ""
    assert (unmasker.end(), unmasker.end()) == ("[E", "")


def test_the_same_value_has_the_same_mark_and_another_has_another() -> None:
    one = mask("I am anna@example.com, he is bob@example.com, call 030 1234567")
    assert one.text == "I am [EMAIL_1], he is [EMAIL_2], call [PHONE_1]"
    two = mask("bob@example.com? No: anna@example.com", one.marks)
    assert (two.text, two.marks) == ("[EMAIL_2]? No: [EMAIL_1]", one.marks)


def test_a_known_value_is_masked_where_nothing_says_what_it_is() -> None:
    marks = mask("call me at 467 3395").marks
    assert mask("so 467 3395 it is", marks).text == "so [PHONE_1] it is"


def test_a_mark_in_somebody_s_own_words_survives() -> None:
    one = mask("What does [EMAIL_1] mean? anna@example.com")
    assert one.text == "What does [LITERAL_1] mean? [EMAIL_1]"
    assert unmask("[LITERAL_1] means [EMAIL_1]", one.marks) == "[EMAIL_1] means anna@example.com"
    assert mask("[TODO_1] and [1]").text == "[TODO_1] and [1]"


@pytest.mark.parametrize(
    "text",
    [
        "https://user:pw[IP_1]x@example.com/",
        "password: abc[EMAIL_1]def123",
        "-----BEGIN PRIVATE KEY-----\nabc[EMAIL_1]def\n-----END PRIVATE KEY-----",
        "ticket [EMAIL_1] x",
    ],
)
def test_a_value_that_holds_what_looks_like_a_mark_is_hidden_whole(text: str) -> None:
    patterns = parse_patterns({"TICKET": r"ticket \[EMA"})
    masked = mask(text, patterns=patterns)
    assert unmask(masked.text, masked.marks) == text
    (value,) = masked.marks.by_value
    assert len(masked.text) == len(text) - len(value) + len(masked.marks.by_value[value].text)
    again = mask(f"It was {value}, no?", masked.marks)
    assert again.text == f"It was {masked.marks.by_value[value].text}, no?"


VALUES = st.lists(st.text("ab1_ @é", min_size=1, max_size=9), max_size=8, unique=True)
KINDS = st.sampled_from(["EMAIL", "NAME"])


@pytest.mark.parametrize("few", [0, 200])
@hypothesis.settings(max_examples=200)
@hypothesis.given(VALUES, st.lists(KINDS, min_size=8, max_size=8), st.text("ab1_ @é", max_size=60), st.data())
def test_values_are_found_as_one_expression_of_them_all_would(
    few: int, values: list[str], kinds: list[str], text: str, data: st.DataObject
) -> None:
    for value in data.draw(st.lists(st.sampled_from(values), max_size=4)) if values else []:
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + value + text[at:]
    known = Marks()
    for kind, value in zip(kinds, values, strict=False):
        known = known.adding(kind, value)
    whole = {value: known.by_value[value].kind == "NAME" or len(value) < marks.LONG for value in values}
    choices = [
        rf"(?<!\w){re.escape(value)}(?!\w)" if whole[value] else re.escape(value)
        for value in sorted(values, key=len, reverse=True)
    ]
    expected = [match.span() for match in re.finditer("|".join(choices), text)] if choices else []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, "FEW", few)
        found = known.find_known(text)
    assert [(one.start, one.end) for one in found] == expected
    assert all(known.by_value[text[one.start : one.end]].kind == one.kind for one in found)
    assert known == Marks(known.marks)
    assert known.by_value == Marks(known.marks).by_value


def test_a_value_is_indexed_once_however_many_texts_bring_further_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    indexed, adding = list[Mark](), marks._Index.adding

    def count(index: marks._Index, new: Iterable[Mark]) -> marks._Index:
        indexed.extend(new)
        return adding(index, new)

    monkeypatch.setattr(marks._Index, "adding", count)
    given = Marks()
    for number in range(50):
        given = mask(f"Ask user{number}@example.com, please.", given).marks
    assert len(given.marks) == 50
    assert indexed == list(given.marks), "not each of them again with every text"


def test_ten_times_as_many_values_take_ten_times_as_many_steps() -> None:
    few, many = (" ".join(f"u{number}@example.com" for number in range(count)) for count in (100, 1_000))
    mask("1@")  # what is loaded with the first, is loaded
    assert _count_calls(lambda: mask(many)) < 15 * _count_calls(lambda: mask(few)), (
        "its square would be 100 times"
    )


def _count_calls(work: Callable[[], object]) -> int:
    """How many functions are called, Python's own among them."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def test_what_the_model_wrote_becomes_the_same_text_again() -> None:
    marks = mask("call me at 467 3395, or anna@example.com").marks
    written = "Call [PHONE_1] 24/7, x[EMAIL_1].au [PHONE_1][EMAIL_1]"
    assert mask(unmask(written, marks), marks, own=True).text == written


def test_what_the_model_wrote_by_itself_stays_open() -> None:
    marks = mask("I am anna@example.com").marks
    written = "Ask help@example.org, [EMAIL_1], or [EMAIL_7]."
    marks = marks.showing(find_shown(written, marks))
    shown = unmask(written, marks)
    assert shown == "Ask help@example.org, anna@example.com, or [EMAIL_7]."
    assert mask(shown, marks, own=True).text == written
    assert mask("help@example.org", marks).text == "help@example.org"
    for number in range(2, 10):
        marks = mask(f"{number}@example.com", marks).marks
    assert "[EMAIL_7]" not in marks.by_text, "a number that the model has made up is not given"


def test_a_forgotten_value_is_gone_and_its_number_is_not_given_again() -> None:
    marks = mask("a@example.com b@example.com").marks.without(["b@example.com"])
    assert "b@example.com" not in repr(marks)
    assert unmask("[EMAIL_1] [EMAIL_2]", marks) == "a@example.com [EMAIL_2]"
    assert mask("c@example.com", marks).text == "[EMAIL_3]"


def test_a_short_value_is_no_part_of_a_word() -> None:
    patterns = parse_patterns({"NICK": "Al(?=!)"})
    marks = mask("Al!", patterns=patterns).marks
    assert marks.marks == (Mark("NICK", 1, "Al"),)
    assert mask("Also Al, Albert", marks).text == "Also [NICK_1], Albert"


def test_a_user_s_kind_is_masked_like_the_others() -> None:
    patterns = parse_patterns({"EMPLOYEE": r"E-\d{6}"})
    one = mask("E-123456 [EMPLOYEE_1]", patterns=patterns)
    assert one.text == "[EMPLOYEE_1] [LITERAL_1]"


@pytest.mark.parametrize("text", ["", "nothing", "[", "[[]]"])
def test_what_holds_nothing_stays_as_it_is(text: str) -> None:
    assert mask(text) == mask(text, Marks())
    assert mask(text).text == text == unmask(text, Marks())
