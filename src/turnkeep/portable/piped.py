"""What comes through a pipe, to be read as a file is: more than once, and from any place.

It is kept in a file that has no name (or is the system's to take away, on Windows): it goes with the process,
however that ends, and nothing of what people said stays in the folder for temporary files.
"""

import io
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self, TypeAlias

_VERSIONS = slice(
    18, 20
)  # bytes of SQLite's header: 2 says that there may be a write-ahead log (its file format, 1.3)


class Piped:
    """What a pipe held, up to its end.

    Raises:
        OSError: it could not be kept.
    """

    name = "input"  # by which what has no names of its own is known again

    def __init__(self, source: IO[bytes]) -> None:
        # A FileIO, or what wraps one on Windows; open until this one is closed.
        self._file: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        try:
            shutil.copyfileobj(source, self._file)
        except BaseException:
            self._file.close()
            raise

    def __str__(self) -> str:
        return "Standard input"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def open(self, _mode: Literal["rb"]) -> io.BufferedReader:
        """Read it from its beginning; several may, in turn."""
        return io.BufferedReader(_Reader(self._file))

    def stat(self) -> os.stat_result:
        """Its size and times."""
        return os.fstat(self._file.fileno())

    def open_database(self) -> sqlite3.Connection:
        """Read it as an SQLite database, which SQLite cannot without a name: so it is held in memory.

        Raises:
            sqlite3.DatabaseError: it is damaged.
        """
        with self.open("rb") as file:
            content = bytearray(file.read())
        content[_VERSIONS] = b"\1\1"  # a log did not come along
        connection = sqlite3.connect(":memory:")
        connection.deserialize(content)
        return connection


class _Reader(io.RawIOBase):
    """A place in a file that others read as well."""

    def __init__(self, file: Any) -> None:  # Any: see above
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = offset + (os.fstat(self._file.fileno()).st_size if begin is None else begin)
        return self._at

    def readinto(self, buffer: Any) -> int:  # Any: whatever bytes are written into
        self._file.seek(self._at)
        count = int(self._file.readinto(buffer))
        self._at += count
        return count


File: TypeAlias = Path | Piped
