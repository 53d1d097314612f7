"""Split text into sentences and tokens, and find what the forms of a word have in common.

A token is read once and remembered, since people use few words often. Where words
are not parted by blanks (Chinese, Japanese, Korean, Thai), pairs of characters stand in for
words. Whatever holds a figure is told apart: a number, a time, a date, or a code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from .lexicon import CHINESE_DIGITS, IRREGULAR, MONTHS, NEGATIONS, SCALES, STOP_WORDS

TokenKind: TypeAlias = Literal["word", "figure", "date", "code"]

EDGES = "\"'“”‘’«»„‚()[]{}<>*_`~,;:!?.…-–—|/\\。！？、，；：「」『』（）"
CLAUSE_ENDS = frozenset(",;:—–!?)、，；：")

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|[\n\r]+|(?<=[。！？])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|approx|tel|[A-Z]|hr|fr)\.$", re.IGNORECASE
)
_NUMBERING = re.compile(r"(?:^|\s)(?:\d{1,2}|no|nr|ca)\.$", re.IGNORECASE)
_ENUMERATION = re.compile(r"^\s*\(?\d{1,3}[.)]\s+")
_SPACELESS = re.compile(r"[぀-ヿ㐀-鿿豈-﫿฀-๿가-힯]+")
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_JOINTS = re.compile(r"[-–—/&+.,:;]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBER_AND_UNIT = re.compile(r"(\d+(?:[.,]\d+)*)([^\W\d_]{0,4}|°[CF]?)")
_NUMBER_AND_WORDS = re.compile(r"(\d+(?:[.,]\d+)*)-([^\W\d_]{2,}(?:-[^\W\d_]+)*)")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|er|e|º|ª)", re.IGNORECASE)
_QUARTER = re.compile(r"[qQ]([1-4])")
_CLOCK_MARK = r"(am|pm|a\.m|p\.m|uhr|h)?"
_TIME = re.compile(rf"(\d{{1,2}})([:.h])([0-5]\d)(?::[0-5]\d)?{_CLOCK_MARK}", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2})(am|pm|a\.m|p\.m|uhr|h)", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})[/.](\d{1,2})[/.](\d{4}|\d{2})")
_SPAN = re.compile(r"[-–—/x×+]")
_DIGIT = re.compile(r"\d")
_MONEY = "$€£¥₹#~≈<>=+%"
_UNIT_LETTERS = "KMGTCFLWVA"  # single capitals after a number that are units; others make it a code
_SUFFIXES = (
    "ations", "ation", "ings", "ing", "edly", "ness", "ment", "ers", "er", "ed", "ies", "ied", "ily", "es", "ly", "s", "e", "y",
)  # fmt: skip
_PRONOUNS = frozenset(
    ("i", "you", "he", "she", "it", "we", "they", "that", "there", "what", "who", "where", "how", "here")
)
_REMEMBERED = 32_768  # tokens; a vocabulary of several languages


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a number, a time or date, or a code.

    text: a word in lower case; a number, date or code written in one way (see sentences.py).
    stem: of a word, what its forms have in common; "" when it carries no content.
    """

    kind: TokenKind
    text: str
    stem: str = ""
    capital: bool = False


def split_sentences(text: str) -> list[str]:
    """Split a text into sentences; line breaks end a sentence too. Enumerations ("3) ") are left out."""
    parts: list[str] = []
    for part in _SENTENCE_END.split(text):
        if parts and _goes_on(parts[-1], part):
            parts[-1] = f"{parts[-1]} {part}"
        else:
            parts.append(part)
    parts = [_ENUMERATION.sub("", part, count=1).strip() for part in parts]
    return [part for part in parts if part.strip(EDGES + " ")]


def _goes_on(part: str, following: str) -> bool:
    """Tell whether a full stop ends no sentence: "Dr. Lee", "am 3. März", "No. 5"."""
    if _ABBREVIATION.search(part) is not None:
        return True
    if _NUMBERING.search(part) is None:
        return False
    word = following.split(maxsplit=1)[0].strip(EDGES).lower() if following.strip() else ""
    return word in MONTHS or (word[:1].isdigit() and not part[-2].isdigit())


def split_tokens(sentence: str) -> Iterator[tuple[Token, bool]]:
    """Yield the tokens of a sentence, each with whether a clause ends behind it."""
    for raw in sentence.split():
        tokens = read_chunk(raw)
        ends = raw[-1] in CLAUSE_ENDS
        for number, token in enumerate(tokens, 1):
            yield token, ends and number == len(tokens)


@lru_cache(maxsize=_REMEMBERED)
def stem(word: str) -> str:
    """Find what the forms of a word have in common. Example: "painting", "painted" → "paint"."""
    word = word.removesuffix("'s").removesuffix("'")
    known = IRREGULAR.get(word)
    if known is not None:
        return known
    if word > "а":  # Cyrillic and beyond: endings change with the case
        return word.rstrip("аеёиоуыэюяйьъ") if len(word) > 3 else word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            cut = word[: -len(suffix)]
            if len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "ls":
                cut = cut[:-1]  # "stopped" → "stop"
            return IRREGULAR.get(cut, IRREGULAR.get(cut + "e", cut))
    return word


def content_stem(word: str) -> str:
    """The stem of a word in lower case, or "" when it carries no content."""
    if len(word) < 2 or word in STOP_WORDS or word in NEGATIONS or word.endswith("n't"):
        return ""
    return "" if word.partition("'")[0] in _PRONOUNS else stem(word)


