"""Does the memory work?  python bench/memory.py [--window N] [--turns N] [--engine URL] [--picture FILE.svg]

Plants ten facts in a conversation several windows long, asks for them at its end, for each
strategy and for the naive way, on the embedded engine with the built-in model unless another
is named. Prints one table; `--seeds` repeats it with other values and adds the figures up.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from turnkeep.engine.connect import connect
from turnkeep.evaluation import STRATEGIES, Score, evaluate, render_picture, render_table

# The bars, at a window of 2,048 and 120 turns: facts that stand in the prompt when they are asked for.
LEAST_IN_PROMPT, MOST_BY_WINDOW = 97, 20


async def run(options: argparse.Namespace) -> list[Score]:
    engine = connect(options.engine, window=options.window)
    totals = {name: Score(name=name) for name in options.strategies}
    try:
        for seed in range(1, options.seeds + 1):
            async for score in evaluate(engine, options.strategies, turns=options.turns, seed=seed):
                total = totals[score.name]
                for figure in (
                    "asked",
                    "in_prompt",
                    "answered",
                    "read_tokens",
                    "seconds",
                    "refused",
                    "failures",
                ):
                    setattr(total, figure, getattr(total, figure) + getattr(score, figure))
                print(f"seed {seed}: {score.name} done", file=sys.stderr)
    finally:
        await engine.close()
    return list(totals.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--engine")
    parser.add_argument("--window", type=int, default=2_048)
    parser.add_argument("--turns", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    scores = asyncio.run(run(options))
    print(render_table(scores))
    shares = {score.name: score.in_prompt / max(1, score.asked) for score in scores}
    bars = [
        (
            f"{name}: facts in the prompt",
            100 * shares[name],
            bar,
            shares[name] >= bar / 100 if atleast else shares[name] <= bar / 100,
        )
        for name, bar, atleast in ((STRATEGIES[-1], LEAST_IN_PROMPT, True), ("window", MOST_BY_WINDOW, False))
        if name in shares
    ]
    for name, figure, bar, holds in bars:
        print(f"{'PASS' if holds else 'FAIL'}  {name}: {figure:.0f} % (bar {bar} %)")
    if options.picture is not None:
        options.picture.write_text(render_picture(scores), "utf-8")
    return 0 if all(holds for *_, holds in bars) and not any(score.failures for score in scores) else 1


if __name__ == "__main__":
    sys.exit(main())
