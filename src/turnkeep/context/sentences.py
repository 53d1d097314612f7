"""Take a sentence apart: figures, dates, names, codes, and what is denied.

What a check compares is found here; what it makes of it is decided in doubts.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from .lexicon import (
    AMBIGUOUS_MONTHS,
    DAYS,
    HOLLOW_NEGATIONS,
    JOINING,
    MONTHS,
    NEGATION_MARKS,
    NEGATIONS,
    ORDINALS,
    SCALES,
    SCOPE_ENDS,
    SOFT_NEGATIONS,
    STOP_WORDS,
    TENS,
    TRAILING_NEGATIONS,
    UNITS,
)
from .tokens import EDGES, Token, bare_word, clock, plain_figure, split_tokens

SCOPE_WORDS = 7  # words after a negation that it denies at most; clauses end it sooner
SOFT_SCOPE_WORDS = 4  # after a word that denies by its meaning
COUNTED_WITHIN = 3  # words after a figure among which the thing counted is looked for
DENIAL_HEADS = 2  # words of content after a negation that say what is denied


MarkKind: TypeAlias = Literal["number", "date", "name"]


class Word(NamedTuple):
    """A word in its sentence; `stem` is "" when it carries no content."""

    text: str
    stem: str
    denied: bool  # stands in the scope of a negation
    softly: bool  # stands in the scope of a word that denies by its meaning


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and what can be compared in it.

    figures: numbers as plain text, such as "42", "0.5", "1000".
    counted: a figure and the stem of what it counts.
    dates: "month 7", "weekday 3", "7/20" (month and day together), "3:30" (on a clock of twelve hours).
    names: words that are names, in lower case. codes: letters mixed with figures, addresses; folded.
    denies: it holds a negation. denials: for each one the first stems that it denies: two, one, or none.
    lead: the first word, when only its place may explain its capital; else "".
    """

    text: str
    words: tuple[Word, ...]
    stems: frozenset[str]
    figures: tuple[str, ...]
    counted: tuple[tuple[str, str], ...]
    dates: tuple[str, ...]
    names: tuple[str, ...]
    codes: tuple[str, ...]
    denies: bool
    denials: tuple[tuple[str, ...], ...]
    lead: str

    def marks(self, kind: MarkKind) -> tuple[str, ...]:
        """What stands for itself in it: its figures, its dates, or its names."""
        return self.figures if kind == "number" else self.dates if kind == "date" else self.names


@lru_cache(maxsize=1_024)
def read_sentence(text: str) -> Sentence:
    """Take a sentence apart."""
    reader = _Reader()
    for token, ends in split_tokens(text):
        reader.read(token)
        if ends:
            reader.end_clause()
    reader.settle()
    reader.end_clause()
    words = tuple(reader.words)
    denials = [tuple(heads) for heads in (*reader.denials, *_find_marks(text))]
    return Sentence(
        text=text,
        words=words,
        stems=frozenset(word.stem for word in words if word.stem),
        figures=tuple(dict.fromkeys(reader.figures)),
        counted=tuple(reader.counted),
        dates=tuple(dict.fromkeys(reader.dates)),
        names=tuple(dict.fromkeys(reader.names)),
        codes=tuple(dict.fromkeys(reader.codes)),
        denies=bool(denials),
        denials=tuple(denials),
        lead=reader.lead,
    )


