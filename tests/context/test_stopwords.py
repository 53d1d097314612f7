"""The lists of words agree with each other."""

import pytest

from turnkeep.context.stopwords import CHATTER, LATIN, STOP_CHARACTERS, STOP_WORDS
from turnkeep.context.words import split_terms


@pytest.mark.parametrize("language", STOP_WORDS)
def test_what_is_not_indexed_needs_not_be_called_small_talk(language):
    assert not STOP_WORDS[language] & CHATTER.get(language, frozenset())


def test_every_language_that_is_guessed_has_function_words_and_small_talk():
    assert set(LATIN) <= STOP_WORDS.keys() & CHATTER.keys()


@pytest.mark.parametrize("language", STOP_WORDS)
def test_function_words_say_nothing_among_each_other(language):
    words = [word for word in sorted(STOP_WORDS[language]) if len(word) > 1]
    assert not set(split_terms(" ".join(words)))


def test_characters_that_join_words_are_single():
    assert all(len(character) == 1 for character in STOP_CHARACTERS)
