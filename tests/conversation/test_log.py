"""Ancestry is a range test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.conversation.log import START, Position, Range, is_ancestor, trace_path


def test_a_path_lists_the_ranges_that_lead_to_the_tip():
    parents = {1: Position(0, 4), 2: Position(1, 6)}
    assert trace_path(parents, Position(2, 9)) == (Range(0, 0, 4), Range(1, 4, 6), Range(2, 6, 9))
    assert trace_path(parents, Position(2, 9), after=5) == (Range(1, 5, 6), Range(2, 6, 9))
    assert trace_path({}, Position(0, 3), after=3) == ()


def test_a_branch_forked_before_the_point_where_its_parent_was_left_skips_the_parent():
    assert trace_path({1: Position(0, 4), 2: Position(1, 4)}, Position(2, 6)) == (
        Range(0, 0, 4),
        Range(2, 4, 6),
    )


def test_a_missing_branch_is_an_error():
    with pytest.raises(KeyError):
        trace_path({}, Position(3, 2))


def test_everything_descends_from_the_start():
    assert is_ancestor((), START)


@given(st.data())
def test_ancestry_agrees_with_walking_the_tree_item_by_item(data):
    parent_of = {START: None}
    parents, tips = {}, {0: START}
    for _ in range(data.draw(st.integers(1, 25))):
        at = data.draw(st.sampled_from(sorted(parent_of)))
        if tips[at.branch] == at:
            new = Position(at.branch, at.seq + 1)
        else:
            branch = len(tips)
            parents[branch] = at
            new = Position(branch, at.seq + 1)
        parent_of[new], tips[new.branch] = at, new
    tip = data.draw(st.sampled_from(sorted(parent_of)))
    walked, here = {START}, tip
    while here is not None:
        walked.add(here)
        here = parent_of[here]
    path = trace_path(parents, tip)
    assert {at for at in parent_of if is_ancestor(path, at)} == walked
