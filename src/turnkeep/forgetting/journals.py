"""Records that others keep of conversations, such as the journal of an audit.

Each knows how to forget its own; this only has it done, and says in the receipt what came of it.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from ..audit.base import Audit, Which
from ..audit.folder import Folder
from ..audit.opening import find_keyed, forget_audit
from ..audit.reading import read_records
from ..context.mentions import Mention
from ..context.scanning import Scanner
from ..errors import TurnkeepError
from ..store.base import Store
from ..store.erasing import EveryMention, EverythingOwned
from .places import Searched, Task, search_files
from .receipt import PlaceReceipt

Turns: TypeAlias = tuple[str, Mapping[str, Sequence[int] | None]]  # whose, by conversation; None: all of it


class Journal(Protocol):
    """What has to be offered."""

    async def forget_texts(
        self,
        owner: str,
        turns: Mapping[str, Sequence[int] | None],
        *,
        before: float | None = None,
        dry_run: bool,
    ) -> int:
        """Take the texts of turns out, all at once; returns of how many turns.

        Called again where it failed or was killed.

        Args:
            owner: whose.
            turns: by conversation; None: all of the conversation's.
            before: of all else of the owner's, too, that ended before this time.
            dry_run: only count them.

        Raises:
            TurnkeepError, OSError: it cannot be read or written.
        """
        ...

    async def forget_keys(
        self, owner: str | None, mention: Mention, *, besides: Turns | None = None, dry_run: bool
    ) -> int:
        """Take the texts of turns out whose record names a key by a value; returns of how many turns.

        Args:
            owner: whose; None: anybody's.
            mention: the value.
            besides: of whom, and which turns are forgotten anyway, so that they are not counted again.
            dry_run: only count them.

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
        # Also what was said in conversations that went before.
        before = task.now if isinstance(task.what, EverythingOwned) else None
        turns = 0
        try:
            if wanted or before is not None:
                turns = await self.journal.forget_texts(
                    task.owner, wanted, before=before, dry_run=task.dry_run
                )
            if isinstance(task.what, EveryMention) and task.what.conversation is None:
                whose = None if task.what.keys else task.owner
                turns += await self.journal.forget_keys(
                    whose, Mention(task.what.value), besides=(task.owner, wanted), dry_run=task.dry_run
                )
        except (TurnkeepError, OSError) as error:
            return PlaceReceipt(
                name=self.name,
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
        self,
        owner: str,
        turns: Mapping[str, Sequence[int] | None],
        *,
        before: float | None = None,
        dry_run: bool,
    ) -> int:
        """Take the texts of turns out, in one pass; the chain stays verifiable."""
        which = [
            Which(
                owner=owner, conversation=conversation, turns=None if numbers is None else frozenset(numbers)
            )
            for conversation, numbers in turns.items()
        ]
        if before is not None:
            which.append(Which(owner=owner, before=before))
        return (await forget_audit(self.store, *which, recorder=self.recorder, dry_run=dry_run)).turns

    async def forget_keys(
        self, owner: str | None, mention: Mention, *, besides: Turns | None = None, dry_run: bool
    ) -> int:
        """Take the texts of all that came with a key out whose name mentions a value."""
        if self.recorder is not None:
            await self.recorder.drain()
        found = await find_keyed(self.store, owner, mention.is_in)
        which = [each for each in found if besides is None or not _is_among(each, *besides)]
        if not which:
            return 0
        return (await forget_audit(self.store, *which, recorder=self.recorder, dry_run=dry_run)).turns

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


def _is_among(which: Which, owner: str, turns: Mapping[str, Sequence[int] | None]) -> bool:
    """Whether a turn is one of these."""
    if which.owner != owner or which.conversation is None or which.conversation not in turns:
        return False
    numbers = turns[which.conversation]
    return numbers is None or (which.turns or frozenset()) <= set(numbers)
