"""The chat at a terminal: read, stream, keep, and again, until the person leaves.

Upkeep runs on the same loop as the prompt, so nobody waits for it; the line below the
input is drawn again when it has changed the picture.
"""

import asyncio
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from ..context.budget import SMALLEST_WINDOW
from ..errors import Conflict, ContextOverflow, EngineError, StoreError, TurnkeepError
from ..library import AsyncChat, Opened
from ..settings import EMBEDDED, Settings
from ..store.base import Store
from ..streaming import Streaming
from .asking import find_history
from .commands import COMMANDS, complete_argument, run_command
from .input import Prompt, hidden_typing
from .interrupts import Interrupts
from .opening import Start, find_last, leave_chat, open_chat, open_store, with_engine
from .overheard import Overheard, overhear
from .past import print_past
from .records import count_path
from .replies import ReplyView, print_error
from .screen import Signs, choose_signs, make_console, plural, printable
from .status import render_status
from .waiting import Waiting

if TYPE_CHECKING:
    from rich.console import Console

    from ..context.picture import Picture
    from ..context.receipt import Receipt
    from ..turn import Reply

OLD_TURNS_SHOWN = 2
WINDOW_KEY = "window:"  # + address and model: the window that the person named for an engine that tells none


class TerminalChat:
    """One run of the chat at a terminal."""

    def __init__(
        self, settings: Settings, store: Store, interrupts: Interrupts, overheard: Overheard
    ) -> None:
        self.settings, self.store = settings, store
        self.console: Console = make_console(sys.stdout)
        self.signs: Signs = choose_signs(self.console)
        self.chat: AsyncChat
        self.last: Reply | None = None  # the last reply of this run
        self.leaving = False
        self.draft = ""  # stands in the next input already
        self.began = time.time()
        self._interrupts = interrupts
        self._overheard = overheard
        self._told: set[str] = set()  # notices shown already
        self._waiting = Waiting(self.console, self.signs)
        self._picture: Picture | None = None
        self._receipt: Receipt | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self.prompt = Prompt(
            find_history(settings),
            self.signs,
            status=lambda width: render_status(self._picture, self._receipt, width, self.signs),
            commands={f"/{command.name}": command.help for command in COMMANDS},
            arguments=lambda command: complete_argument(self, command),
        )

    # -- from the first word to the last ----------------------------------------------------------

    async def run(self, start: Start) -> int:
        """Open the conversation and talk until the person leaves. Returns the exit status."""
        try:
            self.settings = await self._offer_engine()
            opened = await self._open(start)
        except EOFError:
            return self._interrupts.exit_status  # the person answered a question with Ctrl-C or Ctrl-D
        try:
            await self._greet(opened)
            await print_past(self, OLD_TURNS_SHOWN)
            self.refresh()
            while not self.leaving:
                await self._next()
        except EOFError:
            pass  # Ctrl-D at the prompt
        finally:
            if self._refreshing:
                self._refreshing.cancel()
            await leave_chat(self.chat, self.store, self.began)
        return 0

    async def _next(self) -> None:
        """Read one input and do what it says."""
        for sentence in self._overheard.take():
            self.say(sentence, "dim")
        default, self.draft = self.draft, ""
        text = await self.read(default)
        if not text.strip():
            return
        try:
            if text.startswith("//"):
                await self.stream(self.chat.stream(text[1:]), text)
            elif text.startswith("/"):
                await run_command(self, text)
            else:
                await self.stream(self.chat.stream(text), text)
        except TurnkeepError as error:
            print_error(self.console, error)

    async def read(self, default: str = "") -> str:
        """Read what the person types; raises `EOFError` when they leave."""
        with self._interrupts.heard_by(self.prompt.interrupt):
            return await self.prompt.read(default)

    async def stream(self, streaming: Streaming, said: str = "") -> None:
        """Show a turn; when it fails, say so and what can be done.

        Args:
            streaming: the turn.
            said: what the person typed, to be offered again if it could not be kept.
        """
        if self._refreshing:
            self._refreshing.cancel()  # the engine is for the person now
        self.console.print()
        view = ReplyView(self.console, self.signs, self._told, self._waiting)
        try:
            with hidden_typing():
                self.last = await view.show(streaming, self._interrupts)
        except (Conflict, StoreError) as error:
            self.draft = said  # it stands in no record: give it back
            print_error(self.console, error)
        except ContextOverflow as error:
            print_error(self.console, f"{error} Your message is kept: /edit changes it.")
        except EngineError as error:
            print_error(self.console, f"{error} Your message is kept: /regenerate asks again.")
        except TurnkeepError as error:
            print_error(self.console, error)
        self.console.print()
        self.refresh()

    def say(self, text: str, style: str = "") -> None:
        """Print a line of turnkeep's own."""
        self.console.print(Text(printable(text), style), soft_wrap=False)

    def _wait(self, sentence: str) -> None:
        """Say why nothing comes yet: the engine is loading or busy."""
        if self.prompt.reads:
            return  # only upkeep waits: nothing may be written into what is being typed
        self._waiting.make_way()
        self.say(f"{sentence} Ctrl-C gives up.", "dim")

    # -- opening ----------------------------------------------------------------------------------

    async def _offer_engine(self) -> Settings:
        """Offer an engine that is listening, unless the person has named one."""
        if self.settings.engine_named:
            return self.settings
        from ..engine.connect import find_listening

        for found in await find_listening():
            answer = await self.prompt.ask(f"An engine answers at {found}. Use it? [Y/n] ", "")
            if answer.lower() in ("", "y", "yes"):
                return with_engine(self.settings, found)
        return with_engine(self.settings, EMBEDDED)

    async def _open(self, start: Start) -> Opened:
        if start.name is None and not start.new:
            start = replace(start, name=await find_last(self.store))
        remote = self.settings.engine not in (None, EMBEDDED)
        with self._waiting.shown("connecting" if remote else "starting the engine"):
            self.chat, opened = await open_chat(self.settings, self.store, start, self._wait)
        if opened.engine.window_source == "default" and self.settings.window is None:
            return await self._ask_window(opened, start)
        return opened

    async def _ask_window(self, opened: Opened, start: Start) -> Opened:
        """The engine does not tell its window: ask, once for each engine and model."""
        engine = opened.engine
        key = f"{WINDOW_KEY}{engine.url} {engine.model}"
        known = await self.store.load_value(key)
        while known is None:
            question = f"How many tokens does the context window of {engine.model} hold? [{engine.window}] "
            answer = (await self.prompt.ask(question)).replace(",", "").replace("_", "") or str(engine.window)
            known = answer if answer.isdecimal() and int(answer) >= SMALLEST_WINDOW else None
            if known is None:
                self.say(f"Give a whole number, {SMALLEST_WINDOW} or more: what the engine was started with.")
        await self.store.save_value(key, known)
        await self.chat.close()
        self.settings = replace(self.settings, window=int(known))
        again = replace(start, name=opened.conversation.id, new=False)
        with self._waiting.shown("connecting"):
            self.chat, reopened = await open_chat(self.settings, self.store, again, self._wait)
        return replace(reopened, resumed=opened.resumed)

    async def _greet(self, opened: Opened) -> None:
        engine = opened.engine
        place = "" if engine.url.startswith(EMBEDDED) else f" at {engine.url}"
        self.say(
            f"{engine.model} on {engine.kind}{place}, window {engine.window:,} tokens. /help lists commands."
        )
        for sentence in opened.notices:
            self.say(sentence, "dim")
        await self.greet_conversation(opened)

    async def greet_conversation(self, opened: Opened) -> None:
        """Say in one line which conversation this is."""
        row = opened.conversation
        name = f'"{row.name}"' if row.name else "the last conversation" if opened.resumed else ""
        count = await count_path(self.store, row)
        turns = plural(count, "turn")
        if row.turns and not count:
            turns = f"0 turns; {row.turns:,} taken back, or not answered"
        self.say(
            f"Resumed {name} ({turns})."
            if opened.resumed
            else f"New conversation{' ' + name if name else ''}.",
            "dim",
        )

    # -- the line below the input -----------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the line below again now, and once more when upkeep is done."""
        if self._refreshing:
            self._refreshing.cancel()
        self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        for wait in (False, True):
            if wait:
                await self.chat.idle()
            try:
                self._picture = await self.chat.picture()
                self._receipt = self.last.receipt if self.last else None
            except TurnkeepError:
                return  # the engine is gone for now: the line keeps what it showed
            self.prompt.refresh()


async def run_terminal(settings: Settings, start: Start) -> int:
    """Run the chat. Returns the exit status."""
    interrupts = Interrupts()
    try:
        with overhear() as overheard:
            async with open_store(settings) as store:
                return await TerminalChat(settings, store, interrupts, overheard).run(start)
    except asyncio.CancelledError:
        return interrupts.exit_status
