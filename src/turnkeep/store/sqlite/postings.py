"""Statements for the word index of conversations.

Items are indexed in the transaction that inserts them. A conversation that was not (made by
an older turnkeep, or indexed under other terms) is indexed in slices, turn by turn; until
that has caught up, new turns wait for it, so the index always covers a conversation's
first turns without a gap.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ...context.ranking import Found, Postings, choose_terms
from ...context.words import VERSION, index_terms, term_key
from ...conversation.items import Message
from ...conversation.log import Position, Range
from ..base import Elsewhere, IndexProgress, StoredItem
from ..ids import conversation_id
from .conversations import Place, find_place
from .database import Database
from .extents import PARTS, Side, count_holding, count_items, dump_ranges, find_side
from .paths import Parents
from .rows import SELECT_ITEMS, dump_json, load_body, load_stored, plain

TABLES = ("posting", "word", "extent", "indexed")
INDEXED_ROLES = ("user", "assistant")  # not tool results, which are long and nobody said them
SLICE_TURNS = 50  # indexed at a time, so that turns go on meanwhile: some 20 ms
MOST_ROWS = 5_000  # of one term; where all of a long conversation's words are common, the newest count
MOST_CONVERSATIONS = 50  # looked into by one search over all of an owner's
ROUND, ROUND_KEYS = 32, 16  # values of a statement come in multiples of this

_Rows = Iterable[tuple[int, int, str, str, float]]  # branch, seq, kind, body, created


# -- writing ----------------------------------------------------------------------------------------
def index_new(database: Database, place: Place, turn: int, rows: _Rows, *, begins: bool) -> None:
    """Index items that were just inserted, unless turns before them are still to be indexed.

    Args:
        database: where.
        place: the conversation.
        turn: their turn's number.
        rows: the items.
        begins: whether they are the turn's first.
    """
    state = None
    if turn > 1 or not begins:  # else nothing was said before, and nothing is indexed
        state = database.execute(
            "SELECT version, turn FROM indexed WHERE owner = ? AND conversation = ?", place
        ).fetchone()
    version, done = state or (VERSION, 0)
    # A turn whose first items are not indexed waits whole, or the slice that comes for it would miss them.
    if version == VERSION and done >= (turn - 1 if begins else turn):
        _index_rows(database, place, max(done, turn), rows)


def index_rewritten(database: Database, place: Place, places: Sequence[Position]) -> None:
    """Index items anew that were taken out of the index and rewritten; those of turns still to come wait for theirs."""
    done = _indexed_turns(database, place)
    rows = [
        row
        for at in places
        for row in database.execute(
            "SELECT branch, seq, kind, body, created FROM item "
            "WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ? AND turn <= ?",
            (*place, at.branch, at.seq, done),
        )
    ]
    if rows:
        _index_rows(database, place, done, rows)


def index_slice(database: Database, owner: str, conversation: str) -> IndexProgress:
    """Index the next turns of a conversation that were not indexed when they were said."""
    place, _ = find_place(database, owner, conversation)
    (turns,) = database.execute(
        "SELECT turns FROM conversation WHERE owner = ? AND number = ?", place
    ).fetchone()
    done = _indexed_turns(database, place)
    if done < turns:
        upto = min(turns, done + SLICE_TURNS)
        rows = database.execute(
            "SELECT item.branch, item.seq, item.kind, item.body, item.created FROM turn JOIN item "
            "ON item.owner = turn.owner AND item.conversation = turn.conversation "
            "AND item.branch = turn.branch AND item.seq BETWEEN turn.first AND turn.last "
            "WHERE turn.owner = ? AND turn.conversation = ? AND turn.number > ? AND turn.number <= ?",
            (*place, done, upto),
        ).fetchall()
        _index_rows(database, place, upto, rows)
        done = upto
    return IndexProgress(done=done, turns=turns)


def _indexed_turns(database: Database, place: Place) -> int:
    """How many turns are indexed; forgets an index of other terms."""
    state = database.execute(
        "SELECT version, turn FROM indexed WHERE owner = ? AND conversation = ?", place
    ).fetchone()
    if state is None or state[0] == VERSION:
        return 0 if state is None else int(state[1])
    for table in TABLES:
        database.execute(f"DELETE FROM {table} WHERE owner = ? AND conversation = ?", place)  # noqa: S608 - our own names
    return 0


def _index_rows(database: Database, place: Place, turn: int, rows: _Rows) -> None:
    items, words = 0, 0
    digest = database.term_digests(*place)
    for branch, seq, kind, body, created in rows:
        item = load_body(kind, body) if kind in INDEXED_ROLES else None
        terms = index_terms(item.text, created) if isinstance(item, Message) else {}
        length = sum(terms.values())
        items, words = items + bool(terms), words + length
        counts: dict[int, int] = {}
        for term, count in terms.items():
            number = digest(term_key(term))
            counts[number] = counts.get(number, 0) + count
        if counts:
            _index_item(database, place, Position(branch, seq), counts, length)
    database.execute(
        "INSERT INTO indexed (owner, conversation, version, turn, items, words) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (owner, conversation) DO UPDATE "
        "SET turn = excluded.turn, items = items + excluded.items, words = words + excluded.words",
        (*place, VERSION, turn, items, words),
    )


def _index_item(
    database: Database, place: Place, at: Position, counts: Mapping[int, int], length: int
) -> None:
    """Insert an item's terms: a statement for all of them, since each statement lets go of Python's lock."""
    # Sorted, so that neighbours in the tree are written one after another; names of an object, so that
    # SQLite has nothing to take apart.
    terms = dump_json({term: counts[term] for term in sorted(counts)})
    database.execute(
        "INSERT INTO posting (owner, conversation, term, seq, branch, count, length) "
        "SELECT ?1, ?2, key, ?3, ?4, value, ?5 FROM json_each(?6)",
        (*place, at.seq, at.branch, length, terms),
    )
    database.execute(
        "INSERT INTO extent (owner, conversation, branch, seq, words) VALUES (?, ?, ?, ?, ?)",
        (*place, at.branch, at.seq, length),
    )
    database.execute(
        "INSERT INTO word (owner, conversation, term, items) SELECT ?1, ?2, key, 1 FROM json_each(?3) WHERE true "
        "ON CONFLICT (owner, conversation, term) DO UPDATE SET items = items + 1",
        (*place, terms),
    )


# -- reading ----------------------------------------------------------------------------------------
class PathIndex:
    """The index of the items on the path to a tip; valid within one transaction. Implements `Index`.

    Raises:
        ConversationNotFound: when made, where the owner has no conversation of that id.
    """

    def __init__(self, database: Database, owner: str, conversation: str, tip: Position) -> None:
        self._database = database
        self._place, self._key = find_place(database, owner, conversation)
        self._digest = database.term_digests(*self._place)
        self._path = _load_path(database, self._place, tip)
        self._tip = tip

    def postings(self, keys: Sequence[int], *, upto: int) -> Postings:
        """Load the postings of the rarest of these terms, of items up to seq `upto`.

        What a term weighs is counted on the whole path, and on nothing beside it.
        """
        items, words, side = self._totals()
        whole = self._holding(keys) if items else {}  # or there is no index, or one of other terms
        holding = whole if side is None else self._share_holding(side, whole)
        path = _cut_path(self._path, upto)
        rare, others = choose_terms(holding, items)
        return Postings(
            items=items,
            words=words,
            found={
                key: Found(items=held, rows=self._load_rows(key, path, held, whole[key] - held))
                for key, held in ((key, holding[key]) for key in rare)
            },
            left={key: holding[key] for key in others},
            path=path,
        )

    def _totals(self) -> tuple[int, int, Side | None]:
        """Indexed items of the path, their terms in all; the side that was counted, None where there is but one."""
        row = self._database.execute(
            "SELECT items, words, (SELECT branches FROM conversation WHERE number = ?2), "
            "EXISTS (SELECT 1 FROM item WHERE owner = ?1 AND conversation = ?2 AND branch = ?3 AND seq = ?4) "
            "FROM indexed WHERE owner = ?1 AND conversation = ?2 AND version = ?5",
            (*self._place, self._tip.branch, self._tip.seq + 1, VERSION),
        ).fetchone()
        items, words, branches, goes_on = row or (0, 0, 0, False)
        if not items or not (branches or goes_on):
            return items, words, None
        side = find_side(self._database, self._place, self._path, branches)
        counted = count_items(self._database, self._place, side)
        return side.share(items, counted[0]), side.share(words, counted[1]), side

    def _holding(self, keys: Sequence[int]) -> dict[int, int]:
        """How many items of the whole conversation hold each of these terms; those that none holds are missing."""
        terms = {self._digest(key): key for key in keys}
        marked = _padded(list(terms), ROUND_KEYS)
        select = f"SELECT term, items FROM word WHERE owner = ? AND conversation = ? AND term IN ({_marks(marked)})"  # noqa: S608 - marks only
        rows = self._database.execute(select, (*self._place, *marked))
        return {terms[term]: items for term, items in rows}

    def _share_holding(self, side: Side, whole: Mapping[int, int]) -> dict[int, int]:
        """The same for the path alone."""
        terms = {self._digest(key): key for key in whole}
        holding = {term: whole[key] for term, key in terms.items()}
        counted = count_holding(self._database, self._place, side, self._path, holding)
        return {terms[term]: items for term, items in counted.items() if items}

    def _load_rows(
        self, key: int, path: Sequence[Range], held: int, beside: int
    ) -> list[tuple[int, int, int]]:
        term = self._digest(key)
        if beside > held + len(path):
            return _find_rows(self._database, self._place, term, path)
        return _load_rows(self._database, self._place, term, path, beside)

    def postings_at(self, holding: Mapping[int, int], places: Sequence[int]) -> dict[int, Found]:
        """Load the postings of these terms at these places."""
        places = _padded(places)
        select = (
            "SELECT seq, count, length, branch FROM posting WHERE owner = ? AND conversation = ? AND term = ? "  # noqa: S608 - marks only
            f"AND seq IN ({_marks(places)})"
        )
        return {
            key: Found(
                items=items,
                rows=_on_path(
                    self._database.execute(select, (*self._place, self._digest(key), *places)), self._path
                ),
            )
            for key, items in holding.items()
        }

    def gaps(self, places: Sequence[int]) -> set[int]:
        """Find which of these places hold no message of user or assistant."""
        gaps: set[int] = set()
        for branch, seqs in self._by_branch(places):
            rows = self._database.execute(
                "SELECT seq FROM item INDEXED BY item_aside WHERE owner = ? AND conversation = ? AND branch = ? "  # noqa: S608 - marks only
                f"AND kind NOT IN ('user', 'assistant') AND seq IN ({_marks(seqs)})",
                (*self._place, branch, *seqs),
            )
            gaps.update(seq for (seq,) in rows)
        return gaps

    def items(self, places: Sequence[int]) -> list[StoredItem]:
        """Load the items at these places; a place behind the tip gives none."""
        items: list[StoredItem] = []
        for branch, seqs in self._by_branch(places):
            rows = self._database.execute(
                SELECT_ITEMS
                + f"WHERE owner = ? AND conversation = ? AND branch = ? AND seq IN ({_marks(seqs)})",
                (*self._place, branch, *seqs),
            )
            items.extend(load_stored(self._key, row) for row in rows)
        return items

    def embedded(self, embedder: str) -> int:
        """Load up to which turn the conversation has vectors of that embedder."""
        row = self._database.execute(
            "SELECT turn FROM embedded WHERE owner = ? AND conversation = ? "
            "AND embedder = (SELECT number FROM embedder WHERE name = ?)",
            (*self._place, plain(embedder)),
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _by_branch(self, places: Sequence[int]) -> list[tuple[int, list[int]]]:
        parts = [
            (part.branch, [seq for seq in places if part.after < seq <= part.upto]) for part in self._path
        ]
        return [(branch, _padded(seqs)) for branch, seqs in parts if seqs]


def load_elsewhere(database: Database, owner: str, keys: Sequence[int], apart: str | None) -> list[Elsewhere]:
    """Load the postings of these terms in an owner's conversations, each on the path to its own tip.

    Those that hold the rarest of the terms come first; weights are taken over all of them together.
    """
    found = database.execute("SELECT number FROM owner WHERE name = ?", (plain(owner),)).fetchone()
    if found is None or not keys:
        return []
    (number,) = found
    without = find_place(database, owner, apart)[0].conversation if apart is not None else None
    items, words = database.execute(
        "SELECT coalesce(sum(items), 0), coalesce(sum(words), 0) FROM indexed "
        "WHERE owner = ? AND version = ? AND conversation IS NOT ?",
        (number, VERSION, without),
    ).fetchone()
    by_term: dict[int, list[tuple[int, int]]] = {}
    find = _find_sealed_words if database.sealed else _find_words
    for term, conversation, count in find(database, number, keys, without):
        by_term.setdefault(term, []).append((conversation, count))
    holding = {term: sum(count for _, count in pairs) for term, pairs in by_term.items()}
    rare, others = choose_terms(holding, items)
    chosen: dict[int, list[int]] = {}
    for term in (*rare, *others):
        for conversation, _ in by_term[term]:
            if conversation in chosen or (len(chosen) < MOST_CONVERSATIONS and term in rare):
                chosen.setdefault(conversation, []).append(term)
    return [
        _load_one(
            database, Place(number, conversation), {term: holding[term] for term in terms}, items, words
        )
        for conversation, terms in chosen.items()
    ]


def _find_words(
    database: Database, owner: int, keys: Sequence[int], without: int | None
) -> Iterable[tuple[int, int, int]]:
    """Term, conversation and count of these terms in an owner's conversations but one."""
    return database.execute(
        "SELECT term, conversation, items FROM word INDEXED BY word_owner "  # noqa: S608 - marks only
        f"WHERE owner = ? AND term IN ({_marks(keys)}) AND conversation IS NOT ? "
        "AND conversation IN (SELECT conversation FROM indexed WHERE owner = ? AND version = ?)",
        (owner, *keys, without, owner, VERSION),
    )


