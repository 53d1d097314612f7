"""Personal data: found, replaced by marks, and put back. Pure: values in, decision out.

`find` says where it is; `mask` replaces it by marks such as `[EMAIL_1]`, and `unmask` and
`Unmasker` put it back. Light libraries judge what patterns find: the extra `privacy`.
"""

from .finder import find
from .judges import INSTALL, is_installed
from .kinds import KINDS, Found, Pattern, parse_patterns
from .marks import Mark, Marks, Masked, Unmasker, find_shown, mask, unmask
from .showing import show_partly

__all__ = [
    "INSTALL",
    "KINDS",
    "Found",
    "Mark",
    "Marks",
    "Masked",
    "Pattern",
    "Unmasker",
    "find",
    "find_shown",
    "is_installed",
    "mask",
    "parse_patterns",
    "show_partly",
    "unmask",
]
