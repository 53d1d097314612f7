"""What recall costs: a query in long conversations, and indexing a turn. Used by bench/recall.py."""

import asyncio
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from turnkeep.context.recall import make_query
from turnkeep.context.words import index_terms, term_key
from turnkeep.conversation.items import assistant, user
from turnkeep.conversation.log import START, Position
from turnkeep.embed.base import pack_vector
from turnkeep.embed.builtin import find_model
from turnkeep.recall import CANDIDATE_LINES
from turnkeep.search import Searcher
from turnkeep.store.base import Lease
from turnkeep.store.sqlite import SqliteStore, appends
from turnkeep.store.sqlite.database import Database

OWNER = "bench"

# The bars of the issue that this benchmark belongs to.
MOST_MS = {10_000: 3.0, 100_000: 15.0}
MOST_TIMES_WITH_OTHERS = 1.5
MOST_INDEX_MS = 30.0

Bar = tuple[str, float, float, bool]


def least(name: str, value: float, bar: float) -> Bar:
    """A bar that a figure must reach."""
    return name, value, bar, value >= bar


def most(name: str, value: float, bar: float) -> Bar:
    """A bar that a figure must not go beyond."""
    return name, value, bar, value <= bar


class ReadyEmbedder:
    """Has a query's vector at once: embedding is measured apart."""

    name = "ready"
    baseline = 0.06

    async def prepare(self) -> None:
        """Nothing to do."""

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Vectors that depend on the text alone."""
        return [self.vector(random.Random(text)) for text in texts]

    @staticmethod
    def vector(dice: random.Random) -> bytes:
        """A random vector of the built-in model's size."""
        return pack_vector([dice.gauss(0, 1) for _ in range(384)])

    async def close(self) -> None:
        """Nothing to do."""