def _find_sealed_words(
    database: Database, owner: int, keys: Sequence[int], without: int | None
) -> Iterable[tuple[int, int, int]]:
    """The same where each conversation's terms are digests of its own."""
    conversations = database.execute(
        "SELECT conversation FROM indexed WHERE owner = ? AND version = ? AND conversation IS NOT ?",
        (owner, VERSION, without),
    ).fetchall()
    for (conversation,) in conversations:
        digest = database.term_digests(owner, conversation)
        terms = {digest(key): key for key in keys}
        rows = database.execute(
            f"SELECT term, items FROM word WHERE owner = ? AND conversation = ? AND term IN ({_marks(terms)})",  # noqa: S608 - marks only
            (owner, conversation, *terms),
        )
        yield from ((terms[term], conversation, items) for term, items in rows)


def _load_one(
    database: Database, place: Place, holding: Mapping[int, int], items: int, words: int
) -> Elsewhere:
    key, name, branch, seq = database.execute(
        "SELECT key, name, tip_branch, tip_seq FROM conversation WHERE owner = ? AND number = ?", place
    ).fetchone()
    tip = Position(branch, seq)
    path = _load_path(database, place, tip)
    digest = database.term_digests(*place)
    found = {
        term: Found(items=count, rows=_load_rows(database, place, digest(term), path))
        for term, count in holding.items()
    }
    return Elsewhere(
        conversation=conversation_id(key),
        name=name,
        tip=tip,
        postings=Postings(items=items, words=words, found=found, left={}, path=path),
    )


