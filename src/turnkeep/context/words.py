"""The terms of a text: what stands in the word index for it, and what a query looks for.

Words are folded to their stems, function words are left out. Where a script writes no
spaces between words, pairs of characters stand for them. Identifiers and other compounds
are kept whole and split. The same text gives the same terms everywhere: terms are looked
up by number, and the numbers stand in databases.

Knows nothing of conversations; `VERSION` rises with every change that gives a text other terms.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, repeat

from .dates import day_terms
from .stopwords import CHATTER, LATIN, STOP_CHARACTERS, STOP_WORDS

VERSION = 1  # of the terms; an index of another version is made anew in upkeep
LONGEST_TERM = 64  # characters; what is longer is no word that anybody asks for
MOST_CHARACTERS = 20_000  # of a text that are indexed: a pasted file is not a message to be found by its end
WORDS_KEPT = 16_384  # in memory with their terms, some 5 MB; a stem takes 50 µs to make

# Vowel signs and points that Python's \w leaves out, and the joiner that Indic and Persian words hold.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u0900-\u0963\u0966-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd"
    "\u102b-\u103e\u17b4-\u17d3\u200c"
)
_WORD = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_JOINTS = ".-/:@+#&',"  # that hold the parts of a compound or a number together
# In plain ASCII, cutting at what is no word is the same, forty times as fast: all but letters and digits to spaces.
_ASCII_WORDS = bytes(byte if chr(byte).isalnum() and byte < 0x80 else 0x20 for byte in range(256))
_ASCII_JOINTS = bytes(
    0x61 if chr(byte).isalnum() and byte < 0x80 else 0x2E if chr(byte) in _JOINTS else 0x20
    for byte in range(256)
)
# Each begins where a word begins and gives back nothing that it took: a pasted file of one long word is
# read once, not once from each of its characters on.
_COMPOUND = re.compile(r"(?<!\w)(?:\w++(?:[.\-/:@+#&']\w++)+|\w*[^\W_]_\w++)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBER = re.compile(r"(?<!\d)\d++(?:[.,]\d++)+")
_COUNTED = re.compile(r"(\d+)(?:st|nd|rd|th|[a-z]{1,3})")  # 17th, 5km

# Scripts written without spaces, or with endings that no stemmer here knows, and how many
# characters stand for a word there.
_PAIRED = re.compile(
    "(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005\U00020000-\U0003134f]+)|(?P<kana>[\u3041-\u309f]+)"
    "|(?P<katakana>[\u30a0-\u30ff]+)|(?P<hangul>[\uac00-\ud7a3]+)"
    "|(?P<thai>[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+)"
)
_LATIN_MARKS = re.compile("[\u0300-\u036f]")
_STOPPED_IN = {  # function word -> the languages in Latin letters that it is one of
    word: tuple(name for name in LATIN if word in STOP_WORDS[name])
    for word in frozenset().union(*(STOP_WORDS[name] for name in LATIN))
}

_STOPPED = frozenset(_STOPPED_IN)


def index_terms(text: str, said: float) -> Counter[str]:
    """Count the terms under which a text is found.

    Args:
        text: what was said.
        said: when, in seconds since the epoch; its day and month are terms too.
    """
    text = _read_text(text)
    words = Counter(_words(text))
    terms: Counter[str] = Counter()
    language = _guess(map(str.casefold, words)) if text.isascii() else guess_language(text)
    for word, count in words.items():  # each word once, however often it stands there
        for term in _word_terms(word, language):
            terms[term] = terms.get(term, 0) + count
    terms.update(_joined_terms(text))
    if terms:
        terms.update(day_terms(said))
    return terms


def split_terms(text: str) -> Iterator[str]:
    """Yield the terms of a text, repeated as often as they stand there.

    Example: "My dogs like parseJson()" → "dog", "like", "pars", "json", "parsejson".
    """
    text = _read_text(text)
    language = guess_language(text)
    yield from chain.from_iterable(map(_word_terms, _words(text), repeat(language)))
    yield from _joined_terms(text)


def _read_text(text: str) -> str:
    return unicodedata.normalize("NFKC", text[:MOST_CHARACTERS])[:MOST_CHARACTERS]  # one may become eighteen


def _joined_terms(text: str) -> Iterator[str]:
    """The compounds and the numbers with points of a text."""
    if text.isascii() and "_" not in text and b"a.a" not in text.encode().translate(_ASCII_JOINTS):
        return  # as most texts do, it holds none
    mixed = " ".join([piece for piece in text.split() if not piece.isalnum()])  # others are one word each
    for word in _COMPOUND.findall(mixed):
        yield from _compound_terms(word)
    for number in _NUMBER.findall(mixed):
        if len(number) <= LONGEST_TERM:
            yield re.sub(r",(?=\d{3}(?:\D|$))", "", number)  # 2,500 is 2500; 2.5 stays


def guess_language(text: str) -> str:
    """Guess which language a text in Latin letters is in, by its function words; English when nothing tells."""
    return _guess(_words(text.casefold()))


def _guess(words: Iterable[str]) -> str:
    hits = dict.fromkeys(LATIN, 0)
    for word in _STOPPED.intersection(words):
        for name in _STOPPED_IN[word]:
            hits[name] += 1
    best = max(LATIN, key=lambda name: hits[name])  # the first of equals, English before all
    return best if hits[best] >= 2 else "english"


def _words(text: str) -> list[str]:
    if text.isascii():
        return text.encode().translate(_ASCII_WORDS).decode().split()
    return _WORD.findall(text)


def is_chatter(term: str) -> bool:
    """Tell whether a term is small talk: found like any other, but no reason to recall."""
    return term in _chatter_stems()


@lru_cache(maxsize=WORDS_KEPT)
def term_key(term: str) -> int:
    """The number that stands for a term in an index: 32 bits, so that four bytes hold it.

    Two words in a hundred thousand may share one; they are then found together.
    """
    return int.from_bytes(
        hashlib.blake2s(term.encode("utf-8", "replace"), digest_size=4).digest(), "big", signed=True
    )


@lru_cache(maxsize=WORDS_KEPT)
def _word_terms(word: str, language: str) -> tuple[str, ...]:
    return tuple(_read_word(word, language))


def _read_word(word: str, language: str) -> Iterator[str]:
    if not word.isascii() and _PAIRED.search(word):
        yield from _paired_terms(word, language)
        return
    yield from _plain_terms(word.casefold(), language)
    if not word.islower() and len(parts := _CAMEL.split(word)) > 1 and len(word) > 3:
        for part in parts:
            yield from _plain_terms(part.casefold(), language)


def _plain_terms(word: str, language: str) -> Iterator[str]:
    if len(word) > LONGEST_TERM:
        return
    if word[0].isdigit() and (counted := _COUNTED.fullmatch(word)):
        yield counted[1]
        return
    stop, stem = _reader(_script(word), language)
    if word not in stop:
        yield stem(word)
        if language != "english":
            # A query of one word does not tell its language: found under the English stem too.
            other = _reader("latin", "english")[1](word)
            if other != stem(word):
                yield other


def _compound_terms(word: str) -> Iterator[str]:
    """The compound as a whole; its parts are words of their own already, but for those joined by "_"."""
    if "'" in word and _WORD.fullmatch(word.replace("'", "")):
        return  # it's, l'hôtel, O'Brien: the parts are enough
    if len(word) <= LONGEST_TERM and not _NUMBER.fullmatch(word):
        yield word.casefold()


def _paired_terms(word: str, language: str) -> Iterator[str]:
    """Terms of a run of letters that holds some of a script without spaces."""
    end = 0
    for match in _PAIRED.finditer(word):
        if between := word[end : match.start()]:
            yield from _plain_terms(between.casefold(), language)
        end = match.end()
        run, kind = match[0], match.lastgroup
        if kind == "thai":
            yield from _tuples(run, 3)
            continue
        if kind == "han":
            yield from (character for character in run if character not in STOP_CHARACTERS)
        elif kind in ("katakana", "hangul") and len(run) > 2:  # a shorter one is its own pair
            yield run[:LONGEST_TERM]
        # Pairs reach into what follows: 食べ is half Han, half kana.
        pairs = run + (word[end : end + 1] if kind in ("han", "kana") else "")
        if kind != "han" or len(pairs) > 1:  # one Han character was counted already
            yield from _tuples(pairs, 2)
    if rest := word[end:]:
        yield from _plain_terms(rest.casefold(), language)


def _tuples(run: str, size: int) -> Iterator[str]:
    for start in range(len(run) - size + 1):
        part = run[start : start + size]
        if not all(character in STOP_CHARACTERS for character in part):
            yield part
    if len(run) < size and run not in STOP_CHARACTERS:
        yield run


# -- stems ------------------------------------------------------------------------------------------
_SCRIPTS = (
    (0x024F, "latin"), (0x036F, ""), (0x03FF, "greek"), (0x052F, "cyrillic"), (0x058F, "armenian"),
    (0x05FF, "hebrew"), (0x06FF, "arabic"), (0x08FF, ""), (0x097F, "devanagari"), (0x0B7F, ""), (0x0BFF, "tamil"),
    (0x1DFF, ""), (0x1EFF, "latin"), (0x1FFF, "greek"),
)  # fmt: skip


def _script(word: str) -> str:
    code = ord(word[0])
    return next((script for last, script in _SCRIPTS if code <= last), "")


@lru_cache(maxsize=64)
def _reader(script: str, language: str) -> tuple[frozenset[str], Callable[[str], str]]:
    """The stop words and the stemmer for words of a script, in a text of a language."""
    name = language if script == "latin" else script
    stop = STOP_WORDS.get("russian" if script == "cyrillic" else name, frozenset())
    make = _make_stemmer(name)
    return stop, lambda word: _fold(make(_unify(word)))


def _make_stemmer(language: str) -> Callable[[str], str]:
    # Imported here: 30 ms for the first word that is indexed, not for every `import turnkeep`. By class,
    # since snowballstemmer.stemmer() takes whatever version of PyStemmer happens to be installed.
    from snowballstemmer import (
        arabic_stemmer,
        armenian_stemmer,
        dutch_stemmer,
        english_stemmer,
        french_stemmer,
        german_stemmer,
        greek_stemmer,
        hindi_stemmer,
        italian_stemmer,
        portuguese_stemmer,
        russian_stemmer,
        spanish_stemmer,
        tamil_stemmer,
    )

    made = {
        "arabic": arabic_stemmer.ArabicStemmer,
        "armenian": armenian_stemmer.ArmenianStemmer,
        "cyrillic": russian_stemmer.RussianStemmer,
        "devanagari": hindi_stemmer.HindiStemmer,
        "dutch": dutch_stemmer.DutchStemmer,
        "english": english_stemmer.EnglishStemmer,
        "french": french_stemmer.FrenchStemmer,
        "german": german_stemmer.GermanStemmer,
        "greek": greek_stemmer.GreekStemmer,
        "italian": italian_stemmer.ItalianStemmer,
        "portuguese": portuguese_stemmer.PortugueseStemmer,
        "spanish": spanish_stemmer.SpanishStemmer,
        "tamil": tamil_stemmer.TamilStemmer,
    }
    if language not in made:
        return str
    stem: Callable[[str], str] = made[language]().stemWord
    return stem


def _unify(word: str) -> str:
    """Spellings that people mix: ё and е."""
    return word.replace("ё", "е")


def _fold(stem: str) -> str:
    """Take the marks off Latin letters, which people leave out when they type: café, cafe."""
    if stem.isascii() or _script(stem) != "latin":
        return stem
    return _LATIN_MARKS.sub("", unicodedata.normalize("NFD", stem))


@lru_cache(maxsize=1)
def _chatter_stems() -> frozenset[str]:
    return frozenset(
        term for name, words in CHATTER.items() for word in words for term in _read_word(word, name)
    )
