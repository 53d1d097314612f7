"""OpenAI's chat-completions format, both directions: items <-> messages, requests, chunks.

Every engine speaks a dialect of it; what they do differently is accepted here
(llama.cpp, vLLM, SGLang, Ollama, LM Studio, mlx-lm, TabbyAPI, KoboldCpp), so that nothing
past this module sees a raw dict. Unknown keys are passed over.

Pure: it knows neither how bytes come (sse.py) nor what makes a response whole (assemble.py).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..conversation.items import (
    FinishReason,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from ..errors import UsageError, WireError
from .exchange import Delta, Progress, ReasoningDelta, Request, TextDelta, ToolCallDelta, WireMessage

Json: TypeAlias = Mapping[str, Any]  # Any: JSON of an engine, checked field by field below

OWN_FIELDS = frozenset({"messages", "model", "stream", "stream_options"})  # `sampling` may not set these

# What engines call the ends that OpenAI has a name for; whatever else they say is a plain stop.
FINISH_REASONS: Mapping[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "abort": "cancelled",  # vLLM, SGLang
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What one piece of a response says.

    error: the error object or string that stands in place of a reply; None when there is none.
    """

    deltas: tuple[Delta, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    tokens_per_second: float | None = None
    read_per_second: float | None = None
    error: object = None


# -- items -> request ---------------------------------------------------------


def render_messages(messages: Iterable[Message], *, reasoning: bool = False) -> list[WireMessage]:
    """Render messages as an engine takes them.

    Args:
        messages: in order; each becomes one wire message, tool results one each.
        reasoning: send the reasoning of assistant messages along (inside an open turn, or
            where the template keeps it); False leaves it out.

    Returns:
        Wire messages. Content that is text alone is a string, as every template takes it.
    """
    return [wire for message in messages for wire in _render_message(message, reasoning)]


def _render_message(message: Message, reasoning: bool) -> list[WireMessage]:
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if results:
        return [{"role": "tool", "tool_call_id": part.call_id, "content": part.text} for part in results]
    wire: WireMessage = {"role": message.role, "content": _render_content(message)}
    if reasoning and message.reasoning:
        wire["reasoning_content"] = message.reasoning
    if message.tool_calls:
        wire["tool_calls"] = [_render_call(call) for call in message.tool_calls]
    return [wire]


def _render_content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, Image) for part in message.parts):
        return message.text
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            detail = {} if part.detail is None else {"detail": part.detail}
            content.append({"type": "image_url", "image_url": {"url": part.url, **detail}})
    return content


