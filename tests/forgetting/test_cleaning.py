"""The database's file is clean before a forget is off the record, whoever reads, writes or forgets at the same time."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.forgetting.rests import leave_rests
from tests.forgetting.test_course import SECRET, all_bytes, forgetter, talk
from turnkeep.context.pieces import cut_pieces
from turnkeep.errors import StoreFull, UsageError
from turnkeep.forgetting.backups import Backups
from turnkeep.forgetting.cleaning import FILE, LEAST_EACH, MOST_WAITING, Cleaner
from turnkeep.forgetting.courses import LOG
from turnkeep.forgetting.places import Task
from turnkeep.gateway.engines import EnginePool
from turnkeep.gateway.forgetters import clean, forget
from turnkeep.gateway.gateway import Gateway, ServeSettings
from turnkeep.store.base import Lease
from turnkeep.store.erasing import OneConversation
from turnkeep.store.sqlite import SqliteStore, erasure_calls
from turnkeep.store.sqlite.backups import back_up, restore
from turnkeep.store.sqlite.database import Database
from turnkeep.testing import EphemeralStore, ScriptedEngine


async def begin(path: Path, *texts: str) -> list[str]:
    """Say some things in conversations of their own; returns these."""
    store = SqliteStore(path)
    conversations = [await talk(store, text, owner="ana") for text in texts]
    await store.close()
    return conversations


def make(path: Path) -> Gateway:
    return Gateway(ServeSettings(db=path, embeddings="off"), pool=EnginePool([ScriptedEngine()]))


async def left(store: SqliteStore) -> list[list[str]]:
    return [unfinished.note["left"] for unfinished in await store.load_unfinished()]


def test_a_forget_is_on_record_until_readers_have_let_the_old_file_go(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "turnkeep.db"
        (conversation,) = await begin(path, f"My aunt is a {SECRET}.")
        assert leave_rests(path, f"My aunt is a {SECRET}.")
        gateway = make(path)
        assert isinstance(gateway.store, SqliteStore)
        await forget(gateway, "ana", OneConversation(conversation=conversation))
        reader = sqlite3.connect(path)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM conversation").fetchone()
        for _ in range(2):
            await clean(gateway)
            assert SECRET.encode() in all_bytes(tmp_path)
            assert await left(gateway.store) == [[LOG, FILE]]
        reader.close()
        await clean(gateway)
        assert SECRET.encode() not in all_bytes(tmp_path)
        assert await left(gateway.store) == []
        await gateway.close()

    asyncio.run(main())


def test_a_file_that_was_written_anew_waits_for_its_log_alone(tmp_path: Path) -> None:
    class Slow(SqliteStore):
        anew, emptied = 0, [True, False, False, True]

        async def empty_log(self) -> bool:
            return self.emptied.pop(0)

        async def rewrite_file(self) -> bool:
            self.anew += 1
            return await self.empty_log()

    async def main() -> None:
        path = tmp_path / "turnkeep.db"
        await begin(path, "It rains.")
        store = Slow(path)
        cleaner = Cleaner(store, path)
        cleaner.add(7, None)
        assert [await cleaner.clean() for _ in range(3)] == [False, False, True]
        assert store.anew == 1
        assert not cleaner.waiting
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("call", ["rewrite_file", "empty_log"])
def test_what_cannot_be_written_is_pending_and_done_by_the_next(tmp_path: Path, call: str) -> None:
    class Full(SqliteStore):
        async def _refuse(self) -> bool:
            raise StoreFull("No space is left for it: free some and try again.")

    async def main() -> None:
        path = tmp_path / "turnkeep.db"
        (conversation,) = await begin(path, f"My aunt is a {SECRET}.")
        assert leave_rests(path, f"My aunt is a {SECRET}.")
        store = Full(path)
        setattr(store, call, store._refuse)
        receipt = await forgetter(store).forget("ana", OneConversation(conversation=conversation))
        assert receipt.state == "pending"
        (file,) = (place for place in receipt.places if place.name == FILE)
        assert file.advice == (
            "No space is left for it: free some and try again. What is left is done by itself then."
        )
        assert not receipt.is_proven
        told = await forgetter(store).finish()  # nor does it keep anybody from starting
        assert [place.state for place in told if place.name == FILE] == ["pending"]
        assert len(await store.load_unfinished()) == 1
        await store.close()
        again = SqliteStore(path)
        assert [place.state for place in await forgetter(again).finish() if place.name == FILE] == []
        assert await again.load_unfinished() == []
        assert SECRET.encode() not in all_bytes(tmp_path)
        await again.close()

    asyncio.run(main())


def test_a_forget_that_is_done_is_not_said_to_have_failed_because_a_lease_could_not_be_given_back(
    tmp_path: Path,
) -> None:
    class Full(SqliteStore):
        async def drop_lease(self, lease: Lease) -> None:
            if lease.subject.startswith("conversation:"):
                raise StoreFull("No space is left for it: free some and try again.")
            await super().drop_lease(lease)

    async def main() -> None:
        path = tmp_path / "turnkeep.db"
        (conversation,) = await begin(path, f"My aunt is a {SECRET}.")
        store = Full(path)
        receipt = await forgetter(store).forget("ana", OneConversation(conversation=conversation))
        assert receipt.conversations == (conversation,)
        assert receipt.is_proven
        await store.close()

    asyncio.run(main())


def test_no_process_takes_the_record_of_a_later_forget_for_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "turnkeep.db"
        first, second = await begin(path, f"My aunt is a {SECRET}.", "My uncle is a beekeeper in Porto.")
        gateway = make(path)
        await forget(gateway, "ana", OneConversation(conversation=first))
        other = SqliteStore(path)
        await forgetter(other).finish()  # before the gateway has come to it
        note = {"left": [LOG, FILE], "now": 0.0}
        lease = await other.take_lease(f"conversation:{second}", "test", now=0.0, seconds=1.0)
        assert lease is not None
        what = OneConversation(conversation=second)
        assert await other.erase("ana", what, leases=[lease], now=0.0, note=note)  # and then it dies
        await clean(gateway)
        assert await left(other) == [[LOG, FILE]]
        await other.close()
        await gateway.close()

    asyncio.run(main())


def test_of_two_forgets_at_once_none_puts_back_into_a_backup_what_the_other_took_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = asyncio.Event()  # the second one is there too, or waits
    inside = list[int]()
    there = 0

    class Watched(SqliteStore):
        async def take_lease(
            self, subject: str, holder: str, *, now: float, seconds: float, note: str = ""
        ) -> Lease | None:
            lease = await super().take_lease(subject, holder, now=now, seconds=seconds, note=note)
            if lease is None and subject == "forgetting:backups":
                met.set()
            return lease

    forget_in = Backups._forget_in

    async def watched(self: Backups, path: Path, task: Task) -> bool:
        nonlocal there
        there += 1
        inside.append(there)
        if there == 2:
            met.set()
        await met.wait()
        done = await forget_in(self, path, task)
        there -= 1
        return done

    async def main() -> None:
        monkeypatch.setattr(Backups, "_forget_in", watched)
        path, backup = tmp_path / "turnkeep.db", tmp_path / "backup.db"
        conversations = await begin(path, f"My aunt is a {SECRET}.", "My uncle is a beekeeper in Porto.")
        back_up(path, backup, lambda _done, _total: None)
        store = Watched(path)
        await asyncio.gather(
            *(forgetter(store).forget("ana", OneConversation(conversation=each)) for each in conversations)
        )
        assert inside == [1, 1]
        assert SECRET.encode() not in backup.read_bytes()
        assert b"beekeeper" not in backup.read_bytes()
        await store.close()

    asyncio.run(main())


def test_a_backup_made_before_the_file_was_cleaned_holds_no_rest_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        path, backup = tmp_path / "turnkeep.db", tmp_path / "backup.db"
        (conversation,) = await begin(path, f"My aunt is a {SECRET}.")
        assert leave_rests(path, f"My aunt is a {SECRET}.")
        gateway = make(path)
        await forget(gateway, "ana", OneConversation(conversation=conversation))
        assert SECRET.encode() in path.read_bytes()
        await asyncio.to_thread(back_up, path, backup, lambda _done, _total: None)
        assert SECRET.encode() not in backup.read_bytes()
        await gateway.close()
        assert SECRET.encode() not in all_bytes(tmp_path)

    asyncio.run(main())


def test_a_backup_that_forgets_while_it_is_restored_does_not_bring_anything_back(tmp_path: Path) -> None:
    path, backup = tmp_path / "turnkeep.db", tmp_path / "backup.db"
    asked = list[int]()

    def forget_now(done: int, _total: int) -> None:
        asked.append(done)
        if len(asked) == 1:
            asyncio.run(forget_it())

    async def forget_it() -> None:
        store = SqliteStore(path)
        (row,) = await store.list_conversations("ana")
        receipt = await forgetter(store).forget("ana", OneConversation(conversation=row.id))
        assert receipt.proof is not None
        assert [Path(found).suffix for found in receipt.proof.found] == [".new"]  # what is being restored
        await store.close()

    asyncio.run(begin(path, f"My aunt is a {SECRET}."))
    back_up(path, backup, lambda _done, _total: None)
    with pytest.raises(UsageError, match=r"backup\.db was written anew meanwhile, to forget something"):
        restore(path, backup, forget_now)
    assert SECRET.encode() not in all_bytes(tmp_path)
    restore(path, backup, lambda _done, _total: None)
    assert SECRET.encode() not in all_bytes(tmp_path)


def test_very_many_forgets_wait_with_fewer_pieces() -> None:
    pieces = cut_pieces(f"a sentence of its own {number:05d}" for number in range(15_000))
    waiting = dict[int, Sequence[object] | None]()

    async def main() -> None:
        cleaner = Cleaner(EphemeralStore(), None)
        for record in range(200):
            cleaner.add(record, pieces)
        waiting.update(cleaner._waiting)

    asyncio.run(main())
    counts = [len(each or ()) for each in waiting.values()]
    assert sum(counts) < MOST_WAITING + 200 * LEAST_EACH
    assert (counts[0], min(counts)) == (len(pieces), LEAST_EACH)


def test_what_is_kept_is_read_no_further_than_everything_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[bytes]()
    kept_texts = erasure_calls._kept_texts

    def watched(database: Database) -> object:
        for text in kept_texts(database):
            read.append(text)
            yield text

    async def main() -> None:
        monkeypatch.setattr(erasure_calls, "KEPT_BYTES", 1)
        monkeypatch.setattr(erasure_calls, "_kept_texts", watched)
        path = tmp_path / "turnkeep.db"
        await begin(path, "It rains in Rome today.")
        store = SqliteStore(path)
        assert await store.find_kept([b"CREATE TABLE migration"]) == {b"CREATE TABLE migration"}
        few = len(read)
        assert await store.find_kept([b"nobody has said this"]) == set()
        assert few < (len(read) - few) / 10
        await store.close()

    asyncio.run(main())
