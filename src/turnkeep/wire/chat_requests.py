"""Read a chat-completions request as a client sends it: its messages and how it wants its reply.

What can be served is read into values; what cannot (several choices, sound, files, hosted
tools, log-probabilities) is refused with a sentence that names the field. Fields that an
engine may know and turnkeep does not are passed on as given.

Pure. What turnkeep sends to engines is `chat_completions.py`'s; this is the other side.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal, TypeAlias

from ..conversation.items import Image, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from ..errors import RequestRefused
from .responses import parse_metadata

Truncation: TypeAlias = Literal["auto", "disabled"]
Json: TypeAlias = Mapping[str, Any]  # Any: JSON of a client, checked field by field below

# What turnkeep reads itself, or what means nothing to an engine of one's own.
_OWN = frozenset(
    {
        "messages", "model", "stream", "stream_options", "n", "store", "metadata", "conversation", "user",
        "max_tokens", "max_completion_tokens", "temperature", "tools", "modalities", "logprobs", "top_logprobs",
        "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
        "prediction", "moderation", "truncation",
    }
)  # fmt: skip
# What would reach past this conversation into the engine's slots and caches.
_ENGINES_OWN = ("id_slot", "slot_id", "cache_prompt", "n_keep", "n_discard", "cache_salt")
_REFUSED = {
    "functions": "functions is the old form: send the same as tools.",
    "function_call": "function_call is the old form: send tool_choice.",
    "audio": "Replies are text: leave audio out.",
    "web_search_options": "There is no hosted web search here: leave web_search_options out, or give a tool of your own.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat-completions request.

    instructions: the system messages that stood first; None when there were none.
    messages: the others, in order; results of tools that follow one another are one message.
    store: what the client asked for; None leaves it to the server.
    conversation: name or id that the client gave in the body.
    truncation: whether the oldest of what is sent now may go where it does not fit; None leaves it to the server.
    sampling: further body fields, sent to the engine as given.
    """

    messages: tuple[Message, ...]
    instructions: str | None = None
    model: str | None = None
    stream: bool = False
    include_usage: bool = False
    store: bool | None = None
    conversation: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Json, ...] = ()
    truncation: Truncation | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values as given

    @property
    def continues(self) -> bool:
        """Whether the last message is the beginning of the reply, which the engine is to go on with (llama.cpp does)."""
        return self.messages[-1].role == "assistant"


def parse_request(body: object) -> ChatRequest:
    """Read the body of a request.

    Raises:
        RequestRefused: it cannot be served; `param` names the field.
    """
    if not isinstance(body, Mapping):
        raise RequestRefused("The request's body is not a JSON object.")
    _check_served(body)
    instructions, messages = parse_messages(body.get("messages"))
    options = _object(body, "stream_options")
    limit = body.get("max_completion_tokens")
    return ChatRequest(
        messages=messages,
        instructions=instructions,
        model=_string(body, "model"),
        stream=_flag(body, "stream") or False,
        include_usage=_flag(options, "include_usage", "stream_options.include_usage") or False,
        store=_flag(body, "store"),
        conversation=parse_conversation(body.get("conversation")),
        user=_string(body, "user"),
        metadata=parse_metadata(body.get("metadata")),
        temperature=_number(body, "temperature"),
        max_tokens=_limit(body, "max_tokens" if limit is None else "max_completion_tokens"),
        tools=_parse_tools(body.get("tools")),
        truncation=_parse_truncation(body.get("truncation")),
        sampling={name: value for name, value in body.items() if name not in _OWN and value is not None},
    )


def parse_conversation(value: object) -> str | None:
    """Read `conversation`: a name or id, or an object with an `id`.

    Raises:
        RequestRefused: it is something else.
    """
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise RequestRefused('conversation is a name, an id, or {"id": ...}.', param="conversation")
    return value.strip()


