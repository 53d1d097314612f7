"""What holds more of the rare words of a query, and is nearer in meaning, ranks higher."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from turnkeep.context.ranking import (
    COMMON_SHARE,
    FEW_ITEMS,
    MEANING_WEIGHT,
    MOST_POSTINGS,
    TO_NEXT,
    TO_PREVIOUS,
    WORDS_WEIGHT,
    Found,
    Postings,
    add_found,
    around,
    best_places,
    choose_terms,
    mix_scores,
    rank_words,
    rarity,
    share_with_neighbours,
    word_evidence,
)
from turnkeep.conversation.log import Range

TEA, MILK, RAIN = 1, 2, 3  # keys of terms

_places = st.integers(1, 30)
_scores = st.dictionaries(_places, st.floats(0.01, 10), max_size=12)
_cosines = st.dictionaries(_places, st.floats(-1, 1), max_size=12)


def postings(rows, items=100, words=1000):
    """Postings of terms from {key: [(place, count, length), ...]}."""
    found = {key: Found(items=len(each), rows=each) for key, each in rows.items()}
    return Postings(items=items, words=words, found=found, left={}, path=(Range(1, 0, 99),))


def order(scores):
    return best_places(scores, len(scores))


# -- which words ------------------------------------------------------------------------------------
@given(st.integers(1, 10**6).flatmap(lambda items: st.tuples(st.just(items), st.integers(1, items))))
def test_the_rarer_a_word_the_more_it_weighs(numbers):
    items, holding = numbers
    assert rarity(items, holding) > 0
    assert rarity(items, 1) >= rarity(items, holding)
    assert rarity(items + 1, holding) > rarity(items, holding)


def test_words_that_stand_almost_everywhere_are_not_looked_up():
    common = int(COMMON_SHARE * 100)
    assert choose_terms({TEA: common + 1, MILK: 2}, 100) == ([MILK], [])
    assert choose_terms({TEA: common, MILK: 2}, 100) == ([MILK, TEA], [])


def test_among_few_items_no_word_is_too_common():
    assert choose_terms({TEA: FEW_ITEMS - 1, MILK: 2}, FEW_ITEMS - 1) == ([MILK, TEA], [])


def test_the_rarest_words_find_and_the_others_help_to_rank():
    many = MOST_POSTINGS
    assert choose_terms({TEA: many, MILK: 5, RAIN: many + 1}, 10 * many) == ([MILK, TEA], [RAIN])


def test_one_word_is_looked_up_however_many_hold_it():
    assert choose_terms({TEA: 29_000}, 100_000) == ([TEA], [])


@given(st.dictionaries(st.integers(), st.integers(1, 100_000)), st.integers(1, 200_000))
def test_each_word_is_chosen_once_or_too_common(holding, items):
    rare, others = choose_terms(holding, items)
    assert len({*rare, *others}) == len(rare) + len(others)
    assert all(holding[key] > COMMON_SHARE * items for key in holding.keys() - {*rare, *others})
    assert [holding[key] for key in [*rare, *others]] == sorted(holding[key] for key in [*rare, *others])


# -- words ------------------------------------------------------------------------------------------
def test_a_rare_word_outweighs_a_common_one():
    found = postings({TEA: [(1, 1, 10)], MILK: [(place, 1, 10) for place in range(2, 30)]})
    scores = rank_words(found, {TEA: 1.0, MILK: 1.0})
    assert scores[1] > scores[2]


def test_a_word_that_stands_once_in_an_item_of_the_usual_length_weighs_its_rarity():
    scores = rank_words(postings({TEA: [(1, 1, 10)]}, items=100, words=1000), {TEA: 1.0})
    assert scores == pytest.approx({1: rarity(100, 1)})


def test_a_repeated_word_counts_more_but_not_twice_as_much():
    scores = rank_words(postings({TEA: [(1, 1, 10), (2, 2, 10)]}), {TEA: 1.0})
    assert scores[1] < scores[2] < 2 * scores[1]


def test_of_equal_counts_the_shorter_item_ranks_higher():
    scores = rank_words(postings({TEA: [(1, 1, 5), (2, 1, 50)]}), {TEA: 1.0})
    assert scores[1] > scores[2]


def test_two_words_add_up():
    rows = {TEA: [(1, 1, 10), (2, 1, 10)], MILK: [(2, 1, 10), (3, 1, 10)]}
    scores = rank_words(postings(rows), {TEA: 1.0, MILK: 0.5})
    assert scores[2] == pytest.approx(scores[1] + scores[3])
    assert scores[3] == pytest.approx(scores[1] / 2)


def test_a_word_that_nobody_asked_for_gives_nothing():
    assert rank_words(postings({TEA: [(1, 1, 10)]}), {}) == {1: 0.0}


def test_an_empty_index_finds_nothing():
    assert rank_words(postings({}, items=0, words=0), {TEA: 1.0}) == {}


def test_further_words_are_added_to_those_found():
    more = add_found(postings({TEA: [(1, 1, 10)]}), {MILK: Found(items=1, rows=[(1, 1, 10)])})
    assert set(more.found) == {TEA, MILK}
    assert more.items == 100


# -- words and meaning ------------------------------------------------------------------------------
def test_without_vectors_the_words_decide_alone():
    assert mix_scores({1: 3.0, 2: 1.0}, {}) == {1: 3.0, 2: 1.0}


def test_the_best_of_a_list_gets_its_whole_weight():
    mixed = mix_scores({1: 7.0}, {2: 0.8, 3: 0.1})
    assert mixed == pytest.approx({1: WORDS_WEIGHT, 2: MEANING_WEIGHT, 3: 0.0})


def test_a_lone_vector_counts_as_the_best():
    assert mix_scores({}, {2: 0.3}) == pytest.approx({2: MEANING_WEIGHT})


def test_what_both_find_ranks_above_what_one_finds():
    assert order(mix_scores({1: 5.0, 2: 5.0}, {2: 0.8, 3: 0.8, 4: 0.1}))[0] == 2


@given(_scores, _cosines)
def test_the_scale_of_the_word_scores_does_not_matter(words, meaning):
    doubled = {place: 2 * score for place, score in words.items()}
    if meaning:
        assert mix_scores(doubled, meaning) == pytest.approx(mix_scores(words, meaning))


@given(_scores, _cosines)
def test_mixing_finds_what_either_found_and_stays_within_its_weights(words, meaning):
    mixed = mix_scores(words, meaning)
    assert mixed.keys() == words.keys() | meaning.keys()
    if meaning:
        assert all(-1e-9 <= score <= WORDS_WEIGHT + MEANING_WEIGHT + 1e-9 for score in mixed.values())


@given(_scores, _cosines, _places, st.floats(0.01, 5), st.booleans())
def test_a_place_that_matches_better_never_falls_behind(words, meaning, place, more, by_words):
    before = mix_scores(words, meaning)
    assume(by_words or meaning)  # the first vector changes the scale of everything
    scores = words if by_words else meaning
    raised = {**scores, place: max(scores.get(place, 0.0) + more, min(scores.values(), default=0.0))}
    after = mix_scores(raised, meaning) if by_words else mix_scores(words, raised)
    behind = [other for other in before if before[other] < before.get(place, 0.0) - 1e-6]
    assert all(after[other] <= after[place] + 1e-6 for other in behind)


# -- neighbours and the best ------------------------------------------------------------------------
@given(_scores, st.integers(0, 15))
def test_the_best_come_first_and_of_equals_the_later(scores, most):
    best = best_places(scores, most)
    assert best == sorted(scores, key=lambda place: (scores[place], place), reverse=True)[:most]


def test_an_answer_shares_in_its_question():
    assert share_with_neighbours({5: 1.0}, [5]) == {5: 1.0, 6: TO_NEXT, 4: TO_PREVIOUS}


def test_neighbours_that_were_found_keep_their_own_score_too():
    shared = share_with_neighbours({5: 1.0, 6: 0.5}, [5, 6])
    assert shared[6] == pytest.approx(0.5 + TO_NEXT)
    assert shared[5] == pytest.approx(1.0 + TO_PREVIOUS * 0.5)


def test_what_is_no_anchor_gives_nothing_and_gets_nothing():
    assert 9 not in share_with_neighbours({5: 1.0, 9: 0.1}, [5])


def test_places_without_a_message_are_looked_past():
    assert share_with_neighbours({5: 1.0}, [5], {6, 7, 4}) == {5: 1.0, 8: TO_NEXT, 3: TO_PREVIOUS}


def test_before_the_first_place_there_is_none():
    assert share_with_neighbours({1: 1.0}, [1]) == {1: 1.0, 2: TO_NEXT}
    assert around([1]) == [2, 3]


def test_gaps_are_looked_for_two_steps_around():
    assert around([10, 11]) == [8, 9, 10, 11, 12, 13]


@given(_scores.filter(bool), st.sets(_places))
def test_sharing_takes_nothing_away(scores, gaps):
    shared = share_with_neighbours(scores, best_places(scores, 5), gaps)
    assert all(shared[place] >= scores[place] for place in best_places(scores, 5))
    assert all(place > 0 for place in shared)


# -- evidence ---------------------------------------------------------------------------------------
def test_a_word_that_stands_nowhere_else_is_whole_evidence():
    found = postings({TEA: [(1, 3, 10)], MILK: [(2, 1, 10), (3, 1, 10)]})
    evidence = word_evidence(found, {TEA: 1.0, MILK: 1.0}, [1, 2, 9])
    assert evidence[1] == pytest.approx(1.0)
    assert 0 < evidence[2] < 1
    assert evidence[9] == 0.0
    assert set(evidence) == {1, 2, 9}


def test_small_talk_is_no_evidence():
    assert word_evidence(postings({TEA: [(1, 1, 10)]}), {}, [1]) == {1: 0.0}


def test_a_word_of_the_turns_before_is_half_evidence():
    assert word_evidence(postings({TEA: [(1, 1, 10)]}), {TEA: 0.5}, [1]) == pytest.approx({1: 0.5})


def test_in_an_empty_conversation_there_is_no_evidence():
    assert word_evidence(postings({}, items=0), {TEA: 1.0}, []) == {}
