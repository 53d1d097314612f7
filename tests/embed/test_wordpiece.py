"""Word pieces are numbered as the tokenizer that the model was trained with numbers them."""

from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.embed.model import model_folder, recorded_vectors
from tokenizers import Tokenizer

from turnkeep.embed.wordpiece import LONGEST_WORD, WordPiece, split_words

SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
MOST = 64


def load_ours(folder: Path) -> WordPiece:
    return WordPiece((folder / "vocab.txt").read_text("utf-8").splitlines())


def load_theirs(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MOST)
    return tokenizer


OURS, THEIRS = load_ours(model_folder()), load_theirs(model_folder())
# Characters that Unicode has named since the tokenizer's tables were made are left to the tables.
OLD = st.characters(max_codepoint=0x5FF, exclude_categories=("Cs", "Cn")) | st.sampled_from(
    "我們日本語とはไทยกิ한국어हिन्दी…—’€\u2009🦆"
)


@given(st.text(OLD, max_size=200))
@example("İstanbul ΑΣ ǅ")
@example("a\x0bb\x1cc\x85d\u2028e")
@example("don't  stop\u00a0now\u200b!\ufffd\x00")
@example("日本語とEnglish, ไทย, العربية")
@example("x" * (LONGEST_WORD + 1))
@example("word " * 100)
def test_any_text_is_cut_as_the_models_own_tokenizer_cuts_it(text: str) -> None:
    assume(not any(special in text for special in SPECIAL))  # said by a person, they are words like others
    assert OURS.encode(text, MOST) == THEIRS.encode(text).ids


@pytest.mark.parametrize("special", SPECIAL)
def test_what_the_model_keeps_for_itself_is_cut_like_other_words(special: str) -> None:
    assert len(OURS.encode(special, MOST)) > 3


@pytest.mark.parametrize("text", [text for text, _ in recorded_vectors()])
def test_the_recorded_texts_are_cut_alike(text: str) -> None:
    assert OURS.encode(text, MOST) == THEIRS.encode(text).ids


def test_words_are_lowered_and_freed_of_accents_and_marks_stand_alone() -> None:
    assert list(split_words("Café, déjà-vu!\t我们")) == ["cafe", ",", "deja", "-", "vu", "!", "我", "们"]


@given(st.text(max_size=50), st.integers(2, 20))
def test_no_more_pieces_than_asked_for_and_always_both_ends(text: str, most: int) -> None:
    tokens = OURS.encode(text, most)
    assert 2 <= len(tokens) <= most
    assert (tokens[0], tokens[-1]) == (OURS.encode("", 2)[0], OURS.encode("", 2)[1])
