"""Recall, measured:  python bench/recall.py [DATA] [--quick]

`make` and `make_words` are what ../shared/bench/scorers/run_locomo.py asks for: a conversation's
turns go into a store in memory as a chat's messages do, and each question takes the road that a
turn takes (search.py), with everything on or with words alone.

As a program it prints, in one run: ours with and without vectors, with and without the cue, beside
what others do by default; how often small talk recalls something; what a query costs at 10,000 and
100,000 turns and with 1,000 other conversations; what indexing a turn costs; and what is found in
other languages. DATA is in LoCoMo's format (default: ../shared/bench/locomo/locomo_open.json).

The table's other rows need numpy; the scorer and the data stand outside the project.
"""

import argparse
import asyncio
import datetime
import importlib
import os
import random
import sqlite3
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from turnkeep.context import ranking
from turnkeep.context import recall as rules
from turnkeep.context.recall import make_query
from turnkeep.conversation.items import assistant, user
from turnkeep.conversation.log import START
from turnkeep.embed.base import Embedder
from turnkeep.embed.builtin import BuiltInEmbedder
from turnkeep.search import Findings, Searcher
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.sqlite import SqliteStore

sys.path.insert(0, str(Path(__file__).parents[1]))  # as the scorer is run: from the project's folder

from bench.recall_costs import Bar, least, print_costs, print_indexing  # see above

SHARED = Path(__file__).parents[2] / "shared"
SCORERS = Path(os.environ.get("TURNKEEP_SCORERS", SHARED / "bench" / "scorers"))
DATA = SHARED / "bench" / "locomo" / "locomo_open.json"
OWNER = "bench"
DEPTH = 100  # turns a retriever returns

# The bars of the issue that this benchmark belongs to.
LEAST_R10, LEAST_R512, LEAST_R10_WORDS = 76.0, 77.0, 71.0

Search = Callable[[str, int], list[str]]

_loop = asyncio.new_event_loop()
_embedder: list[Embedder] = []


def embedder() -> Embedder:
    """The built-in embedder, one process for the whole run."""
    if not _embedder:
        _embedder.append(BuiltInEmbedder())
    return _embedder[0]


# -- what the scorer calls ------------------------------------------------------------------------
def make(conversation: Any) -> Search:  # Any: the scorer's conversation
    """Make a search with everything on."""
    return Talk(conversation, embedder()).search


def make_words(conversation: Any) -> Search:  # Any: the scorer's conversation
    """Make a search by words alone."""
    return Talk(conversation, None).search


class Talk:
    """One of the scorer's conversations in a store: each of its turns is a message."""

    def __init__(self, conversation: Any, meaning: Embedder | None) -> None:
        self._turns = conversation.turns
        self._store = EphemeralStore()
        self._searcher = Searcher(self._store, meaning, seconds=None)
        self._ids: dict[int, str] = {}
        self._now = said_at(self._turns[-1].date)
        _loop.run_until_complete(self._fill(meaning))

    async def _fill(self, meaning: Embedder | None) -> None:
        row = await self._store.create_conversation(OWNER, None, now=0)
        self._key, tip = row.id, START
        lease = await self._store.take_lease(f"conversation:{row.id}", OWNER, now=0, seconds=1e12)
        assert lease is not None
        first = self._turns[0].speaker
        for each in self._turns:
            text = f"{each.speaker}: {each.text}{f' [shares {each.caption}]' if each.caption else ''}"
            item = user(text) if each.speaker == first else assistant(text)
            turn = await self._store.begin_turn(
                OWNER, row.id, [item], after=tip, lease=lease, now=said_at(each.date)
            )
            turn = await self._store.finish_turn(
                OWNER, row.id, turn.number, state="done", lease=lease, now=said_at(each.date)
            )
            tip = turn.tip
            self._ids[tip.seq] = each.id
        await self._store.move_tip(OWNER, row.id, tip, lease=lease, now=self._now)
        self._tip = tip
        if meaning is not None:
            await embed_all(self._store, row.id, meaning)

    def search(self, query: str, k: int) -> list[str]:
        """The ids of the best turns, best first."""
        found = self.find(query, k)
        return [self._ids[match.item.at.seq] for match in found.matches]

    def find(self, query: str, k: int) -> Findings:
        """As `search`, whole."""
        asked = make_query(query, now=self._now)
        return _loop.run_until_complete(
            self._searcher.find(OWNER, self._key, asked, tip=self._tip, upto=self._tip.seq, most=k)
        )


