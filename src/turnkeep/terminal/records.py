"""Conversations as lines of text, for the commands outside of the chat. Knows no terminal."""

import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from ..context.view import render_note
from ..conversation.items import Forgotten, Message, Note
from ..markdown import describe_message
from ..store.base import Conversation, Hit, Store, StoredItem, StoreStats, Turn
from .screen import one_line, plural, printable

FIRST_WORDS = 60  # cells that stand for a conversation without a name
FOUND_CELLS = 160  # of a line that a search shows
MASKED_NOTICE = (
    "Marks such as [EMAIL_1] stand in it for personal data: an import brings back the marks, not the values."
)


async def list_lines(store: Store, owner: str, limit: int) -> AsyncIterator[str]:
    """Yield a line for each conversation, the last used first: name or id, turns, last use, first words."""
    for row in await store.list_conversations(owner, limit=limit):
        parts = [row.name or row.id, plural(row.turns, "turn"), _moment(row.updated)]
        if row.name is None:
            parts.append(await first_words(store, row))
        yield "  ".join(printable(part) for part in parts if part)


async def count_path(store: Store, row: Conversation) -> int:
    """The number of turns that lead to the tip: without those taken back, replaced or failed."""
    return len(await store.load_turns(row.owner, row.id, tip=row.tip))


async def first_words(store: Store, row: Conversation) -> str:
    """What was said first, in short: it stands for a conversation without a name."""
    if row.turns == 0:
        return ""
    items = await store.load_turn_items(row.owner, row.id, 1)
    said = [item.item.text for item in items if isinstance(item.item, Message) and item.item.role == "user"]
    return one_line(said[0], FIRST_WORDS) if said else ""


async def show_lines(store: Store, conversation: Conversation, last: int | None) -> AsyncIterator[str]:
    """Yield the turns that lead to the tip, and failed ones, oldest first; only about the `last` ones."""
    begin = 0 if last is None else await _number_before(store, conversation, last)
    async for turn, items in store.export_items(conversation.owner, conversation.id):
        if turn.number > begin and await _is_shown(store, conversation, turn):
            for line in _turn_lines(turn, items):
                yield line


async def _is_shown(store: Store, conversation: Conversation, turn: Turn) -> bool:
    if turn.state in ("failed", "open"):
        return True
    return await store.is_ancestor(conversation.owner, conversation.id, turn.tip, conversation.tip)


async def _number_before(store: Store, conversation: Conversation, last: int) -> int:
    """The number of the turn before the `last` ones of the path."""
    turns = await store.load_turns(conversation.owner, conversation.id, tip=conversation.tip, last=last)
    return turns[0].number - 1 if turns else 0


def _turn_lines(turn: Turn, items: Sequence[StoredItem]) -> Iterator[str]:
    yield f"--- turn {turn.number}, {_moment(turn.created)}{_state(turn)}"
    for stored in items:
        if isinstance(stored.item, Note):
            yield f"note: {printable(render_note(stored.item))}"
        elif isinstance(stored.item, Forgotten) and stored is items[0]:
            yield "forgotten"
        elif isinstance(stored.item, Message):
            speaker = {"user": "you", "assistant": "model"}.get(stored.item.role, stored.item.role)
            yield f"{speaker}: {printable(describe_message(stored.item))}"


def _state(turn: Turn) -> str:
    match turn.state:
        case "done":
            return ""
        case "cut_off":
            return ", cut off"
        case "failed":
            return f", failed: {printable(turn.error or 'no reply came')}"
        case "open":
            return ", not answered yet"


def hit_lines(hits: Sequence[Hit]) -> Iterator[str]:
    """Yield a line for each search result."""
    for hit in hits:
        where = f"{hit.name or hit.conversation}, turn {hit.turn}, {hit.role}"
        yield f"{printable(where)}: {one_line(hit.text, FOUND_CELLS)}"


def nothing_shown(conversation: Conversation) -> str:
    """Say why there is nothing to show."""
    if conversation.turns == 0:
        return "Nothing was said yet in this conversation."
    return "There is nothing to show: all turns were taken back; turnkeep export writes them, too."


def saved_line(turns: int, path: Path) -> str:
    """Say what an export holds."""
    return f"{plural(turns, 'turn')} {'is' if turns == 1 else 'are'} in {path}."


def stats_lines(stats: StoreStats) -> Iterator[str]:
    """Yield what a store holds, and what it takes on disk and in memory."""
    yield f"database        {stats.path or 'none yet'}"
    yield f"conversations   {stats.conversations:,}"
    yield f"turns           {stats.turns:,}"
    yield f"items           {stats.items:,}"
    yield f"text            {_bytes(stats.text_bytes)}"
    yield f"file            {_bytes(stats.file_bytes)}"
    if stats.index_bytes is not None:
        yield f"  of it indexes {_bytes(stats.index_bytes)}"
    yield f"write-ahead log {_bytes(stats.wal_bytes)}"
    if (memory := _peak_memory()) is not None:
        yield f"memory          {_bytes(memory)} at most, by this process"


def _peak_memory() -> int | None:
    """Bytes this process has had in memory at most; None where the system does not say (Windows)."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kibibytes


def _bytes(count: int) -> str:
    """Example: 1,234,567 → "1.2 MB"."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
