"""The values of one call to an engine: the request, and the deltas of its response.

They stand in `wire` so that the pure folders can speak of them; `engine/base.py`
names them again for those who use an engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..conversation.items import FinishReason, Usage

WireMessage: TypeAlias = dict[str, Any]  # Any: a chat-completions message, made by wire/chat_completions.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to an engine, as values.

    `max_tokens` None leaves it to the engine; -1 is "the room that is left".
    `sampling` holds any further body fields, sent as given. `tokens` is what the request may come
    to hold, prompt and reserve together, as planned; `slot` is llama.cpp's `id_slot`. None: nobody says.
    """

    messages: Sequence[WireMessage]
    max_tokens: int | None = None
    temperature: float | None = None
    sampling: Mapping[str, object] = field(default_factory=dict)
    tools: Sequence[Mapping[str, object]] = ()
    template_args: Mapping[str, str] = field(default_factory=dict)
    tokens: int | None = None  # for whoever shares an engine out; never sent
    slot: int | None = None  # sent to llama.cpp only


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the reasoning."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of a tool call; id and name come with its first piece only."""

    index: int
    call_id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the engine has read the prompt (llama.cpp's `prompt_progress`), in tokens."""

    total: int
    cached: int
    processed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The stream ended as it should; always the last delta.

    A stream without it raised an error instead.
    """

    finish_reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    tokens_per_second: float | None = None  # generation speed, when the engine says
    read_per_second: float | None = None  # prefill speed, when the engine says


Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Progress | End
