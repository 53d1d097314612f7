"""Statements that forget a turn: the one place where what was said is taken back out.

Everything in one transaction: the text of its items, their words and vectors and sizes, copies that
were recalled later, notes and lines of views that rest on it. Tombstones with the same ids and
times stay, so that nothing that stands behind moves. What is overwritten is zeroed in the
file (`secure_delete`); the caller empties the write-ahead log.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import compress
from typing import Any

from ...context.notes import forget_in_view
from ...context.recall import quote_message
from ...context.view import dump_view, load_view
from ...context.words import VERSION, index_terms, term_key
from ...conversation.items import Forgotten, Item, Message, Note, Recalled, Text
from ...conversation.log import Position
from ...errors import Conflict
from ..base import Lease, StoredItem, Turn
from .aliases import drop_all_aliases, tags_of
from .conversations import Place, find_place
from .database import Database
from .digests import drop_digests
from .leases import check_lease
from .marks import forget_unsaid
from .postings import INDEXED_ROLES, TABLES
from .responses import drop_compactions, drop_responses
from .rows import SELECT_ITEMS, dump_body, dump_json, load_body, load_mapping, load_stored
from .turns import SELECT_TURNS, find_turn, load_items_of, load_turn_row

FAILED = "It was forgotten."  # in place of why a forgotten turn failed, which may quote it


def forget_turn(
    database: Database,
    owner: str,
    conversation: str,
    number: int,
    lease: Lease,
    now: float,
    alike: bool = True,
) -> tuple[int, ...]:
    """Forget a turn and, if `alike`, those asked with the same words in its place; returns their numbers."""
    check_lease(database, lease)
    place, key = find_place(database, owner, conversation)
    turn = find_turn(database, place, number)
    if turn.state == "open":
        raise Conflict(f"Turn {number} is still being answered: wait for it, or stop it first.")
    turns = _turns_alike(database, place, key, turn) if alike else [turn]
    take_turns_out(database, place, key, turns)
    database.execute("UPDATE conversation SET updated = ? WHERE owner = ? AND number = ?", (now, *place))
    return tuple(each.number for each in turns)


def take_turns_out(database: Database, place: Place, key: str, turns: Sequence[Turn]) -> None:
    """Take closed turns of a conversation out, with all that was made of them."""
    items = [item for each in turns for item in load_items_of(database, place, key, each)]
    numbers = [each.number for each in turns]
    unindex_items(database, place, items)
    for each in turns:
        _drop_derived(database, place, each)
    drop_digests(database, place, turns)
    drop_responses(database, place, key, numbers)
    drop_compactions(database, place)
    drop_all_aliases(database, place, tags_of(items))
    for item in items:
        bury_item(database, place, item)
    texts = forget_in_views(database, place, numbers, items)
    forget_quotations(database, place, key, numbers, items, texts)
    forget_elsewhere(database, place, items)
    clean_receipts(database, place, numbers)
    mark_newest(database, place, numbers)
    forget_unsaid(database, place)


def _turns_alike(database: Database, place: Place, key: str, turn: Turn) -> list[Turn]:
    """The turn, and others in its place with the same words: it was answered more than once."""
    rows = database.execute(
        SELECT_TURNS
        + "WHERE owner = ? AND conversation = ? AND first = ? AND after_branch = ? AND state <> 'open' "
        "ORDER BY number",
        (*place, turn.first, turn.after.branch),
    ).fetchall()
    words = _said(load_items_of(database, place, key, turn))
    return [
        each
        for each in map(load_turn_row, rows)
        if each.number == turn.number or words & _said(load_items_of(database, place, key, each))
    ]


def _said(items: Iterable[StoredItem]) -> set[Item]:
    return {each.item for each in items if isinstance(each.item, Message) and each.item.role == "user"}


# -- what was made of its items ---------------------------------------------------------------------
def unindex_items(database: Database, place: Place, items: Sequence[StoredItem]) -> None:
    """Take items out of the index of words, and its totals."""
    state = database.execute(
        "SELECT version FROM indexed WHERE owner = ? AND conversation = ?", place
    ).fetchone()
    if state is None:
        return
    if state[0] != VERSION:  # under which terms they stand is not known any more; upkeep makes it anew
        for table in TABLES:
            database.execute(f"DELETE FROM {table} WHERE owner = ? AND conversation = ?", place)  # noqa: S608 - our own names
        return
    for each in items:
        if isinstance(each.item, Message) and each.item.role in INDEXED_ROLES:
            _unindex_item(database, place, each.at, index_terms(each.item.text, each.created))


def _unindex_item(database: Database, place: Place, at: Position, terms: dict[str, int]) -> None:
    digest = database.term_digests(*place)
    gone = [
        term
        for term in sorted({digest(term_key(term)) for term in terms})
        if database.execute(
            "DELETE FROM posting WHERE owner = ? AND conversation = ? AND term = ? AND seq = ? AND branch = ?",
            (*place, term, at.seq, at.branch),
        ).rowcount
    ]
    if not gone:
        return  # its turn was not indexed yet
    database.executemany(
        "UPDATE word SET items = items - 1 WHERE owner = ? AND conversation = ? AND term = ?",
        [(*place, term) for term in gone],
    )
    database.executemany(
        "DELETE FROM word WHERE owner = ? AND conversation = ? AND term = ? AND items <= 0",
        [(*place, term) for term in gone],
    )
    database.execute(
        "DELETE FROM extent WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
        (*place, at.branch, at.seq),
    )
    database.execute(
        "UPDATE indexed SET items = items - 1, words = words - ? WHERE owner = ? AND conversation = ?",
        (sum(terms.values()), *place),
    )


def _drop_derived(database: Database, place: Place, turn: Turn) -> None:
    """Drop vectors and sizes of a turn's items."""
    database.execute(
        "DELETE FROM vector WHERE owner = ? AND conversation = ? "
        "AND embedder IN (SELECT number FROM embedder) AND turn = ?",
        (*place, turn.number),
    )
    _drop_sizes(database, place, turn.branch, turn.first, turn.last)


