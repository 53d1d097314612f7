"""Open WebUI's export: a list of chats, each with a tree of messages by their ids.

`chat.history` holds `messages` (parentId, childrenIds) and `currentId`; older exports hold the
list `chat.messages` alone. An assistant's text holds its reasoning and its tool calls as
`<details>`, as the page shows them; they become parts of the message again.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..conversation.items import Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from .imported import ImportedConversation, ImportedTurn, Json, Unreadable, read_text, read_time
from .tree import Node, cut_turns

PROGRAM = "Open WebUI"
FILES = "attached files and collections"
OTHERS = "messages without a role"

# Each is tried once a place, and no try goes on to the end of the text: a text of any length takes little time.
_DETAILS = re.compile(r"<details\b")
_LINES = re.compile(r"\n*")
_ATTRIBUTE = re.compile(r'\b(\w++)="([^"]*)"')
_END, _SUMMARY, _SUMMARY_END = "</details>", "<summary>", "</summary>"


def parse_openwebui(value: Json, begin: float) -> ImportedConversation:
    """Read one chat of the list.

    Args:
        value: the chat, with or without the row around it.
        begin: its time, where it says none.

    Raises:
        Unreadable: it holds no messages.
    """
    row = value if isinstance(value, Mapping) else {}
    chat = row["chat"] if isinstance(row.get("chat"), Mapping) else row
    messages, current = _find_messages(chat)
    created = read_time(row.get("created_at")) or read_time(chat.get("timestamp")) or begin
    updated = read_time(row.get("updated_at"))
    name = read_text(row.get("title")) or read_text(chat.get("title"))
    params = chat.get("params")
    system = read_text(params.get("system")) if isinstance(params, Mapping) else ""
    left_out: Counter[str] = Counter()
    left_out[FILES] += len(chat["files"]) if isinstance(chat.get("files"), list) else 0
    return ImportedConversation(
        program=PROGRAM,
        source=read_text(row.get("id")) or read_text(chat.get("id")) or f"{name} {created}",
        version=f"{updated} {len(messages)}",
        name=name or None,
        created=created,
        updated=updated,
        instructions=system or read_text(chat.get("system")),
        turns=_read_turns(messages, current, created, left_out),
        left_out=left_out,
    )


def _find_messages(chat: Mapping[str, Json]) -> tuple[Mapping[str, Json], str | None]:
    """The messages by their ids, and the id of the current one; a plain list is one branch."""
    history = chat.get("history")
    if isinstance(history, Mapping) and isinstance(history.get("messages"), Mapping):
        current = history.get("currentId")
        return history["messages"], current if isinstance(current, str) else None
    listed = chat.get("messages")
    if not isinstance(listed, list):
        raise Unreadable("a chat of Open WebUI's has messages")
    linked = {
        str(place): {**message, "parentId": str(place - 1) if place else None}
        for place, message in enumerate(listed)
        if isinstance(message, Mapping)
    }
    return linked, None


def _read_turns(
    messages: Mapping[str, Json], current: str | None, created: float, left_out: Counter[str]
) -> Iterator[ImportedTurn]:
    nodes = {}
    for key, message in messages.items():
        about = message if isinstance(message, Mapping) else {}
        parent = about.get("parentId")
        nodes[key] = Node(
            parent=parent if isinstance(parent, str) else None,
            messages=tuple(_read_message(key, about, left_out)),
            created=read_time(about.get("timestamp")),
            model=read_text(about.get("model")) or read_text(about.get("modelName")),
        )
    yield from cut_turns(nodes, current, created, left_out)


def _read_message(key: str, message: Mapping[str, Json], left_out: Counter[str]) -> Iterator[Message]:
    parts = [*_read_content(message.get("content")), *_read_files(message.get("files"), left_out)]
    match message.get("role"):
        case "user":
            yield Message("user", tuple(parts) or (Text(""),))
        case "assistant":
            text = "".join(part.text for part in parts if isinstance(part, Text))
            images = [part for part in parts if isinstance(part, Image)]
            said = list(_split_details(key, text))
            if images:  # made by a tool: the wire has images in the user's messages only
                left_out[FILES] += len(images)
            if not said and read_text(message.get("content")) == "" and message.get("error"):
                return  # it failed: what it says is no reply
            yield from said or [Message("assistant", (Text(""),))]
        case "system":
            yield Message("system", tuple(parts) or (Text(""),))
        case _:
            left_out[OTHERS] += 1


def _read_content(content: Json) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in content if isinstance(content, list) else []:
        if isinstance(part, Mapping) and part.get("type") == "text":
            yield Text(read_text(part.get("text")))
        elif isinstance(part, Mapping) and isinstance(part.get("image_url"), Mapping):
            yield Image(read_text(part["image_url"].get("url")))


def _read_files(files: Json, left_out: Counter[str]) -> Iterator[Part]:
    for file in files if isinstance(files, list) else []:
        url = read_text(file.get("url")) if isinstance(file, Mapping) else ""
        if url.startswith(("data:image/", "http://", "https://")) and file.get("type") == "image":
            yield Image(url)
        else:
            left_out[FILES] += 1


def _split_details(key: str, text: str) -> Iterator[Message]:
    """Split an assistant's text at its reasoning and tool calls; other details are text."""
    parts: list[Part] = []
    place = 0
    for found in _find_details(text):
        attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(found.attributes)}
        kind = attributes.get("type")
        if kind not in ("reasoning", "tool_calls"):
            continue
        if before := text[place : found.start]:
            parts.append(Text(before))
        place = found.end
        if kind == "reasoning":
            parts.append(Reasoning(_unquote(found.body)))
            continue
        call_id = attributes.get("id") or f"call_{key}_{found.start}"
        yield Message(
            "assistant",
            (
                *parts,
                ToolCall(
                    call_id=call_id,
                    name=attributes.get("name") or "tool",
                    arguments=_unwrap(attributes.get("arguments", "")) or "{}",
                ),
            ),
        )
        yield Message("tool", (ToolResult(call_id=call_id, text=attributes.get("result", "")),))
        parts = []
    if rest := text[place:]:
        parts.append(Text(rest))
    if parts:
        yield Message("assistant", tuple(parts))


