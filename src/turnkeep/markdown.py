"""A conversation as Markdown, to read: the turns that lead to the tip, piece by piece.

The whole of it, for another turnkeep to take up, is in exporting.py.
"""

import time
from collections.abc import AsyncIterator, Callable

from .context.view import render_note
from .conversation.items import Forgotten, Image, Message, Note, Reasoning, Text, ToolCall, ToolResult
from .store.base import Conversation, Store


async def export_markdown(
    store: Store, conversation: Conversation, change: Callable[[str], str] | None = None
) -> AsyncIterator[str]:
    """Yield the path to the tip as Markdown, piece by piece; failed turns and siblings are left out.

    `change` is applied to every text that was said, as it was said: as when it was looked through before.
    """
    change = _unchanged if change is None else change
    owner, key = conversation.owner, conversation.id
    yield f"# {change(conversation.name or conversation.id)}\n"
    async for turn, items in store.export_items(owner, key):
        if not await store.is_ancestor(owner, key, turn.tip, conversation.tip):
            continue
        yield f"\n## Turn {turn.number}, {_day(turn.created)}\n"
        for stored in items:
            match stored.item:
                case Message() as message:
                    yield f"\n**{_speaker(message)}:**\n\n{change(describe_message(message))}\n"
                case Note() as note:
                    yield f"\n*{change(render_note(note))}*\n"
                case Forgotten() if stored is items[0]:
                    yield "\n*(forgotten)*\n"
                case _:
                    pass  # recalled lines are said where they were said
        if turn.state == "cut_off":
            yield "\n*(cut off)*\n"


def describe_message(message: Message) -> str:
    """What a reader sees of a message: its text, tool traffic as code, images as a mark; no reasoning."""
    parts = []
    for part in message.parts:
        match part:
            case Text(text) | ToolResult(text=text):
                parts.append(text)
            case ToolCall(name=name, arguments=arguments):
                parts.append(f"`{name}({arguments})`")
            case Image():
                parts.append("[image]")
            case Reasoning():
                pass
    return "\n".join(parts)


def _speaker(message: Message) -> str:
    return {"user": "You", "assistant": "Model", "tool": "Tool"}.get(message.role, message.role)


def _unchanged(text: str) -> str:
    return text


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
