"""Overwrite a file that held plain text, as far as the file system allows.

A disk that writes elsewhere than told (flash, copy-on-write file systems, snapshots) may keep what was there.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

OLD = (
    ".before-encryption"  # what the file of a database is called from its encryption until it is overwritten
)
NEW = ".encrypting"  # what the encrypted file is called until it is whole
_AT_ONCE_BYTES = 1 << 20


def wipe_leftover(path: Path) -> None:
    """Overwrite and remove the old file of an encrypted database whose encrypting was killed at its very end."""
    kept = path.with_name(path.name + OLD)
    if not kept.exists() or kept.samefile(path):
        return
    with kept_open(kept) as descriptor:
        # One that has another name is kept there on purpose: a database that was restored over, say.
        if descriptor is not None and os.fstat(descriptor).st_nlink == 1:
            overwrite(descriptor)
    kept.unlink(missing_ok=True)


def drop_unfinished(path: Path) -> None:
    """Take away what a killed encrypting has left beside a database that this process has open: a copy, sealed.

    Whoever encrypts has the database alone, so nobody does meanwhile.
    """
    for end in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{NEW}{end}").unlink(missing_ok=True)


@contextlib.contextmanager
def kept_open(path: Path) -> Iterator[int | None]:
    """Keep a file open, whoever removes it meanwhile; None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def overwrite(descriptor: int) -> int:
    """Overwrite all of a file with zeros, on the disk when this returns; returns how many bytes."""
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, 0, os.SEEK_SET)
    left = size
    while left > 0:
        left -= os.write(descriptor, bytes(min(left, _AT_ONCE_BYTES)))
    os.fsync(descriptor)
    return size


def sync(path: Path) -> None:
    """Put a file, or what a folder holds, on the disk."""
    if os.name != "posix" and path.is_dir():
        return  # Windows syncs no folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
