"""Backups that turnkeep made: each forgets the same, as a copy that then takes its place.

Written anew rather than deleted: who forgets one number still wants the rest back after a broken disk. A backup
that is gone or was moved away is out of reach, and cannot be known to be so: the docs say that.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import private
from ..errors import ConversationNotFound, StoreError
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
    known: tuple[Path, ...] = ()  # those that were looked at last: a search looks at them again

    async def forget(self, task: Task) -> PlaceReceipt:
        """Have every backup forget the same."""
        self.known = tuple(dict.fromkeys(Path(backup.path) for backup in await self.store.list_backups()))
        changed, failed = 0, list[str]()
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
            state="pending" if failed else "done",
            advice=f"These could not be written anew: {'; '.join(failed)}. Delete them, or give leave to write them."
            if failed
            else "",
        )

    def search(self, pieces: Sequence[bytes]) -> Searched:
        """Find pieces in the backups."""
        return search_files(self.known, pieces)

    async def _forget_in(self, path: Path, task: Task) -> bool:
        copy = path.with_name(f"{path.name}.forgetting")
        await asyncio.to_thread(_copy, path, copy)
        try:
            if not await self._erase(copy, task):
                return False
            if not task.dry_run:
                await asyncio.to_thread(os.replace, copy, path)
            return True
        finally:
            for left in (copy, *(Path(f"{copy}{end}") for end in ("-wal", "-shm"))):
                left.unlink(missing_ok=True)

    async def _erase(self, copy: Path, task: Task) -> bool:
        """Have a copy forget; tells whether anything of it was there."""
        store = self.open_store(copy)
        try:
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
            if not touched or await store.erase(task.owner, task.what, leases=leases, now=task.now) is None:
                return False
            await store.rewrite_file()
            return True
        except ConversationNotFound:
            return False  # the backup is older than the conversation, or has no such turn
        finally:
            await store.close()


def _copy(path: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)  # of one that was killed
    os.close(private.create(copy))
    shutil.copyfile(path, copy)
