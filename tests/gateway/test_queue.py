"""Who may use the engine is decided fairly, and never beyond what it holds."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.errors import QueueFull
from turnkeep.gateway.queue import PASSES, SIDE_PASSES, Line, Queue, Ticket


def ticket(owner="a", tokens=0, *, side=False):
    return Ticket(owner=owner, tokens=tokens, side=side)


def line_of(*tickets, places=1, pool_tokens=None):
    line = Line(places=places, pool_tokens=pool_tokens)
    for each in tickets:
        line.join(each)
    return line


def let_all_through(line):
    """Let everybody in as each one before goes; the order in which they ran."""
    order = list(line.admit())
    for gone in order:  # it grows meanwhile
        line.leave(gone)
        order += line.admit()
    return order


def test_as_many_run_as_there_are_places():
    first, second, third = ticket(), ticket(), ticket()
    line = line_of(first, second, third, places=2)
    assert line.admit() == [first, second]
    assert (len(line.running), line.waiting) == (2, 1)
    line.leave(first)
    assert line.admit() == [third]


def test_owners_take_turns_each_in_the_order_of_asking():
    a1, a2, a3 = ticket("a"), ticket("a"), ticket("a")
    b1, c1 = ticket("b"), ticket("c")
    assert let_all_through(line_of(a1, a2, a3, b1, c1)) == [a1, b1, c1, a2, a3]


def test_an_owner_who_has_just_been_served_goes_behind_one_who_has_not():
    line = line_of(ticket("a"))
    (running,) = line.admit()
    a2, b1 = ticket("a"), ticket("b")
    line.join(a2), line.join(b1)
    line.leave(running)
    assert let_all_through(line) == [b1, a2]


def test_what_is_remembered_of_owners_is_only_who_has_had_more_than_others():
    line = Line(places=1)
    for n in range(100):
        line.join(ticket(f"{n}"))
        let_all_through(line)
    assert len(line._rounds) <= 100
    for _ in range(3):
        line.join(ticket("a"))
    let_all_through(line)
    assert set(line._rounds) == {"a"}


def test_requests_that_share_a_pool_stay_within_it():
    large, small = ticket("a", 700), ticket("b", 400)
    line = line_of(large, small, places=4, pool_tokens=1_000)
    assert line.admit() == [large]
    assert line.held_tokens == 700
    line.leave(large)
    assert line.admit() == [small]


def test_a_request_larger_than_the_pool_runs_alone():
    huge, small = ticket("a", 5_000), ticket("b", 1)
    line = line_of(huge, small, places=2, pool_tokens=1_000)
    assert line.admit() == [huge]
    line.leave(huge)
    assert line.admit() == [small]


def test_a_request_that_does_not_fit_is_passed_over_a_few_times_and_then_waited_for():
    runs, large = ticket("a", 600), ticket("b", 600)
    line = line_of(runs, large, places=64, pool_tokens=1_000)
    assert line.admit() == [runs]
    small = [ticket("c", 10) for _ in range(2 * PASSES)]
    for each in small:
        line.join(each)
    assert line.admit() == small[:PASSES]
    line.leave(runs)
    assert line.admit()[0] is large


def test_side_requests_go_when_no_turn_waits():
    side, turn = ticket(side=True), ticket("b")
    assert let_all_through(line_of(side, turn)) == [turn, side]


def test_a_side_request_does_not_wait_for_ever():
    side = ticket(side=True)
    turns = [ticket() for _ in range(SIDE_PASSES + 10)]
    assert let_all_through(line_of(side, *turns)).index(side) == SIDE_PASSES


def test_one_who_leaves_while_waiting_is_not_let_in():
    first, gone, last = ticket(), ticket(), ticket()
    line = line_of(first, gone, last)
    line.leave(gone)
    line.leave(gone)  # twice is as good as once
    assert let_all_through(line) == [first, last]
    side = ticket(side=True)
    line.join(side)
    line.leave(side)
    assert line.waiting == 0


TICKETS = st.tuples(st.sampled_from("abc"), st.integers(0, 1_500), st.booleans())
STEPS = st.lists(st.one_of(TICKETS, st.integers(0, 5)), max_size=80)


@given(steps=STEPS, places=st.integers(1, 4), pool=st.one_of(st.none(), st.integers(100, 1_000)))
def test_no_limit_is_exceeded_nobody_starves_and_nobody_overtakes_within_an_owner(steps, places, pool):
    line = Line(places=places, pool_tokens=pool)
    joined, admitted = [], []

    def admit():
        admitted.extend(line.admit())
        assert len(line.running) <= places
        assert pool is None or line.held_tokens <= pool
        assert line.running or not line.waiting, "somebody waits for an engine that does nothing"

    for step in steps:
        if isinstance(step, tuple):
            owner, tokens, side = step
            joined.append(ticket(owner, tokens, side=side))
            line.join(joined[-1])
        elif line.running:
            line.leave(sorted(line.running, key=admitted.index)[step % len(line.running)])
        admit()
    while line.running:
        line.leave(min(line.running, key=admitted.index))
        admit()
    assert sorted(map(id, admitted)) == sorted(map(id, joined))
    for owner in "abc":
        mine = [each for each in joined if each.owner == owner and not each.side]
        assert [each for each in admitted if each in mine] == mine


@given(
    others=st.lists(st.tuples(st.sampled_from("bc"), st.integers(0, 1_000)), max_size=120),
    tokens=st.integers(0, 1_000),
)
def test_how_long_one_waits_does_not_grow_with_what_others_send(others, tokens):
    mine = ticket("a", tokens)
    line = line_of(*(ticket(owner, size) for owner, size in others), mine, places=3, pool_tokens=1_000)
    order = let_all_through(line)
    assert order.index(mine) <= 3 * (PASSES + 1)


# -- waiting --------------------------------------------------------------------------------------


def test_beyond_the_limit_of_waiting_it_is_said_when_to_come_again():
    queue = Queue(places=1, waiting=1)
    first = queue.enter("a")
    queue.enter("a")
    with pytest.raises(QueueFull, match="try again") as refused:
        queue.enter("b")
    assert refused.value.status == 429
    assert (refused.value.retry_after or 0) >= 1
    queue.leave(first)
    queue.leave(first)
    queue.enter("b")
    queue.enter("b", forced=True)


def test_who_waits_goes_on_when_the_one_before_has_finished():
    async def main():
        queue = Queue(places=1)
        first, second = queue.enter("a"), queue.enter("b")
        await queue.admit(first, 10)
        waiting = asyncio.ensure_future(queue.admit(second, 10))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert (queue.running, queue.waiting, queue.busy) == (1, 1, True)
        queue.finish(first)
        await waiting
        assert queue.running == 1

    asyncio.run(main())


def test_one_who_gives_up_leaves_no_place_taken():
    async def main():
        queue = Queue(places=1)
        first, second, third = (queue.enter(name) for name in "abc")
        await queue.admit(first, 1)
        waits = [asyncio.ensure_future(queue.admit(each, 1)) for each in (second, third)]
        await asyncio.sleep(0)
        queue.finish(first)  # second is let in ...
        waits[0].cancel()  # ... just when it gives up
        await asyncio.wait(waits)
        assert not waits[1].cancelled()
        queue.leave(third)
        assert queue.running == 0

    asyncio.run(main())


def test_the_last_one_out_is_told():
    told = []
    queue = Queue(on_idle=lambda: told.append(queue.busy))
    first, second = queue.enter("a"), queue.enter("a")
    queue.leave(first)
    assert told == []
    queue.leave(second)
    assert told == [False]


def test_an_engine_that_turns_out_larger_lets_more_in():
    async def main():
        queue = Queue(places=1)
        tickets = [queue.enter("a") for _ in range(3)]
        tasks = [asyncio.ensure_future(queue.admit(each, 10)) for each in tickets]
        await asyncio.sleep(0)
        queue.resize(places=3, pool_tokens=100)
        await asyncio.gather(*tasks)
        assert queue.running == 3

    asyncio.run(main())


def test_when_to_come_again_follows_how_long_requests_take(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("turnkeep.gateway.queue.time.monotonic", lambda: now[0])

    async def main():
        queue = Queue(places=1)
        before = queue.retry_after
        for _ in range(40):
            each = queue.enter("a")
            await queue.admit(each, 1)
            now[0] += 30
            queue.leave(each)
        return before, queue.retry_after

    before, after = asyncio.run(main())
    assert before < after <= 30
