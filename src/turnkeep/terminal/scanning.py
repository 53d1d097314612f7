"""`turnkeep scan`: what personal data conversations hold, by kind and turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from ..conversation.items import Item, Message, Note, Reasoning, Text, ToolCall, ToolResult
from ..errors import ConversationNotFound
from ..settings import OWNER, Settings, load_settings
from ..store.base import Conversation, Store
from .flags import with_settings
from .screen import one_line, plural, printable

if TYPE_CHECKING:
    from ..privacy.kinds import Rule  # with all that finds: imported when something is looked for

ALL = 2**31  # conversations
SHOWN_TURNS = 12  # of the turns in which a value stands
VALUE_CELLS = 120


def make_scan(
    complete: Callable[[click.Context, click.Parameter, str], list[CompletionItem]],
) -> click.Command:
    """Make the command; `complete` completes names of conversations."""

    @click.command()
    @click.argument("name", metavar="[NAME]", required=False, shell_complete=complete)
    @click.option("--show", "whole", is_flag=True, help="Print the values themselves.")
    @with_settings("db")
    def scan(name: str | None, whole: bool, **flags: str | None) -> None:
        """Show the personal data in a conversation, by kind and turn.

        Without NAME, in all of them. Values are shown in part only, unless --show is given.
        """
        if not asyncio.run(_scan(load_settings(flags), name, whole=whole)):
            click.echo("turnkeep: Nothing was found that looks like personal data.", err=True)

    return scan


async def _scan(settings: Settings, name: str | None, *, whole: bool) -> int:
    """Print what there is; returns how many lines."""
    from .opening import open_store

    count = 0
    async with open_store(settings, make=False) as store:
        rows = await (_find_one(store, name) if name else store.list_conversations(OWNER, limit=ALL))
        async for line in scan_lines(store, rows, settings.rules, whole=whole):
            click.echo(line)
            count += 1
    return count


async def _find_one(store: Store, name: str) -> list[Conversation]:
    found = await store.find_conversation(OWNER, name)
    if found is None:
        raise ConversationNotFound(f"There is no conversation {name!r}: turnkeep list shows them.")
    return [found]


@dataclass(slots=True)
class Holding:
    """One value, and the turns in which it stands."""

    kind: str
    value: str
    times: int = 0
    turns: list[int] = field(default_factory=list)


async def scan_lines(
    store: Store, conversations: Sequence[Conversation], patterns: "Sequence[Rule]", *, whole: bool
) -> AsyncIterator[str]:
    """Yield what the conversations hold: a heading for each that holds anything, then a line a value.

    Args:
        store: where they are.
        conversations: to look through, with what was taken back, failed or stands on other branches.
        patterns: the user's own.
        whole: show values as they are, not in part.
    """
    for row in conversations:
        holdings = await scan_conversation(store, row, patterns)
        if holdings:
            kinds = ", ".join(_count_kinds(holdings))
            yield f"{printable(row.name or row.id)}: {kinds}"
            for holding in holdings:
                yield f"  {_describe(holding, whole=whole)}"


async def scan_conversation(
    store: Store, row: Conversation, patterns: "Sequence[Rule]" = ()
) -> list[Holding]:
    """List the values that a conversation holds, by kind, then in the order in which they came."""
    from ..privacy import find

    found: dict[tuple[str, str], Holding] = {}
    async for turn, items in store.export_items(row.owner, row.id):
        for stored in items:
            for text in said_texts(stored.item):
                for one in find(text, patterns):
                    value = text[one.start : one.end]
                    holding = found.setdefault((one.kind, value), Holding(one.kind, value))
                    holding.times += 1
                    if turn.number not in holding.turns[-1:]:
                        holding.turns.append(turn.number)
    return sorted(found.values(), key=lambda holding: holding.kind)


def said_texts(item: Item) -> Iterator[str]:
    """Yield the texts of an item; recalled lines are copies, and stand where they were said."""
    if isinstance(item, Note):
        yield item.text
        yield item.old
    elif isinstance(item, Message):
        for part in item.parts:
            if isinstance(part, Text | Reasoning | ToolResult):
                yield part.text
            elif isinstance(part, ToolCall):
                yield part.arguments


def _count_kinds(holdings: Sequence[Holding]) -> Iterator[str]:
    kinds = [holding.kind for holding in holdings]
    for kind in dict.fromkeys(kinds):
        yield f"{kinds.count(kind)} {kind}"


def _describe(holding: Holding, *, whole: bool) -> str:
    from ..privacy import show_partly

    value = holding.value if whole else show_partly(holding.kind, holding.value)
    turns = ", ".join(map(str, holding.turns[:SHOWN_TURNS]))
    more = len(holding.turns) - SHOWN_TURNS
    where = f"turn{'s' if len(holding.turns) > 1 else ''} {turns}{f' and {more} more' if more > 0 else ''}"
    return f"{holding.kind:16}{one_line(value, VALUE_CELLS)}  {plural(holding.times, 'time')}, {where}"
