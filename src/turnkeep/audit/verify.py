"""Is a journal what was written? Each file by its lines, then all files beside what the database knows.

A line proves itself (chain.py); here their order is held to: numbers without a gap, each link after the
one before, the end where the database says, every file there or known to have been deleted when its
time was over. Pure: lines and the database's rows are given.
"""

import hmac
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..store.heads import AuditHead
from .chain import START, Broken, Record, Secret, read_line


def is_true(secret: Secret, head: AuditHead) -> bool:
    """Whether a holder of the journal's key made a row of the database."""
    if not head.file:
        return hmac.compare_digest(head.mac, secret.mac_roll(head.count))
    return hmac.compare_digest(head.mac, secret.mac_head(head.file, head.count, head.link, head.state))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was written.

    kind: "changed", "missing", "cut off", "reordered", "doubled", "torn", "removed" (a file), "unknown".
    number: of the record; None: the file as a whole.
    """

    file: str
    kind: str
    number: int | None
    sentence: str


@dataclass(slots=True, kw_only=True)
class FileReport:
    """What a file holds.

    count, link: of its last good record.
    torn: bytes after the last line's end.
    previous: what its first record says of the file before.
    expired: files that it says were deleted in their time: name to (count, link).
    forgets: records that it says were forgotten: file to ranges of numbers.
    marked: numbers of the records here whose texts were forgotten.
    """

    file: str
    count: int = 0
    link: str = START
    turns: int = 0
    torn: int = 0
    ended: bool = False
    first: float | None = None  # seconds since the epoch
    last: float | None = None
    previous: Mapping[str, Any] | None = None  # Any: JSON values
    findings: list[Finding] = field(default_factory=list)
    expired: dict[str, tuple[int, str]] = field(default_factory=dict)
    forgets: list[tuple[str, int, int]] = field(default_factory=list)
    marked: set[int] = field(default_factory=set)
    at_head: str | None = None  # link of the record that the database knows as the last

    def find(self, kind: str, number: int | None, sentence: str) -> None:
        """Note something that is not as it was written."""
        self.findings.append(Finding(file=self.file, kind=kind, number=number, sentence=sentence))


class FileCheck:
    """Goes through the lines of one file; memory is for its findings, not for its records.

    Args:
        secret: the journal's key.
        file: the file's name.
        head: what the database knows of it; None: nothing.
    """

    def __init__(self, secret: Secret, file: str, head: AuditHead | None = None) -> None:
        self.report = FileReport(file=file)
        self._secret = secret
        self._head = head if head is not None and is_true(secret, head) else None
        self._strange = 0  # lines since the last good record that are none
        self._missing: set[int] = set()
        self._sound: str | None = START  # link that the next record must name; None: not known

    def add(self, line: bytes) -> Record | None:
        """Take the next line, its end included; the record, where it is one."""
        if not line.endswith(b"\n"):
            self.report.torn = len(line)
            return None
        read = read_line(self._secret, self.report.file, line)
        if isinstance(read, Broken):
            self._strange += 1
            number = self.report.count + self._strange
            self.report.find("changed", number, f"record {number} {read.why}")
            self._sound = None
            return None
        self._place(read)
        self._take_in(read)
        return read

    def end(self) -> FileReport:
        """No more lines: what of the file is not as it was written."""
        report = self.report
        for first, last in ranges(self._missing):
            report.find("missing", first, f"{_name(first, last)} missing")
        if report.torn:
            report.find("torn", None, f"the last line is half written ({report.torn} bytes)")
        if self._head is not None:
            self._compare(self._head)
        return report

    def _place(self, record: Record) -> None:
        """Hold a good record to the place where it stands."""
        report, number = self.report, record.number
        if number <= report.count:
            if number in self._missing:
                self._missing.discard(number)
                report.find("reordered", number, f"record {number} stands after record {report.count}")
            else:
                report.find("doubled", number, f"record {number} stands there twice")
            return
        expected = report.count + 1
        if number - expected > self._strange:
            self._missing.update(range(expected + self._strange, number))
        elif self._sound is not None and record.prev != self._sound:
            report.find("changed", number, f"record {number} does not follow the one before it")
        report.count, report.link = number, record.link
        self._strange, self._sound = 0, record.link

    def _take_in(self, record: Record) -> None:
        report, at = self.report, record.fields.get("at")
        if isinstance(at, int | float):
            report.first = at if report.first is None else report.first
            report.last = at if report.last is None else max(at, report.last)
        report.turns += record.kind == "turn"
        if record.forgotten:
            report.marked.add(record.number)
        if self._head is not None and record.number == self._head.count:
            report.at_head = record.link
        match record.kind:
            case "begin":
                report.previous = record.fields.get("previous")
            case "end":
                report.ended = True
            case "expired":
                known = record.fields
                report.expired[known["file"]] = (known["count"], known["head"])
            case "forget":
                report.forgets += [
                    (file, first, last)
                    for file, spans in record.fields["records"].items()
                    for first, last in spans
                ]

    def _compare(self, head: AuditHead) -> None:
        """Hold the file's end to what the database knows."""
        report = self.report
        there = report.count + self._strange
        if there < head.count:
            report.find("cut off", there + 1, f"{_name(there + 1, head.count)} missing at the end")
        elif report.at_head is not None and report.at_head != head.link:
            report.find("changed", head.count, f"record {head.count} is not the one that the database knows")