def _load_path(database: Database, place: Place, tip: Position) -> tuple[Range, ...]:
    """The ranges that lead to `tip`."""
    return Parents(database, place).path(tip)


def _cut_path(path: Sequence[Range], upto: int) -> tuple[Range, ...]:
    """The ranges as far as seq `upto`."""
    return tuple(Range(part.branch, part.after, min(part.upto, upto)) for part in path if part.after < upto)


def _load_rows(
    database: Database, place: Place, key: int, path: Sequence[Range], beside: int = 0
) -> list[tuple[int, int, int]]:
    """Place, count and length of the items on a path that hold a term, the newest of them.

    Goes through all items that hold it, on whatever branch; `beside` says how many are not on the path.
    """
    if not path:
        return []
    if len(path) == 1:
        (only,) = path
        return database.execute(
            "SELECT seq, count, length FROM posting WHERE owner = ? AND conversation = ? AND term = ? "
            "AND seq > ? AND seq <= ? AND branch = ? ORDER BY seq DESC LIMIT ?",
            (*place, key, only.after, only.upto, only.branch, MOST_ROWS),
        ).fetchall()
    rows = database.execute(
        "SELECT seq, count, length, branch FROM posting WHERE owner = ? AND conversation = ? AND term = ? "
        "AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ?",
        (*place, key, path[0].after, path[-1].upto, MOST_ROWS + beside),
    ).fetchall()
    return _on_path(rows, path)[:MOST_ROWS]


