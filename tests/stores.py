"""Stores for tests: worked on, and closed whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from turnkeep.store.secret import Secret
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import BUSY_SECONDS

T = TypeVar("T")


def with_store(
    path: Path | None,
    work: Callable[[SqliteStore], Awaitable[T]],
    secret: Secret | None = None,
    *,
    busy_seconds: float = BUSY_SECONDS,
) -> T:
    """Work on the store of a file, or on one in memory where there is none, and close it."""

    async def main() -> T:
        store = SqliteStore(path, secret=secret, busy_seconds=busy_seconds)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(main())
