"""A turn under way, or waiting to be: read as it comes, waited for, or left to itself."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..errors import EngineBusy
from ..stopping import Stop
from ..turn import Reply, TurnEvent
from .engines import Passage, passage

if TYPE_CHECKING:
    from ..store.base import Turn
    from .unstored import Draft

SHOWN = (  # of a receipt, with the reply
    "engine",
    "model",
    "window",
    "prompt_tokens",
    "read_tokens",
    "reused_tokens",
    "reply_tokens",
    "summarised",
    "recalled",
    "left_out",
    "moved",
    "notices",
)


class Running:
    """A turn under way.

    It runs whether or not anybody reads. Leaving `events()` early, or cancelling `reply()`, stops the
    engine, and what was said is kept as cut off; not so once the turn is kept (`Turns.keep`).

    Args:
        work: runs the turn; is given this object.
        way: its way through the queues; left when it is over.
        conversation: whose turn; None for one that is not stored.
    """

    def __init__(
        self, work: Callable[["Running"], Awaitable[Reply]], way: Passage, conversation: str | None
    ) -> None:
        self.way, self.conversation = way, conversation
        self.turn: int | None = None  # its number, once its items are durable; None while nothing is stored
        self.kept = False
        self.begun = False  # whether it ends by itself when `stopping` is set; before, it is cancelled
        self.draft: Draft | None = None  # what is sent, where nothing is stored
        self.moved: str | None = None  # why the prompt's front moved, where the receipt cannot know
        self.front: list[Turn] = []  # turns that hold what of the input did not fit, before its own
        self.left_out = 0  # items of the input that the model did not read, to make it fit
        self.stopping = Stop()
        self._events: deque[TurnEvent] = deque()
        self._news = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run(work))
        self.task.add_done_callback(self._over)

    async def _run(self, work: Callable[["Running"], Awaitable[Reply]]) -> Reply:
        passage.set(self.way)
        try:
            return await work(self)
        finally:
            self.way.leave()

    def _over(self, task: asyncio.Task[Reply]) -> None:
        self.way.leave()  # a task that was cancelled before it ran never came to that
        self._news.set()
        if not task.cancelled():
            task.exception()  # it is raised where the turn is read; here it only counts as seen

    def emit(self, event: TurnEvent) -> None:
        """Tell whoever reads."""
        self._events.append(event)
        self._news.set()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.task.done()

    async def batches(self) -> AsyncGenerator[list[TurnEvent], None]:
        """Yield what happens, in one list what came together; `Finished` is the last event.

        Raises:
            TurnkeepError: the turn failed; `begun` says whether an engine had begun it.
        """
        try:
            while True:
                if self._events:
                    batch = list(self._events)
                    self._events.clear()
                    yield batch
                elif self.task.done():
                    self._result()
                    return
                else:
                    self._news.clear()
                    await self._news.wait()
        finally:
            if not self.kept:
                await self.stop()

    async def events(self) -> AsyncGenerator[TurnEvent, None]:
        """Yield what happens, one by one; otherwise as `batches`."""
        async with contextlib.aclosing(self.batches()) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def reply(self) -> Reply:
        """Wait for the whole reply. Raises as `batches`."""
        try:
            await asyncio.wait({self.task})
        except asyncio.CancelledError:
            if not self.kept:
                await self.stop()
            raise
        return self._result()

    def _result(self) -> Reply:
        if self.task.cancelled():
            raise EngineBusy("The request was stopped before its turn came: send it again.")
        return self.task.result()

    async def stop(self) -> None:
        """Stop the engine and wait until what was said so far is kept; nothing happens after the end."""
        self.stopping.set()
        if self.task.done():
            return
        if (
            not self.begun
        ):  # nothing of it is stored: it waits for another turn of its conversation, or never is
            self.task.cancel()
        await asyncio.wait({self.task})

    def receipt(self, reply: Reply) -> dict[str, Any]:  # Any: JSON values
        """The receipt as it travels with a reply: what was read, reused, summarised, recalled, and why."""
        shown: dict[str, Any] = {name: getattr(reply.receipt, name) for name in SHOWN}
        shown["prompt_tokens"] = shown["prompt_tokens"] or reply.receipt.engine_prompt_tokens
        shown["moved"] = shown["moved"] or self.moved
        shown["input_items_left_out"] = self.left_out or None
        if self.turn is not None:
            shown |= {"conversation": self.conversation, "turn": self.turn}
        return {name: value for name, value in shown.items() if value not in (None, (), "")}
