"""Conversations by their names, as commands are given them. Imports no store until it is asked."""

import asyncio

import click
from click.shell_completion import CompletionItem

from ..errors import ConversationNotFound, TurnkeepError
from ..settings import OWNER, Settings, load_settings, suggest
from ..store.base import Conversation, Store


async def find_conversation(store: Store, name: str) -> Conversation:
    """Find a conversation by name or id.

    Raises:
        ConversationNotFound: there is none; it names the nearest one.
    """
    found = await store.find_conversation(OWNER, name)
    if found is None:
        names = [row.name for row in await store.list_conversations(OWNER) if row.name]
        near = suggest(name, names) or "."
        raise ConversationNotFound(f"There is no conversation {name!r}{near} turnkeep list shows them.")
    return found


def complete_names(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete names of conversations; where there is no database, nothing."""
    try:
        rows = asyncio.run(_list_names(load_settings()))
    except TurnkeepError:
        return []  # a shell that completes is no place for sentences
    return [CompletionItem(name) for name in rows if name.startswith(typed)]


async def _list_names(settings: Settings) -> list[str]:
    from .opening import open_store

    async with open_store(settings, make=False) as store:
        return [row.name or row.id for row in await store.list_conversations(OWNER)]
