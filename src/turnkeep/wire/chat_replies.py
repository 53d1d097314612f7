"""Write chat completions as OpenAI's interface does: whole ones, streams of chunks, stored ones.

A stream is a chunk with the role, chunks with text, reasoning and pieces of tool calls, one
with the reason why it ended, one with the usage where the client wants it, and [DONE]. The
last chunk, and the whole completion, carry turnkeep's receipt as `turnkeep`, which strict
clients pass over.

Pure; ids and times are given. A chunk of text costs one JSON string between two prepared
pieces of bytes.
"""

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any, TypeAlias

from ..conversation.items import FinishReason, Message, Usage
from .chat_completions import render_messages

Json: TypeAlias = dict[str, Any]  # Any: JSON of our own making

DONE = b"data: [DONE]\n\n"
# A reply that a person or a closing server broke off has no name of its own; it is not whole.
_FINISH: Mapping[FinishReason, str] = {"cancelled": "length"}


class ChunkWriter:
    """Writes the chunks of one reply.

    Args:
        completion: the completion's id.
        model: the model that answers.
        created: seconds since the epoch.
        usage: whether the client wants a chunk with the usage; then all others have a null for it.
    """

    def __init__(self, *, completion: str, model: str, created: int, usage: bool = False) -> None:
        self._head = {
            "id": completion,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "system_fingerprint": None,
        }
        self._wants_usage = usage
        text = self._delta({"content": "\x00"})
        before, after = text.split(b'"\\u0000"')
        self._text = (before, after)
        self._thought = (before.replace(b'"content"', b'"reasoning_content"'), after)

    def role(self) -> bytes:
        """The first chunk."""
        return self._delta({"role": "assistant", "content": "", "refusal": None})

    def text(self, piece: str) -> bytes:
        """A piece of the reply."""
        before, after = self._text
        return before + encode_basestring_ascii(piece).encode() + after

    def thought(self, piece: str) -> bytes:
        """A piece of the model's reasoning, under the name that llama.cpp, SGLang and DeepSeek give it."""
        before, after = self._thought
        return before + encode_basestring_ascii(piece).encode() + after

    def call(self, *, index: int, call_id: str, name: str, arguments: str) -> bytes:
        """A piece of a tool call; its id and the function's name come with its first piece only."""
        if not call_id and not name:
            return self._delta({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
        function = {"name": name, "arguments": arguments}
        call = {"index": index, "id": call_id, "type": "function", "function": function}
        return self._delta({"tool_calls": [call]})

    def end(self, finish: FinishReason | None, usage: Usage, receipt: Json) -> bytes:
        """The chunks after the last piece."""
        if not self._wants_usage:
            return self._delta({}, finish=finish or "stop", receipt=receipt) + DONE
        counted = {**self._head, "choices": [], "usage": render_usage(usage), "turnkeep": receipt}
        return self._delta({}, finish=finish or "stop") + _event(counted) + DONE

    def _delta(
        self, delta: Json, *, finish: FinishReason | None = None, receipt: Json | None = None
    ) -> bytes:
        chunk = {**self._head, "choices": [_choice("delta", delta, finish)]}
        if self._wants_usage:
            chunk["usage"] = None
        if receipt is not None:
            chunk["turnkeep"] = receipt
        return _event(chunk)


def replay_completion(
    writer: "ChunkWriter", message: Message, finish: FinishReason | None, usage: Usage, receipt: Json
) -> bytes:
    """Write the whole stream of a reply that is there already."""
    pieces = [writer.role()]
    if message.reasoning:
        pieces.append(writer.thought(message.reasoning))
    if message.text:
        pieces.append(writer.text(message.text))
    pieces += [
        writer.call(index=place, call_id=call.call_id, name=call.name, arguments=call.arguments)
        for place, call in enumerate(message.tool_calls)
    ]
    return b"".join([*pieces, writer.end(finish, usage, receipt)])


def render_completion(
    *,
    completion: str,
    model: str,
    created: int,
    message: Message,
    finish: FinishReason | None,
    usage: Usage,
    receipt: Json | None = None,
    head: Mapping[str, Any] | None = None,  # Any: fields of a request
) -> Json:
    """Write a whole completion.

    Args:
        completion: its id.
        model: the model that answered.
        created: seconds since the epoch.
        message: the reply.
        finish: why it ended.
        usage: as the engine reported it.
        receipt: turnkeep's, for the field `turnkeep`; None leaves that out.
        head: fields of the request that a stored completion shows again.
    """
    body: Json = {
        "id": completion,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [_choice("message", render_reply(message), finish or "stop")],
        "usage": render_usage(usage),
        "system_fingerprint": None,
        "service_tier": None,
        **(head or {}),
    }
    return body if receipt is None else {**body, "turnkeep": receipt}


def render_reply(message: Message) -> Json:
    """Write the assistant's message of a completion."""
    (wire,) = render_messages([message])
    reply: Json = {"role": "assistant", "content": wire["content"] or None, "refusal": None}
    if message.reasoning:
        reply["reasoning_content"] = message.reasoning
    if "tool_calls" in wire:
        reply["tool_calls"] = wire["tool_calls"]
    elif reply["content"] is None:
        reply["content"] = ""  # nothing was said, which is not the same as a call in place of words
    return reply


def render_usage(usage: Usage) -> Json | None:
    """Write the usage; None where the engine did not report it, since missing is not zero."""
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    body: Json = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cached_tokens is not None:
        body["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return body


def render_stored_messages(ids: Sequence[str], message: Message) -> list[Json]:
    """Write a message of a stored completion; one that holds results of tools becomes as many as it holds.

    Args:
        ids: one for each of them.
        message: as it came.
    """
    listed: list[Json] = []
    for number, wire in zip(ids, render_messages([message]), strict=True):
        parts = wire["content"] if isinstance(wire["content"], list) else None
        content = None if parts else wire["content"]
        listed.append({"id": number, **wire, "content": content, "content_parts": parts})
    return listed


def render_list(data: Sequence[Json], *, more: bool) -> Json:
    """Write one page of a list.

    Args:
        data: its rows, each with an id.
        more: whether rows follow.
    """
    return {
        "object": "list",
        "data": list(data),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }


def _choice(kind: str, content: Json, finish: FinishReason | None) -> Json:
    reason = None if finish is None else _FINISH.get(finish, finish)
    return {"index": 0, kind: content, "logprobs": None, "finish_reason": reason}


def _event(value: Json) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"
