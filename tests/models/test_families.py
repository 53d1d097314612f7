import itertools
import random
import re

import pytest
from models.reader.families import BY_NAME, FAMILIES, Key, draw_key, fill_template, say_answer, split_answer


def test_a_fact_is_said_in_three_voices():
    key = Key("pet", "brother", "dog")
    assert fill_template("{P} {k} is called {v}.", key, "Rex", "say") == "My brother's dog is called Rex."
    assert say_answer(key, "Rex") == "Your brother's dog is called Rex."
    assert say_answer(key, "Rex", "line") == "The user's brother's dog is called Rex."
    assert say_answer(Key("home"), "Porto", "line") == "The user lives in Porto."
    assert say_answer(Key("password", "", "wifi"), "x1", "line") == "The wifi password is x1."


def test_an_answer_names_the_key_before_the_value():
    assert split_answer(Key("pet", "", "dog")) == "Your dog is called"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_answer_ends_with_its_value(family):
    for template in filter(None, (family.answer, family.line)):
        assert template.endswith((" {v}.", "{v} years old."))
        assert template.count("{v}") == 1


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_keeps_wordings_back_for_the_examination(family):
    for sort in ("says", "asks"):
        trained, held = family.wordings[sort]
        assert held
        assert len(trained) >= 2
        assert not set(trained) & set(held)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_wording_is_filled_whole(family):
    key = draw_key(random.Random(1), family)
    for sort, parts in family.wordings.items():
        for template in itertools.chain(*parts):
            text = fill_template(template, key, "VALUE", "say")
            assert not re.search(r"[{}\0]", text), text
            assert ("VALUE" in text) == (sort != "asks"), text
            assert text[0].isupper(), text


def test_no_two_families_answer_in_the_same_words():
    answers: dict[str, tuple[str, str]] = {}
    for family in FAMILIES:
        for word, owner in itertools.product(family.keys, ("", "brother")):
            if (family.owner == "other") == bool(owner) or family.owner == "any":
                before = split_answer(Key(family.name, owner, word))
                assert answers.setdefault(before, (family.name, word)) == (family.name, word), before


def test_no_question_is_asked_for_two_things():
    """Else there would be two right answers; where the answers' words are the same, either will do."""
    asked: dict[str, set[str]] = {}
    for family in FAMILIES:
        for word in family.keys:
            key = Key(family.name, "brother" if family.owner == "other" else "", word)
            for template in itertools.chain(*family.wordings["asks"]):
                asked.setdefault(fill_template(template, key, "", "say"), set()).add(split_answer(key))
    doubtful = {question: answers for question, answers in asked.items() if len(answers) > 1}
    assert doubtful == {}


def test_keys_of_a_family_that_is_about_others_have_an_owner():
    family = BY_NAME["home other"]
    assert all(draw_key(random.Random(seed), family).owner for seed in range(20))
