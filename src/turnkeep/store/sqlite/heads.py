"""Statements for what the database keeps of the audit journal's files."""

from collections.abc import Sequence

from ..heads import AuditHead
from .database import Database


def load_heads(database: Database) -> list[AuditHead]:
    """Load all rows, the roll among them."""
    rows = database.execute("SELECT file, count, link, state, mac FROM audit_head ORDER BY file")
    return [
        AuditHead(file=file, count=count, link=link, state=state, mac=mac)
        for file, count, link, state, mac in rows
    ]


def begin_file(database: Database, head: AuditHead, roll: AuditHead) -> bool:
    """Insert a file and the roll that counts it; False where another file was begun meanwhile."""
    if database.execute("SELECT 1 FROM audit_head WHERE file = ?", (head.file,)).fetchone():
        return True
    (files,) = database.execute("SELECT count(*) FROM audit_head WHERE file <> ''").fetchone()
    if files + 1 != roll.count:
        return False
    for row in (head, roll):
        database.execute(
            "INSERT OR REPLACE INTO audit_head (file, count, link, state, mac) VALUES (?, ?, ?, ?, ?)",
            (row.file, row.count, row.link, row.state, row.mac),
        )
    return True


def save_heads(database: Database, heads: Sequence[AuditHead]) -> None:
    """Move rows on; of two writers who say something of one file, the one that knows more is believed."""
    database.executemany(
        "UPDATE audit_head SET count = ?2, link = ?3, state = ?4, mac = ?5 "
        "WHERE file = ?1 AND count <= ?2 AND state = 'open'",
        [(head.file, head.count, head.link, head.state, head.mac) for head in heads],
    )
