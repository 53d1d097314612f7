"""How the values of the audit's settings are read; each raises `ValueError` with the words after "must be"."""

import math

from .base import FEWEST_BYTES, LEVELS


def read_level(value: object) -> str:
    """Read a level."""
    if value is False:  # "off" without quotes is a value in some files
        return "off"
    if value not in LEVELS:
        raise ValueError("off, sizes, masked or full")
    return str(value)


def read_file_bytes(value: object) -> int:
    """Read how large a file may become."""
    number = _read_number(value)
    if number is None or number != int(number) or number < FEWEST_BYTES:
        raise ValueError(f"a whole number of bytes, {FEWEST_BYTES} or more")
    return int(number)


def read_days(value: object) -> float:
    """Read how old a file may become."""
    number = _read_number(value)
    if number is None or number <= 0:
        raise ValueError("a number of days above 0")
    return number


def read_keep_days(value: object) -> float:
    """Read for how long files are kept."""
    number = _read_number(value)
    if number is None or number < 0:
        raise ValueError("a number of days, or 0 for ever")
    return number


def _read_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
