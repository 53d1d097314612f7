"""Conversations out of the store: whole, as JSON Lines, or as OpenAI messages, for other programs.

A JSONL export is one conversation: a line of its own, its turns in the order of asking on all
branches, the views its prompts were built from, and a last line that says how many lines there are,
so that a file cut short is noticed. The lines hold no ids. A file of all conversations is such
exports one after another, between a line that says so and one that counts them. One line is in
memory at a time. transfer.py reads all of it back; Markdown, to read, is in markdown.py.

Every text can be changed on its way out: a function text -> text is applied to each, and to
nothing else, so that what comes out has the form that it would have had; JSON of tool calls, too.
Where several conversations go out, each has its own.
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from . import private
from .conversation.items import (
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    dump_item,
)
from .conversation.log import Position
from .errors import ConversationNotFound, UsageError
from .store.base import Conversation, Store, StoredItem, Turn
from .wire.chat_completions import render_messages

FORMAT: Final = 1
PAGE = 500  # conversations listed at a time

Row: TypeAlias = dict[str, Any]  # Any: a line of JSON
Change: TypeAlias = Callable[[str], str]  # applied to every text on its way out; masks it, say
ChangeOf: TypeAlias = Callable[["Conversation"], Awaitable[Change]]  # that of each conversation
_FIXED = frozenset({"kind", "state", "type", "role", "call_id", "detail", "made"})  # words of the form


async def export_jsonl(
    store: Store, conversation: Conversation, change: Change | None = None
) -> AsyncIterator[str]:
    """Yield the lines of an export, with their ends; `change` is applied to every text in them."""
    owner, key = conversation.owner, conversation.id
    yield _line(await _dump_head(store, conversation), change)
    count = 1
    async for turn, items in store.export_items(owner, key):
        receipt = await store.load_receipt(owner, key, turn.number)
        died = turn.state in ("open", "failed")  # other turns have their whole reply as items
        partial = await store.load_partial(owner, key, turn.number) if died else ""
        yield _line(_dump_turn(turn, items, receipt, partial), change)
        count += 1
    async for view in _dump_views(store, conversation):
        yield _line(view, change)
        count += 1
    yield _line({"kind": "end", "lines": count + 1})


async def export_all(store: Store, owner: str, change_of: ChangeOf | None = None) -> AsyncIterator[str]:
    """Yield all of an owner's conversations, the last used first, as one file."""
    yield _line({"kind": "all", "turnkeep": FORMAT})
    count = 0
    async for row in list_all(store, owner):
        async for line in export_jsonl(store, row, await _find_change(change_of, row)):
            yield line
        count += 1
    yield _line({"kind": "all_end", "conversations": count})


async def _find_change(change_of: ChangeOf | None, row: Conversation) -> Change | None:
    return None if change_of is None else await change_of(row)


async def list_all(store: Store, owner: str) -> AsyncIterator[Conversation]:
    """Yield all of an owner's conversations as they stand now, the last used first."""
    keys: list[str] = []
    while page := await store.list_conversations(owner, limit=PAGE, offset=len(keys)):
        keys += [row.id for row in page]
    for key in dict.fromkeys(keys):  # one that is used meanwhile moves to the front, and is met twice
        try:
            yield await store.load_conversation(owner, key)
        except ConversationNotFound:
            pass  # deleted meanwhile


async def _dump_head(store: Store, conversation: Conversation) -> Row:
    head: Row = {
        "kind": "conversation",
        "turnkeep": FORMAT,
        "name": conversation.name,
        "created": conversation.created,
        "updated": conversation.updated,
        "tip": _dump_position(conversation.tip),
        "instructions": await _dump_instructions(store, conversation),
        "current_instructions": conversation.instructions,
        "view": conversation.view,
        "pending_view": conversation.pending_view,
    }
    if conversation.kind != "named":
        head["made"] = conversation.kind
    if conversation.metadata:
        head["metadata"] = dict(conversation.metadata)
    return head


async def _dump_instructions(store: Store, conversation: Conversation) -> list[str]:
    """All instructions there were: receipts name them by number."""
    texts: list[str] = []
    while True:
        try:
            texts.append(await store.load_instructions(conversation.owner, conversation.id, len(texts) + 1))
        except ConversationNotFound:
            return texts


async def _dump_views(store: Store, conversation: Conversation) -> AsyncIterator[Row]:
    number = 1
    while True:
        try:
            view = await store.load_view(conversation.owner, conversation.id, number)
        except ConversationNotFound:
            return
        yield {
            "kind": "view",
            "number": view.number,
            "at": _dump_position(view.at),
            "key": view.key,
            "body": dict(view.body),
            "created": view.created,
        }
        number += 1


def _dump_turn(
    turn: Turn, items: Sequence[StoredItem], receipt: Mapping[str, Any] | None, partial: str
) -> Row:
    if partial and turn.state != "open":
        items = items[:-1]  # the last one is what is kept of the reply, and goes out as `partial`
    return {
        "kind": "turn",
        "turn": turn.number,
        "after": _dump_position(turn.after),
        "at": _dump_position(Position(turn.branch, turn.first)),
        "state": turn.state,
        "error": turn.error,
        "created": turn.created,
        "finished": turn.finished,
        "items": [_dump_stored(item) for item in items],
        "receipt": None if receipt is None else dict(receipt),
        "partial": partial,
    }


