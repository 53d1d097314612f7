"""The commands inside of the chat: their names, what they say of themselves, and what they do."""

import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from ..errors import NothingToDo, UsageError
from ..settings import OWNER, suggest
from ..transfer import check_name
from .corrections import FACTS_CHANGES, SUMMARY_CHANGES, facts, summary
from .memory import forget, pin, read_turn, remember
from .opening import tidy
from .options import DEFAULT, describe_options, set_option
from .past import print_past
from .picture import render_picture
from .receipts import describe_receipt
from .records import first_words
from .saving import MASKED, export
from .screen import one_line, plural, printable

if TYPE_CHECKING:
    from .app import TerminalChat

PAST_SHOWN = 2  # turns shown when switching
LISTED = 20  # conversations
FOUND = 20  # search results
MOST_COPIED = 74_994  # bytes: xterm and others refuse an OSC 52 beyond 100,000 characters of base64


@dataclass(frozen=True, slots=True)
class Command:
    """A command, without its slash."""

    name: str
    argument: str  # as /help shows it
    help: str
    run: Callable[["TerminalChat", str], Awaitable[None]]


async def run_command(app: "TerminalChat", line: str) -> None:
    """Run what a line that begins with a slash says.

    Raises:
        UsageError: there is no such command; or what the command itself raises.
    """
    name, _, argument = line[1:].strip().partition(" ")
    command = _COMMANDS.get(name.lower())
    if command is None:
        raise UsageError(
            f"There is no command /{name}{suggest(name, list(_COMMANDS), '/') or '.'} "
            "/help lists them; //text sends a message that begins with a slash."
        )
    await command.run(app, argument.strip())


async def complete_argument(app: "TerminalChat", command: str) -> list[str]:
    """List what may follow a command."""
    match command:
        case "/switch":
            return [row.name or row.id for row in await app.chat.list()]
        case "/set":
            return ["temperature", "max_tokens", "strategy"]
        case "/model":
            return list((await app.chat.engine_info()).models)
        case "/facts":
            return [*FACTS_CHANGES]
        case "/summary":
            return [*SUMMARY_CHANGES]
        case "/export":
            return [MASKED]
    return []


# -- looking ------------------------------------------------------------------
async def _help(app: "TerminalChat", _argument: str) -> None:
    width = max(len(f"/{command.name} {command.argument}") for command in COMMANDS)
    for command in COMMANDS:
        usage = f"/{command.name} {command.argument}"
        app.say(
            f"{usage:{width}}  {command.help}"
            if app.console.width > width + 20
            else f"{usage.strip()}: {command.help}"
        )
    app.say("//text sends a message that begins with a slash. Enter sends, Alt-Enter makes a new line,")
    app.say("Ctrl-C stops a reply or clears the line, Ctrl-D ends the chat.")


async def _model(app: "TerminalChat", argument: str) -> None:
    if argument:
        info = await app.chat.set_model(argument)
        app.say(f"Talking to {info.model}, window {info.window:,} tokens.")
        app.refresh()
        return
    info = await app.chat.engine_info()
    app.say(f"{info.model} on {info.kind} at {info.url}")
    sources = {
        "loaded": "as loaded",
        "user": "as you set it",
        "default": "assumed",
        "learned": "learned from a refusal",
    }
    app.say(
        f"window {info.window:,} tokens, {sources[info.window_source]}; tokens are {'counted' if info.counts else 'estimated'}"
    )
    for other in info.models:
        app.say(f"{'*' if other == info.model else ' '} {other}")


async def _context(app: "TerminalChat", argument: str) -> None:
    if argument not in ("", "all"):
        raise UsageError("Use /context, or /context all for every item.")
    picture = await app.chat.picture()
    for line in render_picture(picture, app.console.width, app.signs, every_item=argument == "all"):
        app.console.print(line, soft_wrap=False)


async def _why(app: "TerminalChat", argument: str) -> None:
    receipt = await app.chat.why(read_turn(argument, "/why 3"))
    for label, sentence in describe_receipt(receipt):
        app.console.print(Text.assemble((f"{label}: ", "bold"), printable(sentence)), soft_wrap=False)


async def _list(app: "TerminalChat", _argument: str) -> None:
    current = await app.chat.conversation()
    for row in await app.chat.list(LISTED):
        mark = "*" if row.id == current.id else " "
        words = "" if row.name else f"  {await first_words(app.store, row)}"
        app.say(f"{mark} {row.name or row.id}  {plural(row.turns, 'turn')}, {_ago(row.updated)}{words}")


async def _search(app: "TerminalChat", argument: str) -> None:
    hits = await app.chat.search(argument, everywhere=True, limit=FOUND)
    if not hits:
        app.say("Nothing was found.")
    for hit in hits:
        head = f"{hit.name or hit.conversation}, turn {hit.turn}, {hit.role}: "
        app.say(head + one_line(hit.text, max(20, app.console.width - len(head)), app.signs.dots))


# -- going on -----------------------------------------------------------------
async def _regenerate(app: "TerminalChat", _argument: str) -> None:
    await app.stream(app.chat.regenerate())


async def _edit(app: "TerminalChat", argument: str) -> None:
    if not argument:
        past = [exchange for exchange in await app.chat.history(last=1) if exchange.talk]
        if not past:
            raise NothingToDo("Nothing was said yet in this conversation.")
        argument = (await app.read(past[-1].user)).strip()
    if not argument:
        app.say("Nothing was changed.")
        return
    await app.stream(app.chat.edit(argument), argument)


