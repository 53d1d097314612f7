"""Records that others keep of conversations, such as the journal of an audit.

Each knows how to forget its own; this only has it done, and says in the receipt what came of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..audit.base import Audit, Which
from ..audit.folder import Folder
from ..audit.opening import forget_audit
from ..errors import TurnkeepError
from ..store.base import Store
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

    def paths(self) -> Iterable[Path]:
        """The files that it writes."""
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
        which = Which(owner=owner, conversation=conversation, turns=numbers)
        return (await forget_audit(self.store, which, recorder=self.recorder, dry_run=dry_run)).turns

    def paths(self) -> Iterable[Path]:
        """The files of the journal."""
        path = getattr(self.store, "path", None)
        if not isinstance(path, Path):
            return []
        folder = Folder.of(path)
        return [folder.file(name) for name in folder.list()]
