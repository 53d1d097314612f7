"""How the values of settings are read.

Each function takes what a file, the environment or a flag holds, and raises ValueError with the words
that stand after "must be".
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .audit.base import FEWEST_BYTES, LEVELS
from .context.budget import SMALLEST_WINDOW
from .context.strategy import parse_strategy

if TYPE_CHECKING:
    from .privacy import Pattern

N = TypeVar("N", int, float)

MOST_DAYS = 36_500  # of retention: a century

# Fields of a request that are settings of their own, or turnkeep's to write.
RESERVED_FIELDS = frozenset(
    {"messages", "model", "stream", "stream_options", "temperature", "max_tokens", "tools"}
)

SMALLEST_BODY = 1024  # bytes; less holds no request

_SIZE = re.compile(r"([0-9]{1,15})([KMG]?)(?:i?B)?", re.IGNORECASE)
_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30}
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s@]+/?", re.IGNORECASE)


def read_text(value: object) -> str:
    """Read a text."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text that is not empty")
    return value


def read_path(value: object) -> Path:
    """Read the path of a file; `~` is the home folder."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("the path of a file")
    return Path(value).expanduser()


def read_temperature(value: object) -> float:
    """Read how random replies are."""
    return _allow(_number(value), lambda number: number >= 0, "a number, 0 or more")


def read_max_tokens(value: object) -> int:
    """Read the longest reply; -1 is the room that is left."""
    return _allow(
        _whole(value),
        lambda number: number >= 1 or number == -1,
        "a whole number of tokens, 1 or more, or -1 for the room that is left",
    )


def read_window(value: object) -> int:
    """Read tokens of context window."""
    return _allow(
        _whole(value),
        lambda number: number >= SMALLEST_WINDOW,
        f"a whole number of tokens, {SMALLEST_WINDOW} or more",
    )


def read_strategy(value: object) -> str:
    """Read what a prompt is made of."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("names joined by commas, or a list of names")
    return str(parse_strategy(",".join(names)))


def read_seconds(value: object) -> float:
    """Read seconds, 0 among them."""
    return _allow(_number(value), lambda number: number >= 0, "a number of seconds, 0 or more")


def read_switch(value: object) -> bool:
    """Read on or off."""
    if isinstance(value, bool):
        return value
    found = {
        "on": True,
        "yes": True,
        "true": True,
        "1": True,
        "off": False,
        "no": False,
        "false": False,
        "0": False,
    }
    word = value.strip().lower() if isinstance(value, str) else None
    if word not in found:
        raise ValueError("on or off")
    return found[word]


def read_host(value: object) -> str:
    """Read an address to listen on."""
    if not isinstance(value, str) or not value or any(mark in value for mark in "/ @"):
        raise ValueError("an address to listen on, such as 127.0.0.1 or 0.0.0.0")
    return value


def read_port(value: object) -> int:
    """Read a port; 0 is any that is free."""
    return _allow(
        _whole(value), lambda number: 0 <= number <= 65_535, "a port, 1 to 65535, or 0 for any that is free"
    )


def read_count(value: object) -> int:
    """Read a number of things."""
    return _allow(_whole(value), lambda number: number >= 1, "a whole number, 1 or more")


def read_size(value: object) -> int:
    """Read a number of bytes; K, M and G are powers of 1,024."""
    found = _SIZE.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    number = int(found[1]) << _SHIFTS[found[2].upper()] if found else 0
    if number < SMALLEST_BODY:
        raise ValueError(f"a size, {SMALLEST_BODY // 1024}K or more, such as 64M")
    return number


def read_wait(value: object) -> float:
    """Read seconds, 0 not among them."""
    return _allow(_number(value), lambda number: number > 0, "a number of seconds, more than 0")


def read_retention(value: object) -> int:
    """Read days; 0 is for ever."""
    return _allow(
        _whole(value),
        lambda number: 0 <= number <= MOST_DAYS,
        f"a whole number of days, 1 to {MOST_DAYS}, or 0 to keep for ever",
    )


def read_names(value: object) -> tuple[str, ...]:
    """Read names, joined by commas or listed."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("names joined by commas, or a list of names")
    return tuple(name.strip() for name in names if name.strip())


def read_origins(value: object) -> tuple[str, ...]:
    """Read addresses of web pages."""
    origins = read_names(value)
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("the addresses of web pages without a path, such as https://chat.example, or *")
    return origins


def read_audit_level(value: object) -> str:
    """Read how much of a turn the audit journal keeps."""
    if value is False:  # "off" without quotes is a value in some files
        return "off"
    if value not in LEVELS:
        raise ValueError("off, sizes, masked or full")
    return str(value)


def read_file_bytes(value: object) -> int:
    """Read how large a file of the audit journal may become."""
    words = f"a whole number of bytes, {FEWEST_BYTES} or more"
    return int(_allow(_number(value), lambda number: number == int(number) >= FEWEST_BYTES, words))


def read_file_days(value: object) -> float:
    """Read how old a file of the audit journal may become."""
    return _allow(_number(value), lambda number: number > 0, "a number of days above 0")


def read_keep_days(value: object) -> float:
    """Read for how long files of the audit journal are kept."""
    return _allow(_number(value), lambda number: number >= 0, "a number of days, or 0 for ever")


def read_sampling(value: object) -> Mapping[str, object]:
    """Read further fields of requests."""
    if not isinstance(value, dict):
        raise ValueError("a table of fields, such as [sampling] with top_p = 0.9")
    for name in value:
        if name in RESERVED_FIELDS:
            raise ValueError(f"without {name}, which is not a sampling field")
    return value


def read_patterns(value: object) -> "tuple[Pattern, ...]":
    """Read regular expressions by their kind."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("a table of regular expressions, such as EMPLOYEE = 'E-\\d{6}'")
    from .privacy import parse_patterns  # 40 ms of regular expressions, and most people add none

    return parse_patterns(value)


def _allow(number: N | None, fits: Callable[[N], bool], words: str) -> N:
    if number is None or not fits(number):
        raise ValueError(words)
    return number


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return int(value)
    except ValueError:
        return None
