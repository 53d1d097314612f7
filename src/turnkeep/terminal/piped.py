"""The chat for programs: one message a line in, replies alone out, everything else on standard error.

It never asks back. A reply is written when it is whole, so that what comes out is replies;
only a person who watches sees it grow.
"""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import IO

from ..errors import StoreDamaged, StoreFull, TurnkeepError
from ..library import AsyncChat
from ..settings import Settings
from ..store.base import Store
from ..turn import Finished, Notice, Piece
from .interrupts import Interrupts
from .opening import Start, leave_chat, open_chat, open_store
from .overheard import overhear

BLOCK_BYTES = 65_536
MAX_LINE_BYTES = 16 * 1024 * 1024  # a line beyond it is no message that any window holds
OK, FAILED, REFUSED = 0, 1, 2


@dataclass(slots=True)
class Lines:
    """Standard input, line by line.

    Read in a thread that holds no lock, so that a signal can end the program while nothing comes.
    """

    descriptor: int
    number: int = 0  # of the line that was read last
    _held: list[bytes] = field(default_factory=list)  # pieces of a line whose end has not come
    _held_bytes: int = 0

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Yield lines without their ends; one that is too long is cut, and so is no text any more."""
        loop = asyncio.get_running_loop()
        while block := await _in_thread(loop, self.descriptor):
            first, *more = block.split(b"\n")
            self._hold(first)
            for piece in more:
                yield self._end_line()
                self._hold(piece)
        if self._held_bytes:
            yield self._end_line()

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes > MAX_LINE_BYTES:
            self._held, self._held_bytes = [b"\xff"], 1  # refused as no text when its end comes

    def _end_line(self) -> bytes:
        line = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        self.number += 1
        return line


async def _in_thread(loop: asyncio.AbstractEventLoop, descriptor: int) -> bytes:
    """Read a block in a daemon thread: an executor's would keep the program from ending."""
    done: asyncio.Future[bytes] = loop.create_future()

    def finish(block: bytes) -> None:
        if not done.cancelled():
            done.set_result(block)

    def read() -> None:
        try:
            block = os.read(descriptor, BLOCK_BYTES)
        except OSError:
            block = b""  # the terminal is gone: nothing more will come
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, block)

    threading.Thread(target=read, name="standard-input", daemon=True).start()
    return await done


def read_message(line: bytes, number: int) -> str | None:
    """Return the line's text; "" for a blank one, None for what is not text."""
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, as Windows writes it
    try:
        text = line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text if text.strip() else ""


async def run_piped(settings: Settings, start: Start) -> int:
    """Answer every line of standard input.

    Returns:
        The exit status: 1 when a turn failed, else 2 when some lines were no text, else 0.
    """
    interrupts = Interrupts()
    try:
        with overhear():
            async with open_store(settings) as store:
                return await _answer_all(settings, store, start)
    except asyncio.CancelledError:
        return interrupts.exit_status


async def _answer_all(settings: Settings, store: Store, start: Start) -> int:
    began = time.time()
    chat, opened = await open_chat(
        settings, store, start, lambda sentence: tell(f"{sentence} Ctrl-C gives up.")
    )
    try:
        for sentence in opened.notices:
            tell(sentence)
        return await _answer_lines(chat)
    finally:
        await leave_chat(chat, store, began)


async def _answer_lines(chat: AsyncChat) -> int:
    lines = Lines(sys.stdin.fileno())
    failed, refused = 0, list[int]()
    async with contextlib.aclosing(lines.read()) as incoming:
        async for line in incoming:
            message = read_message(line, lines.number)
            if message is None:
                refused.append(lines.number)
            elif message:
                failed += not await _answer(chat, message, lines.number)
    if refused:
        tell(_describe_refused(refused))
    return FAILED if failed else REFUSED if refused else OK


def _describe_refused(refused: list[int]) -> str:
    which = f"Line {refused[0]} of standard input is"
    if len(refused) > 1:
        which = f"{len(refused):,} lines of standard input, the first of them line {refused[0]}, are"
    return f"{which} no text in UTF-8 and {'was' if len(refused) == 1 else 'were'} left out: send one message a line."


async def _answer(chat: AsyncChat, message: str, number: int) -> bool:
    """Answer one message; False when the turn failed."""
    watched = sys.stdout.isatty()
    streaming = chat.stream(message)
    try:
        async with contextlib.aclosing(streaming.events()) as events:
            async for event in events:
                match event:
                    case Piece(text) if watched:
                        _write(text)
                    case Notice(sentence):
                        tell(sentence)
                    case Finished(reply):
                        _write("\n" if watched else f"{reply.text}\n")
    except (StoreFull, StoreDamaged):
        raise  # nothing that is said from here on could be kept
    except TurnkeepError as error:
        if watched:
            _write("\n")
        tell(f"Line {number}: {error}")
        return False
    return True


def _write(text: str) -> None:
    """Write to standard output in UTF-8, whatever the locale says: the replies are data."""
    from .screen import printable

    if sys.stdout.isatty():
        sys.stdout.write(printable(text))
        sys.stdout.flush()
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def tell(sentence: str, file: IO[str] | None = None) -> None:
    """Write a sentence on standard error."""
    print(f"turnkeep: {sentence}", file=file or sys.stderr, flush=True)
