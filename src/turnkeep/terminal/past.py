"""What was said before, in short: shown when a conversation is opened or switched to."""

from typing import TYPE_CHECKING

from rich.text import Text

from ..library import Exchange
from .render import make_printer
from .screen import one_line

if TYPE_CHECKING:
    from .app import TerminalChat

REPLY_LINES = 6  # of an earlier reply; the rest is in `turnkeep show`


async def print_past(app: "TerminalChat", turns: int) -> None:
    """Print the last turns of the conversation."""
    for exchange in await app.chat.history(last=turns):
        _print_exchange(app, exchange)


def _print_exchange(app: "TerminalChat", exchange: Exchange) -> None:
    width = app.console.width
    app.console.print()
    app.console.print(
        Text(
            app.signs.prompt + one_line(exchange.user, width - len(app.signs.prompt), app.signs.dots), "bold"
        )
    )
    lines = exchange.assistant.rstrip().splitlines()
    printer = make_printer(app.console, app.signs)
    printer.feed("\n".join(lines[:REPLY_LINES]))
    printer.finish()
    if len(lines) > REPLY_LINES:
        app.say(f"{app.signs.dots} {len(lines) - REPLY_LINES} more lines", "dim")
    if exchange.turn.state == "failed":
        app.say(f"[failed: {exchange.turn.error or 'no reply came'}]", "dim")
    elif exchange.turn.state == "cut_off":
        app.say("[cut off]", "dim")
