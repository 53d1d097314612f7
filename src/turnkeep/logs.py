"""What a log says of people: marks in place of personal data.

Nothing that people said is logged on purpose; errors of libraries and engines may quote it all the same.
"""

import logging

from .privacy import is_installed, mask


class MaskingFormatter(logging.Formatter):
    """Formats a record, its traceback too, with marks in place of personal data; each record has its own.

    Where what finds personal data is not installed, records are written as they are.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        text = super().format(record)
        return mask(text).text if is_installed() else text
