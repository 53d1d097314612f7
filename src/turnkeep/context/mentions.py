"""Find every mention of a value in a text, and put a mark in its place.

    0171 555-0199   also finds 01715550199, 0171/5550199, (0171) 555 0199
    Ann Smith       also finds ann  smith, but not Ann Smithers

A message that mentions a value is kept with the mark in the value's place: to take it out whole would lose
what else was said there, and the replies to it would hang in the air.

Pure. Does not know that "+49 171" and "0171" begin the same number, nor other spellings of a name.
"""

import json
import re
from typing import Any

from ..errors import UsageError

FORGOTTEN_MARK = "[forgotten]"
FEWEST_CHARACTERS = 3  # of a value: two letters stand everywhere
FEWEST_DIGITS = 4  # from so many on a value of digits is found however it is spaced

_NUMBER = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2014\u202f]+")
_BETWEEN = r"[\s().\-/\u00a0\u2010-\u2014\u202f]{0,3}"  # between two digits of a number


class Mention:
    """What a value looks like in a text.

    Raises:
        UsageError: the value is too short to be told from other words.
    """

    def __init__(self, value: str) -> None:
        self.value = " ".join(value.split())
        if len(re.sub(r"\W", "", self.value)) < FEWEST_CHARACTERS or self.value.casefold() in FORGOTTEN_MARK:
            raise UsageError(
                f"{value!r} is too short to be found for certain: give at least "
                f"{FEWEST_CHARACTERS} letters or digits."
            )
        self._pattern = re.compile(_pattern_of(self.value), re.IGNORECASE)

    def find(self, text: str) -> list[str]:
        """Every mention in a text, as it stands there."""
        return [match[0] for match in self._pattern.finditer(text)]

    def is_in(self, text: str) -> bool:
        """Tell whether a text mentions it."""
        return self._pattern.search(text) is not None

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


def _pattern_of(value: str) -> str:
    digits = re.sub(r"\D", "", value)
    if _NUMBER.fullmatch(value) and len(digits) >= FEWEST_DIGITS:
        plus = r"\+" if value.startswith("+") else ""
        return rf"(?:(?<!\d)|(?<=\\[nrt])){plus and '(?:' + plus + ')?'}\(?{_BETWEEN.join(digits)}(?!\d)"
    words = r"\s+".join(re.escape(word) for word in value.split())
    before = r"(?<!\w)" if value[0].isalnum() else ""
    after = r"(?!\w)" if value[-1].isalnum() else ""
    return f"{before}{words}{after}"
