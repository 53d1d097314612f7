"""The user: which facts come up, and in which words they are stated, changed and asked for."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from . import talk
from .families import ANY, BY_NAME, FAMILIES, OTHER, OWNERS, Family, Key, draw_key, fill_template
from .values import draw_value, make_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a dialogue is made of: shares of its turns, and of its facts."""

    families: tuple[Family, ...]
    statements: float
    questions: float
    answerable: float = 0.65
    updates: float = 0.27
    plain: bool = False
    held_out: bool = False  # values that training never sees
    held_wordings: bool = False
    near: float = 0.5  # share of new keys that lie next to known ones
    made_up: float = 0.15  # share of open keys that are made up


def draw_mix(rng: random.Random, ease: float) -> Mix:
    """Draw what a dialogue is made of. ease: share of dialogues in plain words and of few kinds."""
    plain = rng.random() < ease
    count = rng.randint(4, 12) if plain else rng.choice((3, 6, 10, 20, 40, len(FAMILIES)))
    # Dense ones teach most; some are nearly all talk, so that it is looked past.
    shares = ((0.35, 0.6), (0.3, 0.65), (0.35, 0.5), (0.25, 0.65), (0.25, 0.6), (0.2, 0.4), (0.08, 0.2))
    statements, questions = rng.choice(((0.4, 0.6), (0.35, 0.6), (0.3, 0.6)) if plain else shares)
    return Mix(
        families=tuple(rng.sample(FAMILIES, count)),
        statements=statements,
        questions=questions,
        updates=rng.choice((0.0, 0.2) if plain else (0.1, 0.25, 0.35, 0.45)),
        plain=plain,
        near=rng.choice((0.2, 0.5, 0.7)),
        made_up=0.05 if plain else 0.15,
    )


class Speaker:
    """Puts facts into words."""

    def __init__(self, rng: random.Random, mix: Mix) -> None:
        self.rng, self.mix = rng, mix

    def value(self, key: Key, before: str = "") -> str:
        """Draw a value for a key, another one than before."""
        value = before
        while value == before:
            value = draw_value(self.rng, BY_NAME[key.family].kind, held_out=self.mix.held_out)
        return value

    def new_key(self, known: Sequence[Key]) -> Key:
        """Draw a key, often one that is easily mistaken for a known one."""
        rng, mix = self.rng, self.mix
        if known and rng.random() < mix.near:
            return self.near_key(rng.choice(known))
        word = make_word(rng) if rng.random() < mix.made_up else ""
        return draw_key(rng, rng.choice(mix.families), ease=float(mix.plain), made_up_word=word)

    def near_key(self, key: Key) -> Key:
        """Draw a key of which one thing differs: whose it is, which, or what of it."""
        rng, family = self.rng, BY_NAME[key.family]
        if family.owner == ANY and rng.random() < 0.5:
            return Key(key.family, "" if key.owner and rng.random() < 0.5 else rng.choice(OWNERS), key.word)
        if family.owner == OTHER and rng.random() < 0.6:
            return Key(key.family, rng.choice(OWNERS), key.word)
        if len(family.keys) > 1:
            word = (
                make_word(rng)
                if family.made_up and rng.random() < self.mix.made_up
                else rng.choice(family.keys)
            )
            return Key(key.family, key.owner, word)
        others = [each for each in self.mix.families if (each.owner == OTHER) == (family.owner == OTHER)]
        other = rng.choice(others or self.mix.families)
        drawn = draw_key(rng, other)
        return Key(other.name, key.owner, drawn.word) if key.owner and other.owner in (ANY, OTHER) else drawn

    def state(self, key: Key, value: str, *, update: bool = False) -> str:
        """State a fact, or that it has changed."""
        family, rng = BY_NAME[key.family], self.rng
        trained, held = family.wordings["updates" if update and self._chance(0.55) else "says"]
        if not (trained or held):
            trained, held = family.wordings["says"]
        text = fill_template(self._choose(trained, held), key, value, "say")
        if update and rng.random() < 0.5:
            return self._wrap(text, talk.UPDATE_WRAPS, talk.HELD_UPDATE_WRAPS, value)
        if not self.mix.plain and rng.random() < 0.15:
            return self._wrap(text, talk.WRAPS, talk.HELD_WRAPS, value)
        return self._slur(text, value)

    def ask(self, key: Key) -> str:
        """Ask for a fact."""
        trained, held = BY_NAME[key.family].wordings["asks"]
        text = fill_template(self._choose(trained, held), key, "", "say")
        if not self.mix.plain and self.rng.random() < 0.12:
            return self._wrap(text, talk.ASK_WRAPS, talk.HELD_ASK_WRAPS, "")
        return self._slur(text, "")

    def _chance(self, share: float) -> bool:
        return self.rng.random() < share

    def _choose(self, trained: Sequence[str], held: Sequence[str]) -> str:
        if self.mix.held_wordings and held:
            return self.rng.choice(held)
        if self.mix.plain:
            return trained[0]
        # The plainest is what people say most.
        return trained[0] if self.rng.random() < 0.35 else self.rng.choice(trained)

    def _wrap(self, text: str, wraps: Sequence[str], held: Sequence[str], value: str) -> str:
        keeps_capital = text.startswith(("I ", "I'", value)) if value else text.startswith(("I ", "I'"))
        head = self.rng.choice(held if self.mix.held_wordings else wraps)
        return head + (text if keeps_capital else text[:1].lower() + text[1:])

    def _slur(self, text: str, value: str) -> str:
        """Write carelessly now and then: a small letter first, no stop at the end."""
        if self.mix.plain or self.rng.random() > 0.08 or (value and text.startswith(value)):
            return text
        return (text[:1].lower() + text[1:]).rstrip(".?")
