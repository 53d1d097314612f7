"""Plans append when they can, and cut at turn boundaries when they must."""

from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.budget import share_window
from turnkeep.context.plan import Candidate, choose_cut, choose_view, is_due, refuse_overflow
from turnkeep.context.strategy import Strategy
from turnkeep.context.view import Entry
from turnkeep.conversation.items import assistant, user
from turnkeep.conversation.log import Position


def log(*sizes):
    """Entries of turns with a user and an assistant item of these sizes."""
    entries = []
    for turn, (asked, said) in enumerate(sizes, 1):
        entries.append(Entry(at=Position(0, 2 * turn - 1), turn=turn, item=user("q"), tokens=asked))
        entries.append(Entry(at=Position(0, 2 * turn), turn=turn, item=assistant("a"), tokens=said))
    return entries


def test_the_view_with_fewest_unread_tokens_is_chosen():
    current = Candidate(prompt_tokens=90, unread_tokens=10)
    pending = Candidate(prompt_tokens=40, unread_tokens=40)
    assert choose_view([current, pending], 100) == 0
    assert choose_view([current, pending], 80) == 1
    assert choose_view([current, pending], 30) is None


def test_a_warm_pending_view_ties_with_the_current_one_and_the_current_wins():
    same = Candidate(prompt_tokens=50, unread_tokens=10)
    assert choose_view([same, same], 100) == 0


def test_the_longest_run_of_newest_turns_that_fits_stays():
    assert choose_cut(log((10, 10), (10, 10), (10, 10)), around_tokens=5, limit=50) == Position(0, 2)


def test_nothing_is_folded_when_all_fits():
    assert choose_cut(log((10, 10)), around_tokens=0, limit=20) is None


def test_everything_is_folded_when_the_newest_turn_does_not_fit():
    assert choose_cut(log((10, 10), (10, 90)), around_tokens=0, limit=50) == Position(0, 4)


def test_at_most_the_wanted_number_of_turns_stays():
    assert choose_cut(log((1, 1), (1, 1), (1, 1)), around_tokens=0, limit=99, keep_turns=2) == Position(0, 2)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=20),
    around=st.integers(0, 100),
    limit=st.integers(1, 600),
)
def test_what_stays_after_a_cut_fits_and_one_turn_more_would_not(sizes, around, limit):
    entries = log(*sizes)
    at = choose_cut(entries, around_tokens=around, limit=limit)
    kept = [entry for entry in entries if at is None or entry.at.seq > at.seq]
    total = around + sum(entry.tokens for entry in kept)
    assert at is None or at.seq % 2 == 0
    assert total <= limit or not kept
    if at is not None:
        assert total + sum(sizes[at.seq // 2 - 1]) > limit


def test_a_compaction_is_due_above_the_high_mark_or_at_twice_the_turns():
    budget = share_window(1_000, max_tokens=100)
    entries = log((1, 1), (1, 1))
    assert is_due(entries, budget.high + 1, budget, Strategy())
    assert not is_due(entries, budget.high, budget, Strategy())
    assert is_due(entries, 4, budget, Strategy(turns=1))
    assert not is_due(entries, 4, budget, Strategy(turns=2))


def test_an_overflow_names_the_numbers():
    error = refuse_overflow(base_tokens=100, new_tokens=5_000, budget=share_window(4_096))
    assert "5,000" in str(error)
    assert "4,096" in str(error)
    assert error.needed == 100 + 5_000 + 819
    assert error.available == 4_096
