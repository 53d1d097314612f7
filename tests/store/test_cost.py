"""A turn costs the same however long the conversation is and however often it was forked.

Measured in steps of SQLite's virtual machine (costs.py).
"""

import asyncio
import re
from collections.abc import Awaitable

from tests.store.costs import count_steps, find_plans, most_of
from tests.store.writer import OWNER, Writer

from turnkeep.conversation.items import assistant, user
from turnkeep.store.ephemeral import EphemeralStore

KEPT = 20  # items since the cut
FORK_EVERY = 10  # turns


async def take_turn(writer: Writer, number: int) -> None:
    """One turn with everything that a turn asks of a store."""
    store, ours = writer.store, writer.id
    lease = await store.take_lease(f"conversation:{ours}", f"holder {number}", now=number * 100.0, seconds=50)
    assert lease is not None
    await store.settle_turns(OWNER, ours, lease=lease, now=number)
    row = await store.find_conversation(OWNER, "long")
    assert row is not None
    after = row.tip
    if number % FORK_EVERY == 0:  # edits the last turn: the path runs through one more branch
        (last,) = await store.load_turns(OWNER, ours, tip=row.tip, last=1)
        after = last.after
    turn = await store.begin_turn(OWNER, ours, [user(f"turn {number}")], after=after, lease=lease, now=number)
    cut = max(0, after.seq - KEPT)
    log = await store.load_log(OWNER, ours, tip=turn.tip, after=cut)
    await store.load_sizes(OWNER, ours, "bpe", tip=turn.tip, after=cut)
    await store.save_sizes(OWNER, ours, "bpe", {log[-1].at: 7})
    await store.find_view(OWNER, ours, tip=turn.tip, key="k")
    await store.save_partial(OWNER, ours, turn.number, "Y", lease=lease)
    await store.load_partial(OWNER, ours, turn.number)
    await store.finish_turn(
        OWNER, ours, turn.number, state="done", items=[assistant("Yes.")], receipt={}, lease=lease, now=number
    )
    await store.load_receipt(OWNER, ours, turn.number)
    await store.load_turn_items(OWNER, ours, turn.number)
    await store.is_ancestor(OWNER, ours, log[0].at, turn.tip)
    await store.held_leases("conversation:", now=number, note="x")
    await store.drop_lease(lease)
    if number % 7 == 0:
        view = await store.save_view(OWNER, ours, at=log[0].at, key="k", body={}, now=number)
        row = await store.load_conversation(OWNER, ours)
        await store.point_view(OWNER, ours, expected=row.view, current=view.number, pending=None)


async def begin_long(store: EphemeralStore) -> Writer:
    row = await store.create_conversation(OWNER, "long", now=0)
    await store.create_conversation(OWNER, None, now=0)
    return await Writer.join(store, row.id, "writer", now=-1000)


def test_a_turn_costs_the_same_at_turn_600_as_at_turn_60() -> None:
    async def main() -> None:
        store = EphemeralStore()
        writer = await begin_long(store)
        cost = await count_steps(store, lambda number: take_turn(writer, number), 600)
        await store.close()
        assert most_of(cost, 600) <= 1.1 * most_of(cost, 60)

    asyncio.run(main())


def test_no_statement_of_a_turn_scans_a_table() -> None:
    async def main() -> set[str]:
        store = EphemeralStore()
        writer = await begin_long(store)

        async def take_turns() -> None:
            for number in range(1, 31):
                await take_turn(writer, number)

        plans = await find_plans(store, take_turns())
        await store.close()
        return plans

    plans = asyncio.run(main())
    assert len(plans) > 50
    assert [plan for plan in plans if re.match(r"SCAN (?!CONSTANT ROW|json_each VIRTUAL TABLE)", plan)] == []


def test_candidates_for_a_view_come_from_the_index_alone() -> None:
    async def main() -> str:
        store = EphemeralStore()
        writer = await Writer.begin(store)
        turn = await writer.say("Hello.")
        await store.save_view(OWNER, writer.id, at=turn.tip, key="k", body={}, now=1)
        seen: list[str] = []
        await store._worker.run(lambda database: database.set_trace_callback(seen.append))
        await store.find_view(OWNER, writer.id, tip=turn.tip, key="k")
        (statement,) = [each for each in seen if "view_place" in each]
        plan = await store._worker.run(
            lambda database: database.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        )
        await store.close()
        return "; ".join(step[3] for step in plan)

    # The index has them in the order asked for, and all of each that is looked at: no body, no sorting.
    assert asyncio.run(main()) == "SEARCH view USING COVERING INDEX view_place (owner=? AND conversation=?)"


def test_a_search_lets_turns_through() -> None:
    async def main() -> list[str]:
        store = EphemeralStore()
        writer = await Writer.begin(store)
        await writer.finish(await writer.open(*["hay"] * 3000), "needle")
        done: list[str] = []

        async def note(name: str, call: Awaitable[object]) -> None:
            await call
            done.append(name)

        await asyncio.gather(
            note("search", store.search_text(OWNER, "nothing like it")),
            note("turn", writer.say("Hello?")),
        )
        await store.close()
        return done

    assert asyncio.run(main()) == ["turn", "search"]
