"""The gateway's keys: made, listed, found by the digest of their secret, revoked."""

import hashlib
from collections.abc import Awaitable, Callable

import pytest
from tests.store.keeper import begin, ledger
from tests.store.writer import OWNER, Writer

from turnkeep.errors import Conflict, UsageError
from turnkeep.store.keys import KEY_OWNER_PREFIX, digest_secret, make_secret

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]
DAY = 86_400.0


def test_a_secret_is_256_random_bits_and_kept_as_its_hash() -> None:
    secrets = {make_secret() for _ in range(100)}
    assert len(secrets) == 100
    secret = secrets.pop()
    assert secret.startswith("tk-")
    assert len(secret) >= 3 + 256 / 6
    assert digest_secret(secret) == hashlib.sha256(secret.encode()).digest()
    assert digest_secret("\ud800") != digest_secret("?")  # whatever a client sends


def test_a_key_is_found_by_its_secret_until_it_is_revoked(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        made = await books.create_key(" laptop ", digest_secret("s"), now=5)
        assert (made.name, made.created, made.used, made.revoked) == ("laptop", 5, None, None)
        assert made.owner == KEY_OWNER_PREFIX + made.id != OWNER
        found = await books.find_key(digest_secret("s"), now=6)
        assert found is not None
        assert (found.id, found.owner) == (made.id, made.owner)
        assert await books.find_key(digest_secret("t"), now=6) is None
        revoked = await books.revoke_key("laptop", now=7)
        assert (revoked.id, revoked.revoked) == (made.id, 7)
        assert await books.find_key(digest_secret("s"), now=8) is None
        assert [key.revoked for key in await books.list_keys()] == [7]


def test_use_is_noted_by_the_day(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        await books.create_key("laptop", digest_secret("s"), now=5)

        async def used(now: float) -> float | None:
            await books.find_key(digest_secret("s"), now=now)
            (key,) = await books.list_keys()
            return key.used

        assert await used(10 * DAY + 70) == 10 * DAY
        assert await used(10 * DAY + 80) == 10 * DAY
        assert await used(11 * DAY) == 11 * DAY
        assert await used(10 * DAY) == 11 * DAY  # a clock that was set back


def test_a_name_is_unique_among_live_keys_and_free_again_afterwards(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        one = await books.create_key("laptop", digest_secret("a"), now=1)
        with pytest.raises(Conflict, match="'laptop'"):
            await books.create_key("laptop", digest_secret("b"), now=2)
        with pytest.raises(UsageError, match="no name"):
            await books.create_key("  ", digest_secret("b"), now=2)
        await books.revoke_key(one.id, now=3)
        other = await books.create_key("laptop", digest_secret("b"), now=4)
        assert other.owner != one.owner
        assert [key.id for key in await books.list_keys()] == [one.id, other.id]
        assert (await books.revoke_key("laptop", now=5)).id == other.id
        for gone in ("laptop", one.id, "never"):
            with pytest.raises(UsageError, match="no live key"):
                await books.revoke_key(gone, now=6)


def test_a_second_key_may_stand_for_the_owner_of_the_first_only(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        one = await books.create_key("old", digest_secret("a"), now=1)
        assert (await books.create_key("new", digest_secret("b"), now=2, owner=one.owner)).owner == one.owner
        with pytest.raises(UsageError, match="No key has the owner"):
            await books.create_key("third", digest_secret("c"), now=3, owner=OWNER)


def test_an_owner_is_deleted_with_everything_and_others_stay(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books, store = ledger(writer), writer.store
        await writer.say("Ours.")
        before = (await store.stats()).tables
        key = await books.create_key("laptop", digest_secret("a"), now=1)
        for kind in ("named", "chain"):
            theirs = await begin(writer, kind, key.owner)
            await store.begin_turn(
                key.owner, theirs.id, [*(each.item for each in await writer.items(1))],
                after=(await store.load_conversation(key.owner, theirs.id)).tip, lease=theirs.lease, now=1,
            )  # fmt: skip
        await books.claim_idempotency(key.owner, "k", b"r", now=1)
        await books.load_digest_key(key.owner)
        await books.delete_owner(key.owner)
        assert (await store.stats()).tables == before
        assert await books.find_key(digest_secret("a"), now=2) is None
        assert await store.list_conversations(key.owner) == []
        await books.delete_owner("nobody")