def _drop_sizes(database: Database, place: Place, branch: int, first: int, last: int) -> None:
    database.execute(
        "DELETE FROM size WHERE owner = ? AND conversation = ? "
        "AND tokenizer IN (SELECT number FROM tokenizer) AND branch = ? AND seq BETWEEN ? AND ?",
        (*place, branch, first, last),
    )


def bury_item(database: Database, place: Place, stored: StoredItem) -> None:
    """Put a tombstone in an item's place."""
    if not isinstance(stored.item, Forgotten):
        (kind,) = database.execute(
            "SELECT kind FROM item WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
            (*place, stored.at.branch, stored.at.seq),
        ).fetchone()
        replace_item(database, place, stored.at, Forgotten(kind))


def replace_item(database: Database, place: Place, at: Position, item: Item) -> None:
    """Put another item, or its rest, in an item's place."""
    database.execute(
        "UPDATE item SET kind = ?, body = ? WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
        (*dump_body(item), *place, at.branch, at.seq),
    )
    _drop_sizes(database, place, at.branch, at.seq, at.seq)


# -- what quotes them -------------------------------------------------------------------------------
def forget_in_views(
    database: Database, place: Place, turns: Collection[int], items: Iterable[StoredItem]
) -> set[str]:
    """Strip what rests on the turns from all views; returns the texts of the lines that went."""
    items = list(items)
    noted = {each.item.text for each in items if isinstance(each.item, Note) and each.item.text}
    said = [each.item.text for each in items if isinstance(each.item, Message)]
    gone: set[str] = set()
    rows = database.execute(
        "SELECT number, at_branch, at_seq, body FROM view WHERE owner = ? AND conversation = ?", place
    ).fetchall()
    for number, branch, seq, body in rows:
        view = load_view(number, Position(branch, seq), load_mapping(body))
        stripped = forget_in_view(view, turns, noted, said)
        if stripped != view:
            gone |= {line.text for line in view.lines} - {line.text for line in stripped.lines}
            database.execute(
                "UPDATE view SET body = ? WHERE owner = ? AND conversation = ? AND number = ?",
                (dump_json(dump_view(stripped)), *place, number),
            )
    return gone


def forget_quotations(
    database: Database,
    place: Place,
    key: str,
    turns: Collection[int],
    items: Iterable[StoredItem],
    lines: Collection[str],
) -> None:
    """Take the turns' words out of recalled copies, and bury the notes that pin or correct what they said."""
    said = {each.item.text.strip() for each in items if isinstance(each.item, Message)}
    notes = {
        each.item for each in items if isinstance(each.item, Note)
    }  # carried along, they stand elsewhere too
    forget_copies(database, place, key, turns)
    for stored in _load_aside(database, place, key, "note"):
        item = stored.item
        if isinstance(item, Note) and (
            item in notes or item.turn in turns or (item.turn and item.text in said) or item.old in lines
        ):
            replace_item(database, place, stored.at, Forgotten("note"))


def forget_copies(database: Database, place: Place, key: str, turns: Collection[int]) -> set[int]:
    """Take lines out that a conversation recalled from turns of its own; returns the turns that had any."""
    had = set[int]()
    for stored in _load_aside(database, place, key, "recalled"):
        if isinstance(stored.item, Recalled) and set(stored.item.turns) & set(turns):
            replace_item(database, place, stored.at, _without(stored.item, turns))
            had.add(stored.turn)
    return had


