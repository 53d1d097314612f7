"""Statements along one path of the tree: the log, its turns, ancestry, counted sizes.

A path is a few ranges of branches (conversation/log.py). Only the branches
between the cut and the tip are looked up, and each range is one search of an
index, so reading the log after the cut costs the same however long the
conversation is and however often it was forked before.
"""

from collections.abc import Mapping

from ...conversation.log import Position, Range, is_ancestor, trace_path
from ...errors import ConversationError
from ..base import StoredItem, Turn
from .conversations import Place, find_place
from .database import Database
from .rows import SELECT_ITEMS, load_stored, plain
from .turns import SELECT_TURNS, load_turn_row


class Parents(dict[int, Position]):
    """Where each branch of a conversation was forked, looked up when first asked for."""

    def __init__(self, database: Database, place: Place) -> None:
        super().__init__()
        self._database = database
        self._place = place

    def __missing__(self, branch: int) -> Position:
        row = self._database.execute(
            "SELECT parent, fork FROM branch WHERE owner = ? AND conversation = ? AND number = ?",
            (*self._place, branch),
        ).fetchone()
        if row is None:
            raise ConversationError(f"There is no branch {branch}: load the conversation again.")
        self[branch] = Position(*row)
        return self[branch]

    def path(self, tip: Position, after: int = 0) -> tuple[Range, ...]:
        """The ranges that lead to `tip`, oldest first, without seq <= `after`."""
        after = max(0, after)
        if tip.branch and tip.branch not in self:
            self._climb(tip.branch, after)
        return trace_path(self, tip, after)

    def _climb(self, branch: int, after: int) -> None:
        """Look up all the branches on the way down to seq `after` at once: a path may lead through hundreds."""
        rows = self._database.execute(
            "WITH RECURSIVE way (number, parent, fork) AS ("
            "SELECT number, parent, fork FROM branch WHERE owner = ?1 AND conversation = ?2 AND number = ?3 "
            "UNION ALL SELECT below.number, below.parent, below.fork FROM way JOIN branch AS below "
            "ON below.owner = ?1 AND below.conversation = ?2 AND below.number = way.parent WHERE way.fork > ?4"
            ") SELECT number, parent, fork FROM way",
            (*self._place, branch, after),
        )
        self.update({number: Position(parent, fork) for number, parent, fork in rows})

    def lead_to(self, tip: Position, position: Position) -> bool:
        """Tell whether `position` lies on the path to `tip`."""
        if position.seq > tip.seq:
            return False
        return is_ancestor(self.path(tip, position.seq - 1), position)


def load_log(
    database: Database,
    owner: str,
    conversation: str,
    tip: Position,
    after: int,
    limit: int | None,
    kind: str | None = None,
) -> list[StoredItem]:
    """Load the items on the path to `tip` with seq > `after`, oldest first: of the `limit` newest, those of a kind."""
    place, key = find_place(database, owner, conversation)
    if limit is not None:
        after = max(after, tip.seq - limit)  # seq rises by one along a path
    items: list[StoredItem] = []
    for part in Parents(database, place).path(tip, after):
        rows = database.execute(
            SELECT_ITEMS + "WHERE owner = ? AND conversation = ? AND branch = ? AND seq > ? AND seq <= ? "
            "AND (? IS NULL OR kind = ?) ORDER BY seq",
            (*place, part.branch, part.after, part.upto, kind, kind),
        )
        items.extend(load_stored(key, row) for row in rows)
    return items


def load_span(
    database: Database, owner: str, conversation: str, tip: Position, after: int, upto: int
) -> list[StoredItem]:
    """Load the items on the path to `tip` with `after` < seq <= `upto`, oldest first."""
    place, key = find_place(database, owner, conversation)
    items: list[StoredItem] = []
    for part in Parents(database, place).path(tip, after):
        rows = database.execute(
            SELECT_ITEMS
            + "WHERE owner = ? AND conversation = ? AND branch = ? AND seq > ? AND seq <= ? ORDER BY seq",
            (*place, part.branch, part.after, min(part.upto, upto)),
        )
        items.extend(load_stored(key, row) for row in rows)
    return items


def load_turns(
    database: Database, owner: str, conversation: str, tip: Position, after: int, last: int | None
) -> list[Turn]:
    """Load the turns on the path to `tip` that begin after seq `after`, at most the `last` ones."""
    place, _ = find_place(database, owner, conversation)
    parents = Parents(database, place)
    if last is None:
        return _load_turns_between(database, place, parents.path(tip, after))
    # A turn is two items as a rule and any number by right: look back until there are enough.
    span = 4 * last
    while True:
        begin = max(after, tip.seq - span)
        turns = _load_turns_between(database, place, parents.path(tip, begin))
        if len(turns) >= last or begin == after:
            return turns[-last:] if last > 0 else []
        span *= 2


def _load_turns_between(database: Database, place: Place, path: tuple[Range, ...]) -> list[Turn]:
    turns: list[Turn] = []
    for part in path:
        rows = database.execute(
            SELECT_TURNS
            + "WHERE owner = ? AND conversation = ? AND branch = ? AND first > ? AND first <= ? ORDER BY first",
            (*place, part.branch, part.after, part.upto),
        )
        turns.extend(load_turn_row(row) for row in rows)
    return turns


def is_on_path(database: Database, owner: str, conversation: str, position: Position, tip: Position) -> bool:
    """Tell whether `position` lies on the path to `tip`."""
    place, _ = find_place(database, owner, conversation)
    return Parents(database, place).lead_to(tip, position)


def save_sizes(
    database: Database, owner: str, conversation: str, tokenizer: str, sizes: Mapping[Position, int]
) -> None:
    """Keep counted tokens of items; a size that is kept already stays."""
    place, _ = find_place(database, owner, conversation)
    database.execute("INSERT OR IGNORE INTO tokenizer (name) VALUES (?)", (plain(tokenizer),))
    number = _find_tokenizer(database, tokenizer)
    database.executemany(
        "INSERT OR IGNORE INTO size (owner, conversation, tokenizer, branch, seq, tokens) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [(*place, number, at.branch, at.seq, tokens) for at, tokens in sizes.items()],
    )


def load_sizes(
    database: Database, owner: str, conversation: str, tokenizer: str, tip: Position, after: int
) -> dict[Position, int]:
    """Load kept sizes of the items on the path to `tip` after seq `after`."""
    place, _ = find_place(database, owner, conversation)
    number = _find_tokenizer(database, tokenizer)
    if number is None:
        return {}
    sizes: dict[Position, int] = {}
    for part in Parents(database, place).path(tip, after):
        rows = database.execute(
            "SELECT seq, tokens FROM size WHERE owner = ? AND conversation = ? AND tokenizer = ? "
            "AND branch = ? AND seq > ? AND seq <= ?",
            (*place, number, part.branch, part.after, part.upto),
        )
        sizes.update({Position(part.branch, seq): tokens for seq, tokens in rows})
    return sizes


def _find_tokenizer(database: Database, name: str) -> int | None:
    row = database.execute("SELECT number FROM tokenizer WHERE name = ?", (plain(name),)).fetchone()
    return None if row is None else int(row[0])
