"""Personal data: found, replaced by marks, and put back. Pure: values in, decision out."""

from .finder import find
from .judges import INSTALL, is_installed
from .kinds import KINDS, Found, Pattern, parse_patterns

__all__ = ["INSTALL", "KINDS", "Found", "Pattern", "find", "is_installed", "parse_patterns"]
