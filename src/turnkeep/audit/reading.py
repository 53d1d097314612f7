"""Read a journal: check it, print it, write it out, while others go on writing. Knows no terminal."""

import io
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import AuditFailed
from ..store.heads import AuditHead, Heads
from .chain import Record, Secret
from .folder import Folder, open_held
from .verify import FileCheck, FileReport, Finding, check_journal

MOST_TRIES = 3  # a file may be deleted, its time over, while it is about to be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check has found: nothing, or what is not as it was written.

    reports: of each file.
    findings: what is wrong, by file and record.
    heads: what the database knows; None: there was none to ask.
    """

    reports: list[FileReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    heads: list[AuditHead] | None = None

    @property
    def turns(self) -> int:
        """How many turns are on record."""
        return sum(report.turns for report in self.reports)

    @property
    def records(self) -> int:
        """How many records there are, of all kinds."""
        return sum(report.count for report in self.reports)

    @property
    def forgotten(self) -> int:
        """How many turns' texts were forgotten."""
        return sum(len(report.marked) for report in self.reports)


async def check_folder(
    folder: Folder,
    heads: Heads | None,
    run: Callable[..., Awaitable[Any]],  # Any: what the work returns
) -> Checked:
    """Check a journal.

    Args:
        folder: where it is.
        heads: the database; None: ends that were cut off cannot be found.
        run: does work that blocks, such as `asyncio.to_thread`.

    Raises:
        AuditFailed: it cannot be read, or its key is missing.
    """
    for _ in range(MOST_TRIES):
        # In this order: a file is known to the database before it is there, and its records after they are.
        names = folder.list()
        known = None if heads is None else await heads.load_audit_heads()
        if not names and not known:
            return Checked(heads=known)
        try:
            checked: Checked = await run(_check, folder, names, known)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(folder, error) from error
        return checked
    raise AuditFailed(f"The files of {folder.path} change while they are read: try again.")


def _check(folder: Folder, names: list[str], heads: list[AuditHead] | None) -> Checked:
    secret = folder.load_secret()
    known = {head.file: head for head in heads or ()}
    reports = []
    for name in names:
        check = FileCheck(secret, name, known.get(name))
        for line in _lines(folder, name):
            check.add(line)
        reports.append(check.end())
    return Checked(reports=reports, findings=check_journal(secret, reports, heads), heads=heads)


def _lines(folder: Folder, name: str) -> Iterator[bytes]:
    """The lines that are there now.

    Taken at once, as large as the rules let a file become: it may be written anew, and the old one overwritten,
    while somebody looks at its lines one by one.
    """
    with open_held(folder.file(name)) as source:
        text = b"".join(iter(lambda: source.read(1 << 20), b""))
    yield from io.BytesIO(text)


def read_records(folder: Folder) -> Iterator[tuple[str, Record | None]]:
    """Yield all records with their file's name, each writer's in order; None for what is none, or was changed.

    Raises:
        AuditFailed: it cannot be read, or its key is missing.
    """
    names = folder.list()
    if not names:
        return
    secret = folder.load_secret()
    try:
        for name in names:
            yield from _read_file(folder, secret, name)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _read_file(folder: Folder, secret: Secret, name: str) -> Iterator[tuple[str, Record | None]]:
    check = FileCheck(secret, name)
    for line in _lines(folder, name):
        yield name, check.add(line)


def export_record(file: str, record: Record) -> str:
    """A record as a line of JSON: what was written, without keys, with the name of its file."""
    body: Mapping[str, Any] = {  # Any: JSON values
        "file": file,
        "n": record.number,
        **record.fields,
        **({"texts": record.texts} if record.texts is not None else {}),
        **({"forgotten": True} if record.forgotten else {}),
        "link": record.link,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n"


def _unreadable(folder: Folder, error: OSError) -> AuditFailed:
    return AuditFailed(f"The audit journal {folder.path} cannot be read: {error.strerror or error}.")
