"""Strategies: what may stand in a prompt besides the new message. Plain data.

`window` keeps the last turns word for word, `summary` folds older ones into short
lines, `recall` quotes earlier ones when they matter, `facts` keeps what the user said that
must survive word for word. They can be used alone or together; what they do to a prompt is
decided in plan.py, compaction.py, recall.py and facts.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import UsageError

NAMES = ("window", "summary", "recall", "facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Which parts a prompt may have.

    turns: with `window:N`, at least N and at most 2N turns stay verbatim; None keeps what fits.
    """

    window: bool = True
    summary: bool = True
    recall: bool = True
    facts: bool = True
    turns: int | None = None

    def __str__(self) -> str:
        window = f"window:{self.turns}" if self.turns else "window"
        parts = (
            (window, self.window),
            ("summary", self.summary),
            ("recall", self.recall),
            ("facts", self.facts),
        )
        return ",".join(name for name, on in parts if on)


def parse_strategy(text: str | Iterable[str]) -> Strategy:
    """Read a strategy as people write it.

    Args:
        text: names joined by commas, or a sequence of names; `window` may carry a number of turns.

    Raises:
        UsageError: an unknown name, no name, or a number that is not a positive whole one.

    Example: "window:20,summary" → Strategy(window=True, summary=True, turns=20).
    """
    names = text.split(",") if isinstance(text, str) else list(text)
    found: dict[str, int | None] = {}
    for raw in names:
        name, colon, number = raw.strip().lower().partition(":")
        if name not in NAMES:
            raise UsageError(
                f"There is no strategy {raw.strip()!r}: use {' or '.join(NAMES)}, joined by a comma."
            )
        if colon and (name != "window" or not number.isdigit() or int(number) < 1):
            raise UsageError(
                f"The strategy {raw.strip()!r} is not clear: write window:N with N turns to keep, 1 or more."
            )
        found[name] = int(number) if number else None
    return Strategy(
        window="window" in found,
        summary="summary" in found,
        recall="recall" in found,
        facts="facts" in found,
        turns=found.get("window"),
    )
