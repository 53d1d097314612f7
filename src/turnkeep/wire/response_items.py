"""Items of the Responses interface, both directions: a request's `input` <-> items of a conversation.

One item of ours may be several on the wire: an assistant's message holds its reasoning, its text
and its tool calls as parts, and the wire shows each kind as an item of its own. What cannot be
read is refused with the place where it stands; nothing is passed over in silence.

Pure: ids are given by whoever knows them (`Naming`), references and seals are resolved elsewhere.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from ..conversation.items import Image, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult, user
from ..errors import RequestRefused

Json: TypeAlias = dict[str, Any]  # Any: JSON of the interface, made or checked field by field here
IdKind: TypeAlias = Literal["msg", "rs", "fc", "fco"]
Naming: TypeAlias = Callable[[IdKind, int], str]  # kind, place among those of its kind -> id
ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]

MOST_RESULTS = 1_000  # tool results that one item of ours holds; places in ids are two digits of 32


@dataclass(frozen=True, slots=True)
class Reference:
    """An item that the client names by its id in place of sending it."""

    id: str
    param: str  # where it stands in the request


@dataclass(frozen=True, slots=True)
class Sealed:
    """A compaction item: what was folded, as the gateway sealed it (compactions.py)."""

    content: str
    param: str


@dataclass(frozen=True, slots=True)
class CompactNow:
    """The last item of an input that asks for a compaction in place of a reply."""


Given: TypeAlias = Message | Reference | Sealed | CompactNow


# -- input -> items --------------------------------------------------------------


def parse_input(value: object, param: str = "input") -> list[Given]:
    """Read a request's input: a text, or a list of items.

    Args:
        value: the field's JSON; None is no input.
        param: how error sentences name the field.

    Returns:
        Items in order. A tool call joins the assistant's message that it follows, and results
        that follow one another are one item, so that calls and results are never parted.

    Raises:
        RequestRefused: an item cannot be read or is of a kind that is not served.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [user(value)]
    if not isinstance(value, list):
        raise RequestRefused(f"{param} has to be a text or a list of items.", param=param)
    found: list[Given] = []
    for number, entry in enumerate(value):
        if found and isinstance(found[-1], CompactNow):
            raise RequestRefused(
                "A compaction_trigger has to be the last item of the input.", param=f"{param}[{number}]"
            )
        _append(found, _parse_item(entry, f"{param}[{number}]"))
    return found


def _append(found: list[Given], given: Given) -> None:
    last = found[-1] if found else None
    if isinstance(last, Message) and isinstance(given, Message) and _belong_together(last, given):
        found[-1] = replace(last, parts=last.parts + given.parts)
    else:
        found.append(given)


def _belong_together(before: Message, after: Message) -> bool:
    """Whether two wire items are parts of one item of ours: what one reply held, or results of one round."""
    if before.role != after.role or len(before.parts) >= MOST_RESULTS:
        return False
    if before.role == "tool":
        return True
    return before.role == "assistant" and (
        isinstance(after.parts[0], ToolCall) or all(isinstance(part, Reasoning) for part in before.parts)
    )


def _parse_item(entry: object, param: str) -> Given:
    if not isinstance(entry, dict):
        raise RequestRefused(f"{param} is no item: send an object with role and content.", param=param)
    kind = entry.get("type")
    if kind is None:
        kind = "message" if "role" in entry else "item_reference"
    match kind:
        case "message":
            return _parse_message(entry, param)
        case "function_call":
            return Message("assistant", (_parse_call(entry, param),))
        case "function_call_output":
            return Message("tool", (_parse_result(entry, param),))
        case "reasoning":
            return Message("assistant", (Reasoning(_parse_reasoning(entry, param)),))
        case "item_reference":
            return Reference(take_text(entry, "id", param), param)
        case "compaction":
            return Sealed(take_text(entry, "encrypted_content", param), param)
        case "compaction_trigger":
            return CompactNow()
    raise RequestRefused(
        f"{param} is of type {str(kind)[:60]!r}, which is not served here: send messages, function calls "
        "and their outputs, reasoning, compactions or references.",
        param=param,
        code="unsupported_item",
    )