class Long:
    """A long conversation: of turns of two messages, made of the words of real ones."""

    def __init__(self, store: SqliteStore, texts: Sequence[str]) -> None:
        self._store, self._texts, self._dice = store, texts, random.Random(4)
        self._vectors = [ReadyEmbedder.vector(random.Random(number)) for number in range(997)]

    def say(self) -> str:
        """Say half of one message and half of another."""
        one, other = (self._dice.choice(self._texts).split() for _ in range(2))
        return " ".join([*one[: len(one) // 2], *other[len(other) // 2 :]])

    async def fill(self, turns: int) -> tuple[str, Position]:
        """Make a conversation of so many turns, indexed and embedded."""
        row = await self._store.create_conversation(OWNER, None, now=1.6e9)
        lease = await self._store.take_lease(f"conversation:{row.id}", OWNER, now=0, seconds=1e12)
        assert lease is not None
        tip = START
        for first in range(0, turns, 500):
            number = min(500, turns - first)
            tip = await self._store._note(self._say_some, row.id, lease, tip, first, number)
        await self._store._note(self._embed, row.id)
        return row.id, tip

    def _say_some(
        self, database: Database, key: str, lease: Lease, tip: Position, first: int, number: int
    ) -> Position:
        for hour in range(first, first + number):
            now = 1.6e9 + hour * 3600.0
            turn = appends.begin_turn(database, OWNER, key, [user(self.say())], tip, lease, now)
            tip = appends.finish_turn(
                database, OWNER, key, turn.number, "done", [assistant(self.say())], None, None, lease, now
            ).turn.tip
        return tip

    def _embed(self, database: Database, key: str) -> None:
        """Give every item some vector."""
        database.execute("INSERT OR IGNORE INTO embedder (name) VALUES ('ready')")
        rows = database.execute(
            "SELECT item.owner, conversation, embedder.number, turn, seq, branch FROM item JOIN embedder "
            "WHERE embedder.name = 'ready' AND conversation = (SELECT number FROM conversation WHERE key = ?)",
            (key.removeprefix("conv_"),),
        ).fetchall()
        database.executemany(
            "INSERT INTO vector (owner, conversation, embedder, turn, seq, branch, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*row, self._vectors[number % 997]) for number, row in enumerate(rows)],
        )
        database.execute(
            "INSERT INTO embedded (owner, conversation, embedder, turn) VALUES (?, ?, ?, ?)",
            (*rows[-1][:3], max(turn for _, _, _, turn, *_ in rows)),
        )


def measure_queries(
    loop: asyncio.AbstractEventLoop, store: SqliteStore, key: str, tip: Position, queries: Sequence[str]
) -> list[float]:
    """Processor milliseconds of each query, the best of five."""
    searcher = Searcher(store, ReadyEmbedder(), seconds=None)
    best = [math.inf] * len(queries)

    async def ask(query: str) -> None:
        asked = make_query(query, now=1.7e9)
        await searcher.find(OWNER, key, asked, tip=tip, upto=tip.seq - 40, most=CANDIDATE_LINES)

    for _ in range(6):  # the first loads the vectors
        for number, query in enumerate(queries):
            vector = loop.run_until_complete(ReadyEmbedder().embed([query]))
            searcher.embedder.embed = _given(vector)  # type: ignore[union-attr, method-assign]  # made beforehand
            began = time.process_time()
            loop.run_until_complete(ask(query))
            best[number] = min(best[number], (time.process_time() - began) * 1000)
    return best


def _given(vector: list[bytes]) -> Any:  # Any: a coroutine function in place of a method
    async def embed(_: Sequence[str]) -> list[bytes]:
        return vector

    return embed


def print_costs(
    loop: asyncio.AbstractEventLoop, conversations: Sequence[Any], sizes: Sequence[int], others: int
) -> list[Bar]:
    """Print what a query costs in long conversations, and beside many others."""
    texts = [turn.text for each in conversations for turn in each.turns]
    dice = random.Random(5)
    queries = dice.sample([question.text for each in conversations for question in each.questions], 40)
    print(
        f"\n{'processor ms a query (best of five)':38}{'mean':>10}{'median':>10}{'most':>10}{'MB file':>10}"
    )
    bars: list[Bar] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.db"
            store = SqliteStore(path)
            long = Long(store, texts)
            key, tip = loop.run_until_complete(long.fill(size))
            alone = measure_queries(loop, store, key, tip, queries)
            _print_cost(f"{size:,} turns ({2 * size:,} messages)", alone, path)
            bars.append(most(f"ms a query at {size:,} turns", statistics.fmean(alone), MOST_MS[size]))
            if size == sizes[0]:
                for _ in range(others):
                    loop.run_until_complete(long.fill(50))
                beside = measure_queries(loop, store, key, tip, queries)
                _print_cost(f"... beside {others:,} other conversations", beside, path)
                times = statistics.fmean(beside) / statistics.fmean(alone)
                bars.append(most(f"times that, with {others:,} others", times, MOST_TIMES_WITH_OTHERS))
            loop.run_until_complete(store.close())
    return bars


def _print_cost(name: str, costs: Sequence[float], path: Path) -> None:
    print(
        f"{name:38}{statistics.fmean(costs):10.2f}{statistics.median(costs):10.2f}{max(costs):10.2f}"
        f"{path.stat().st_size / 1e6:10.1f}",
        flush=True,
    )


def print_indexing(conversations: Sequence[Any]) -> list[Bar]:
    """Print what indexing a turn costs: by words in this process, by meaning in the embedder's."""
    turns = [turn for each in conversations for turn in each.turns][:600]
    texts = [f"{turn.speaker}: {turn.text}" for turn in turns]
    costs = []
    for _ in range(5):
        began = time.process_time()
        for text in texts:
            for term in index_terms(text, 1.7e9):
                term_key(term)
        costs.append((time.process_time() - began) * 1000 / len(texts))
    words = min(costs)
    meaning = min(measure_embedding(texts[:300]) for _ in range(3))
    print(f"\n{'processor ms to index a turn':38}{'words':>10}{'meaning':>10}")
    print(
        f"{f'{statistics.fmean(map(len, texts)):.0f} characters on average':38}{words:10.2f}{meaning:10.2f}"
    )
    return [most("ms to index a turn", words + meaning, MOST_INDEX_MS)]


EMBED = """
import json, sys, time
from pathlib import Path
from turnkeep.embed.minilm import MiniLM
model = MiniLM(Path(sys.argv[1]))
texts = json.load(sys.stdin)
model.pack(texts[:8])
began = time.process_time()
model.pack(texts)
print((time.process_time() - began) * 1000 / len(texts))
"""


def measure_embedding(texts: Sequence[str]) -> float:
    """Processor milliseconds a text, in a process like the embedder's own."""
    done = subprocess.run(
        [sys.executable, "-c", EMBED, str(find_model())],
        input=json.dumps(texts),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
