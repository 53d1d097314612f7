"""Statements for digests of histories, and the owner's key that they are made with.

A digest is keyed, since a plain hash of a phone number is the phone number; the key stands beside
and goes with the owner. What is forgotten takes the digests of all histories along that held it.
"""

import secrets
from collections.abc import Iterable, Sequence

from ...conversation.log import Position
from ..base import Turn
from ..ids import conversation_id
from ..ledger import MOST_FOUND, Known, Recognised
from .conversations import Place, find_place
from .database import Database
from .paths import Parents
from .rows import plain

KEY_BYTES = 32


def find_digest_key(database: Database, owner: str) -> bytes | None:
    """Load an owner's digest key; None: it has not been made."""
    row = database.execute("SELECT digest_key FROM owner WHERE name = ?", (plain(owner),)).fetchone()
    return None if row is None or row[0] is None else bytes(row[0])


def make_digest_key(database: Database, owner: str) -> bytes:
    """Load an owner's digest key, made now if there is none, and the owner with it."""
    database.execute("INSERT OR IGNORE INTO owner (name) VALUES (?)", (plain(owner),))
    database.execute(
        "UPDATE owner SET digest_key = ? WHERE name = ? AND digest_key IS NULL",
        (secrets.token_bytes(KEY_BYTES), plain(owner)),
    )
    key = find_digest_key(database, owner)
    assert key is not None
    return key


def keep_digests(
    database: Database, owner: str, conversation: str, digests: Sequence[tuple[bytes, int]]
) -> None:
    """Keep the digests of histories that end with these turns, unless something of the turn was forgotten."""
    save_digests(database, find_place(database, owner, conversation)[0], digests)


def save_digests(database: Database, place: Place, digests: Sequence[tuple[bytes, int]]) -> None:
    """The same, where the conversation is found already."""
    # Lines that were recalled, and notes, are no part of a client's history: their tombstones do not matter.
    database.executemany(
        "INSERT OR IGNORE INTO digest (owner, conversation, turn, branch, seq, digest) "
        "SELECT owner, conversation, number, branch, last, ? FROM turn "
        "WHERE owner = ? AND conversation = ? AND number = ? AND NOT EXISTS ("
        "SELECT 1 FROM item WHERE item.owner = turn.owner AND item.conversation = turn.conversation "
        "AND item.branch = turn.branch AND item.seq BETWEEN turn.first AND turn.last "
        "AND item.kind = 'forgotten' AND item.body NOT IN ('\"recalled\"', '\"note\"'))",
        [(digest, *place, turn) for digest, turn in digests],
    )


def find_digests(database: Database, owner: str, digests: Sequence[bytes]) -> Known | None:
    """Find the last of these digests that is kept, looking from the end."""
    row = database.execute("SELECT number FROM owner WHERE name = ?", (plain(owner),)).fetchone()
    if row is None:
        return None
    for index in range(len(digests) - 1, -1, -1):
        found = database.execute(
            "SELECT conversation.key, digest.turn, digest.branch, digest.seq "
            "FROM digest INDEXED BY digest_value JOIN conversation "
            "ON conversation.owner = digest.owner AND conversation.number = digest.conversation "
            "WHERE digest.owner = ? AND digest.digest = ? ORDER BY digest.number DESC LIMIT ?",
            (row[0], digests[index], MOST_FOUND),
        ).fetchall()
        if found:
            places = (
                Recognised(
                    digest=digests[index],
                    conversation=conversation_id(key),
                    turn=turn,
                    at=Position(branch, seq),
                )
                for key, turn, branch, seq in found
            )
            return Known(index=index, places=tuple(places))
    return None


def drop_digests(database: Database, place: Place, turns: Iterable[Turn]) -> None:
    """Drop the digests of all histories that hold one of these turns: its own, and those of what hangs on it."""
    parents = Parents(database, place)
    for turn in turns:
        tips = database.execute(
            "SELECT branch, max(seq) FROM digest WHERE owner = ? AND conversation = ? AND seq >= ? "
            "GROUP BY branch",
            (*place, turn.first),
        ).fetchall()
        # A digest stands at a place of its own branch, so one answer holds for all of a branch.
        database.executemany(
            "DELETE FROM digest WHERE owner = ? AND conversation = ? AND branch = ? AND seq >= ?",
            [
                (*place, branch, turn.first)
                for branch, seq in tips
                if parents.lead_to(Position(branch, seq), Position(turn.branch, turn.first))
            ],
        )
