"""Mend slips of the fingers in the words that rules go by: "chagned", "alergic", "appiontment".

Only swapped letters and a doubled letter written once (or the other way round), and only where they make
a word that the tables of gleaning_words.py know: "charged" stays what it is. Texts are mended for
matching; what is kept is what was typed.
"""

import re
from functools import lru_cache

from . import gleaning_words
from .lexicon import MONTHS, STOP_WORDS
from .topics import TOPIC_WORDS

SHORTEST = 6  # letters; the letters of a shorter word make too many others

_WORD = re.compile(rf"[^\W\d_]{{{SHORTEST - 1},}}")


_APOSTROPHES = {
    "ive": "I've",
    "im": "I'm",
    "weve": "we've",
    "theyve": "they've",
    "hes": "he's",
    "shes": "she's",
}
_JOINED = re.compile(rf"\b(?:{'|'.join(_APOSTROPHES)})\b", re.IGNORECASE)
_WERE = re.compile(r"(?:(?<=^)|(?<=[.!?,] ))([Ww]e)re(?= \w+ing\b)")


def _shape(word: str) -> str:
    """What a word keeps when letters are swapped or doubled: its first letter, and the others in order."""
    single = re.sub(r"(.)\1", r"\1", word)
    return single[0] + "".join(sorted(single[1:]))


def _swapped(word: str) -> str:
    """What a word keeps when letters are swapped only, so that "wedidng" and "wedding" have it in common."""
    return word[0] + "".join(sorted(word))


def _list_known() -> dict[str, str]:
    tables = [vars(gleaning_words)[name] for name in gleaning_words.__all__]
    rows = " ".join(row for table in tables for row in table.values())
    rows += " ".join(f"{verb}{ending}" for verb in gleaning_words.CHANGE_VERBS for ending in ("ed", "ing"))
    rows += f" {TOPIC_WORDS} favourite favorite"
    words = {word for word in _WORD.findall(re.sub(r"\\\w", " ", rows)) if len(word) >= SHORTEST}
    return {shape: word for word in sorted(words) for shape in (_shape(word), _swapped(word))}


_KNOWN = _list_known()
_RIGHT = frozenset(_KNOWN.values()) | STOP_WORDS | MONTHS.keys()


@lru_cache(maxsize=1_024)
def mend_typos(text: str) -> str:
    """Write known words right; names, which have capitals, and all other words stay as they are."""
    text = _JOINED.sub(lambda match: _APOSTROPHES[match.group().lower()], text)
    text = _WERE.sub(r"\g<1>'re", text)
    return _WORD.sub(lambda match: _mend(match.group()), text)


def _mend(word: str) -> str:
    if word in _RIGHT or not word.islower():
        return word
    known = _KNOWN.get(_swapped(word)) or _KNOWN.get(_shape(word), word)
    return known if abs(len(known) - len(word)) <= 1 else word
