"""Strategies are read as people write them."""

import pytest

from turnkeep.context.strategy import Strategy, parse_strategy
from turnkeep.errors import UsageError


def test_names_are_joined_by_commas():
    assert parse_strategy("window, Summary") == Strategy(window=True, summary=True, recall=False, facts=False)
    assert parse_strategy(["summary"]) == Strategy(window=False, summary=True, recall=False, facts=False)
    assert parse_strategy("recall,facts,window,summary") == Strategy()


def test_window_takes_a_number_of_turns():
    assert parse_strategy("window:20").turns == 20


@pytest.mark.parametrize(
    "text", ["", "windows", "window:", "window,", "summary:3", "window:0", "window:-1", "window:x"]
)
def test_what_is_not_clear_is_refused(text):
    with pytest.raises(UsageError):
        parse_strategy(text)


@pytest.mark.parametrize(
    "text",
    [
        "window",
        "summary",
        "recall",
        "window,summary",
        "window:7,summary,recall",
        "window,summary,recall,facts",
    ],
)
def test_a_strategy_is_written_as_it_is_read(text):
    assert str(parse_strategy(text)) == text
