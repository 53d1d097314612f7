"""The commands that tell turnkeep itself something: what to remember, and what to forget."""

from typing import TYPE_CHECKING

from ..errors import UsageError
from .screen import plural

if TYPE_CHECKING:
    from .app import TerminalChat


async def remember(app: "TerminalChat", argument: str) -> None:
    """/remember TEXT."""
    await app.chat.remember(argument)
    app.say("Remembered, word for word.")
    app.refresh()


async def pin(app: "TerminalChat", argument: str) -> None:
    """/pin [TURN]."""
    turn = read_turn(argument, "/pin 3")
    await app.chat.pin(turn)
    what = f"in turn {turn}" if turn else "last"
    app.say(f"What you said {what} is remembered, word for word.")
    app.refresh()


async def forget(app: "TerminalChat", argument: str) -> None:
    """/forget [TURN]."""
    turns = await app.chat.forget(read_turn(argument, "/forget 3"))
    app.say(forgotten_line(turns))
    app.last = None
    app.refresh()


def forgotten_line(turns: tuple[int, ...]) -> str:
    """Say what was forgotten."""
    numbers = " and ".join(str(number) for number in turns)
    return (
        f"{plural(len(turns), 'turn')} {'is' if len(turns) == 1 else 'are'} forgotten: {numbers}. "
        "Replies to other turns may still speak of the same thing."
    )


def read_turn(argument: str, example: str) -> int | None:
    """Read the number of a turn; None when there is none.

    Raises:
        UsageError: it is no number of a turn.
    """
    if not argument:
        return None
    if not argument.isdigit() or int(argument) < 1:
        raise UsageError(f"{argument!r} is no turn: give its number, such as {example}.")
    return int(argument)
