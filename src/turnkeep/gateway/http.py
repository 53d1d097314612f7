"""What routes are given and what they give back; errors as the interface words them.

Nothing here knows ASGI: `app.py` reads the request, makes a `Call` of it, and writes the
`Answer` or the pieces of a `Streamed`. A route raises a `TurnkeepError` to refuse.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import TurnkeepError

if TYPE_CHECKING:
    from .gateway import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, read whole and let in."""

    method: str
    path: str
    params: Mapping[str, str]  # what stood in the pattern's braces
    query: Mapping[str, str]  # the last of each name
    headers: Mapping[str, str]  # names in lower case
    body: Any  # parsed JSON, unchecked; {} when there is none
    owner: str  # whose conversations this call may see
    gateway: Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer, sent as JSON; text is sent as it is."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """Server-sent events; the generator is closed when the client hangs up, which stops the turn."""

    pieces: AsyncGenerator[bytes, None]  # whole events, several in a piece when they came together
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Answer | Streamed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of the interface."""

    method: str
    pattern: str  # "/v1/responses/{id}"
    handler: Handler
    summary: str  # one line for openapi.json
    body: Mapping[str, Any] | None = None  # JSON schema of the body; None when it takes none


def match_pattern(pattern: str) -> re.Pattern[str]:
    """The expression that finds a pattern's paths: {name} stands for one part between slashes."""
    parts = (
        f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in pattern.split("/")
    )
    return re.compile("/".join(parts))


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def describe_error(error: TurnkeepError) -> dict[str, object]:
    """The envelope of an error: {"error": {"message", "type", "param", "code"}}."""
    status = error.status
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    return {
        "error": {
            "message": str(error),
            "type": kind,
            "param": getattr(error, "param", None),
            "code": getattr(error, "code", None),
        }
    }
