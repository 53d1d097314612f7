"""What personal data is called, what a find is, and the patterns that a user adds.

A pattern may be one that takes ages on some text, such as (a|aa)+$, and Python's `re` knows no end then. So
patterns are matched by the package `regex`, which takes the same ones and a limit of time, as Presidio does. A
text on which a pattern does not come to an end is never taken for one without personal data.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ..errors import MissingExtra, UsageError

EMAIL, PHONE, CARD, IBAN = "EMAIL", "PHONE", "CARD", "IBAN"
NATIONAL_ID, IP, MAC = "NATIONAL_ID", "IP", "MAC"
URL_CREDENTIALS, SECRET, BIRTH_DATE = "URL_CREDENTIALS", "SECRET", "BIRTH_DATE"
NAME, PLACE = "NAME", "PLACE"
KINDS = (
    EMAIL, PHONE, CARD, IBAN, NATIONAL_ID, IP, MAC, URL_CREDENTIALS, SECRET, BIRTH_DATE, NAME, PLACE
)  # fmt: skip
LITERAL = "LITERAL"  # a text that looks like a mark, in somebody's own words (marks.py)

MATCH_SECONDS = (
    1.0  # of the process's time, for one pattern on one text; plain ones take 25 to 130 ms for a megabyte
)
INSTALL = "Patterns of your own need one small library. Install it with: pip install 'turnkeep[privacy]'"
_KIND = re.compile(r"[A-Z][A-Z_]{0,30}")


@dataclass(frozen=True, slots=True)
class Found:
    """Personal data in a text: `text[start:end]` is of this kind."""

    start: int
    end: int
    kind: str


class Rule(Protocol):
    """What finds besides what is found anyway: a pattern of the user's, or a model for names.

    late: it gives way to everything else, where finds overlap; else it comes before all.
    """

    @property
    def late(self) -> bool:
        """Whether it gives way."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it may find."""
        ...

    def find(self, text: str) -> Iterable[Found]:
        """Find it."""
        ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of the user's: whatever the expression matches is of this kind.

    Raises:
        UsageError: the kind is no word in capitals, or the expression is not one.
    """

    kind: str
    expression: str
    late: ClassVar[bool] = False
    compiled: Any = field(
        init=False, repr=False, compare=False
    )  # of the untyped `regex`; None: not installed

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind) or self.kind == LITERAL:
            raise UsageError(
                f"{self.kind!r} cannot name a kind of personal data: use a word in capitals, such as EMPLOYEE."
            )
        try:
            compiled = re.compile(self.expression)
        except re.error as error:
            raise UsageError(f"The pattern for {self.kind} is no regular expression: {error}.") from error
        if compiled.match(""):
            raise UsageError(f"The pattern for {self.kind} matches an empty text: say what it must hold.")
        object.__setattr__(self, "compiled", _compile_limited(self.kind, self.expression))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Its kind."""
        return (self.kind,)

    def find(self, text: str) -> list[Found]:
        """List what it matches.

        Raises:
            MissingExtra: what matches it is not installed.
            UsageError: it takes longer than `MATCH_SECONDS`.
        """
        if self.compiled is None:
            raise MissingExtra(INSTALL)
        try:
            matches = list(self.compiled.finditer(text, timeout=MATCH_SECONDS))
        except TimeoutError as error:
            raise UsageError(
                f"The pattern for {self.kind} takes too long on a text of {len(text):,} characters: write it so that "
                "one text can be matched in one way only, (a|aa)+ as a+, say."
            ) from error
        return [Found(match.start(), match.end(), self.kind) for match in matches if match[0]]


def _compile_limited(kind: str, expression: str) -> Any:  # Any: a pattern of the untyped `regex`
    """None where that is not installed: settings with patterns are read all the same."""
    try:
        import regex  # 20 ms, and most people add no patterns
    except ImportError:
        return None
    try:
        return regex.compile(expression)
    except regex.error as error:  # what `re` alone takes
        raise UsageError(f"The pattern for {kind} is no regular expression: {error}.") from error


def parse_patterns(table: Mapping[str, str]) -> tuple[Pattern, ...]:
    r"""Read the table of a user's patterns: {"EMPLOYEE": r"E-\d{6}"}.

    Raises:
        UsageError: as `Pattern`.
    """
    return tuple(Pattern(kind, expression) for kind, expression in table.items())
