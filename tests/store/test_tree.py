"""A random tree of turns, kept by the store and by a naive model that keeps whole paths, agree."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.writer import OWNER, Writer, texts

from turnkeep.conversation.items import TurnState, user
from turnkeep.conversation.log import START, Position
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite import SqliteStore


@dataclass(frozen=True)
class Step:
    """One thing done to a conversation. `where` picks one of the items there are, or the start."""

    where: int
    items: int
    end: TurnState | None  # None: the process died
    reply: bool
    view: bool
    restart: bool


STEPS = st.lists(
    st.builds(
        Step,
        where=st.one_of(st.just(-1), st.integers(0, 200)),  # -1: the tip
        items=st.integers(1, 3),
        end=st.sampled_from(["done", "done", "done", "cut_off", "failed", None]),
        reply=st.booleans(),
        view=st.booleans(),
        restart=st.booleans(),
    ),
    max_size=25,
)

PathTo = tuple[Position, ...]  # all items up to and with one, oldest first


@dataclass
class Naive:
    """The whole path to every item, in so many words."""

    paths: dict[Position, PathTo] = field(default_factory=lambda: {START: ()})
    said: dict[Position, str] = field(default_factory=dict)
    tip: Position = START
    turns: dict[int, tuple[Position, Position]] = field(default_factory=dict)  # number -> first, last
    views: list[tuple[int, Position]] = field(default_factory=list)

    def append(self, after: Position, at: Position, text: str) -> None:
        assert at not in self.paths, "a place is used once"
        assert at.seq == after.seq + 1
        self.paths[at] = (*self.paths[after], at)
        self.said[at] = text

    def log(self, tip: Position, after: int) -> list[str]:
        return [self.said[at] for at in self.paths[tip] if at.seq > after]

    def turns_to(self, tip: Position) -> list[int]:
        return [number for number, (first, _) in self.turns.items() if first in self.paths[tip]]

    def view(self, tip: Position) -> int | None:
        valid = [number for number, at in self.views if at == START or at in self.paths[tip]]
        return max(valid, default=None)


async def take(step: Step, number: int, writer: Writer, naive: Naive) -> Writer:
    """Do one step to both."""
    places = list(naive.paths)
    after = naive.tip if step.where < 0 else places[step.where % len(places)]
    said = [f"turn {number} item {n}" for n in range(step.items)]
    turn = await writer.open(*map(user, said), after=after)
    for n, text in enumerate(said):
        at = Position(turn.branch, turn.first + n)
        naive.append(after if n == 0 else Position(turn.branch, at.seq - 1), at, text)
    last = turn.tip
    if step.end is None:
        await writer.partial(turn, f"partial {number}")
        writer = await writer.overtaken()
        (turn,) = await writer.settle()
        naive.append(last, turn.tip, f"partial {number}")
    else:
        reply = f"reply {number}" if step.reply or step.end == "done" else None
        turn = await writer.finish(turn, reply, step.end)
        if reply is not None:
            naive.append(last, turn.tip, reply)
            if step.end in ("done", "cut_off"):
                naive.tip = turn.tip
    naive.turns[turn.number] = (Position(turn.branch, turn.first), turn.tip)
    if step.view:
        view = await writer.store.save_view(OWNER, writer.id, at=after, key="k", body={}, now=1)
        naive.views.append((view.number, after))
    return writer


async def check_alike(writer: Writer, naive: Naive) -> dict[Position, list[str]]:
    """Ask both everything; returns what the store says was said up to each place."""
    store, ours = writer.store, writer.id
    assert (await writer.row()).tip == naive.tip
    for tip in naive.paths:
        for after in {0, tip.seq // 2, max(0, tip.seq - 1)}:
            assert await writer.log(tip, after) == naive.log(tip, after)
        assert await writer.log(tip, 0, limit=3) == naive.log(tip, 0)[-3:]
        turns = [turn.number for turn in await store.load_turns(OWNER, ours, tip=tip)]
        assert turns == naive.turns_to(tip)
        newest = [turn.number for turn in await store.load_turns(OWNER, ours, tip=tip, last=2)]
        assert newest == naive.turns_to(tip)[-2:]
        found = await store.find_view(OWNER, ours, tip=tip, key=None)
        assert (None if found is None else found.number) == naive.view(tip)
        for position in list(naive.paths)[::5]:
            on_path = position == START or position in naive.paths[tip]
            assert await store.is_ancestor(OWNER, ours, position, tip) == on_path
    for number, (first, last) in naive.turns.items():
        expected = [naive.said[at] for at in naive.paths[last] if at.seq >= first.seq]
        assert texts(await writer.items(number)) == expected
    return {tip: await writer.log(tip) for tip in naive.paths}


def every_log(naive: Naive) -> dict[Position, list[str]]:
    return {tip: naive.log(tip, 0) for tip in naive.paths}


@settings(max_examples=40)
@given(STEPS)
def test_a_random_tree_in_memory_is_as_the_naive_model_says(steps: list[Step]) -> None:
    async def main() -> tuple[dict[Position, list[str]], Naive]:
        store = EphemeralStore()
        writer, naive = await Writer.begin(store), Naive()
        for number, step in enumerate(steps, 1):
            writer = await take(step, number, writer, naive)
        logs = await check_alike(writer, naive)
        await store.close()
        return logs, naive

    logs, naive = asyncio.run(main())
    assert logs == every_log(naive)


@settings(max_examples=15)
@given(STEPS)
def test_a_random_tree_in_a_file_survives_restarts(steps: list[Step]) -> None:
    async def main(path: Path) -> tuple[dict[Position, list[str]], Naive]:
        store = SqliteStore(path)
        writer, naive = await Writer.begin(store), Naive()
        for number, step in enumerate(steps, 1):
            writer = await take(step, number, writer, naive)
            if step.restart:
                await store.close()
                store = SqliteStore(path)
                writer = writer.on(store)
        logs = await check_alike(writer, naive)
        await store.close()
        return logs, naive

    with TemporaryDirectory() as folder:
        logs, naive = asyncio.run(main(Path(folder) / "turnkeep.db"))
    assert logs == every_log(naive)
