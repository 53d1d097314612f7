"""Statements that append: begin, extend, close and settle turns; move the tip.

Each append is a short transaction that checks the lease's fence first. Nothing
is written while an engine streams, except pieces of the reply.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...conversation.items import Item, TurnState, assistant
from ...conversation.log import START, Position
from ...errors import Conflict, ConversationError, UsageError
from ..base import Conversation, Lease, Turn
from ..ids import make_tag
from .conversations import Place, find_place
from .database import Database
from .leases import check_lease, holds_lease
from .postings import index_new
from .rows import PARTIAL, dump_body, dump_json, plain
from .turns import SELECT_TURNS, find_turn, join_pieces, load_turn_row

AT_ONCE_CHARACTERS = (
    20_000  # of many turns that come at once, indexed at once: some 20 ms; the rest in upkeep
)
DIED = "The process that was answering ended before its reply was complete: ask again."
FENCED_OUT = "Another process took the conversation over before this reply came; it was kept beside it."


@dataclass(frozen=True, slots=True)
class Finished:
    """How closing a turn went. `fenced_out`: the lease was lost, and the reply kept beside the tip."""

    turn: Turn
    place: Place
    fenced_out: bool


def begin_turn(
    database: Database,
    owner: str,
    conversation: str,
    items: Sequence[Item],
    after: Position,
    lease: Lease,
    now: float,
) -> Turn:
    """Insert an open turn with its first items behind `after`."""
    check_lease(database, lease)
    if not items:
        raise UsageError("A turn begins with at least one item: give the user's message.")
    place, _ = find_place(database, owner, conversation)
    _check_position(database, place, after)
    return _insert_turn(database, place, [dump_body(item) for item in items], after, now)


def begin_at(
    database: Database,
    place: Place,
    items: Sequence[Item],
    after: Position | None,
    row: Conversation,
    now: float,
) -> Turn:
    """Insert an open turn with its first items behind `after` (None: the tip), where the lease is held."""
    if not items:
        raise UsageError("A turn begins with at least one item: give the user's message.")
    if after is not None:
        _check_position(database, place, after)
    bodies = [dump_body(item) for item in items]
    return _insert_turn(
        database, place, bodies, row.tip if after is None else after, now, first=row.turns == 0
    )


def append_items(
    database: Database,
    owner: str,
    conversation: str,
    number: int,
    items: Sequence[Item],
    lease: Lease,
    now: float,
) -> Turn:
    """Insert more items at the end of an open turn."""
    check_lease(database, lease)
    place, _ = find_place(database, owner, conversation)
    turn = _load_open_turn(database, place, number)
    _append_to_turn(database, place, turn, map(dump_body, items), now)
    return find_turn(database, place, number)


def save_partial(
    database: Database, owner: str, conversation: str, number: int, text: str, lease: Lease
) -> None:
    """Insert a further piece of an open turn's reply."""
    check_lease(database, lease)
    place, _ = find_place(database, owner, conversation)
    _load_open_turn(database, place, number)
    key = (*place, number)
    database.execute(
        "INSERT INTO piece (owner, conversation, turn, number, body) "
        "SELECT ?, ?, ?, coalesce(max(number), 0) + 1, ? FROM piece "
        "WHERE owner = ? AND conversation = ? AND turn = ?",
        (*key, dump_json(text), *key),
    )


def finish_turn(
    database: Database,
    owner: str,
    conversation: str,
    number: int,
    state: TurnState,
    items: Sequence[Item],
    receipt: Mapping[str, Any] | None,  # Any: JSON values of context/receipt.py
    error: str | None,
    lease: Lease,
    now: float,
) -> Finished:
    """Append the reply and close the turn; a writer that was fenced out keeps its reply beside the tip."""
    place, _ = find_place(database, owner, conversation)
    if not holds_lease(database, lease):
        return _finish_beside(database, place, number, state, items, receipt, now)
    turn = _load_open_turn(database, place, number)
    turn = _close_turn(database, place, turn, map(dump_body, items), state, receipt, error, now)
    if state == "done" or (state == "cut_off" and items):
        _point_tip(database, place, turn.tip, now)
    return Finished(turn, place, fenced_out=False)


