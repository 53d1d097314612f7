"""The vectors of conversations in memory, and the exact search through them.

A conversation's vectors are loaded when it is first searched and kept while there is room;
what was embedded since is loaded before each search. A search compares all of them: 4 ms for
100,000, which is why there is no other index to build and keep in step.

Needs numpy and simsimd (the extra `embed`), imported at the first search.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .context.ranking import MEANING_TOP
from .context.recall import Meaning
from .conversation.log import Range
from .embed.base import Embedder, stretch
from .store.base import Store, StoredVector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 128 * 1024 * 1024  # of vectors in memory: 340,000 of the built-in model
PAGE_VECTORS = 4_096  # loaded from the store at a time, so that turns go on meanwhile
IN_THREAD_ABOVE = 20_000  # vectors: what takes a millisecond must not hold up the event loop


@dataclass(slots=True)
class _Held:
    """A conversation's vectors, in the order of its turns; the arrays are longer than what is in use."""

    bodies: "NDArray[np.int8]"
    seqs: "NDArray[np.int32]"
    branches: "NDArray[np.int32]"
    size: int = 0
    turn: int = 0  # of the last one loaded
    single: int | None = None  # the branch that all are on; -1: several

    @property
    def nbytes(self) -> int:
        """What the arrays take."""
        return int(self.bodies.nbytes + self.seqs.nbytes + self.branches.nbytes)


class VectorIndex:
    """Searches vectors of one embedder.

    Args:
        store: where they are kept.
        embedder: made them.
        most_bytes: to hold in memory. Conversations used least recently go first; of one that is larger,
            the newest vectors are held and the others are found by their words only.
    """

    def __init__(self, store: Store, embedder: Embedder, *, most_bytes: int = MOST_BYTES) -> None:
        self._store, self._embedder = store, embedder
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[str, str, str], _Held] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return sum(held.nbytes for held in self._held.values())

    def forget(self, owner: str, conversation: str) -> None:
        """Hold nothing of a conversation any more; the next search loads what is there then."""
        for key in [key for key in self._held if key[:2] == (owner, conversation)]:
            del self._held[key]

    async def search(
        self,
        owner: str,
        conversation: str,
        vector: bytes,
        path: Sequence[Range],
        *,
        upto: int,
        embedded: int | None = None,
    ) -> Meaning | None:
        """Find the items nearest to a vector.

        Args:
            owner: whose conversation.
            conversation: which.
            vector: of the query.
            path: the ranges that lead to the tip.
            upto: the last place to look at.
            embedded: the last turn that has vectors, where that was looked up just now: what is held up to
                there need not be brought up to date.

        Returns:
            Cosines of the nearest places; None when nothing is embedded there.
        """
        held = self._held.get((owner, conversation, self._embedder.name))
        if held is None or held.turn != embedded:
            held = await self._load(owner, conversation, len(vector))
        if held is None:
            return None
        if held.size > IN_THREAD_ABOVE:
            now = replace(held)  # what is loaded meanwhile is written behind its end
            return await asyncio.to_thread(_nearest, now, vector, path, upto, self._embedder.baseline)
        return _nearest(held, vector, path, upto, self._embedder.baseline)

    async def _load(self, owner: str, conversation: str, dimensions: int) -> _Held | None:
        """Bring what is held of a conversation up to date."""
        name = self._embedder.name
        key = (owner, conversation, name)
        while True:
            held = self._held.get(key)
            after = held.turn if held else 0
            page = await self._store.load_vectors(owner, conversation, name, after=after, limit=PAGE_VECTORS)
            now = self._held.get(key)
            if now is not held or (now is not None and now.turn != after):
                continue  # another search has loaded it meanwhile
            if not page or len(page[0].body) != dimensions:
                break
            self._held[key] = held = _add(held, page, dimensions, self._most_bytes)
        if held is not None:
            self._held.move_to_end(key)
            while self.nbytes > self._most_bytes and len(self._held) > 1:
                self._held.popitem(last=False)
        return held


