"""ChatGPT's export: conversations.json, a list of conversations, each a mapping of nodes by their ids.

A node has a message or none, its parent, and its children; `current_node` is where the person
was last. A message has an author (system, user, assistant, tool), a recipient (`all`: the person,
else a tool), and a content of one of many types. Files that the person or a tool gave are named by
pointers; only some exports hold them, beside this file, so they are not carried.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from ..conversation.items import Message, Part, Reasoning, Text, ToolCall, ToolResult
from .imported import ImportedConversation, ImportedTurn, Json, Unreadable, read_text, read_time
from .tree import Node, cut_turns

PROGRAM = "ChatGPT"
HIDDEN = "hidden messages"
FILES = "images and files that the export only points to"
OTHERS = "pieces of a kind that turnkeep does not know"


def parse_chatgpt(value: Json, begin: float) -> ImportedConversation:
    """Read one conversation of the list.

    Args:
        value: the conversation.
        begin: its time, where it says none.

    Raises:
        Unreadable: it has no mapping of nodes.
    """
    mapping = value.get("mapping") if isinstance(value, Mapping) else None
    if not isinstance(mapping, Mapping):
        raise Unreadable("a conversation of ChatGPT's has a mapping")
    created = read_time(value.get("create_time")) or begin
    updated = read_time(value.get("update_time"))
    left_out: Counter[str] = Counter()
    name = read_text(value.get("title"))
    return ImportedConversation(
        program=PROGRAM,
        source=read_text(value.get("conversation_id")) or read_text(value.get("id")) or f"{name} {created}",
        version=f"{updated} {len(mapping)}",
        name=name or None,
        created=created,
        updated=updated,
        turns=_read_turns(value, mapping, created, left_out),
        left_out=left_out,
    )


def _read_turns(
    value: Json, mapping: Mapping[str, Json], created: float, left_out: Counter[str]
) -> Iterator[ImportedTurn]:
    nodes = {}
    for key, node in mapping.items():
        parent = node.get("parent") if isinstance(node, Mapping) else None
        message = node.get("message") if isinstance(node, Mapping) else None
        nodes[key] = _read_node(key, parent, message if isinstance(message, Mapping) else {}, left_out)
    _pair_results(nodes)
    yield from cut_turns(nodes, read_text(value.get("current_node")) or None, created, left_out)


def _read_node(key: str, parent: Json, message: Mapping[str, Json], left_out: Counter[str]) -> Node:
    about = message.get("metadata")
    about = about if isinstance(about, Mapping) else {}
    said = _read_message(key, message, about, left_out)
    return Node(
        parent=parent if isinstance(parent, str) else None,
        messages=() if said is None else (said,),
        created=read_time(message.get("create_time")),
        model=read_text(about.get("model_slug")),
    )


def _read_message(
    key: str, message: Mapping[str, Json], about: Mapping[str, Json], left_out: Counter[str]
) -> Message | None:
    author, content = message.get("author"), message.get("content")
    if not isinstance(author, Mapping) or not isinstance(content, Mapping):
        return None
    parts = list(_read_content(content, left_out))
    if about.get("is_visually_hidden_from_conversation"):
        left_out[HIDDEN] += any(not isinstance(part, Text) or part.text.strip() for part in parts)
        return None
    text = "".join(part.text for part in parts if isinstance(part, Text))
    recipient = read_text(message.get("recipient")) or "all"
    match author.get("role"):
        case "user" if parts:
            return Message("user", tuple(parts))
        case "assistant" if recipient != "all" and text:
            return Message(
                "assistant", (ToolCall(call_id=f"call_{key}", name=recipient, arguments=_arguments(text)),)
            )
        case "assistant" if parts:
            return Message("assistant", tuple(parts))
        case "tool" if text:
            name = read_text(author.get("name")) or "tool"
            return Message("tool", (ToolResult(call_id=name, text=text),))  # paired below
        case "system" if text.strip():
            return Message("system", (Text(text),))
    return None


def _read_content(content: Mapping[str, Json], left_out: Counter[str]) -> Iterator[Part]:
    kind = content.get("content_type")
    match kind:
        case "thoughts":
            for thought in _list(content.get("thoughts")):
                if isinstance(thought, Mapping):
                    yield Reasoning(
                        "\n".join(
                            filter(None, (read_text(thought.get(name)) for name in ("summary", "content")))
                        )
                    )
            return
        case "reasoning_recap":
            return  # how long it thought: no words of its own
        case "user_editable_context" | "model_editable_context":
            given = (read_text(text) for name, text in content.items() if name != "content_type")
            text = "\n".join(filter(None, given))
        case "text" | "multimodal_text":
            for part in _list(content.get("parts")):
                yield from _read_part(part, left_out)
            return
        case _:
            text = read_text(content.get("text")) or read_text(content.get("result"))
            if not text and kind not in ("code", "execution_output", "tether_browsing_display"):
                left_out[OTHERS] += 1
    if text:
        yield Text(text)


def _read_part(part: Json, left_out: Counter[str]) -> Iterator[Part]:
    if isinstance(part, str):
        if part:
            yield Text(part)
        return
    kind = read_text(part.get("content_type")) if isinstance(part, Mapping) else ""
    if text := read_text(part.get("text")) if kind else "":
        yield Text(text)  # of something said aloud
    elif kind.endswith("_pointer"):
        left_out[FILES] += 1
        if kind.startswith("image"):
            yield Text("[image]")
    else:
        left_out[OTHERS] += 1


def _arguments(text: str) -> str:
    """The call's arguments as JSON: engines read nothing else. Code becomes {"input": code}."""
    try:
        if isinstance(json.loads(text), dict):
            return text
    except (ValueError, RecursionError):
        pass
    return json.dumps({"input": text}, ensure_ascii=False)


def _pair_results(nodes: dict[str, Node]) -> None:
    """Let each result name the call before it; one without a call gets one that says nothing but the tool's name.

    The export pairs them by their places only, and engines refuse a result that answers no call.
    """
    for key, node in nodes.items():
        if not node.messages or not isinstance(result := node.messages[0].parts[0], ToolResult):
            continue
        before = nodes.get(node.parent or "")
        calls = before.messages[-1].tool_calls if before is not None and before.messages else ()
        call_id = calls[0].call_id if calls else f"call_{key}"
        answer = Message("tool", (ToolResult(call_id=call_id, text=result.text),))
        asked = Message("assistant", (ToolCall(call_id=call_id, name=result.call_id, arguments="{}"),))
        nodes[key] = Node(
            parent=node.parent,
            messages=(answer,) if calls else (asked, answer),
            created=node.created,
            model=node.model,
        )


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
