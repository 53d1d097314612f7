"""Find phone numbers. People write them in many ways, so words decide where the form does not.

With a country's code in front, phonenumberslite judges. Without one a word near it says that it is
a phone's, or else it must be written as phone numbers are and be one that a country gives out.
"""

import re
from collections.abc import Iterator

from .cues import is_called_phone, nearest_cue
from .judges import Judges
from .kinds import PHONE, Found

FEWEST_DIGITS, MOST_DIGITS = 7, 15  # E.164 has 15 at most
_PHONE = re.compile(
    r"(?<![A-Za-z0-9_@/=$€£#.,:+\-])(?:\+ ?)?\(?\d[\d()]*(?:[ .\-/]{1,3}\(?\d[\d()]*)*(?: ?(?:x|ext\.?|extension) ?\d{1,6})?(?![A-Za-z0-9_]|[,:%]\d|%| ?[€$£])",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"(?<=[^\d\s][:=#,.])\(?\+?\d[\d()]*(?:[ .\-/]{1,2}\(?\d[\d()]*)*(?![A-Za-z0-9_])")
_EXTENSION = re.compile(r" ?(?:x|ext).*$", re.IGNORECASE)
# What is written with the same characters: dates, spans of years, versions and decimals, sums.
_NO_PHONE = re.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?: \d{1,2})?|(?:1[5-9]|20)\d\d ?[-/] ?(?:1[5-9]|20)?\d\d|\d+\.\d+|\d{1,3}(?:\.\d{3})+"
    r"|\d{1,4}(?:\.\d{1,4}){3}|(?:\d{1,2}[-/ ])+\d{1,2}[-/ ](?:19|20)\d\d|\d{4}-\d\d-\d\d[ T].*"
)
_BARE_YEARS = re.compile(r"(?:(?:1[5-9]|20)\d\d[ -]+)*(?:1[5-9]|20)\d\d")
_ROUND = re.compile(r"[1-9]\d*0000")
# As phone numbers alone are written: (212) 555-0100, 212-555-0100, 0 and an area, 01 84 17 61 18.
_NORTH_AMERICAN = re.compile(
    r"1?[ .-]?\(?[2-9]\d\d\)?[ .-]?[2-9]\d\d[.-]\d{4}|\([2-9]\d\d\) ?[2-9]\d\d[ .-]\d{4}"
)
_TRUNK = re.compile(r"\(?0[1-9]\d{0,4}\)?[ ./-]\d[\d ./-]{4,}")
REGIONS = (
    "GB", "DE", "FR", "IT", "NL", "BE", "CH", "AT", "SE", "FI", "IE", "AU", "NZ", "ZA", "IN", "JP", "KR", "BR", "TR", "UA",
)  # fmt: skip  # that write a 0 in front


def find_phones(text: str, judges: Judges) -> Iterator[Found]:
    """Yield phone numbers, with their extensions."""
    for pattern in (_LABELLED, _PHONE):
        for match in pattern.finditer(text):
            value = _trim(match[0])
            if _is_phone(text, match.start(), value, judges):
                yield Found(match.start(), match.start() + len(value), PHONE)


def _trim(value: str) -> str:
    """Take away a bracket that the sentence opened or closes."""
    while value.endswith("(") or (value.endswith(")") and value.count("(") < value.count(")")):
        value = value[:-1]
    return value


def _is_phone(text: str, start: int, value: str, judges: Judges) -> bool:
    number = _EXTENSION.sub("", value)
    digits = sum(map(str.isdigit, number))
    if not FEWEST_DIGITS <= digits <= MOST_DIGITS or len(set(re.sub(r"\D", "", number))) < 2:
        return False
    if number.startswith("+") or re.match(r"00[1-9]", number):
        # "+41 (0)96": the 0 is for those who call from inside
        return judges.is_possible_abroad(re.sub(r"^00", "+", number.replace("(0)", "")))
    if _NO_PHONE.fullmatch(number) or _BARE_YEARS.fullmatch(number) or _ROUND.fullmatch(number):
        return False
    if text[start - 1 : start] in ("(", "[") and text[start - 2 : start - 1].isalnum():
        return False  # f(1234567)
    if is_called_phone(text, start, start + len(value)):
        return True
    if nearest_cue(text, start) is not None:
        return False  # a card, an order, ...
    if _NORTH_AMERICAN.fullmatch(number):
        return judges.is_valid_in(number, "US")
    return bool(_TRUNK.fullmatch(number)) and any(judges.is_valid_in(number, region) for region in REGIONS)
