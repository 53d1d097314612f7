"""What is older than it is to be kept goes, by the setting or by what a conversation says for itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.forgetting.test_course import forgetter, talk
from turnkeep import holding
from turnkeep.errors import UsageError
from turnkeep.forgetting.retention import Retention, check_days
from turnkeep.store.sqlite import SqliteStore

DAY = 86_400.0
Script = Callable[[SqliteStore, list[str]], Awaitable[None]]


def run(path: Path, script: Script) -> None:
    """Run on a store with three conversations of two owners."""

    async def main() -> None:
        store = SqliteStore(path / "turnkeep.db")
        try:
            conversations = [
                await talk(store, "It rains.", name="one"),
                await talk(store, "I like tea.", name="two"),
                await talk(store, "My dog barks.", owner="other"),
            ]
            await script(store, conversations)
        finally:
            await store.close()

    asyncio.run(main())


def retention(store: SqliteStore, days: int, *, later: float) -> Retention:
    """As it is run so many days later."""
    return Retention(store, forgetter(store), days, lambda: time.time() + later * DAY)


async def left(store: SqliteStore) -> list[str]:
    owners = await store.list_owners()
    return sorted([row.id for owner in owners for row in await store.list_conversations(owner)])


def test_a_conversation_that_is_written_to_keeps_no_other_from_being_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(holding, "PATIENCE_SECONDS", 0.0)

    async def script(store: SqliteStore, conversations: list[str]) -> None:
        lease = await store.take_lease(
            f"conversation:{conversations[0]}", "elsewhere/1/0", now=time.time(), seconds=60.0
        )
        assert lease is not None
        receipts = await retention(store, 30, later=31).run()
        assert [receipt.conversations for _, receipt in receipts] == [(each,) for each in conversations[1:]]
        assert await left(store) == conversations[:1]
        (told,) = [record.getMessage() for record in caplog.records if record.name == "turnkeep.retention"]
        assert told.startswith("what is old of local is forgotten the next time: Another program is writing")
        await store.drop_lease(lease)
        assert [owner for owner, _ in await retention(store, 30, later=31).run()] == ["local"]
        assert await left(store) == []

    run(tmp_path, script)


def test_what_is_old_goes_of_all_owners(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversations: list[str]) -> None:
        assert await retention(store, 30, later=29).run() == []
        dry = await retention(store, 30, later=31).run(dry_run=True)
        assert [owner for owner, _ in dry] == ["local", "other"]
        assert len(await left(store)) == 3
        receipts = await retention(store, 30, later=31).run(prove=True)
        assert [len(receipt.conversations) for _, receipt in receipts] == [2, 1]
        assert all(receipt.is_proven for _, receipt in receipts)
        assert await left(store) == []

    run(tmp_path, script)


def test_nothing_goes_where_nothing_is_set(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversations: list[str]) -> None:
        assert await retention(store, 0, later=10_000).run() == []
        assert len(await left(store)) == 3

    run(tmp_path, script)


def test_a_conversation_says_for_itself_how_long_it_is_kept(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversations: list[str]) -> None:
        first, second, third = conversations
        await store.set_retention("local", first, 0)
        await store.set_retention("local", second, 5)
        assert await store.load_retention("local", second) == 5
        assert await store.load_retention("other", third) is None
        await retention(store, 0, later=6).run()
        assert await left(store) == sorted([first, third])
        await retention(store, 30, later=31).run()
        assert await left(store) == [first]
        await store.set_retention("local", first, None)
        await retention(store, 30, later=31).run()
        assert await left(store) == []

    run(tmp_path, script)


def test_only_the_old_turns_of_a_conversation_go_and_its_place_in_the_list_stays(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversations: list[str]) -> None:
        first = conversations[0]
        await talk(store, "It snows.", name="one")
        row = await store.load_conversation("local", first)
        begun = [turn.created for turn in await store.load_turns("local", first, tip=row.tip)]
        middle = sum(begun) / 2
        late = Retention(store, forgetter(store), 1, lambda: middle + DAY)
        ((_, receipt), *_) = await late.run()
        assert receipt.turns[first] == (1,)
        after = await store.load_conversation("local", first)
        assert after.updated == row.updated
        log = await store.load_log("local", first, tip=after.tip)
        assert [str(each.item)[:9] for each in log] == ["Forgotten", "Forgotten", "Message(r", "Message(r"]

    run(tmp_path, script)


@pytest.mark.parametrize("days", [-1, 36_501])
def test_days_that_make_no_sense_are_refused(days: int) -> None:
    with pytest.raises(UsageError, match="make no sense"):
        check_days(days)