def _parse_message(entry: Json, param: str) -> Message:
    match entry.get("role"):
        case "user" | "assistant" | "system" | "developer" as role:
            return Message(role, _parse_content(entry.get("content"), role, f"{param}.content"))
    raise RequestRefused(
        f"{param}.role has to be user, assistant, system or developer.", param=f"{param}.role"
    )


def _parse_content(value: object, role: Role, param: str) -> tuple[Part, ...]:
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list) or not value:
        raise RequestRefused(f"{param} has to be a text or a list of parts.", param=param)
    return tuple(_parse_part(part, role, f"{param}[{number}]") for number, part in enumerate(value))


def _parse_part(value: object, role: Role, param: str) -> Part:
    if not isinstance(value, dict):
        raise RequestRefused(f"{param} is no part: send an object with type and text.", param=param)
    match value.get("type"):
        case "input_text" | "output_text" | "text":
            return Text(take_text(value, "text", param, empty=True))
        case "refusal":
            return Text(take_text(value, "refusal", param, empty=True))
        case "input_image" if role == "user":
            return _parse_image(value, param)
        case kind:
            raise RequestRefused(
                f"{param} is of type {str(kind)[:60]!r}, which cannot be passed on to the engine in a message "
                f"of role {role}: send text, and images in user messages.",
                param=param,
                code="unsupported_content",
            )


def _parse_image(value: Json, param: str) -> Image:
    url, detail = value.get("image_url"), value.get("detail")
    if not isinstance(url, str) or not url:
        raise RequestRefused(
            f"{param}.image_url has to be a data: or http(s): address; files by id are not kept here.",
            param=f"{param}.image_url",
        )
    if detail is not None and not isinstance(detail, str):
        raise RequestRefused(f"{param}.detail has to be a text.", param=f"{param}.detail")
    return Image(url, detail)


def _parse_call(entry: Json, param: str) -> ToolCall:
    arguments = take_text(entry, "arguments", param, empty=True)
    try:
        json.loads(arguments)
    except (ValueError, RecursionError) as error:
        # Chat templates parse them: kept as they are, they would fail every later request.
        raise RequestRefused(
            f"{param}.arguments is no JSON text: send the arguments as the model wrote them.",
            param=f"{param}.arguments",
        ) from error
    return ToolCall(
        call_id=take_text(entry, "call_id", param), name=take_text(entry, "name", param), arguments=arguments
    )


def _parse_result(entry: Json, param: str) -> ToolResult:
    output = entry.get("output")
    if isinstance(output, list):
        parts = (_parse_part(part, "tool", f"{param}.output[{number}]") for number, part in enumerate(output))
        output = "".join(part.text for part in parts if isinstance(part, Text))
    if not isinstance(output, str):
        raise RequestRefused(
            f"{param}.output has to be a text or a list of text parts.", param=f"{param}.output"
        )
    return ToolResult(call_id=take_text(entry, "call_id", param), text=output)


def _parse_reasoning(entry: Json, param: str) -> str:
    """The reasoning itself where it was sent along, else its summary."""
    for field in ("content", "summary"):
        parts = entry.get(field) or []
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise RequestRefused(f"{param}.{field} has to be a list of parts.", param=f"{param}.{field}")
        if parts:
            return "\n".join(take_text(part, "text", f"{param}.{field}", empty=True) for part in parts)
    return ""


def take_text(value: Mapping[str, Any], field: str, param: str, *, empty: bool = False) -> str:
    """Take a text field that has to be there; `empty`: may it be empty?

    Raises:
        RequestRefused: it is missing, empty or no text.
    """
    text = value.get(field)
    if not isinstance(text, str) or not (text or empty):
        raise RequestRefused(f"{param}.{field} has to be a text.", param=f"{param}.{field}")
    return text


