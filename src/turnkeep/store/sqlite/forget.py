"""Statements that forget a turn: the one place where what was said is taken back out.

Everything in one transaction: the text of its items, their words and vectors and sizes, copies that
were recalled later, notes and lines of views that rest on it. Tombstones with the same ids and
times stay, so that nothing that stands behind moves. What is overwritten is zeroed in the
file (`secure_delete`); the caller empties the write-ahead log.
"""

from collections.abc import Collection, Iterable, Sequence

from ...context.notes import forget_in_view
from ...context.view import dump_view, load_view
from ...context.words import VERSION, index_terms, term_key
from ...conversation.items import Forgotten, Item, Message, Note, Recalled
from ...conversation.log import Position
from ...errors import Conflict
from ..base import Lease, StoredItem, Turn
from .conversations import Place, find_place
from .database import Database
from .leases import check_lease
from .postings import INDEXED_ROLES
from .rows import SELECT_ITEMS, dump_body, dump_json, load_mapping, load_stored
from .turns import SELECT_TURNS, find_turn, load_items_of, load_turn_row

FAILED = "It was forgotten."  # in place of why a forgotten turn failed, which may quote it


def forget_turn(
    database: Database, owner: str, conversation: str, number: int, lease: Lease, now: float
) -> tuple[int, ...]:
    """Forget a turn and those asked with the same words in its place; returns their numbers."""
    check_lease(database, lease)
    place, key = find_place(database, owner, conversation)
    turn = find_turn(database, place, number)
    if turn.state == "open":
        raise Conflict(f"Turn {number} is still being answered: wait for it, or stop it first.")
    turns = _turns_alike(database, place, key, turn)
    items = [item for each in turns for item in load_items_of(database, place, key, each)]
    numbers = [each.number for each in turns]
    _unindex(database, place, items)
    for each in turns:
        _drop_derived(database, place, each)
    for item in items:
        _bury(database, place, item)
    texts = _forget_in_views(database, place, numbers, items)
    _forget_quotations(database, place, key, numbers, items, texts)
    _forget_in_receipts(database, place, numbers)
    database.execute("UPDATE conversation SET updated = ? WHERE owner = ? AND number = ?", (now, *place))
    return tuple(numbers)


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
def _unindex(database: Database, place: Place, items: Sequence[StoredItem]) -> None:
    """Take items out of the index of words, and its totals."""
    state = database.execute(
        "SELECT version FROM indexed WHERE owner = ? AND conversation = ?", place
    ).fetchone()
    if state is None:
        return
    if state[0] != VERSION:  # under which terms they stand is not known any more; upkeep makes it anew
        for table in ("posting", "word", "indexed"):
            database.execute(f"DELETE FROM {table} WHERE owner = ? AND conversation = ?", place)  # noqa: S608 - our own names
        return
    for each in items:
        if isinstance(each.item, Message) and each.item.role in INDEXED_ROLES:
            _unindex_item(database, place, each.at, index_terms(each.item.text, each.created))


def _unindex_item(database: Database, place: Place, at: Position, terms: dict[str, int]) -> None:
    gone = [
        term
        for term in sorted({term_key(term) for term in terms})
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


def _bury(database: Database, place: Place, stored: StoredItem) -> None:
    """Put a tombstone in an item's place."""
    if not isinstance(stored.item, Forgotten):
        (kind,) = database.execute(
            "SELECT kind FROM item WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
            (*place, stored.at.branch, stored.at.seq),
        ).fetchone()
        _replace(database, place, stored.at, Forgotten(kind))


def _replace(database: Database, place: Place, at: Position, item: Item) -> None:
    database.execute(
        "UPDATE item SET kind = ?, body = ? WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
        (*dump_body(item), *place, at.branch, at.seq),
    )
    _drop_sizes(database, place, at.branch, at.seq, at.seq)


# -- what quotes them -------------------------------------------------------------------------------
def _forget_in_views(
    database: Database, place: Place, turns: Collection[int], items: Iterable[StoredItem]
) -> set[str]:
    """Strip what rests on the turns from all views; returns the texts of the lines that went."""
    noted = {each.item.text for each in items if isinstance(each.item, Note) and each.item.text}
    gone: set[str] = set()
    rows = database.execute(
        "SELECT number, at_branch, at_seq, body FROM view WHERE owner = ? AND conversation = ?", place
    ).fetchall()
    for number, branch, seq, body in rows:
        view = load_view(number, Position(branch, seq), load_mapping(body))
        stripped = forget_in_view(view, turns, noted)
        if stripped != view:
            gone |= {line.text for line in view.lines} - {line.text for line in stripped.lines}
            database.execute(
                "UPDATE view SET body = ? WHERE owner = ? AND conversation = ? AND number = ?",
                (dump_json(dump_view(stripped)), *place, number),
            )
    return gone


def _forget_quotations(
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
    rows = database.execute(
        SELECT_ITEMS + "INDEXED BY item_aside WHERE owner = ? AND conversation = ? "
        "AND kind NOT IN ('user', 'assistant') AND kind IN ('recalled', 'note')",
        place,
    ).fetchall()
    for stored in (load_stored(key, row) for row in rows):
        item = stored.item
        if isinstance(item, Recalled) and set(item.turns) & set(turns):
            _replace(database, place, stored.at, _without(item, turns))
        elif isinstance(item, Note) and (
            item in notes or item.turn in turns or (item.turn and item.text in said) or item.old in lines
        ):
            _replace(database, place, stored.at, Forgotten("note"))


def _without(item: Recalled, turns: Collection[int]) -> Item:
    kept = [(line, turn) for line, turn in zip(item.lines, item.turns, strict=True) if turn not in turns]
    if not kept:
        return Forgotten("recalled")
    return Recalled(tuple(line for line, _ in kept), tuple(turn for _, turn in kept))


def _forget_in_receipts(database: Database, place: Place, turns: Collection[int]) -> None:
    """Take what may be text out of the turns' receipts; the newest receipt of all says that the prompt's front moves."""
    for number in turns:
        database.execute(
            "UPDATE turn SET error = CASE WHEN error IS NULL THEN NULL ELSE ? END "
            "WHERE owner = ? AND conversation = ? AND number = ?",
            (FAILED, *place, number),
        )
    newest = database.execute(
        "SELECT max(number) FROM turn WHERE owner = ? AND conversation = ? AND receipt IS NOT NULL", place
    ).fetchone()
    for number in {*turns, *newest} - {None}:
        (text,) = database.execute(
            "SELECT receipt FROM turn WHERE owner = ? AND conversation = ? AND number = ?", (*place, number)
        ).fetchone()
        if text is None:
            continue
        receipt = dict(load_mapping(text))
        if number in turns:
            receipt.pop("notices", None)
        if number in newest:
            receipt["forgotten"] = sorted({*receipt.get("forgotten", ()), *turns})
        database.execute(
            "UPDATE turn SET receipt = ? WHERE owner = ? AND conversation = ? AND number = ?",
            (dump_json(receipt), *place, number),
        )
