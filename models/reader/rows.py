"""Rows: dialogues as tokens, and what each token's prediction weighs in the loss."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .dialogues import make_dialogue
from .shapes import render_pieces

CHARACTERS_A_TOKEN = 4.6  # more than there ever are, so that a dialogue fills its row

Row = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]


def make_rows(seed: int, length: int, ease: float, tokenizer: Any) -> Iterator[Row]:  # Any: untyped package
    """Make rows without end, one dialogue each.

    Args:
        seed: the same seed, length and ease give the same rows.
        length: tokens of each row.
        ease: 1 for plain words and few kinds of facts, 0 for everything.
        tokenizer: of the package tokenizers.

    Yields:
        The tokens, and for each the loss weight of predicting it: 0 for what the assistant does not say.
    """
    rng = random.Random(f"{seed} {length}")
    while True:
        dialogue = make_dialogue(rng, length, ease, int(length * CHARACTERS_A_TOKEN))
        ids, weights = encode_pieces(
            list(render_pieces(dialogue.base, dialogue.items, dialogue.replies)), tokenizer
        )
        if len(ids) >= length:
            yield ids[:length], weights[:length]


def encode_pieces(pieces: list[tuple[str, float]], tokenizer: Any) -> Row:
    """Encode weighted texts as one, so that tokens come out as the engine's do."""
    encoded = tokenizer.encode("".join(text for text, _ in pieces), add_special_tokens=False)
    ends = np.cumsum([len(text) for text, _ in pieces])
    starts = np.array([start for start, _ in encoded.offsets], dtype=np.int64)
    piece = np.searchsorted(ends, starts, side="right")
    weights = np.array([weight for _, weight in pieces], dtype=np.float32)[piece]
    return np.array(encoded.ids, dtype=np.int32), weights
