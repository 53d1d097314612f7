"""Lists of messages as OpenAI's chat completions have them, alone or in an object with more."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..conversation.items import Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from .imported import ImportedConversation, ImportedTurn, Json, Unreadable, read_text, read_time
from .tree import Node, cut_turns

PROGRAM = "OpenAI messages"
OTHERS = "pieces of a kind that turnkeep does not know"


def is_message(value: Json) -> bool:
    """Tell whether this is a message."""
    return isinstance(value, Mapping) and isinstance(value.get("role"), str)


def parse_openai(value: Json, begin: float, source: str) -> ImportedConversation:
    """Read a list of messages, or an object that holds one as `messages`.

    Args:
        value: the list or object.
        begin: its time, where it says none.
        source: what names it, where it does not say.

    Raises:
        Unreadable: there is no list of messages.
    """
    about = value if isinstance(value, Mapping) else {}
    messages = about.get("messages") if about else value
    if not isinstance(messages, list) or not all(is_message(message) for message in messages):
        raise Unreadable("a list of messages has objects with a role")
    spoken = [n for n, one in enumerate(messages) if one["role"] not in ("system", "developer")]
    first = spoken[0] if spoken else len(messages)
    left_out: Counter[str] = Counter()
    created = read_time(about.get("created")) or read_time(about.get("created_at")) or begin
    heads = (
        "".join(part.text for part in _read_parts(message.get("content"), left_out) if isinstance(part, Text))
        for message in messages[:first]
    )
    name = read_text(about.get("name")) or read_text(about.get("title"))
    return ImportedConversation(
        program=PROGRAM,
        source=read_text(about.get("id")) or source,
        version=str(len(messages)),
        name=name or None,
        created=created,
        updated=None,
        instructions="\n\n".join(filter(None, heads)),
        turns=_read_turns(messages[first:], read_text(about.get("model")), created, left_out),
        left_out=left_out,
    )


def _read_turns(
    messages: Sequence[Mapping[str, Json]], model: str, created: float, left_out: Counter[str]
) -> Iterator[ImportedTurn]:
    nodes: dict[str, Node] = {}
    last: str | None = None
    for place, value in enumerate(messages):
        message = _read_message(value, left_out)
        before = nodes[last].messages[0] if last is not None else None
        if last is not None and before is not None and message.role == before.role == "tool":
            joined = Message("tool", (*before.parts, *message.parts))  # as they are stored
            nodes[last] = Node(parent=nodes[last].parent, messages=(joined,), created=nodes[last].created)
            continue
        said_by = read_text(value.get("model")) or (model if message.role == "assistant" else "")
        nodes[str(place)] = Node(
            parent=last, messages=(message,), created=read_time(value.get("created")), model=said_by
        )
        last = str(place)
    yield from cut_turns(nodes, last, created, left_out)


def _read_message(value: Mapping[str, Json], left_out: Counter[str]) -> Message:
    parts = list(_read_parts(value.get("content"), left_out))
    match value["role"]:
        case "tool" | "function" as role:
            call_id = read_text(value.get("tool_call_id" if role == "tool" else "name")) or "call"
            text = "".join(part.text for part in parts if isinstance(part, Text))
            return Message("tool", (ToolResult(call_id=call_id, text=text),))
        case "assistant":
            thought = read_text(value.get("reasoning_content")) or read_text(value.get("reasoning"))
            before: list[Part] = [Reasoning(thought)] if thought else []
            said = (*before, *parts, *_read_calls(value))
            return Message("assistant", said or (Text(""),))
        case "user":
            return Message("user", tuple(parts) or (Text(""),))
        case "system" | "developer" as role:
            return Message(role, tuple(parts) or (Text(""),))
    raise Unreadable(f"a message has the role {value['role'][:40]!r}")


def _read_parts(content: Json, left_out: Counter[str]) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in content if isinstance(content, list) else []:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("text", "refusal", "input_text", "output_text"):
            yield Text(read_text(part.get("refusal" if kind == "refusal" else "text")))
        elif kind == "image_url":
            image = part.get("image_url")
            detail = image.get("detail") if isinstance(image, Mapping) else None
            url = image.get("url") if isinstance(image, Mapping) else image
            yield Image(read_text(url), detail if isinstance(detail, str) else None)
        else:
            left_out[OTHERS] += 1


def _read_calls(value: Mapping[str, Json]) -> Iterator[ToolCall]:
    calls = value.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(call.get("id"), str):
            raise Unreadable("a tool call has an id and a function")
        yield ToolCall(
            call_id=call["id"],
            name=read_text(function.get("name")),
            arguments=read_text(function.get("arguments")),
        )
    if isinstance(old := value.get("function_call"), Mapping):
        name = read_text(old.get("name"))
        yield ToolCall(call_id=name or "call", name=name, arguments=read_text(old.get("arguments")))