def _dump_stored(item: StoredItem) -> list[Any]:  # Any: JSON values
    kind, body = dump_item(item.item)
    return [kind, json.loads(body), item.created]


def _dump_position(position: Position) -> list[int]:
    return [position.branch, position.seq]


def _line(row: Row, change: Change | None = None) -> str:
    if change is not None:
        row = _changed(row, change)
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _changed(value: Any, change: Change) -> Any:  # Any: JSON values
    """The same value, with `change` applied to its texts; the words of the form itself stay."""
    match value:
        case str():
            return change(value)
        case {"type": "image", "url": str(url)} if url.startswith("data:"):
            return value
        case {"type": "tool_call", "arguments": str(arguments)}:
            return {**value, "arguments": change_arguments(arguments, change)}
        case dict():
            return {key: _changed_field(key, inner, change) for key, inner in value.items()}
        case list():
            return [_changed(inner, change) for inner in value]
    return value


def _changed_field(key: str, value: Any, change: Change) -> Any:  # Any: JSON values
    if key == "metadata":  # its words are the user's, "type" and "role" among them
        return {name: change(text) for name, text in value.items()}
    if key == "items":
        return _changed_items(value, change)
    return value if key in _FIXED else _changed(value, change)


def change_arguments(arguments: str, change: Change) -> str:
    """Change the texts in the JSON of a tool call, so that it stays JSON: a number that changes becomes a text."""
    whole = change(arguments)  # first: what a value is may stand beside it, in the name of its field
    try:
        value = json.loads(arguments)
        changed = _changed_values(value, change)
    except (ValueError, RecursionError):  # it was no JSON as the model made it
        return whole
    return whole if changed == value else json.dumps(changed, ensure_ascii=False)


def _changed_values(value: Any, change: Change) -> Any:  # Any: JSON values
    match value:
        case str():
            return change(value)
        case dict():
            return {change(name): _changed_values(inner, change) for name, inner in value.items()}
        case list():
            return [_changed_values(inner, change) for inner in value]
        case int() | float() if not isinstance(value, bool):
            written = json.dumps(value)
            return value if (text := change(written)) == written else text
    return value


def _changed_items(items: Any, change: Change) -> Any:  # Any: JSON values
    """Items are [kind, body, time]; a note's body begins with a word of the form. See `dump_item`."""
    if not isinstance(items, list):
        return items
    return [
        [kind, [body[0], *_changed(body[1:], change)], created] if kind == "note"
        else [kind, body if kind == "forgotten" else _changed(body, change), created]
        for kind, body, created in items
    ]  # fmt: skip


# -- OpenAI's messages --------------------------------------------------------
async def export_openai(
    store: Store, conversation: Conversation, change: Change | None = None
) -> AsyncIterator[str]:
    """Yield the turns that lead to the tip as a JSON list of messages, the instructions first."""
    yield "["
    between = ""
    async for message in _wire_messages(store, conversation, change):
        yield between + json.dumps(message, ensure_ascii=False)
        between = ",\n"
    yield "]\n"


async def export_all_openai(
    store: Store, owner: str, change_of: ChangeOf | None = None
) -> AsyncIterator[str]:
    """Yield all of an owner's conversations, one a line: an object with name, times and messages."""
    async for row in list_all(store, owner):
        change = await _find_change(change_of, row)
        messages = [message async for message in _wire_messages(store, row, change)]
        name = row.name if row.name is None or change is None else change(row.name)
        yield _line({"id": row.id, "name": name, "created": row.created, "messages": messages})


async def _wire_messages(
    store: Store, conversation: Conversation, change: Change | None
) -> AsyncIterator[Row]:
    owner, key = conversation.owner, conversation.id
    if conversation.instructions is not None:
        text = await store.load_instructions(owner, key, conversation.instructions)
        yield {"role": "system", "content": text if change is None else change(text)}
    async for turn, items in store.export_items(owner, key):
        if not await store.is_ancestor(owner, key, turn.tip, conversation.tip):
            continue
        messages = [stored.item for stored in items if isinstance(stored.item, Message)]
        if change is not None:
            messages = [change_message(message, change) for message in messages]
        for wire in render_messages(messages, reasoning=True):
            yield dict(wire)


def change_message(message: Message, change: Change) -> Message:
    """The same message, with `change` applied to its texts; a picture in it stays."""
    return Message(message.role, tuple(_change_part(part, change) for part in message.parts))


def _change_part(part: Part, change: Change) -> Part:
    match part:
        case Text(text) | Reasoning(text):
            return replace(part, text=change(text))
        case ToolCall():
            return replace(part, arguments=change_arguments(part.arguments, change))
        case ToolResult():
            return replace(part, text=change(part.text))
        case Image(url):
            return part if url.startswith("data:") else replace(part, url=change(url))


# -- files --------------------------------------------------------------------
async def save_export(pieces: AsyncIterator[str], path: Path) -> None:
    """Write an export, of whatever form, to a new file that only its owner can read.

    Raises:
        UsageError: the file exists already, or cannot be written; nothing half is left.
    """
    file = _create(path)
    try:
        with file:
            async for piece in pieces:
                file.write(piece)
    except BaseException as error:
        os.unlink(path)
        if isinstance(error, OSError):
            raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
        raise


def _create(path: Path) -> IO[str]:
    try:
        descriptor = private.create(path)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already: name another file.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    # Half a surrogate pair, as a model may make it, becomes the escape that JSON has for it.
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n")
