"""What the person types: several lines, a history of their own, and a line below that informs.

Enter sends; Alt-Enter (or Esc, Enter) makes a new line; pasted lines stay lines.
"""

import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.search import stop_search
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from .. import private
from .screen import Signs

STYLE = Style.from_dict({"bottom-toolbar": "noreverse ansibrightblack", "prompt": "bold"})
LEAVE_HINT = "Ctrl-D or /quit ends the chat."

Names = Callable[[str], Awaitable[list[str]]]  # what may follow a command's name


class Prompt:
    """Reads one message after another.

    Args:
        history: the file that keeps what was typed; None: it is kept for this run.
        signs: how the prompt is drawn.
        status: the line below for a number of cells.
        commands: names and one-line helps of the commands.
        arguments: what may follow a command, for completion.
    """

    def __init__(
        self,
        history: Path | None,
        signs: Signs,
        *,
        status: Callable[[int], str],
        commands: dict[str, str],
        arguments: Names,
    ) -> None:
        self._signs, self._status, self._commands = signs, status, commands
        self._hint = ""
        self.session: PromptSession[str] = PromptSession(
            signs.prompt,
            multiline=True,
            history=open_history(history),
            key_bindings=self._make_keys(),
            completer=CommandCompleter(commands, arguments),
            complete_style=CompleteStyle.READLINE_LIKE,  # a menu would scroll the screen to make room
            complete_while_typing=False,
            bottom_toolbar=self._below,
            enable_suspend=True,
            prompt_continuation=lambda width, _line, _wrapped: signs.more.ljust(width)[:width],
            style=STYLE,
        )

    async def read(self, default: str = "") -> str:
        """Read a message.

        Raises:
            EOFError: the person ended the chat with Ctrl-D.
        """
        text = await self.session.prompt_async(default=default, handle_sigint=False)
        return clean_typed(text)

    async def ask(self, question: str, default: str = "") -> str:
        """Read a short answer, without commands and kept nowhere.

        Raises:
            EOFError: the person would not answer: Ctrl-D or Ctrl-C.
        """
        session: PromptSession[str] = PromptSession(history=InMemoryHistory())
        try:
            answer = await session.prompt_async(question, default=default, handle_sigint=False)
        except KeyboardInterrupt as error:
            raise EOFError from error
        return clean_typed(answer).strip()

    def interrupt(self) -> None:
        """An interrupt came as a signal, not as a key: do what the key does."""
        if self.session.app.is_running:
            self._clear(self.session.default_buffer)
            self.session.app.invalidate()

    @property
    def reads(self) -> bool:
        """Whether a message is being typed."""
        return self.session.app.is_running

    def refresh(self) -> None:
        """Draw the line below again."""
        if self.session.app.is_running:
            self.session.app.invalidate()

    def _below(self) -> str:
        width = self.session.app.output.get_size().columns
        typed = self.session.default_buffer.text
        if self._hint and not typed:
            return self._hint[:width]
        word = typed.partition(" ")[0]
        if word in self._commands:
            return f"{word}  {self._commands[word]}"[:width]
        return self._status(width)

    def _clear(self, buffer: Buffer) -> None:
        """Take back what was typed; in a search, leave the search first."""
        if self.session.app.layout.is_searching:
            stop_search()
            return
        self._hint = "" if buffer.text else LEAVE_HINT
        buffer.reset()

    def _make_keys(self) -> KeyBindings:
        keys = KeyBindings()
        empty = Condition(lambda: not self.session.default_buffer.text)

        @keys.add("enter")
        def _send(event: KeyPressEvent) -> None:
            self._hint = ""
            event.current_buffer.validate_and_handle()

        @keys.add("escape", "enter")
        def _break_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("c-c")
        @keys.add("<sigint>")
        def _clear_line(event: KeyPressEvent) -> None:
            self._clear(event.current_buffer)

        @keys.add("c-d", filter=empty)
        def _end(event: KeyPressEvent) -> None:
            event.app.exit(exception=EOFError)

        return keys


class CommandCompleter(Completer):
    """Completes commands at the beginning of a message, and what follows some of them."""

    def __init__(self, commands: dict[str, str], arguments: Names) -> None:
        self._commands, self._arguments = commands, arguments

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002  # the shape of Completer
        """Complete the command's own name."""
        typed = document.text_before_cursor
        if typed.startswith("/") and " " not in typed and "\n" not in typed:
            for name, about in self._commands.items():
                if name.startswith(typed):
                    yield Completion(name, start_position=-len(typed), display_meta=about)

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Complete the command's name, or what follows it."""
        for completion in self.get_completions(document, complete_event):
            yield completion
        command, space, typed = document.text_before_cursor.partition(" ")
        if space and command in self._commands and "\n" not in typed:
            for name in await self._arguments(command):
                if name.startswith(typed):
                    yield Completion(name, start_position=-len(typed))


class PrivateHistory(FileHistory):
    """What was typed, in a file that nobody else can read."""

    def store_string(self, string: str) -> None:
        """Append a message; a full disk costs the comfort of a history, not the chat."""
        try:
            super().store_string(clean_typed(string))
        except OSError:
            pass


def open_history(path: Path | None) -> History:
    """Open the file, made with mode 0600; where it cannot be written, what is typed is kept for this run.

    Raises:
        StoreError: others can read it.
    """
    if path is None:
        return InMemoryHistory()
    try:
        private.make_file(path)
        private.check(path)
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return InMemoryHistory()
    return PrivateHistory(str(path))


def clean_typed(text: str) -> str:
    """Replace bytes that were no UTF-8: a terminal with another encoding must not end the chat."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@contextlib.contextmanager
def hidden_typing() -> Iterator[None]:
    """While a reply streams, what is typed is not shown in it; it waits for the next prompt, Ctrl-C or not."""
    try:
        import termios
    except ImportError:  # Windows: nothing echoes there outside of a read
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[3] &= ~(termios.ECHO | termios.ICANON)
    changed[3] |= termios.NOFLSH  # an interrupt must not throw away what was typed ahead
    termios.tcsetattr(descriptor, termios.TCSANOW, changed)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
