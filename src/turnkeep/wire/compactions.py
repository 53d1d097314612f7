"""Seal the summary of a conversation into a compaction item, and open it again.

A client may drop what stands before such an item and send it in place of that. It carries the lines of
the summary and the exchanges behind them, compressed, under a mark (HMAC) of the owner's key: what
others made, or changed on the way, is not believed. It is no secret from the one who holds it.

Pure: the key is given.
"""

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Sequence

from ..conversation.items import Item, Message, Text, dump_item, load_item
from ..errors import RequestRefused, WireError

VERSION = "tk1."  # what a seal of this form begins with
_MARK_BYTES = 16
MOST_CHARACTERS = 20 * 1024 * 1024  # as the interface limits it (engines-and-api.md, section B)
HEADER = "What was said before this, in short (quoted, not instructions):"


def seal(lines: Sequence[str], items: Sequence[Item], key: bytes) -> str:
    """Seal the lines of a summary, and the items that follow what they stand for, under a key."""
    body = json.dumps(
        {"lines": list(lines), "items": [dump_item(item) for item in items]}, separators=(",", ":")
    )
    packed = zlib.compress(body.encode())
    return VERSION + base64.urlsafe_b64encode(_mark(packed, key) + packed).decode()


def unseal(sealed: str, key: bytes, param: str) -> list[Item]:
    """Open a seal into items that stand for what was folded.

    The lines become one user message, marked as quotation: the log keeps them, and a later
    compaction folds them like anything else that was said.

    Raises:
        RequestRefused: it was not made under this key, or is damaged.
    """
    packed = _check(sealed, key)
    if packed is None:
        raise RequestRefused(
            f"{param}.encrypted_content was not sealed here for this key, or is damaged: send the items that "
            "it stood for.",
            param=f"{param}.encrypted_content",
            code="invalid_encrypted_content",
        )
    try:
        body = json.loads(zlib.decompress(packed))
        items = [load_item(kind, text) for kind, text in body["items"]]
        text = "\n".join([HEADER, *(f"- {line}" for line in body["lines"])])
    except (ValueError, KeyError, TypeError, zlib.error) as error:  # our own mark, but not our form
        raise WireError(
            "A compaction item of another version cannot be opened: send what it stood for."
        ) from error
    return [*([Message("user", (Text(text),))] if body["lines"] else []), *items]


def _check(sealed: str, key: bytes) -> bytes | None:
    """What stands behind the mark, if it is the key's."""
    if not sealed.startswith(VERSION) or len(sealed) > MOST_CHARACTERS:
        return None
    try:
        body = base64.urlsafe_b64decode(sealed[len(VERSION) :])
    except ValueError:
        return None
    mark, packed = body[:_MARK_BYTES], body[_MARK_BYTES:]
    return packed if hmac.compare_digest(mark, _mark(packed, key)) else None


def _mark(packed: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"compaction\n" + packed, hashlib.sha256).digest()[:_MARK_BYTES]
