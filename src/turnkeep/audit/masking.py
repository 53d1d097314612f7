"""The masking of personal data, where it is installed: looked for by name, so that nothing here depends on it."""

import importlib
from typing import cast

from ..errors import MissingExtra
from ..store.base import Store
from .base import Masking


def find_masking(store: Store) -> Masking | None:
    """What masks texts for a journal; None: the extra is not installed."""
    try:
        make = getattr(importlib.import_module("turnkeep.privacy"), "make_masking", None)
        return None if make is None else cast("Masking", make(store))
    except (ModuleNotFoundError, MissingExtra):
        return None
