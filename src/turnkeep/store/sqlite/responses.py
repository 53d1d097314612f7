"""Statements for responses: what was asked for beside the words, how it stands, and what hangs on it.

A response's words are its turn's. Its row goes when it is deleted; what continues it knows its tag still.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import Conflict, ConversationNotFound, UsageError
from ..base import Turn
from ..ids import ParsedId, completion_id, conversation_id, parse_id, response_id
from ..ledger import DeletedResponse, NewResponse, Order, ResponseKind, ResponseStatus, StoredResponse
from .aliases import drop_all_aliases, find_parsed
from .conversations import Place, find_place
from .database import Database
from .rows import dump_json, load_mapping, plain
from .turns import SELECT_TURNS, find_turn, load_turn_row

_COLUMNS = (
    "SELECT response.tag, owner.name, conversation.key, response.kind, response.turn, response.previous, "
    "response.given, response.status, response.error, response.keeper, response.model, response.metadata, "
    "response.head, response.created FROM "
)
_WHOSE = (
    " JOIN owner ON owner.number = response.owner "
    "JOIN conversation ON conversation.owner = response.owner AND conversation.number = response.conversation "
)
_SELECT = f"{_COLUMNS} response {_WHOSE}"
_IS_GOING = "(response.status IS NULL OR response.status = 'queued')"
# Spelt out, not bound, so that the planner sees that the index of one kind will do.
_IS_OF_KIND: dict[ResponseKind, str] = {
    "response": "response.kind = 'response'",
    "chat_completion": "response.kind = 'chat_completion'",
}
FORGOTTEN = "forgotten"  # in a head: something that its events may say was forgotten
_BEHIND_ALL = (1 << 63) - 1  # no row has a greater number
_ID_KINDS: dict[str, ResponseKind] = {"resp": "response", "chatcmpl": "chat_completion"}
# Whoever works on it holds a lease: nobody does when that is given back or has run out.
_IS_DEAD = (
    "NOT EXISTS (SELECT 1 FROM lease WHERE lease.subject = {subject} "
    "AND lease.holder IS NOT NULL AND lease.expires > ?)"
)
_OWN_SUBJECT = "'conversation:conv_' || conversation.key"


def save_response(database: Database, owner: str, response: NewResponse) -> StoredResponse:
    """Insert a response under its id."""
    parsed = _parse_new(response)
    place, _ = find_place(database, owner, parsed.conversation)
    if response.turn is not None:
        find_turn(database, place, response.turn)
    tag, *rest = _insert(database, place, parsed, response)
    return _response((tag, plain(owner), parsed.key, *rest[:5], None, *rest[5:]))


def save_completion(database: Database, place: Place, turn: int, completion: NewResponse) -> None:
    """Insert the completion that a turn answers, while that is written."""
    _insert(database, place, _parse_new(completion), replace(completion, turn=turn))


def _parse_new(response: NewResponse) -> ParsedId:
    parsed = parse_id(response.id)
    if parsed is None or _ID_KINDS.get(parsed.kind) != response.kind:
        raise UsageError(
            f"{response.id!r} is no id of a {response.kind.replace('_', ' ')}: make one with store/ids.py."
        )
    return parsed


def _insert(database: Database, place: Place, parsed: ParsedId, response: NewResponse) -> tuple[object, ...]:
    """Insert a row, and return what it holds behind its place."""
    row = (
        parsed.tag,
        response.kind,
        response.turn,
        _previous_tag(parsed, response.previous),
        response.conversation_given,
        response.status,
        _plain(response.keeper),
        _plain(response.model),
        dump_json(response.metadata) if response.metadata else None,
        dump_json(response.head),
        response.created,
    )
    try:
        database.execute(
            "INSERT INTO response (owner, conversation, tag, kind, turn, previous, given, status, keeper, model, "
            "metadata, head, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, *row),
        )
    except sqlite3.IntegrityError as error:
        raise Conflict(f"There is a response {response.id!r} already: make another id.") from error
    return row


def _previous_tag(parsed: ParsedId, previous: str | None) -> int | None:
    if previous is None:
        return None
    before = parse_id(previous)
    if before is None or (before.kind, before.key) != (parsed.kind, parsed.key):
        raise UsageError(f"{previous!r} is of another conversation: a response continues one of its own.")
    return before.tag


def load_response(database: Database, owner: str, response: str) -> StoredResponse:
    """Load by id or alias."""
    place, tag = find_response(database, owner, response)
    return _load(database, place, tag)


def find_response(database: Database, owner: str, response: str) -> tuple[Place, int]:
    """Find the conversation and tag of a response by id or alias.

    Raises:
        ConversationNotFound: the owner has none of that id.
    """
    parsed = find_parsed(database, owner, response)
    if parsed is None or parsed.kind not in _ID_KINDS or parsed.tag is None:
        raise _not_found(response)
    row = database.execute(
        "SELECT response.owner, response.conversation FROM response JOIN conversation "
        "ON conversation.owner = response.owner AND conversation.number = response.conversation "
        "WHERE conversation.owner = (SELECT number FROM owner WHERE name = ?) AND conversation.key = ? "
        "AND response.tag = ? AND response.kind = ?",
        (plain(owner), parsed.key, parsed.tag, _ID_KINDS[parsed.kind]),
    ).fetchone()
    if row is None:
        raise _not_found(response)
    return Place(*row), parsed.tag


def find_response_of_turn(
    database: Database, owner: str, conversation: str, turn: int
) -> StoredResponse | None:
    """Find the newest response that a turn answered."""
    place, _ = find_place(database, owner, conversation)
    row = database.execute(
        _SELECT + "WHERE response.owner = ? AND response.conversation = ? AND response.turn = ? "
        "ORDER BY response.number DESC LIMIT 1",
        (*place, turn),
    ).fetchone()
    return None if row is None else _response(row)


def mark_response(
    database: Database,
    owner: str,
    response: str,
    status: ResponseStatus | None,
    turn: int | None,
    error: str | None,
    head: Mapping[str, Any] | None,  # Any: JSON of the gateway's own making
) -> StoredResponse:
    """Change how it stands, unless it has ended."""
    place, tag = find_response(database, owner, response)
    found = _load(database, place, tag)
    if found.status in ("cancelled", "failed"):
        if found.turn is None and turn is not None:  # it began all the same: its words are found by it
            status, error, head = found.status, None, None
        else:
            return found
    if found.turn is not None and find_turn(database, place, found.turn).state == "done":
        return found  # the reply was complete before the cancellation came
    if turn is not None:
        find_turn(database, place, turn)
    database.execute(
        "UPDATE response SET status = ?, turn = coalesce(?, turn), error = coalesce(?, error), "
        "head = coalesce(?, head) WHERE owner = ? AND conversation = ? AND tag = ?",
        (status, turn, _plain(error), None if head is None else dump_json(head), *place, tag),
    )
    return _load(database, place, tag)


def update_response(
    database: Database,
    owner: str,
    response: str,
    metadata: Mapping[str, str] | None,
    head: Mapping[str, Any] | None,  # Any: JSON of the gateway's own making
) -> StoredResponse:
    """Replace metadata or head."""
    place, tag = find_response(database, owner, response)
    for column, value in (("metadata", metadata), ("head", head)):
        if value is not None:
            database.execute(
                f"UPDATE response SET {column} = ? WHERE owner = ? AND conversation = ? AND tag = ?",  # noqa: S608 - our own names
                (dump_json(value), *place, tag),
            )
    return _load(database, place, tag)


def list_responses(
    database: Database,
    owner: str,
    kind: ResponseKind,
    model: str | None,
    metadata: Mapping[str, str],
    after: str | None,
    limit: int,
    order: Order,
) -> list[StoredResponse]:
    """List an owner's in the order of writing, from behind one of them on."""
    descending = order == "desc"
    if after is not None:
        behind = _number(database, *find_response(database, owner, after))
    else:
        behind = _BEHIND_ALL if descending else 0
    rows = database.execute(
        _SELECT  # noqa: S608 - words of our own
        + "WHERE response.owner = (SELECT number FROM owner WHERE name = ?) AND "
        + _IS_OF_KIND[kind]
        + " AND (? IS NULL OR response.model = ?) "
        + f"AND response.number {'<' if descending else '>'} ? "
        + "AND EXISTS (SELECT 1 FROM json_each(response.metadata) WHERE key = ? AND value = ?) "
        * len(metadata)
        + f"ORDER BY response.number {'DESC' if descending else 'ASC'} LIMIT ?",
        (
            plain(owner),
            *(_plain(model),) * 2,
            behind,
            *(plain(part) for pair in metadata.items() for part in pair),
            limit,
        ),
    )
    return [_response(row) for row in rows]


