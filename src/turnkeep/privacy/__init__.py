"""Personal data: found, replaced by marks, and put back. Pure: values in, decision out.

`find` says where it is; `mask` replaces it by marks such as `[EMAIL_1]`, and `unmask` and
`Unmasker` put it back. Light libraries judge what patterns find: the extra `privacy`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .finder import find
    from .judges import INSTALL, is_installed
    from .kinds import KINDS, Found, Pattern, parse_patterns
    from .marks import Mark, Marks, Unmasker, unmask
    from .masker import Masked, find_shown, mask
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
# What finds takes 50 ms to import, most of it for regular expressions, and every program knows the marks.
_MODULES = {
    "finder": ("find",),
    "judges": ("INSTALL", "is_installed"),
    "kinds": ("KINDS", "Found", "Pattern", "parse_patterns"),
    "marks": ("Mark", "Marks", "Unmasker", "unmask"),
    "masker": ("Masked", "find_shown", "mask"),
    "showing": ("show_partly",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
