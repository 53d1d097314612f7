"""What is counted, and how Prometheus reads it.

No ids, names or texts: an outcome and a status are the only labels, so that what is shown
grows with nobody's conversations.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# Seconds to the first token: from a prompt that the engine had in its cache to a long one read anew.
FIRST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
GAUGES = {
    "engines_alive": "Engines that answered when last asked.",
    "running": "Requests at the engines.",
    "waiting": "Requests that wait for an engine.",
    "turns": "Turns under way.",
    "owing": "Conversations that wait for upkeep.",
}


@dataclass(slots=True)
class Histogram:
    """How many values were at most as large as each bound."""

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> Iterator[str]:
        """Yield it as Prometheus reads it: each bound counts what is below it, too."""
        below = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            yield f'{name}_bucket{{le="{bound}"}} {below}'
        yield f"{name}_sum {self.total:.6f}"
        yield f"{name}_count {below}"


class Metrics:
    """Counters of one gateway since it started; used from its event loop only."""

    def __init__(self) -> None:
        self._turns: Counter[str] = Counter()
        self._answers: Counter[int] = Counter()
        self._tokens: Counter[str] = Counter()
        self._upkeep = 0
        self._first = Histogram(FIRST_SECONDS)

    def count_turn(
        self,
        outcome: str,
        *,
        read_tokens: int | None = None,
        reused_tokens: int | None = None,
        reply_tokens: int | None = None,
        seconds_to_first: float | None = None,
    ) -> None:
        """Count a turn that has ended.

        Args:
            outcome: "done", "cut_off", "failed", "refused": a word of ours, never a text.
            read_tokens: of the prompt, that the engine read; None where it did not say. The others likewise.
            reused_tokens: of the prompt, that it had in its cache.
            reply_tokens: that it made.
            seconds_to_first: until the first piece of the reply.
        """
        self._turns[outcome] += 1
        self._tokens["read"] += read_tokens or 0
        self._tokens["reused"] += reused_tokens or 0
        self._tokens["reply"] += reply_tokens or 0
        if seconds_to_first is not None:
            self._first.add(seconds_to_first)

    def count_answer(self, status: int) -> None:
        """Count a response to a client."""
        self._answers[status] += 1

    def count_upkeep(self, steps: int = 1) -> None:
        """Count steps of upkeep: summaries, vectors, warming."""
        self._upkeep += steps

    def render(self, gauges: Mapping[str, float]) -> str:
        """All of it, in Prometheus's text format.

        Args:
            gauges: numbers as they are now, by the names of `GAUGES`.
        """
        return "\n".join((*self._lines(), *_gauge_lines(gauges), ""))

    def _lines(self) -> Iterator[str]:
        yield from _head("turnkeep_turns_total", "counter", "Turns that have ended, by how.")
        for outcome in sorted({"done", "cut_off", "failed", *self._turns}):
            yield f'turnkeep_turns_total{{outcome="{outcome}"}} {self._turns[outcome]}'
        for kind, what in (
            ("read", "Tokens of prompts that engines read."),
            ("reused", "Tokens of prompts that engines had in their cache."),
            ("reply", "Tokens that engines made."),
        ):
            name = f"turnkeep_{kind}_tokens_total"
            yield from _head(name, "counter", what)
            yield f"{name} {self._tokens[kind]}"
        yield from _head("turnkeep_first_token_seconds", "histogram", "Seconds to the first token.")
        yield from self._first.lines("turnkeep_first_token_seconds")
        yield from _head("turnkeep_upkeep_steps_total", "counter", "Steps of upkeep between turns.")
        yield f"turnkeep_upkeep_steps_total {self._upkeep}"
        yield from _head("turnkeep_responses_total", "counter", "Responses to clients, by HTTP status.")
        for status, count in sorted(self._answers.items()):
            yield f'turnkeep_responses_total{{status="{status}"}} {count}'
        yield from _head("process_cpu_seconds_total", "counter", "Processor time of the gateway.")
        yield f"process_cpu_seconds_total {time.process_time():.2f}"


def _gauge_lines(gauges: Mapping[str, float]) -> Iterator[str]:
    for name, value in gauges.items():
        yield from _head(f"turnkeep_{name}", "gauge", GAUGES[name])
        yield f"turnkeep_{name} {value:g}"


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
