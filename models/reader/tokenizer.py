"""The tokenizer: byte-level BPE with single digits, as llama.cpp's "smollm" splits text.

Key words of the families are one token each, so that a question and a statement share them. Names and
other values are not: those of the lists and those never seen are spelled in the same pieces.

    python -m models.reader.tokenizer models/reader/tokenizer.json
"""

import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from . import talk
from .dialogues import make_dialogue
from .families import FAMILIES, OWNERS, iterate_templates
from .shapes import BEGIN, END, STOP, render_pieces
from .values import make_word

VOCABULARY = 2048
KEY_WEIGHT, TEMPLATE_WEIGHT, TALK_WEIGHT = 800, 300, 30
DIALOGUES, WORDS = 300, 12_000


def new_tokenizer() -> Any:  # Any: untyped package
    """Make an empty one that splits text as llama.cpp does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _weigh_words() -> Counter[str]:
    weights: Counter[str] = Counter()
    for family in FAMILIES:
        for key in (*family.keys, *OWNERS):
            for word in key.split():
                weights[f" {word}"] = KEY_WEIGHT
    for texts, weight in ((iterate_templates(), TEMPLATE_WEIGHT), (talk.iterate_texts(), TALK_WEIGHT)):
        for text in texts:
            for word in re.findall(r" ?[A-Za-z']+", re.sub(r"\{\w+\}", "", text)):
                weights[word] = max(weights[word], weight)
    weights[" ..."] = weights[" You"] = KEY_WEIGHT
    return weights


def _iterate_corpus() -> Iterator[str]:
    rng = random.Random(7)
    for word, weight in _weigh_words().items():
        yield word * 1 if weight == 1 else "\n".join([word] * weight)
    for _ in range(WORDS):
        word = make_word(rng)
        yield rng.choice((f" {word}", f" {word.capitalize()}", word))
    # Letters of one more alphabet, so that not all others are spelled byte by byte.
    for letter in "абвгдежзийклмнопрстуфхцчшщыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЭЮЯéèöüäßñçåøłěžš":
        yield "\n".join([letter] * 600)
    for _ in range(DIALOGUES):
        dialogue = make_dialogue(rng, 600, 0.2, 2_500)
        yield "".join(text for text, _ in render_pieces(dialogue.base, dialogue.items, dialogue.replies))


def train_tokenizer() -> Any:
    """Train the tokenizer; the same everywhere."""
    tokenizer = new_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[STOP, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_iterate_corpus(), trainer)
    return tokenizer


if __name__ == "__main__":
    train_tokenizer().save(sys.argv[1], pretty=False)
