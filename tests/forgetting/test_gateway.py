"""A gateway forgets what is old by its own clock, and every DELETE goes the road of `turnkeep forget`."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.forgetting.rests import leave_rests
from tests.forgetting.test_course import SECRET, all_bytes, talk
from turnkeep.forgetting import cleaning
from turnkeep.forgetting.cleaning import FILE
from turnkeep.forgetting.courses import LOG
from turnkeep.forgetting.places import Searched, search_files
from turnkeep.gateway import forgetters
from turnkeep.gateway.engines import EnginePool
from turnkeep.gateway.forgetters import clean, forget, keep_clean, retain
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
        assert SECRET.encode() not in all_bytes(tmp_path)
        await gateway.close()

    asyncio.run(main())


def test_the_file_is_searched_once_for_all_that_was_deleted_and_who_deletes_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = list[int]()

    def search(paths: Iterable[Path], pieces: Sequence[bytes]) -> Searched:
        searched.append(len(pieces))
        return search_files(paths, pieces)

    async def main() -> None:
        monkeypatch.setattr(cleaning, "search_files", search)
        path = tmp_path / "turnkeep.db"
        store = SqliteStore(path)
        conversations = [await talk(store, f"My aunt is a {SECRET}. {n}", owner="ana") for n in range(3)]
        await store.close()
        assert leave_rests(path, f"My aunt is a {SECRET}.")
        gateway = make(tmp_path, later=0)
        await gateway.open()
        for conversation in conversations:
            await forget(gateway, "ana", OneConversation(conversation=conversation))
        assert searched == []
        assert SECRET.encode() in all_bytes(tmp_path)
        left = [unfinished.note for unfinished in await gateway.store.load_unfinished()]
        assert [note["left"] for note in left] == [[LOG, FILE]] * 3
        await retain(gateway)  # which finishes what others left, and leaves this to who has it in hand
        assert len(await gateway.store.load_unfinished()) == 3
        await clean(gateway)
        assert len(searched) == 1
        assert await gateway.store.load_unfinished() == []
        assert SECRET.encode() not in all_bytes(tmp_path)
        await gateway.close()
        assert len(searched) == 1

    asyncio.run(main())


@pytest.mark.parametrize("way", ["closed", "served"])
def test_a_gateway_cleans_the_file_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    async def main() -> None:
        monkeypatch.setattr(forgetters, "CLEANING_SECONDS", 0.01)
        path = tmp_path / "turnkeep.db"
        store = SqliteStore(path)
        conversation = await talk(store, f"My aunt is a {SECRET}.", owner="ana")
        await store.close()
        assert leave_rests(path, f"My aunt is a {SECRET}.")
        gateway = make(tmp_path, later=0)
        await gateway.open()
        await forget(gateway, "ana", OneConversation(conversation=conversation))
        assert SECRET.encode() in all_bytes(tmp_path)
        if way == "served":
            keeping = asyncio.ensure_future(keep_clean(gateway))
            async with asyncio.timeout(30):
                while await gateway.store.load_unfinished():
                    await asyncio.sleep(0.01)
            keeping.cancel()
            assert SECRET.encode() not in all_bytes(tmp_path)
        await gateway.close()
        assert SECRET.encode() not in all_bytes(tmp_path)

    asyncio.run(main())
