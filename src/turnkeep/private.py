"""Files and folders that nobody else can read: how they are made, and what is said of those that others can read.

The one place for modes. Where the file system has none (FAT, some network shares), a notice
says so once; on Windows the folder of the user's data is private by itself.
"""

import errno
import logging
import os
import stat
import tempfile
import threading
from pathlib import Path

from .errors import StoreError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS = 0o077  # what group and others may do

_log = logging.getLogger("turnkeep.private")
_told: set[str] = set()  # folders without modes that were spoken of

# Making a file means opening and closing it, and closing any descriptor of a file
# drops all locks that this process holds on it (POSIX). So it is done for a file
# that is not there yet only, and by one thread at a time.
_making_file = threading.Lock()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only."""
    for folder in reversed([each for each in (path, *path.parents) if not each.exists()]):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file for its owner only, with its folders, unless it is there.

    Raises:
        OSError: it cannot be made.
    """
    make_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    with _making_file:
        try:
            os.close(create(path))
        except FileExistsError:
            pass


def create(path: Path) -> int:
    """Create a file for its owner only and open it for writing; returns the descriptor.

    Raises:
        FileExistsError: there is one.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)


def sync_folder(path: Path) -> None:
    """Put what a folder holds on the disk; Windows syncs no folders."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_own(path: Path) -> int:
    """Open a file to read and write, made for its owner only where it is not there; returns the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), FILE_MODE)


def check(path: Path) -> None:
    """Refuse a file or folder that others can read; one that is not there is private.

    Raises:
        StoreError: it says what to run.
    """
    if os.name != "posix":
        return
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    is_folder = stat.S_ISDIR(mode)
    if not mode & _OTHERS or not (is_folder or stat.S_ISREG(mode)):
        return
    folder = path if is_folder else path.parent
    if _has_modes(folder):
        wanted = FOLDER_MODE if is_folder else FILE_MODE
        raise StoreError(f"{path} can be read by others on this machine: run `chmod {wanted:o} {path}`.")
    if str(folder) not in _told:
        _told.add(str(folder))
        _log.warning(
            "The file system of %s has no modes: who else can read it is not turnkeep's to say.", folder
        )


def _has_modes(folder: Path) -> bool:
    """Whether a file made there for its owner only is so; where none can be made, it is taken to be."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".modes-") as made:  # mkstemp makes it 0600
            return not os.fstat(made.fileno()).st_mode & _OTHERS
    except OSError:
        return True
