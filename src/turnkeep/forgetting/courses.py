"""The course of a forget: hold the conversations, one transaction, the places outside, the proof.

    hold       no turn and no upkeep may write of what it read before
    erase      one transaction, with a record of what is left to do outside
    log        the write-ahead log is emptied
    places     input history, backups, journals, engines; each may be done twice
    file       the database's own is written anew where its unused space kept anything (cleaning.py)
    record     goes when nothing is left; a process that finds one goes on from there
    proof      all files are searched for pieces of what was forgotten

Killed before the transaction's commit nothing has happened; killed after it, the next one that
comes (`finish`) does the rest.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ..context.mentions import Mention
from ..context.pieces import FEWEST_BYTES, Piece, cut_pieces
from ..errors import Conflict, StoreError
from ..holding import PATIENCE_SECONDS, hold_lease, name_holder
from ..store.base import Lease, Store
from ..store.erasing import Erased, Eraser, EveryMention, What
from .cleaning import FILE, Cleaner
from .places import Folder, Keeping, Place, Rewriting, Searched, Task, dump_task, load_task
from .receipt import ForgetReceipt, PlaceReceipt, Proof

ATTEMPTS = 5  # a conversation that comes to be touched while others are waited for is waited for too
LOG = "write-ahead log"
_OURS = (LOG, FILE)  # what a forget does by itself, whatever places there are
_READER = (
    "Another program reads the database at this moment, so its log could not be emptied: close that one."
)
_THEN = "What is left is done by itself then."


_ANOTHER = "Another program forgets there at this moment: it is done by itself by the next start of turnkeep."


class ForgettingStore(Store, Eraser, Protocol):
    """A store that forgets."""


@dataclass(frozen=True, slots=True)
class _Taker:
    store: Store
    holder: str


Hold = Callable[[str, Sequence[str]], AbstractAsyncContextManager[Sequence[Lease]]]
"""Holds conversations of an owner, when no turn and no upkeep works on them any more."""
Drop = Callable[[str, Sequence[str]], None]
"""Is told which conversations must not be held in memory any more."""


class Forgetter:
    """Forgets.

    Args:
        store: what is forgotten in.
        hold: holds conversations.
        drop: is told of those that were touched.
        folder: the files that the proof searches.
        places: what else may hold what was said.
        clock: seconds since the epoch.
        cleaner: has its `clean` called by who gave it, soon after; None: the file is clean when a forget returns.
    """

    def __init__(
        self,
        store: ForgettingStore,
        hold: Hold,
        *,
        folder: Folder,
        drop: Drop = lambda _owner, _conversations: None,
        places: Iterable[Place] = (),
        clock: Callable[[], float] = time.time,
        cleaner: Cleaner | None = None,
    ) -> None:
        self._store, self._hold, self._drop, self._folder = store, hold, drop, folder
        self._cleaner = Cleaner(store, folder.database) if cleaner is None else cleaner
        self._cleans = cleaner is None
        self.places = tuple(places)
        self._clock = clock
        self._taker = _Taker(store, name_holder())

    async def forget(
        self, owner: str, what: What, *, dry_run: bool = False, prove: bool = True
    ) -> ForgetReceipt:
        """Forget, everywhere.

        Args:
            owner: whose.
            what: what.
            dry_run: only say what would be forgotten; nothing is changed.
            prove: search the files for what was forgotten.

        Raises:
            ConversationNotFound: there is nothing of that name or number.
            Conflict: it is being answered, or another program holds a conversation.
            UsageError: a value too short to be found for certain.
        """
        if isinstance(what, EveryMention):
            Mention(what.value)  # refused before anybody is waited for
        now = self._clock()
        erased = await self._erase(owner, what, now, dry_run)
        task = Task(
            owner=owner,
            what=what,
            turns=erased.changed,
            gone=erased.gone,
            texts=tuple(text for text in erased.texts if isinstance(text, str)),
            now=now,
            dry_run=dry_run,
        )
        receipts = [_describe(erased)]
        pieces = cut_pieces(erased.texts, _values(erased, what))
        if dry_run:
            receipts += [await self._have_forget(place, task) for place in self.places]
        else:
            self._drop(owner, (*erased.changed, *erased.gone))
            assert erased.record is not None
            left = [place.name for place in self.places]
            try:
                receipts += await self._finish(erased.record, task, left, pieces)
            except StoreError as error:  # the database has forgotten, and remembers what is left
                receipts.append(_put_off(str(error)))
            if prove or self._cleans:
                receipts += await self._clean()
        return ForgetReceipt.make(
            turns=erased.turns,
            conversations=erased.gone,
            items=erased.items,
            places=receipts,
            proof=await self._prove(pieces, dry_run) if prove else None,
            dry_run=dry_run,
        )

    async def finish(self) -> list[PlaceReceipt]:
        """Do what other processes have left: they were killed, or somebody held a file."""
        receipts: list[PlaceReceipt] = []
        for unfinished in await self._store.load_unfinished():
            if unfinished.record in self._cleaner.waiting:
                continue
            note = unfinished.note
            task = load_task(note) if "what" in note else None
            try:
                # What stood there is not known any more, or not all of it.
                receipts += await self._finish(unfinished.record, task, note["left"], None)
            except StoreError as error:  # whoever only wants to read shall not be kept from it
                receipts.append(_put_off(str(error)))
        if self._cleans:
            receipts += await self._clean()
        return receipts

    # -- the database -----------------------------------------------------------------------------
    async def _erase(self, owner: str, what: What, now: float, dry_run: bool) -> Erased:
        touched = await self._store.list_touched(owner, what)
        task = dump_task(Task(owner=owner, what=what, now=now))
        note = {**task, "left": [*(place.name for place in self.places), *_OURS]}
        if not self.places:
            del note["texts"]  # nobody looks for them: they shall not stand in the record
        for _ in range(ATTEMPTS):
            erased = None
            try:
                async with self._hold(owner, touched) as leases:
                    erased = await self._store.erase(
                        owner, what, leases=leases, now=now, note=None if dry_run else note, dry_run=dry_run
                    )
            except StoreError:
                if erased is None:
                    raise
                # It is done; a lease that cannot be given back, since the disk is full, runs out by itself.
            if erased is not None:
                return erased
            touched = sorted({*touched, *await self._store.list_touched(owner, what)})
        raise Conflict(
            "Conversations are begun faster than they can be held: try again when fewer people talk."
        )

    # -- outside of it ----------------------------------------------------------------------------
    async def _finish(
        self, record: int, task: Task | None, left: Sequence[str], pieces: Sequence[Piece] | None
    ) -> list[PlaceReceipt]:
        """Do what is left, and remember what still is; places that are unknown here wait for who knows them."""
        known = {place.name: place for place in self.places}
        # First, since a place may take its time, and the log holds what was just forgotten.
        await self._store.empty_log()
        receipts, pending = list[PlaceReceipt](), list[str]()
        if task is not None:
            receipts = [await self._have_forget(known[name], task) for name in left if name in known]
            pending = [name for name in left if name not in known and name not in _OURS]
            pending += [each.name for each in receipts if each.state == "pending"]
        # Without the task, unless somebody still needs it: what was forgotten would stand in the record.
        needed = dump_task(task) if task is not None and pending else {"now": self._clock()}
        await self._store.note_unfinished(record, {**needed, "left": [*pending, *_OURS]})
        if not await self._store.empty_log():
            return [PlaceReceipt(name=LOG, state="pending", advice=f"{_READER} {_THEN}"), *receipts]
        if not pending:
            self._cleaner.add(record, pieces)
        return [PlaceReceipt(name=LOG), *receipts]

    async def _have_forget(self, place: Place, task: Task) -> PlaceReceipt:
        if not isinstance(place, Rewriting):
            return await place.forget(task)
        subject = f"forgetting:{place.name}"
        try:
            async with hold_lease(self._taker, subject, note=place.name, patience=PATIENCE_SECONDS):
                return await place.forget(task)
        except Conflict:
            return PlaceReceipt(name=place.name, state="pending", advice=_ANOTHER)

    async def _clean(self) -> list[PlaceReceipt]:
        """Clean the file; what cannot be done now stays on record."""
        try:
            return [] if await self._cleaner.clean() else [_put_off(_READER)]
        except StoreError as error:
            return [_put_off(str(error))]

    # -- the proof --------------------------------------------------------------------------------
    async def _prove(self, pieces: Sequence[Piece], dry_run: bool) -> Proof:
        searched = await self._search({form for piece in pieces for form in piece})
        common = frozenset[Piece]() if dry_run else await self._common(pieces, searched)
        return _proof(pieces, searched, common)

    async def _search(self, forms: Iterable[bytes]) -> Searched:
        wanted = list(forms)
        parts = [await asyncio.to_thread(place.search, wanted) for place in (self._folder, *self.places)]
        joined = Searched()
        for part in parts:  # the same file may be searched by two
            joined = Searched(sizes={**joined.sizes, **part.sizes}, found={**joined.found, **part.found})
        return joined

    async def _common(self, pieces: Sequence[Piece], searched: Searched) -> frozenset[Piece]:
        """Pieces that were found, and stand in what is kept as well, in whatever form."""
        found = {form for forms in searched.found.values() for form in forms}
        suspects = [piece for piece in pieces if piece & found]
        if not suspects:
            return frozenset()
        forms = [form for piece in suspects for form in piece]
        kept = await self._store.find_kept(forms)
        for place in self.places:
            if isinstance(place, Keeping):
                kept |= await asyncio.to_thread(place.find_kept, forms)
        return frozenset(piece for piece in suspects if piece & kept)


def _describe(erased: Erased) -> PlaceReceipt:
    rows = dict(erased.removed)
    for table, count in erased.rewritten.items():
        rows[f"{table} rewritten"] = count
    return PlaceReceipt(name="database", removed=rows)


def _put_off(reason: str) -> PlaceReceipt:
    """What is said of the database's file where it could not be written; the next start does it."""
    return PlaceReceipt(name=FILE, state="pending", advice=f"{reason} {_THEN}")


def _values(erased: Erased, what: What) -> set[str]:
    """A value as it stood in the texts, and as it was named: it may stand where no conversation holds it."""
    if not isinstance(what, EveryMention):
        return set()
    mention = Mention(what.value)
    texts = (text for text in erased.texts if isinstance(text, str))
    named = {what.value} if len(what.value.encode("utf-8", "replace")) >= FEWEST_BYTES else set()
    return named | {found for text in texts for found in mention.find(text)}


def _proof(pieces: Sequence[Piece], searched: Searched, common: frozenset[Piece]) -> Proof:
    wanted = {form for piece in pieces if piece not in common for form in piece}
    found = {path: len(forms & wanted) for path, forms in searched.found.items() if forms & wanted}
    return Proof(
        pieces=len(pieces),
        common=len(common),
        files=len(searched.sizes),
        size_bytes=sum(searched.sizes.values()),
        found=found,
    )
