"""What a turn hands over to the audit: its texts as a reader sees them, its receipt, and how a record is made of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..context.receipt import Receipt, dump_receipt
from ..conversation.items import Image, Item, Message, Note, Reasoning, Text, ToolCall, ToolResult
from .base import Entry, caller
from .journal import Draft

MEASURED = frozenset({  # of a receipt: tokens and times, nothing that was said or looked up
    "window", "exact", "prompt_tokens", "engine_prompt_tokens", "read_tokens", "reused_tokens",
    "reply_tokens", "max_tokens", "finish_reason", "seconds_to_first", "seconds", "tokens_per_second",
})  # fmt: skip


def describe_items(items: Iterable[Item]) -> str:
    """The text of what was said; tool traffic as JSON stands in it, images as marks. No reasoning."""
    said = []
    for item in items:
        match item:
            case Message():
                said += [_describe(part) for part in item.parts if not isinstance(part, Reasoning)]
            case Note():
                said += [text for text in (item.old, item.text) if text]
            case _:
                pass  # recalled lines were said, and recorded, where they were said
    return "\n".join(said)


def _describe(part: Text | Image | ToolCall | ToolResult | Reasoning) -> str:
    match part:
        case Text(text) | ToolResult(text=text) | Reasoning(text):
            return text
        case ToolCall(name=name, arguments=arguments):
            return f"{name}({arguments})"
        case Image(url=url):
            return f"[image, {len(url):,} characters]"


def describe_turn(
    owner: str,
    conversation: str,
    turn: int,
    items: Iterable[Item],
    message: Message,
    *,
    state: str,
    receipt: Receipt | None,
    at: float,
    error: str = "",
) -> Entry:
    """Gather what is recorded of a turn.

    Args:
        owner: whose.
        conversation: its id.
        turn: its number.
        items: what the user said.
        message: what the model did.
        state: how it ended.
        receipt: what the model saw; None: it failed before that was decided.
        at: when it ended, in seconds since the epoch.
        error: why it failed.
    """
    texts = {
        "input": describe_items(items),
        "output": describe_items([message]),
        "reasoning": message.reasoning,
        "error": error,
    }
    return Entry(
        owner=owner,
        conversation=conversation,
        turn=turn,
        state=state,
        at=at,
        key=caller.get(),
        engine=receipt.engine if receipt else "",
        model=receipt.model if receipt else "",
        texts={name: text for name, text in texts.items() if text},
        receipt={} if receipt is None else dump_receipt(receipt),
    )


def describe_unstored(
    owner: str, items: Iterable[Item], message: Message, *, state: str, receipt: Receipt, at: float
) -> Entry:
    """Gather what is recorded of a turn of which nothing is kept: sizes and times; no digest, no conversation."""
    entry = describe_turn(owner, "", 0, items, message, state=state, receipt=receipt, at=at)
    kept = {name: value for name, value in entry.receipt.items() if name in MEASURED}
    return replace(entry, receipt=kept)


def make_draft(entry: Entry, texts: Mapping[str, str] | None) -> Draft:
    """Make a turn's record, with these texts of it; None: with sizes alone."""
    fields: dict[str, Any] = {  # Any: JSON values
        "kind": "turn",
        "owner": entry.owner,
        "conversation": entry.conversation,
        "turn": entry.turn,
        "state": entry.state,
        "at": entry.at,
        "engine": entry.engine,
        "model": entry.model,
        "bytes": {name: len(text.encode("utf-8", "replace")) for name, text in entry.texts.items()},
        # Sentences to the person may quote what was said: they are no part of what stays for ever.
        "receipt": {name: value for name, value in entry.receipt.items() if name != "notices"},
    }
    return Draft(fields, dict(texts) if texts else None)
