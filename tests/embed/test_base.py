"""How a vector is kept: a signed byte a dimension, and what remains of its cosines."""

import math
import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.embed.base import LARGEST, UNRELATED, measure_baseline, pack_vector, stretch

DIMENSIONS = 384
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=32)


def cosine(one: bytes, other: bytes) -> float:
    """The cosine of two vectors that are kept: their own, not that of what they were made from."""
    pairs = list(zip(array("b", one), array("b", other), strict=True))
    return sum(a * b for a, b in pairs) / stretch(len(one)) ** 2


def draw(dice: random.Random) -> list[float]:
    return [dice.gauss(0, 1) for _ in range(DIMENSIONS)]


def exact(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


def test_the_cosine_of_kept_vectors_is_off_by_a_hundredth_at_most() -> None:
    dice = random.Random(3)
    for _ in range(50):
        one = draw(dice)
        other = [0.6 * a + 0.8 * b for a, b in zip(one, draw(dice), strict=True)]
        assert cosine(pack_vector(one), pack_vector(other)) == pytest.approx(exact(one, other), abs=0.01)
        assert cosine(pack_vector(one), pack_vector(one)) == pytest.approx(1, abs=0.01)


@given(VALUES, st.floats(1e-3, 1e3))
def test_only_the_direction_of_a_vector_is_kept(values: list[float], factor: float) -> None:
    one, other = (array("b", pack_vector(each)) for each in (values, [value * factor for value in values]))
    assert all(abs(a - b) <= 1 for a, b in zip(one, other, strict=True))
    assert all(abs(value) <= LARGEST for value in one)


def test_a_vector_of_zeros_stays_one() -> None:
    assert pack_vector([0.0] * 8) == bytes(8)


def test_the_baseline_is_the_mean_cosine_of_texts_that_have_nothing_in_common() -> None:
    apart = [[float(place == number) for place in range(DIMENSIONS)] for number in range(len(UNRELATED))]
    assert measure_baseline([pack_vector(each) for each in apart]) == 0
    dice = random.Random(5)
    common = draw(dice)
    shared = [[a + b for a, b in zip(common, draw(dice), strict=True)] for _ in UNRELATED]
    assert measure_baseline([pack_vector(each) for each in shared]) == pytest.approx(0.5, abs=0.03)


def test_a_model_that_finds_everything_alike_leaves_a_rest_to_judge_by() -> None:
    assert measure_baseline([pack_vector([1.0] * DIMENSIONS)] * len(UNRELATED)) == 0.95
