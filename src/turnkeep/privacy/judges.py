"""The libraries that judge candidates: python-stdnum and phonenumberslite, loaded when first needed."""

import functools
from dataclasses import dataclass
from typing import Any

from ..errors import MissingExtra

INSTALL = (
    "Finding personal data needs two small libraries. Install them with: pip install 'turnkeep[privacy]'"
)


@dataclass(frozen=True, slots=True)
class Judges:
    """What the libraries say of candidates; the modules are untyped."""

    stdnum_luhn: Any
    stdnum_iban: Any
    stdnum_module: Any  # (country, name) -> module
    phonenumbers: Any

    def luhn(self, digits: str) -> bool:
        """Whether the check digit is right."""
        return bool(self.stdnum_luhn.is_valid(digits))

    def iban(self, value: str) -> bool:
        """Whether it is an IBAN: country, length, form and checksum."""
        return bool(self.stdnum_iban.is_valid(value))

    def national_id(self, name: str, value: str) -> bool:
        """Whether it is a national id as this country makes them; `name` as "es.dni"."""
        module = self.stdnum_module(*name.split("."))
        return bool(module.is_valid(value))

    def is_possible_abroad(self, number: str) -> bool:
        """Whether a number with a country's code in front has the length that numbers of that country have."""
        try:
            parsed = self.phonenumbers.parse(number, None)
        except self.phonenumbers.NumberParseException:
            return False
        return bool(self.phonenumbers.is_possible_number(parsed))

    def is_valid_in(self, number: str, region: str) -> bool:
        """Whether a number without a country's code is one that this country gives out."""
        try:
            parsed = self.phonenumbers.parse(number, region)
        except self.phonenumbers.NumberParseException:
            return False
        return bool(self.phonenumbers.is_valid_number(parsed))


@functools.cache
def load_judges() -> Judges:
    """Load the libraries, once.

    Raises:
        MissingExtra: they are not installed.
    """
    try:
        import phonenumbers
        from stdnum import get_cc_module, iban, luhn
    except ImportError as error:
        raise MissingExtra(INSTALL) from error
    return Judges(luhn, iban, functools.cache(get_cc_module), phonenumbers)


def is_installed() -> bool:
    """Tell whether personal data can be found here; where not, `INSTALL` says what to do."""
    try:
        load_judges()
    except MissingExtra:
        return False
    return True
