"""What was said before, in short: shown when a conversation is opened or switched to."""

from typing import TYPE_CHECKING

from rich.text import Text

from ..record import Exchange
from ..store.base import Turn
from .render import make_printer
from .screen import one_line

if TYPE_CHECKING:
    from .app import TerminalChat

REPLY_LINES = 6  # of an earlier reply; the rest is in `turnkeep show`
REPLY_CHARACTERS = 600


async def print_past(app: "TerminalChat", turns: int) -> None:
    """Print the last turns of the conversation."""
    for exchange in await app.chat.history(last=turns):
        _print_exchange(app, exchange)


def _print_exchange(app: "TerminalChat", exchange: Exchange) -> None:
    width = app.console.width
    app.console.print()
    for note in exchange.notes:
        app.say(one_line(note, width, app.signs.dots), "dim")
    if not exchange.talk:
        if exchange.forgotten:
            app.say("[forgotten]", "dim")
        return
    app.console.print(
        Text(
            app.signs.prompt + one_line(exchange.user, width - len(app.signs.prompt), app.signs.dots), "bold"
        )
    )
    reply = exchange.assistant.rstrip()
    short = "\n".join(reply.splitlines()[:REPLY_LINES])[:REPLY_CHARACTERS]
    printer = make_printer(app.console, app.signs)
    printer.feed(short)
    printer.finish()
    if len(short) < len(reply):
        app.say(f"{app.signs.dots} {len(reply) - len(short):,} more characters", "dim")
    if end := _describe_state(exchange.turn):
        app.say(end, "dim")


def _describe_state(turn: Turn) -> str:
    match turn.state:
        case "done":
            return ""
        case "cut_off":
            return "[cut off]"
        case "failed":
            return f"[failed: {turn.error or 'no reply came'} /regenerate asks again]"
        case "open":
            return "[not answered; /regenerate asks again]"
