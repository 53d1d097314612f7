"""Records that others keep of conversations, such as the journal of an audit.

Each knows how to forget its own; this only has it done, and says in the receipt what came of it.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..audit.base import Audit, Which
from ..audit.folder import Folder
from ..audit.opening import forget_audit
from ..audit.reading import read_records
from ..context.mentions import Mention
from ..context.scanning import Scanner
from ..errors import TurnkeepError
from ..store.base import Store
from ..store.erasing import EveryMention, EverythingOwned
from .places import Searched, Task, search_files
from .receipt import PlaceReceipt


class Journal(Protocol):
    """What has to be offered."""

    async def forget_texts(
        self, owner: str, conversation: str, turns: Sequence[int] | None, *, dry_run: bool
    ) -> int:
        """Take the texts of turns out (None: of all of the conversation's); returns of how many turns.

        Called again where it failed or was killed.

        Raises:
            TurnkeepError, OSError: it cannot be read or written.
        """
        ...

    async def forget_owner(self, owner: str, before: float, *, dry_run: bool) -> int:
        """Take the texts of all turns of an owner out that ended before a time; returns of how many turns.

        Raises:
            TurnkeepError, OSError: as above.
        """
        ...

    async def forget_keys(self, owner: str | None, mention: Mention, *, dry_run: bool) -> int:
        """Take the texts of turns out whose record names a key (of an owner; None: any) by a value; returns of how many turns.

        Raises:
            TurnkeepError, OSError: as above.
        """
        ...

    def paths(self) -> Iterable[Path]:
        """The files that it writes."""
        ...

    def find_kept(self, pieces: Sequence[bytes]) -> set[bytes]:
        """Which of these stand in what its records say beside the texts, such as names of models."""
        ...


@dataclass(frozen=True, slots=True)
class JournalPlace:
    """The place. A turn that holds a forgotten value loses all of its text in the journal."""

    journal: Journal
    name: str = "audit"

    async def forget(self, task: Task) -> PlaceReceipt:
        """Have the texts of what was forgotten taken out."""
        wanted: Mapping[str, tuple[int, ...] | None] = {**task.turns, **dict.fromkeys(task.gone)}
        turns = 0
        try:
            for conversation, numbers in wanted.items():
                turns += await self.journal.forget_texts(
                    task.owner, conversation, numbers, dry_run=task.dry_run
                )
            if isinstance(task.what, EverythingOwned):  # also what was said in conversations that went before
                turns += await self.journal.forget_owner(task.owner, task.now, dry_run=task.dry_run)
            if isinstance(task.what, EveryMention) and task.what.conversation is None:
                whose = None if task.what.keys else task.owner
                turns += await self.journal.forget_keys(whose, Mention(task.what.value), dry_run=task.dry_run)
        except (TurnkeepError, OSError) as error:
            return PlaceReceipt(
                name=self.name,
                removed={"turns": turns} if turns else {},
                state="pending",
                advice=f"The journal could not be written ({error}): make room and give leave to; "
                "it is done by itself then.",
            )
        return PlaceReceipt(name=self.name, removed={"turns": turns} if turns else {})

    def search(self, pieces: Sequence[bytes]) -> Searched:
        """Find pieces in its files."""
        return search_files(self.journal.paths(), pieces)

    def find_kept(self, pieces: Sequence[bytes]) -> set[bytes]:
        """Find pieces in what its records say beside the texts, which stays."""
        return self.journal.find_kept(pieces)


@dataclass(frozen=True, slots=True)
class AuditTexts:
    """The audit journal of a store, written by `recorder` in this process, if by any."""

    store: Store
    recorder: Audit | None = None

    async def forget_texts(
        self, owner: str, conversation: str, turns: Sequence[int] | None, *, dry_run: bool
    ) -> int:
        """Take the texts of turns out; the chain stays verifiable."""
        numbers = None if turns is None else frozenset(turns)
        return await self._forget(
            Which(owner=owner, conversation=conversation, turns=numbers), dry_run=dry_run
        )

    async def forget_owner(self, owner: str, before: float, *, dry_run: bool) -> int:
        """Take the texts of all that an owner said out."""
        return await self._forget(Which(owner=owner, before=before), dry_run=dry_run)

    async def forget_keys(self, owner: str | None, mention: Mention, *, dry_run: bool) -> int:
        """Take the texts of all that came with a key out whose name mentions a value."""
        names = frozenset(filter(mention.is_in, await asyncio.to_thread(self._key_names)))
        return await self._forget(Which(owner=owner, key_names=names), dry_run=dry_run) if names else 0

    def _key_names(self) -> set[str]:
        path = getattr(self.store, "path", None)
        if not isinstance(path, Path) or not (folder := Folder.of(path)).exists:
            return set()
        said = (record.texts for _, record in read_records(folder) if record is not None and record.texts)
        return {str(texts["key_name"]) for texts in said if "key_name" in texts}

    async def _forget(self, which: Which, *, dry_run: bool) -> int:
        return (await forget_audit(self.store, which, recorder=self.recorder, dry_run=dry_run)).turns

    def paths(self) -> Iterable[Path]:
        """All files of the journal's folder, what a crash may have left among them."""
        path = getattr(self.store, "path", None)
        if not isinstance(path, Path) or not (folder := Folder.of(path)).exists:
            return []
        return [file for file in folder.path.iterdir() if file.is_file()]

    def find_kept(self, pieces: Sequence[bytes]) -> set[bytes]:
        """Which of these stand in what the records say beside the texts, or in the ids of what was forgotten of late."""
        path = getattr(self.store, "path", None)
        if not isinstance(path, Path):
            return set()
        scanner, found, folder = Scanner(pieces), set[bytes](), Folder.of(path)
        with contextlib.suppress(OSError):
            found |= scanner.scan(folder.forgotten.read_bytes())
        with contextlib.suppress(TurnkeepError):  # what cannot be read is not known to be kept
            for _, record in read_records(folder):
                if record is not None:
                    found |= scanner.scan(json.dumps(record.fields, ensure_ascii=False).encode())
        return found
