"""What a log says of people: marks in place of personal data.

Nothing that people said is logged on purpose; errors of libraries and engines may quote it all the same.
"""

import logging
from collections.abc import Sequence

from .errors import UsageError
from .privacy import is_installed, mask
from .privacy.kinds import Rule


class MaskingFormatter(logging.Formatter):
    """Formats a record, its traceback too, with marks in place of personal data; each record has its own.

    Where what finds personal data is not installed, records are written as they are.

    Args:
        form: as `logging.Formatter` takes it.
        patterns: what is personal data besides what is found anyway, as in `privacy.find`. They are asked while
            the handler is locked: a model for names must not itself log there.
    """

    def __init__(self, form: str | None = None, patterns: Sequence[Rule] = ()) -> None:
        super().__init__(form)
        self._patterns = patterns

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; of one that cannot be masked, that it is left out."""
        text = super().format(record)
        if not is_installed():
            return text
        try:
            return mask(text, patterns=self._patterns).text
        except UsageError as error:  # raised, it would have the line itself printed by what catches it
            return super().format(_left_out(record, error))


def _left_out(record: logging.LogRecord, error: UsageError) -> logging.LogRecord:
    said = {"msg": f"A line of the log is left out. {error}", "args": None}
    details = {"exc_info": None, "exc_text": None, "stack_info": None}
    return logging.makeLogRecord({**record.__dict__, **said, **details})
