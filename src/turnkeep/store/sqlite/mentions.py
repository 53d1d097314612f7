"""Statements that take a value out of a conversation, wherever it is mentioned.

A message that mentions it is kept, with a mark in the value's place (context/mentions.py). Lines of summaries
that rest on its turn are withdrawn, and asked for again of what is left; lines that were recalled from it go,
whole, since half of the value may stand where a long message was cut to be quoted. Facts, notes, names and
instructions get the mark. What only stands for the old words (vectors, digests, streamed
events, claims, aliases that hold it) goes; aliases of an encrypted store are digests, which tell nothing.
"""

from collections.abc import Collection, Sequence
from typing import Any

from ...context.mentions import Mention
from ...context.notes import forget_in_view
from ...context.view import dump_view, load_view
from ...conversation.items import Message
from ...conversation.log import Position
from ...errors import StoreDamaged
from ..base import StoredItem
from .conversations import Place
from .database import Database
from .digests import drop_digests
from .forget import forget_copies, forget_elsewhere, mark_newest, replace_item, unindex_items
from .gone import leaves
from .marks import forget_unsaid, forget_values
from .postings import index_rewritten
from .responses import drop_claims, drop_compactions, forget_events
from .rows import SELECT_ITEMS, dump_json, load_body, load_json, load_mapping, load_stored
from .turns import find_turn

# Column -> whether it holds JSON. Every text of a conversation's but its items and views.
_COLUMNS: dict[str, tuple[tuple[str, bool], ...]] = {
    "turn": (("error", False), ("receipt", True)),
    "instructions": (("text", False),),
    "conversation": (("name", False), ("metadata", True)),
    "response": (("error", False), ("model", False), ("metadata", True), ("head", True)),
    "piece": (("body", True),),
    "view_key": (("text", False),),
}


def find_mentions(database: Database, place: Place, value: str) -> bool:
    """Tell whether a conversation mentions a value anywhere."""
    mention = Mention(value)
    bodies = database.execute(
        "SELECT body FROM item WHERE owner = ? AND conversation = ? UNION ALL "
        "SELECT body FROM view WHERE owner = ? AND conversation = ? UNION ALL "
        "SELECT body FROM response_event WHERE owner = ? AND conversation = ? UNION ALL "
        "SELECT text FROM alias WHERE owner = ? AND conversation = ?",
        place * 4,
    )
    if any(_is_in(mention, body) for (body,) in bodies if isinstance(body, str)):  # else an alias's digest
        return True
    return any(
        _is_in(mention, text)
        for table, columns in _COLUMNS.items()
        for column, _ in columns
        for _, text in _texts(database, place, table, column)
    )


def _is_in(mention: Mention, text: str) -> bool:
    # As it is stored first: escapes apart it is what was said, and parsing it takes ten times as long.
    return mention.is_in(text) or ("\\" in text and any(map(mention.is_in, leaves(text))))


def take_copies(database: Database, place: Place, key: str, value: str) -> frozenset[int]:
    """Take lines out that any conversation of the owner's recalled from messages that mention a value.

    Before any message is rewritten: by its words a line is known elsewhere.

    Returns:
        The turns of this conversation that had such lines.
    """
    mention = Mention(value)
    rows = database.execute(
        SELECT_ITEMS + "WHERE owner = ? AND conversation = ? AND kind IN ('user', 'assistant')", place
    ).fetchall()
    said = [load_stored(key, row) for row in rows if _is_in(mention, row[-1])]
    if not said:
        return frozenset()
    forget_elsewhere(database, place, said)
    return frozenset(forget_copies(database, place, key, {each.turn for each in said}))


def rewrite_mentions(
    database: Database, place: Place, key: str, value: str, copied: Collection[int] = ()
) -> tuple[int, ...]:
    """Put the mark in the place of every mention.

    Args:
        database: what it stands in.
        place: the conversation.
        key: its own.
        value: what is forgotten.
        copied: what `take_copies` gave.

    Returns:
        The turns whose items, errors or receipts were changed, `copied` among them.
    """
    mention = Mention(value)
    changed = _rewrite_items(database, place, key, mention)
    numbers = sorted({*copied, *(each.turn for each in changed)})
    turns = [find_turn(database, place, number) for number in numbers]
    drop_digests(database, place, turns)
    drop_claims(database, place)
    forget_events(database, place)  # instructions and metadata stand in there too
    _drop_aliases(database, place, mention)
    _rewrite_views(database, place, numbers, mention)
    told = set[int]()
    for table, columns in _COLUMNS.items():
        for column, is_json in columns:
            keys = _rewrite_column(database, place, table, column, is_json, mention)
            told |= {*keys} if table == "turn" else set()
    drop_compactions(database, place)
    _forget_marks(database, place, mention)
    forget_unsaid(database, place)
    mark_newest(database, place, numbers)
    return tuple(sorted({*numbers, *told}))


