"""What personal data is called, what a find is, and the patterns that a user adds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from ..errors import UsageError

EMAIL, PHONE, CARD, IBAN = "EMAIL", "PHONE", "CARD", "IBAN"
NATIONAL_ID, IP, MAC = "NATIONAL_ID", "IP", "MAC"
URL_CREDENTIALS, SECRET, BIRTH_DATE = "URL_CREDENTIALS", "SECRET", "BIRTH_DATE"
NAME, PLACE = "NAME", "PLACE"
KINDS = (
    EMAIL, PHONE, CARD, IBAN, NATIONAL_ID, IP, MAC, URL_CREDENTIALS, SECRET, BIRTH_DATE, NAME, PLACE
)  # fmt: skip
LITERAL = "LITERAL"  # a text that looks like a mark, in somebody's own words (marks.py)

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
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

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
        object.__setattr__(self, "compiled", compiled)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Its kind."""
        return (self.kind,)

    def find(self, text: str) -> Iterator[Found]:
        """Yield what it matches."""
        return (
            Found(match.start(), match.end(), self.kind) for match in self.compiled.finditer(text) if match[0]
        )


def parse_patterns(table: Mapping[str, str]) -> tuple[Pattern, ...]:
    r"""Read the table of a user's patterns: {"EMPLOYEE": r"E-\d{6}"}.

    Raises:
        UsageError: as `Pattern`.
    """
    return tuple(Pattern(kind, expression) for kind, expression in table.items())
