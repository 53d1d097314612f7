"""What may be asked of a conversation's record, and of its index, within one reading of the store."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..context.ranking import Found, Postings
from ..conversation.log import Position
from .base import Conversation, StoredItem, StoredView, Turn


class Record(Protocol):
    """What a conversation's record says at one moment; see the methods of `Store` of like names."""

    def conversation(self) -> Conversation:
        """The row."""
        ...

    def instructions(self, number: int) -> str:
        """Instructions by number."""
        ...

    def view(self, number: int) -> StoredView:
        """A view by number."""
        ...

    def newest_view(self, tip: Position) -> StoredView | None:
        """The newest view whose folded items are all ancestors of `tip`."""
        ...

    def leads(self, position: Position, tip: Position) -> bool:
        """Whether `position` lies on the path to `tip`."""
        ...

    def log(
        self, tip: Position, after: int = 0, limit: int | None = None, kind: str | None = None
    ) -> list[StoredItem]:
        """The items on the path to `tip` with seq > `after`, oldest first."""
        ...

    def receipt(self, turn: int) -> Mapping[str, Any] | None:
        """A turn's receipt."""
        ...

    def turn(self, number: int) -> Turn:
        """A turn's row."""
        ...

    def turn_items(self, number: int) -> list[StoredItem]:
        """A turn's items."""
        ...


class Index(Protocol):
    """What a conversation's index says at one moment, along one path; see the methods of `Store` of like names."""

    def postings(self, keys: Sequence[int], *, upto: int) -> Postings:
        """The postings of the rarest of these terms, of items up to place `upto`."""
        ...

    def postings_at(self, holding: Mapping[int, int], places: Sequence[int]) -> dict[int, Found]:
        """The postings of further terms at these places only."""
        ...

    def gaps(self, places: Sequence[int]) -> set[int]:
        """Which of these places hold no message of user or assistant."""
        ...

    def items(self, places: Sequence[int]) -> list[StoredItem]:
        """The items at these places, in any order."""
        ...

    def embedded(self, embedder: str) -> int:
        """Up to which turn the conversation has vectors of that embedder."""
        ...