def _number(database: Database, place: Place, tag: int) -> int:
    (number,) = database.execute(
        "SELECT number FROM response WHERE owner = ? AND conversation = ? AND tag = ?", (*place, tag)
    ).fetchone()
    return int(number)


def orphaned_responses(database: Database, now: float) -> list[StoredResponse]:
    """Find those that nobody works on any more: queued ones of a dead keeper, open turns of a dead writer."""
    keeper = f"coalesce(response.keeper, {_OWN_SUBJECT})"
    # Named indexes, which hold little, and CROSS, which keeps the order: the planner would read all responses.
    waiting = database.execute(
        f"{_COLUMNS} response INDEXED BY response_waiting {_WHOSE} WHERE response.turn IS NULL AND {_IS_GOING} "
        f"AND {_IS_DEAD.format(subject=keeper)}",
        (now,),
    ).fetchall()
    begun = database.execute(
        f"{_COLUMNS} turn INDEXED BY turn_open CROSS JOIN response ON response.owner = turn.owner "
        f"AND response.conversation = turn.conversation AND response.turn = turn.number {_WHOSE} "
        f"WHERE turn.state = 'open' AND {_IS_GOING} AND {_IS_DEAD.format(subject=_OWN_SUBJECT)}",
        (now,),
    ).fetchall()
    return [_response(row) for row in (*waiting, *begun)]


