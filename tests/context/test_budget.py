"""Budgets hold together at every window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.budget import SMALLEST_WINDOW, share_window

WINDOWS = [512, 1024, 2048, 4096, 32_768, 131_072, 1_048_576]


@given(
    window=st.integers(SMALLEST_WINDOW, 1 << 20),
    max_tokens=st.none() | st.just(-1) | st.integers(1, 1 << 20),
    reply_tokens=st.integers(0, 1 << 16),
    instruction_tokens=st.integers(0, 150),
    read_per_second=st.none() | st.floats(0.1, 1e5),
    keep_turns=st.booleans(),
)
def test_the_parts_never_exceed_the_window(
    window, max_tokens, reply_tokens, instruction_tokens, read_per_second, keep_turns
):
    budget = share_window(
        window,
        max_tokens=max_tokens,
        reply_tokens=reply_tokens,
        instruction_tokens=instruction_tokens,
        read_per_second=read_per_second,
        keep_turns=keep_turns,
    )
    assert 0 < budget.low < budget.high <= budget.prompt < window
    assert budget.reserve <= window // 2
    assert budget.summary + budget.base <= budget.prompt


@pytest.mark.parametrize("window", WINDOWS)
def test_a_summary_can_be_asked_for_at_the_high_mark(window):
    budget = share_window(window, instruction_tokens=100)
    if window >= 1024:
        assert budget.high + budget.reserve + 100 + budget.summary <= window
    assert budget.high - budget.low >= window // 16


def test_the_marks_are_85_and_40_percent_of_what_the_reply_leaves():
    budget = share_window(10_000, max_tokens=2_000)
    assert (budget.prompt, budget.high, budget.low) == (8_000, 6_800, 3_200)


def test_without_a_limit_a_fifth_of_the_window_is_kept_for_the_reply():
    assert share_window(4_096).reserve == 819
    assert share_window(300).reserve == 128
    assert share_window(1 << 20).reserve == 4_096


def test_long_replies_raise_the_reserve():
    assert share_window(32_768, reply_tokens=6_000).reserve == 6_000


def test_a_reserve_beyond_half_the_window_is_cut_and_said():
    budget = share_window(1_024, max_tokens=900)
    assert budget.reserve == 512
    assert "900" in (budget.notice or "")
    assert "512" in (budget.notice or "")


def test_learned_reply_sizes_are_cut_to_half_the_window_without_a_word():
    budget = share_window(1_024, reply_tokens=9_000)
    assert budget.reserve == 512
    assert budget.notice is None


def test_a_slow_engine_keeps_less_so_that_reading_it_again_is_quick():
    assert share_window(32_768, read_per_second=200).low == 4_000
    assert share_window(32_768, read_per_second=1e6).low > 4_000


def test_without_window_little_stays_verbatim():
    assert share_window(4_096, keep_turns=False).low < share_window(4_096).low


@given(window=st.integers(SMALLEST_WINDOW, 1 << 20), system_tokens=st.integers(0, 1 << 18))
def test_summary_and_facts_fit_what_the_instructions_leave_of_the_base(window, system_tokens):
    budget = share_window(window, system_tokens=system_tokens)
    assert system_tokens + budget.summary + budget.facts <= max(budget.base, system_tokens)
    assert budget.summary <= budget.prompt * 0.10
    assert budget.facts <= budget.prompt * 0.08


def test_facts_may_take_8_percent_of_what_the_reply_leaves():
    budget = share_window(10_000, max_tokens=2_000)
    assert (budget.base, budget.summary, budget.facts) == (2_000, 800, 640)