@dataclass(frozen=True, slots=True)
class _Details:
    """Where `<details>` stand in a text, with the empty lines behind them, and what they hold."""

    start: int
    end: int
    attributes: str
    body: str


def _find_details(text: str) -> Iterator[_Details]:
    place = 0
    while found := _DETAILS.search(text, place):
        begun = text.find(">", found.end())
        ended = text.find(_END, begun + 1)
        if begun < 0 or ended < 0:
            return  # nothing behind it can be whole either
        lines = _LINES.match(text, ended + len(_END))
        assert lines is not None
        place = lines.end()
        yield _Details(found.start(), place, text[found.end() : begun], text[begun + 1 : ended])


def _unwrap(arguments: str) -> str:
    """Arguments are JSON, or a JSON text that holds JSON."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return json.dumps({"input": arguments}, ensure_ascii=False) if arguments else ""
    if isinstance(value, str):
        return _unwrap(value) if value != arguments else value
    return arguments if isinstance(value, Mapping) else json.dumps({"input": value}, ensure_ascii=False)


def _unquote(body: str) -> str:
    """Reasoning as it was thought: without the summary, and without the marks of a quotation."""
    start = body.find(_SUMMARY)
    end = body.find(_SUMMARY_END, start)
    if 0 <= start < end:
        body = body[:start].rstrip() + body[end + len(_SUMMARY_END) :].removeprefix("\n")
    lines = html.unescape(body).strip("\n").split("\n")
    return "\n".join(line.removeprefix("> ") if line != ">" else "" for line in lines)
