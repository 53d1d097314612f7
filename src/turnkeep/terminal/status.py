"""The line under the input: how the window is filled, and what the last turn cost."""

from ..context.picture import Picture
from ..context.receipt import Receipt
from .screen import Signs

BAR_CELLS = 12


def render_status(picture: Picture | None, receipt: Receipt | None, width: int, signs: Signs) -> str:
    """Render what fits into `width` cells, the most telling parts first.

    Example: "█▓▓░░░░░░░·· base 40 · log 310 · room 2,900 · reused 350 · read 22 · 0.3 s · 41 tok/s".
    """
    parts = _window_parts(picture) + _turn_parts(receipt)
    line = render_bar(picture, min(BAR_CELLS, width // 5), signs) if picture else ""
    for part in parts:
        joined = f"{line} {part}" if line and part is parts[0] else f"{line}{signs.between}{part}"
        joined = joined if line else part
        if len(joined) > width:
            break
        line = joined
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
        f"base {picture.base_tokens:,}",
        f"log {picture.log_tokens:,}",
        f"room {picture.room_tokens:,}",
    ]


def _turn_parts(receipt: Receipt | None) -> list[str]:
    """What the engine did not say is left out: missing is not zero."""
    if receipt is None:
        return []
    return [
        text
        for value, text in (
            (receipt.reused_tokens, f"reused {receipt.reused_tokens or 0:,}"),
            (receipt.read_tokens, f"read {receipt.read_tokens or 0:,}"),
            (receipt.seconds_to_first, f"first {receipt.seconds_to_first or 0:.2f} s"),
            (receipt.tokens_per_second, f"{receipt.tokens_per_second or 0:.0f} tok/s"),
        )
        if value is not None
    ]