def said_at(text: str) -> float:
    """The time of a session as LoCoMo writes it, "1:56 pm on 8 May, 2023"; 0 where it says none."""
    try:
        said = datetime.datetime.strptime(text, "%I:%M %p on %d %B, %Y")
    except ValueError:
        return 0.0
    return said.replace(tzinfo=datetime.UTC).timestamp()


async def embed_all(store: SqliteStore, conversation: str, meaning: Embedder) -> None:
    """Embed a conversation as upkeep does."""
    while True:
        batch = await store.find_unembedded(OWNER, conversation, meaning.name, limit=8)
        if batch.upto == batch.after:
            return
        vectors = await meaning.embed([each.item.text for each in batch.items])  # type: ignore[union-attr]  # messages only
        await store.save_vectors(OWNER, conversation, meaning.name, batch, vectors)


# -- quality, beside what others do ---------------------------------------------------------------
class Plain:
    """What others do by default, over the same texts and the same vectors."""

    def __init__(self, conversation: Any) -> None:
        import numpy as np

        self._ids = [turn.id for turn in conversation.turns]
        texts = [
            f"{turn.speaker}: {turn.text}{f' [shares {turn.caption}]' if turn.caption else ''}"
            for turn in conversation.turns
        ]
        vectors = _loop.run_until_complete(embedder().embed(texts))
        self._vectors = np.array([np.frombuffer(vector, np.int8) for vector in vectors], np.float32)
        self._words = sqlite3.connect(":memory:")
        self._words.execute("CREATE VIRTUAL TABLE turn USING fts5 (text)")
        self._words.executemany("INSERT INTO turn (text) VALUES (?)", [(text,) for text in texts])

    def cosine(self, query: str, k: int) -> list[str]:
        """The nearest vectors."""
        import numpy as np

        (vector,) = _loop.run_until_complete(embedder().embed([query]))
        dots = self._vectors @ np.frombuffer(vector, np.int8).astype(np.float32)
        return [self._ids[place] for place in np.argsort(-dots, kind="stable")[:k]]

    def full_text(self, query: str, k: int) -> list[str]:
        """SQLite's FTS5 with its defaults, any of the words."""
        words = [word for word in "".join(c if c.isalnum() else " " for c in query).split() if word]
        asked = " OR ".join(f'"{word}"' for word in words)
        rows = self._words.execute(
            "SELECT rowid FROM turn WHERE turn MATCH ? ORDER BY rank LIMIT ?", (asked, k)
        )
        return [self._ids[number - 1] for (number,) in rows]

    def fused(self, query: str, k: int) -> list[str]:
        """Both by reciprocal rank fusion, k = 60, equal weights."""
        scores: dict[str, float] = {}
        for found in (self.cosine(query, DEPTH), self.full_text(query, DEPTH)):
            for rank, key in enumerate(found, 1):
                scores[key] = scores.get(key, 0.0) + 1 / (60 + rank)
        return sorted(scores, key=lambda key: -scores[key])[:k]


def without_cue(search: Search) -> Search:
    """The same search without the malus of turns that only ask."""

    def found(query: str, k: int) -> list[str]:
        module = importlib.import_module("turnkeep.search")
        before, module.QUESTION_FACTOR = module.QUESTION_FACTOR, 1.0  # type: ignore[attr-defined]  # of the module
        try:
            return search(query, k)
        finally:
            module.QUESTION_FACTOR = before  # type: ignore[attr-defined]  # as above

    return found