def unanswered(given: Iterable[object], before: Iterable[object] = ()) -> set[str]:
    """The ids of the calls that results in an input answer, but that are not open where these stand.

    A call is open until its result comes, or the user says something.

    Args:
        given: the input; what is no message in it does not matter.
        before: what it goes on from.
    """
    calls: Counter[str] = Counter()  # engines may give one id to several calls
    _pass_over(before, calls)
    return _pass_over(given, calls)


def _pass_over(items: Iterable[object], calls: Counter[str]) -> set[str]:
    """Open and close calls, item by item; returns the ids of results that answer none of them."""
    wanted: set[str] = set()
    for item in items:
        if not isinstance(item, Message):
            continue
        if item.role == "user":
            calls.clear()
        calls.update(call.call_id for call in item.tool_calls)
        for part in item.parts:
            if isinstance(part, ToolResult):
                if not calls[part.call_id]:
                    wanted.add(part.call_id)
                else:
                    calls[part.call_id] -= 1
    return wanted


# -- items -> what the wire shows -----------------------------------------------------


def show_message(message: Message, name: Naming, status: ItemStatus = "completed") -> list[Json]:
    """Show one item of ours as the wire's items.

    Args:
        message: the item.
        name: gives the ids.
        status: of the last of them; those before it are completed.
    """
    if message.role == "tool":
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        return [show_result(part, name("fco", place)) for place, part in enumerate(results)]
    if message.role != "assistant":
        return [show_said(message, name("msg", 0))]
    shown: list[Json] = []
    if message.reasoning:
        shown.append(show_reasoning(message.reasoning, name("rs", 0)))
    texts = [part.text for part in message.parts if isinstance(part, Text)]
    if any(texts) or not message.tool_calls:
        shown.append(show_reply(texts or [""], name("msg", 0)))
    shown += [show_call(call, name("fc", place)) for place, call in enumerate(message.tool_calls)]
    shown[-1]["status"] = status
    return shown


def is_broken(item: Json) -> bool:
    """Whether a shown item is a call that was cut off within its arguments: it is told, but not gone on from."""
    if item["type"] != "function_call" or item["status"] == "completed":
        return False
    try:
        json.loads(item["arguments"])
    except ValueError:
        return True
    return False


def show_said(message: Message, item_id: str) -> Json:
    """Show what a user, a system or a developer said."""
    return {
        "id": item_id,
        "type": "message",
        "status": "completed",
        "role": message.role,
        "content": [_show_part(part) for part in message.parts],
    }


def _show_part(part: Part) -> Json:
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"}
    return {"type": "input_text", "text": part.text if isinstance(part, Text) else ""}


def show_reply(texts: Sequence[str], item_id: str, status: ItemStatus = "completed") -> Json:
    """Show the text of a reply; none while it is only begun."""
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [show_text(text) for text in texts],
    }


def show_text(text: str) -> Json:
    """Show a piece of content that is text of the model."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def show_reasoning(text: str | None, item_id: str, status: ItemStatus = "completed") -> Json:
    """Show reasoning; None while it is only begun."""
    content = [] if text is None else [{"type": "reasoning_text", "text": text}]
    return {
        "id": item_id,
        "type": "reasoning",
        "status": status,
        "summary": [],
        "content": content,
        "encrypted_content": None,
    }


def show_call(call: ToolCall, item_id: str, status: ItemStatus = "completed") -> Json:
    """Show a tool call."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call.call_id,
        "name": call.name,
        "arguments": call.arguments,
    }


def show_result(result: ToolResult, item_id: str) -> Json:
    """Show a tool's result."""
    return {
        "id": item_id,
        "type": "function_call_output",
        "status": "completed",
        "call_id": result.call_id,
        "output": result.text,
    }


def show_compaction(sealed: str, item_id: str) -> Json:
    """Show what was folded, sealed."""
    return {"id": item_id, "type": "compaction", "encrypted_content": sealed}
