"""Before the first word: which engine, which conversation, and what was said last."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..carrying import sweep_imports
from ..errors import TurnkeepError
from ..settings import OWNER, Settings
from ..store.base import Conversation, Store
from ..store.ephemeral import EphemeralStore
from ..store.erasing import Eraser
from ..transfer import check_name, sweep_unfinished
from ..unlocking import open_copy
from .asking import open_settings_database

if TYPE_CHECKING:
    from ..library import AsyncChat, Opened
    from ..store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Start:
    """What the person asked to open."""

    name: str | None = None  # None: the last conversation, or a new one
    new: bool = False


@contextlib.asynccontextmanager
async def open_store(settings: Settings, *, make: bool = True) -> AsyncIterator["SqliteStore"]:
    """Open the database; close it at the end of the block.

    Args:
        settings: where it is.
        make: False works on an empty one in memory where there is no file yet.
    """
    there = make or settings.database.exists()
    store = open_settings_database(settings) if there else EphemeralStore()
    try:
        await sweep_unfinished(store, OWNER)
        await sweep_imports(store, OWNER)
        if isinstance(store, Eraser) and await store.load_unfinished():
            await finish_forgetting(settings, store)
        yield store
    finally:
        await store.close()


async def finish_forgetting(settings: Settings, store: Store) -> None:
    """Do what a forget that was killed, or could not write a file, has left."""
    from ..engine.absent import AbsentEngine
    from ..forgetting.opening import open_forgetter
    from ..holding import name_holder

    forgetter = open_forgetter(
        store,
        AbsentEngine(),
        holder=name_holder(),
        home=settings.home,
        open_store=partial(open_copy, store),
    )
    await forgetter.finish()


async def find_last(store: Store) -> str | None:
    """Return the id of the conversation that was used last, None when there is none."""
    rows = await store.list_conversations(OWNER, limit=1)
    return rows[0].id if rows else None


async def open_chat(
    settings: Settings, store: Store, start: Start, on_wait: Callable[[str], None]
) -> "tuple[AsyncChat, Opened]":
    """Connect and open; `on_wait` is told why a call has to wait for the engine.

    Raises:
        TurnkeepError: it cannot be opened; no empty conversation stays behind.
    """
    from ..library import AsyncChat  # commands that only look into the store do without

    chat = AsyncChat(
        settings.engine,
        conversation=None if start.name is None else check_name(start.name),
        new=start.new and start.name is not None,
        owner=OWNER,
        system=settings.system,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        db=store,
        sampling=settings.sampling,
        recall_everywhere=settings.recall_everywhere,
        on_wait=on_wait,
        patterns={pattern.kind: pattern.expression for pattern in settings.patterns},
        names=settings.names,
        **settings.turn_options,
    )
    try:
        return chat, await chat.open()
    except BaseException:
        await chat.close()
        raise


async def leave_chat(chat: "AsyncChat", store: Store, began: float) -> None:
    """Close the chat, and tidy."""
    try:
        await tidy(store, await chat.conversation(), began)
    except TurnkeepError:
        pass  # there is no conversation, or no store: nothing to tidy
    finally:
        await chat.close()


async def tidy(store: Store, conversation: Conversation, began: float) -> None:
    """Take a conversation away that was made since `began` and in which nothing was said."""
    row = await store.load_conversation(OWNER, conversation.id)
    if row.turns == 0 and row.created >= began:
        await store.delete_conversation(OWNER, row.id)


def with_engine(settings: Settings, engine: str) -> Settings:
    """Use this engine."""
    return replace(settings, engine=engine)