def parse_messages(value: object) -> tuple[str | None, tuple[Message, ...]]:
    """Read `messages`: the instructions (None: there are none), and the other messages.

    Raises:
        RequestRefused: a message cannot be read, or the last one is not for the assistant to answer.
    """
    if not isinstance(value, list) or not value:
        raise RequestRefused("messages is a list of at least one message.", param="messages")
    read = [_parse_message(message, f"messages[{place}]") for place, message in enumerate(value)]
    # Where there is nothing but system messages, the last of them is what is to be answered.
    spoken = (n for n, message in enumerate(read) if message.role not in ("system", "developer"))
    first = next(spoken, len(read) - 1)
    _check_end(read)
    instructions = "\n\n".join(text for message in read[:first] if (text := message.text))
    return instructions or None, tuple(_join_results(read[first:]))


def _check_end(messages: Sequence[Message]) -> None:
    """Refuse what leaves nothing to answer."""
    last = len(messages) - 1
    spoken = [message for message in messages if message.role not in ("system", "developer")]
    if spoken and spoken[-1].role == "assistant":
        *before, begun = spoken
        if begun is messages[-1] and begun.text and not begun.tool_calls and _is_answerable(before):
            return
        raise RequestRefused(
            "The last message is the assistant's, and no text that a reply could begin with: end with a user message.",
            param=f"messages[{last}]",
        )
    new = takewhile(lambda message: message.role != "assistant", reversed(messages))
    if not any(_says_something(message) for message in new):
        raise RequestRefused("The message is empty: say something.", param=f"messages[{last}].content")


def _is_answerable(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[-1].role in ("user", "tool")


def _says_something(message: Message) -> bool:
    return any(not isinstance(part, Text) or part.text.strip() for part in message.parts)


def _check_served(body: Json) -> None:
    for name, sentence in _REFUSED.items():
        if body.get(name) not in (None, [], {}):
            raise RequestRefused(sentence, param=name)
    for name in _ENGINES_OWN:
        if name in body:
            raise RequestRefused(
                f"{name} is turnkeep's own affair with the engine: leave it out.", param=name
            )
    if body.get("n") not in (None, 1):
        raise RequestRefused("One reply is made for each request: leave n out, or send 1.", param="n")
    if body.get("logprobs") or body.get("top_logprobs"):
        raise RequestRefused("Log-probabilities are not kept: leave logprobs out.", param="logprobs")
    if body.get("modalities") not in (None, ["text"]):
        raise RequestRefused('Replies are text: leave modalities out, or send ["text"].', param="modalities")


# -- messages -----------------------------------------------------------------


def _parse_message(value: object, place: str) -> Message:
    if not isinstance(value, Mapping):
        raise RequestRefused("A message is an object with role and content.", param=place)
    role = _parse_role(value.get("role"), place)
    if role == "tool":
        return Message("tool", (_parse_result(value, place),))
    parts = _parse_content(value.get("content"), role, f"{place}.content")
    if role == "assistant":
        thought = value.get("reasoning_content") or value.get("reasoning")
        before = (Reasoning(thought),) if isinstance(thought, str) else ()
        calls = _parse_calls(value.get("tool_calls"), place)
        if value.get("function_call"):
            raise RequestRefused(
                "function_call is the old form: send tool_calls.", param=f"{place}.function_call"
            )
        return Message("assistant", (*before, *parts, *calls) or (Text(""),))
    return Message(role, parts or (Text(""),))


def _parse_role(value: object, place: str) -> Role:
    match value:
        case "system" | "developer" | "user" | "assistant" | "tool":
            return value
        case "function":
            raise RequestRefused("The role function is the old form: send tool.", param=f"{place}.role")
    raise RequestRefused("A role is system, developer, user, assistant or tool.", param=f"{place}.role")


def _parse_result(message: Json, place: str) -> ToolResult:
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str) or not call_id:
        raise RequestRefused(
            "A tool's message names the call that it answers.", param=f"{place}.tool_call_id"
        )
    parts = _parse_content(message.get("content"), "tool", f"{place}.content")
    return ToolResult(call_id=call_id, text="".join(part.text for part in parts if isinstance(part, Text)))


