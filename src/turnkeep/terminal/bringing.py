"""What `turnkeep export` and `turnkeep import` do, and how they tell of it."""

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..carrying import Outcome, Wish, import_file
from ..errors import TurnkeepError, UsageError
from ..exporting import (
    Change,
    ChangeOf,
    export_all,
    export_all_openai,
    export_jsonl,
    export_openai,
    list_all,
    save_export,
)
from ..markdown import export_markdown
from ..settings import OWNER, Settings
from ..store.base import Conversation, Store
from .finding import find_conversation
from .keeping_safe import shown_progress
from .opening import open_store
from .records import MASKED_NOTICE, count_path, saved_line
from .screen import one_line, plural

if TYPE_CHECKING:
    from ..portable.piped import File
    from ..store.sqlite import SqliteStore

MOST_NAMED = 5  # conversations that are named where something went wrong; the others are counted


# -- export -------------------------------------------------------------------
async def write_one(
    settings: Settings, name: str, form: str, output: Path | None, *, masked: bool = False
) -> None:
    """Write a conversation to a new file, or to standard output.

    Raises:
        MissingExtra: it is to be masked, and what finds personal data is not installed.
    """
    async with open_store(settings, make=False) as store:
        row = await find_conversation(store, name)
        change_of = _hide(store, settings) if masked else None
        change = None if change_of is None else await change_of(row)
        await _write(_pieces(store, row, form, change), output)
        if output is not None:
            count = row.turns if form == "jsonl" else await count_path(store, row)
            click.echo(saved_line(count, output), err=True)
    _tell_masked(masked)


async def write_all(settings: Settings, form: str, output: Path | None, *, masked: bool = False) -> None:
    """Write all conversations, likewise."""
    async with open_store(settings, make=False) as store:
        await _write(_all_pieces(store, form, _hide(store, settings) if masked else None), output)
        if output is not None:
            count = len([row async for row in list_all(store, OWNER)])
            verb = "is" if count == 1 else "are"
            click.echo(f"{plural(count, 'conversation')} {verb} in {output}.", err=True)
    _tell_masked(masked)


def _hide(store: "SqliteStore", settings: Settings) -> ChangeOf:
    from .hiding import Hiding  # with all that finds

    return Hiding(store, settings.rules).change_for


def _tell_masked(masked: bool) -> None:
    if masked:
        click.echo(f"turnkeep: {MASKED_NOTICE}", err=True)


def _pieces(store: Store, row: Conversation, form: str, change: Change | None) -> AsyncIterator[str]:
    """One conversation; `change` is applied to every text."""
    write = {"jsonl": export_jsonl, "markdown": export_markdown, "openai": export_openai}[form]
    return write(store, row, change)


def _all_pieces(store: Store, form: str, change_of: ChangeOf | None) -> AsyncIterator[str]:
    """All conversations; what `change_of` gives of each is applied to every text."""
    if form == "markdown":
        return _all_markdown(store, change_of)
    return (export_all if form == "jsonl" else export_all_openai)(store, OWNER, change_of)


async def _all_markdown(store: Store, change_of: ChangeOf | None) -> AsyncIterator[str]:
    between = ""
    async for row in list_all(store, OWNER):
        change = None if change_of is None else await change_of(row)
        yield between
        async for piece in export_markdown(store, row, change):
            yield piece
        between = "\n"


async def _write(pieces: AsyncIterator[str], output: Path | None) -> None:
    if output is not None:
        await save_export(pieces, output)
        return
    async for piece in pieces:
        click.echo(piece.encode("utf-8", "backslashreplace"), nl=False)


# -- import -------------------------------------------------------------------
def bring_in(settings: Settings, file: Path, wish: Wish) -> int:
    """Import a file, and tell what became of what is in it; returns the exit status."""
    tally = _Tally()

    async def run() -> None:
        with _opened(file) as path, shown_progress("Importing") as told:
            async with open_store(settings) as store:
                async for outcome in import_file(store, OWNER, path, wish, told):
                    tally.add(outcome)

    try:
        asyncio.run(run())
    except (TurnkeepError, KeyboardInterrupt, OSError):
        if tally.counts["imported"]:
            click.echo(f"{tally.imported_line()} Then it was broken off: import it again to go on.", err=True)
        raise
    return tally.tell()


@dataclass(slots=True)
class _Tally:
    """What became of a file's conversations."""

    counts: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    name: str = ""
    left_out: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)
    ended: str = ""

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.turns += outcome.turns
        self.left_out.update(outcome.left_out)
        if outcome.ended:
            self.ended = outcome.why
            return
        self.counts[outcome.kind] += 1
        if outcome.kind == "imported":
            self.name = outcome.name
        if outcome.kind == "unread" and len(self.unread) < MOST_NAMED:
            self.unread.append(f"{one_line(outcome.name or 'One', 60)}: {outcome.why}")

    def imported_line(self) -> str:
        """Say what came in."""
        turns = plural(self.turns, "turn")
        if self.counts["imported"] == 1:
            return f"Imported {self.name}: {turns}."
        return f"Imported {plural(self.counts['imported'], 'conversation')} with {turns}."

    def tell(self) -> int:
        """Say what became of all; returns the exit status."""
        if not self.counts and self.ended:
            raise UsageError(f"Nothing was imported: {_why(self.ended)}.")
        if self.counts["imported"] or not (self.counts["known"] or self.counts["changed"]):
            click.echo(self.imported_line())
        for line in self._others():
            click.echo(f"turnkeep: {line}", err=True)
        return 1 if self.ended or self.counts["unread"] else 0

    def _others(self) -> Iterator[str]:
        if known := self.counts["known"]:
            yield f"{plural(known, 'conversation')} {_were(known)} imported before or here already, and stayed as {_they(known)}."
        if changed := self.counts["changed"]:
            yield (
                f"{plural(changed, 'conversation')} went on where it came from since it was imported, "
                "and stayed as here: --again imports the newer form beside it."
            )
        if empty := self.counts["empty"]:
            yield f"{plural(empty, 'conversation')} in which nothing was said {_were(empty)} left out."
        if self.left_out:
            what = ", ".join(f"{count:,} {what}" for what, count in self.left_out.most_common())
            yield f"Not carried over: {what}."
        if unread := self.counts["unread"]:
            yield f"{plural(unread, 'conversation')} could not be read, and nothing of {_it(unread)} was imported:"
            yield from self.unread
        if self.ended:
            yield f"The rest of the file was not read: {_why(self.ended)}."


def _why(sentence: str) -> str:
    return sentence.removesuffix("; nothing was imported.").removesuffix(".")


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _they(count: int) -> str:
    return "it was" if count == 1 else "they were"


def _it(count: int) -> str:
    return "it" if count == 1 else "them"


@contextlib.contextmanager
def _opened(file: Path) -> Iterator["File"]:
    """The file, or standard input, which goes when the block or the process ends.

    Raises:
        UsageError: it cannot be read.
    """
    if str(file) != "-":
        try:
            file.open("rb").close()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
        yield file
        return
    from ..portable.piped import Piped

    try:
        piped = Piped(sys.stdin.buffer)
    except OSError as error:
        raise UsageError(f"Standard input cannot be kept to be read: {error.strerror}.") from error
    with piped:
        yield piped