# -- deleting ---------------------------------------------------------------------------------------
def delete_response(database: Database, owner: str, response: str) -> DeletedResponse:
    """Remove its row, and say which turns nobody can reach any more."""
    orphaned = find_orphans(database, owner, response)
    place, tag = find_response(database, owner, response)
    _drop(database, place, _load(database, place, tag).id, tag)
    return orphaned


def find_orphans(database: Database, owner: str, response: str) -> DeletedResponse:
    """Say which turns nobody could reach any more without a response."""
    place, tag = find_response(database, owner, response)
    found = _load(database, place, tag)
    turn = None if found.turn is None else find_turn(database, place, found.turn)
    if turn is not None and turn.state == "open":
        raise Conflict(f"{response!r} is still being answered: cancel it first.")
    (kind,) = database.execute(
        "SELECT kind FROM conversation WHERE owner = ? AND number = ?", place
    ).fetchone()
    orphans = tuple(_orphans(database, place, turn, kind, tag)) if turn is not None else ()
    return DeletedResponse(
        conversation=found.conversation,
        orphans=orphans,
        empty=kind in ("chain", "history") and not _has_more(database, place, set(orphans), tag),
    )


def drop_responses(database: Database, place: Place, key: str, turns: Sequence[int]) -> None:
    """Remove the responses of turns that are forgotten, and all claims of the conversation.

    A claim's digest is of a request that may hold what is forgotten.
    """
    for turn in turns:
        rows = database.execute(
            "SELECT kind, tag FROM response WHERE owner = ? AND conversation = ? AND turn = ?", (*place, turn)
        ).fetchall()
        for kind, tag in rows:
            _drop(database, place, _response_id(kind, key, tag), tag)
    drop_claims(database, place)


def drop_compactions(database: Database, place: Place) -> None:
    """Drop the compaction items of a conversation's responses, which are lines of all that was said before."""
    rows = database.execute(
        "SELECT tag, head FROM response WHERE owner = ? AND conversation = ? "
        "AND json_extract(head, '$.compaction') IS NOT NULL",
        place,
    ).fetchall()
    _forget_events(database, place, rows)


def forget_events(database: Database, place: Place, turn: int | None = None) -> None:
    """Drop what the responses of a turn streamed, of all turns if None; and let nobody keep it afterwards.

    Whoever runs one in the background holds its last events in memory, and may come to keep them only now.
    """
    rows = database.execute(
        "SELECT tag, head FROM response WHERE owner = ?1 AND conversation = ?2 AND (?3 IS NULL OR turn = ?3)",
        (*place, turn),
    ).fetchall()
    _forget_events(database, place, rows)


def _forget_events(database: Database, place: Place, rows: Iterable[tuple[int, str]]) -> None:
    for tag, text in rows:
        head = {name: value for name, value in load_mapping(text).items() if name != "compaction"}
        database.execute(
            "UPDATE response SET head = ? WHERE owner = ? AND conversation = ? AND tag = ?",
            (dump_json({**head, FORGOTTEN: True}), *place, tag),
        )
        database.execute(
            "DELETE FROM response_event WHERE owner = ? AND conversation = ? AND response = ?", (*place, tag)
        )


def keeps_events(database: Database, place: Place, tag: int) -> bool:
    """Whether a response's events may be kept: nothing that they might say was forgotten."""
    return FORGOTTEN not in _load(database, place, tag).head


def drop_claims(database: Database, place: Place) -> None:
    """Drop all claims that stand for responses of a conversation."""
    database.execute("DELETE FROM idempotency WHERE owner = ? AND conversation = ?", place)


def _drop(database: Database, place: Place, response: str, tag: int) -> None:
    database.execute("DELETE FROM response WHERE owner = ? AND conversation = ? AND tag = ?", (*place, tag))
    drop_all_aliases(database, place, (tag,))
    database.execute(
        "DELETE FROM idempotency WHERE owner = ? AND conversation = ? AND response = ?", (*place, response)
    )


