"""The folder of a journal: its key, its files and their names, who holds what, and how bytes go away.

    turnkeep.db-audit.key           the key, beside the database
    turnkeep.db-audit/              readable by its owner only
      0001-000003.jsonl             the third file of the first writer
      writer-0001.lock              held by the first writer for as long as it lives
      lock                          held by whoever forgets, deletes or writes records
      forgetting.json               what is being forgotten, until it is done
      forgotten                     what was forgotten of late, for those whose turns still wait

A process that writes takes the first writer's place that is free, so there are as many chains as
there are processes that write at once, and not one for each that ever did.
"""

import contextlib
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .. import private
from ..errors import AuditFailed
from .chain import KEY_BYTES, Secret
from .sealing import SEALED

SUFFIX = ".jsonl"
_NAME = re.compile(r"(\d{4})-(\d{6,})\.jsonl")
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a journal is.

    Args:
        path: the folder; it need not be there yet.
        key: the file of its key.
    """

    path: Path
    key: Path

    @classmethod
    def of(cls, database: Path) -> "Folder":
        """The journal of a database."""
        return cls(Path(f"{database}-audit"), Path(f"{database}-audit.key"))

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self.path.is_dir()

    def holds_texts(self) -> bool:
        """Whether any record holds what was said, masked or not, for all to read."""
        for name in self.list():
            with self.file(name).open("rb") as file:
                if any(_holds_text(line) for line in file):
                    return True
        return False

    @property
    def intent(self) -> Path:
        """The file that says what is being forgotten."""
        return self.path / "forgetting.json"

    @property
    def forgotten(self) -> Path:
        """The file that says what was forgotten of late."""
        return self.path / "forgotten"

    @property
    def wish(self) -> Path:
        """The file whose time says since when writers are to begin a new file."""
        return self.path / "rotate"

    @property
    def wished(self) -> float:
        """When somebody last asked for new files, in seconds since the epoch; 0.0: never."""
        try:
            return self.wish.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def file(self, name: str) -> Path:
        """The path of one of its files."""
        return self.path / name

    def list(self) -> list[str]:
        """Names of the journal's files, those of a writer one after another."""
        if not self.exists:
            return []
        return sorted(
            (entry.name for entry in os.scandir(self.path) if _NAME.fullmatch(entry.name)), key=place_of
        )

    def make(self) -> None:
        """Make the folder, for its owner only."""
        private.make_folder(self.path)
        if os.name == "posix" and self.path.stat().st_mode & 0o077:
            self.path.chmod(0o700)

    def load_secret(self) -> Secret:
        """Read the key.

        Raises:
            AuditFailed: it is not there, others can read it, or it is no key.
        """
        try:
            with self.key.open("rb") as file:
                mode, text = os.fstat(file.fileno()).st_mode, file.read(4 * KEY_BYTES)
        except FileNotFoundError as error:
            raise AuditFailed(
                f"The key of the audit journal is missing: put {self.key} back, or move {self.path} away."
            ) from error
        except OSError as error:
            raise AuditFailed(f"The audit's key {self.key} cannot be read: {error.strerror}.") from error
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise AuditFailed(f"Others can read the audit's key: chmod 600 {self.key}")
        try:
            key = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise AuditFailed(f"{self.key} is no key of an audit journal: put the right one back.")
        return Secret(key)

    def make_secret(self) -> Secret:
        """Read the key, made where there is no journal yet. Of two that come at once, one makes it."""
        if self.key.exists() or self.list():
            return self.load_secret()
        with self.hold():
            if not self.key.exists() and not self.list():
                write_whole(self.key, secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
        return self.load_secret()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only one who makes a key, forgets, deletes or writes records, while the block runs."""
        with open_private(self.path / "lock") as lock, holding(lock):
            yield

    def take_place(self) -> tuple[int, IO[bytes]]:
        """Take the first writer's place that is free; it is free again when the file is closed."""
        for number in range(1, 10_000):
            lock = open_private(self.path / f"writer-{number:04}.lock")
            if try_hold(lock):
                return number, lock
            lock.close()
        raise AuditFailed("Ten thousand programs write this audit journal already: end some.")

    def borrow(self, writer: int) -> IO[bytes] | None:
        """Take a writer's place for a moment, until the file is closed; None: it lives."""
        lock = open_private(self.path / f"writer-{writer:04}.lock")
        if try_hold(lock):
            return lock
        lock.close()
        return None

    def sweep(self) -> None:
        """Take away what a crash has left; called by whoever holds the folder."""
        for entry in list(os.scandir(self.path)):
            if entry.name.endswith((".old", ".tmp")):
                erase(Path(entry.path))


def _holds_text(line: bytes) -> bool:
    """Whether a line holds more than a key's name, and that not sealed. A line that is none of ours may hold anything."""
    if b'"texts":' not in line:  # inside of a text its quotes would be escaped
        return False
    try:
        return bool(json.loads(line)["texts"].keys() - {"key_name", SEALED})
    except (ValueError, TypeError, KeyError, AttributeError):
        return True


def place_of(name: str) -> tuple[int, int]:
    """Which writer's place a file is of, and its number there. Example: "0001-000003.jsonl" → 1, 3."""
    match = _NAME.fullmatch(name)
    assert match is not None
    return int(match[1]), int(match[2])


def name_of(writer: int, number: int) -> str:
    """The name of a writer's file."""
    return f"{writer:04}-{number:06}{SUFFIX}"


def write_whole(path: Path, text: bytes) -> None:
    """Write a file that is there with all its text, durable, or not at all."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open_private(part) as file:
            write_all(file, text)
            sync(file)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_file(path: Path, part: Path) -> None:
    """Put a finished file in the place of another, and overwrite what stood there.

    Whatever is cut short, the name leads to the one or the other; what is left over ends in ".old" or
    ".tmp", and is erased by `Folder.sweep`.
    """
    old = path.with_name(f"{path.name}.old")
    old.unlink(missing_ok=True)
    os.link(path, old)
    part.replace(path)
    sync_folder(path.parent)
    erase(old)


def erase(path: Path) -> None:
    """Overwrite a file's bytes, then take it away."""
    with contextlib.suppress(FileNotFoundError):
        with path.open("r+b") as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0:
                left -= file.write(bytes(min(left, _BLOCK)))
            sync(file)
        path.unlink()
        sync_folder(path.parent)


def write_all(file: IO[bytes], text: bytes) -> None:
    """Write all of it: where the disk is full, a part may be taken before the error comes."""
    rest = memoryview(text)
    while rest:
        rest = rest[file.write(rest) :]


def sync(file: IO[bytes]) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until names that changed are on the disk."""
    if os.name != "posix":
        return  # there is no such call elsewhere
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_private(path: Path) -> IO[bytes]:
    """Open a file to read and write, made for its owner only where it is not there."""
    return os.fdopen(private.open_own(path), "r+b", buffering=0)


# -- holding a file: nobody else does, in this process or another ---------------------------------
if sys.platform == "win32":
    import msvcrt
    import time

    _FAR = 1 << 40  # a byte that no file has: Windows refuses to read what is held

    def try_hold(file: IO[bytes]) -> bool:
        """Hold a file, unless somebody does."""
        try:
            file.seek(_FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def holding(file: IO[bytes]) -> Iterator[None]:
        """Hold a file while the block runs."""
        while not try_hold(file):
            time.sleep(0.01)
        try:
            yield
        finally:
            file.seek(_FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_hold(file: IO[bytes]) -> bool:
        """Hold a file, unless somebody does."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @contextlib.contextmanager
    def holding(file: IO[bytes]) -> Iterator[None]:
        """Hold a file while the block runs."""
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


@contextlib.contextmanager
def open_held(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of the journal and hold it: the one that bears the name, not one that was just replaced."""
    while True:
        with path.open("r+b", buffering=0) as file, holding(file):
            current, found = path.stat(), os.fstat(file.fileno())
            if os.name != "posix" or (found.st_ino, found.st_dev) == (current.st_ino, current.st_dev):
                yield file
                return
