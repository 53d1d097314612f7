"""Conversations stick to their engine, move when it dies, and keep their slots."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from turnkeep.conversation.items import user
from turnkeep.engine.base import Progress, Request
from turnkeep.engine.client import Retries
from turnkeep.engine.connect import connect
from turnkeep.errors import EngineBusy, EngineProtocolError, EngineRefused, EngineUnreachable, UsageError
from turnkeep.gateway.engines import PLACES_UNTOLD, EnginePool, connect_pool
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.gateway.turns import Ask, Turns, Unstored
from turnkeep.prompt import Options
from turnkeep.testing import EphemeralStore, ScriptedEngine

HI = Request(messages=[{"role": "user", "content": "Hi"}])


class Mortal(ScriptedEngine):
    """An engine that can be away."""

    error = None  # what every call raises

    def _check(self):
        if self.error is not None:
            raise self.error

    async def probe(self, *, refresh=False):
        self._check()
        return await super().probe(refresh=refresh)

    async def count_texts(self, texts):
        self._check()
        return await super().count_texts(texts)

    async def count(self, request):
        self._check()
        return await super().count(request)

    async def stream(self, request):
        self._check()
        async for delta in super().stream(request):
            yield delta


AWAY = EngineUnreachable("Nobody answers.")


def pool_of(count=3, **options) -> Any:  # its members' engines are fakes
    return EnginePool([Mortal(url=f"http://e{n}") for n in range(count)], look_seconds=0.01, **options)


def conversation_of(pool, member):
    """A conversation that sticks to this engine."""
    return next(name for name in map(str, range(999)) if pool.order(name)[0] is member)


async def collect(engine, request=HI):
    return [delta async for delta in engine.stream(request)]


def test_a_conversation_sticks_to_one_engine_and_they_are_shared_out_evenly():
    pool = pool_of(4)
    first = [pool.order(f"conv_{n}")[0].engine.url for n in range(400)]
    assert first == [pool.order(f"conv_{n}")[0].engine.url for n in range(400)]
    assert all(70 < count < 130 for count in Counter(first).values())


def test_when_an_engine_dies_its_own_conversations_move_and_no_others():
    async def main():
        pool = pool_of(4)
        names = [f"conv_{n}" for n in range(200)]
        before = {name: pool.order(name)[0] for name in names}
        dead = pool.members[2]
        dead.engine.error = AWAY
        pool.lost(dead, AWAY)
        after = {name: pool.order(name)[0] for name in names}
        moved = {name for name in names if before[name] is not after[name]}
        assert moved == {name for name in names if before[name] is dead}
        assert len({after[name].engine.url for name in moved}) == 3
        dead.engine.error = None
        while not dead.alive:
            await asyncio.sleep(0.005)
        assert {name: pool.order(name)[0] for name in names} == before
        await pool.close()

    asyncio.run(main())


@pytest.mark.parametrize("error", [AWAY, EngineBusy("It is loading.")])
def test_a_request_moves_to_another_engine_before_anything_was_shown(error):
    async def main():
        pool = pool_of()
        first, second = pool.order("x")[:2]
        first.engine.error = error
        seat = pool.seat("x")
        assert (await seat.probe()).url == second.engine.url == seat.url
        assert (await collect(seat))[0].text == "ok"
        assert (first.alive, len(second.engine.requests)) == (False, 1)
        await pool.close()

    asyncio.run(main())


def test_a_reply_that_was_shown_in_part_fails_where_it_is():
    async def main():
        pool: Any = EnginePool([ScriptedEngine([["half", AWAY]], url=f"http://e{n}") for n in range(2)])
        with pytest.raises(EngineUnreachable):
            await collect(pool.seat("x"))
        assert sorted(len(member.engine.requests) for member in pool.members) == [0, 1]
        await pool.close()

    asyncio.run(main())


def test_an_engine_that_died_while_it_read_the_prompt_has_shown_nothing():
    async def main():
        pool = pool_of(2)
        first, second = pool.order("x")
        read = Progress(total=9, cached=0, processed=3)
        first.engine._replies = iter([[read, EngineProtocolError("It ended without an end.")]])

        async def away(*, refresh=False):
            raise AWAY

        first.engine.probe = away
        assert (await collect(pool.seat("x")))[1].text == "ok"
        assert len(second.engine.requests) == 1
        await pool.close()

    asyncio.run(main())


@pytest.mark.parametrize("error", [EngineRefused("no"), EngineProtocolError("garbage")])
def test_what_another_engine_would_answer_alike_is_not_asked_there(error):
    async def main():
        pool: Any = EnginePool([ScriptedEngine([[error]], url=f"http://e{n}") for n in range(2)])
        with pytest.raises(type(error)):
            await collect(pool.seat("x"))
        assert sum(len(member.engine.requests) for member in pool.members) == 1
        await pool.close()

    asyncio.run(main())


def test_when_all_engines_are_away_that_is_said_after_some_patience():
    async def main():
        pool = pool_of(2, patience=Retries(unreachable=0.3, not_ready=0.3))
        for member in pool.members:
            member.engine.error = AWAY
        with pytest.raises(EngineUnreachable):
            await pool.open()
        began = asyncio.get_running_loop().time()
        with pytest.raises(EngineUnreachable):
            await collect(pool.seat("x"))
        assert 0.05 < asyncio.get_running_loop().time() - began < 2
        waiting = asyncio.ensure_future(collect(pool.seat("x")))
        await asyncio.sleep(0)
        pool.members[0].engine.error = None
        assert (await waiting)[0].text == "ok"
        await pool.close()

    asyncio.run(main())


def test_one_engine_that_answers_is_enough_to_open():
    async def main():
        pool = pool_of(2)
        pool.members[0].engine.error = AWAY
        assert (await pool.open()).url == "http://e1"
        assert (pool.members[0].alive, pool.info.url) == (False, "http://e1")
        await pool.close()

    asyncio.run(main())


def test_one_engine_alone_is_tried_each_time():
    async def main():
        pool = pool_of(1)
        engine = pool.members[0].engine
        engine.error = AWAY
        with pytest.raises(EngineUnreachable):
            await collect(pool.seat("x"))
        engine.error = None
        await collect(pool.seat("x"))
        assert pool.members[0].alive
        await pool.close()

    asyncio.run(main())


def test_places_and_pool_are_what_the_engine_says():
    class Said(ScriptedEngine):
        def __init__(self, **facts):
            super().__init__()
            self.facts = facts

        async def probe(self, *, refresh=False):
            return replace(await super().probe(), **self.facts)

    async def sizes(**facts):
        pool = EnginePool([Said(**facts)])
        await pool.open()
        member = pool.members[0]
        line = member.queue.line
        return line.places, line.pool_tokens, member.slots and member.slots.count

    async def main():
        return [
            await sizes(kind="llama.cpp", slots=1),
            await sizes(kind="llama.cpp", slots=4),
            await sizes(kind="generic"),
            await sizes(kind="other", slots=8),
        ]

    assert asyncio.run(main()) == [
        (1, None, 1),
        (4, 4_096, 4),
        (PLACES_UNTOLD, None, None),
        (8, None, None),
    ]


def test_without_an_address_the_embedded_engine_is_served():
    pool = connect_pool(ServeSettings())
    assert [member.engine.url for member in pool.members] == ["embedded:reader.gguf"]


def test_several_engines_are_not_waited_for_one_after_another():
    pool: Any = connect_pool(ServeSettings(engines=("http://a:1", "http://b:2")))
    assert [member.engine.client.retries for member in pool.members] == [
        Retries(unreachable=0, not_ready=0)
    ] * 2
    assert pool.patience == Retries()
    assert connect_pool(ServeSettings(engines=("http://a:1",))).patience.not_ready == 0, "its client waits"


def test_one_engine_named_twice_is_refused():
    with pytest.raises(UsageError, match="once"):
        connect_pool(ServeSettings(engines=("http://a:1/v1", "http://a:1")))


# -- turns on several engines ---------------------------------------------------------------------


@asynccontextmanager
async def opened(engines, **options):
    store, pool = EphemeralStore(), EnginePool(engines, look_seconds=0.01)
    turns = Turns(store, pool, **options)
    await pool.open()
    try:
        yield store, pool, turns
    finally:
        await turns.close()
        await pool.close()
        await store.close()


def ask(conversation, text):
    async def say(row):
        return [user(text)], row.tip

    return Ask(owner="local", conversation=conversation, say=say, options=Options(max_tokens=24))


def test_a_turn_goes_on_at_another_engine_and_the_receipt_says_why_it_had_to_read():
    async def main():
        async with opened([Mortal(url=f"http://e{n}") for n in range(2)]) as (store, pool, turns):
            conversation = (await store.create_conversation("local", None, now=1.0)).id
            await turns.start(ask(conversation, "One")).reply()
            first, second = pool.order(conversation)
            first.engine.error = AWAY
            running = turns.start(ask(conversation, "Two"))
            moved = running.receipt(await running.reply())
            running = turns.start(ask(conversation, "Three"))
            stayed = running.receipt(await running.reply())
            assert not first.queue.busy
            assert not second.queue.busy
            return moved, stayed, second.engine.requests

    moved, stayed, requests = asyncio.run(main())
    assert (moved["moved"], moved["reused_tokens"]) == ("another engine", 0)
    assert "moved" not in stayed
    assert [len(request.messages) for request in requests] == [3, 5]


async def chat(turns, names, number, *, side, instructions=None):
    """A round of all conversations, each followed by a side request; tokens of each prompt, and how many were reused."""
    receipts = []
    for name in names:
        text = f"I am {name[-4:]}, this is message {number}. " + "Tell me more. " * 6
        running = turns.start(replace(ask(name, text), instructions=instructions))
        receipt = running.receipt(await running.reply())
        receipts.append((receipt["prompt_tokens"], receipt["reused_tokens"]))
        if side:
            title = [user(f"Give a title to {name[-4:]} {number}, in three words.")]
            asked = Unstored(owner="local", items=title, options=Options(max_tokens=4), side=True)
            await turns.start_unstored(asked).reply()
    return receipts


async def chat_in_rounds(url, rounds, **how):
    """Two conversations with a title after each turn: what of the prompt before was reused in each round but the first.

    Of the prompt before, since how long a reply is, and with it what is new, is the model's to say. And whether they are pinned.
    """
    async with opened([connect(url)], upkeep=False) as (store, pool, turns):
        names = [(await store.create_conversation("local", None, now=1.0)).id for _ in range(2)]
        receipts = [await chat(turns, names, number, side=True, **how) for number in range(rounds)]
        shares = [
            [reused / prompt for (prompt, _), (_, reused) in zip(before, after, strict=True)]
            for before, after in pairwise(receipts)
        ]
        return shares, pool.members[0].slots.pinning


def test_without_a_host_cache_conversations_are_pinned_and_side_requests_evict_none(start_llama):
    server = start_llama(window=6_144, n_parallel=3, kv_unified=False, cache_ram_mib=0)
    shares, pinning = asyncio.run(chat_in_rounds(server.url, 7, instructions="You are kind. " * 30))
    assert pinning
    assert min(shares[-1]) > 0.9


def test_with_a_host_cache_nothing_is_pinned_and_side_requests_evict_none(start_llama):
    server = start_llama(window=2_048, n_parallel=3, kv_unified=True, cache_ram_mib=64)
    shares, pinning = asyncio.run(chat_in_rounds(server.url, 4))
    assert not pinning
    assert min(map(min, shares)) > 0.9


def test_leaving_a_reply_stops_the_real_engine(llama):
    engine = connect(llama.url)

    async def main():
        async with opened([engine], upkeep=False) as (store, _, turns):
            conversation = (await store.create_conversation("local", None, now=1.0)).id
            request = replace(ask(conversation, "Tell me a long story."), options=Options(max_tokens=1_500))
            running = turns.start(request)
            async for batch in running.batches():
                if any(hasattr(event, "text") for event in batch):
                    break
            await running.stop()
            reply = await running.reply()
            assert (reply.state, reply.finish_reason) == ("cut_off", "cancelled")
            # It has the slot free at once: the next reply does not wait for 1,500 tokens.
            short = await asyncio.wait_for(turns.start(ask(conversation, "Stop.")).reply(), 20)
            return short.state

    assert asyncio.run(main()) in ("done", "cut_off")


def test_the_pool_of_real_slots_is_never_overdrawn(start_llama):
    """Six turns at once on three slots that share 2,048 tokens; each may come to hold some 900."""
    engine = connect(start_llama(window=2_048, n_parallel=3, kv_unified=True, cache_ram_mib=0).url)

    async def main():
        async with opened([engine], upkeep=False) as (store, pool, turns):
            line, most = pool.members[0].queue.line, 0
            runnings = []
            for n in range(6):
                row = await store.create_conversation("local", None, now=1.0)
                asked = replace(ask(row.id, f"{n} " + "Tell me more. " * 60), options=Options(max_tokens=600))
                runnings.append(turns.start(asked))
            pending = {running.task for running in runnings}
            while pending:
                most = max(most, line.held_tokens)
                _, pending = await asyncio.wait(pending, timeout=0.02)
            return most, [(await running.reply()).state for running in runnings]

    most, states = asyncio.run(main())
    assert 900 < most <= 2_048
    assert set(states) <= {"done", "cut_off"}
