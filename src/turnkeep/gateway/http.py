"""What routes are given and what they give back; errors as the interface words them.

Nothing here knows ASGI: `app.py` reads the request, makes a `Call` of it, and writes the
`Answer` or the pieces of a `Streamed`. A route raises a `TurnkeepError` to refuse.
"""

import math
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from ..errors import ContextOverflow, EngineBusy, EngineRefused, TurnkeepError

if TYPE_CHECKING:
    from .gateway import Gateway

BUSY_SECONDS = 2  # after which a client should ask an engine again that is loading
# What an engine says of a request that its client can mend; 401 and the like are between the engine and us.
_CLIENTS_FAULT = frozenset({400, 413, 415, 422})
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, read whole and let in."""

    method: str
    path: str
    params: Mapping[str, str]  # what stood in the pattern's braces
    query: Mapping[str, str]  # the last of each name
    headers: Mapping[str, str]  # names in lower case
    body: Any  # Any: parsed JSON, an object, unchecked; {} when there is none
    owner: str  # whose conversations this call may see
    gateway: "Gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer, sent as JSON; text is sent as it is."""

    body: Any  # Any: what json.dumps takes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """Server-sent events; the generator is closed when the client hangs up, which stops the turn.

    What is raised before the first piece becomes an error with its status; so a route may do in the
    generator what can be refused.
    """

    pieces: AsyncGenerator[bytes, None]  # whole events, several in a piece when they came together
    headers: Mapping[str, str] = field(default_factory=dict)


class Socket(Protocol):
    """A WebSocket that was let in."""

    async def receive(self) -> str | None:
        """The next message; None when the client has gone."""
        ...

    async def send(self, text: str) -> None:
        """Send a message."""
        ...

    async def check_key(self) -> None:
        """Look whether the client may still call: a key may be revoked while a connection is open.

        Raises:
            RequestRefused: it may not.
        """
        ...


Handler = Callable[[Call], Awaitable[Answer | Streamed]]
SocketHandler = Callable[[Call, Socket], Awaitable[None]]  # returns to close the connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of the interface."""

    method: str
    pattern: str  # "/v1/responses/{id}"; {id*} at the end stands for the rest, slashes included
    handler: Handler
    summary: str  # one line for openapi.json
    body: Mapping[str, Any] | None = None  # Any: JSON schema of the body; None when it takes none
    open: bool = False  # served without a key even where keys are asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRoute:
    """A path that takes WebSockets."""

    pattern: str
    handler: SocketHandler


def match_pattern(pattern: str, parts: list[str]) -> dict[str, str] | None:
    """What stands in a pattern's braces, or None when the path is another.

    Args:
        pattern: as in `Route`.
        parts: the path cut at its slashes, each part still quoted.

    Example: "/v1/models/{id}", ["", "v1", "models", "a%2Fb"] → {"id": "a/b"}
    """
    wanted = pattern.split("/")
    if wanted[-1].endswith("*}"):
        rest = len(wanted) - 1
        parts = [*parts[:rest], "/".join(parts[rest:])]
    if len(wanted) != len(parts):
        return None
    found: dict[str, str] = {}
    for want, part in zip(wanted, parts, strict=True):
        if want.startswith("{"):
            if not part:
                return None
            found[want.strip("{*}")] = unquote(part)
        elif want != part:
            return None
    return found


def status_of(error: TurnkeepError) -> int:
    """The HTTP status that an error is answered with."""
    if isinstance(error, EngineRefused) and error.http_status in _CLIENTS_FAULT:
        return 400
    return error.status


def describe_error(error: TurnkeepError) -> dict[str, object]:
    """The envelope of an error: {"error": {"message", "type", "param", "code"}}.

    `param` and `code` are the error's own attributes, where it has such.
    """
    status = status_of(error)
    code = getattr(error, "code", None)
    if code is None and isinstance(error, ContextOverflow):
        code = "context_length_exceeded"
    return envelope(status, str(error), param=getattr(error, "param", None), code=code)


def envelope(
    status: int, message: str, *, param: str | None = None, code: str | None = None
) -> dict[str, object]:
    """An error as the interface words it."""
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_headers(error: TurnkeepError) -> dict[str, str]:
    """What a client needs to know about trying again."""
    headers: dict[str, str] = {}
    after = BUSY_SECONDS if isinstance(error, EngineBusy) and error.retry_after is None else error.retry_after
    if after is not None:
        headers["retry-after"] = str(max(1, math.ceil(after)))
    if error.begun:
        headers["x-should-retry"] = "false"
    return headers


def trace(error: Exception) -> str:
    """What the log says of an error that nobody expected: its kind and the lines of code it passed.

    Not its own words, which may hold what people wrote.
    """
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
