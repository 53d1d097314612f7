"""Statements for ids: aliases that are not of our making, and what an id belongs to."""

from collections.abc import Collection, Iterable

from ...errors import Conflict, ConversationNotFound, UsageError
from ..base import StoredItem
from ..ids import ParsedId, make_id, parse_id
from .conversations import Place, find_place
from .database import Database
from .rows import SELECT_ITEMS, load_stored, plain

_ITEM_KINDS = ("msg", "rs", "fc", "fco")


def save_alias(database: Database, owner: str, alias: str, target: str) -> None:
    """Insert an alias, unless it stands for that already."""
    parsed = parse_id(target)
    if parsed is None:
        raise UsageError(f"{target!r} is no id of turnkeep's making: give one that a store has made.")
    if parse_id(alias) is not None:
        raise UsageError(f"{alias!r} has the form of turnkeep's own ids: choose another alias.")
    _check_target(database, owner, parsed)
    place, _ = find_place(database, owner, parsed.conversation)
    database.execute(
        "INSERT OR IGNORE INTO alias (owner, text, conversation, kind, tag, place) VALUES (?, ?, ?, ?, ?, ?)",
        (
            place.owner,
            database.digest_alias(plain(alias)),
            place.conversation,
            parsed.kind,
            parsed.tag,
            parsed.place,
        ),
    )
    if find_parsed(database, owner, alias) != parsed:
        raise Conflict(f"{alias!r} stands for something else already: choose another alias.")


def _check_target(database: Database, owner: str, parsed: ParsedId) -> None:
    """Refuse an alias for what is not there."""
    place, key = find_place(database, owner, parsed.conversation)
    if parsed.kind in _ITEM_KINDS:
        find_item(database, place, key, parsed)
    elif parsed.kind in ("resp", "chatcmpl"):
        found = database.execute(
            "SELECT 1 FROM response WHERE owner = ? AND conversation = ? AND tag = ?", (*place, parsed.tag)
        ).fetchone()
        if found is None:
            raise ConversationNotFound(f"There is no response {make_id(parsed)!r} to give an alias to.")


def find_parsed(database: Database, owner: str, text: str) -> ParsedId | None:
    """Take an id apart, or what it is an alias of; None when it is neither."""
    parsed = parse_id(text)
    if parsed is not None:
        return parsed
    row = database.execute(
        "SELECT alias.kind, conversation.key, alias.tag, alias.place FROM alias JOIN conversation "
        "ON conversation.owner = alias.owner AND conversation.number = alias.conversation "
        "WHERE alias.owner = (SELECT number FROM owner WHERE name = ?) AND alias.text = ?",
        (plain(owner), database.digest_alias(plain(text))),
    ).fetchone()
    if row is None:
        return None
    kind, key, tag, place = row
    return ParsedId(kind=kind, key=key, tag=tag, place=place)


def find_id(database: Database, owner: str, text: str) -> str | None:
    """Find the id of our making that a text stands for."""
    parsed = find_parsed(database, owner, text)
    return None if parsed is None else make_id(parsed)


def load_item(database: Database, owner: str, conversation: str, item: str) -> StoredItem:
    """Load the item that an id or alias belongs to."""
    place, key = find_place(database, owner, conversation)
    return find_item(database, place, key, find_item_id(database, owner, conversation, item))


def find_item_id(database: Database, owner: str, conversation: str, item: str) -> ParsedId:
    """Take apart the id or alias of an item of this conversation.

    Raises:
        ConversationNotFound: it is no such id.
    """
    parsed = find_parsed(database, owner, item)
    if parsed is None or parsed.kind not in _ITEM_KINDS or parsed.conversation != conversation:
        raise _no_item(item)
    return parsed


def find_item(database: Database, place: Place, key: str, parsed: ParsedId) -> StoredItem:
    """Load an item by its tag."""
    row = database.execute(
        SELECT_ITEMS + "INDEXED BY item_tag WHERE owner = ? AND conversation = ? AND tag = ?",
        (*place, parsed.tag),
    ).fetchone()
    if row is None:
        raise _no_item(make_id(parsed))
    return load_stored(key, row)


def drop_aliases(database: Database, place: Place, ids: Iterable[ParsedId]) -> None:
    """Drop the aliases of exactly these ids."""
    database.executemany(
        "DELETE FROM alias WHERE owner = ? AND conversation = ? AND tag = ? AND kind = ? AND place IS ?",
        [(*place, each.tag, each.kind, each.place) for each in ids],
    )


def drop_all_aliases(database: Database, place: Place, tags: Collection[int]) -> None:
    """Drop the aliases of all ids with these tags."""
    database.executemany(
        "DELETE FROM alias WHERE owner = ? AND conversation = ? AND tag = ?", [(*place, tag) for tag in tags]
    )


def tags_of(items: Iterable[StoredItem]) -> list[int]:
    """The tags of stored items, which all their ids on the wire share."""
    parsed = [parse_id(each.id) for each in items]
    return [each.tag for each in parsed if each is not None and each.tag is not None]


def _no_item(item: str) -> ConversationNotFound:
    return ConversationNotFound(
        f"There is no item {item!r} in this conversation: list its items to see which there are."
    )
