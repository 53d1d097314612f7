"""Make and take apart the ids that leave a store.

    conv_      KEY            a conversation
    msg_       KEY TAG        an item; on the wire, its text
    rs_        KEY TAG        the reasoning of an assistant's item
    fc_        KEY TAG PLACE  a tool call of an assistant's item; its place among the calls, from 0
    fco_       KEY TAG PLACE  a tool result of a tool's item; its place among the results, from 0
    cmp_       KEY TAG        a compaction
    resp_      KEY TAG        a response
    chatcmpl-  KEY TAG        a chat completion

A conversation has a random key; each id of something inside it embeds that key,
so that an id alone says where to look (and a distributed database where to go).
Both parts are random: from an id, no other can be guessed, nor how many there are.
One stored item is several on the wire; their ids share its tag, so no table is needed to find it again.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from ..randomness import draw_bits

# Crockford's base 32, lower case: no i, l, o, u, so that ids survive being read aloud.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_DIGIT_SET = frozenset(_DIGITS)
_TO_PYTHON = str.maketrans(_DIGITS, "0123456789abcdefghijklmnopqrstuv")  # what int(text, 32) reads
_KEY_DIGITS = 16  # 80 bits: no two conversations of the world meet by chance
_TAG_DIGITS = 12  # 60 bits: fits an SQLite integer; unique among the items of one conversation
_PLACE_DIGITS = 2
MOST_PLACES = 1 << 5 * _PLACE_DIGITS  # calls of one item that have ids

IdKind: TypeAlias = Literal["conv", "msg", "rs", "fc", "fco", "cmp", "resp", "chatcmpl"]

_TAGGED = _KEY_DIGITS + _TAG_DIGITS
_LENGTHS: dict[str, int] = {  # digits behind the prefix
    "conv_": _KEY_DIGITS,
    "msg_": _TAGGED,
    "rs_": _TAGGED,
    "fc_": _TAGGED + _PLACE_DIGITS,
    "fco_": _TAGGED + _PLACE_DIGITS,
    "cmp_": _TAGGED,
    "resp_": _TAGGED,
    "chatcmpl-": _TAGGED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedId:
    """An id taken apart."""

    kind: IdKind
    key: str  # of the conversation
    tag: int | None = None  # of the item or response; None for a conversation's id
    place: int | None = None  # of the call or result within its item; None for other kinds

    @property
    def conversation(self) -> str:
        """The id of its conversation."""
        return conversation_id(self.key)


def make_key() -> str:
    """Make the random key of a new conversation."""
    return _encode(draw_bits(5 * _KEY_DIGITS), _KEY_DIGITS)


def make_tag() -> int:
    """Make the random part of a new item's or response's id."""
    return draw_bits(5 * _TAG_DIGITS)


def conversation_id(key: str) -> str:
    """Example: "0d3…" → "conv_0d3…"."""
    return f"conv_{key}"


def item_id(key: str, tag: int) -> str:
    """Example: "0d3…", 33 → "msg_0d3…000000000011"."""
    return f"msg_{key}{_encode(tag, _TAG_DIGITS)}"


def response_id(key: str, tag: int) -> str:
    """Example: "0d3…", 33 → "resp_0d3…000000000011"."""
    return f"resp_{key}{_encode(tag, _TAG_DIGITS)}"


def completion_id(key: str, tag: int) -> str:
    """Example: "0d3…", 33 → "chatcmpl-0d3…000000000011"."""
    return f"chatcmpl-{key}{_encode(tag, _TAG_DIGITS)}"


def reasoning_id(key: str, tag: int) -> str:
    """Example: "0d3…", 33 → "rs_0d3…000000000011"."""
    return f"rs_{key}{_encode(tag, _TAG_DIGITS)}"


def compaction_id(key: str, tag: int) -> str:
    """Example: "0d3…", 33 → "cmp_0d3…000000000011"."""
    return f"cmp_{key}{_encode(tag, _TAG_DIGITS)}"


def tool_call_id(key: str, tag: int, place: int) -> str:
    """Example: "0d3…", 33, 1 → "fc_0d3…00000000001101"; places from 0 to 1,023, or `ValueError`."""
    return f"fc_{key}{_encode(tag, _TAG_DIGITS)}{_spell_place(place)}"


def tool_result_id(key: str, tag: int, place: int) -> str:
    """Example: "0d3…", 33, 1 → "fco_0d3…00000000001101"; places from 0 to 1,023, or `ValueError`."""
    return f"fco_{key}{_encode(tag, _TAG_DIGITS)}{_spell_place(place)}"


def make_id(parsed: ParsedId) -> str:
    """Put an id together again; inverse of `parse_id`."""
    prefix = "chatcmpl-" if parsed.kind == "chatcmpl" else f"{parsed.kind}_"
    tag = "" if parsed.tag is None else _encode(parsed.tag, _TAG_DIGITS)
    return f"{prefix}{parsed.key}{tag}{'' if parsed.place is None else _spell_place(parsed.place)}"


def parse_id(text: str) -> ParsedId | None:
    """Take any id made here apart; None when `text` is no such id."""
    digits = _digits_of(text)
    if digits is None:
        return None
    tag, place = digits[_KEY_DIGITS:_TAGGED], digits[_TAGGED:]
    return ParsedId(
        # The prefix is one of those above.
        kind=cast(IdKind, text[: len(text) - len(digits) - 1]),
        key=digits[:_KEY_DIGITS],
        tag=_decode(tag) if tag else None,
        place=_decode(place) if place else None,
    )


def parse_key(text: str) -> str | None:
    """Take the conversation's key out of any id made here; None when `text` is no such id."""
    digits = _digits_of(text)
    return None if digits is None else digits[:_KEY_DIGITS]


def _digits_of(text: str) -> str | None:
    """What stands behind the prefix, if all is as it should be."""
    cut = (text.find("-") if text.startswith("chatcmpl-") else text.find("_")) + 1
    digits = text[cut:]
    if _LENGTHS.get(text[:cut]) != len(digits) or not _DIGIT_SET.issuperset(digits):
        return None
    return digits


def _spell_place(place: int) -> str:
    if not 0 <= place < MOST_PLACES:
        raise ValueError(f"{place} is no place of a call: there is room for 0 to {MOST_PLACES - 1}")
    return _PAIRS[place]


def _encode(number: int, digits: int) -> str:
    # Two digits at a time: an id is made for every item of every log that is loaded.
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(5 * (digits - 2), -1, -10)])


def _decode(digits: str) -> int:
    return int(digits.translate(_TO_PYTHON), 32)