def bare_word(word: str) -> str:
    """A word without its possessive ending."""
    return word.removesuffix("'s").removesuffix("'")


@lru_cache(maxsize=_REMEMBERED)
def read_chunk(raw: str) -> tuple[Token, ...]:
    """Read what stands between two blanks."""
    core = raw.strip(EDGES)
    if not core.isascii():
        core = _DIGIT.sub(lambda digit: str(int(digit.group())), core)  # Arabic, Indian, full-width figures
    if "@" in core[1:] or "://" in core or core.startswith("www."):
        return (Token("code", fold_code(core)),)
    if not any(char.isdigit() for char in core):
        return tuple(_read_letters(core))
    return tuple(_read_figures(core.strip(_MONEY + EDGES)))


def _read_letters(core: str) -> Iterator[Token]:
    for part in _JOINTS.split(core.removeprefix("non-")):
        for match in _LETTERS.finditer(part):
            word = match.group()
            if _SPACELESS.search(word):
                yield from _read_spaceless(word)
            else:
                lower = word.lower().replace("’", "'")
                yield Token("word", lower, content_stem(lower), word[0].isupper())


def _read_spaceless(word: str) -> Iterator[Token]:
    for run in _SPACELESS.findall(word):
        yield from (Token("figure", str(CHINESE_DIGITS[char])) for char in run if char in CHINESE_DIGITS)
        for pair in [run[at : at + 2] for at in range(len(run) - 1)] or [run]:
            yield Token("word", pair, pair)


def _read_figures(core: str) -> Iterator[Token]:
    """Read a chunk that holds a figure."""
    if (match := _DAY.fullmatch(core)) is not None:
        yield from _read_day(*match.groups())
    elif (match := _TIME.fullmatch(core)) is not None and (match[2] != "." or match[4]):
        yield Token("date", clock(int(match[1]), int(match[3])))
    elif (match := _HOUR.fullmatch(core)) is not None:
        yield Token("date", clock(int(match[1]), 0))
    elif (match := _ORDINAL.fullmatch(core) or _QUARTER.fullmatch(core)) is not None:
        yield Token("figure", match[1])
    elif (match := _NUMBER_AND_UNIT.fullmatch(core)) is not None and not _is_code(match[1], match[2]):
        yield Token("figure", plain_figure(match[1]))
        if match[2]:
            unit = match[2].lower()
            yield Token("word", unit, "" if unit in SCALES else content_stem(unit))
    elif (match := _NUMBER_AND_WORDS.fullmatch(core)) is not None:  # "12-month", "5-year-old"
        yield Token("figure", plain_figure(match[1]))
        yield from _read_letters(match[2])
    else:
        yield from _read_span(core)


def _read_span(core: str) -> Iterator[Token]:
    """Read "3-5", "24/7", "$10-$20"; what is no such span is a code."""
    parts = [part.strip(_MONEY) for part in _SPAN.split(core)]
    if 1 < len(parts) <= 3 and all(_NUMBER.fullmatch(part) for part in parts):
        yield from (Token("figure", plain_figure(part)) for part in parts)
    elif _SPACELESS.search(core):
        yield from (Token("figure", plain_figure(figure)) for figure in _NUMBER.findall(core))
        yield from _read_letters(core)
    else:
        yield Token("code", fold_code(core))


def _read_day(year: str | None, month: str, day: str, one: str, two: str, short: str) -> Iterator[Token]:
    """Read "2025-04-03"; "3/4/2025" is read both ways where both are dates."""
    if year:
        yield Token("date", f"{int(month)}/{int(day)}")
        yield Token("figure", year)
        return
    for first, second in ((one, two), (two, one)):
        if int(first) <= 12:
            yield Token("date", f"{int(first)}/{int(second)}")
    yield Token("figure", short if len(short) == 4 else f"20{short}")


def plain_figure(figure: str) -> str:
    """Write a number in one way. Example: "1,000" → "1000", "3.50" → "3.5", "1.234,5" → "1234.5"."""
    commas, points = figure.count(","), figure.count(".")
    if commas and points:
        decimal = max(",.", key=figure.rfind)
        figure = figure.replace("." if decimal == "," else ",", "").replace(decimal, ".")
    elif commas or points:
        groups = figure.split("," if commas else ".")
        thousands = all(len(group) == 3 for group in groups[1:]) and groups[0] != "0"
        figure = ("" if len(groups) > 2 or (thousands and commas) else ".").join(groups)
    if "." in figure:
        figure = figure.rstrip("0").rstrip(".")
    whole, point, rest = figure.partition(".")
    return (whole.lstrip("0") or "0") + point + rest


def clock(hour: int, minute: int) -> str:
    """A time on a clock of twelve hours. Example: 15, 30 → "3:30"."""
    return f"{hour % 12}:{minute:02}"


def fold_code(code: str) -> str:
    """Write a code in one way: lower case, without separators. Example: "AB-12 c" → "ab12c"."""
    return "".join(char for char in code.lower() if char.isalnum() or char in "@./")


def _is_code(figure: str, unit: str) -> bool:
    """Tell a code from a number: a leading zero, or a single capital after it that is no unit."""
    zero = len(figure) > 1 and figure[0] == "0" and figure[1] not in ".,"
    return zero or (len(unit) == 1 and unit.isupper() and unit not in _UNIT_LETTERS)
