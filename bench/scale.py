"""What a turn costs when a conversation is long:  python bench/scale.py [--turns N] [--folder DIR]

One conversation of 100,000 turns with 500 forks, each turn through the library's own door:
append, plan, render, keep the reply and its receipt. No engine: its place is taken by one
that answers at once from a list of words and counts four characters a token, and compactions
fold without a summary. Recall and facts look through more where there is more, up to their limits: they
are left out unless `--strategy window,summary,recall,facts` asks for them. At turns 100, 1,000, 10,000 and 100,000 it prints what a turn costs
(processor time, and steps of SQLite's virtual machine), resident memory, and the file's size
against its text.

With `--folder` the database stays there, and a later call goes on where it stopped; memory
is then measured from that call's first turn on.
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from turnkeep import AsyncChat
from turnkeep.conversation.items import Usage
from turnkeep.engine.base import Delta, End, EngineInfo, Request, TextDelta, Warmed
from turnkeep.store.base import StoreStats
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import Database

STRATEGY = "window,summary"  # recall and facts look through more where there is more, up to their limits
TURNS = 100_000
FORK_EVERY = 200  # turns: 500 forks in all
FAR_EVERY, FAR_TURNS = 10, 30  # every tenth fork edits what was said up to thirty turns ago
WINDOW = 4_096  # tokens
SAMPLE = 60  # turns measured at each mark
COUNTED = 20  # of these, turns whose steps are counted; counting them takes time of its own
OWNER, NAME = "local", "scale"

# The bars of the issue that this benchmark belongs to.
MOST_COST = 1.5  # times the cost at the first mark
MOST_MEMORY = 20e6  # bytes grown since the first mark
MOST_TEXT, MOST_ITEM = 3, 400  # the file without indexes: times the text, plus bytes an item

WORDS = [
    "the",
    "a",
    "river",
    "stone",
    "walks",
    "under",
    "seven",
    "lamps",
    "and",
    "Ana",
    "said",
    "that",
    "blue",
    "doors",
    "open",
    "slowly",
    "on",
    "Monday",
]


class QuickEngine:
    """Answers at once; a token is four characters."""

    def __init__(self) -> None:
        self.url = "quick"
        self._dice = random.Random(11)
        self._info = EngineInfo(
            url="quick",
            kind="quick",
            model="words",
            window=WINDOW,
            window_source="loaded",
            tokenizer="quick",
            counts=True,
        )

    async def probe(self, *, refresh: bool = False) -> EngineInfo:  # noqa: ARG002  # the protocol's shape
        """Say what it is."""
        return self._info

    async def count(self, request: Request) -> int | None:
        """Count a prompt, five tokens around each message."""
        return sum(5 + len(message["content"]) // 4 for message in request.messages)

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count plain texts."""
        return [len(text) // 4 for text in texts]

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Answer with some forty words."""
        yield TextDelta(say(self._dice, 40))
        yield End(finish_reason="stop", usage=Usage(prompt_tokens=await self.count(request)))

    async def warm(self, request: Request) -> Warmed | None:  # noqa: ARG002  # the protocol's shape
        """Know no way to."""
        return None

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What was found at one length of the conversation."""

    turns: int
    cpu_seconds: float  # a turn, median
    steps: float  # of SQLite's virtual machine a turn, median
    memory_bytes: int  # resident
    stats: StoreStats

    @property
    def file_bytes(self) -> int:
        """The file without its indexes."""
        return self.stats.file_bytes - (self.stats.index_bytes or 0)

    @property
    def file_bar(self) -> int:
        """What the file without its indexes may take."""
        return MOST_TEXT * self.stats.text_bytes + MOST_ITEM * self.stats.items


class Talk:
    """The conversation: goes on turn by turn, forks now and then."""

    def __init__(self, store: SqliteStore, strategy: str) -> None:
        self._chat = AsyncChat(
            QuickEngine(), conversation=NAME, db=store, upkeep=False, embeddings="off", strategy=strategy
        )
        self._store = store
        self._dice = random.Random(7)

    async def count_turns(self) -> int:
        """How many turns there are already."""
        row = await self._store.find_conversation(OWNER, NAME)
        return row.turns if row else 0

    async def go_on(self, number: int) -> None:
        """Take turn `number`, which edits an earlier one when it is time to fork."""
        text = say(self._dice, 15)
        fork, rest = divmod(number, FORK_EVERY)
        if rest:
            await self._chat.ask(text)
        elif fork % FAR_EVERY:
            await self._chat.regenerate()
        else:
            past = await self._chat.history(last=FAR_TURNS)
            await self._chat.edit(text, past[0].turn.number)

    async def close(self) -> None:
        """Close the chat; the store stays open."""
        await self._chat.close()


def say(dice: random.Random, words: int) -> str:
    """Say about that many words."""
    return " ".join(dice.choices(WORDS, k=dice.randint(words // 2, words * 3 // 2))) + "."


class Steps:
    """Counts the steps of a store's SQLite while it is asked to."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.taken = 0

    async def count(self, *, on: bool) -> None:
        """Begin to count, or stop."""

        def step() -> int:
            self.taken += 1
            return 0

        def set_handler(database: Database) -> None:
            database.set_progress_handler(step if on else None, 1)

        await self._store._worker.run(set_handler)


async def measure(talk: Talk, store: SqliteStore, first: int) -> Mark:
    """Take `SAMPLE` turns, forks left to the others, and say what they cost."""
    cpu, steps, counter = [], [], Steps(store)
    for number in range(first, first + SAMPLE):
        counting = number >= first + SAMPLE - COUNTED
        if number == first + SAMPLE - COUNTED:
            await counter.count(on=True)
        began, before = time.process_time(), counter.taken
        await talk.go_on(number)
        if counting:
            steps.append(counter.taken - before)
        else:
            cpu.append(time.process_time() - began)
    await counter.count(on=False)
    return Mark(
        turns=first + SAMPLE - 1,
        cpu_seconds=statistics.median(cpu),
        steps=statistics.median(steps),
        memory_bytes=resident_bytes(),
        stats=await store.stats(),
    )


def resident_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def run(path: Path, turns: int, strategy: str) -> list[Mark]:
    """Let the conversation grow to `turns` turns; measure at 100 and each power of ten."""
    store = SqliteStore(path)
    talk = Talk(store, strategy)
    ends = sorted({end for end in (100, 1_000, 10_000, 100_000) if end < turns} | {turns})
    starts = {end - SAMPLE + 1 for end in ends}
    marks: list[Mark] = []
    number = await talk.count_turns() + 1
    began = time.monotonic()
    while number <= turns:
        if number in starts:
            marks.append(await measure(talk, store, number))
            number += SAMPLE
            print(f"{number - 1:>9,} turns after {time.monotonic() - began:,.0f} s", flush=True)
        else:
            await talk.go_on(number)
            number += 1
    await talk.close()
    await store.close()
    return marks


def show(marks: Sequence[Mark], file_bytes: int) -> bool:
    """Print the table; returns whether all bars hold."""
    print(
        f"\n{'turns':>9} {'ms a turn':>10} {'steps':>8} {'MB resident':>12} {'file MB':>9} {'bar MB':>8} {'indexes MB':>11}"
    )
    for mark in marks:
        print(
            f"{mark.turns:>9,} {mark.cpu_seconds * 1e3:>10.2f} {mark.steps:>8,.0f} "
            f"{mark.memory_bytes / 1e6:>12.1f} {mark.file_bytes / 1e6:>9.2f} {mark.file_bar / 1e6:>8.2f} "
            f"{(mark.stats.index_bytes or 0) / 1e6:>11.2f}"
        )
    first, last = marks[0], marks[-1]
    stats = last.stats
    print(
        f"\n{stats.items:,} items, {stats.text_bytes / 1e6:.1f} MB of text, {stats.tables['branch']:,} forks, "
        f"{stats.tables['view']:,} views; {file_bytes / 1e6:.1f} MB on the disk"
    )
    found = [
        ("processor time", last.cpu_seconds / first.cpu_seconds, MOST_COST),
        ("steps", last.steps / first.steps, MOST_COST),
        ("memory grown, MB", (last.memory_bytes - first.memory_bytes) / 1e6, MOST_MEMORY / 1e6),
        ("file / bar", last.file_bytes / last.file_bar, 1.0),
    ]
    for name, value, bar in found:
        print(f"{name:<18} {value:>7.2f}   bar {bar:g}   {'holds' if value <= bar else 'FAILS'}")
    return all(value <= bar for _, value, bar in found)


@contextmanager
def database_file(folder: Path | None) -> Iterator[Path]:
    """The database in `folder`, or in one that goes away."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder / "scale.db"
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made) / "scale.db"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=TURNS, help=f"default {TURNS:,}; 200 at least")
    parser.add_argument("--folder", type=Path, help="keep the database here, or go on with the one here")
    parser.add_argument("--strategy", default=STRATEGY, help="default %(default)s")
    options = parser.parse_args()
    if options.turns < 200:
        parser.error("--turns must be 200 at least")
    with database_file(options.folder) as path:
        marks = asyncio.run(run(path, options.turns, options.strategy))
        if len(marks) < 2:
            print("Too few turns were left to compare: choose a larger --turns, or another --folder.")
            return 2
        return 0 if show(marks, path.stat().st_size) else 1


if __name__ == "__main__":
    raise SystemExit(main())
