"""Statements that forget whatever is asked for, in one transaction: what it touches, and taking it out.

Everything that forgets comes through here: one item, a turn, conversations, what is old, what an owner has.
Mentions of a value are in mentions.py beside this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from ...conversation.items import Message
from ..base import Lease, StoredItem, Turn
from ..erasing import (
    Erased,
    EveryMention,
    EverythingOwned,
    Expired,
    OlderThan,
    OneConversation,
    OneItem,
    OneTurn,
    What,
)
from ..ids import conversation_id
from .api_keys import rewrite_names
from .appends import settle_turns
from .conversations import Place, delete_conversation, delete_owner, find_place
from .database import Database
from .forget import forget_elsewhere, forget_turn, take_turns_out
from .forget_item import take_item_out
from .gone import Gone, catching
from .mentions import find_mentions, rewrite_mentions, take_copies
from .rows import SELECT_ITEMS, load_stored, plain
from .turns import SELECT_TURNS, load_turn_row

DAY_SECONDS = 86_400.0


@dataclass(slots=True)
class _Course:
    """An erasure under way."""

    database: Database
    owner: str
    leases: dict[str, Lease]
    now: float
    turns: dict[str, tuple[int, ...]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    items: tuple[str, ...] = ()


def list_touched(database: Database, owner: str, what: What) -> list[str]:
    """The conversations that an erasure would touch, recalled copies in others apart.

    Raises:
        ConversationNotFound: a conversation that it names is not there.
    """
    match what:
        case OneItem() | OneTurn() | OneConversation():
            find_place(database, owner, what.conversation)
            return [what.conversation]
        case EverythingOwned():
            return sorted(key for _, key in _all(database, owner, None))
        case OlderThan() | Expired():
            return sorted(
                conversation
                for place, conversation in _all(database, owner, _named(what))
                if not (isinstance(what, Expired) and conversation in what.but)
                and _has_older(database, place, _cutoff(database, place, what))
            )
        case EveryMention():
            places = _all(database, owner, what.conversation)
            return sorted(name for place, name in places if find_mentions(database, place, what.value))
        case _:
            assert_never(what)


def erase(database: Database, owner: str, what: What, leases: Sequence[Lease], now: float) -> Erased | None:
    """Take it out; None where a conversation that it touches is not held."""
    held = {lease.subject.removeprefix("conversation:"): lease for lease in leases}
    touched = list_touched(database, owner, what)
    if not held.keys() >= set(touched):
        return None
    course = _Course(database, owner, held, now)
    with catching(database) as gone:
        for conversation in touched:
            settle_turns(database, owner, conversation, held[conversation], now)
        _take_out(course, what, touched)
    return Erased(
        removed=dict(sorted(gone.removed.items())),
        rewritten=dict(sorted(gone.rewritten.items())),
        texts=tuple(gone.texts),
        turns=course.turns,
        beside=_beside(course, gone),
        gone=tuple(course.gone),
        items=course.items,
    )


def _beside(course: _Course, gone: Gone) -> dict[str, tuple[int, ...]]:
    """Turns that stay but for a part, such as a note that another answer to the same words carried along."""
    beside: dict[str, tuple[int, ...]] = {}
    for place, turns in gone.turns.items():
        row = course.database.execute(
            "SELECT key FROM conversation WHERE owner = ? AND number = ?", place
        ).fetchone()
        if row is not None:
            conversation = conversation_id(row[0])
            if rest := turns - set(course.turns.get(conversation, ())):
                beside[conversation] = tuple(sorted(rest))
    return beside


def _take_out(course: _Course, what: What, touched: Sequence[str]) -> None:
    database, owner = course.database, course.owner
    match what:
        case OneItem():
            lease = course.leases[what.conversation]
            course.items, course.turns[what.conversation] = take_item_out(
                database, owner, what.conversation, what.item, lease, course.now
            )
        case OneTurn():
            lease = course.leases[what.conversation]
            course.turns[what.conversation] = forget_turn(
                database, owner, what.conversation, what.turn, lease, course.now, what.alike
            )
        case OneConversation():
            _drop_conversation(course, what.conversation)
        case EverythingOwned():
            for conversation in touched:
                course.gone.append(conversation)
            delete_owner(database, owner)
        case OlderThan() | Expired():
            for conversation in touched:
                _drop_older(course, conversation, what)
        case EveryMention():
            places = {conversation: find_place(database, owner, conversation) for conversation in touched}
            copied = {name: take_copies(database, *place, what.value) for name, place in places.items()}
            for name, place in places.items():
                course.turns[name] = rewrite_mentions(database, *place, what.value, copied[name])
            if what.conversation is None:
                rewrite_names(database, None if what.keys else owner, what.value)
        case _:
            assert_never(what)


def _drop_conversation(course: _Course, conversation: str) -> None:
    """Drop a conversation, and what others recalled from it."""
    place, key = find_place(course.database, course.owner, conversation)
    forget_elsewhere(course.database, place, _messages(course.database, place, key))
    delete_conversation(course.database, course.owner, conversation)
    course.gone.append(conversation)


def _messages(database: Database, place: Place, key: str) -> list[StoredItem]:
    rows = database.execute(SELECT_ITEMS + "WHERE owner = ? AND conversation = ?", place)
    return [stored for stored in (load_stored(key, row) for row in rows) if isinstance(stored.item, Message)]


# -- what is old ------------------------------------------------------------------------------------
def _drop_older(course: _Course, conversation: str, what: OlderThan | Expired) -> None:
    database = course.database
    place, key = find_place(database, course.owner, conversation)
    before = _cutoff(database, place, what)
    assert before is not None
    newest, created = database.execute(
        "SELECT max(turn.created), conversation.created FROM conversation LEFT JOIN turn "
        "ON turn.owner = conversation.owner AND turn.conversation = conversation.number "
        "WHERE conversation.owner = ? AND conversation.number = ?",
        place,
    ).fetchone()
    if max(newest or 0.0, created) < before:
        _drop_conversation(course, conversation)
        return
    turns = _older_turns(database, place, before)
    take_turns_out(database, place, key, turns)
    course.turns[conversation] = tuple(turn.number for turn in turns)


def _older_turns(database: Database, place: Place, before: float) -> list[Turn]:
    """Closed turns that were begun before a time and of which something is left."""
    rows = database.execute(
        SELECT_TURNS  # noqa: S608 - words of our own
        + "WHERE owner = ? AND conversation = ? AND created < ? AND state <> 'open' "
        "AND EXISTS (SELECT 1 FROM item WHERE item.owner = turn.owner AND item.conversation = turn.conversation "
        "AND item.branch = turn.branch AND item.seq BETWEEN turn.first AND turn.last "
        "AND item.kind <> 'forgotten') ORDER BY number",
        (*place, before),
    )
    return [load_turn_row(row) for row in rows]


def _has_older(database: Database, place: Place, before: float | None) -> bool:
    if before is None:
        return False
    (created,) = database.execute(
        "SELECT created FROM conversation WHERE owner = ? AND number = ?", place
    ).fetchone()
    if created >= before:
        return False  # imported turns may be older than their conversation: they came when it was made
    (newest,) = database.execute(
        "SELECT max(created) FROM turn WHERE owner = ? AND conversation = ?", place
    ).fetchone()
    return newest is None or newest < before or bool(_older_turns(database, place, before))


def _cutoff(database: Database, place: Place, what: OlderThan | Expired) -> float | None:
    """The time before which what was said goes; None: nothing does."""
    if isinstance(what, OlderThan):
        return what.before
    (own,) = database.execute(
        "SELECT retention_days FROM conversation WHERE owner = ? AND number = ?", place
    ).fetchone()
    days = what.days if own is None else own
    return what.now - days * DAY_SECONDS if days else None


def _named(what: OlderThan | Expired) -> str | None:
    return what.conversation if isinstance(what, OlderThan) else None


def _all(database: Database, owner: str, conversation: str | None) -> list[tuple[Place, str]]:
    """All conversations of an owner with their ids, or one."""
    if conversation is not None:
        return [(find_place(database, owner, conversation)[0], conversation)]
    rows = database.execute(
        "SELECT c.owner, c.number, c.key FROM conversation AS c JOIN owner AS o ON o.number = c.owner "
        "WHERE o.name = ? ORDER BY c.number",
        (plain(owner),),
    )
    return [(Place(owner_number, number), conversation_id(key)) for owner_number, number, key in rows]
