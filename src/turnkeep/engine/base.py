"""What a turn knows of an engine: facts, counts, streams, warming.

`turn.py` and `upkeep.py` use the `Engine` protocol only; adapters implement it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ..wire.exchange import (
    Delta,
    End,
    Progress,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallDelta,
    WireMessage,
)

__all__ = [
    "Delta",
    "End",
    "Engine",
    "EngineInfo",
    "Progress",
    "ReasoningDelta",
    "Request",
    "TemplateRules",
    "TextDelta",
    "ToolCallDelta",
    "Warmed",
    "WireMessage",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRules:
    """What the engine's chat template does to a prompt, found by dry runs.

    base_in: where the base must stand so that the front of the rendered prompt keeps still.
    pins: template arguments (`chat_template_kwargs`) that keep moving text, such as a date, still;
        the value "{date}" is filled in with the day on which the view was made.
    moves: why the front moves whatever we do; None when it keeps still.
    """

    base_in: Literal["system", "first_user"] = "system"
    pins: Mapping[str, str] = field(default_factory=dict)
    moves: str | None = None
    drops_reasoning: bool = True  # reasoning of earlier turns is not rendered again


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine is and has loaded, found by `Engine.probe`."""

    url: str  # base address, without a key; the embedded engine's begins with "embedded:"
    kind: str  # "llama.cpp", "generic", ...
    model: str  # the id that requests name
    models: tuple[str, ...] = ()  # all ids it serves; empty when it does not say
    window: int  # tokens of prompt and reply together that one slot holds
    window_source: Literal["loaded", "user", "default", "learned"]
    trained_window: int | None = None
    tokenizer: str  # key under which counted sizes may be kept: same key, same counts
    counts: bool  # whether `count` and `count_texts` answer
    template: TemplateRules = TemplateRules()
    reports_cache: bool = False
    vision: bool = False
    slots: int = 1  # requests it works on at the same time; they may share one pool of tokens
    takes_minus_one: bool = False  # whether max_tokens -1 may be sent; elsewhere the turn computes the room
    notices: tuple[str, ...] = ()  # sentences the person should read once


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What a warming call did: tokens the engine read anew, None where it did not say."""

    read_tokens: int | None = None
    prompt_tokens: int | None = None


class Engine(Protocol):
    """An inference server, behind one address and one model.

    All methods raise `EngineError` subclasses, and `stream`, `count` and `warm`
    `ContextOverflow` when the engine says that the prompt is too long.
    """

    @property
    def url(self) -> str:
        """The address, without credentials; equal for two objects that reach the same engine."""
        ...

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        """Find out what is loaded; cached until `refresh`, or until the engine teaches otherwise."""
        ...

    async def count(self, request: Request) -> int | None:
        """Count the whole prompt, template and tools included; None where the engine cannot."""
        ...

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count plain texts, without template tokens; None where the engine cannot."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Send the request and yield its deltas; closing the generator stops the engine.

        Connect errors and "loading" are retried inside until a deadline, only
        before the first delta.
        """
        ...

    async def warm(self, request: Request) -> Warmed | None:
        """Have the engine read the prompt up to where the next user text will stand.

        `request.messages` ends with the last assistant message (or is a lone
        system message). None when the adapter knows no way. Cancelling stops the engine.
        """
        ...

    async def close(self) -> None:
        """Close connections; stops an embedded engine."""
        ...
