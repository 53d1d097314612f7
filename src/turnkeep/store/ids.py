"""Make and take apart the ids that leave a store.

A conversation has a random key; each id of something inside it embeds that key,
so that an id alone says where to look (and a distributed database where to go).
Both parts come from `secrets`: from an id, no other can be guessed, nor how many there are.
"""

import secrets

# Crockford's base 32, lower case: no i, l, o, u, so that ids survive being read aloud.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_KEY_DIGITS = 16  # 80 bits: no two conversations of the world meet by chance
_TAG_DIGITS = 12  # 60 bits: fits an SQLite integer; unique among the items of one conversation


def make_key() -> str:
    """Make the random key of a new conversation."""
    return _encode(secrets.randbits(5 * _KEY_DIGITS), _KEY_DIGITS)


def make_tag() -> int:
    """Make the random part of a new item's id."""
    return secrets.randbits(5 * _TAG_DIGITS)


def conversation_id(key: str) -> str:
    """Example: "0d3…" → "conv_0d3…"."""
    return f"conv_{key}"


def item_id(key: str, tag: int) -> str:
    """Example: "0d3…", 33 → "msg_0d3…000000000011"."""
    return f"msg_{key}{_encode(tag, _TAG_DIGITS)}"


def parse_key(text: str) -> str | None:
    """Take the conversation's key out of any id made here; None when `text` is no such id."""
    kind, _, rest = text.partition("_")
    digits = {"conv": _KEY_DIGITS, "msg": _KEY_DIGITS + _TAG_DIGITS}.get(kind)
    if digits != len(rest) or not set(rest) <= set(_DIGITS):
        return None
    return rest[:_KEY_DIGITS]


def _encode(number: int, digits: int) -> str:
    # Two digits at a time: an id is made for every item of every log that is loaded.
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(5 * (digits - 2), -1, -10)])
