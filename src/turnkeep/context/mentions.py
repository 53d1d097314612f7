r"""Find every mention of a value in a text, and put a mark in its place.

    0171 555-0199   also finds 01715550199, 0171/5550199, (0171) 555 0199
    DE89 3704 ...   also finds DE893704...
    Ann Smith       also finds ann  smith, but not Ann Smithers
    Zoë             also finds ZOË, Zoe\u0308 (decomposed), Zo\u00eb (as JSON writes it) and Zo%C3%AB (in addresses)

A message that mentions a value is kept with the mark in the value's place: to take it out whole would lose
what else was said there, and the replies to it would hang in the air.

Escapes are found in any text, since JSON stands in messages and results of tools, whole or quoted, and again in JSON.

Pure. Does not know that "+49 171" and "0171" begin the same number, nor other spellings of a name.
"""

import json
import re
import unicodedata
from typing import Any

from ..errors import UsageError

FORGOTTEN_MARK = "[forgotten]"
FEWEST_CHARACTERS = 3  # of a value: two letters stand everywhere
FEWEST_DIGITS = 4  # from so many on a value of digits is found however it is spaced

FEWEST_OF_CODE = 8  # letters and digits, half of them digits: so is a code, such as an IBAN

_NUMBER = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2014\u202f]+")
_CODE = re.compile(r"[A-Za-z0-9]+(?:[\s\-][A-Za-z0-9]+)*")
# What is not seen: soft hyphens, joiners, marks of direction. They come along when text is copied.
_HIDDEN = r"\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
_ESCAPED_SPACE = r"\\+(?:[nrt]|u00[2a]0|u20[0-6][0-9a-f]|u3000)|%(?:20|0[9ad]|c2%a0)"
_BETWEEN = (
    rf"(?:[\s().\-/\u00a0\u2010-\u2014\u202f{_HIDDEN}]|{_ESCAPED_SPACE}){{0,3}}"  # of two digits of a number
)
_WITHIN = rf"(?:[\s\-{_HIDDEN}]|{_ESCAPED_SPACE}){{0,2}}"  # of two characters of a code
_JOINED = f"[{_HIDDEN}]*"
_SPACE = rf"(?:[\s{_HIDDEN}]|{_ESCAPED_SPACE})+"
_AFTER_ESCAPE = (
    r"(?<=\\[nrtbf])|(?<=\\u(?:00[0-9ab]|20[0-6]|30[0-3])[0-9a-f])|(?<=%[23][0-9a-f])|(?<=%0[9ad])"
)
# No letter or digit beside it; "_" is none: Markdown writes _Ann_.
_BEFORE_WORD = rf"(?:(?<![^\W_])|{_AFTER_ESCAPE})"
_AFTER_WORD = r"(?![^\W_]|[\u0300-\u036f])"


class Mention:
    """What a value looks like in a text.

    Raises:
        UsageError: the value is too short to be told from other words.
    """

    def __init__(self, value: str) -> None:
        self.value = unicodedata.normalize("NFC", " ".join(value.split()))
        if len(re.sub(r"\W", "", self.value)) < FEWEST_CHARACTERS or self.value.casefold() in FORGOTTEN_MARK:
            raise UsageError(
                f"{value!r} is too short to be found for certain: give at least "
                f"{FEWEST_CHARACTERS} letters or digits."
            )
        before, core, after = _parts_of(self.value)
        # What stands before is looked for last: a pattern that begins with it takes ten times as long.
        self._core = re.compile(core, re.IGNORECASE)
        self._pattern = re.compile(f"{before}{core}{after}", re.IGNORECASE)

    def find(self, text: str) -> list[str]:
        """Every mention in a text, as it stands there."""
        return [match[0] for match in self._pattern.finditer(text)]

    def is_in(self, text: str) -> bool:
        """Tell whether a text mentions it."""
        return self._core.search(text) is not None and self._pattern.search(text) is not None

    def rewrite(self, text: str) -> str:
        """Put the mark in the place of each mention."""
        return self._pattern.sub(FORGOTTEN_MARK, text)

    def rewrite_json(self, value: Any) -> Any:  # Any: JSON values
        """Put the mark into all texts of a JSON value, its keys too; a number that is the value becomes the mark.

        A text that is JSON itself, as the arguments of a tool are, stays JSON.
        """
        if isinstance(value, str):
            return self._rewrite_nested(value)
        if isinstance(value, dict):
            return {self.rewrite(key): self.rewrite_json(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.rewrite_json(each) for each in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and self.is_in(str(value)):
            return FORGOTTEN_MARK
        return value

    def _rewrite_nested(self, text: str) -> str:
        if text[:1] in ("{", "[") and self.is_in(text):
            try:
                return json.dumps(self.rewrite_json(json.loads(text)), ensure_ascii=False)
            except ValueError:
                pass  # it only looks like JSON
        return self.rewrite(text)


def _parts_of(value: str) -> tuple[str, str, str]:
    """Patterns of what may stand before a value, of itself, and of what may stand after it."""
    digits = re.sub(r"\D", "", value)
    if _NUMBER.fullmatch(value) and len(digits) >= FEWEST_DIGITS:
        plus = r"(?:\+|\\+u002b|%2b)?" if value.startswith("+") else ""
        return rf"(?:(?<!\d)|{_AFTER_ESCAPE}){plus}\(?", _BETWEEN.join(digits), r"(?!\d)"
    before = _BEFORE_WORD if value[0].isalnum() else ""
    after = _AFTER_WORD if value[-1].isalnum() else ""
    code = re.sub(r"[\s\-]", "", value)
    if _CODE.fullmatch(value) and len(code) >= FEWEST_OF_CODE and 2 * len(digits) >= len(code):
        return before, _WITHIN.join(code), after
    return before, _SPACE.join(map(_write_word, value.split())), after


def _write_word(word: str) -> str:
    parts = (part for part in re.split("(ss)", word, flags=re.IGNORECASE) if part)
    # In capitals ß is SS, and which of both a name has is not told by them.
    return _JOINED.join(
        f"(?:{_write_letters(part)}|{_write_point('ß')})" if part.lower() == "ss" else _write_letters(part)
        for part in parts
    )


def _write_letters(letters: str) -> str:
    return _JOINED.join(map(_write_character, letters))


def _write_character(character: str) -> str:
    """The ways to write a character: itself, decomposed, in the other case, and each as an escape."""
    if character.isascii() and character.isalnum():
        return character
    if character in '"\\/':
        return rf"(?:\\*{re.escape(character)}|{_escape(character)})"
    cases = (character, character.upper(), character.lower(), character.casefold())
    ways = dict.fromkeys(unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD"))
    return f"(?:{'|'.join(''.join(map(_write_point, way)) for way in ways)})"


def _write_point(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    return f"(?:{re.escape(character)}|{_escape(character)})"


def _escape(character: str) -> str:
    """A character as JSON escapes it, however deep that JSON stands in other JSON, or as addresses do."""
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = "".join(rf"\\+u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    octets = "".join(f"%{octet:02x}" for octet in character.encode("utf-8", "surrogatepass"))
    return f"{escaped}|{octets}"