def _render_call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def render_body(request: Request, model: str, *, stream: bool = True) -> dict[str, Any]:
    """Build the body of a request; what the request leaves open is left out.

    Raises:
        UsageError: `request.sampling` holds a field that turnkeep sets.
    """
    taken = sorted(OWN_FIELDS & request.sampling.keys())
    if taken:
        raise UsageError(f"The field {taken[0]!r} is set by turnkeep: leave it out of the sampling fields.")
    body: dict[str, Any] = {"model": model, "messages": list(request.messages), "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    body.update(request.sampling)
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    if request.template_args:
        # What the caller asks for by name comes before our own pins.
        given = body.get("chat_template_kwargs")
        body["chat_template_kwargs"] = {
            **request.template_args,
            **(given if isinstance(given, Mapping) else {}),
        }
    return body


# -- response -> deltas -------------------------------------------------------


def read_text(value: object) -> str | None:
    """Read an event of a stream that says nothing but a piece of the reply; None where `parse_chunk` has to look.

    It gives the same text where it gives one, for a tenth of the time.
    """
    if type(value) is not dict or any(map(value.get, _SAYS_MORE)):
        return None
    choices = value.get("choices")
    if type(choices) is not list or len(choices) != 1:
        return None
    choice = choices[0]
    if type(choice) is not dict or choice.get("finish_reason") or choice.get("index", 0) != 0:
        return None
    delta = choice.get("delta")
    if type(delta) is not dict or any(map(delta.get, _BESIDE_TEXT)):
        return None
    content = delta.get("content")
    return content if type(content) is str and content else None


# Fields of an event, and of its delta, that say more than a piece of the reply.
_SAYS_MORE = ("error", "usage", "timings", "prompt_progress")
_BESIDE_TEXT = ("reasoning_content", "reasoning", "tool_calls")


def parse_chunk(value: object) -> Chunk:
    """Read one event of a stream, or a whole response that came as JSON (`message` in place of `delta`).

    Args:
        value: the parsed JSON.

    Raises:
        WireError: it is not an object, or a field has a type that no engine sends.
    """
    if not isinstance(value, dict):  # plain types: abstract ones cost 8 of 38 µs an event
        raise WireError("A piece of the response is not a JSON object.")
    error = value.get("error")
    if error is None and value.get("object") == "error":
        error = value  # SGLang's flat form
    if error is not None:
        return Chunk(error=error)
    choice = _first_choice(value.get("choices"))
    finish_reason = choice.get("finish_reason")
    if finish_reason == "error":  # vLLM, when generation broke
        return Chunk(error="The engine broke off the response.")
    body = choice.get("delta") or choice.get("message") or {}
    timings = _mapping(value.get("timings"))
    return Chunk(
        deltas=(*_parse_progress(value.get("prompt_progress")), *_parse_body(body)),
        finish_reason=_parse_finish(finish_reason),
        usage=_parse_usage(_mapping(value.get("usage")), timings),
        tokens_per_second=_rate(timings.get("predicted_per_second")),
        read_per_second=_rate(timings.get("prompt_per_second")),
    )


def parse_reply(value: object) -> Message:
    """Read an assistant's message as a program hands it over: its text, or the `message` object of a response.

    Raises:
        WireError: it is neither.
    """
    if isinstance(value, str):
        return Message("assistant", (Text(value),))
    if not isinstance(value, Mapping) or value.get("role", "assistant") != "assistant":
        raise WireError("A reply is a text, or the assistant's message object of a response.")
    parts: list[Part] = []
    for delta in _parse_body(dict(value)):
        match delta:
            case ReasoningDelta(text):
                parts.append(Reasoning(text))
            case TextDelta(text):
                parts.append(Text(text))
            case ToolCallDelta():
                parts.append(ToolCall(call_id=delta.call_id, name=delta.name, arguments=delta.arguments))
    return Message("assistant", tuple(parts) or (Text(""),))


def parse_usage(value: object) -> Usage:
    """Read a response's `usage` object; fields that it lacks are None."""
    return _parse_usage(value if isinstance(value, Mapping) else {}, {}) or Usage()


def _first_choice(choices: object) -> Json:
    if choices is None or choices == []:
        return {}
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise WireError("The response's choices are not a list of objects.")
    return next((c for c in choices if isinstance(c, dict) and c.get("index", 0) == 0), {})


def _parse_finish(value: object) -> FinishReason | None:
    if not isinstance(value, str) or not value:
        return None
    return FINISH_REASONS.get(value, "stop")


def _parse_body(body: object) -> list[Delta]:
    if not isinstance(body, dict):
        raise WireError("The response's delta is not a JSON object.")
    deltas: list[Delta] = []
    # vLLM sends both names with the same text while it renames one into the other.
    reasoning = _text(body.get("reasoning_content")) or _text(body.get("reasoning"))
    if reasoning:
        deltas.append(ReasoningDelta(reasoning))
    text = _text(body.get("content"))
    if text:
        deltas.append(TextDelta(text))
    calls = body.get("tool_calls") or ()
    if not isinstance(calls, list | tuple):
        raise WireError("The response's tool calls are not a list.")
    deltas.extend(_parse_call(call, place) for place, call in enumerate(calls))
    return deltas


def _text(value: object) -> str:
    """Read a text field: null, a string, or a list of text parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    raise WireError("A text of the response is neither a string nor a list of parts.")


def _parse_call(call: object, place: int) -> ToolCallDelta:
    function = call.get("function") or {} if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        raise WireError("A tool call of the response is not a JSON object.")
    index = _count(call.get("index"))
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # an object in place of its JSON text
        arguments = json.dumps(arguments, ensure_ascii=False)
    return ToolCallDelta(
        index=place if index is None else index,
        call_id=_text(call.get("id")),
        name=_text(function.get("name")),
        arguments=_text(arguments),
    )


def _parse_progress(value: object) -> list[Delta]:
    progress = _mapping(value)
    total, processed = _count(progress.get("total")), _count(progress.get("processed"))
    if total is None or processed is None:
        return []
    return [Progress(total=total, cached=_count(progress.get("cache")) or 0, processed=processed)]


def _parse_usage(usage: Json, timings: Json) -> Usage | None:
    """Read usage; llama.cpp's timings fill in what it leaves out (prompt_n is the part that was read)."""
    if not usage and not timings:
        return None
    reused, read = _count(timings.get("cache_n")), _count(timings.get("prompt_n"))
    prompt = _count(usage.get("prompt_tokens"))
    if prompt is None and reused is not None and read is not None:
        prompt = reused + read
    completion = _count(usage.get("completion_tokens"))
    cached = _count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    found = Usage(
        prompt_tokens=prompt,
        completion_tokens=_count(timings.get("predicted_n")) if completion is None else completion,
        cached_tokens=reused if cached is None else cached,
    )
    return None if found == Usage() else found


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _rate(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < float("inf") else None  # type: ignore[arg-type, operator]  # checked just before
