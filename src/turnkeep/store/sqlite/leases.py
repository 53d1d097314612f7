"""Statements for leases: who may write, proved by a number that only rises.

A lease is a row, not a lock: it is held while an engine streams, without any
transaction open. When its holder dies it expires; whoever takes it gets the next
fence, and every later append of the old holder finds its fence outdated.
"""

from dataclasses import replace

from ...errors import LeaseLost
from ..base import Lease
from .database import Database
from .rows import plain

# What subjects begin with that are never taken a second time: who is done with one leaves no row behind.
PASSING = ("retry:", "background:")


def take_lease(
    database: Database, subject: str, holder: str, now: float, seconds: float, note: str
) -> Lease | None:
    """Take it if it is free, expired, or the same holder's; a new holder gets the next fence."""
    row = database.execute(
        "INSERT INTO lease (subject, holder, fence, expires, note) VALUES (?1, ?2, 1, ?3, ?4) "
        "ON CONFLICT (subject) DO UPDATE SET holder = excluded.holder, "
        "fence = fence + (holder IS NOT excluded.holder), expires = excluded.expires, note = excluded.note "
        "WHERE holder IS NULL OR holder = excluded.holder OR expires <= ?5 RETURNING fence",
        (plain(subject), plain(holder), now + seconds, plain(note), now),
    ).fetchone()
    if row is None:
        return None
    return Lease(subject=subject, holder=holder, fence=row[0], expires=now + seconds, note=note)


def renew_lease(database: Database, lease: Lease, now: float, seconds: float) -> Lease:
    """Prolong it while its fence is the newest."""
    check_lease(database, lease)
    database.execute("UPDATE lease SET expires = ? WHERE subject = ?", (now + seconds, plain(lease.subject)))
    return replace(lease, expires=now + seconds)


def drop_lease(database: Database, lease: Lease) -> None:
    """Give it back unless it is lost already. The row stays, so that fences rise, unless its subject has passed."""
    if lease.subject.startswith(PASSING):
        database.execute(
            "DELETE FROM lease WHERE subject = ? AND holder = ? AND fence = ?",
            (plain(lease.subject), plain(lease.holder), lease.fence),
        )
        return
    database.execute(
        "UPDATE lease SET holder = NULL, expires = 0 WHERE subject = ? AND holder = ? AND fence = ?",
        (plain(lease.subject), plain(lease.holder), lease.fence),
    )


def drop_passed(database: Database, before: float) -> None:
    """Delete what processes left that died where nobody could see it: passing subjects, expired before a moment."""
    for prefix in PASSING:
        database.execute(
            "DELETE FROM lease WHERE subject >= ? AND subject < ? AND expires <= ?",
            (prefix, f"{prefix}\U0010ffff", before),
        )


def held_leases(database: Database, prefix: str, now: float, note: str | None) -> list[Lease]:
    """List unexpired leases whose subject begins with `prefix`, of that note (None: any)."""
    # A range, not LIKE: the index answers it, and a prefix may hold % and _.
    rows = database.execute(
        "SELECT subject, holder, fence, expires, note FROM lease INDEXED BY lease_held "
        "WHERE subject >= :prefix AND subject < :end AND holder IS NOT NULL AND expires > :now "
        "AND (:note IS NULL OR note = :note)",
        {
            "prefix": plain(prefix),
            "end": plain(prefix) + "\U0010ffff",
            "now": now,
            "note": None if note is None else plain(note),
        },
    )
    return [Lease(subject=row[0], holder=row[1], fence=row[2], expires=row[3], note=row[4]) for row in rows]


def holds_lease(database: Database, lease: Lease) -> bool:
    """Tell whether nobody has taken the lease since. Expired is not lost: only another taker makes it so."""
    row = database.execute(
        "SELECT 1 FROM lease WHERE subject = ? AND holder = ? AND fence = ?",
        (plain(lease.subject), plain(lease.holder), lease.fence),
    ).fetchone()
    return row is not None


def check_lease(database: Database, lease: Lease) -> None:
    """Raise `LeaseLost` unless the lease is still held; called inside the transaction that appends."""
    if not holds_lease(database, lease):
        raise LeaseLost("Another process has taken the conversation over: load it again, then go on.")
