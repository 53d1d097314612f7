"""What a gateway keeps, in a file: older files gain it, what is taken out leaves no byte, a turn's cost stays the same."""

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.store.costs import count_steps, find_plans, most_of
from tests.store.keeper import begin, forget, ledger, make_row, new_completion, respond
from tests.store.older import make_older
from tests.store.writer import OWNER, Writer

from turnkeep.conversation.items import assistant, user
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.keys import digest_secret
from turnkeep.store.ledger import Ledger, NewResponse, StoredResponse
from turnkeep.store.sqlite import SqliteStore

SECRET = "xylophonist"
DIGEST = b"\xd1\x6e\x57" * 5 + b"\x01"
Scenario = Callable[[Writer], Awaitable[None]]


def run(path: Path, scenario: Scenario) -> None:
    """Run a scenario on a store in a file, with a writer of a new conversation."""

    async def main() -> None:
        store = SqliteStore(path)
        try:
            await scenario(await Writer.begin(store))
        finally:
            await store.close()

    asyncio.run(main())


def both(path: Path) -> bytes:
    return path.read_bytes() + Path(f"{path}-wal").read_bytes()


def test_both_stores_are_ledgers() -> None:
    def take(books: Ledger) -> Ledger:
        return books

    assert take(EphemeralStore())
    assert take(SqliteStore(None))


# -- older files --------------------------------------------------------------------------------
def test_a_file_of_version_2_gains_the_ledger_and_keeps_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    ids: list[str] = []

    async def before(writer: Writer) -> None:
        await writer.say("Hello.")
        ids.append(writer.id)

    async def after(writer: Writer) -> None:
        old = await writer.store.load_conversation(OWNER, ids[0])
        assert (old.kind, old.metadata, old.turns) == ("named", {}, 1)
        before = Writer(writer.store, ids[0], writer.lease)
        assert await before.log() == ["Hello.", "Yes."]
        (item, _) = await before.items(1)
        books = ledger(writer)
        assert await books.load_item(OWNER, ids[0], item.id) == item
        made = await books.save_response(OWNER, make_row(before, turn=1))
        assert await books.find_response_of_turn(OWNER, ids[0], 1) == made
        assert len(await books.load_digest_key(OWNER)) == 32
        assert await books.list_keys() == []

    run(path, before)
    make_older(path, 2)
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
        assert not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'response'").fetchone()
    database.close()
    run(path, after)


# -- what is taken out --------------------------------------------------------------------------
async def say_secret(writer: Writer) -> StoredResponse:
    """A response that carries the secret wherever a client could have put it."""
    books = ledger(writer)
    turn = await writer.say(SECRET, f"The {SECRET}.")
    made = await books.save_response(
        OWNER,
        make_row(
            writer,
            turn=turn.number,
            model=SECRET,
            metadata={"topic": SECRET},
            head={"user": SECRET},
        ),
    )
    # Enough to fill pages of their own, so that freed pages are looked at too.
    await books.save_events(OWNER, made.id, [(n, f'{{"delta":"{SECRET}"}}') for n in range(500)])
    await books.save_alias(OWNER, f"resp_{SECRET}", made.id)
    await books.save_digests(OWNER, writer.id, [(DIGEST, turn.number)])
    await books.claim_idempotency(OWNER, "k", DIGEST, now=1)
    await books.settle_idempotency(OWNER, "k", response=made.id, state="done")
    return made


@pytest.mark.parametrize("by", ["turn", "conversation", "owner", "response"])
def test_the_file_holds_no_byte_of_what_was_taken_out(tmp_path: Path, by: str) -> None:
    path = tmp_path / "turnkeep.db"

    async def scenario(writer: Writer) -> None:
        books = ledger(writer)
        chain = await begin(writer, "chain")
        await writer.say("Something else.")
        made = await say_secret(chain)
        assert SECRET.encode() in both(path)
        assert DIGEST in both(path)
        match by:
            case "turn":
                await forget(chain, [1])
            case "conversation":
                await writer.store.delete_conversation(OWNER, chain.id)
            case "owner":
                await books.delete_owner(OWNER)
            case "response":
                deleted = await books.delete_response(OWNER, made.id)
                assert made.turn is not None
                assert deleted.orphans == (made.turn,)
                await forget(chain, deleted.orphans)
        assert SECRET.encode() not in both(path)
        assert DIGEST not in both(path)

    run(path, scenario)
    assert SECRET.encode() not in path.read_bytes()


