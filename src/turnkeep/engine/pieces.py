"""Read a streamed response piece by piece, each within its time.

A wait begins after what was read was taken, since a slow reader is no slow engine; bytes
without a delta, such as comments, do not begin a new one. There is one timer for the whole
response: a wait that ends later than the timer only moves the time at which it looks again.
"""

import asyncio
from typing import TYPE_CHECKING

from ..errors import EngineTimeout, EngineUnreachable, TurnkeepError
from ..wire.assemble import ReplyStream
from ..wire.exchange import Delta, Progress
from .transport import Clock, Transport, Wait, describe_wait

if TYPE_CHECKING:
    from .connection import Response

USAGE_GRACE_SECONDS = 5.0  # how long a reply that is whole waits for its usage and [DONE]
EOF_SECONDS = (
    0.02  # how long a response that is complete is waited for to end, so that its connection can be kept
)


class Pieces:
    """An iterator over what each read brought: lists of deltas, `End` last.

    Args:
        response: answered with status 200; `close` closes it.
        transport: names the engine in errors.
        clock: of the call.
        wait: for the first token; it began when the request was sent.
    """

    def __init__(self, response: "Response", transport: Transport, clock: Clock, wait: Wait) -> None:
        self.whole: list[Delta] | None = None  # the deltas of a response that came whole
        self._response, self._transport, self._clock = response, transport, clock
        self._reply = ReplyStream(transport.name)
        self._loop = asyncio.get_running_loop()
        self._finished = False  # the reply is whole, and only figures are waited for
        self._ended = False
        self._error: TurnkeepError | None = None  # to be raised after the deltas that came before it
        self._timer: asyncio.TimerHandle | None = None
        self._reading = False
        self._at = wait.at
        self._seconds, self._what, self._fresh = clock.timeouts.first_token, "a first token", False

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> list[Delta]:
        """Give the deltas of the next read that brings any.

        Raises: as `ReplyStream` does; `EngineTimeout` when a wait is over.
        """
        if self.whole is not None:
            batch, self.whole, self._ended = self.whole, None, True
            return batch
        if self._ended:
            await self._read_end()
            raise StopAsyncIteration
        while True:
            if self._error is not None:
                raise self._error
            if self._reply.complete or not (data := await self._read()):
                self._ended = True
                return [self._reply.end()]
            if batch := self._take(data):
                return batch

    def _take(self, data: bytes) -> list[Delta]:
        batch: list[Delta] = []
        try:
            for delta in self._reply.feed(data):
                batch.append(delta)  # noqa: PERF402  # what came before an error is kept
        except TurnkeepError as error:
            if not batch:
                raise
            self._error = error  # raised by the next call
        timeouts = self._clock.timeouts
        if self._reply.finished:
            if not self._finished:
                self._finished = True
                grace = min(USAGE_GRACE_SECONDS, timeouts.between_tokens or USAGE_GRACE_SECONDS)
                self._begin_wait(grace, "the end of its reply")
        elif batch and isinstance(batch[-1], Progress):
            self._begin_wait(timeouts.first_token, "a first token")
        elif batch:
            self._begin_wait(timeouts.between_tokens, "a next token")
        return batch

    async def _read(self) -> bytes:
        """Read the next bytes; b"" at the stream's end, however it came: `ReplyStream.end` judges it."""
        if self._fresh:  # a wait begins when somebody waits
            self._fresh = False
            self._at = None if self._seconds is None else self._loop.time() + self._seconds
            if self._clock.end is not None and (self._at is None or self._clock.end < self._at):
                self._at = self._clock.end
        self._reading = True
        self._watch()
        try:
            return await self._response.read()
        except OSError as error:
            explained = self._transport.explain(error, self._wait())
            broke = isinstance(explained, EngineUnreachable)
            if broke or (isinstance(explained, EngineTimeout) and self._reply.finished):
                return b""
            raise explained from error
        finally:
            self._reading = False

    async def _read_end(self) -> None:
        """Read the end of a response that is complete, which mostly came with the rest: then its connection is kept."""
        response = self._response
        if response.ended or response.error is not None:
            return
        self._at = self._loop.time() + EOF_SECONDS
        self._reading = True
        self._cancel_timer()
        self._watch()
        try:
            while await response.read():
                pass
        except OSError:
            return  # then it is closed
        finally:
            self._reading = False

    # -- waiting ----------------------------------------------------------------------------------
    def _begin_wait(self, seconds: float | None, what: str) -> None:
        self._seconds, self._what, self._fresh = seconds, what, True

    def _wait(self) -> Wait:
        if self._at is not None and self._at == self._clock.end:
            return self._clock.last
        return Wait(self._at, describe_wait(self._seconds, self._what))

    def _watch(self) -> None:
        """Have the timer look when the present wait is over, or earlier."""
        if self._at is None or (self._timer is not None and self._timer.when() <= self._at):
            return
        self._cancel_timer()
        self._timer = self._loop.call_at(self._at, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._reading or self._at is None:
            return  # the next read watches again
        if self._loop.time() < self._at:
            self._watch()
        else:
            self._response.fail(TimeoutError())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Close the response: its connection is kept if it was read to its end."""
        self._cancel_timer()
        self._response.close()