def _finish_beside(
    database: Database,
    place: Place,
    number: int,
    state: TurnState,
    items: Sequence[Item],
    receipt: Mapping[str, Any] | None,  # Any: JSON values of context/receipt.py
    now: float,
) -> Finished:
    turn = find_turn(database, place, number)
    if not items:
        return Finished(
            turn, place, fenced_out=True
        )  # nothing to keep; whoever holds the lease settles the turn
    if turn.state != "open":
        # The new holder has settled it: a closed turn is never reopened. The
        # reply becomes a turn of its own, as a second answer to the same question.
        rows = database.execute(
            "SELECT kind, body FROM item WHERE owner = ? AND conversation = ? AND branch = ? "
            "AND seq BETWEEN ? AND ? AND kind <> ? ORDER BY seq",
            (*place, turn.branch, turn.first, turn.last, PARTIAL),
        ).fetchall()
        turn = _insert_turn(database, place, rows, turn.after, now)
    turn = _close_turn(database, place, turn, map(dump_body, items), state, receipt, FENCED_OUT, now)
    return Finished(turn, place, fenced_out=True)


def settle_turns(database: Database, owner: str, conversation: str, lease: Lease, now: float) -> list[Turn]:
    """Close open turns as failed; what came of their replies becomes their last item."""
    check_lease(database, lease)
    place, _ = find_place(database, owner, conversation)
    rows = database.execute(
        # Named, or the planner walks through all turns by number to save the sorting of none or one.
        SELECT_TURNS
        + "INDEXED BY turn_open WHERE owner = ? AND conversation = ? AND state = 'open' ORDER BY number",
        place,
    ).fetchall()
    settled = []
    for turn in map(load_turn_row, rows):
        partial = join_pieces(database, place, turn.number)
        bodies = [(PARTIAL, dump_body(assistant(partial))[1])] if partial else []
        settled.append(_close_turn(database, place, turn, bodies, "failed", None, DIED, now))
    return settled


def append_turns(
    database: Database,
    owner: str,
    conversation: str,
    turns: Sequence[Sequence[Item]],
    after: Position,
    lease: Lease,
    now: float,
) -> list[Turn]:
    """Insert finished turns one behind the other, and point the tip at the last."""
    check_lease(database, lease)
    bodies = [[dump_body(item) for item in items] for items in turns]
    if not bodies or not all(bodies):
        raise UsageError("A turn has at least one item, and there is at least one turn: give some.")
    place, _ = find_place(database, owner, conversation)
    _check_position(database, place, after)
    branch = _branch_for(database, place, after)
    (last,) = database.execute(
        "UPDATE conversation SET turns = turns + ? WHERE owner = ? AND number = ? RETURNING turns",
        (len(bodies), *place),
    ).fetchone()
    appended, room = list[Turn](), AT_ONCE_CHARACTERS
    for number, items in enumerate(bodies, last - len(bodies) + 1):
        room -= sum(len(body) for _, body in items)
        turn = _done_turn(number, branch, after, len(items), now)
        _insert_done_turn(database, place, turn, items, indexed=room > 0)
        appended.append(turn)
        after = turn.tip
    _point_tip(database, place, after, now)
    return appended


def _done_turn(number: int, branch: int, after: Position, items: int, now: float) -> Turn:
    return Turn(
        number=number,
        branch=branch,
        after=after,
        first=after.seq + 1,
        last=after.seq + items,
        state="done",
        error=None,
        created=now,
        finished=now,
    )


def _insert_done_turn(
    database: Database, place: Place, turn: Turn, bodies: Sequence[tuple[str, str]], *, indexed: bool
) -> None:
    database.execute(
        "INSERT INTO turn (owner, conversation, number, branch, first, last, after_branch, state, created, finished) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *place,
            turn.number,
            turn.branch,
            turn.first,
            turn.last,
            turn.after.branch,
            turn.state,
            turn.created,
            turn.finished,
        ),
    )
    _insert_items(
        database,
        place,
        turn.branch,
        turn.first,
        turn.number,
        bodies,
        turn.created,
        begins=True,
        indexed=indexed,
    )


def move_tip(
    database: Database, owner: str, conversation: str, to: Position, lease: Lease, now: float
) -> None:
    """Point the conversation at an item, or at its start."""
    check_lease(database, lease)
    place, _ = find_place(database, owner, conversation)
    _check_position(database, place, to)
    _point_tip(database, place, to, now)


def _load_open_turn(database: Database, place: Place, number: int) -> Turn:
    turn = find_turn(database, place, number)
    if turn.state != "open":
        raise Conflict(f"Turn {number} is closed ({turn.state}): begin another one.")
    return turn


