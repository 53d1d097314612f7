"""The line under the input: how the window is filled, and what the last turn cost."""

from ..context.picture import Picture
from ..context.receipt import Receipt
from .screen import Signs

BAR_CELLS = 12
FEWEST_BAR_CELLS = 4
GAP = "  "
EXACT_BELOW = 10_000  # tokens; above, thousands tell enough


def render_status(picture: Picture | None, receipt: Receipt | None, width: int, signs: Signs) -> str:
    """Render what fits into `width` cells, the most telling parts first; the bar takes what is left.

    Example: "█▓▓░░░░░░░·· base 40  log 310  room 2,900  reused 350  read 22  first 0.30 s  41 tok/s".
    """
    line = ""
    for part in _window_parts(picture) + _turn_parts(receipt):
        if len(line) + len(GAP) + len(part) > width:
            break
        line = f"{line}{GAP}{part}" if line else part
    cells = min(BAR_CELLS, width - len(line) - 1)
    if picture is not None and cells >= FEWEST_BAR_CELLS:
        line = f"{render_bar(picture, cells, signs)} {line}"
    return line[:width]


def render_bar(picture: Picture, cells: int, signs: Signs) -> str:
    """Draw the window as `cells` signs: base, log, room, and the reserve for the reply."""
    base, log, room, reserve = signs.bar
    filled = round(cells * (picture.base_tokens + picture.log_tokens) / picture.window)
    kept = round(cells * picture.reserve / picture.window)
    of_base = min(filled, max(round(cells * picture.base_tokens / picture.window), picture.base_tokens > 0))
    free = max(0, cells - filled - kept)
    return (base * of_base + log * (filled - of_base) + room * free + reserve * kept)[:cells]


def _window_parts(picture: Picture | None) -> list[str]:
    if picture is None:
        return []
    return [
        f"base {_count(picture.base_tokens)}",
        f"log {_count(picture.log_tokens)}",
        f"room {_count(picture.room_tokens)}",
    ]


def _turn_parts(receipt: Receipt | None) -> list[str]:
    """What the engine did not say is left out: missing is not zero."""
    if receipt is None:
        return []
    return [
        text
        for value, text in (
            (receipt.reused_tokens, f"reused {_count(receipt.reused_tokens or 0)}"),
            (receipt.read_tokens, f"read {_count(receipt.read_tokens or 0)}"),
            (receipt.seconds_to_first, f"first {receipt.seconds_to_first or 0:.2f} s"),
            (receipt.tokens_per_second, f"{receipt.tokens_per_second or 0:.0f} tok/s"),
        )
        if value is not None
    ]


def _count(tokens: int) -> str:
    """Examples: 9,876 → "9,876"; 23,456 → "23.5k"."""
    return f"{tokens:,}" if tokens < EXACT_BELOW else f"{tokens / 1000:,.1f}k"
