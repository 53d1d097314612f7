"""Whole conversations for tests: a chat on an engine and a store, closed whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from turnkeep import AsyncChat
from turnkeep.engine.base import Engine
from turnkeep.store.base import Store
from turnkeep.testing import EphemeralStore

T = TypeVar("T")


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
