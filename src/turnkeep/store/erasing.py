"""What can be forgotten, and what a store says of it. Types and the protocol only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from .base import Lease
from .carrying import Backup


@dataclass(frozen=True, slots=True, kw_only=True)
class OneItem:
    """An item as the wire shows it, by its id or alias; the calls of a message go with their results."""

    conversation: str
    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTurn:
    """A turn; `alike`: with those asked with the same words in its place."""

    conversation: str
    turn: int
    alike: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OneConversation:
    """A conversation with all that belongs to it."""

    conversation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EverythingOwned:
    """All of an owner's; the owner's keys go too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderThan:
    """Turns begun before a time, and conversations that have no newer one.

    before: seconds since the epoch. conversation: in this one only; None: in all of the owner's.
    """

    before: float
    conversation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What is older than it is to be kept: per conversation where that says so, else `days`; None: for ever.

    but: conversations that are left for later.
    """

    days: int | None
    now: float
    but: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryMention:
    """Every mention of a value (context/mentions.py), in one conversation or all of the owner's.

    With all of the owner's, in the names of the owner's keys too; with `keys`, in those of everybody's: they are words of
    whoever runs the gateway.
    """

    value: str
    conversation: str | None = None
    keys: bool = False


What: TypeAlias = OneItem | OneTurn | OneConversation | EverythingOwned | OlderThan | Expired | EveryMention


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure has taken out of the database.

    removed, rewritten: rows by table.
    texts: what stood there, as texts (the parts of JSON apart) and bytes (vectors, digests); some may stand elsewhere.
    turns: the turns that it touched, by conversation; conversations that are gone as a whole with none.
    beside: other turns of which a part went along, such as a note that another answer had carried along.
    gone: conversations that are gone as a whole.
    items: ids of the wire that are gone, where items were named.
    record: number under which the store remembers that places outside of it are not done.
    """

    removed: Mapping[str, int] = field(default_factory=dict)
    rewritten: Mapping[str, int] = field(default_factory=dict)
    texts: tuple[str | bytes, ...] = ()
    turns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    beside: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    record: int | None = None

    @property
    def changed(self) -> dict[str, tuple[int, ...]]:
        """All turns of which something went, by conversation."""
        names = dict.fromkeys((*self.turns, *self.beside))
        return {name: (*self.turns.get(name, ()), *self.beside.get(name, ())) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A forget whose database part is done, and of which places outside are not, as `note` says (JSON)."""

    record: int
    begun: float
    note: Mapping[str, Any]  # Any: JSON of forgetting/


@runtime_checkable
class Eraser(Protocol):
    """A store that forgets."""

    async def list_touched(self, owner: str, what: What) -> list[str]:
        """The conversations that an erasure would touch, in the order of their ids."""
        ...

    async def erase(
        self,
        owner: str,
        what: What,
        *,
        leases: Sequence[Lease],
        now: float,
        note: Mapping[str, Any] | None = None,
        dry_run: bool = False,
    ) -> Erased | None:
        """Take all of it out in one transaction; None, and nothing happens, when a touched conversation is not held.

        With `note`, the same transaction remembers what is to be done outside: `turns` and `gone` are added to it,
        and where it has `texts`, these too.
        A dry run does the same and takes all of it back.
        """
        ...

    async def load_unfinished(self) -> list[Unfinished]:
        """The forgets that are not done everywhere."""
        ...

    async def note_unfinished(self, record: int, note: Mapping[str, Any] | None) -> None:
        """Replace what is remembered of one; None: it is done."""
        ...

    async def empty_log(self) -> bool:
        """Empty the write-ahead log; False where somebody who reads holds it open."""
        ...

    async def rewrite_file(self) -> bool:
        """Write the whole file anew, so that nothing is left in its unused space.

        False where somebody who reads keeps the old one: the new one is in place once the log can be emptied.
        """
        ...

    async def find_kept(self, pieces: Sequence[bytes]) -> set[bytes]:
        """Which of these stand in what is kept, of all owners."""
        ...

    async def list_backups(self) -> list[Backup]:
        """The backups on record."""
        ...

    async def list_making(self) -> list[Backup]:
        """Those of them that other processes are making; what killed ones have left is taken away."""
        ...

    async def list_owners(self) -> list[str]:
        """The owners who have conversations."""
        ...

    async def set_retention(self, owner: str, conversation: str, days: int | None) -> None:
        """Say for how many days a conversation is kept; 0: for ever, None: as is set for all."""
        ...

    async def load_retention(self, owner: str, conversation: str) -> int | None:
        """For how many days a conversation is kept; 0: for ever, None: as is set for all."""
        ...

    async def has_retention(self) -> bool:
        """Whether any conversation says for itself how long it is kept."""
        ...
