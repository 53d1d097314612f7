"""Values to columns and back: text that SQLite can hold, JSON, items."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ...conversation.items import Item, dump_item, load_item
from ...conversation.log import Position
from ...errors import StoreDamaged, WireError
from ..base import StoredItem
from ..ids import item_id

# Half of a UTF-16 pair alone is no text in UTF-8. Engines do send them: an emoji
# cut between two tokens, written as JSON escapes.
_SURROGATE = re.compile("[\ud800-\udfff]")

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # json.dumps makes one each time

SELECT_ITEMS = "SELECT branch, seq, turn, kind, tag, created, body FROM item "
PARTIAL = "partial"  # kind of an assistant item that is all that came before its process died


def plain(text: str) -> str:
    """Make text that SQLite can hold: half a surrogate pair becomes U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def keep_exact(json_text: str) -> str:
    r"""Make JSON text that SQLite can hold: half a surrogate pair becomes its \u escape, so nothing is lost."""
    return (
        json_text
        if json_text.isascii()
        else _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)
    )


def dump_json(value: object) -> str:
    """Write a JSON value for a column."""
    return keep_exact(_encode(value))


def load_json(text: str) -> Any:  # Any: JSON of our own making
    """Read what `dump_json` wrote."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise StoreDamaged(f"A row of the database is damaged ({error}): put back a copy.") from error


def load_mapping(text: str) -> Mapping[str, Any]:  # Any: JSON of our own making
    """Read a JSON object that `dump_json` wrote."""
    value = load_json(text)
    if not isinstance(value, dict):
        raise StoreDamaged("A row of the database is damaged (no JSON object): put back a copy.")
    return value


def dump_body(item: Item) -> tuple[str, str]:
    """Turn an item into its columns kind and body."""
    kind, body = dump_item(item)
    return kind, keep_exact(body)


def load_body(kind: str, body: str) -> Item:
    """Turn the columns kind and body into the item.

    Raises:
        StoreDamaged: they are not what `dump_body` writes.
    """
    try:
        return load_item("assistant" if kind == PARTIAL else kind, body)
    except WireError as error:
        raise StoreDamaged(f"A row of the database is damaged ({error}): put back a copy.") from error


def load_stored(key: str, row: tuple[Any, ...]) -> StoredItem:  # Any: columns, typed by the schema
    """Turn a row of `SELECT_ITEMS` into the item with its place."""
    branch, seq, turn, kind, tag, created, body = row
    return StoredItem(
        id=item_id(key, tag),
        at=Position(branch, seq),
        turn=turn,
        item=load_body(kind, body),
        created=created,
    )
