"""`turnkeep eval`: try each strategy on the engine that the settings name, and print how it did."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..engine.connect import connect
from ..evaluation import STRATEGIES, Score, evaluate, render_picture, render_table
from ..settings import Settings


def run_evaluation(
    settings: Settings, turns: int, seed: int, strategies: Sequence[str], picture: Path | None
) -> int:
    """Print the table, and draw it where `picture` says; exit status 1 when a try failed.

    Args:
        settings: name the engine.
        turns: messages before the questions.
        seed: draws the facts.
        strategies: what to compare; all of them when empty.
        picture: a file to draw into.
    """
    engine = connect(settings.engine, **settings.engine_options)

    async def work() -> list[Score]:
        try:
            tries = evaluate(
                engine, strategies or STRATEGIES, turns=turns, seed=seed, progress=_show_progress
            )
            return [score async for score in tries]
        finally:
            await engine.close()

    scores = asyncio.run(work())
    click.echo(render_table(scores))
    if picture is not None:
        picture.write_text(render_picture(scores), "utf-8")
    return 1 if any(score.failures for score in scores) else 0


def _show_progress(name: str, turn: int, turns: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{name}: turn {turn + 1} of {turns}  ", nl=turn + 1 == turns, err=True)
