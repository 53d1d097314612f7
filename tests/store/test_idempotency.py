"""A client's key stands for one request, for a day."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.store.keeper import forget, ledger, new_response, respond
from tests.store.writer import OWNER, Writer

from turnkeep.store.ids import make_key, make_tag, response_id
from turnkeep.store.ledger import IDEMPOTENCY_SECONDS, Claim
from turnkeep.store.sqlite import SqliteStore

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]
REQUEST = b"r" * 16


def test_a_retry_finds_the_response_of_the_first(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        fresh = await books.claim_idempotency(OWNER, "k", REQUEST, now=5)
        assert fresh == Claim(fresh=True, digest=REQUEST, state="open", response=None, created=5)
        again = await books.claim_idempotency(OWNER, "k", b"other", now=6)
        assert again == Claim(fresh=False, digest=REQUEST, state="open", response=None, created=5)
        made = new_response(writer)
        await books.settle_idempotency(OWNER, "k", response=made, state="done")
        again = await books.claim_idempotency(OWNER, "k", REQUEST, now=7)
        assert (again.fresh, again.response, again.state) == (False, made, "done")


def test_keys_of_owners_do_not_meet(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        for owner, key in ((OWNER, "k"), ("eve", "k"), (OWNER, "other")):
            assert (await books.claim_idempotency(owner, key, REQUEST, now=5)).fresh
        await books.settle_idempotency("eve", "k", response=None, state="failed")
        assert (await books.claim_idempotency(OWNER, "k", REQUEST, now=6)).state == "open"
        await books.settle_idempotency("nobody", "k", response=None, state="done")
        await books.drop_idempotency("nobody", "k")


def test_a_key_is_free_again_after_a_day_or_when_it_is_given_back(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        await books.claim_idempotency(OWNER, "k", REQUEST, now=5)
        assert not (await books.claim_idempotency(OWNER, "k", REQUEST, now=4 + IDEMPOTENCY_SECONDS)).fresh
        assert (await books.claim_idempotency(OWNER, "k", REQUEST, now=5 + IDEMPOTENCY_SECONDS)).fresh
        await books.drop_idempotency(OWNER, "k")
        assert (await books.claim_idempotency(OWNER, "k", b"new", now=6 + IDEMPOTENCY_SECONDS)).fresh
        assert (await writer.store.stats()).tables["idempotency"] == 1


def test_a_claim_of_the_dead_goes_to_the_next_unless_its_response_is_known(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        lease = await writer.store.take_lease("gateway:a", "a", now=0, seconds=10)
        assert lease is not None
        for key in ("k", "known"):
            assert (await books.claim_idempotency(OWNER, key, REQUEST, now=5, keeper="gateway:a")).fresh
        await books.settle_idempotency(OWNER, "known", response=new_response(writer), state="open")
        assert not (await books.claim_idempotency(OWNER, "k", REQUEST, now=6, keeper="gateway:b")).fresh
        taken = await books.claim_idempotency(OWNER, "k", b"retry", now=11, keeper="gateway:b")
        assert (taken.fresh, taken.digest, taken.created) == (True, b"retry", 11)
        assert not (await books.claim_idempotency(OWNER, "known", REQUEST, now=11)).fresh
        # Without a keeper nobody can tell that it died.
        await books.claim_idempotency(OWNER, "plain", REQUEST, now=5)
        assert not (await books.claim_idempotency(OWNER, "plain", REQUEST, now=5000)).fresh


def test_leases_of_requests_leave_no_rows(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        store, books = writer.store, ledger(writer)
        before = (await store.stats()).tables["lease"]
        for subject in ("retry:a", "background:a", "conversation:a"):
            lease = await store.take_lease(subject, "a", now=0, seconds=10)
            assert lease is not None
            await store.drop_lease(lease)
        assert (await store.stats()).tables["lease"] == before + 1  # the fence of a conversation has to rise
        # Of a process that died on another machine only the time is known.
        await store.take_lease("retry:dead", "a", now=0, seconds=10)
        await books.claim_idempotency(OWNER, "k", REQUEST, now=9 + IDEMPOTENCY_SECONDS)
        assert (await store.stats()).tables["lease"] == before + 2
        await books.claim_idempotency(OWNER, "k", REQUEST, now=10 + IDEMPOTENCY_SECONDS)
        assert (await store.stats()).tables["lease"] == before + 1


def test_one_of_many_that_come_at_once_claims_the_key(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        claims = await asyncio.gather(
            *(books.claim_idempotency(OWNER, "k", bytes([n]), now=5) for n in range(20))
        )
        assert [claim.fresh for claim in claims].count(True) == 1
        assert len({claim.digest for claim in claims}) == 1


def test_claims_go_with_what_they_stand_for(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)

        async def claim(key: str, response: str) -> None:
            await books.claim_idempotency(OWNER, key, REQUEST, now=5)
            await books.settle_idempotency(OWNER, key, response=response, state="done")

        async def kept(*keys: str) -> list[str]:
            claims = [await books.claim_idempotency(OWNER, key, REQUEST, now=6) for key in keys]
            return [key for key, each in zip(keys, claims, strict=True) if not each.fresh]

        one, other = await respond(writer, "One."), await respond(writer, "Two.")
        await claim("one", one.id)
        await claim("other", other.id)
        await claim("unstored", response_id(make_key(), make_tag()))
        await books.delete_response(OWNER, one.id)
        assert await kept("one", "other", "unstored") == ["other", "unstored"]
        await forget(writer, [2])
        assert await kept("other", "unstored") == ["unstored"]
        unsaved = new_response(writer)  # answered, but the response itself was not to be kept
        await claim("unsaved", unsaved)
        await forget(writer, [1])
        assert await kept("unsaved", "unstored") == ["unstored"]
        await claim("whole", new_response(writer))
        await writer.store.delete_conversation(OWNER, writer.id)
        assert await kept("whole", "unstored") == ["unstored"]


def test_neither_the_key_nor_a_plain_hash_of_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def main() -> None:
        store = SqliteStore(path)
        for owner in ("ana", "ben"):
            await store.claim_idempotency(owner, "order 4711", REQUEST, now=5)
        await store.close()

    asyncio.run(main())
    assert b"4711" not in path.read_bytes()
    with sqlite3.connect(path) as database:
        digests = {row[0] for row in database.execute("SELECT digest FROM idempotency")}
    database.close()
    assert len(digests) == 2  # one key, two owners: the digests are keyed
