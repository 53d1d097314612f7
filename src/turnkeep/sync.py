"""`Chat`: the same verbs as `AsyncChat` for code without an event loop.

A facade over one loop in a background thread; no logic of its own.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    # At run time this is imported when the first `Chat` is made: with asyncio and all that the
    # library needs, it is four fifths of what importing turnkeep would cost.
    import asyncio
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
    from types import TracebackType

    from .context.facts import Fact
    from .context.picture import Picture
    from .context.receipt import Receipt
    from .context.view import Line
    from .conversation.items import FinishReason, Message, Part, Usage
    from .forgetting.receipt import ForgetReceipt
    from .library import Opened
    from .prepared import Prepared
    from .record import Exchange, SummaryVersion
    from .store.base import Hit, Turn
    from .streaming import Streaming
    from .turn import Reply

T = TypeVar("T")


EXIT_SECONDS = 5.0  # that a program's end waits for a chat that nobody has closed


class _Loop:
    """An event loop in a daemon thread, started at the first call.

    Args:
        close: what ends the chat; called when the program ends and nobody has closed it.
    """

    def __init__(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._close, self._pid = close, 0
        self.ended = False  # with the program: nothing can be run here any more
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it; an interrupt cancels it."""
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="turnkeep", daemon=True
                )
                self._thread.start()
                self._pid = os.getpid()
                _close_at_exit(self)
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Close the chat and end the thread, within `EXIT_SECONDS`."""
        import asyncio
        import logging

        from .errors import TurnkeepError

        if self._loop is None or self._pid != os.getpid():  # a forked process has no thread of ours
            return
        self.ended = True
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(EXIT_SECONDS)
        except (TurnkeepError, TimeoutError) as error:
            logging.getLogger("turnkeep").warning("a chat was not closed, and its end is missing: %s", error)
        else:
            self.stop()

    def stop(self) -> None:
        """End the thread, and wait for its end."""
        with self._lock:
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop = self._thread = None


_running: weakref.WeakSet[_Loop] = weakref.WeakSet()


def _close_at_exit(loop: _Loop) -> None:
    """Have a chat closed when the program ends: its last turn may still have to go to the audit journal."""
    _running.add(loop)
    _hook_exit()


@cache
def _hook_exit() -> None:
    import concurrent.futures.thread  # noqa: F401 - it stops lending threads at the end, and we have to come before

    # What `atexit` calls comes after that; where Python has no such hook any more, the log says what was missed.
    getattr(threading, "_register_atexit", atexit.register)(_close_all)


def _close_all() -> None:
    for loop in list(_running):
        loop.close()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


class StreamingText:
    """An iterator over the pieces of a reply; `reply` is there at its end. Leaving early stops the engine."""

    def __init__(self, loop: _Loop, streaming: Streaming) -> None:
        self._loop, self._streaming = loop, streaming

    @property
    def reply(self) -> Reply:
        """What came of the turn; raises `UsageError` before the end."""
        return self._streaming.reply

    def __iter__(self) -> Iterator[str]:
        pieces = self._streaming.pieces()
        try:
            while (piece := self._loop.run(_next(pieces))) is not None:
                yield piece
        finally:
            if not self._loop.ended:
                self._loop.run(pieces.aclose())


async def _next(pieces: AsyncGenerator[str, None]) -> str | None:
    return await anext(pieces, None)


class PreparedTurn:
    """As `Prepared`, for code without an event loop: `messages`, `max_tokens`, `receipt` and `finish()`."""

    def __init__(self, loop: _Loop, prepared: Prepared) -> None:
        self._loop, self._prepared = loop, prepared
        self.messages = prepared.messages
        self.max_tokens = prepared.max_tokens
        self.receipt = prepared.receipt

    def finish(
        self,
        reply: str | Mapping[str, Any] | Message,
        usage: Usage | Mapping[str, Any] | None = None,
        finish_reason: FinishReason = "stop",
    ) -> Turn:
        """Record the turn; see `Prepared.finish`."""
        return self._loop.run(self._prepared.finish(reply, usage, finish_reason))


class Chat:
    """One conversation with one engine, remembered. Takes what `AsyncChat` takes, and has its verbs."""

    def __init__(self, engine: Any = None, **options: Any) -> None:  # Any: exactly AsyncChat's arguments
        from .library import AsyncChat

        self._chat = AsyncChat(engine, **options)
        self._loop = _Loop(self._chat.close)

    def open(self) -> Opened:
        """See `AsyncChat.open`."""
        return self._loop.run(self._chat.open())

    def stream(self, content: str | Sequence[Part], **request: Any) -> StreamingText:
        """See `AsyncChat.stream`."""
        return StreamingText(self._loop, self._chat.stream(content, **request))

    def ask(self, content: str | Sequence[Part], **request: Any) -> Reply:
        """See `AsyncChat.ask`."""
        return self._loop.run(self._chat.ask(content, **request))

    def regenerate(self, **request: Any) -> StreamingText:
        """See `AsyncChat.regenerate`."""
        return StreamingText(self._loop, self._chat.regenerate(**request))

    def edit(self, content: str | Sequence[Part], turn: int | None = None, **request: Any) -> StreamingText:
        """See `AsyncChat.edit`."""
        return StreamingText(self._loop, self._chat.edit(content, turn, **request))

    def undo(self) -> Turn:
        """See `AsyncChat.undo`."""
        return self._loop.run(self._chat.undo())

    def remember(self, text: str) -> Turn:
        """See `AsyncChat.remember`."""
        return self._loop.run(self._chat.remember(text))

    def pin(self, turn: int | None = None) -> Turn:
        """See `AsyncChat.pin`."""
        return self._loop.run(self._chat.pin(turn))

    def correct(self, old: str, new: str | None) -> Turn:
        """See `AsyncChat.correct`."""
        return self._loop.run(self._chat.correct(old, new))

    def restore(self, version: int) -> None:
        """See `AsyncChat.restore`."""
        self._loop.run(self._chat.restore(version))

    def forget(
        self,
        turn: int | None = None,
        *,
        message: str | None = None,
        conversation: bool = False,
        older_than_days: float | None = None,
        value: str | None = None,
        everywhere: bool = False,
        dry_run: bool = False,
        prove: bool = True,
    ) -> ForgetReceipt:
        """See `AsyncChat.forget`."""
        return self._loop.run(
            self._chat.forget(
                turn,
                message=message,
                conversation=conversation,
                older_than_days=older_than_days,
                value=value,
                everywhere=everywhere,
                dry_run=dry_run,
                prove=prove,
            )
        )

    def prepare(self, content: str | Sequence[Part], **options: Any) -> PreparedTurn:
        """See `AsyncChat.prepare`."""
        prepared = self._loop.run(self._chat.prepare(content, **options))
        return PreparedTurn(self._loop, prepared)

    def history(self, last: int | None = None) -> list[Exchange]:
        """See `AsyncChat.history`."""
        return self._loop.run(self._chat.history(last))

    def why(self, turn: int | None = None) -> Receipt:
        """See `AsyncChat.why`."""
        return self._loop.run(self._chat.why(turn))

    def prompt(self, turn: int | None = None) -> list[dict[str, Any]]:
        """See `AsyncChat.prompt`."""
        return self._loop.run(self._chat.prompt(turn))

    def picture(self) -> Picture:
        """See `AsyncChat.picture`."""
        return self._loop.run(self._chat.picture())

    def summary(self) -> list[str]:
        """See `AsyncChat.summary`."""
        return self._loop.run(self._chat.summary())

    def summary_lines(self) -> tuple[Line, ...]:
        """See `AsyncChat.summary_lines`."""
        return self._loop.run(self._chat.summary_lines())

    def facts(self) -> list[Fact]:
        """See `AsyncChat.facts`."""
        return self._loop.run(self._chat.facts())

    def summaries(self, last: int | None = None) -> list[SummaryVersion]:
        """See `AsyncChat.summaries`."""
        return self._loop.run(self._chat.summaries(last))

    def search(self, text: str, **options: Any) -> list[Hit]:
        """See `AsyncChat.search`."""
        return self._loop.run(self._chat.search(text, **options))

    def set_system(self, text: str) -> None:
        """See `AsyncChat.set_system`."""
        self._loop.run(self._chat.set_system(text))

    def idle(self) -> None:
        """See `AsyncChat.idle`."""
        self._loop.run(self._chat.idle())

    def close(self) -> None:
        """See `AsyncChat.close`."""
        self._loop.run(self._chat.close())
        self._loop.stop()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