def test_a_deleted_response_leaves_no_byte_of_what_it_alone_held(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def scenario(writer: Writer) -> None:
        turn = await writer.say("Something else.")
        made = await ledger(writer).save_response(
            OWNER,
            make_row(writer, turn=turn.number, metadata={"topic": SECRET}),
        )
        await ledger(writer).save_events(OWNER, made.id, [(0, SECRET * 1000)])
        await ledger(writer).save_alias(OWNER, SECRET, made.id)
        await ledger(writer).delete_response(OWNER, made.id)
        assert SECRET.encode() not in both(path)

    run(path, scenario)


def test_a_forgotten_item_leaves_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def scenario(writer: Writer) -> None:
        made = await say_secret(writer)
        await ledger(writer).update_response(OWNER, made.id, metadata={}, head={})
        for item in await writer.items(1):
            await ledger(writer).forget_item(OWNER, writer.id, item.id, lease=writer.lease, now=writer.now())
        left = both(path)
        assert DIGEST not in left
        # The model's name and an alias are ids: they go with the response, which is still there.
        await ledger(writer).delete_response(OWNER, made.id)
        assert SECRET.encode() not in both(path)

    run(path, scenario)


def test_a_secret_of_a_key_is_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def scenario(writer: Writer) -> None:
        await ledger(writer).create_key("laptop", digest_secret(SECRET), now=1)
        assert await ledger(writer).find_key(digest_secret(SECRET), now=2)

    run(path, scenario)
    assert SECRET.encode() not in path.read_bytes()


def test_deleting_a_conversation_takes_all_its_rows_and_no_others(tmp_path: Path) -> None:
    async def scenario(writer: Writer) -> None:
        books = ledger(writer)
        other = await begin(writer, "chain")
        for place, key in ((writer, "ours"), (other, "theirs")):
            made = await respond(place, "One.")
            await books.save_events(OWNER, made.id, [(0, "{}")])
            await books.save_alias(OWNER, f"resp_{key}", made.id)
            await books.save_alias(OWNER, f"conv_{key}", place.id)
            await books.save_digests(OWNER, place.id, [(DIGEST, 1)])
            await books.claim_idempotency(OWNER, key, b"r", now=1)
            await books.settle_idempotency(OWNER, key, response=made.id, state="done")
        before = (await writer.store.stats()).tables
        await writer.store.delete_conversation(OWNER, writer.id)
        after = (await writer.store.stats()).tables
        for table in ("response", "response_event", "alias", "digest", "idempotency", "turn", "item"):
            assert after[table] == before[table] / 2 > 0, table

    run(tmp_path / "turnkeep.db", scenario)


# -- cost ---------------------------------------------------------------------------------------
async def take_request(writer: Writer, number: int) -> None:
    """What a gateway asks of the ledger for one request, and then some."""
    books = ledger(writer)
    digests = [number.to_bytes(16, "big"), (number - 1).to_bytes(16, "big")]
    await books.find_key(digest_secret("s"), now=number)
    await books.load_digest_key(OWNER)
    await books.find_digests(OWNER, digests)
    await books.claim_idempotency(OWNER, f"key {number}", digests[0], now=number)
    turn = await writer.say(f"Turn {number}.")
    made = await books.save_response(
        OWNER,
        NewResponse(id=new_completion(writer), created=number, kind="chat_completion", turn=turn.number),
    )
    await books.settle_idempotency(OWNER, f"key {number}", response=made.id, state="done")
    await books.save_digests(OWNER, writer.id, [(digests[0], turn.number)])
    await books.save_alias(OWNER, f"alias {number}", made.id)
    await books.load_response(OWNER, f"alias {number}")
    await books.find_response_of_turn(OWNER, writer.id, turn.number)
    queued = await books.save_response(OWNER, make_row(writer, created=number, status="queued", keeper="g"))
    await books.save_events(OWNER, queued.id, [(0, "{}"), (1, "{}")])
    await books.load_events(OWNER, queued.id)
    await books.orphaned_responses(now=0)
    await books.mark_response(OWNER, queued.id, None, turn=turn.number)
    (item, _) = await writer.items(turn.number)
    await books.load_item(OWNER, writer.id, item.id)
    await books.load_span(OWNER, writer.id, tip=turn.tip, after=turn.last - 2, upto=turn.last)
    await books.list_responses(OWNER, kind="chat_completion", after=made.id)


def test_a_request_costs_the_same_at_request_400_as_at_request_60() -> None:
    async def main() -> None:
        store = EphemeralStore()
        writer = await Writer.begin(store)
        await ledger(writer).create_key("laptop", digest_secret("s"), now=1)
        cost = await count_steps(store, lambda number: take_request(writer, number), 400)
        await store.close()
        assert most_of(cost, 400) <= 1.1 * most_of(cost, 60)

    asyncio.run(main())


def test_no_statement_of_a_request_scans_a_table() -> None:
    async def main() -> set[str]:
        store = EphemeralStore()
        writer = await Writer.begin(store)

        async def take_requests() -> None:
            for number in range(1, 6):
                await take_request(writer, number)
            await ledger(writer).append_turns(
                OWNER,
                writer.id,
                [[user("Hi."), assistant("Yes.")]] * 3,
                after=(await writer.row()).tip,
                lease=writer.lease,
                now=writer.now(),
            )

        plans = await find_plans(store, take_requests())
        await store.close()
        return plans

    plans = asyncio.run(main())
    assert len(plans) > 50
    # Queued responses and open turns are few, and each has an index that holds no others.
    few = r"(?!CONSTANT ROW|json_each VIRTUAL TABLE|response USING INDEX response_waiting|turn USING (COVERING )?INDEX turn_open)"
    assert [plan for plan in plans if re.match(f"SCAN {few}", plan)] == []
