"""A store that forgets when it is closed: the SQLite store in memory.

The same code and the same statements, so what is true of it in a test is true of the file.
"""

from .sqlite import SqliteStore


class EphemeralStore(SqliteStore):
    """Keeps conversations in memory until `close`; cannot be used by a forked process."""

    def __init__(self) -> None:
        super().__init__(None)