def check_lines(
    secret: Secret, file: str, lines: Iterable[bytes], head: AuditHead | None = None
) -> FileReport:
    """Check a file by its lines, ends included."""
    check = FileCheck(secret, file, head)
    for line in lines:
        check.add(line)
    return check.end()


def check_journal(
    secret: Secret, reports: Sequence[FileReport], heads: Sequence[AuditHead] | None
) -> list[Finding]:
    """Hold all files to one another and to the database.

    Args:
        secret: the journal's key.
        reports: of each file that is there.
        heads: the database's rows; None: there is no database to ask, and ends cannot be checked.

    Returns:
        All that is not as it was written, that of the files themselves first.
    """
    findings = [finding for report in reports for finding in report.findings]
    there = {report.file: report for report in reports}
    gone = {file: known for report in reports for file, known in report.expired.items()}
    if heads is not None:
        gone |= {
            head.file: (head.count, head.link)
            for head in heads
            if head.state == "expired" and is_true(secret, head)
        }
        findings += _check_heads(secret, there, gone.keys(), heads)
    for report in reports:
        findings += _check_previous(report, there, gone)
        findings += _check_forgets(report, there)
    return findings


def _check_heads(
    secret: Secret, there: Mapping[str, FileReport], gone: Container[str], heads: Sequence[AuditHead]
) -> Iterable[Finding]:
    """Hold the files to what the database knows of them."""
    rolls = [head for head in heads if not head.file]
    files = {head.file for head in heads if head.file}
    if (there or files) and not (rolls and is_true(secret, rolls[0]) and rolls[0].count == len(files)):
        yield _finding("", "unknown", "the database's list of the journal's files was changed")
    for head in heads:
        if not head.file:
            continue
        if not is_true(secret, head):
            yield _finding(head.file, "unknown", "what the database knows of it was changed")
        elif head.count and head.file not in there and head.file not in gone:
            yield _finding(head.file, "removed", f"the file with its {head.count:,} records is missing")
    for file in there.keys() - files:
        yield _finding(file, "unknown", "the database knows nothing of this file")


def _check_previous(
    report: FileReport, there: Mapping[str, FileReport], gone: Mapping[str, tuple[int, str]]
) -> Iterable[Finding]:
    """Hold a file to what its first record says of the one before."""
    if report.previous is None:
        return
    file, count, link = (report.previous[name] for name in ("file", "count", "link"))
    before = there.get(file)
    if before is None and file not in gone:
        yield _finding(file, "removed", f"the file before {report.file} is missing")
    elif count is None:
        return  # it could not be read when the next one was begun
    elif before is not None and before.count < count:
        yield _finding(file, "cut off", f"{_name(before.count + 1, count)} missing at the end")
    elif before is not None and before.count == count and before.link != link:
        yield _finding(file, "changed", f"its end is not the one that {report.file} goes on from")


def _check_forgets(report: FileReport, there: Mapping[str, FileReport]) -> Iterable[Finding]:
    for file, first, last in report.forgets:
        if (named := there.get(file)) is None:
            continue
        for number in range(first, min(last, named.count) + 1):
            if number not in named.marked:
                yield Finding(
                    file=file, kind="changed", number=number,
                    sentence=f"record {number} was forgotten, and its text is there again",
                )  # fmt: skip


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Fold numbers into ranges. Example: 1, 2, 5 → (1, 2), (5, 5)."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _name(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"


def _finding(file: str, kind: str, sentence: str) -> Finding:
    return Finding(file=file, kind=kind, number=None, sentence=sentence)
