"""Texts of conversations that stand outside of an encrypted store, such as in the audit journal, sealed by its keys."""

from collections.abc import Sequence
from typing import Protocol


class TextSealer(Protocol):
    """A store that seals and opens texts that are kept elsewhere, by the keys of their conversations."""

    @property
    def seals_texts(self) -> bool:
        """Whether it is encrypted, so that texts are to be sealed before they are kept elsewhere."""
        ...

    async def seal_texts(self, owner: str, conversation: str, texts: Sequence[str]) -> list[bytes]:
        """Seal texts by their conversation's key; where that is "", by the store's own.

        Raises:
            ConversationNotFound: it is gone, and its key with it.
        """
        ...

    async def open_texts(self, sealed: Sequence[tuple[str, str, bytes]]) -> list[str | None]:
        """Open texts, each named by owner, conversation and what was sealed.

        Returns:
            Them in their order; None where the conversation's key is gone, or something else stands there.
        """
        ...
