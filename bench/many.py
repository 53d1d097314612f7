"""Forty conversations on an engine with four slots:  python bench/many.py [--conversations N] [--turns N] [--shared DIR]

Ordinary clients, chat completions with the history resent. Three talk at a time, one turn
after another, two turns each, then the next three, until everybody has had all turns. After
each turn a chat page asks for a title: the side request. What is counted is what the engine
evaluated, from its own /metrics:

    directly    the clients talk to the engine themselves
    turnkeep    through `turnkeep serve`, its upkeep included

each on llama.cpp with its host cache, with that and a KV cache that all slots share, and with
neither; with side requests and without. Upkeep and side requests must evict nobody: the bars
compare with the same run without them.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefix import METRICS, WINDOW, Bench
from served import CHATS, Served, Talk

CONVERSATIONS, TURNS, SLOTS = 40, 4, 4
AT_A_TIME, BURST = 3, 2  # conversations that talk by turns, and for how many turns
ENGINES: dict[str, dict[str, object]] = {  # how llama.cpp may have been started
    "host cache": {"cache_ram_mib": 4_096, "kv_unified": False},
    # Clears idle slots: what they held is looked up in the host cache, and not always found after a side request.
    "host cache, unified KV": {"cache_ram_mib": 4_096, "kv_unified": True},
    "no host cache": {"cache_ram_mib": 0, "kv_unified": False},
}
REPLY_TOKENS = (10, 40)
ASIDE = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n"

# The bars: what side requests may add beyond their own tokens, and upkeep beyond the same chats sent directly.
MOST_BEYOND_QUIET = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run."""

    door: str
    engine: str
    asides: bool

    @property
    def name(self) -> str:
        """As the table says it."""
        return f"{self.door}, {self.engine}{', side requests' if self.asides else ''}"


@dataclass(slots=True, kw_only=True)
class Counted:
    """What one run cost, in tokens that the engine evaluated."""

    chats: int = 0
    asides: int = 0
    upkeep: int = 0
    warm: int = 0  # turns that read no more than was new
    turns: int = 0


def order(conversations: int, turns: int) -> Iterator[int]:
    """Who talks next: bursts of some, by turns."""
    for _ in range(turns // BURST):
        for first in range(0, conversations, AT_A_TIME):
            for _ in range(BURST):
                yield from range(first, min(first + AT_A_TIME, conversations))


def run(bench: Bench, model: Path, folder: Path, case: Case, conversations: int, turns: int) -> Counted:
    """Run one case on an engine of its own."""
    server = bench.engine.LlamaServer(
        str(model), n_ctx=WINDOW * SLOTS, n_parallel=SLOTS, n_batch=512,
        **ENGINES[case.engine],
    )  # fmt: skip
    counted = Counted()
    try:
        client = bench.engine.Client(server.url)
        script = bench.script(client)
        with ExitStack() as held:
            url, served = server.url, None
            if case.door == "turnkeep":
                options = ("--strategy", "window,summary", "--embeddings", "off")
                served = held.enter_context(Served(server.url, folder / f"{case.name}.db", *options))
                url = served.url
            talks = [Talk(url, CHATS, script.system, f"user {n}") for n in range(conversations)]
            _talk(client, script, order(conversations, turns), talks, case, served, counted)
            for talk in talks:
                talk.close()
    finally:
        server.stop()
    return counted


def _talk(
    client: Any,
    script: Any,
    whos: Iterator[int],
    talks: Sequence[Talk],
    case: Case,
    served: Served | None,
    counted: Counted,
) -> None:
    lines = [text for text, _ in script.turns]
    for number, who in enumerate(whos):
        text = lines[number % len(lines)]
        before = client.metric(METRICS[0])
        talks[who].say(
            text, REPLY_TOKENS[0] + number % REPLY_TOKENS[1], temperature=1.0, top_k=40, seed=number
        )
        after = client.metric(METRICS[0])
        counted.turns += 1
        counted.chats += int(after - before)
        counted.warm += after - before <= 2 * len(text.split()) + 32
        if served is not None:
            served.wait_until_quiet()
            counted.upkeep += int(client.metric(METRICS[0]) - after)
        if case.asides:
            before = client.metric(METRICS[0])
            talks[who].aside(f"{ASIDE}{text}")
            counted.asides += int(client.metric(METRICS[0]) - before)


def print_table(found: Sequence[tuple[Case, Counted]]) -> None:
    """Print what each case cost, side by side."""
    print("| | turns | warm turns | evaluated for chats | for side requests | by upkeep |")
    print("| --- " + "| ---: " * 5 + "|")
    for case, counted in found:
        print(row(case, counted))


def row(case: Case, counted: Counted) -> str:
    """A line of the table."""
    figures = (counted.turns, counted.warm, counted.chats, counted.asides, counted.upkeep)
    return f"| {case.name} | {' | '.join(f'{figure:,}' for figure in figures)} |"


def judge(found: Sequence[tuple[Case, Counted]]) -> bool:
    """Print PASS or FAIL for each bar."""
    chats = {(case.door, case.engine, case.asides): counted.chats for case, counted in found}
    holds = True
    for engine in dict.fromkeys(case.engine for case, _ in found):
        quiet, busy = chats["turnkeep", engine, False], chats["turnkeep", engine, True]
        # A unified KV cache loses conversations by itself: there turnkeep must only be no worse.
        most = chats["directly", engine, True] if "unified" in engine else quiet
        for what, figure, bar in (
            (f"side requests evict nobody, {engine}", busy, MOST_BEYOND_QUIET * most),
            (f"upkeep evicts nobody, {engine}", quiet, MOST_BEYOND_QUIET * chats["directly", engine, False]),
        ):
            holds &= figure <= bar
            print(f"{'PASS' if figure <= bar else 'FAIL'}  {what}: {figure:,} (at most {bar:,.0f})")
    return holds


def main() -> int:
    """Run all cases; exit status 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--turns", type=int, default=TURNS, help="of each")
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--shape", default="tiny", help="of the model, as make_gguf.py names them")
    args = parser.parse_args()
    bench = Bench(args.shared, 64)  # lines, that are said again and again
    cases = [
        Case(door=door, engine=engine, asides=asides)
        for engine in args.engines
        for door in ("directly", "turnkeep")
        for asides in (False, True)
    ]
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = bench.make_model(args.shape, folder / "model.gguf")
        for case in cases:
            found.append((case, run(bench, model, folder, case, args.conversations, args.turns)))
            print(row(*found[-1]), file=sys.stderr)
    print_table(found)
    return 0 if judge(found) else 1


if __name__ == "__main__":
    sys.exit(main())
