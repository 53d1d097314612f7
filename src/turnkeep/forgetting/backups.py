"""Backups that turnkeep made: each forgets the same, as a copy that then takes its place.

Written anew rather than deleted: who forgets one number still wants the rest back after a broken disk. A backup
that is gone or was moved away is out of reach, and cannot be known to be so: the docs say that.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audit.folder import open_private, sync_folder
from ..errors import ConversationNotFound, StoreError
from ..store.erasing import OneTurn
from .courses import ForgettingStore
from .places import Searched, Task, search_files
from .receipt import PlaceReceipt

_HOLDER = "forgetting/backup"
_LEASE_SECONDS = 3_600.0  # nobody else works on the copy


@dataclass(slots=True)
class Backups:
    """The place.

    Args:
        store: knows which backups there are.
        open_store: opens a backup's copy.
    """

    store: ForgettingStore
    open_store: Callable[[Path], ForgettingStore]
    name: str = "backups"
    rewrites: bool = True
    known: tuple[Path, ...] = ()  # those that were looked at last: a search looks at them again

    async def forget(self, task: Task) -> PlaceReceipt:
        """Have every backup forget the same."""
        backups = await self.store.list_backups()
        self.known = tuple(dict.fromkeys(Path(backup.path) for backup in backups))
        changed, failed = 0, list[str]()
        making = [backup.path for backup in await self.store.list_making()]
        for path in self.known:
            try:
                changed += await self._forget_in(path, task)
            except FileNotFoundError:
                continue
            except (OSError, StoreError) as error:
                failed.append(f"{path} ({error})")
        return PlaceReceipt(
            name=self.name,
            removed={"backups": changed} if changed else {},
            state="pending" if failed or making else "done",
            advice=_advise(failed, making),
        )

    def search(self, pieces: Sequence[bytes]) -> Searched:
        """Find pieces in the backups."""
        files = [path for each in self.known for path in (each, *_files_of(_copy_of(each)))]
        return search_files(files, pieces)

    async def _forget_in(self, path: Path, task: Task) -> bool:
        copy = _copy_of(path)
        try:
            await asyncio.to_thread(_copy, path, copy)
            if not await self._erase(copy, task):
                return False
            if not task.dry_run:
                await asyncio.to_thread(_put, copy, path)
            return True
        finally:
            await asyncio.to_thread(_clean, copy)

    async def _erase(self, copy: Path, task: Task) -> bool:
        """Have a copy forget; tells whether anything of it was there."""
        store = self.open_store(copy)
        try:
            noted = await _drop_texts(store)
            if not await self._erase_in(store, task) and not noted:
                return False
            await store.rewrite_file()
            return True
        finally:
            await store.close()

    async def _erase_in(self, store: ForgettingStore, task: Task) -> bool:
        try:
            if isinstance(task.what, OneTurn) and not await self._is_same(store, task.owner, task.what):
                return False
            touched = await store.list_touched(task.owner, task.what)
            taken = [
                await store.take_lease(
                    f"conversation:{conversation}",
                    _HOLDER,
                    now=task.now + _LEASE_SECONDS,
                    seconds=_LEASE_SECONDS,
                )
                for conversation in touched
            ]
            leases = [lease for lease in taken if lease is not None]
            erased = await store.erase(task.owner, task.what, leases=leases, now=task.now)
            return erased is not None and bool(touched or erased.rewritten)  # rewritten: a key's name alone
        except ConversationNotFound:
            return False  # the backup is older than the conversation, or has no such turn

    async def _is_same(self, store: ForgettingStore, owner: str, what: OneTurn) -> bool:
        """Whether a copy has the same turn under the number; after a restore another one may have come there."""
        with contextlib.suppress(ConversationNotFound):  # of the database: then the copy's is taken for it
            here = await self.store.load_turn_items(owner, what.conversation, what.turn)
            there = await store.load_turn_items(owner, what.conversation, what.turn)
            ids = {item.id for item in here}
            return not ids or not there or any(item.id in ids for item in there)
        return True


def _advise(failed: Sequence[str], making: Sequence[str]) -> str:
    sentences = []
    if failed:
        sentences.append(
            f"These could not be written anew: {'; '.join(failed)}. Delete them, or give leave to write them."
        )
    if making:  # of a moment before this
        sentences.append(
            f"These are being made: {'; '.join(making)}. They are written anew when turnkeep is next started."
        )
    return " ".join(sentences)


async def _drop_texts(store: ForgettingStore) -> bool:
    """Drop what a backup remembers of forgets that were under way as it was made; what is left to do it still says."""
    noted = [unfinished for unfinished in await store.load_unfinished() if unfinished.note.get("texts")]
    for unfinished in noted:
        await store.note_unfinished(unfinished.record, {**unfinished.note, "texts": []})
    return bool(noted)


def _copy_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.forgetting")


def _copy(path: Path, copy: Path) -> None:
    with path.open("rb") as source, open_private(copy) as target:
        target.truncate(0)
        shutil.copyfileobj(source, target)


def _put(copy: Path, path: Path) -> None:
    copy.replace(path)
    sync_folder(path.parent)  # before anybody is told that it is done


def _clean(copy: Path) -> None:
    """Take away a copy that is not wanted any more, and what a process that was killed has left of one."""
    for left in _files_of(copy):
        left.unlink(missing_ok=True)


def _files_of(copy: Path) -> tuple[Path, ...]:
    """A copy, and SQLite's files beside it."""
    return tuple(Path(f"{copy}{end}") for end in ("", "-wal", "-shm", "-journal"))
