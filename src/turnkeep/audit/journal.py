"""One writer of the journal: a file at a time, appended to, closed when it is large or old, continued after a crash.

A record is appended whole and is on the disk when `append` returns, or not there at all: what a full
disk took of it is cut off again, what a crash left of it by whoever goes on with the file, and that
is recorded. A file that is not what was written is left as it stands, and another one begun.

Everything here blocks, and one thread at a time may call it.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

from ..errors import AuditFailed
from ..store.heads import AuditHead, HeadState
from .base import AuditRules, Which
from .chain import START, TEXT_KEY_BYTES, Broken, Secret, make_line, read_line
from .folder import (
    Folder,
    erase,
    name_of,
    open_held,
    open_private,
    place_of,
    sync,
    write_all,
    write_whole,
)
from .forgotten import read_forgotten
from .verify import FileReport, check_lines

DAY_SECONDS = 86_400.0
_BLOCK = 1 << 16

Fields: TypeAlias = Mapping[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that is to be written: what stays of it, and what can be forgotten."""

    fields: Fields
    texts: Mapping[str, Any] | None = None  # Any: JSON values


@dataclass(slots=True)
class _File:
    """The file that is written at the moment."""

    name: str
    count: int
    link: str
    size: int
    began: float


class Journal:
    """Writes records.

    Args:
        folder: where.
        rules: when a file is closed, and when deleted.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Folder, rules: AuditRules, *, clock: Callable[[], float] = time.time) -> None:
        self.folder, self._rules, self._clock = folder, rules, clock
        self.repaired = 0  # bytes of half a record that a crash had left
        self._secret: Secret | None = None
        self._place: tuple[int, IO[bytes]] | None = None  # which writer's, and what holds it
        self._number = 0  # of the newest file of the place
        self._file: _File | None = None  # None: the next record begins one
        self._before: FileReport | None = None  # the file before, where its end is known
        self._heads: dict[str, AuditHead] = {}  # what the database is to learn
        self._pid = 0
        self._expired_on = 0.0
        self._borrowed: list[IO[bytes]] = []  # places whose files are being deleted

    # -- beginning and ending ---------------------------------------------------------------------

    def open(self, heads: Sequence[AuditHead] = ()) -> None:
        """Take a place, and go on where its last writer stopped; nothing happens where that was done.

        Args:
            heads: what the database knows of the files.

        Raises:
            AuditFailed: it cannot be written.
        """
        if self._place is not None and self._pid == os.getpid():
            return
        try:
            self.close()  # of the process that this one was forked from: its lock stays its own
            self.folder.make()
            self._secret = self.folder.make_secret()
            self._place = self.folder.take_place()
            self._pid = os.getpid()
            self._resume({head.file: head for head in heads if head.file})
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        except AuditFailed:
            self.close()
            raise

    def close(self) -> None:
        """Give the place back."""
        self._give_back()
        if self._place is not None:
            self._place[1].close()
        self._place = self._file = self._before = None

    def _give_back(self) -> None:
        for lock in self._borrowed:
            lock.close()
        self._borrowed = []

    @property
    def is_ready(self) -> bool:
        """Whether a record can be appended without anything else."""
        return self._place is not None and self.wanted() is None

    def _resume(self, heads: Mapping[str, AuditHead]) -> None:
        assert self._place is not None
        writer, lock = self._place
        said = lock.read(32).strip()
        mine = [name for name in self.folder.list() if place_of(name)[0] == writer]
        known = [place_of(name)[1] for name in (*mine, *heads) if place_of(name)[0] == writer]
        self._number = max(*known, int(said) if said.isdigit() else 0, 0)
        if mine:
            self._go_on(mine[-1], heads.get(mine[-1]))

    def _go_on(self, name: str, head: AuditHead | None) -> None:
        """Go on with a file, if it is what was written and not closed."""
        assert self._secret is not None
        with open_held(self.folder.file(name)) as file:
            report = check_lines(self._secret, name, read_lines(file), head)
            self._before = report
            sound = not [finding for finding in report.findings if finding.kind != "torn"]
            gone = head is not None and head.state == "expired"
            if not sound or gone or report.ended or report.first is None:
                return
            whole = os.fstat(file.fileno()).st_size - report.torn
            if report.torn:
                file.truncate(whole)
                sync(file)
        self._file = _File(name, report.count, report.link, whole, report.first)
        if report.torn:
            self.repaired += report.torn
            self._append([Draft({"kind": "repair", "at": self._clock(), "bytes": report.torn})])
        self._note_head()

    # -- writing ----------------------------------------------------------------------------------

    def wanted(self) -> AuditHead | None:
        """What the database has to know before the next record is written: the file that is to be begun; None: nothing."""
        if self._file is not None and not self._is_over(self._file):
            return None
        assert self._secret is not None
        assert self._place is not None
        name = name_of(self._place[0], self._number + 1)
        return AuditHead(
            file=name, count=0, link=START, state="open", mac=self._secret.mac_head(name, 0, START, "open")
        )

    def _is_over(self, file: _File) -> bool:
        age = self._clock() - file.began
        return (
            file.size >= self._rules.rotate_bytes
            or age >= self._rules.rotate_days * DAY_SECONDS
            or self.folder.wished > file.began
        )

    def begin(self) -> None:
        """Close the file, and begin the next. Raises `AuditFailed`."""
        try:
            self._end()
            self._begin()
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self.close()
            raise self._failed(error) from error

    def _end(self) -> None:
        if self._file is not None:
            self._append([Draft({"kind": "end", "at": self._clock()})])
            self._note_head()
            self._before = FileReport(
                file=self._file.name, count=self._file.count, link=self._file.link, ended=True
            )
            self._file = None

    def _begin(self) -> None:
        assert self._secret is not None
        assert self._place is not None
        name, now, before = name_of(self._place[0], self._number + 1), self._clock(), self._before
        previous = None
        if before is not None:
            sound = all(finding.kind == "torn" for finding in before.findings)
            previous = {
                "file": before.file,
                "count": before.count if sound else None,
                "link": before.link if sound else None,
            }
        fields = {"kind": "begin", "at": now, "version": 1, "file": name, "previous": previous}
        line, link = make_line(self._secret, name, 1, START, fields, None, b"")
        lock = self._place[1]
        lock.seek(0)
        write_all(lock, b"%d\n" % (self._number + 1))
        with self.folder.hold():  # as who sweeps up after a crash does
            write_whole(self.folder.file(name), line)
        self._number += 1
        self._file = _File(name, 1, link, len(line), now)
        self._note_head()

    @contextlib.contextmanager
    def holding(self) -> Iterator[list[Which]]:
        """Hold the folder: nobody forgets while the block runs; gives what was forgotten of late.

        Raises:
            AuditFailed: it is not there any more, or cannot be read.
        """
        assert self._secret is not None
        try:
            with self.folder.hold():
                yield read_forgotten(self.folder, self._secret)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self.close()
            raise self._failed(error) from error

    def append(self, drafts: Sequence[Draft]) -> int:
        """Append records, as many as the file may hold; returns how many. They are on the disk then.

        Raises:
            AuditFailed: they cannot be written; nothing of them is there.
        """
        assert self._file is not None
        try:
            count = self._append(drafts)
        except FileNotFoundError as error:  # somebody took it away, perhaps the whole folder
            self.close()
            raise self._failed(error) from error
        except OSError as error:
            raise self._failed(error) from error
        self._note_head()
        return count

    def _append(self, drafts: Sequence[Draft]) -> int:
        current = self._file
        assert current is not None
        assert self._secret is not None
        with open_held(self.folder.file(current.name)) as file:
            size = os.fstat(file.fileno()).st_size
            if size != current.size and not self._ends_alike(file, size):
                raise self._leave(current.name)
            lines, count, link, end = [], current.count, current.link, size
            for draft in drafts:
                key = secrets.token_bytes(TEXT_KEY_BYTES)
                line, link = make_line(
                    self._secret, current.name, count + 1, link, draft.fields, draft.texts, key
                )
                lines.append(line)
                count, end = count + 1, end + len(line)
                if end >= self._rules.rotate_bytes:
                    break
            self._write(file, size, b"".join(lines))
        current.count, current.link, current.size = count, link, end
        return len(lines)

    def _leave(self, name: str) -> AuditFailed:
        """Leave a file as it stands; the next record begins another one."""
        self._file, self._before = None, FileReport(file=name)
        self._before.find("changed", None, "it is not what was written there")
        return AuditFailed(
            f"{self.folder.file(name)} is not what was written there: turnkeep audit verify says more."
        )

    def _write(self, file: IO[bytes], at: int, text: bytes) -> None:
        """Write whole lines at the end; when that fails, none of them stays."""
        try:
            file.seek(at)
            write_all(file, text)
            sync(file)
        except OSError:
            file.truncate(at)
            raise

    def _ends_alike(self, file: IO[bytes], size: int) -> bool:
        """Whether the file ends with the record that was written last: forgetting makes it shorter before that."""
        current = self._file
        assert current is not None
        assert self._secret is not None
        line = read_last(file, size)
        record = read_line(self._secret, current.name, line)
        return not isinstance(record, Broken) and record.link == current.link

    # -- what the database is to learn ------------------------------------------------------------

    def _note_head(self) -> None:
        if self._file is not None:
            self._learn(self._file.name, self._file.count, self._file.link, "open")

    def _learn(self, name: str, count: int, link: str, state: HeadState) -> None:
        assert self._secret is not None
        mac = self._secret.mac_head(name, count, link, state)
        self._heads[name] = AuditHead(file=name, count=count, link=link, state=state, mac=mac)

    def take_heads(self) -> list[AuditHead]:
        """What has changed since the last time."""
        heads, self._heads = list(self._heads.values()), {}
        return heads

    def learn_again(self, heads: Sequence[AuditHead]) -> None:
        """The database could not be told: it is to be, the next time, where nothing newer is known."""
        self._heads = {head.file: head for head in heads} | self._heads

    def roll(self, files: int) -> AuditHead:
        """What proves how many files there have ever been."""
        assert self._secret is not None
        return AuditHead(file="", count=files, link="", state="open", mac=self._secret.mac_roll(files))

    # -- deleting what is old ---------------------------------------------------------------------

    def expire(self, heads: Sequence[AuditHead]) -> list[str]:
        """Record which files' time is over; the database is told before `erase` takes them away.

        Args:
            heads: what the database knows; a file that it knows to be deleted, and is not, is among them.

        Returns:
            Names of the files.
        """
        names = [
            head.file for head in heads if head.state == "expired" and self.folder.file(head.file).exists()
        ]
        now = self._clock()
        if not self._rules.keep_days or now - self._expired_on < DAY_SECONDS / 24 or self._file is None:
            return names
        self._expired_on = now
        for name in self.folder.list():
            last = self._last_of(name)
            over = last is not None and now - last[0] > self._rules.keep_days * DAY_SECONDS
            if last is None or not over or name in names or name == self._file.name or self._is_written(name):
                continue
            _, count, link = last
            self.append([Draft({"kind": "expired", "at": now, "file": name, "count": count, "head": link})])
            self._learn(name, count, link, "expired")
            names.append(name)
        return names

    def _is_written(self, name: str) -> bool:
        """Whether a writer goes on with a file; where none does, none will until it is deleted."""
        writer, number = place_of(name)
        newest = max(place_of(other) for other in self.folder.list() if place_of(other)[0] == writer)
        if newest[1] != number or (self._place is not None and writer == self._place[0]):
            return False
        if (lock := self.folder.borrow(writer)) is None:
            return True
        self._borrowed.append(lock)
        return False

    def _last_of(self, name: str) -> tuple[float, int, str] | None:
        """When a file's last record was written, its number and link; None: it is none of ours."""
        assert self._secret is not None
        with open_held(self.folder.file(name)) as file:
            line = read_last(file, os.fstat(file.fileno()).st_size)
        record = read_line(self._secret, name, line)
        if isinstance(record, Broken):
            return None
        return float(record.fields["at"]), record.number, record.link

    def erase(self, names: Sequence[str]) -> None:
        """Take files away whose time is over. Raises `AuditFailed`."""
        try:
            for name in names:
                erase(self.folder.file(name))
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self._give_back()

    def _failed(self, error: OSError) -> AuditFailed:
        why = error.strerror or error
        return AuditFailed(
            f"The audit journal {self.folder.path} cannot be written ({why}): make room and give leave to write there."
        )


