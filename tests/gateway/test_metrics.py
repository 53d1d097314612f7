"""What Prometheus reads."""

import asyncio
import re

from tests.gateway.asgi import Site
from turnkeep.gateway.engines import describe_pool
from turnkeep.gateway.metrics import FIRST_SECONDS, GAUGES, Histogram, Metrics
from turnkeep.gateway.turns import describe_turns

LINE = re.compile(r"(# (HELP|TYPE) \w+ .+|\w+(\{(outcome|status|le)=\"[^\"]+\"\})? -?[0-9.e+]+)")


def values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_histogram_counts_what_is_at_most_as_large_as_each_bound() -> None:
    found = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        found.add(value)
    assert list(found.lines("x")) == [
        'x_bucket{le="1.0"} 2',
        'x_bucket{le="2.0"} 3',
        'x_bucket{le="+Inf"} 4',
        "x_sum 12.000000",
        "x_count 4",
    ]


def test_turns_tokens_and_answers_are_counted() -> None:
    metrics = Metrics()
    metrics.count_turn("done", read_tokens=10, reused_tokens=90, reply_tokens=5, seconds_to_first=0.2)
    metrics.count_turn("done")
    metrics.count_turn("refused")
    metrics.count_answer(200)
    metrics.count_upkeep()
    found = values(metrics.render({"waiting": 3}))
    assert found['turnkeep_turns_total{outcome="done"}'] == 2
    assert found['turnkeep_turns_total{outcome="failed"}'] == 0
    assert found['turnkeep_turns_total{outcome="refused"}'] == 1
    assert [found[f"turnkeep_{kind}_tokens_total"] for kind in ("read", "reused", "reply")] == [10, 90, 5]
    assert found["turnkeep_first_token_seconds_count"] == 1
    assert found['turnkeep_first_token_seconds_bucket{le="0.25"}'] == 1
    assert found['turnkeep_responses_total{status="200"}'] == 1
    assert found["turnkeep_upkeep_steps_total"] == 1
    assert found["turnkeep_waiting"] == 3
    assert found["process_cpu_seconds_total"] > 0


def test_every_line_is_one_that_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.count_turn("done", seconds_to_first=1000.0)
    metrics.count_answer(404)
    text = metrics.render(dict.fromkeys(GAUGES, 1.0))
    assert text.endswith("\n")
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []


def test_every_number_of_now_is_explained() -> None:
    async def run() -> None:
        async with Site(routes=(), sockets=()) as here:
            gateway = here.gateway
            assert {*describe_pool(gateway.pool), *describe_turns(gateway.turns)} == set(GAUGES)

    asyncio.run(run())


def test_bounds_rise() -> None:
    assert list(FIRST_SECONDS) == sorted(set(FIRST_SECONDS))
