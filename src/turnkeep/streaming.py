"""A turn that is under way: pieces as they come, the reply at the end.

The turn runs in a task of its own, so that leaving its stream early stops the
engine and keeps what was said, however the leaving happens.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import TypeAlias

from .errors import UsageError
from .stopping import Stop
from .turn import Emit, Finished, Piece, Reply, TurnEvent

Run: TypeAlias = Callable[[Emit, asyncio.Event], Coroutine[object, object, Reply]]


class _Inbox:
    """Events on their way: put without waiting, taken all at once."""

    def __init__(self) -> None:
        self.events: deque[TurnEvent] = deque()
        self.ended = False
        self._waiting: asyncio.Future[None] | None = None

    def put(self, event: TurnEvent) -> None:
        self.events.append(event)
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self) -> None:
        """Wait until there is an event, or nothing more comes."""
        if not self.events and not self.ended:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting


class Streaming:
    """An asynchronous iterator over the pieces of a reply.

    Iterate it for text, or `events()` for everything; afterwards `reply` is there. Awaiting
    it reads to the end and gives the reply. Leaving the iteration early, `stop()`, or
    cancelling the task stops the engine; what was said so far is kept as cut off.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._task: asyncio.Task[Reply] | None = None
        self._reply: Reply | None = None
        self._stopped = False  # before it began

    @property
    def reply(self) -> Reply:
        """What came of the turn.

        Raises:
            UsageError: the stream has not been read to its end.
        """
        if self._reply is None:
            raise UsageError("The reply is not there yet: read the stream to its end first.")
        return self._reply

    async def events(self) -> AsyncGenerator[TurnEvent, None]:
        """Yield what happens; `Finished` is the last event.

        Raises:
            TurnkeepError: the turn failed; it is kept, marked failed.
        """
        if self._task is not None or self._stopped:
            raise UsageError(
                "A reply can be streamed once, and not after it was stopped: ask again for another."
            )
        inbox = _Inbox()
        self._stop = Stop()
        self._task = task = asyncio.get_running_loop().create_task(self._drive(inbox))
        try:
            while inbox.events or not inbox.ended:
                while inbox.events:
                    event = inbox.events.popleft()
                    if isinstance(event, Finished):
                        self._reply = event.reply
                    yield event
                await inbox.wait()
            task.result()
        finally:
            await self.stop()

    async def _drive(self, inbox: _Inbox) -> Reply:
        try:
            return await self._run(inbox.put, self._stop)
        finally:
            inbox.end()

    async def stop(self) -> None:
        """Stop the engine and wait until what was said so far is kept; nothing happens after the end."""
        task = self._task
        if task is None:
            self._stopped = True
            return
        self._stop.set()
        if not task.done():
            await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:  # an error was raised where the stream is read
            self._reply = task.result()

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Yield the text as it comes, as iterating the object does."""
        async with contextlib.aclosing(self.events()) as events:
            async for event in events:
                if isinstance(event, Piece):
                    yield event.text

    def __aiter__(self) -> AsyncGenerator[str, None]:
        return self.pieces()

    async def _read(self) -> Reply:
        async with contextlib.aclosing(self.events()) as events:
            async for _ in events:
                pass
        return self.reply

    def __await__(self) -> Generator[object, None, Reply]:
        return self._read().__await__()
