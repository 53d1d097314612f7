"""A gateway forgets what is old by its own clock, and every DELETE goes the road of `turnkeep forget`."""

import asyncio
import time
from pathlib import Path

from tests.forgetting.test_course import SECRET, all_bytes, talk
from turnkeep.gateway.engines import EnginePool
from turnkeep.gateway.forgetters import forget, retain
from turnkeep.gateway.gateway import Gateway, ServeSettings
from turnkeep.store.erasing import OneConversation
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import ScriptedEngine

DAY = 86_400.0


def make(path: Path, *, later: float) -> Gateway:
    """A gateway whose clock is some days ahead."""
    return Gateway(
        ServeSettings(db=path / "turnkeep.db", retention_days=30, embeddings="off"),
        pool=EnginePool([ScriptedEngine()]),
        clock=lambda: time.time() + later * DAY,
    )


def test_what_is_old_is_forgotten_by_the_gateways_clock(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "turnkeep.db")
        await talk(store, f"My aunt is a {SECRET}.", owner="ana")
        await store.close()
        for later, left in ((29, 1), (31, 0)):
            gateway = make(tmp_path, later=later)
            await gateway.open()
            await retain(gateway)
            assert len(await gateway.store.list_conversations("ana")) == left
            await gateway.close()
        assert SECRET.encode() not in all_bytes(tmp_path)

    asyncio.run(main())


def test_a_deleted_conversation_leaves_nothing_in_the_files(tmp_path: Path) -> None:
    async def main() -> None:
        gateway = make(tmp_path, later=0)
        assert isinstance(gateway.store, SqliteStore)
        conversation = await talk(gateway.store, f"My aunt is a {SECRET}.", owner="ana")
        await forget(gateway, "ana", OneConversation(conversation=conversation))
        assert await gateway.store.list_conversations("ana") == []
        assert await gateway.store.load_unfinished() == []
        assert SECRET.encode() not in all_bytes(tmp_path)
        await gateway.close()

    asyncio.run(main())