def print_quality(convo: Any, conversations: Sequence[Any]) -> "list[Bar]":
    """Print the table; returns what the bars speak of."""
    searches: dict[str, list[Search]] = {}
    for each in conversations:
        full, words, plain = make(each), make_words(each), Plain(each)
        for name, search in (
            (FULL, full),
            ("... without the cue of questions", without_cue(full)),
            (WORDS, words),
            ("... words without the cue", without_cue(words)),
            ("cosine (mem0, LangChain, LlamaIndex)", plain.cosine),
            ("SQLite FTS5 with its defaults", plain.full_text),
            ("equal RRF of these two", plain.fused),
        ):
            searches.setdefault(name, []).append(search)
    columns = ("R@5", "R@10", "R@25", "R@50", "MRR", "R@256tok", "R@512tok", "R@1024tok")
    print(f"\n{'evidence found, %':38}" + "".join(f"{column:>10}" for column in columns))
    scores: dict[str, dict[str, float]] = {}
    for name, found in searches.items():
        rankings = {
            each.id: [search(question.text, DEPTH) for question in each.questions]
            for each, search in zip(conversations, found, strict=True)
        }
        scores[name] = convo.score(conversations, rankings)["all"]
        print(f"{name:38}" + "".join(f"{100 * scores[name][column]:10.1f}" for column in columns), flush=True)
    return [
        least("R@10 with vectors", 100 * scores[FULL]["R@10"], LEAST_R10),
        least("recall within 512 tokens", 100 * scores[FULL]["R@512tok"], LEAST_R512),
        least("R@10 by words alone", 100 * scores[WORDS]["R@10"], LEAST_R10_WORDS),
    ]


FULL, WORDS = "turnkeep, words and meaning", "turnkeep, words alone"


# -- how often something is recalled that nobody asked for ------------------------------------------
SMALL_TALK = (
    "Good morning!", "Hi there, how are you doing today?", "Thanks, that's really helpful.", "lol that's funny",
    "Okay, sounds good.", "Sure, go ahead.", "No, not really.", "I see.", "That makes sense.", "Hmm, let me think.",
    "I'm bored.", "What's up?", "How was your day?", "Good night!", "See you tomorrow.", "Have a nice day!",
    "Nice weather, isn't it?", "It's raining again here.", "What time is it?", "Tell me a joke.", "Who are you?",
    "Can you tell me a fun fact?", "Write a haiku about the moon.", "Can you help me with something?", "Never mind.",
    "Could you say that again?", "Please be brief.", "Go on.", "Really?", "Are you sure?", "Wow, amazing!", "Why?",
    "I agree with you.", "Maybe later.", "Sorry, I was away for a minute.", "I'm back.", "Where were we?",
    "Let's talk about something else.", "Do you have feelings?", "Are you a robot?", "What's 2 + 2?", "Fair enough.",
    "What's the capital of France?", "Who wrote Hamlet?", "How do I boil an egg?", "What does HTTP stand for?",
    "Convert 10 miles to kilometers.", "Give me a synonym for happy.", "Is water wet?", "That's too long.",
    "You're the best.", "Oops, typo.", "Nothing much, just relaxing.", "Lunch time.", "Happy Friday!", "No worries.",
    "Finally the weekend.", "I slept badly.", "Not bad, and you?", "Same here.",
)  # fmt: skip


def print_unasked(conversations: Sequence[Any]) -> None:
    """Print how many messages of each kind recall something, and how many tokens a question's lines take."""
    print(f"\n{'recalls something, % of messages':38}{'with vectors':>14}{'words alone':>14}")
    talks = [(Talk(each, embedder()), Talk(each, None), each) for each in conversations]
    dice = random.Random(3)
    others = [conversations[number - 1] for number in range(len(conversations))]
    kinds: dict[str, Callable[[int], list[str]]] = {
        "questions about the conversation": lambda n: [q.text for q in conversations[n].questions],
        "small talk": lambda _: list(SMALL_TALK),
        "questions about another conversation": lambda n: [q.text for q in others[n].questions],
        "messages of another conversation": lambda n: [t.text for t in dice.sample(others[n].turns, 100)],
    }
    for name, texts in kinds.items():
        said = [texts(number) for number in range(len(talks))]
        shares = [
            statistics.fmean(
                [
                    talk[side].find(text, 1).weight >= 1
                    for talk, each in zip(talks, said, strict=True)
                    for text in each
                ]
            )
            for side in (0, 1)
        ]
        print(f"{name:38}{100 * shares[0]:14.1f}{100 * shares[1]:14.1f}", flush=True)