def _add(held: _Held | None, page: Sequence[StoredVector], dimensions: int, most_bytes: int) -> _Held:
    import numpy as np

    most = max(len(page), most_bytes // (dimensions + 8))
    if held is not None and held.size + len(page) > most:
        # A sixteenth more than must go, so that the pages after this one find room.
        _forget_oldest(held, min(held.size, held.size + len(page) - most + most // 16))
    size = held.size if held else 0
    wanted = size + len(page)
    if held is None or wanted > len(held.seqs):
        # An eighth more than is needed, so that growing costs little however long it goes on.
        held = _grown(held, min(most, wanted + wanted // 8), dimensions)
    if held.single is None:
        held.single = page[0].at.branch
    if any(each.at.branch != held.single for each in page):
        held.single = -1
    rows = b"".join(each.body for each in page)
    held.bodies[size:wanted] = np.frombuffer(rows, np.int8).reshape(len(page), dimensions)
    held.seqs[size:wanted] = [each.at.seq for each in page]
    held.branches[size:wanted] = [each.at.branch for each in page]
    held.size, held.turn = wanted, page[-1].turn
    return held


def _grown(held: _Held | None, rows: int, dimensions: int) -> _Held:
    import numpy as np

    grown = _Held(
        bodies=np.empty((rows, dimensions), np.int8),
        seqs=np.empty(rows, np.int32),
        branches=np.empty(rows, np.int32),
    )
    if held is not None:
        grown.size, grown.turn, grown.single = held.size, held.turn, held.single
        grown.bodies[: held.size] = held.bodies[: held.size]
        grown.seqs[: held.size] = held.seqs[: held.size]
        grown.branches[: held.size] = held.branches[: held.size]
    return grown


def _forget_oldest(held: _Held, number: int) -> None:
    # Into arrays of their own: a search may be reading the others in its thread.
    held.bodies = held.bodies[number : held.size].copy()
    held.seqs = held.seqs[number : held.size].copy()
    held.branches = held.branches[number : held.size].copy()
    held.size -= number


def _nearest(held: _Held, vector: bytes, path: Sequence[Range], upto: int, baseline: float) -> Meaning | None:
    import numpy as np
    import simsimd

    alone = (
        len(path) == 1 and held.single == path[0].branch
    )  # then seqs rise: compare only those up to `upto`
    size = held.size
    if alone:
        size = int(np.searchsorted(held.seqs[:size], min(upto, path[0].upto), side="right"))
    if not size:
        return None
    seqs = held.seqs[:size]
    query = np.frombuffer(vector, np.int8).reshape(1, -1)
    # Without `out`: with it, simsimd (6.5.16) gives back a None that it does not own, and Python before 3.12 ends when
    # the last None is gone, after some ten thousand searches.
    dots = np.asarray(simsimd.cdist(query, held.bodies[:size], metric="dot"))[0]
    if not alone:
        on_path = _on_path(held, path, upto)
        dots, seqs = dots[on_path], seqs[on_path]
    if not len(seqs):
        return None
    if len(dots) > MEANING_TOP:
        best = np.argpartition(dots, -MEANING_TOP)[-MEANING_TOP:]
    else:
        best = np.arange(len(dots))
    unit = stretch(len(vector)) ** 2
    cosines = (dots[best] / unit - baseline) / (1 - baseline)
    return Meaning(
        cosines=dict(zip(seqs[best].tolist(), cosines.tolist(), strict=True)), covered=int(seqs.max())
    )


def _on_path(held: _Held, path: Sequence[Range], upto: int) -> "NDArray[np.bool_]":
    """Which vectors are of items on the path up to `upto`."""
    import numpy as np

    seqs = held.seqs[: held.size]
    if not path:
        return np.zeros(held.size, np.bool_)
    branches = held.branches[: held.size]
    most = int(branches.max(initial=0)) + 1
    after, last_of = np.full(most, np.iinfo(np.int32).max, np.int32), np.zeros(most, np.int32)
    for part in path:
        if part.branch < most:
            after[part.branch], last_of[part.branch] = part.after, min(part.upto, upto)
    found: Any = (seqs > after[branches]) & (seqs <= last_of[branches])  # Any: numpy's own types are wider
    return found  # type: ignore[no-any-return]
