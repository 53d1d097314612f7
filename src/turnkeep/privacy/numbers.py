"""Find card numbers and IBANs. Patterns find candidates, python-stdnum's checksums judge."""

import re
from collections.abc import Iterator

from .cues import CARD_CUE, nearest_cue
from .judges import Judges
from .kinds import CARD, IBAN, Found

_CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){11,18}(?!\w|[-.]\d)")
# First digits and lengths that card issuers use, where no word says that it is a card: one of ten
# numbers has a right check digit by chance. https://en.wikipedia.org/wiki/Payment_card_number
_ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|65\d\d|64[4-9]\d)\d{12}|(?:1800|2131)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14}"
)
_GROUPED = re.compile(r"\d+|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}")
_IBAN = re.compile(
    r"(?<!\w)[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?(?!\w)", re.IGNORECASE
)


def find_cards(text: str, judges: Judges) -> Iterator[Found]:
    """Yield card numbers: a right check digit, and an issuer's form or a word that says so."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if len(set(digits)) == 1 or not judges.luhn(digits):
            continue
        issued = _ISSUED.fullmatch(digits) and _GROUPED.fullmatch(match[0])
        if issued or nearest_cue(text, match.start()) == CARD_CUE:
            yield Found(match.start(), match.end(), CARD)


def find_ibans(text: str, judges: Judges) -> Iterator[Found]:
    """Yield IBANs; the words behind one look like groups of it, and are taken away one by one."""
    for match in _IBAN.finditer(text):
        value = match[0]
        while len(value) >= 15:  # Norway's, the shortest
            if judges.iban(value):
                yield Found(match.start(), match.start() + len(value), IBAN)
                break
            shorter = re.match(r"(.*)[ -]", value)
            if shorter is None:
                break
            value = shorter[1]