# -- languages --------------------------------------------------------------------------------------
def print_languages() -> None:
    """Print how many questions find what they ask for first, in each language."""
    from bench.languages import LANGUAGES

    print(f"\n{'found first / among three, %':38}{'words alone':>16}{'with vectors':>16}")
    for name, pairs in LANGUAGES.items():
        cells = []
        for meaning in (None, embedder()):
            first = _loop.run_until_complete(_ask_pairs(pairs, meaning))
            cells.append(
                "/".join(f"{100 * sum(place <= k for place in first) / len(pairs):.0f}" for k in (1, 3))
            )
        print(f"{name:38}{cells[0]:>16}{cells[1]:>16}", flush=True)


async def _ask_pairs(pairs: Sequence[tuple[str, str]], meaning: Embedder | None) -> list[int]:
    """At which place each question finds its answer; 99 for not at all."""
    store = EphemeralStore()
    searcher = Searcher(store, meaning, seconds=None)
    row = await store.create_conversation(OWNER, None, now=0)
    lease = await store.take_lease(f"conversation:{row.id}", OWNER, now=0, seconds=1e12)
    assert lease is not None
    tip, places = START, []
    for said, _ in pairs:
        turn = await store.begin_turn(OWNER, row.id, [user(said)], after=tip, lease=lease, now=0)
        turn = await store.finish_turn(
            OWNER, row.id, turn.number, state="done", items=[assistant("OK.")], lease=lease, now=0
        )
        tip = turn.tip
        places.append(turn.first)
    if meaning is not None:
        await embed_all(store, row.id, meaning)
    found = []
    for (_, asked), place in zip(pairs, places, strict=True):
        findings = await searcher.find(
            OWNER, row.id, make_query(asked, now=0), tip=tip, upto=tip.seq, most=len(pairs)
        )
        ranked = [match.item.at.seq for match in findings.matches if match.item.at.seq in places]
        found.append(ranked.index(place) + 1 if place in ranked else 99)
    await store.close()
    return found


def main() -> int:
    """Print everything; exit status 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--quick", action="store_true", help="without 100,000 turns and 1,000 conversations")
    options = parser.parse_args()
    if not SCORERS.exists() or not options.data.exists():
        print(f"The scorer or the data is not there: {SCORERS}, {options.data}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(SCORERS))
    convo = importlib.import_module("convo")
    conversations = convo.load_locomo(options.data)
    print_rules()
    bars = print_quality(convo, conversations)
    print_unasked(conversations)
    print_languages()
    bars += print_indexing(conversations)
    sizes, others = ((10_000,), 50) if options.quick else ((10_000, 100_000), 1_000)
    bars += print_costs(_loop, conversations, sizes, others)
    _loop.run_until_complete(embedder().close())
    print()
    for name, value, bar, holds in bars:
        print(f"{'PASS' if holds else 'FAIL'}  {name:38}{value:8.2f}   bar {bar:g}")
    return 0 if all(holds for *_, holds in bars) else 1


def print_rules() -> None:
    """Print the figures that the ranking goes by."""
    print(
        f"BM25 k1 {ranking.COUNT_SATURATION} b {ranking.LENGTH_WEIGHT}; words {ranking.WORDS_WEIGHT}, meaning "
        f"{ranking.MEANING_WEIGHT} of the nearest {ranking.MEANING_TOP}; to the next {ranking.TO_NEXT}, to the one before "
        f"{ranking.TO_PREVIOUS}; recalled from {rules.LEAST_WORDS} (words) or {rules.LEAST_MIXED} (both) on"
    )


if __name__ == "__main__":
    sys.exit(main())
