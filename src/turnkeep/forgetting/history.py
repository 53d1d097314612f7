"""The file that keeps what was typed in the terminal (prompt_toolkit's FileHistory).

    # 2026-11-22 22:44:47.123456
    +first line of what was typed
    +second line

The file is written anew beside itself and put in its place, so that a crash leaves the old one or the new one.
A terminal that is open meanwhile holds its history in memory, and appends to the new file what is typed next.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .. import private
from ..context.scanning import Scanner
from ..store.erasing import EverythingOwned, OlderThan
from .places import Searched, Task, search_files
from .receipt import PlaceReceipt

LONG = 15  # bytes; a text this long that stands in what was typed was typed there (/remember TEXT)


@dataclass(frozen=True, slots=True)
class _Entry:
    typed: float  # seconds since the epoch; 0.0: it does not say
    text: str


@dataclass(frozen=True, slots=True)
class InputHistory:
    """The place. owner: whose typing it is; what others forget is not in it."""

    path: Path
    owner: str
    name: str = "input history"
    rewrites: bool = True

    async def forget(self, task: Task) -> PlaceReceipt:
        """Take out what was typed and is forgotten; of a value, put the mark in its place."""
        if task.owner != self.owner:
            return PlaceReceipt(name=self.name)
        return await asyncio.to_thread(self._forget, task)

    def search(self, pieces: Sequence[bytes]) -> Searched:
        """Find pieces in it."""
        return search_files([self.path], pieces)

    def _forget(self, task: Task) -> PlaceReceipt:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return PlaceReceipt(name=self.name)
        except OSError as error:
            return self._unwritable(error)
        before = list(_parse(data.decode("utf-8", "replace")))
        keep = _make_keep(task)
        after = [kept for entry in before if (kept := keep(entry)) is not None]
        changed = len(before) - len(after) + sum(entry not in before for entry in after)
        if changed and not task.dry_run:
            try:
                self._write(after)
            except OSError as error:
                return self._unwritable(error)
        return PlaceReceipt(name=self.name, removed={"entries": changed} if changed else {})

    def _unwritable(self, error: OSError) -> PlaceReceipt:
        return PlaceReceipt(
            name=self.name,
            state="pending",
            advice=f"{self.path} cannot be written ({error.strerror}): give leave to; it is done by itself then.",
        )

    def _write(self, entries: Sequence[_Entry]) -> None:
        beside = self.path.with_name(f"{self.path.name}.new")
        beside.unlink(missing_ok=True)  # of one that was killed
        with os.fdopen(private.create(beside), "wb") as file:
            file.write("".join(map(_write_entry, entries)).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


def _make_keep(task: Task) -> Callable[[_Entry], _Entry | None]:
    """What says how an entry stays; None: it goes."""
    what, mention = task.what, task.mention
    said = {text.strip() for text in task.texts if text.strip()}
    quoted = Scanner(text.encode() for text in said if len(text.encode()) >= LONG)

    def keep(entry: _Entry) -> _Entry | None:
        if mention is not None:
            return _Entry(entry.typed, mention.rewrite(entry.text))
        if isinstance(what, EverythingOwned) or (isinstance(what, OlderThan) and entry.typed < what.before):
            return None
        typed = entry.text.strip()
        return None if typed in said or quoted.scan(typed.encode()) else entry

    return keep


def _parse(data: str) -> Iterator[_Entry]:
    typed, lines = 0.0, list[str]()
    for line in [*data.split("\n"), ""]:
        if line.startswith("+"):
            lines.append(line[1:])
            continue
        if lines:
            yield _Entry(typed, "\n".join(lines))
            typed, lines = 0.0, []
        if line.startswith("#"):
            typed = _read_time(line[1:].strip())


def _read_time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _write_entry(entry: _Entry) -> str:
    when = f"# {datetime.fromtimestamp(entry.typed)}\n" if entry.typed else ""
    return f"\n{when}" + "".join(f"+{line}\n" for line in entry.text.split("\n"))
