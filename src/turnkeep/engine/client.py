"""The client for one engine: JSON calls and streamed replies, repeated until a deadline.

Connections are kept between calls for as long as engines keep them (pool.py); closing a
stream before its end closes its connection at once, which stops the engine.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..errors import ContextOverflow, EngineBusy, EngineRefused, EngineUnreachable, TurnkeepError
from ..wire.assemble import read_response
from ..wire.exchange import Delta
from .address import parse_url
from .pieces import Pieces
from .transport import Clock, Json, Timeouts, Transport, Wait

if TYPE_CHECKING:
    from .connection import Response

__all__ = ["EngineClient", "Json", "OnWait", "Retries", "Tap", "Timeouts"]

Tap: TypeAlias = Callable[[str, Mapping[str, Any]], None]
OnWait: TypeAlias = Callable[[str], None]
_T = TypeVar("_T")

FIRST_PAUSE_SECONDS = 0.1  # before the first repetition; doubled each time
LONGEST_PAUSE_SECONDS = 5.0
FACT_SECONDS = 60.0  # a GET asks what the engine knows already; only one that answers nobody takes longer
SHORT_WAIT_SECONDS = 5.0  # not worth a word: when it is over, the error says the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How long a call is repeated, in seconds from its beginning; 0: not at all.

    unreachable: nobody listens, or the connection broke before an answer.
    not_ready: the engine is loading a model (minutes for a large one) or busy, or the gateway before
        it answers 502, 503 or 504.
    """

    unreachable: float = 5.0
    not_ready: float = 300.0


