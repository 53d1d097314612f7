"""The masking of personal data, where it is installed: looked for by name, so that nothing here depends on it."""

import importlib
from typing import cast

from ..errors import MissingExtra
from ..store.base import Store
from .base import Masking


def find_masking(store: Store) -> Masking | None:
    """What masks texts for a journal; None: the extra is not installed."""
    try:
        module = importlib.import_module("turnkeep.privacy")
        return cast("Masking", module.make_masking(store))
    except (ModuleNotFoundError, AttributeError, MissingExtra):
        return None
