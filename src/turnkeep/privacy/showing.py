"""Show a value without telling it: enough to recognise what is one's own."""

import re

from .kinds import EMAIL

_REST = re.compile(r"[^\W_]")
SHOWN_LAST = 2  # characters at the end that stay
FEWEST = 6  # of a value that shows them


def show_partly(kind: str, value: str) -> str:
    """Hide most of a value.

    Example: ("EMAIL", "anna@example.com") → "a***@e***.com"; ("PHONE", "030 123456") → "*** ****56".
    """
    if kind == EMAIL and "@" in value:
        user, _, domain = value.partition("@")
        return f"{user[:1]}***@{domain[:1]}***.{domain.rpartition('.')[2]}"
    if len(value) > 40:
        return f"{value[:4]}*** ({len(value)} characters)"
    kept = SHOWN_LAST if len(value) >= FEWEST else 0
    end = len(value) - kept
    return _REST.sub("*", value[:end]) + value[end:]
