"""What turnkeep logs while it talks: nothing may be written into a prompt or among replies.

Upkeep that fails is tried again, so its warnings are for the person who can see them, between
two messages; programs that read replies do without.
"""

import contextlib
import logging
from collections.abc import Iterator

from .screen import one_line

LONGEST = 300  # cells of one warning


class Overheard(logging.Handler):
    """Keeps warnings until they are asked for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning, once."""
        sentence = one_line(record.getMessage(), LONGEST)
        if sentence not in self._sentences:
            self._sentences.append(sentence)

    def take(self) -> list[str]:
        """Return what was kept since the last time."""
        sentences, self._sentences = self._sentences, []
        return sentences


@contextlib.contextmanager
def overhear() -> Iterator[Overheard]:
    """Keep the warnings of turnkeep's loggers from standard error while the block runs."""
    logger, handler = logging.getLogger("turnkeep"), Overheard()
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
