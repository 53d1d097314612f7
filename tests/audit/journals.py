"""Journals for tests: of a known size, written by the code that writes them, and checked beside what the database knew."""

from collections.abc import Sequence
from pathlib import Path

from turnkeep.audit.base import AuditRules, Entry
from turnkeep.audit.chain import Secret
from turnkeep.audit.folder import Folder
from turnkeep.audit.journal import Draft, Journal
from turnkeep.audit.verify import FileReport, check_journal, check_lines
from turnkeep.store.heads import AuditHead

SECRET = Secret(bytes(range(32)))


class Clock:
    """A clock that is set."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def draft(number: int, text: str | None = None) -> Draft:
    """A turn's record."""
    fields = {
        "kind": "turn", "owner": "local", "conversation": "conv_1", "turn": number, "state": "done",
        "at": float(number), "engine": "scripted", "model": "script", "bytes": {"input": 9}, "receipt": {},
    }  # fmt: skip
    return Draft(fields, None if text is None else {"input": text, "output": "ok"})


def entry(number: int, text: str = "hello", *, owner: str = "local", conversation: str = "conv_1") -> Entry:
    """A turn as it is handed over."""
    return Entry(
        owner=owner, conversation=conversation, turn=number, state="done", at=1_000_000.0 + number,
        engine="scripted", model="script", texts={"input": f"{text} {number}", "output": "ok"}, receipt={"window": 9},
    )  # fmt: skip


def write_journal(
    folder: Folder, records: int, rules: AuditRules | None = None, clock: Clock | None = None
) -> list[AuditHead]:
    """Write so many turns; returns what a database would know then, the roll with it."""
    journal = Journal(folder, rules or AuditRules(), clock=clock or Clock())
    journal.open()
    heads: dict[str, AuditHead] = {}
    for number in range(1, records + 1):
        if journal.wanted() is not None:
            journal.begin()
        journal.append([draft(number, f"héllo {number}")])
        heads |= {head.file: head for head in journal.take_heads()}
    roll = journal.roll(len(heads))
    journal.close()
    return [roll, *heads.values()]


def check(folder: Folder, heads: Sequence[AuditHead] | None) -> list[str]:
    """Check a journal; the findings as lines."""
    secret = folder.load_secret()
    known = {head.file: head for head in heads or ()}
    reports: list[FileReport] = []
    for name in folder.list():
        lines = folder.file(name).read_bytes().splitlines(keepends=True)
        reports.append(check_lines(secret, name, lines, known.get(name)))
    return [f"{each.file}: {each.kind}: {each.sentence}" for each in check_journal(secret, reports, heads)]


def folder_in(path: Path) -> Folder:
    """The journal of a database there."""
    return Folder.of(path / "turnkeep.db")
