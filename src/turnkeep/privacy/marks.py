"""Typed marks that stand for personal data, the same within a conversation; and back to the values.

`[EMAIL_1]` stands for one address wherever it occurs, so that a model, or a reader of the audit,
can still tell one person from another. A map of marks is a value: its owner stores it, and
forgets from it. A number is never given twice.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from .kinds import NAME, PLACE

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
        return replace(self, marks=(*self.marks, *added))

    def showing(self, values: Iterable[str]) -> "Marks":
        """The marks with further values that are left as they are."""
        shown = self.shown | (set(values) - set(self.by_value))
        return self if shown == self.shown else replace(self, shown=shown)

    def without(self, values: Iterable[str]) -> "Marks":
        """The marks with these values forgotten; their numbers are never given again."""
        gone = set(values)
        kept = tuple(replace(mark, value=None) if mark.value in gone else mark for mark in self.marks)
        return Marks(kept, self.shown - gone)


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
