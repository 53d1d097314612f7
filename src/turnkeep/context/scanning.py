"""Find many byte strings in much data, in time that hardly grows with their number.

Data is looked at in blocks of eight bytes, each compared with all eight-byte parts of all pieces at once
(a set of integers). A piece of fifteen bytes or more holds a whole block wherever it stands, so
none is missed. Where a block is found and the next one is one that follows it in a piece, the fifteen bytes with which
that would begin are looked up: so thousands of pieces made of the same few words cost little more than one.
Shorter pieces are all looked for by themselves.

Pure.
"""

from collections.abc import Iterable
from typing import Literal

BLOCK = 8
LONG = 2 * BLOCK - 1  # bytes; so long a piece holds an aligned block
LONGER = 3 * BLOCK - 1  # bytes; so long a piece holds two, one behind the other


class Scanner:
    """Looks for pieces.

    Args:
        pieces: byte strings, none of them empty.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._left = set(pieces)
        self._short = {piece for piece in self._left if len(piece) < LONG}
        self._heads: dict[
            bytes, dict[int, set[bytes]]
        ] = {}  # pieces by their first LONG bytes and their length
        # At which of a piece's first bytes a block stands, by the block behind it; None: of pieces that may hold one only.
        self._blocks: dict[int, dict[int | None, set[int]]] = {}
        self.longest = max(map(len, self._left), default=0)
        for piece in self._left - self._short:
            self._heads.setdefault(piece[:LONG], {}).setdefault(len(piece), set()).add(piece)
            for start in range(BLOCK):  # each alignment has one block that begins in the first eight bytes
                block, behind = _block(piece, start), _block(piece, start + BLOCK)
                places = self._blocks.setdefault(block, {})
                places.setdefault(behind if len(piece) >= LONGER else None, set()).add(start)
        self._keys = frozenset(self._blocks)

    @property
    def is_done(self) -> bool:
        """Whether all of them were dropped."""
        return not self._left

    def drop(self, pieces: Iterable[bytes]) -> None:
        """Look for these no more."""
        gone = self._left.intersection(pieces)
        self._left -= gone
        self._short -= gone
        for piece in gone:
            if len(piece) >= LONG:
                self._heads[piece[:LONG]][len(piece)].discard(piece)

    def scan(self, data: bytes | bytearray) -> set[bytes]:
        """The pieces that stand in some data."""
        found = {piece for piece in self._short if piece in data}
        whole = memoryview(data)[: len(data) - len(data) % BLOCK].cast("Q")
        if not self._keys.isdisjoint(whole):
            found |= self._scan_blocks(data, whole)
        return found

    def _scan_blocks(self, data: bytes | bytearray, whole: "memoryview[int]") -> set[bytes]:
        keys, last, found = self._keys, len(whole) - 1, set[bytes]()
        for place in [place for place, block in enumerate(whole) if block in keys]:
            places = self._blocks[whole[place]]
            if place < last and (starts := places.get(whole[place + 1])):
                found |= self._begun(data, BLOCK * place, starts)
            if starts := places.get(None):
                found |= self._begun(data, BLOCK * place, starts)
        return found

    def _begun(self, data: bytes | bytearray, at: int, starts: Iterable[int]) -> set[bytes]:
        """The pieces of which a block stands at a place, and what is before and behind it too."""
        found = set[bytes]()
        for begin in [at - start for start in starts if start <= at]:
            for length, pieces in self._heads.get(bytes(data[begin : begin + LONG]), _NONE).items():
                part = bytes(data[begin : begin + length])
                if part in pieces:
                    found.add(part)
        return found


def _block(piece: bytes, start: int) -> int:
    return int.from_bytes(piece[start : start + BLOCK], _ORDER)


_NONE: dict[int, set[bytes]] = {}
_ORDER: Literal["little", "big"] = "little" if memoryview(b"\1" + bytes(7)).cast("Q")[0] == 1 else "big"
