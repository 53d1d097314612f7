"""Every test's own messages are canaries: none may stand in any log line of turnkeep's, at debug level.

Beside them a person who is nobody talks in some tests; no value of theirs may stand in anybody's log line.
"""

import contextlib
import logging
from collections.abc import Iterator

from tests.privacy.person import VALUES
from turnkeep.conversation.items import Item, Message

OURS = ("turnkeep", "asyncio", "aiohttp")  # clients in the tests log on their own account what they send
LEAST_CHARACTERS = 16  # of a message that is looked for: shorter ones may stand anywhere
LOOKED_FOR = 40  # characters of its beginning


class Sayings:
    """What the messages say that a test has stored in this process."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def note(self, item: Item) -> None:
        """Note the beginning of a message that is about to be stored."""
        if isinstance(item, Message) and len(text := item.text.strip()) >= LEAST_CHARACTERS:
            self._said.add(text[:LOOKED_FOR])

    def take(self) -> set[str]:
        """Return what was noted since the last time."""
        said, self._said = self._said, set()
        return said


class CanaryWatch(logging.Handler):
    """Keeps the log lines that hold a value, with their tracebacks, wherever they were logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._format = logging.Formatter("%(name)s %(levelname)s %(message)s")
        self._held: list[str] = []
        self._ours: list[str] = []
        self.sayings = Sayings()
        self.heard = 0  # lines

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a line as it would be written."""
        self.heard += 1
        traceback, record.exc_text = record.exc_text, None  # other formatters write it in their own way
        line = self._format.format(record)
        record.exc_text = traceback
        if any(value in line for value in VALUES):
            self._held.append(line)
        if record.name.partition(".")[0] in OURS:
            self._ours.append(line)

    def take(self) -> list[str]:
        """Return the lines since the last time that hold a value, or what a message says."""
        held, self._held = self._held, []
        ours, self._ours = "\n".join(self._ours), []
        return held + [said for said in self.sayings.take() if said in ours]

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
