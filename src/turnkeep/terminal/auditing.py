"""`turnkeep audit`: check the journal, print it, write it out, close its files, tell how far it has come."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from .. import private
from ..errors import UsageError
from ..settings import Settings, load_settings
from .asking import open_settings_database
from .flags import with_settings
from .screen import one_line, plural, printable
from .slips import Count

if TYPE_CHECKING:
    from ..audit.chain import Record
    from ..audit.folder import Folder
    from ..store.sqlite import SqliteStore

T = TypeVar("T")
TEXT_CELLS = 400  # of each text that show prints, unless all of it is asked for


@click.group(no_args_is_help=False)
def audit() -> None:
    """Look after the audit journal of what went in and out."""


@audit.command()
@with_settings("db")
def verify(**flags: str | None) -> int:
    """Check that the journal is what was written. Exit status 1 when it is not."""
    from ..audit.reading import check_folder

    settings, folder = _settings(flags)
    checked = _with_store(settings, lambda store: check_folder(folder, store, asyncio.to_thread))
    for finding in checked.findings:
        click.echo(printable(f"{finding.file or folder.path.name}: {finding.kind}: {finding.sentence}"))
    if checked.findings:
        return 1
    forgotten = (
        f", of {plural(checked.forgotten, 'turn')} the text was forgotten" if checked.forgotten else ""
    )
    count = f"{plural(checked.records, 'record')} of {plural(checked.turns, 'turn')} in {plural(len(checked.reports), 'file')}"
    click.echo(f"The journal is what was written: {count}{forgotten}.")
    if checked.heads is None and checked.reports:
        click.echo("There is no database to compare it with: whether ends were cut off is not known.")
    return 0


@audit.command()
@with_settings("db")
def head(**flags: str | None) -> None:
    """Print how far each file has come, to be kept elsewhere: file, records, link of the last one."""

    async def load(store: "SqliteStore | None") -> None:
        for row in [] if store is None else await store.load_audit_heads():
            if row.file:
                click.echo(f"{row.file} {row.count} {row.link or '-'} {row.state}")

    _with_store(_settings(flags)[0], load)


@audit.command()
@click.option("--in", "within", metavar="ID", help="Only of the conversation with this id.")
@click.option("--last", type=Count(), metavar="N", help="Only the last N records.")
@click.option("--all", "whole", is_flag=True, help="Whole texts, not their beginnings.")
@with_settings("db")
def show(within: str | None, last: int | None, whole: bool, **flags: str | None) -> None:
    """Print the journal, to read."""
    from collections import deque

    settings, folder = _settings(flags)
    found: Iterable[tuple[str, Record | None]] = _records(folder, within)
    if last is not None:
        found = deque(found, maxlen=last)
    for file, record in _opened(settings, found):
        for line in record_lines(file, record, None if whole else TEXT_CELLS):
            click.echo(line)


@audit.command()
@click.option("--in", "within", metavar="ID", help="Only of the conversation with this id.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="A new file to write to."
)
@with_settings("db")
def export(within: str | None, output: Path | None, **flags: str | None) -> None:
    """Write the journal to standard output as JSON Lines, without its keys."""
    from ..audit.reading import export_record

    settings, folder = _settings(flags)
    records = _opened(settings, _records(folder, within))
    lines = (export_record(file, record) for file, record in records if record is not None)
    if output is None:
        for line in lines:
            click.echo(line, nl=False)
        return
    count = _save(lines, output)
    click.echo(f"{plural(count, 'record')} {'is' if count == 1 else 'are'} in {output}.", err=True)


@audit.command()
@with_settings("db", "audit_keep_days")
def rotate(**flags: str | None) -> None:
    """Begin new files, and delete those whose time is over.

    Programs that write the journal do so with their next record.
    """
    settings, folder = _settings(flags)
    if not folder.exists:
        click.echo("There is no audit journal yet.", err=True)
        return

    async def work(store: "SqliteStore | None") -> None:
        from ..audit.recorder import Recorder

        recorder = Recorder(folder, settings.audit, heads=store)
        try:
            await recorder.rotate()
        finally:
            await recorder.close()

    _with_store(settings, work)


def record_lines(file: str, record: "Record | None", cells: int | None) -> Iterator[str]:
    """Yield what a person reads of a record.

    Args:
        file: where it stands.
        record: None where something stands that is no record, or was changed.
        cells: of each text; None: all of it.
    """
    if record is None:
        yield f"--- {file}: a record that was changed"
        return
    fields = record.fields
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(fields["at"]))
    place = f"--- {file} record {record.number}, {when}"
    if record.kind != "turn":
        rest = {name: value for name, value in fields.items() if name not in ("kind", "at")}
        yield printable(f"{place}, {record.kind}: {json.dumps(rest, ensure_ascii=False)}")
        return
    from ..audit.sealing import is_sealed

    where = f"{fields['conversation']}, turn {fields['turn']}" if fields["turn"] else "not stored"
    yield printable(f"{place}: {fields['owner']}, {where}, {fields['state']}, {fields['model']}")
    receipt = fields["receipt"]
    told = ("prompt_tokens", "read_tokens", "reply_tokens", "seconds_to_first", "seconds")
    sizes = [f"{name} {size} bytes" for name, size in fields["bytes"].items()]
    yield ", ".join(
        [*sizes, *(f"{name} {round(receipt[name], 3)}" for name in told if receipt.get(name) is not None)]
    )
    if record.forgotten:
        yield "forgotten"
    if is_sealed(record):
        yield "encrypted: the key of its conversation is not there"
        return
    for name, text in (record.texts or {}).items():
        yield f"{name}: {printable(text) if cells is None else one_line(text, cells)}"


def _settings(flags: dict[str, str | None]) -> "tuple[Settings, Folder]":
    from ..audit.folder import Folder

    settings = load_settings(flags)
    return settings, Folder.of(settings.database.absolute())


def _with_store(settings: Settings, work: "Callable[[SqliteStore | None], Awaitable[T]]") -> T:
    """Do work on the database; where there is none, without."""

    async def run() -> T:
        if not settings.database.exists():
            return await work(None)
        store = open_settings_database(settings)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _records(folder: "Folder", within: str | None) -> "Iterator[tuple[str, Record | None]]":
    from ..audit.reading import read_records

    for file, record in read_records(folder):
        if within is None or (record is not None and record.fields.get("conversation") == within):
            yield file, record


def _opened(
    settings: Settings, records: "Iterable[tuple[str, Record | None]]"
) -> "Iterator[tuple[str, Record | None]]":
    """Open the texts of an encrypted database's journal."""
    from ..audit.sealing import open_records
    from ..store.sqlite.encrypt import encryption_method

    if encryption_method(settings.database) is None:
        yield from records
        return

    store = open_settings_database(settings)
    with asyncio.Runner() as runner:
        opened = open_records(store, records)
        try:
            while (each := runner.run(_next(opened))) is not None:
                yield each
        finally:
            runner.run(store.close())


async def _next(records: "AsyncIterator[T]") -> "T | None":
    return await anext(records, None)


def _save(lines: Iterator[str], path: Path) -> int:
    """Write lines into a new file, for its owner only, all or none of them; returns how many."""
    count = 0
    try:
        descriptor = private.create(path)
    except FileExistsError as error:
        raise UsageError(f"There is a file {path} already: name a new one.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for line in lines:
                file.write(line)
                count += 1
    except BaseException:
        path.unlink(missing_ok=True)  # half of it would pass for all, and stand in the way of the next try
        raise
    return count
