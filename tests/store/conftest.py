"""The stores that the contract is held to."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.store.writer import Writer

from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.secret import make_key_file
from turnkeep.store.sqlite import SqliteStore

Scenario = Callable[[Writer], Awaitable[None]]


@pytest.fixture(params=["file", "memory", "encrypted"])
def on_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario at once, on a fresh store of each kind, with a writer that holds a conversation."""

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            path = tmp_path / "turnkeep.db"
            store: SqliteStore = EphemeralStore()
            if request.param != "memory":
                secret = make_key_file(tmp_path / "key") if request.param == "encrypted" else None
                store = SqliteStore(path, secret=secret)
            try:
                await scenario(await Writer.begin(store))
            finally:
                await store.close()

        asyncio.run(main())

    return run
