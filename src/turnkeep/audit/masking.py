"""Marks in place of personal data in the journal: those of the conversation, which its prompts share."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..errors import Conflict, ConversationNotFound
from ..privacy import is_installed, mask
from ..privacy.kinds import Rule
from ..privacy.marks import Marks
from ..store.base import Store
from ..store.marking import MarkStore
from .base import Masking

if TYPE_CHECKING:
    from ..privacy.masker import Masked  # what finds takes 50 ms to import

ATTEMPTS = 8  # to save new marks, where others save some at the same time


@dataclass(frozen=True, slots=True)
class ConversationMasking:
    """Masks texts with the marks of their conversation, which the store keeps and forgetting takes out.

    patterns: the user's own.
    """

    store: MarkStore
    patterns: Sequence[Rule] = ()

    async def mask(self, owner: str, conversation: str, texts: Sequence[str]) -> Sequence[str]:
        """Give the texts with marks in place of personal data.

        Raises:
            Conflict: others saved marks of this conversation again and again.
            ConversationNotFound: it is gone.
        """

        def mask_one(text: str, marks: Marks) -> "Masked":
            return mask(text, marks, self.patterns)

        return await save_masked(self.store, owner, conversation, texts, mask_one)

    async def sweep(self, owner: str, conversation: str) -> None:
        """Let go of the values that are said nowhere in the conversation any more."""
        with contextlib.suppress(ConversationNotFound):  # its marks went with it
            await self.store.forget_unsaid_marks(owner, conversation)


async def save_masked(
    store: MarkStore,
    owner: str,
    conversation: str,
    texts: Sequence[str],
    mask_one: Callable[[str, Marks], "Masked"],
) -> list[str]:
    """Mask what was said in a conversation; marks that are new are kept.

    Args:
        store: where its marks are.
        owner: of the conversation.
        conversation: its id.
        texts: what was said, in its order.
        mask_one: masks a text with the marks so far; it may be asked more than once for each.

    Raises:
        Conflict: others saved marks of this conversation again and again.
        ConversationNotFound: it is gone.
    """
    for _ in range(ATTEMPTS):
        before = marks = await store.load_marks(owner, conversation)
        masked = list[str]()
        for text in texts:
            done = mask_one(text, marks)
            marks = done.marks
            masked.append(done.text)
        if marks == before or await store.save_marks(owner, conversation, before, marks):
            return masked
    raise Conflict("The marks of this conversation are being changed by other programs: try again.")


def find_masking(store: Store, patterns: Sequence[Rule] = ()) -> Masking | None:
    """What masks texts for a journal; None: the extra that finds personal data is not installed."""
    return ConversationMasking(cast("MarkStore", store), patterns) if is_installed() else None
