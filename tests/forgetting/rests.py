"""Leave in a database what SQLite leaves there by itself, now and then."""

import sqlite3
from pathlib import Path

LEAF_TABLE = 13  # SQLite's file format, 1.6: the first byte of a page that holds rows
HEADER_BYTES = 100  # of the file, before that of the first page


def leave_rests(path: Path, text: str) -> int:
    """Write a text into the unused space of every page of rows that has room; returns into how many.

    As a page does that gave a row to another one. Nobody may have the database open.
    """
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    data, rest, count = bytearray(path.read_bytes()), text.encode(), 0
    for page in range(0, len(data), size):
        header = page + (0 if page else HEADER_BYTES)
        if data[header] != LEAF_TABLE:
            continue
        cells = int.from_bytes(data[header + 3 : header + 5], "big")
        content = int.from_bytes(data[header + 5 : header + 7], "big") or 65_536
        start = header + 8 + 2 * cells  # of what no cell uses yet
        if page + content - start >= len(rest):
            data[page + content - len(rest) : page + content] = rest
            count += 1
    path.write_bytes(data)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    return count
