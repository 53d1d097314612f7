"""The small model in numpy: its vectors are those of another implementation, however texts come."""

from array import array

import numpy as np
import pytest
from tests.embed.model import model_folder, recorded_vectors

from turnkeep.embed.base import pack_vector
from turnkeep.embed.minilm import BATCH_TOKENS, MOST_TOKENS, Matrix, MiniLM
from turnkeep.embed.wordpiece import WordPiece

TEXTS = [text for text, _ in recorded_vectors()]


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM(model_folder())


def cosines(one: Matrix, other: Matrix) -> list[float]:
    return [float(cosine) for cosine in np.einsum("ij,ij->i", one, other)]


def test_its_vectors_are_those_of_llama_cpp(model: MiniLM) -> None:
    recorded = np.array([vector for _, vector in recorded_vectors()], np.float32)
    recorded /= np.linalg.norm(recorded, axis=1, keepdims=True)
    assert min(cosines(model.embed(TEXTS), recorded)) >= 0.9999
    # The comparison can fail: texts and vectors in another order have little in common.
    assert max(cosines(model.embed(TEXTS), np.roll(recorded, 1, axis=0))) < 0.9


def test_a_text_has_the_same_vector_alone_and_among_others(model: MiniLM) -> None:
    many = TEXTS * 3  # more than goes through the layers side by side
    assert sum(len(text.split()) for text in many) > BATCH_TOKENS
    alone = np.concatenate([model.embed([text]) for text in many])
    assert min(cosines(model.embed(many), alone)) >= 0.99999


def test_of_a_long_text_the_beginning_is_read(model: MiniLM) -> None:
    tokens = WordPiece((model_folder() / "vocab.txt").read_text("utf-8").splitlines())
    words = ("The harbour was quiet and the boats lay still. " * 60).split()
    assert len(tokens.encode(" ".join(words), 10_000)) > 512
    longest = next(
        n for n in range(len(words)) if len(tokens.encode(" ".join(words[:n]), 1000)) == MOST_TOKENS
    )
    whole, beginning = model.embed([" ".join(words), " ".join(words[:longest])])
    assert float(whole @ beginning) >= 0.99999
    changed = model.embed([" ".join([*words[: longest - 1], "Biscuit"])])[0]
    assert float(whole @ changed) < 0.99999  # the last word that is read counts


@pytest.mark.parametrize("text", ["", " \n", "\u0000", "\ud800", "🦆", "x" * 5000])
def test_any_text_has_a_vector_of_length_one(model: MiniLM, text: str) -> None:
    (vector,) = model.embed([text])
    assert float(vector @ vector) == pytest.approx(1, abs=1e-5)


def test_its_packed_vectors_are_those_of_any_embedder(model: MiniLM) -> None:
    for vector, packed in zip(model.embed(TEXTS), model.pack(TEXTS), strict=True):
        pairs = zip(array("b", pack_vector(vector.tolist())), array("b", packed), strict=True)
        assert max(abs(one - other) for one, other in pairs) <= 1
