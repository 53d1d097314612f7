"""A person who is nobody talks in the tests; no value of theirs may stand in any log line, at debug level."""

import contextlib
import logging
from collections.abc import Iterator

from tests.privacy.person import VALUES


class CanaryWatch(logging.Handler):
    """Keeps the log lines that hold a value, with their tracebacks, wherever they were logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._format = logging.Formatter("%(name)s %(levelname)s %(message)s")
        self._held: list[str] = []
        self.heard = 0  # lines

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a line as it would be written."""
        self.heard += 1
        traceback, record.exc_text = record.exc_text, None  # other formatters write it in their own way
        line = self._format.format(record)
        record.exc_text = traceback
        if any(value in line for value in VALUES):
            self._held.append(line)

    def take(self) -> list[str]:
        """Return what was kept since the last time."""
        held, self._held = self._held, []
        return held

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to the root logger and turnkeep's own, which let everything through meanwhile."""
        loggers = [logging.getLogger(), logging.getLogger("turnkeep")]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        loggers[0].addHandler(self)
        try:
            yield
        finally:
            loggers[0].removeHandler(self)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
