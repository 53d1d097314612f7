from itertools import islice
from pathlib import Path

import models.reader.tokenizer as making
import numpy as np
import pytest
from models.reader.families import FAMILIES
from models.reader.rows import encode_pieces, make_rows
from models.reader.shapes import BEGIN, END
from tokenizers import Tokenizer

FILE = Path(making.__file__).with_name("tokenizer.json")


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(FILE))


def test_a_row_is_as_long_as_asked_for_and_teaches_something(tokenizer):
    taught = []
    for ids, weights in islice(make_rows(1, 640, 0.2, tokenizer), 40):
        assert ids.shape == weights.shape == (640,)
        assert ids.dtype == np.int32
        assert weights.dtype == np.float32
        taught.append((weights > 0).mean())
    assert 0.15 < sum(taught) / len(taught) < 0.4
    assert sum(share < 0.05 for share in taught) <= 3  # nearly all is talk, or lines recalled again and again


def test_a_seed_gives_the_same_rows_again_and_another_gives_others(tokenizer):
    first, again, other = (next(make_rows(seed, 200, 0.5, tokenizer))[0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_each_token_weighs_what_its_piece_does(tokenizer):
    pieces = [("What?", 0.0), (" Your dog is called", 0.5), (" Biscuit", 3.0), (".", 1.0)]
    ids, weights = encode_pieces(pieces, tokenizer)
    text = {
        weight: tokenizer.decode([int(id_) for id_, own in zip(ids, weights, strict=True) if own == weight])
        for weight in (0.0, 0.5, 3.0, 1.0)
    }
    assert text == {0.0: "What?", 0.5: " Your dog is called", 3.0: " Biscuit", 1.0: "."}


def test_key_words_are_one_token_and_digits_stand_alone(tokenizer):
    words = {f" {word}" for family in FAMILIES for key in family.keys for word in key.split()}
    assert [word for word in words if len(tokenizer.encode(word).ids) != 1] == []
    assert tokenizer.encode(" ...").tokens == ["Ġ..."]
    assert tokenizer.encode(" 214").tokens == ["Ġ", "2", "1", "4"]


def test_any_text_comes_back_whole(tokenizer):
    text = f"{BEGIN}user\nŁukasz, 美咲 and Москва\t– “x”  y\n\n{END}"
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
    assert tokenizer.encode(BEGIN).tokens == [BEGIN]


def test_the_tokenizer_is_made_anew_as_it_stands(tokenizer):
    assert making.new_tokenizer().pre_tokenizer.pre_tokenize_str(
        "a 12"
    ) == tokenizer.pre_tokenizer.pre_tokenize_str("a 12")
    assert tokenizer.get_vocab_size() == making.VOCABULARY