class EngineClient:
    """Calls one engine. Bound to no event loop; `close` lets go of the connections that are kept.

    Args:
        url: http(s) address, with or without a slash, /v1 or /v1/chat/completions at its end.
        api_key: sent as a Bearer token, shown nowhere.
        timeouts: see `Timeouts`.
        retries: see `Retries`.
        tap: see every request as sent: called with its path and its body ({} for a GET).
        on_wait: is told why a call has to wait and how long at most, once a call and only where that is
            more than some seconds: the engine is loading or busy.
        name: subject of error sentences; None: "The engine at <url>".

    All calls raise `EngineError`s, `stream` and `post` also `ContextOverflow`.

    Raises:
        UsageError: the address is not one.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        tap: Tap | None = None,
        on_wait: OnWait | None = None,
        name: str | None = None,
    ) -> None:
        self.url = parse_url(url)
        self.timeouts = timeouts or Timeouts()
        self.retries = retries or Retries()
        self.tap = tap
        self.on_wait = on_wait
        self.name = name or f"The engine at {self.url}"
        self.outages = 0  # times it was away or not ready; what was probed before may no longer hold
        self._transport = Transport(
            self.url, name=self.name, api_key=api_key, connect_seconds=self.timeouts.connect
        )

    def __repr__(self) -> str:
        return f"EngineClient({self.url!r})"

    async def close(self) -> None:
        """Close the connections that are kept; the client can be used again."""
        await self._transport.close()

    async def get(self, path: str) -> Json:
        """GET a JSON document."""
        limit = min(FACT_SECONDS, self.timeouts.first_token or FACT_SECONDS)
        return (await self._repeat(lambda: self._exchange(path, (None,), limit)))[0]

    async def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """POST a JSON body for a JSON answer."""
        return (await self._repeat(lambda: self._exchange(path, (body,), self.timeouts.first_token)))[0]

    async def post_many(self, path: str, bodies: Sequence[Mapping[str, Any]]) -> list[Json]:
        """POST several bodies, one after another over one connection; all are repeated when one fails."""
        return await self._repeat(lambda: self._exchange(path, bodies, self.timeouts.first_token))

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Delta, None]:
        """POST a chat request and yield its deltas, `End` last.

        Repeated only while nothing was yielded. Closing the generator closes the connection.

        Raises:
            TurnkeepError: of the last try; `taken` says whether the engine had taken the request in any.
        """
        patience = _Patience(self.retries, self.on_wait)
        clock, taken = Clock(self.timeouts), False
        while True:
            begun, pieces = False, None
            try:
                pieces = await self._open(path, body, clock)
                async for batch in pieces:
                    for delta in batch:
                        begun = True
                        yield delta
                return
            except TurnkeepError as error:
                taken = error.taken = taken or pieces is not None or _was_taken(error)
                if not isinstance(error, EngineUnreachable | EngineBusy):
                    raise
                self.outages += 1
                if begun or not await patience.wait(error):
                    raise
            finally:
                if pieces is not None:
                    pieces.close()

    async def _open(self, path: str, body: Mapping[str, Any], clock: Clock) -> "Pieces":
        """Send the request; what comes back is read as it comes, or whole from an engine that does not stream."""
        self._transport.open()
        wait = clock.until(self.timeouts.first_token, "a first token")
        with self._transport.translated(wait):
            async with asyncio.timeout_at(wait.at):
                response = await self._send(path, body)
        pieces = Pieces(response, self._transport, clock, wait)
        if response.content_type != "text/event-stream":
            try:
                pieces.whole = await self._read_whole(response, wait)
            except BaseException:
                pieces.close()
                raise
        return pieces

    async def _repeat(self, call: Callable[[], Awaitable[_T]]) -> _T:
        patience = _Patience(self.retries, self.on_wait)
        while True:
            try:
                return await call()
            except (EngineUnreachable, EngineBusy) as error:
                self.outages += 1
                if not await patience.wait(error):
                    raise

    async def _exchange(
        self, path: str, bodies: Sequence[Mapping[str, Any] | None], limit: float | None
    ) -> list[Json]:
        answers = []
        self._transport.open()
        for body in bodies:
            wait = Clock(self.timeouts).until(limit, "an answer")
            with self._transport.translated(wait):
                async with asyncio.timeout_at(wait.at):
                    response = await self._send(path, body)
                    try:
                        answers.append(await self._transport.read_json(response))
                    finally:
                        response.close()  # kept, if it was read to its end
        return answers

    async def _send(self, path: str, body: Mapping[str, Any] | None) -> "Response":
        if self.tap is not None:
            self.tap(path, {} if body is None else body)
        return await self._transport.send(path, body)

    async def _read_whole(self, response: "Response", wait: Wait) -> list[Delta]:
        with self._transport.translated(wait):
            async with asyncio.timeout_at(wait.at):
                return read_response(await self._transport.read_json(response), self.name)


def _was_taken(error: TurnkeepError) -> bool:
    """Whether an engine that sent no reply may have worked on the request all the same: not when it turned it away."""
    from .connection import ConnectFailed, ConnectTimeout, HostUnknown, TlsFailed

    if isinstance(error, EngineRefused):
        return (error.http_status or 0) >= 500
    unconnected = isinstance(error.__cause__, ConnectFailed | ConnectTimeout | HostUnknown | TlsFailed)
    return not unconnected and not isinstance(error, EngineBusy | ContextOverflow)


class _Patience:
    """Decides whether a call is repeated, and pauses before it: longer each time, with jitter."""

    def __init__(self, retries: Retries, on_wait: OnWait | None) -> None:
        self._retries = retries
        self._on_wait = on_wait
        self._began = asyncio.get_running_loop().time()
        self._pause = FIRST_PAUSE_SECONDS

    async def wait(self, error: EngineUnreachable | EngineBusy) -> bool:
        """Pause and return True, or return False when the deadline would pass meanwhile."""
        from .connection import HostUnknown, TlsFailed

        if isinstance(error.__cause__, HostUnknown | TlsFailed):
            return False  # a wrong name does not become right
        limit = self._retries.not_ready if isinstance(error, EngineBusy) else self._retries.unreachable
        pause = self._pause * random.uniform(0.5, 1)  # noqa: S311  # jitter, not a secret
        if asyncio.get_running_loop().time() + pause > self._began + limit:
            return False
        if self._on_wait is not None and limit > SHORT_WAIT_SECONDS:
            state = error.state if isinstance(error, EngineBusy) else str(error)
            self._on_wait(f"{state} Waiting up to {_describe_wait(limit)}.")
            self._on_wait = None
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        await asyncio.sleep(pause)
        return True


def _describe_wait(seconds: float) -> str:
    """Example: 300 → "5 minutes"."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
