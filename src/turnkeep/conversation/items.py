"""The items of a conversation and the parts of a message.

Values only: no ids, times or keys (stored rows have those). A reply is kept
byte for byte as it came, so that sending it again is a cache hit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import UsageError, WireError

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
NoteOp: TypeAlias = Literal["remember", "edit_line", "remove_line", "edit_fact", "remove_fact"]
TurnState: TypeAlias = Literal["open", "done", "cut_off", "failed"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "cancelled"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, exactly as said."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought aloud; stored as its own part, never summarised or indexed."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image as the wire carries it (a data: or http: URL)."""

    url: str
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model asks for a tool; `arguments` is the JSON text as it came."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool answered to the call of the same id."""

    call_id: str
    text: str


Part: TypeAlias = Text | Reasoning | Image | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """An item with a role. `parts` are in the order in which they came."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, joined; without reasoning, images and tool traffic."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        """The reasoning parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


@dataclass(frozen=True, slots=True)
class Recalled:
    """Lines quoted from earlier turns, frozen with the turn that brought them.

    `turns` names the turns quoted, in the order of `lines`.
    """

    lines: tuple[str, ...]
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a person tells turnkeep itself: something to remember, or a correction of summary or facts.

    It stands in the log until a compaction takes it into the base (context/notes.py).

    text: the new words; "" for a removal.
    old: the words that they replace or that go; "" for something to remember.
    turn: the turn whose words it pins; 0: the words are new.
    """

    op: NoteOp
    text: str
    old: str = ""
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What stands in the place of an item that was forgotten. `kind`: what it was, as a store names it."""

    kind: str


Item: TypeAlias = Message | Recalled | Note | Forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one request as the engine reported them; None where it did not say.

    Missing is not zero: an engine that does not report its cache has
    `cached_tokens` None (reference: llama.cpp reports always, vLLM on request,
    LM Studio and Ollama never in chat completions).
    """

    prompt_tokens: int | None = None  # the whole prompt, cached part included
    completion_tokens: int | None = None
    cached_tokens: int | None = None  # of the prompt, reused from the KV cache

    @property
    def read_tokens(self) -> int | None:
        """Prompt tokens that the engine had to read anew."""
        if self.prompt_tokens is None or self.cached_tokens is None:
            return None
        return max(0, self.prompt_tokens - self.cached_tokens)


def user(text: str) -> Message:
    """Make a user message of plain text."""
    return Message("user", (Text(text),))


def say_items(content: str | Sequence[Part]) -> list[Item]:
    """Make the items of what a user says: tool results apart, what else is said after them.

    Raises:
        UsageError: there is nothing in it.
    """
    parts = (Text(content),) if isinstance(content, str) else tuple(content)
    if not any(not isinstance(part, Text) or part.text.strip() for part in parts):
        raise UsageError("The message is empty: say something.")
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    said = tuple(part for part in parts if not isinstance(part, ToolResult))
    items: list[Item] = [Message("tool", results)] if results else []
    return [*items, Message("user", said)] if said else items


def assistant(text: str, reasoning: str = "") -> Message:
    """Make an assistant message of plain text, after its reasoning if there was any."""
    return Message("assistant", ((Reasoning(reasoning),) if reasoning else ()) + (Text(text),))


def dump_item(item: Item) -> tuple[str, str]:
    """Turn an item into what a store keeps: its kind (a role, or what else it is) and its body as JSON.

    A message that is one plain text is kept as a JSON string; others as a list of parts.
    """
    if isinstance(item, Recalled):
        return "recalled", _json([list(item.lines), list(item.turns)])
    if isinstance(item, Note):
        return "note", _json([item.op, item.text, item.old, item.turn])
    if isinstance(item, Forgotten):
        return "forgotten", _json(item.kind)
    if len(item.parts) == 1 and isinstance(item.parts[0], Text):
        return item.role, _json(item.parts[0].text)
    return item.role, _json([_dump_part(part) for part in item.parts])


def load_item(kind: str, body: str) -> Item:
    """Turn a stored kind and body back into the item; inverse of `dump_item`.

    Raises:
        WireError: the body is not what `dump_item` writes.
    """
    try:
        value = json.loads(body)
        if kind == "recalled":
            lines, turns = value
            return Recalled(tuple(lines), tuple(turns))
        if kind == "note":
            return _load_note(*value)
        if kind == "forgotten":
            return Forgotten(str(value))
        if isinstance(value, str):
            return Message(_role(kind), (Text(value),))
        return Message(_role(kind), tuple(_load_part(part) for part in value))
    except (ValueError, KeyError, TypeError) as error:
        raise WireError(f"A stored {kind} item cannot be read: {error}.") from error


def _load_note(op: str, text: str, old: str, turn: int) -> Note:
    match op:
        case "remember" | "edit_line" | "remove_line" | "edit_fact" | "remove_fact":
            return Note(op=op, text=text, old=old, turn=turn)
    raise ValueError(f"unknown note {op!r}")


def _role(kind: str) -> Role:
    match kind:
        case "system" | "developer" | "user" | "assistant" | "tool":
            return kind
    raise ValueError(f"unknown role {kind!r}")


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # json.dumps makes one each time


def _dump_part(part: Part) -> dict[str, str]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Reasoning(text):
            return {"type": "reasoning", "text": text}
        case Image(url, detail):
            return {"type": "image", "url": url} | ({"detail": detail} if detail is not None else {})
        case ToolCall():
            return {
                "type": "tool_call",
                "call_id": part.call_id,
                "name": part.name,
                "arguments": part.arguments,
            }
        case ToolResult():
            return {"type": "tool_result", "call_id": part.call_id, "text": part.text}


def _load_part(part: dict[str, Any]) -> Part:  # Any: JSON of our own making, checked field by field
    match part["type"]:
        case "text":
            return Text(part["text"])
        case "reasoning":
            return Reasoning(part["text"])
        case "image":
            return Image(part["url"], part.get("detail"))
        case "tool_call":
            return ToolCall(call_id=part["call_id"], name=part["name"], arguments=part["arguments"])
        case "tool_result":
            return ToolResult(call_id=part["call_id"], text=part["text"])
    raise ValueError(f"unknown part {part['type']!r}")