def has_descendants(database: Database, owner: str, response: str) -> bool:
    """Tell whether turns that are not forgotten hang on the response's turn."""
    place, tag = find_response(database, owner, response)
    turn = _load(database, place, tag).turn
    return turn is not None and _is_needed(database, place, find_turn(database, place, turn), set())


def _orphans(database: Database, place: Place, turn: Turn, kind: str, but: int) -> list[int]:
    """Without the response of a tag: the turn, unless something needs it; in a chain also those before it whose responses are deleted too."""
    if kind in ("named", "chat"):
        return []  # the client knows the conversation, and may list its items
    gone: list[int] = []
    at: Turn | None = turn
    while at is not None and not _is_answered(database, place, at, but):
        if _is_needed(database, place, at, set(gone)):
            break
        if _is_told(database, place, at):
            gone.append(at.number)
        at = _parent(database, place, at) if kind == "chain" else None
    return gone


def _is_answered(database: Database, place: Place, turn: Turn, but: int) -> bool:
    """Whether there is a response of the turn, that of a tag apart."""
    row = database.execute(
        "SELECT 1 FROM response WHERE owner = ? AND conversation = ? AND turn = ? AND tag <> ?",
        (*place, turn.number, but),
    ).fetchone()
    return row is not None


def _is_needed(database: Database, place: Place, turn: Turn, gone: set[int]) -> bool:
    """Whether something that was said hangs on the turn, those in `gone` apart."""
    waiting = _children(database, place, turn)
    while waiting:
        child = waiting.pop()
        if child.number not in gone and _is_told(database, place, child):
            return True
        waiting += _children(database, place, child)
    return False


def _is_told(database: Database, place: Place, turn: Turn) -> bool:
    """Whether something of the turn is not forgotten."""
    row = database.execute(
        "SELECT 1 FROM item WHERE owner = ? AND conversation = ? AND branch = ? AND seq BETWEEN ? AND ? "
        "AND kind <> 'forgotten' LIMIT 1",
        (*place, turn.branch, turn.first, turn.last),
    ).fetchone()
    return row is not None


def _children(database: Database, place: Place, turn: Turn) -> list[Turn]:
    """The turns that hang on an item of the turn, on its branch or on others that were forked there."""
    rows = database.execute(
        SELECT_TURNS
        + "WHERE owner = ? AND conversation = ? AND after_branch = ? AND first > ? AND first <= ?",
        (*place, turn.branch, turn.first, turn.last + 1),
    )
    return [load_turn_row(row) for row in rows]


def _parent(database: Database, place: Place, turn: Turn) -> Turn | None:
    row = database.execute(
        "SELECT turn FROM item WHERE owner = ? AND conversation = ? AND branch = ? AND seq = ?",
        (*place, turn.after.branch, turn.after.seq),
    ).fetchone()
    return None if row is None else find_turn(database, place, row[0])


def _has_more(database: Database, place: Place, gone: set[int], but: int) -> bool:
    """Whether the conversation has responses, that of a tag apart, or turns that are not forgotten, besides these."""
    others = "SELECT 1 FROM response WHERE owner = ? AND conversation = ? AND tag <> ?"
    if database.execute(others, (*place, but)).fetchone():
        return True
    told = database.execute(
        "SELECT DISTINCT turn FROM item WHERE owner = ? AND conversation = ? AND kind <> 'forgotten'", place
    )
    return any(turn not in gone for (turn,) in told)


# -- rows -------------------------------------------------------------------------------------------
def _load(database: Database, place: Place, tag: int | None) -> StoredResponse:
    return _response(
        database.execute(
            _SELECT + "WHERE response.owner = ? AND response.conversation = ? AND response.tag = ?",
            (*place, tag),
        ).fetchone()
    )


def _response(row: tuple[Any, ...]) -> StoredResponse:  # Any: columns, typed by the schema
    tag, owner, key, kind, turn, previous, given, status, error, keeper, model, metadata, head, created = row
    return StoredResponse(
        id=_response_id(kind, key, tag),
        owner=owner,
        conversation=conversation_id(key),
        kind=kind,
        turn=turn,
        previous=None if previous is None else _response_id(kind, key, previous),
        conversation_given=bool(given),
        status=status,
        error=error,
        keeper=keeper,
        model=model,
        metadata={} if metadata is None else load_mapping(metadata),
        head=load_mapping(head),
        created=created,
    )


def _response_id(kind: ResponseKind, key: str, tag: int) -> str:
    return response_id(key, tag) if kind == "response" else completion_id(key, tag)


def _plain(text: str | None) -> str | None:
    return None if text is None else plain(text)


def _not_found(response: str) -> ConversationNotFound:
    return ConversationNotFound(
        f"There is no response {response!r}: it was deleted, was never stored, or is somebody else's."
    )
