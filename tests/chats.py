"""Whole conversations for tests: a chat on an engine and a store, closed whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from turnkeep import AsyncChat
from turnkeep.context.instructions import render_instruction
from turnkeep.engine.base import Engine, Request
from turnkeep.store.base import Store
from turnkeep.testing import EphemeralStore

T = TypeVar("T")
OPENING = render_instruction()[:25]  # how every request for a summary begins


def asks_for_summary(request: Request) -> bool:
    """Whether it asks an engine for a summary, not for a reply."""
    return str(request.messages[-1]["content"]).startswith(OPENING)


def run_chat(
    script: Callable[[AsyncChat], Awaitable[T]],
    engine: Engine,
    store: Store | None = None,
    **options: Any,  # Any: as AsyncChat takes them
) -> T:
    """Run a script on a chat without upkeep, unless `options` ask for it; the store is closed with it."""

    async def main() -> T:
        kept = store or EphemeralStore()
        chat = AsyncChat(engine, db=kept, **{"upkeep": False, **options})
        try:
            return await script(chat)
        finally:
            await chat.close()
            await kept.close()

    return asyncio.run(main())
