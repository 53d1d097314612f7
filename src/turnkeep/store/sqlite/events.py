"""Statements for what a background response streams: appended in batches, read again in order."""

from collections.abc import Sequence

from .database import Database
from .responses import find_response, keeps_events
from .rows import keep_exact


def save_events(database: Database, owner: str, response: str, events: Sequence[tuple[int, str]]) -> bool:
    """Insert events; a number that is there already stays. False: something was forgotten that they may say."""
    place, tag = find_response(database, owner, response)
    if not keeps_events(database, place, tag):
        return False
    database.executemany(
        "INSERT OR IGNORE INTO response_event (owner, conversation, response, seq, body) VALUES (?, ?, ?, ?, ?)",
        [(*place, tag, seq, keep_exact(body)) for seq, body in events],
    )
    return True


def load_events(
    database: Database, owner: str, response: str, starting_after: int, limit: int
) -> list[tuple[int, str]]:
    """Load events numbered above `starting_after`, in their order."""
    place, tag = find_response(database, owner, response)
    return database.execute(
        "SELECT seq, body FROM response_event WHERE owner = ? AND conversation = ? AND response = ? "
        "AND seq > ? ORDER BY seq LIMIT ?",
        (*place, tag, starting_after, limit),
    ).fetchall()