def wish_rotation(folder: Folder, at: float) -> None:
    """Have every writer begin a new file with its next record, if its file was begun before."""
    open_private(folder.wish).close()
    os.utime(folder.wish, (at, at))


def read_lines(file: IO[bytes], size: int | None = None) -> Iterator[bytes]:
    """Yield the lines of a file that is open, with their ends; the last one may have none.

    Args:
        file: read from its beginning.
        size: up to where; None: to its end.
    """
    file.seek(0)
    held: list[bytes] = []  # pieces of a line whose end has not come
    left = os.fstat(file.fileno()).st_size if size is None else size
    while left > 0 and (block := file.read(min(left, _BLOCK))):
        left -= len(block)
        first, *more = block.split(b"\n")
        held.append(first)
        for piece in more:
            yield b"".join(held) + b"\n"
            held = [piece]
    if any(held):
        yield b"".join(held)


def read_last(file: IO[bytes], size: int) -> bytes:
    """The last whole line of a file, its end included; b"" where there is none."""
    step = _BLOCK
    while True:
        at = max(0, size - step)
        file.seek(at)
        held = b"".join(iter(lambda: file.read(_BLOCK), b""))
        end = held.rfind(b"\n")
        begin = held.rfind(b"\n", 0, end) if end > 0 else -1
        if begin >= 0 or at == 0:
            return held[begin + 1 : end + 1]
        step *= 4