def _load_aside(database: Database, place: Place, key: str, kind: str) -> list[StoredItem]:
    rows = database.execute(
        SELECT_ITEMS + "INDEXED BY item_aside WHERE owner = ? AND conversation = ? "
        "AND kind NOT IN ('user', 'assistant') AND kind = ?",
        (*place, kind),
    ).fetchall()
    return [load_stored(key, row) for row in rows]


def _without(item: Recalled, turns: Collection[int]) -> Item:
    return _keep(item, [turn not in turns for turn in item.turns])


def _keep(item: Recalled, kept: Sequence[bool]) -> Item:
    """Leave lines out of a recalled item."""
    if not any(kept):
        return Forgotten("recalled")
    return Recalled(tuple(compress(item.lines, kept)), tuple(compress(item.turns, kept)))


def forget_elsewhere(database: Database, place: Place, items: Iterable[StoredItem]) -> None:
    """Take lines that the owner's other conversations recalled from the turns out of these.

    Such lines name no turn (`turns` holds 0): they are known by what they quote.
    """
    quoted = _Quoted(items)
    rows = database.execute(
        "SELECT conversation, branch, seq, kind, body FROM item INDEXED BY item_aside WHERE owner = ? "
        "AND conversation <> ? AND kind NOT IN ('user', 'assistant') AND kind = 'recalled'",
        place,
    ).fetchall()
    for conversation, branch, seq, kind, body in rows:
        item = load_body(kind, body)
        assert isinstance(item, Recalled)
        kept = [turn != 0 or not quoted.by(line) for line, turn in zip(item.lines, item.turns, strict=True)]
        if not all(kept):
            other = Place(place.owner, conversation)
            replace_item(database, other, Position(branch, seq), _keep(item, kept))
            mark_newest(database, other, (0,))


class _Quoted:
    """Tells whether a line quotes one of many messages, as context/recall.py tells it of one."""

    def __init__(self, items: Iterable[StoredItem]) -> None:
        self._lines: set[str] = set()
        parts: dict[str, list[str]] = {}
        for each in items:
            if isinstance(each.item, Message):
                self._lines.add(quote_message(each.item, said=each.created))
                head = quote_message(Message(each.item.role, (Text(""),)), said=each.created)
                parts.setdefault(head, []).append("".join(each.item.text.split()))
        self._said = {head: "\0".join(texts) for head, texts in parts.items()}

    def by(self, line: str) -> bool:
        """Whether the line quotes one of them, or a part of it."""
        if line in self._lines:
            return True
        name, mark, rest = line.partition(": ")
        part = "".join(rest.removeprefix("… ").removesuffix(" …").split())
        return bool(part) and part in self._said.get(name + mark, "")


# -- receipts ---------------------------------------------------------------------------------------
def clean_receipts(database: Database, place: Place, turns: Iterable[int]) -> None:
    """Take what may be text out of the turns' own receipts."""
    for number in turns:
        database.execute(
            "UPDATE turn SET error = CASE WHEN error IS NULL THEN NULL ELSE ? END "
            "WHERE owner = ? AND conversation = ? AND number = ?",
            (FAILED, *place, number),
        )
        receipt = _load_receipt(database, place, number)
        if receipt and receipt.pop("notices", None):
            _save_receipt(database, place, number, receipt)


def mark_newest(database: Database, place: Place, turns: Iterable[int]) -> None:
    """Have the newest receipt say that turns were forgotten since: so the next prompt's front moves."""
    (newest,) = database.execute(
        "SELECT max(number) FROM turn WHERE owner = ? AND conversation = ? AND receipt IS NOT NULL", place
    ).fetchone()
    receipt = None if newest is None else _load_receipt(database, place, newest)
    if receipt is not None:
        receipt["forgotten"] = sorted({*receipt.get("forgotten", ()), *turns})
        _save_receipt(database, place, newest, receipt)


def _load_receipt(database: Database, place: Place, number: int) -> dict[str, Any] | None:  # Any: JSON values
    (text,) = database.execute(
        "SELECT receipt FROM turn WHERE owner = ? AND conversation = ? AND number = ?", (*place, number)
    ).fetchone()
    return None if text is None else dict(load_mapping(text))


def _save_receipt(
    database: Database,
    place: Place,
    number: int,
    receipt: dict[str, Any],  # Any: JSON values
) -> None:
    database.execute(
        "UPDATE turn SET receipt = ? WHERE owner = ? AND conversation = ? AND number = ?",
        (dump_json(receipt), *place, number),
    )
