"""No engine: for programs that keep their own client and only ask turnkeep for the prompt.

Sizes are estimates, learned from the usage that the program hands to `finish()`.
"""

from collections.abc import AsyncGenerator, Sequence

from ..errors import UsageError
from .base import Delta, EngineInfo, Request, Warmed

DEFAULT_WINDOW = 4_096  # tokens; the smallest that common engines load by default


class AbsentEngine:
    """Answers what is known without an engine: the window that the user named."""

    url = "none"

    def __init__(self, *, model: str | None = None, window: int | None = None) -> None:
        self._info = EngineInfo(
            url=self.url,
            kind="none",
            model=model or "unknown",
            window=window or DEFAULT_WINDOW,
            window_source="user" if window else "default",
            tokenizer=f"estimate:{model or 'unknown'}",
            counts=False,
            notices=()
            if window
            else (
                f"No window is named: {DEFAULT_WINDOW:,} tokens are assumed; name the one your engine has loaded.",
            ),
        )

    async def probe(self, *, refresh: bool = False) -> EngineInfo:  # noqa: ARG002  # nothing to ask again
        """Say what the user named."""
        return self._info

    async def count(self, request: Request) -> int | None:  # noqa: ARG002  # the protocol's shape
        """Cannot."""
        return None

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:  # noqa: ARG002  # the protocol's shape
        """Cannot."""
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:  # noqa: ARG002  # the protocol's shape
        """Refuse.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "No engine is named, so nobody can answer: use prepare() and finish(), or name an engine."
        )
        yield  # makes this a generator, as the protocol has it

    async def warm(self, request: Request) -> Warmed | None:  # noqa: ARG002  # the protocol's shape
        """Cannot."""
        return None

    async def close(self) -> None:
        """Nothing to close."""
