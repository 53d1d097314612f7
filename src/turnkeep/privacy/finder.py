"""Find personal data in a text: patterns find candidates, light libraries judge them.

Most of what people say holds no digit and no @: it is let through after one look. Of the rest, most
holds short numbers alone: it is not searched by patterns that need long ones, since one of those
takes longer than all the looks together. It does not know names and places: those come from a
model, and are given as `others`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from .addresses import find_emails, find_ips, find_macs
from .credentials import find_credentials, find_secrets
from .identities import find_birth_dates, find_ids
from .judges import load_judges
from .kinds import Found, Rule
from .numbers import find_cards, find_ibans
from .phones import find_phones

_TRIGGER = re.compile(r"[\d@]|-----BEGIN")
FEWEST_DIGITS = 5  # 1/2/03 is the shortest date
ITALIAN_ID = 16  # characters, most of them letters
# Other alphabets' digits, wide forms, and spaces and dashes of typography, one character for one.
_PLAIN = {
    **dict.fromkeys((0xA0, 0x2007, 0x2009, 0x202F, 0x3000), " "),
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212, 0xFF0D), "-"),
    0xFF20: "@", 0xFF0E: ".", 0xFF0B: "+", 0xFF1A: ":", 0xFF08: "(", 0xFF09: ")",
}  # fmt: skip
_FOREIGN_DIGIT = re.compile(r"[^\x00-\x7f]")
# The digits of one number stay together, whatever of this stands between them in the patterns; all else parts.
_BETWEEN_DIGITS = b"() ./-"
_ONLY_DIGITS = bytes(byte if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_FOUR_DIGITS_LETTERED = re.compile(r"[^\W\d_]\d{4}[^\W\d_]")
_IBAN_LIKE = re.compile(r"[0-9]{2}(?<=[^\W\d_]..)")
_MAC_LIKE = re.compile(r"[:-][0-9a-fA-F]{2}[:-]")


def find(text: str, patterns: Sequence[Rule] = (), others: Iterable[Found] = ()) -> list[Found]:
    """Find personal data.

    Args:
        text: what was said.
        patterns: the user's own; what they match wins over everything else. A model for names may stand among
            them, as `turnkeep.names.Names`; it gives way.
        others: what a model for names and places has found in the text.

    Returns:
        Finds in order, none overlapping another.

    Raises:
        MissingExtra: the text holds digits or an @, and the libraries that judge are not installed.
    """
    found = [one for rule in patterns if not rule.late for one in rule.find(text)]
    if _TRIGGER.search(text):
        found += _find_all(text if text.isascii() else _plain(text))
    found += others
    found += [one for rule in patterns if rule.late for one in rule.find(text)]
    return part(found, len(text)) if len(found) > 1 else found


def _plain(text: str) -> str:
    def digit(match: re.Match[str]) -> str:
        char = match[0]
        return str(int(char)) if char.isdecimal() else char

    return _FOREIGN_DIGIT.sub(digit, text.translate(_PLAIN))


def _find_all(text: str) -> Iterator[Found]:
    """Yield finds of every kind, the surest first."""
    judges = load_judges()
    if "@" in text:
        yield from find_credentials(text)
        yield from find_emails(text)
    yield from find_secrets(text)
    if _MAC_LIKE.search(text) or text.count(".") > 1:
        yield from find_macs(text)
    if text.count(".") > 2 or text.count(":") > 1:
        yield from find_ips(text)
    numbers = text.encode("ascii", "replace").translate(_ONLY_DIGITS, _BETWEEN_DIGITS).split()
    digits = sum(map(len, numbers)) if text.isascii() else sum(map(str.isdigit, text))
    if digits < FEWEST_DIGITS:
        return
    longest = max(map(len, numbers), default=0)
    if longest >= 4:
        yield from find_birth_dates(text)
    if digits >= 11 and _IBAN_LIKE.search(text):
        yield from find_ibans(text, judges)
    if longest >= 12:
        yield from find_cards(text, judges)
    if longest >= 6 or (digits >= 6 and _is_like_id(text, longest)):
        yield from find_ids(text, judges)
    if longest >= 7:
        yield from find_phones(text, judges)


def _is_like_id(text: str, longest: int) -> bool:
    """Whether an id may stand there that has fewer than six digits in a row: India's, Italy's, a passport's."""
    return (
        "passport" in text.casefold()
        or (longest >= 4 and _FOUR_DIGITS_LETTERED.search(text) is not None)
        or max(map(len, text.split())) >= ITALIAN_ID
    )


def part(found: Iterable[Found], length: int) -> list[Found]:
    """Of finds that overlap keep the one that came first; in order of the text, which is so long."""
    kept: list[Found] = []
    taken = bytearray(length)
    for one in found:
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)
