"""What imports and backups ask of a store, beside `Store`: turns with times of their own, and what is on record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..conversation.items import Item, TurnState
from .base import Conversation, Lease, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedTurn:
    """A turn that was said elsewhere.

    after: number of the turn it hangs on; 0: the beginning.
    items: each with the time at which it was said; at least one.
    receipt: JSON of context/receipt.py; None: nothing is known of it.
    """

    after: int
    items: Sequence[tuple[Item, float]]
    state: TurnState
    error: str | None = None
    receipt: Mapping[str, Any] | None = None  # Any: JSON values


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImport:
    """A conversation that was imported before, and the digest of how far it had come then."""

    conversation: str
    version: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup on record. `finished` None: its making ended early, and the file may not be there."""

    number: int
    path: str
    made: float
    finished: float | None
    bytes: int | None


class Carrier(Store, Protocol):
    """A store that imports and backups work with."""

    async def load_digest_key(self, owner: str) -> bytes:
        """Load the key of an owner's digests, made at the first call."""
        ...

    async def append_carried(
        self, owner: str, conversation: str, turns: Sequence[CarriedTurn], *, lease: Lease
    ) -> int:
        """Append closed turns, all or none; returns the number of the last one. Raises as `begin_turn`."""
        ...

    async def begin_import(
        self, owner: str, conversation: str, source: bytes, version: bytes, *, now: float
    ) -> Conversation:
        """Make a conversation under a new id; until `end_import` it is swept away as unfinished."""
        ...

    async def mark_import(
        self, owner: str, conversation: str, source: bytes, version: bytes, *, now: float
    ) -> None:
        """Note of a conversation that is there that it was imported, and is whole."""
        ...

    async def end_import(self, owner: str, conversation: str, *, now: float) -> None:
        """Note that it is whole."""
        ...

    async def find_import(self, owner: str, source: bytes) -> KnownImport | None:
        """Find the newest whole conversation that was imported from there."""
        ...

    async def unfinished_imports(self, owner: str) -> list[str]:
        """List conversations whose import has not come to its end."""
        ...

    async def plan_backup(self, path: str, *, now: float) -> int:
        """Put a backup on record before its file is made; returns its number."""
        ...

    async def end_backup(self, number: int, *, size: int, now: float) -> None:
        """Note that the file stands in its place."""
        ...

    async def drop_backup(self, number: int) -> None:
        """Take a backup off the record: its file is gone, or never was."""
        ...

    async def list_backups(self) -> list[Backup]:
        """List the backups on record, the oldest first."""
        ...
