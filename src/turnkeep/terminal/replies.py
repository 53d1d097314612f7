"""Show a turn while it happens: what the engine reads, the reply as it streams, and how it ended."""

import asyncio
import contextlib

from rich.console import Console
from rich.text import Text

from ..errors import TurnkeepError
from ..streaming import Streaming
from ..turn import Finished, Notice, Piece, Reading, Reply, Thought
from .interrupts import Interrupts
from .render import Printer, make_printer
from .screen import Signs, one_line, printable
from .waiting import Waiting

THOUGHT_SHOWN = 60  # last characters of the reasoning that the waiting line shows
STOPPED = "[stopped; what was said is kept]"
SILENT = "[stopped before anything was said; the turn is left out of what the model reads]"


class ReplyView:
    """Shows one turn on a console."""

    def __init__(self, console: Console, signs: Signs, told: set[str], waiting: Waiting) -> None:
        self._console, self._signs = console, signs
        self._told = told  # notices that the person has read in this run
        self._waiting = waiting
        self._printer: Printer | None = None
        self._thought = ""
        self._notices: list[str] = []

    async def show(self, streaming: Streaming, interrupts: Interrupts) -> Reply:
        """Show the turn until it is kept.

        Raises:
            TurnkeepError: the turn failed; what it said so far stands on the console.
        """
        stopping: list[asyncio.Task[None]] = []

        def stop() -> None:
            self._wait("stopping")
            stopping.append(asyncio.get_running_loop().create_task(streaming.stop()))

        self._waiting.start("asking")
        try:
            with interrupts.heard_by(stop):
                async with contextlib.aclosing(streaming.events()) as events:
                    async for event in events:
                        self._take(event)
        finally:
            self._finish()
            await asyncio.gather(*stopping)
        reply = streaming.reply
        if end := _describe_end(reply):
            self._console.print(Text(end, "dim"), soft_wrap=False)
        return reply

    def _take(self, event: object) -> None:
        match event:
            case Piece(text):
                self._waiting.stop()
                self._printer = self._printer or make_printer(self._console, self._signs)
                self._printer.feed(text)
            case Thought(text):
                self._thought = (self._thought + text)[-THOUGHT_SHOWN:]
                self._wait(f"thinking: {one_line(self._thought, THOUGHT_SHOWN)}")
            case Reading():
                reused = f", {event.cached:,} of them reused" if event.cached else ""
                self._wait(f"reading {event.processed:,} of {event.total:,} tokens{reused}")
            case Notice(sentence):
                if sentence not in self._told:
                    self._told.add(sentence)
                    self._notices.append(sentence)
            case Finished():
                pass

    def _wait(self, text: str) -> None:
        if self._printer is None:
            self._waiting.start(text)

    def _finish(self) -> None:
        """Leave the cursor at the start of a line, whatever has happened."""
        self._waiting.stop()
        if self._printer is not None:
            self._printer.finish()
        for sentence in self._notices:
            self._console.print(Text(printable(sentence), "dim"), soft_wrap=False)


def _describe_end(reply: Reply) -> str:
    match reply.finish_reason:
        case "cancelled":
            return STOPPED if reply.text else SILENT
        case "length":
            return "[cut off at the limit of tokens; /set max_tokens raises it]"
        case "content_filter":
            return "[cut off by the engine's content filter]"
    if reply.text.strip():
        return ""
    return "[the model thought, but said nothing]" if reply.reasoning else "[the model said nothing]"


def print_error(console: Console, error: TurnkeepError | str) -> None:
    """Show one sentence that says what went wrong."""
    console.print(Text(printable(str(error)), "red"), soft_wrap=False)
