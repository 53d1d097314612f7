"""Statements for vectors: what is embedded, and what is still to be.

Turns are embedded in the order of their numbers, whole and once they are closed, so that one
number says how far a conversation has come, and a reader asks for what came after the
turn it knows.
"""

from collections.abc import Sequence

from ...conversation.items import Message
from ...conversation.log import Position
from ..base import IndexProgress, StoredItem, StoredVector, Unembedded
from .conversations import Place, find_place
from .database import Database
from .postings import INDEXED_ROLES
from .rows import plain
from .turns import load_page


def find_unembedded(
    database: Database, owner: str, conversation: str, embedder: str, limit: int
) -> Unembedded:
    """Find what to embed next: the messages of at most `limit` closed turns."""
    place, _ = find_place(database, owner, conversation)
    done = _embedded_turns(database, place, _find_embedder(database, embedder))
    upto, items = done, list[StoredItem]()
    for turn, stored in load_page(database, owner, conversation, done, limit):
        if turn.state == "open":
            break
        upto = turn.number
        if turn.state != "failed":  # never on a path
            items += [each for each in stored if _is_embedded(each)]
    return Unembedded(after=done, upto=upto, items=items)


def _is_embedded(stored: StoredItem) -> bool:
    item = stored.item
    return isinstance(item, Message) and item.role in INDEXED_ROLES and bool(item.text.strip())


def save_vectors(
    database: Database,
    owner: str,
    conversation: str,
    embedder: str,
    batch: Unembedded,
    vectors: Sequence[bytes],
) -> bool:
    """Keep the vectors of a batch, unless another process has kept some of it meanwhile; tells whether."""
    place, _ = find_place(database, owner, conversation)
    database.execute("INSERT OR IGNORE INTO embedder (name) VALUES (?)", (plain(embedder),))
    number = _find_embedder(database, embedder)
    assert number is not None
    if _embedded_turns(database, place, number) != batch.after:
        return False
    forgotten = _forgotten_places(database, place)  # while their vectors were made
    database.executemany(
        "INSERT INTO vector (owner, conversation, embedder, turn, seq, branch, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (*place, number, each.turn, each.at.seq, each.at.branch, vector)
            for each, vector in zip(batch.items, vectors, strict=True)
            if each.at not in forgotten
        ],
    )
    database.execute(
        "INSERT INTO embedded (owner, conversation, embedder, turn) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (owner, conversation, embedder) DO UPDATE SET turn = excluded.turn",
        (*place, number, batch.upto),
    )
    return True


def _forgotten_places(database: Database, place: Place) -> set[Position]:
    rows = database.execute(
        "SELECT branch, seq FROM item INDEXED BY item_aside WHERE owner = ? AND conversation = ? "
        "AND kind NOT IN ('user', 'assistant') AND kind = 'forgotten'",
        place,
    )
    return {Position(branch, seq) for branch, seq in rows}


def load_vectors(
    database: Database, owner: str, conversation: str, embedder: str, after: int, limit: int
) -> list[StoredVector]:
    """Load the vectors of turns numbered above `after`, in their order: whole turns, about `limit` vectors."""
    place, _ = find_place(database, owner, conversation)
    number = _find_embedder(database, embedder)
    if number is None:
        return []
    rows = database.execute(
        "SELECT turn, branch, seq, body FROM vector WHERE owner = ? AND conversation = ? AND embedder = ? "
        "AND turn > ? ORDER BY turn, seq LIMIT ?",
        (*place, number, after, limit),
    ).fetchall()
    if len(rows) == limit:  # the last turn may be here in part: its rest comes with it
        last = rows[-1][0]
        rows = [row for row in rows if row[0] != last] + database.execute(
            "SELECT turn, branch, seq, body FROM vector WHERE owner = ? AND conversation = ? AND embedder = ? "
            "AND turn = ? ORDER BY seq",
            (*place, number, last),
        ).fetchall()
    return [StoredVector(turn=turn, at=Position(branch, seq), body=body) for turn, branch, seq, body in rows]


def measure_embedded(database: Database, owner: str, conversation: str, embedder: str) -> IndexProgress:
    """Say how far a conversation is embedded."""
    place, _ = find_place(database, owner, conversation)
    (turns,) = database.execute(
        "SELECT turns FROM conversation WHERE owner = ? AND number = ?", place
    ).fetchone()
    return IndexProgress(
        done=_embedded_turns(database, place, _find_embedder(database, embedder)), turns=turns
    )


def drop_other_vectors(database: Database, owner: str, conversation: str, embedder: str) -> None:
    """Throw away the vectors of other embedders."""
    place, _ = find_place(database, owner, conversation)
    number = _find_embedder(database, embedder)
    for table in ("vector", "embedded"):
        database.execute(
            f"DELETE FROM {table} WHERE owner = ? AND conversation = ? AND embedder IS NOT ?",  # noqa: S608 - our own names
            (*place, number),
        )


def _embedded_turns(database: Database, place: Place, embedder: int | None) -> int:
    row = database.execute(
        "SELECT turn FROM embedded WHERE owner = ? AND conversation = ? AND embedder = ?", (*place, embedder)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _find_embedder(database: Database, name: str) -> int | None:
    row = database.execute("SELECT number FROM embedder WHERE name = ?", (plain(name),)).fetchone()
    return None if row is None else int(row[0])
