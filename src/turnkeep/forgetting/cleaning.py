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

from ..context.pieces import Piece
from ..store.erasing import Eraser
from .places import search_files

FILE = "database file"


class Cleaner:
    """Looks for what was forgotten in the database's file, for several forgets at once where they come fast.

    Args:
        store: what was forgotten in.
        database: its file; None: it is in memory.
    """

    def __init__(self, store: Eraser, database: Path | None) -> None:
        self._store, self._database = store, database
        self._waiting: dict[int, Sequence[Piece] | None] = {}

    @property
    def waiting(self) -> frozenset[int]:
        """The records of forgets that wait for the next `clean`."""
        return frozenset(self._waiting)

    def add(self, record: int, pieces: Sequence[Piece] | None) -> None:
        """Take up a forget that is done but for this file.

        Args:
            record: its record in the store, which goes when the file is clean.
            pieces: what to look for; None: nobody knows.
        """
        self._waiting[record] = pieces

    async def clean(self) -> None:
        """Do it for all that wait.

        Raises:
            StoreError: the file could not be written anew; all of them wait on.
        """
        batch = dict(self._waiting)
        if batch and self._database is not None and await self._has_rest(batch.values()):
            await self._store.rewrite_file()
        for record in batch:
            await self._store.note_unfinished(record, None)
            del self._waiting[record]

    async def _has_rest(self, batch: Iterable[Sequence[Piece] | None]) -> bool:
        wanted = list[Piece]()
        for pieces in batch:
            if pieces is None:
                return True
            wanted += pieces
        assert self._database is not None
        forms = [form for piece in wanted for form in piece]
        searched = await asyncio.to_thread(search_files, [self._database], forms)
        found = frozenset[bytes]().union(*searched.found.values())
        suspects = [piece for piece in wanted if piece & found]
        if not suspects:
            return False
        kept = await self._store.find_kept([form for piece in suspects for form in piece])
        return any(not piece & kept for piece in suspects)
