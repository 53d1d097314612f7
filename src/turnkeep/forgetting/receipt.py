"""The receipt of a forget: what was removed where, what is left to do, and the proof. Values only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

PlaceState: TypeAlias = Literal["done", "pending", "out of reach"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReceipt:
    """What became of what was forgotten in one place.

    name: the place.
    removed: how many of what.
    state: pending is finished later by itself; out of reach is where turnkeep cannot go.
    advice: what to do about it; "" when nothing is to be done.
    """

    name: str
    removed: Mapping[str, int] = field(default_factory=dict)
    state: PlaceState = "done"
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the search of the files came to.

    pieces: how many pieces of what was forgotten were looked for.
    common: how many of those stand in what is kept as well, and prove nothing.
    files, size_bytes: what was searched.
    found: by file, how many pieces stand there that stand in nothing that is kept. Of a dry run: all that stand there now.
    """

    pieces: int
    common: int = 0
    files: int = 0
    size_bytes: int = 0
    found: Mapping[str, int] = field(default_factory=dict)


class ForgetReceipt(tuple[int, ...]):
    """The numbers of the turns that were forgotten or changed, and what else there is to say.

    It compares as the plain tuple of these numbers. Of several conversations, `turns` says whose they are.
    """

    turns: Mapping[str, tuple[int, ...]]
    conversations: tuple[str, ...]
    items: tuple[str, ...]
    places: tuple[PlaceReceipt, ...]
    proof: Proof | None
    dry_run: bool

    @classmethod
    def make(
        cls,
        *,
        turns: Mapping[str, tuple[int, ...]],
        conversations: Iterable[str] = (),
        items: Iterable[str] = (),
        places: Iterable[PlaceReceipt] = (),
        proof: Proof | None = None,
        dry_run: bool = False,
    ) -> Self:
        """Make one.

        Args:
            turns: by conversation, those of which something went.
            conversations: that are gone as a whole.
            items: ids of the wire that are gone, where items were named.
            places: what became of it where.
            proof: the search of the files; None: nobody asked for it.
            dry_run: nothing was changed.
        """
        made = cls(number for numbers in turns.values() for number in numbers)
        made.turns, made.conversations, made.items = dict(turns), tuple(conversations), tuple(items)
        made.places, made.proof, made.dry_run = tuple(places), proof, dry_run
        return made

    @property
    def state(self) -> PlaceState:
        """The worst of the places' states."""
        states = {place.state for place in self.places}
        return "pending" if "pending" in states else "out of reach" if "out of reach" in states else "done"

    @property
    def is_proven(self) -> bool:
        """Whether the files were searched, and nothing of it was found."""
        return not self.dry_run and self.proof is not None and not self.proof.found