def _find_rows(
    database: Database, place: Place, key: int, path: Sequence[Range]
) -> list[tuple[int, int, int]]:
    """The same, looked up in each range of the path."""
    return database.execute(
        PARTS + "SELECT seq, count, length FROM part CROSS JOIN posting "  # noqa: S608 - our own words
        "WHERE owner = ? AND conversation = ? "
        "AND term = ? AND seq > after AND seq <= upto AND posting.branch = part.branch ORDER BY seq DESC LIMIT ?",
        (dump_ranges(path), *place, key, MOST_ROWS),
    ).fetchall()


def _on_path(rows: Iterable[tuple[int, int, int, int]], path: Sequence[Range]) -> list[tuple[int, int, int]]:
    parts = {part.branch: part for part in path}  # a path enters a branch once
    return [
        (seq, count, length)
        for seq, count, length, branch in rows
        if (part := parts.get(branch)) is not None and part.after < seq <= part.upto
    ]


def _padded(values: Sequence[int], round_to: int = ROUND) -> list[int]:
    """The values, the last one repeated up to a round number: statements of few lengths are compiled once."""
    return [*values, *list(values[-1:]) * (-len(values) % round_to)]


def _marks(values: Collection[Any]) -> str:  # Any: only their number counts
    return ", ".join("?" * len(values))
