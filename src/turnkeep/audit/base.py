"""What a turn knows of the audit: what it hands over, and to whom; the levels and rules."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args

from ..errors import UsageError

Level: TypeAlias = Literal["off", "sizes", "masked", "full"]
LEVELS: tuple[Level, ...] = get_args(Level)

ROTATE_BYTES = 16 * 1024 * 1024
ROTATE_DAYS = 7.0
# Name of the gateway's key that a request came with; "": none. A turn runs in the context of its request.
caller: ContextVar[str] = ContextVar("caller", default="")
FEWEST_BYTES = 4_096  # of a file: less would be more first and last lines than turns


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """What is written, and for how long it is kept.

    level: None is "masked" where personal data can be found here, else "sizes".
    required: no turn is done before its record is durable; without a journal no turn is.
    rotate_bytes: a file is closed when it is as large.
    rotate_days: or as old.
    keep_days: a file is deleted whole when its last record is as old; 0: never.
    """

    level: Level | None = None
    required: bool = False
    rotate_bytes: int = ROTATE_BYTES
    rotate_days: float = ROTATE_DAYS
    keep_days: float = 0.0

    def __post_init__(self) -> None:
        if self.level is not None and self.level not in LEVELS:
            raise UsageError(f"The audit's level must be off, sizes, masked or full, not {self.level!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A turn as it is handed over.

    turn: its number; 0: it was passed on and nothing of it is kept, so nor are its texts here.
    key: name of the gateway's key that was used; "": none.
    at: when it ended, in seconds since the epoch.
    texts: "input", "output", "reasoning" and "error", those that there are.
    receipt: of what the model saw, as JSON values.
    """

    owner: str
    conversation: str
    turn: int
    state: str
    at: float
    key: str = ""
    engine: str = ""
    model: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    receipt: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values


Spans: TypeAlias = dict[str, list[tuple[int, int]]]  # file to ranges of records


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Whose texts are to be forgotten. What is given has to hold, all of it; nothing given means every record.

    owner: of this owner.
    conversation: of this one.
    turns: of these turns; None: all.
    before: of turns that ended before, in seconds since the epoch.
    """

    owner: str | None = None
    conversation: str | None = None
    turns: frozenset[int] | None = None
    before: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was forgotten: the records of each file, and how many turns and bytes of text those are."""

    records: Spans = field(default_factory=dict)
    turns: int = 0
    bytes: int = 0


class Audit(Protocol):
    """Takes what turns hand over."""

    @property
    def required(self) -> bool:
        """Whether no turn may be done before its record is durable."""
        ...

    @property
    def problem(self) -> str | None:
        """Why nothing can be written at the moment, one sentence; None: all is well."""
        ...

    async def check(self) -> None:
        """See whether it can be written now. Raises `AuditFailed`."""
        ...

    def note(self, entry: Entry) -> None:
        """Write it soon; nobody waits, and what fails is told by `problem`."""
        ...

    async def keep(self, entry: Entry) -> None:
        """Write it, durable when this returns. Raises `AuditFailed`."""
        ...

    async def drain(self) -> None:
        """Wait until everything is written, or cannot be."""
        ...

    async def forget(self, *which: Which, dry_run: bool = False) -> Forgotten:
        """Take the texts of turns that any of these mean out, for good. Raises `AuditFailed`; asking again goes on with what was begun."""
        ...


class Masking(Protocol):
    """Replaces personal data by typed marks, the same ones throughout a conversation."""

    async def mask(self, owner: str, conversation: str, texts: Sequence[str]) -> Sequence[str]:
        """Give the texts with marks in place of personal data, such as `[EMAIL_1]`."""
        ...

    async def sweep(self, owner: str, conversation: str) -> None:
        """Let go of the values that are said nowhere in the conversation any more."""
        ...