def _check_position(database: Database, place: Place, at: Position) -> None:
    """Refuse a place where nothing stands, or that belongs to a turn still open.

    The items of a turn follow each other without a gap, so nothing may be
    appended behind an open one.
    """
    if at == START:
        return
    row = database.execute(
        "SELECT turn.number, turn.state FROM item JOIN turn "
        "ON turn.owner = item.owner AND turn.conversation = item.conversation AND turn.number = item.turn "
        "WHERE item.owner = ? AND item.conversation = ? AND item.branch = ? AND item.seq = ?",
        (*place, at.branch, at.seq),
    ).fetchone()
    if row is None:
        raise ConversationError(
            f"There is no item {at.seq} on branch {at.branch}: load the conversation again."
        )
    if row[1] == "open":
        raise Conflict(f"Turn {row[0]} is still being answered: wait for it, or settle it first.")


def _insert_turn(
    database: Database,
    place: Place,
    bodies: Sequence[tuple[str, str]],
    after: Position,
    now: float,
    *,
    first: bool = False,
) -> Turn:
    """Insert an open turn; `first`: nothing was ever said in the conversation before."""
    branch = after.branch if first else _branch_for(database, place, after)
    (number,) = database.execute(
        "UPDATE conversation SET turns = turns + 1, updated = ? WHERE owner = ? AND number = ? RETURNING turns",
        (now, *place),
    ).fetchone()
    begin, last = after.seq + 1, after.seq + len(bodies)
    database.execute(
        "INSERT INTO turn (owner, conversation, number, branch, first, last, after_branch, state, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?)",
        (*place, number, branch, begin, last, after.branch, now),
    )
    _insert_items(database, place, branch, begin, number, bodies, now, begins=True)
    return Turn(
        number=number,
        branch=branch,
        after=after,
        first=begin,
        last=last,
        state="open",
        error=None,
        created=now,
        finished=None,
    )


def _branch_for(database: Database, place: Place, after: Position) -> int:
    """The branch of what follows `after`: its own, or a new one where something follows already."""
    taken = database.execute(
        "SELECT 1 FROM item WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
        (*place, after.branch, after.seq + 1),
    ).fetchone()
    if taken is None:
        return after.branch
    (branch,) = database.execute(
        "UPDATE conversation SET branches = branches + 1 WHERE owner = ? AND number = ? RETURNING branches",
        place,
    ).fetchone()
    database.execute(
        "INSERT INTO branch (owner, conversation, number, parent, fork) VALUES (?, ?, ?, ?, ?)",
        (*place, branch, after.branch, after.seq),
    )
    return int(branch)


def _insert_items(
    database: Database,
    place: Place,
    branch: int,
    first: int,
    turn: int,
    bodies: Iterable[tuple[str, str]],
    now: float,
    *,
    begins: bool = False,
    indexed: bool = True,
) -> int:
    """Insert items from seq `first` on; returns the seq of the last one, `first` - 1 if there are none."""
    seq, inserted = first - 1, list[tuple[int, int, str, str, float]]()
    for kind, body in bodies:
        seq += 1
        inserted.append((branch, seq, kind, body, now))
        database.execute(
            "INSERT INTO item (owner, conversation, branch, seq, turn, kind, tag, created, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, branch, seq, turn, kind, make_tag(), now, body),
        )
    if inserted and indexed:
        index_new(database, place, turn, inserted, begins=begins)
    return seq


def _append_to_turn(
    database: Database, place: Place, turn: Turn, bodies: Iterable[tuple[str, str]], now: float
) -> None:
    last = _insert_items(database, place, turn.branch, turn.last + 1, turn.number, bodies, now)
    database.execute(
        "UPDATE turn SET last = ? WHERE owner = ? AND conversation = ? AND number = ?",
        (last, *place, turn.number),
    )


def _close_turn(
    database: Database,
    place: Place,
    turn: Turn,
    bodies: Iterable[tuple[str, str]],
    state: TurnState,
    receipt: Mapping[str, Any] | None,  # Any: JSON values of context/receipt.py
    error: str | None,
    now: float,
) -> Turn:
    last = _insert_items(database, place, turn.branch, turn.last + 1, turn.number, bodies, now)
    key = (*place, turn.number)
    database.execute("DELETE FROM piece WHERE owner = ? AND conversation = ? AND turn = ?", key)
    database.execute(
        "UPDATE turn SET last = ?, state = ?, error = ?, receipt = ?, finished = ? "
        "WHERE owner = ? AND conversation = ? AND number = ?",
        (
            last,
            state,
            None if error is None else plain(error),
            None if receipt is None else dump_json(receipt),
            now,
            *key,
        ),
    )
    return replace(turn, last=last, state=state, error=None if error is None else plain(error), finished=now)


def _point_tip(database: Database, place: Place, tip: Position, now: float) -> None:
    database.execute(
        "UPDATE conversation SET tip_branch = ?, tip_seq = ?, updated = ? WHERE owner = ? AND number = ?",
        (tip.branch, tip.seq, now, *place),
    )
