"""Typed marks that stand for personal data, the same within a conversation; and back to the values.

`[EMAIL_1]` stands for one address wherever it occurs, so that a model, or a reader of the audit,
can still tell one person from another. A map of marks is a value: its owner stores it, and
forgets from it. A number is never given twice.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from .kinds import NAME, PLACE, Found

LONG = 6  # characters from which on a value is itself inside other words, too
FEW = 200  # values that are looked for one by one: up to there that is faster than looking at each place of a text


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
    def _index(self) -> "_Index":
        return _NO_INDEX.adding(self.marks)

    @property
    def by_value(self) -> dict[str, Mark]:
        """The mark of each value."""
        return self._index.by_value

    @functools.cached_property
    def by_text(self) -> dict[str, str]:
        """The value of each mark, as "[EMAIL_1]"."""
        return {mark.text: mark.value for mark in self.marks if mark.value is not None}

    @functools.cached_property
    def beginnings(self) -> frozenset[str]:
        """Every proper beginning of a mark."""
        return frozenset(text[:end] for text in self.by_text for end in range(1, len(text)))

    def find_known(self, text: str) -> list[Found]:
        """Find where values stand, the longest of those that begin at one place."""
        by_value = self.by_value
        places = [
            (start, -len(value), by_value[value].kind)
            for start, value in self._index.find(text)
            if not self._is_word(value) or _stands_alone(text, start, start + len(value))
        ]
        found, after = list[Found](), 0
        for start, length, kind in sorted(places):
            if start >= after:
                after = start - length
                found.append(Found(start, after, kind))
        return found

    def _is_word(self, value: str) -> bool:
        return len(value) < LONG or self.by_value[value].kind in (NAME, PLACE)

    def adding(self, kind: str, value: str) -> "Marks":
        """The marks with one for this value; themselves where it has one."""
        return self.adding_all([(kind, value)])

    def adding_all(self, found: Iterable[tuple[str, str]]) -> "Marks":
        """The marks with one for each of these kinds and values that has none."""
        new: dict[str, str] = {}
        for kind, value in found:
            if value not in self.by_value:
                new.setdefault(value, kind)
        if not new:
            return self
        last: dict[str, int] = {}
        for mark in self.marks:
            last[mark.kind] = max(mark.number, last.get(mark.kind, 0))
        added = []
        for value, kind in new.items():
            number = last.get(kind, 0) + 1
            while f"[{kind}_{number}]" in self.shown:  # a model has written it: it would be put back there
                number += 1
            last[kind] = number
            added.append(Mark(kind, number, value))
        marks = replace(self, marks=(*self.marks, *added))
        # Where the cached property keeps it: to make it anew for each text would take the square of their number.
        marks.__dict__["_index"] = self._index.adding(added)
        return marks

    def showing(self, values: Iterable[str]) -> "Marks":
        """The marks with further values that are left as they are."""
        shown = self.shown | (set(values) - set(self.by_value))
        return self if shown == self.shown else replace(self, shown=shown)

    def without(self, values: Iterable[str]) -> "Marks":
        """The marks with these values forgotten; their numbers are never given again."""
        gone = set(values)
        kept = tuple(replace(mark, value=None) if mark.value in gone else mark for mark in self.marks)
        return Marks(kept, self.shown - gone)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether neither a letter nor a digit stands at either end."""
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return not any(char.isalnum() or char == "_" for char in around)


@dataclass(frozen=True, slots=True)
class _Index:
    """Finds values in a text, in a time that does not grow with their number.

    One regular expression of them all would take 30 µs for each of them to be made, again with every text that
    brings a new one, and longer to search where they begin in many ways.

    by_value: the mark of each value.
    heads: the first `LONG` characters of each that has so many.
    lengths: the lengths of those.
    short: the others.
    """

    by_value: dict[str, Mark] = field(default_factory=dict)
    heads: frozenset[str] = frozenset()
    lengths: frozenset[int] = frozenset()
    short: frozenset[str] = frozenset()

    def adding(self, marks: Iterable[Mark]) -> "_Index":
        by_value = {mark.value: mark for mark in marks if mark.value is not None}
        long = [value for value in by_value if len(value) >= LONG]
        return _Index(
            {**self.by_value, **by_value},
            self.heads.union(value[:LONG] for value in long),
            self.lengths.union(map(len, long)),
            self.short.union(by_value).difference(long) if len(long) < len(by_value) else self.short,
        )

    def find(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield where each value begins, also inside of another."""
        if len(self.by_value) <= FEW:
            yield from self._find_each(text, self.by_value)
            return
        yield from self._find_each(text, self.short)
        heads = self.heads
        for start in [at for at in range(len(text) - LONG + 1) if text[at : at + LONG] in heads]:
            ends = (start + length for length in self.lengths if start + length <= len(text))
            yield from ((start, text[start:end]) for end in ends if text[start:end] in self.by_value)

    @staticmethod
    def _find_each(text: str, values: Iterable[str]) -> Iterator[tuple[int, str]]:
        for value in values:
            start = text.find(value)
            while start >= 0:
                yield start, value
                start = text.find(value, start + 1)


_NO_INDEX = _Index()
NO_MARKS = Marks()
LIKE_MARK = re.compile(r"\[([A-Z][A-Z_]{0,30})_[1-9]\d{0,8}\]")


def unmask(text: str, marks: Marks) -> str:
    """Put the values back; a mark that stands for nothing stays."""
    return LIKE_MARK.sub(lambda match: marks.by_text.get(match[0], match[0]), text) if "[" in text else text


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