async def _undo(app: "TerminalChat", _argument: str) -> None:
    turn = await app.chat.undo()
    app.say(f"Turn {turn.number} is taken back; it stays in the record.")
    app.last = None
    app.refresh()


async def _new(app: "TerminalChat", argument: str) -> None:
    await _go_to(app, check_name(argument) if argument else None, new=True)


async def _switch(app: "TerminalChat", argument: str) -> None:
    if not argument:
        raise UsageError("Say where to: /switch NAME. /list shows the names.")
    if await app.store.find_conversation(OWNER, argument) is None:
        names = [row.name for row in await app.chat.list() if row.name]
        raise UsageError(
            f"There is no conversation {argument!r}{suggest(argument, names) or '.'} /new NAME makes one."
        )
    await _go_to(app, argument, new=False)


async def _go_to(app: "TerminalChat", name: str | None, *, new: bool) -> None:
    before = await app.chat.conversation()
    opened = await app.chat.switch(name, new=new)
    if before.id != opened.conversation.id:
        await tidy(app.store, before, app.began)
    app.last = None
    await app.greet_conversation(opened)
    await print_past(app, PAST_SHOWN)
    app.refresh()


async def _system(app: "TerminalChat", argument: str) -> None:
    if argument:
        await app.chat.set_system(argument)
        app.say("The instructions are changed, from the next turn on.")
        return
    row = await app.chat.conversation()
    if row.instructions is None:
        app.say("There are no instructions; /system TEXT gives some.")
    else:
        app.say(await app.store.load_instructions(OWNER, row.id, row.instructions))


async def _set(app: "TerminalChat", argument: str) -> None:
    name, _, value = argument.partition(" ")
    if not value.strip():
        if name:
            raise UsageError(f"Say to what: /set {name} VALUE.")
        for line in describe_options(app.settings):
            app.say(line)
        return
    app.settings = await set_option(app.chat, app.settings, name, value.strip())
    left = value.strip().lower() == DEFAULT and name != "strategy"
    app.say(
        f"{name} is {'left to the engine' if left else f'set to {value.strip()}'}, from the next turn on."
    )


# -- taking away --------------------------------------------------------------
async def _copy(app: "TerminalChat", _argument: str) -> None:
    past = [exchange for exchange in await app.chat.history(last=5) if exchange.assistant]
    if not past:
        raise NothingToDo("There is no reply to copy yet.")
    text = past[-1].assistant.encode("utf-8", "replace")
    if len(text) > MOST_COPIED:
        raise UsageError(f"The reply has {len(text):,} bytes, more than terminals copy: use /export FILE.md.")
    app.console.file.write(f"\x1b]52;c;{base64.b64encode(text).decode('ascii')}\x07")
    app.console.file.flush()
    app.say(
        f"Sent the last reply ({len(past[-1].assistant):,} characters) to the terminal for its clipboard "
        "(OSC 52). If it does not arrive, the terminal does not allow it: /export FILE.md."
    )


async def _quit(app: "TerminalChat", _argument: str) -> None:
    app.leaving = True


COMMANDS = (
    Command("help", "", "List the commands.", _help),
    Command("model", "[ID]", "Show the engine and its models, or talk to another one.", _model),
    Command("context", "[all]", "Show how the window is filled, and what became of every item.", _context),
    Command("why", "[TURN]", "Show what the model read for the last turn, and what it cost.", _why),
    Command("summary", "[CHANGE]", "Show the summary; edit N TEXT, remove N, versions, restore V.", summary),
    Command("facts", "[CHANGE]", "Show what is kept word for word; edit N TEXT, remove N.", facts),
    Command("regenerate", "", "Have the last message answered again.", _regenerate),
    Command("edit", "[TEXT]", "Say something else in place of the last message.", _edit),
    Command("undo", "", "Take the last turn back.", _undo),
    Command("remember", "TEXT", "Have something remembered word for word.", remember),
    Command("pin", "[TURN]", "Have remembered what you said last, or in another turn.", pin),
    Command("forget", "[TURN]", "Forget the last turn, or another: its text is gone for good.", forget),
    Command("new", "[NAME]", "Begin another conversation.", _new),
    Command("switch", "NAME", "Go on with another conversation.", _switch),
    Command("list", "", "List the conversations, the last used first.", _list),
    Command("search", "TEXT", "Find what was said, in all conversations.", _search),
    Command(
        "export",
        "[--masked] [FILE]",
        "Save the conversation: FILE.jsonl whole, FILE.md to read; or with marks.",
        export,
    ),
    Command("system", "[TEXT]", "Show the instructions, or give other ones.", _system),
    Command(
        "set",
        "[NAME VALUE]",
        "Show the options, or set one: temperature, max_tokens, strategy, top_p ...",
        _set,
    ),
    Command("copy", "", "Copy the last reply to the terminal's clipboard.", _copy),
    Command("quit", "", "End the chat.", _quit),
)
_COMMANDS = {command.name: command for command in COMMANDS}


def _ago(then: float) -> str:
    """Say how long ago something was. Example: 7,200 seconds → "2 hours ago"."""
    seconds = max(0, time.time() - then)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
