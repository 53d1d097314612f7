"""What a turn asks of the store: exact numbers, since each call is handed over to another thread."""

import asyncio

import pytest

from tests.chats import run_chat
from turnkeep import AsyncChat
from turnkeep.holding import hold_conversation
from turnkeep.testing import EphemeralStore, ScriptedEngine


class Counting(EphemeralStore):
    """Counts the transactions that are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def _run(self, *args):
        self.calls += 1
        return await super()._run(*args)

    async def count(self, work):
        """How many calls something makes."""
        before = self.calls
        await work
        return self.calls - before


def run(script, engine=None, **options):
    store = Counting()

    async def main(chat):
        await chat.ask("first")  # opens the conversation
        return await script(chat, store)

    return run_chat(main, engine or ScriptedEngine(counts=False), store, **options)


def test_a_turn_that_goes_on_writes_twice_and_reads_nothing():
    async def script(chat, store):
        return [await store.count(chat.ask(f"turn {n}")) for n in range(6)]

    assert run(script) == [2] * 6


def test_a_turn_on_an_engine_that_counts_saves_what_was_counted_with_its_end():
    async def script(chat, store):
        calls = [await store.count(chat.ask(f"turn {n}")) for n in range(6)]
        row = await chat.conversation()
        sizes = await store.load_sizes("local", row.id, "scripted", tip=row.tip)
        return calls, len(sizes), row.tip.seq

    calls, sized, items = run(script, ScriptedEngine())
    assert calls == [2] * 6
    assert sized == items - 1  # the last reply is counted by the next turn


def test_the_first_turn_of_a_process_reads_once():
    async def script(chat, store):
        await chat.ask("second")
        chat._desk.standing = None
        return [await store.count(chat.ask(f"turn {n}")) for n in range(2)]

    assert run(script) == [3, 2]


@pytest.mark.parametrize("counts", [True, False])
def test_upkeep_with_nothing_to_do_asks_nothing(counts):
    async def script(chat, store):
        async def turn(n):
            await chat.ask(f"turn {n}")
            await chat.idle()

        await turn(0)
        return [await store.count(turn(n)) for n in range(1, 6)]

    engine = ScriptedEngine(counts=counts)
    assert run(script, engine, upkeep=True) == [2] * 5
    assert engine.warmed == []


def test_a_turn_that_recalls_asks_at_most_four_times():
    async def script(chat, store):
        await chat.ask("My aunt is a xylophonist in Lisbon.")
        for n in range(30):
            await chat.ask(f"turn {n}: " + "word " * 30)
        await chat.ask("Hm.")
        calls = store.calls
        reply = await chat.ask("What does my aunt in Lisbon do?")
        return store.calls - calls, reply.receipt.recalled

    calls, recalled = run(script, ScriptedEngine(window=1_024))
    assert 2 in recalled
    assert calls == 4


def test_what_another_process_has_written_is_read():
    async def main():
        store, engine = Counting(), ScriptedEngine(lambda request: f"{len(request.messages)}")
        one, other = [AsyncChat(engine, db=store, conversation="shared", upkeep=False) for _ in range(2)]
        for chat in (one, one, other, one, one):
            await chat.ask("x")
        texts = [message["content"] for message in engine.requests[-1].messages]
        await store.close()
        return texts

    assert asyncio.run(main()) == ["x", "1", "x", "3", "x", "5", "x", "7", "x"]


def test_what_was_forgotten_elsewhere_is_read_again():
    engine = ScriptedEngine()

    async def script(chat, store):
        await chat.ask("a secret")
        await chat.ask("third")
        desk = chat._desk
        async with hold_conversation(desk) as lease:  # as another process would
            await store.forget_turn("local", desk.conversation, 2, lease=lease, now=1.0)
        reply = await chat.ask("fourth")
        return reply.receipt.moved

    assert run(script, engine) == "forgotten"
    assert "secret" not in str(engine.requests[-1].messages)


def test_forgetting_leaves_nothing_in_memory():
    async def script(chat, store):
        await chat.ask("a secret")
        await chat.forget()
        desk = chat._desk
        return desk.standing, vars(desk._layout), desk.meter._estimated

    standing, layout, estimated = run(script)
    assert standing is None
    assert "secret" not in str(layout)
    assert estimated == []


def test_a_failed_turn_is_not_gone_on_from():
    engine = ScriptedEngine(["ok", ["half", RuntimeError("broke")], "three", "four"])

    async def script(chat, store):
        with pytest.raises(RuntimeError):
            await chat.ask("bad")
        return [await store.count(chat.ask(f"turn {n}")) for n in range(2)]

    assert run(script, engine) == [3, 2]
    assert "bad" not in str(engine.requests[-1].messages)


def test_other_instructions_are_read():
    engine = ScriptedEngine()

    async def script(chat, store):
        await chat.set_system("Be brief.")
        reply = await chat.ask("second")
        return reply.receipt.moved

    assert run(script, engine) == "other instructions"
    assert engine.requests[-1].messages[0]["content"] == "Be brief."
