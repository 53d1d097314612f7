import random

import pytest
from models.reader.values import KINDS, OPEN, draw_value, is_held_out, make_word


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_training_and_examination_never_meet(kind):
    rng = random.Random(1)
    trained = {draw_value(rng, kind) for _ in range(300)}
    examined = {draw_value(rng, kind, held_out=True) for _ in range(30)}
    if kind not in OPEN:
        assert not trained & examined
        assert not any(map(is_held_out, trained))


def test_about_half_of_the_names_are_made_up():
    from models.reader.values import NAMES

    rng = random.Random(1)
    names = [draw_value(rng, "person") for _ in range(1000)]
    assert 0.3 < sum(name in NAMES for name in names) / 1000 < 0.6


def test_some_names_are_in_other_alphabets():
    rng = random.Random(1)
    assert any(ord(name[0]) > 0x400 for name in (draw_value(rng, "person") for _ in range(300)))


def test_words_that_are_made_up_can_be_read():
    rng = random.Random(1)
    words = {make_word(rng) for _ in range(300)}
    assert len(words) > 250
    assert all(word.isalpha() and word.islower() and len(word) > 2 for word in words)
