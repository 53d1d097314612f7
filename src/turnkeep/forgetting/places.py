"""The places that may hold what was said, outside of the database's tables, and what each has to be able to do.

A further place is plugged in by one line where the list of places is made (`Forgetter.places`): the journal
of an audit, backups, whatever comes.
"""

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ..context.mentions import Mention
from ..context.scanning import Scanner
from ..store.erasing import (
    EveryMention,
    EverythingOwned,
    Expired,
    OlderThan,
    OneConversation,
    OneItem,
    OneTurn,
    What,
)
from .receipt import PlaceReceipt

CHUNK_BYTES = (
    512 * 1024
)  # of a file that is searched at a time: other threads have their turn after some 5 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a place is to forget, once the database has forgotten it.

    owner, what: whose, and what was asked for.
    turns: the turns that are gone or changed, by conversation.
    gone: conversations that are gone as a whole.
    texts: what was said there. Some of it may be said elsewhere.
    now: seconds since the epoch.
    dry_run: only say what would go.
    """

    owner: str
    what: What
    turns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    now: float = 0.0
    dry_run: bool = False

    @property
    def mention(self) -> Mention | None:
        """What a value looks like; None where something else was asked for."""
        return Mention(self.what.value) if isinstance(self.what, EveryMention) else None


_KINDS: Mapping[str, type[What]] = {
    kind.__name__: kind
    for kind in (OneItem, OneTurn, OneConversation, EverythingOwned, OlderThan, Expired, EveryMention)
}


def dump_task(task: Task) -> dict[str, Any]:  # Any: JSON values
    """What is remembered of a forget, so that another process can finish it."""
    return {
        "owner": task.owner,
        "what": {"kind": type(task.what).__name__, **asdict(task.what)},
        "turns": {conversation: list(numbers) for conversation, numbers in task.turns.items()},
        "gone": list(task.gone),
        "texts": list(task.texts),
        "now": task.now,
    }


def load_task(note: Mapping[str, Any]) -> Task:  # Any: JSON values
    """The task that is remembered; inverse of `dump_task`."""
    what = dict(note["what"])
    return Task(
        owner=note["owner"],
        what=_KINDS[what.pop("kind")](**what),
        turns={conversation: tuple(numbers) for conversation, numbers in note["turns"].items()},
        gone=tuple(note["gone"]),
        texts=tuple(note.get("texts", ())),
        now=note["now"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search came to. sizes: bytes by file. found: by file, the pieces that stand there."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    found: Mapping[str, frozenset[bytes]] = field(default_factory=dict)


class Place(Protocol):
    """Holds what was said outside of the database's tables."""

    @property
    def name(self) -> str:
        """What receipts call it; the same in every process."""
        ...

    async def forget(self, task: Task) -> PlaceReceipt:
        """Forget; called again where a process died before it was done, so twice must do no harm."""
        ...

    def search(self, pieces: Sequence[bytes]) -> Searched:
        """Find pieces in what the place holds. Runs in a thread."""
        ...


@runtime_checkable
class Rewriting(Protocol):
    """A place that reads files and writes them anew: of two forgets at once, one would put back what the other took out."""

    rewrites: bool


@runtime_checkable
class Keeping(Protocol):
    """A place that keeps, beside what was said, words of its own that may be the same."""

    def find_kept(self, pieces: Sequence[bytes]) -> set[bytes]:
        """Which of these stand in what it keeps for good. Runs in a thread."""
        ...


def search_files(paths: Iterable[Path], pieces: Sequence[bytes]) -> Searched:
    """Find pieces in files; those that are gone meanwhile, or are no plain files, are passed over."""
    scanner = Scanner(pieces)
    sizes, found = dict[str, int](), dict[str, frozenset[bytes]]()
    for path in sorted(set(paths)):
        try:
            hits, length = _search_file(path, scanner)
        except (FileNotFoundError, IsADirectoryError):
            continue
        sizes[str(path)] = length
        if hits:
            found[str(path)] = frozenset(hits)
    return Searched(sizes=sizes, found=found)


def _search_file(path: Path, scanner: Scanner) -> tuple[set[bytes], int]:
    found, length, rest = set[bytes](), 0, b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            length += len(chunk)
            found |= scanner.scan(rest + chunk)
            # So that a piece over the seam is seen.
            rest = (
                chunk[-scanner.longest :]
                if len(chunk) >= scanner.longest
                else (rest + chunk)[-scanner.longest :]
            )
    return found, length


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of the database and of the data folder: they are searched, whatever wrote them.

    database: its file; None: it is in memory. folder: turnkeep's own data folder, or None.
    """

    database: Path | None
    folder: Path | None = None
    name: str = "files"

    async def forget(self, task: Task) -> PlaceReceipt:  # noqa: ARG002  # the places that write them do
        """Nothing to do here."""
        return PlaceReceipt(name=self.name)

    def search(self, pieces: Sequence[bytes]) -> Searched:
        """Find pieces in all files."""
        return search_files(self.paths(), pieces)

    def paths(self) -> Iterable[Path]:
        """The database with its log and whatever stands beside it under its name, and all of the data folder."""
        if self.database is not None and self.database.parent.is_dir():
            name = glob.escape(self.database.name)
            for pattern in (f"{name}*", f".{name}.*"):  # what is being made has a name that is not shown
                yield from (path for path in self.database.parent.glob(pattern) if path.is_file())
        if self.folder is not None and self.folder.is_dir():
            yield from (path for path in self.folder.rglob("*") if path.is_file())
