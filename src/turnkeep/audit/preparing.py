"""Make a turn's record: what is kept of its texts, masked, and sealed where the store is encrypted."""

import logging
from collections.abc import Mapping

from ..errors import ConversationNotFound
from ..store.outside import TextSealer
from .base import Entry, Level, Masking
from .entries import make_draft
from .journal import Draft
from .sealing import seal

_log = logging.getLogger("turnkeep.audit")


class Preparer:
    """Makes records of turns.

    Args:
        level: what is kept of the texts.
        masking: replaces personal data; None: it is not installed.
        sealer: seals what is kept; None: the store is not encrypted.
    """

    def __init__(self, level: Level, masking: Masking | None, sealer: TextSealer | None) -> None:
        self.level = level
        self._masking, self._sealer = masking, sealer

    def keeps(self, entry: Entry) -> Mapping[str, str]:
        """The texts of a turn of which something is kept; of a turn that is not stored, nothing is."""
        return entry.texts if entry.turn and self.level in ("masked", "full") else {}

    def prepare_now(self, entry: Entry) -> Draft | None:
        """The record, where nothing has to be masked or sealed for it; else None."""
        kept = self.keeps(entry)
        texts = _with_key(entry, kept)
        if (kept and self.level == "masked") or (texts and self._sealer is not None):
            return None
        return make_draft(entry, texts)

    async def prepare(self, entry: Entry) -> Draft:
        """The record; with sizes alone where its texts cannot be masked or sealed."""
        texts = await self._mask(entry) if self.level == "masked" else self.keeps(entry)
        return make_draft(entry, await self._seal(entry, _with_key(entry, texts)))

    async def sweep(self, owner: str, conversation: str) -> None:
        """Let go of marks: a turn may be masked, and its marks kept, after the database has forgotten it."""
        if self._masking is not None:
            await self._masking.sweep(owner, conversation)

    async def _mask(self, entry: Entry) -> Mapping[str, str]:
        if self._masking is None:
            return {}
        try:
            masked = await self._masking.mask(entry.owner, entry.conversation, list(entry.texts.values()))
            return dict(zip(entry.texts, masked, strict=True))
        except ConversationNotFound:
            return {}  # it was deleted meanwhile, and what was said there is not kept anywhere
        except Exception:
            _log.exception(_SIZES)
            return {}

    async def _seal(self, entry: Entry, texts: Mapping[str, str] | None) -> Mapping[str, str] | None:
        if self._sealer is None or not texts:
            return texts
        try:
            return await seal(self._sealer, entry.owner, entry.conversation, texts)
        except ConversationNotFound:
            return None  # as above
        except Exception:
            _log.exception(_SIZES)
            return None


_SIZES = "a turn is recorded in the audit journal by its sizes alone"


def _with_key(entry: Entry, texts: Mapping[str, str]) -> Mapping[str, str] | None:
    """The texts with the name of the key, which may be a person's, so that it goes where they go; None: there are none."""
    return ({"key_name": entry.key} if entry.key else {}) | dict(texts) or None
