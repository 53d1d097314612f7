"""Text is split where people would split it, and figures are read however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.tokens import (
    Token,
    content_stem,
    fold_code,
    plain_figure,
    read_chunk,
    split_sentences,
    split_tokens,
    stem,
)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("I came. I saw! Did I win?", ["I came.", "I saw!", "Did I win?"]),
        ("one line\nanother", ["one line", "another"]),
        ("我叫小明。我住在北京。", ["我叫小明。", "我住在北京。"]),
        ("Ask Dr. Lee. He knows.", ["Ask Dr. Lee.", "He knows."]),
        ("Am 3. März komme ich.", ["Am 3. März komme ich."]),
        ("It costs 3. Not more.", ["It costs 3.", "Not more."]),
        ("Take no. 5 today.", ["Take no. 5 today."]),
        ("Oh no. 5 are gone.", ["Oh no. 5 are gone."]),
        ("Oh no. All gone.", ["Oh no.", "All gone."]),
        ("2) Buy milk.", ["Buy milk."]),
        ("Wait 5. ", ["Wait 5."]),
        ("...", []),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("painting painted paints", "paint"),
        ("stopped stopping stop", "stop"),
        ("bought buy buys", "buy"),
        ("dog's dogs dog", "dog"),
        ("studies study", "stud"),
        ("taking took taken", "take"),
    ],
)
def test_forms_of_a_word_have_one_stem(words, same):
    assert {stem(word) for word in words.split()} == {same}


def test_small_words_carry_no_content():
    assert [content_stem(word) for word in ("the", "not", "isn't", "it's", "x", "dog")] == [
        "",
        "",
        "",
        "",
        "",
        "dog",
    ]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("1,000", "1000"),
        ("1.234,50", "1234.5"),
        ("1,234.50", "1234.5"),
        ("3.50", "3.5"),
        ("3,5", "3.5"),
        ("1.000", "1"),
        ("1.000.000", "1000000"),
        ("0.50", "0.5"),
        ("0,500", "0.5"),
        ("007", "7"),
        ("0", "0"),
    ],
)
def test_a_number_is_written_in_one_way(written, plain):
    assert plain_figure(written) == plain


@pytest.mark.parametrize(
    ("chunk", "tokens"),
    [
        ("$1,200.50,", [("figure", "1200.5")]),
        ("20%", [("figure", "20")]),
        ("5km", [("figure", "5"), ("word", "km")]),
        ("12-month", [("figure", "12"), ("word", "month")]),
        ("3-5%", [("figure", "3"), ("figure", "5")]),
        ("24/7", [("figure", "24"), ("figure", "7")]),
        ("3rd", [("figure", "3")]),
        ("Q4", [("figure", "4")]),
        ("15:30", [("date", "3:30")]),
        ("9.45am", [("date", "9:45")]),
        ("3pm", [("date", "3:00")]),
        ("2025-04-03", [("date", "4/3"), ("figure", "2025")]),
        ("3/4/25", [("date", "3/4"), ("date", "4/3"), ("figure", "2025")]),
        ("31.12.2025", [("date", "12/31"), ("figure", "2025")]),
        ("4711-B", [("code", "4711b")]),
        ("12X", [("code", "12x")]),
        ("5K", [("figure", "5"), ("word", "k")]),
        ("007", [("code", "007")]),
        ("AB-12c", [("code", "ab12c")]),
        ("ana@example.com", [("code", "ana@example.com")]),
        ("https://a.de/x", [("code", "https//a.de/x")]),
        ("www.a.de", [("code", "www.a.de")]),
        ("٣٤", [("figure", "34")]),
        ("3岁了", [("figure", "3"), ("word", "岁了")]),
        ("三杯", [("figure", "3"), ("word", "三杯")]),
        ("猫", [("word", "猫")]),
        ("non-fiction", [("word", "fiction")]),
        ("$5$", [("figure", "5")]),
        ("%%", []),
        ("1.5.2.x", [("code", "1.5.2.x".replace(".", "."))]),
    ],
)
def test_a_chunk_is_read_as_what_it_is(chunk, tokens):
    assert [(token.kind, token.text) for token in read_chunk(chunk)] == tokens


def test_a_token_knows_its_capital_and_its_stem():
    assert read_chunk("Dogs") == (Token("word", "dogs", "dog", True),)


def test_clauses_end_at_marks():
    assert [(token.text, ends) for token, ends in split_tokens("No, not now.")] == [
        ("no", True),
        ("not", False),
        ("now", False),
    ]


def test_codes_are_compared_without_separators():
    assert fold_code("AB-12 c") == fold_code("ab 12C") == "ab12c"


@given(st.text(max_size=40))
def test_any_text_is_read(text):
    for sentence in split_sentences(text):
        for token, _ in split_tokens(sentence):
            assert token.text or token.kind == "code"