def _rewrite_items(database: Database, place: Place, key: str, mention: Mention) -> list[StoredItem]:
    rows = database.execute(SELECT_ITEMS + "WHERE owner = ? AND conversation = ?", place).fetchall()
    changed = [load_stored(key, row) for row in rows if _is_in(mention, row[-1])]
    spoken = [each for each in changed if isinstance(each.item, Message)]
    unindex_items(database, place, spoken)
    for each in changed:
        (kind, body) = database.execute(
            "SELECT kind, body FROM item WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
            (*place, each.at.branch, each.at.seq),
        ).fetchone()
        item = load_body(kind, dump_json(mention.rewrite_json(load_json(body))))
        replace_item(database, place, each.at, item)
    index_rewritten(database, place, [each.at for each in spoken])
    if spoken:
        _embed_again(database, place, min(each.turn for each in spoken))
    return changed


def _forget_marks(database: Database, place: Place, mention: Mention) -> None:
    """Take values that mention it, or a part of it, out of the map of marks."""
    rows = database.execute(
        "SELECT value FROM mark WHERE owner = ? AND conversation = ? AND value IS NOT NULL", place
    ).fetchall()
    forget_values(database, place, [value for (value,) in rows if mention.is_in(value)])


def _embed_again(database: Database, place: Place, turn: int) -> None:
    """Drop the vectors from a turn on: upkeep makes them in the order of turns, and goes back to there."""
    database.execute(
        "DELETE FROM vector WHERE owner = ? AND conversation = ? "
        "AND embedder IN (SELECT number FROM embedder) AND turn >= ?",
        (*place, turn),
    )
    database.execute(
        "UPDATE embedded SET turn = ? WHERE owner = ? AND conversation = ? AND turn >= ?",
        (turn - 1, *place, turn),
    )


def _drop_aliases(database: Database, place: Place, mention: Mention) -> None:
    aliases = database.execute(
        "SELECT text FROM alias WHERE owner = ? AND conversation = ?", place
    ).fetchall()
    database.executemany(
        "DELETE FROM alias WHERE owner = ? AND text = ?",
        [(place.owner, text) for (text,) in aliases if isinstance(text, str) and mention.is_in(text)],
    )


def _rewrite_views(database: Database, place: Place, turns: Sequence[int], mention: Mention) -> None:
    rows = database.execute(
        "SELECT number, at_branch, at_seq, body FROM view WHERE owner = ? AND conversation = ?", place
    ).fetchall()
    for number, branch, seq, body in rows:
        view = load_view(number, Position(branch, seq), load_mapping(body))
        stripped = forget_in_view(view, turns)
        # Facts are words of the messages, which stay with a mark: so do they. What was made of them goes.
        kept = {**dump_view(stripped), "facts": dump_view(view)["facts"]}
        left = dump_json(mention.rewrite_json(kept))
        if left != body:
            database.execute(
                "UPDATE view SET body = ? WHERE owner = ? AND conversation = ? AND number = ?",
                (left, *place, number),
            )


def _rewrite_column(
    database: Database, place: Place, table: str, column: str, is_json: bool, mention: Mention
) -> list[int]:
    """Put the mark into a column; returns what the changed rows are known by."""
    changed = []
    for rowid, text in _texts(database, place, table, column):
        if not _is_in(mention, text):
            continue
        left = dump_json(mention.rewrite_json(load_json(text))) if is_json else mention.rewrite(text)
        if table == "conversation" and column == "name":
            left = _free_name(database, place, left)
        key = _key_of(table)
        database.execute(
            f"UPDATE {table} SET {column} = ? WHERE owner = ? AND {_conversation(table)} = ? AND {key} = ?",  # noqa: S608 - our own names
            (left, *place, rowid),
        )
        changed.append(rowid)
    return changed


def _texts(database: Database, place: Place, table: str, column: str) -> list[tuple[Any, str]]:
    """A column's texts, each with what its row is known by within the conversation."""
    return database.execute(
        f"SELECT {_key_of(table)}, {column} FROM {table} "  # noqa: S608 - our own names
        f"WHERE owner = ? AND {_conversation(table)} = ? AND {column} IS NOT NULL",
        place,
    ).fetchall()


def _key_of(table: str) -> str:
    return "turn" if table == "piece" else "number"  # an open turn's pieces; there are none while we hold it


def _conversation(table: str) -> str:
    return "number" if table == "conversation" else "conversation"


def _free_name(database: Database, place: Place, name: str) -> str:
    """The name, or with a number behind it where another conversation of the owner's has it."""
    for attempt in range(1, 1_000_000):
        free = name if attempt == 1 else f"{name} {attempt}"
        taken = database.execute(
            "SELECT 1 FROM conversation WHERE owner = ? AND name = ? AND number <> ?",
            (place[0], free, place[1]),
        ).fetchone()
        if taken is None:
            return free
    raise StoreDamaged(f"Too many conversations are named {name!r}: rename some.")