def _parse_content(value: object, role: Role, place: str) -> tuple[Part, ...]:
    """Read a message's content: a text, or a list of parts; null is for the assistant alone."""
    if isinstance(value, str):
        return (Text(value),) if value else ()
    if value is None and role == "assistant":
        return ()
    if not isinstance(value, list):
        raise RequestRefused("A message's content is a text, or a list of parts.", param=place)
    return tuple(_parse_part(part, role, f"{place}[{n}]") for n, part in enumerate(value))


def _parse_part(part: object, role: Role, place: str) -> Part:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or not isinstance(kind, str):
        raise RequestRefused("A part of a message is an object with a type.", param=place)
    if kind in ("text", "refusal"):
        if not isinstance(text := part.get(kind), str):
            raise RequestRefused(f"The part's {kind} is missing.", param=f"{place}.{kind}")
        return Text(text)
    if kind == "image_url" and role == "user":
        return _parse_image(part.get("image_url"), place)
    raise RequestRefused(
        f"A part of type {kind[:40]!r} cannot be read in a message of role {role}: send text, or in a user's message images.",
        param=f"{place}.type",
    )


def _parse_image(value: object, place: str) -> Image:
    url = value.get("url") if isinstance(value, Mapping) else value
    detail = value.get("detail") if isinstance(value, Mapping) else None
    if not isinstance(url, str) or not url.startswith(("data:image/", "http://", "https://")):
        raise RequestRefused("An image is a data: or http: address.", param=f"{place}.image_url.url")
    return Image(url, detail if isinstance(detail, str) else None)


def _parse_calls(value: object, place: str) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RequestRefused("tool_calls is a list.", param=f"{place}.tool_calls")
    return tuple(_parse_call(call, f"{place}.tool_calls[{n}]") for n, call in enumerate(value))


def _parse_call(call: object, place: str) -> ToolCall:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        raise RequestRefused("A tool call is an object with id and function.", param=place)
    call_id, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
    if isinstance(arguments, Mapping):  # an object in place of its JSON text
        arguments = json.dumps(arguments, ensure_ascii=False)
    if not isinstance(call_id, str) or not isinstance(name, str) or not isinstance(arguments, str | None):
        raise RequestRefused(
            "A tool call has texts as id, function.name and function.arguments.", param=place
        )
    return ToolCall(call_id=call_id, name=name, arguments=arguments or "")


def _join_results(messages: Sequence[Message]) -> list[Message]:
    """Put results of tools that follow one another into one message, as they are stored."""
    joined: list[Message] = []
    for message in messages:
        if message.role == "tool" and joined and joined[-1].role == "tool":
            joined[-1] = Message("tool", (*joined[-1].parts, *message.parts))
        else:
            joined.append(message)
    return joined


# -- fields -------------------------------------------------------------------


def _parse_tools(value: object) -> tuple[Json, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RequestRefused("tools is a list.", param="tools")
    for place, tool in enumerate(value):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise RequestRefused(
                'Tools are of type "function", with a function that has a name; there are no others here.',
                param=f"tools[{place}]",
            )
    return tuple(value)


def _parse_truncation(value: object) -> Truncation | None:
    match value:
        case None | "auto" | "disabled":
            return value
    raise RequestRefused("truncation is auto or disabled.", param="truncation")


def _object(body: Json, name: str) -> Json:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RequestRefused(f"{name} is an object.", param=name)
    return value


def _string(body: Json, name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestRefused(f"{name} is a text.", param=name)
    return value or None


def _flag(body: Json, name: str, param: str | None = None) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestRefused(f"{param or name} is true or false.", param=param or name)
    return value


def _number(body: Json, name: str) -> float | None:
    value = body.get(name)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    ):
        raise RequestRefused(f"{name} is a number.", param=name)
    return value


def _limit(body: Json, name: str) -> int | None:
    value = body.get(name)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or value < -1 or value == 0
    ):
        raise RequestRefused(
            f"{name} is a whole number of 1 or more, or -1 for the room that is left.", param=name
        )
    return value
