"""The database's own file: nothing of what was forgotten may be left in pages that give no row any more.

SQLite overwrites what is deleted (`secure_delete`), but not the copy that a page keeps of a row that was
moved to another page when the tree was balanced: that copy stands in the page's unused space, until
something else needs it. So the file is searched, and written anew where such a rest is found. A forget
is on record until then: after a kill, when nobody knows any more what to look for, the file is written
anew for certain.
"""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..context.pieces import Piece, spread
from ..store.erasing import Eraser
from .places import search_files

FILE = "database file"
MOST_WAITING = 100_000  # pieces of all forgets that wait: some 40 MB
LEAST_EACH = 32  # pieces that a forget keeps whatever others wait with


class Cleaner:
    """Looks for what was forgotten in the database's file, for several forgets at once where they come fast.

    Args:
        store: what was forgotten in.
        database: its file; None: it is in memory.
    """

    def __init__(self, store: Eraser, database: Path | None) -> None:
        self._store, self._database = store, database
        self._waiting: dict[int, Sequence[Piece] | None] = {}
        self._rewritten: set[int] = set()  # those that only wait for the log to be emptied
        self._cleaning = asyncio.Lock()

    @property
    def waiting(self) -> frozenset[int]:
        """The records of forgets that wait for the next `clean`."""
        return frozenset(self._waiting)

    def add(self, record: int, pieces: Sequence[Piece] | None) -> None:
        """Take up a forget that is done but for this file.

        Args:
            record: its record in the store, which goes when the file is clean.
            pieces: what to look for; None: nobody knows. Evenly fewer where very many wait already.
        """
        if pieces is not None:
            room = MOST_WAITING - sum(len(each or ()) for each in self._waiting.values())
            pieces = spread(pieces, max(LEAST_EACH, room))
        self._waiting[record] = pieces

    async def clean(self) -> bool:
        """Do it for all that wait; False: somebody who reads keeps the old file, and all of them wait on.

        Raises:
            StoreError: the file could not be written anew; all of them wait on.
        """
        async with self._cleaning:
            batch = dict(self._waiting)
            if batch and self._database is not None and not await self._clean_file(self._database, batch):
                return False
            for record in batch:
                await self._store.note_unfinished(record, None)
                del self._waiting[record]
                self._rewritten.discard(record)
            return True

    async def _clean_file(self, database: Path, batch: dict[int, Sequence[Piece] | None]) -> bool:
        if not await self._store.empty_log():
            return False  # the file is not the whole database, and writing it anew would go into the log
        wanted = [pieces for record, pieces in batch.items() if record not in self._rewritten]
        if not await self._has_rest(database, wanted):
            return True
        emptied = await self._store.rewrite_file()
        self._rewritten.update(batch)
        return emptied

    async def _has_rest(self, database: Path, batch: Iterable[Sequence[Piece] | None]) -> bool:
        wanted = list[Piece]()
        for pieces in batch:
            if pieces is None:
                return True
            wanted += pieces
        if not wanted:
            return False
        forms = [form for piece in wanted for form in piece]
        searched = await asyncio.to_thread(search_files, [database], forms)
        found = frozenset[bytes]().union(*searched.found.values())
        suspects = [piece for piece in wanted if piece & found]
        if not suspects:
            return False
        # Only the forms that stand there: what is kept holds the very same, and the search ends when all are seen.
        kept = await self._store.find_kept([form for piece in suspects for form in piece & found])
        return any(not piece & kept for piece in suspects)
