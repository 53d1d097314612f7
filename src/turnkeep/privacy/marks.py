"""Replace personal data by typed marks that stay the same within a conversation, and put it back.

`[EMAIL_1]` stands for one address wherever it occurs, so that a model, or a reader of the audit,
can still tell one person from another. What is masked and put back is the same text, byte for byte:
also where somebody writes "[EMAIL_1]" in their own words, which then is a value itself (`LITERAL`).

A map of marks is a value: its owner stores it, and forgets from it. A number is never given twice.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from .finder import find
from .kinds import KINDS, LITERAL, NAME, PLACE, Found, Pattern

LONG = 6  # characters from which on a value is itself inside other words, too


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark and what it stands for; None: that was forgotten, and the mark stands for nothing."""

    kind: str
    number: int
    value: str | None

    @property
    def text(self) -> str:
        """Example: "[EMAIL_1]"."""
        return f"[{self.kind}_{self.number}]"


@dataclass(frozen=True)
class Marks:
    """The marks of one conversation.

    marks: in the order in which they were given.
    shown: values, and texts like marks, that a model has written by itself: they are left as they are.
    """

    marks: tuple[Mark, ...] = ()
    shown: frozenset[str] = field(default=frozenset())

    @functools.cached_property
    def by_value(self) -> dict[str, Mark]:
        """The mark of each value."""
        return {mark.value: mark for mark in self.marks if mark.value is not None}

    @functools.cached_property
    def by_text(self) -> dict[str, str]:
        """The value of each mark, as "[EMAIL_1]"."""
        return {mark.text: mark.value for mark in self.marks if mark.value is not None}

    @functools.cached_property
    def beginnings(self) -> frozenset[str]:
        """Every proper beginning of a mark."""
        return frozenset(text[:end] for text in self.by_text for end in range(1, len(text)))

    @functools.cached_property
    def known(self) -> re.Pattern[str] | None:
        """Matches the values, the longest first; None when there are none."""
        values = sorted(self.by_value, key=len, reverse=True)
        return re.compile("|".join(map(self._expression, values))) if values else None

    def _expression(self, value: str) -> str:
        word = len(value) < LONG or self.by_value[value].kind in (NAME, PLACE)
        escaped = re.escape(value)
        return rf"(?<!\w){escaped}(?!\w)" if word else escaped

    def adding(self, kind: str, value: str) -> "Marks":
        """The marks with one for this value; themselves where it has one."""
        if value in self.by_value:
            return self
        number = 1 + max((mark.number for mark in self.marks if mark.kind == kind), default=0)
        while f"[{kind}_{number}]" in self.shown:  # a model has written it: it would be put back there
            number += 1
        return replace(self, marks=(*self.marks, Mark(kind, number, value)))

    def showing(self, values: Iterable[str]) -> "Marks":
        """The marks with further values that are left as they are."""
        shown = self.shown | (set(values) - set(self.by_value))
        return self if shown == self.shown else replace(self, shown=shown)

    def without(self, values: Iterable[str]) -> "Marks":
        """The marks with these values forgotten; their numbers are never given again."""
        gone = set(values)
        kept = tuple(replace(mark, value=None) if mark.value in gone else mark for mark in self.marks)
        return Marks(kept, self.shown - gone)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with marks in place of personal data, and the marks, with those that are new."""

    text: str
    marks: Marks


_LIKE_MARK = re.compile(r"\[([A-Z][A-Z_]{0,30})_[1-9]\d{0,8}\]")


def mask(
    text: str,
    marks: Marks = Marks(),  # a value
    patterns: Sequence[Pattern] = (),
    others: Iterable[Found] = (),
    *,
    own: bool = False,
) -> Masked:
    """Replace personal data in a text.

    Args:
        text: what was said.
        marks: the conversation's so far.
        patterns: as in `find`.
        others: as in `find`.
        own: the model said it, who read and wrote marks: what they stand for comes first, so that
            the text becomes the one that the model wrote.

    Raises:
        MissingExtra: as `find`.
    """
    found = [*_find_literals(text, marks, patterns), *find(text, patterns, others)]
    found = [one for one in found if text[one.start : one.end] not in marks.shown]
    if marks.known is not None:
        known = [
            Found(match.start(), match.end(), marks.by_value[match[0]].kind)
            for match in marks.known.finditer(text)
        ]
        found = _prefer(known, found) if own else _prefer(found, known)
    pieces, after = [], 0
    for one in sorted(found, key=lambda one: one.start):
        value = text[one.start : one.end]
        marks = marks.adding(one.kind, value)
        pieces += [text[after : one.start], marks.by_value[value].text]
        after = one.end
    return Masked("".join([*pieces, text[after:]]), marks)


def _find_literals(text: str, marks: Marks, patterns: Sequence[Pattern]) -> list[Found]:
    if "[" not in text:
        return []
    kinds = {*KINDS, LITERAL, *(pattern.kind for pattern in patterns), *(mark.kind for mark in marks.marks)}
    return [
        Found(match.start(), match.end(), LITERAL) for match in _LIKE_MARK.finditer(text) if match[1] in kinds
    ]


def _prefer(first: Iterable[Found], second: Iterable[Found]) -> list[Found]:
    kept = list(first)
    for one in second:
        if not any(one.start < other.end and other.start < one.end for other in kept):
            kept.append(one)
    return kept


def find_shown(text: str, marks: Marks, patterns: Sequence[Pattern] = ()) -> list[str]:
    """List what a model has written by itself: values that it was not given, and marks that stand for nothing.

    Args:
        text: as the model wrote it, marks and all.
        marks: the conversation's.
        patterns: as in `find`.
    """
    likes = [match[0] for match in _LIKE_MARK.finditer(text) if match[0] not in marks.by_text]
    return [*likes, *(text[one.start : one.end] for one in find(text, patterns))]


def unmask(text: str, marks: Marks) -> str:
    """Put the values back; a mark that stands for nothing stays."""
    return _LIKE_MARK.sub(lambda match: marks.by_text.get(match[0], match[0]), text) if "[" in text else text


class Unmasker:
    """Puts values back into a text that comes in pieces, cut anywhere.

    It holds back a possible mark's beginning and no more.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece; return what is certain by now."""
        text = self._held + piece
        at = text.rfind("[")
        self._held = text[at:] if at >= 0 and text[at:] in self._marks.beginnings else ""
        return unmask(text[: len(text) - len(self._held)], self._marks)

    def end(self) -> str:
        """Return what was held back: nothing more comes."""
        held, self._held = self._held, ""
        return held
