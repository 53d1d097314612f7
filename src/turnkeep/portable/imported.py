"""The common value: a conversation that was said elsewhere, and its turns.

Values only. `left_out` is filled while the turns are read: what the other program's file
holds and a conversation here cannot.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ..conversation.items import Item, Message

Json: TypeAlias = Any  # a value out of another program's file, checked field by field
_LATEST = 1e11  # seconds: the year 5138; what is larger counts smaller units


class Unreadable(ValueError):
    """A conversation of the file is not as its format has it; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTurn:
    """A turn, closed.

    after: which turn it hangs on, counted from 0 as they come; None: the beginning.
    items: each with the time at which it was said, seconds since the epoch.
    model: who answered, as the other program names it; "" where it does not say.
    current: whether the conversation stands at its end; of several, the last one counts.
    """

    after: int | None
    items: tuple[tuple[Item, float], ...]
    model: str = ""
    current: bool = False

    @property
    def answered(self) -> bool:
        """Whether it ends with something else than the user's words."""
        last = self.items[-1][0]
        return not (isinstance(last, Message) and last.role == "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConversation:
    """A conversation; its turns can be read once, those that others hang on first.

    program: where it was said.
    source: what names it there, so that it is known again.
    version: another text where more was said there since.
    """

    program: str
    source: str
    version: str
    name: str | None
    created: float
    updated: float | None
    turns: Iterable[ImportedTurn]
    instructions: str = ""
    left_out: Counter[str] = field(default_factory=Counter)


def read_time(value: object) -> float | None:
    """Read a time as programs write it: seconds, milli-, micro- or nanoseconds, or ISO 8601; None: it is none."""
    if isinstance(value, str):
        if re.fullmatch(r"\d{9,19}(\.\d+)?", value):
            return read_time(float(value))
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return read_time((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:  # a number of hundreds of digits
        return None
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    while seconds >= _LATEST:
        seconds /= 1000
    return seconds


def read_text(value: object) -> str:
    """The text, or "" where there is none."""
    return value if isinstance(value, str) else ""
