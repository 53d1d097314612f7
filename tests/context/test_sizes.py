"""The estimate by character classes, and the ratio learned from reports."""

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkeep.context.sizes import (
    Calibration,
    dump_calibration,
    estimate_tokens,
    load_calibration,
)
from turnkeep.errors import WireError

ENGLISH = "The ferry to the island leaves at seven in the morning, and the last one back sails at nine."
RUSSIAN = "Паром на остров отходит в семь утра, а последний обратный рейс отправляется в девять вечера."
CHINESE = "去岛上的渡轮早上七点出发,最后一班返程船晚上九点开。请提前十分钟到码头,并带好身份证件和零钱。"


@pytest.mark.parametrize(
    ("text", "least", "most"),
    # Counted with o200k_base, cl100k_base, Mistral's SentencePiece and tekken: the fewest and the most,
    # the most widened by a half, because one vocabulary differs that much from another.
    [
        (ENGLISH, 21, 33),
        (RUSSIAN, 22, 60),
        (CHINESE, 33, 84),
        ("😀🎉🚀🐈🌧️", 6, 34),
        ("31415926535897932384", 7, 31),
        ("def mean(values: list[float]) -> float:\n    return sum(values) / len(values)\n", 20, 39),
    ],
)
def test_a_text_is_priced_near_what_tokenizers_make_of_it(text: str, least: int, most: int) -> None:
    assert least <= estimate_tokens(text) <= most


def test_nothing_is_no_tokens() -> None:
    assert estimate_tokens("") == 0.0


def test_the_docstring_example_holds() -> None:
    assert math.isclose(estimate_tokens("My dog is called Biscuit."), 6.3)


def test_chinese_costs_several_times_what_a_fourth_of_its_characters_says() -> None:
    assert estimate_tokens(CHINESE) > 3 * len(CHINESE) / 4


def test_a_long_word_costs_more_than_a_short_one() -> None:
    assert estimate_tokens("incomprehensibilities") > 3 * estimate_tokens("cat")


def test_every_part_of_a_camel_case_name_is_a_word() -> None:
    assert estimate_tokens("getHttpServer") == estimate_tokens("get Http Server")


def test_capitals_cost_more_than_the_same_word_in_small_letters() -> None:
    assert estimate_tokens("WARNING") > estimate_tokens("warning")


def test_indentation_costs_as_one_break_however_deep() -> None:
    assert estimate_tokens("a\n    b") == estimate_tokens("a\n            b") > estimate_tokens("a b")


def test_a_question_mark_costs_as_other_marks_do() -> None:
    assert math.isclose(estimate_tokens("why?"), estimate_tokens("why!"))


def test_every_block_of_unicode_has_a_price() -> None:
    assert all(estimate_tokens(chr(code)) > 0 for code in range(0x80, 0x110000, 0x40))


def test_lone_surrogates_and_control_characters_are_priced_not_refused() -> None:
    assert estimate_tokens("\ud800\x00\x1b") > 1


def test_more_kinds_of_characters_than_are_remembered_are_priced_alike() -> None:
    everything = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))) + "".join(map(chr, range(0xAC00, 0xD7A3)))
    assert math.isclose(estimate_tokens(everything), estimate_tokens(everything))


@settings(max_examples=50)
@given(st.text(max_size=200), st.text(max_size=200))
def test_texts_put_together_cost_about_the_sum(first: str, second: str) -> None:
    # Less where a run goes on over the seam, more where spaces meet there: two runs at most.
    whole = estimate_tokens(first + second)
    assert abs(whole - estimate_tokens(first) - estimate_tokens(second)) <= 7.0


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_an_estimate_is_never_above_the_utf_8_bytes_and_a_half(text: str) -> None:
    assert 0 <= estimate_tokens(text) <= 1.5 * len(text.encode("utf-8", "surrogatepass"))


def test_a_hundred_thousand_characters_take_milliseconds() -> None:
    text = (ENGLISH + CHINESE) * 600
    fastest = min(_processor_seconds(text) for _ in range(5))
    # 20 us for 100 characters, and as much again for a busy machine.
    assert fastest < len(text) / 100 * 40e-6


def _processor_seconds(text: str) -> float:
    start = time.process_time()
    estimate_tokens(text)
    return time.process_time() - start


def test_without_reports_the_ratio_is_one_and_the_margin_wide() -> None:
    unlearned = Calibration()
    assert unlearned.tokens(100.0) == 100
    assert unlearned.bound(100.0) >= 180


def test_one_report_sets_the_ratio() -> None:
    learned = Calibration().learn(1000.0, 1500)
    assert math.isclose(learned.ratio, 1.5)
    assert learned.tokens(100.0) == 150


def test_reports_that_agree_narrow_the_margin() -> None:
    learned = Calibration()
    bounds = []
    for _ in range(12):
        learned = learned.learn(1000.0, 800)
        bounds.append(learned.bound(1000.0))
    assert bounds == sorted(bounds, reverse=True)
    assert 800 < bounds[-1] < 920
    assert bounds[0] > 1000


def test_one_absurd_report_among_good_ones_hardly_moves_the_ratio() -> None:
    learned = Calibration()
    for _ in range(10):
        learned = learned.learn(1000.0, 1000)
    for absurd in (200, 5000):
        moved = learned.learn(1000.0, absurd)
        assert 0.95 < moved.ratio < 1.05
        assert moved.bound(1000.0) > learned.bound(1000.0)


def test_a_report_that_cannot_be_a_count_is_passed_over() -> None:
    learned = Calibration().learn(1000.0, 900)
    for estimated, reported in ((1000.0, 0), (1000.0, -1), (1000.0, 100), (1000.0, 9000), (0.0, 50)):
        assert learned.learn(estimated, reported) is learned


def test_a_change_of_language_is_followed_within_a_few_reports() -> None:
    learned = Calibration()
    for _ in range(20):
        learned = learned.learn(1000.0, 700)
    for _ in range(4):
        learned = learned.learn(1000.0, 1300)
    assert learned.bound(1000.0) >= 1300  # the margin widens first
    for _ in range(6):
        learned = learned.learn(1000.0, 1300)
    assert learned.ratio > 1.15


@given(st.lists(st.floats(0.95, 1.05), min_size=1, max_size=30), st.floats(0.3, 3.0))
def test_the_bound_covers_all_reports_within_a_twentieth_of_a_steady_ratio(
    noise: list[float], ratio: float
) -> None:
    learned = Calibration()
    for one in noise:
        learned = learned.learn(10_000.0, round(10_000 * ratio * one))
    assert learned.bound(10_000.0) >= 10_000 * ratio * max(noise)
    assert learned.tokens(10_000.0) <= learned.bound(10_000.0)


@given(st.floats(-2, 2), st.floats(0, 1), st.integers(0, 10**6))
def test_a_calibration_survives_being_stored(log_ratio: float, spread: float, reports: int) -> None:
    kept = load_calibration(
        dump_calibration(Calibration(log_ratio=log_ratio, spread=spread, reports=reports))
    )
    assert math.isclose(kept.log_ratio, log_ratio, abs_tol=1e-6)
    assert math.isclose(kept.spread, spread, abs_tol=1e-6)
    assert kept.reports == reports


@pytest.mark.parametrize("body", ["", "{}", "[1, 2]", '["x", 1, 1]', "null", "[NaN, 1, 1]"])
def test_a_damaged_calibration_is_refused(body: str) -> None:
    with pytest.raises(WireError, match="calibration"):
        load_calibration(body)
