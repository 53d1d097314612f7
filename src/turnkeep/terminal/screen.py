"""What may be written to a terminal, and with which signs.

Text that a model or another person wrote is data: a control character in it must not
move the cursor, change the title or fill the clipboard, so it is shown, not obeyed.
"""

import os
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# C0 without tab and newline, DEL and C1: a terminal obeys them (ECMA-48), a reader never needs them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Marks that turn the reading direction of what follows, so that it can read as something else.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs used for drawing, chosen by what the terminal's encoding can show."""

    prompt: str
    more: str  # before the further lines of an input
    bullet: str
    open_box: str
    ticked_box: str
    rule: str
    quote: str
    dots: str
    between: str
    spinner: str
    bar: tuple[str, str, str, str]  # base, log, room, reserve


UNICODE = Signs("› ", "· ", "•", "☐", "☑", "─", "│", "…", " · ", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", ("█", "▓", "░", "·"))
ASCII = Signs("> ", ". ", "*", "[ ]", "[x]", "-", "|", "...", " - ", "|/-\\", ("#", "=", ".", "-"))


def make_console(file: IO[str]) -> "Console":
    """Make a console on `file` that respects NO_COLOR, TERM=dumb and the width of the terminal."""
    from rich.console import Console

    return Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True)


def choose_signs(console: "Console") -> Signs:
    """Choose the signs that the console's encoding and terminal can show."""
    encodes = console.encoding.lower().replace("-", "").startswith("utf")
    return UNICODE if encodes and os.environ.get("TERM") != "dumb" else ASCII


def printable(text: str) -> str:
    """Make control characters visible instead of effective. Example: ESC → "␛"."""
    text = text.replace("\r\n", "\n")
    text = _CONTROL.sub(lambda found: chr(0x2400 + ord(found[0])) if ord(found[0]) < 32 else "\ufffd", text)
    return _TURNING.sub("\ufffd", text)


def plural(count: int, word: str) -> str:
    """Example: 1,234 and "turn" → "1,234 turns"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def hold_return(text: str) -> tuple[str, str]:
    """Split a last carriage return off: the newline that makes it a line end may still come."""
    return (text[:-1], "\r") if text.endswith("\r") else (text, "")


def one_line(text: str, width: int, dots: str = "…") -> str:
    """Shorten a text to one line of at most `width` cells."""
    from rich.cells import cell_len, set_cell_size

    flat = " ".join(printable(text).split())
    if cell_len(flat) <= width:
        return flat
    return set_cell_size(flat, max(0, width - cell_len(dots))).rstrip() + dots[: max(0, width)]