@dataclass(slots=True)
class _Reader:
    """Reads a sentence token by token."""

    words: list[Word] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    counted: list[tuple[str, str]] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    denials: list[list[str]] = field(default_factory=list)
    lead: str = ""
    begun: bool = False
    before: str = ""  # the word before, in lower case; "#" for a figure
    scope: int = 0  # words that the last negation still denies
    soft_scope: int = 0
    figure: str = ""  # a figure that the next word may scale, or give a month to
    worded: bool = False  # that figure is written in words, which may go on
    month: int = 0  # a month that the next figure may be a day of
    heading: bool = False  # the next words of content are what the last negation denies
    trailing: bool = False  # the last negation may stand behind what it denies
    clause: int = 0  # the clause's first word
    counting: int = 0  # words among which the thing counted may still come

    def read(self, token: Token) -> None:
        """Read the next token."""
        match token.kind:
            case "word":
                self._read_word(token)
            case "figure":
                self._read_figure(token.text)
            case "date":
                self.settle()
                self.dates.append(token.text)
                self.before = "#"
            case _:
                self.settle()
                self.codes.append(token.text)
                self.before = ""
        self.begun = True

    def end_clause(self) -> None:
        """A clause ends: so does what is denied."""
        if self.trailing and not self.denials[-1]:
            clause = [word.stem for word in self.words[self.clause :] if word.stem]
            self.denials[-1] = clause[-DENIAL_HEADS:]
        self.trailing, self.clause = False, len(self.words)
        self.scope = self.soft_scope = self.counting = 0

    def settle(self) -> None:
        """The figure or month before is complete."""
        if self.figure:
            self.figures.append(self.figure)
            self.counting = 0 if _is_year(self.figure) else COUNTED_WITHIN
        self.figure, self.month, self.worded = "", 0, False

    # -- figures and dates ------------------------------------------------------------------------

    def _read_figure(self, figure: str) -> None:
        month = self.month
        self.settle()
        self.figure, self.before = figure, "#"
        if month:
            self._join(month)
        self.scope = max(0, self.scope - 1)

    def _join(self, month: int) -> None:
        """Join a month and the day beside it."""
        if _is_day(self.figure):
            self.dates.append(f"{month}/{self.figure}")
        self.settle()
        self.counting = 0

    def _read_number_word(self, word: str) -> bool:
        """Read words for numbers. Example: "forty-two" → 42, "two hundred" → 200."""
        value = TENS.get(word) or UNITS.get(word)
        if self.worded and word == "and" and len(self.figure) > 2:
            return True  # "two hundred and fifty"
        if self.worded and _goes_on(self.figure, 1 if word == "one" else value):
            self.figure = str(int(self.figure) + (value or 1))
        elif word in SCALES and self.figure:
            self.figure = _scale(self.figure, SCALES[word], worded=self.worded)
        elif value is not None:
            self._read_figure(str(value))
        elif word in ("hundred", "thousand", "million", "billion"):
            self._read_figure(str(SCALES[word]))
        elif word in ORDINALS:
            self._read_figure(str(ORDINALS[word]))
            return True
        else:
            return False
        self.worded = bool(self.figure)
        return True

    def _read_calendar(self, token: Token) -> bool:
        """Read a month, or "o'clock"."""
        word = token.text
        if word in ("am", "pm", "uhr", "o'clock", "oclock") and self.before == "#":
            if _is_day(self.figure):
                self.dates.append(clock(int(self.figure), 0))
                self.figure = ""
            return True
        month = MONTHS.get(word)
        if month is None or (
            word in AMBIGUOUS_MONTHS and not _is_day(self.figure) and not (token.capital and self.begun)
        ):
            return False
        self.dates.append(f"month {month}")
        if _is_day(self.figure):
            self._join(month)
        else:
            self.settle()
            self.month = month
        self.before = word
        return True

    # -- words ------------------------------------------------------------------------------------

    def _read_word(self, token: Token) -> None:
        word = token.text
        if self._read_number_word(word) or self._read_calendar(token):
            return
        self.settle()
        if word in DAYS:
            self.dates.append(f"weekday {DAYS[word]}")
        elif token.capital:
            self._read_name(bare_word(word))
        self._deny(word)
        if token.stem:
            if self.counting:
                self.counted.append((self.figures[-1], token.stem))
            if self.scope and self.heading and len(self.denials[-1]) < DENIAL_HEADS:
                self.denials[-1].append(token.stem)
        self.counting = 0 if token.stem else max(0, self.counting - 1)
        self.words.append(Word(word, token.stem, self.scope > 0, self.soft_scope > 0))
        self.scope, self.soft_scope = max(0, self.scope - 1), max(0, self.soft_scope - 1)
        self.before = word

    def _read_name(self, name: str) -> None:
        if not self.begun:
            self.lead = name
        elif name.partition("'")[0] not in STOP_WORDS and len(name) > 1:
            self.names.append(name)

    def _deny(self, word: str) -> None:
        """Begin or end what is denied."""
        if word in SCOPE_ENDS:
            self.end_clause()
        elif word in JOINING:
            self.heading, self.counting = False, 0
        elif (self.before, word) in HOLLOW_NEGATIONS and self.scope:
            self.scope, self.trailing = 0, False
            self.denials.pop()
        elif (word in NEGATIONS and (self.before, word) not in HOLLOW_NEGATIONS) or word.endswith("n't"):
            self.scope, self.heading = SCOPE_WORDS + 1, True
            self.trailing = word in TRAILING_NEGATIONS
            self.denials.append([])
        elif word in SOFT_NEGATIONS:
            self.soft_scope = SOFT_SCOPE_WORDS + 1


def _find_marks(text: str) -> Iterator[list[str]]:
    """Find denials in words that are not parted by blanks: the pairs of characters around each mark."""
    for mark in NEGATION_MARKS:
        if (at := text.find(mark)) >= 0:
            after = text[at + len(mark) : at + len(mark) + 3]
            near = after if len(after) > 1 and after[0] not in EDGES else text[max(0, at - 3) : at]
            yield [near[place : place + 2] for place in range(len(near) - 1)]


def _scale(figure: str, scale: int, *, worded: bool) -> str:
    """Multiply a figure by the word behind it. Example: "3.5", 1000 → "3500"; of "1002", a hundred makes 1200."""
    if worded and scale == 100 and figure.isdigit() and int(figure) >= 1000:
        thousands, rest = divmod(int(figure), 1000)
        return str(thousands * 1000 + rest * scale)
    return plain_figure(f"{float(figure) * scale:.6f}")


def _goes_on(figure: str, value: int | None) -> bool:
    """Tell whether words for a number go on: "two hundred" and "fifty", "forty" and "two"."""
    if value is None or not figure.isdigit():
        return False
    number = int(figure)
    return (number >= 100 and number % 100 == 0 and value < 100) or (
        number % 10 == 0 and number % 100 >= 20 and value < 10
    )


def _is_day(figure: str) -> bool:
    return figure.isdigit() and 1 <= int(figure) <= 31


def _is_year(figure: str) -> bool:
    return len(figure) == 4 and figure.isdigit() and 1900 <= int(figure) <= 2100
