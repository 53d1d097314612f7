"""Texts with marks in place of personal data, for `turnkeep export --masked`.

The marks are the conversation's own, which its prompts and its audit share. A conversation is gone
through before it is written: a value is then hidden wherever it stands, also before the first place
where something tells what it is, and has one mark in every format and every time.
"""

from typing import TYPE_CHECKING

from ..audit.masking import save_masked
from ..exporting import Change
from ..privacy.judges import load_judges
from ..privacy.marks import Marks
from .scanning import said_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..privacy.kinds import Rule
    from ..store.base import Conversation
    from ..store.sqlite import SqliteStore

TOGETHER = 1_000_000  # characters that are masked before their marks are saved


class Hiding:
    """Makes what changes the texts of a conversation.

    Args:
        store: where conversations and their marks are.
        patterns: the user's own.

    Raises:
        MissingExtra: what finds personal data is not installed.
    """

    def __init__(self, store: "SqliteStore", patterns: "Sequence[Rule]" = ()) -> None:
        load_judges()
        self._store, self._patterns = store, patterns

    async def change_for(self, row: "Conversation") -> Change:
        """What replaces personal data in the texts of a conversation.

        What was said has its marks kept in the store. What stands elsewhere alone (in its name, in
        instructions), and what a model made up by itself, which prompts leave open, is numbered
        for this export: were it kept, prompts would change.
        """
        from ..privacy.masker import mask

        await self._mark(row)
        marks = Marks((await self._store.load_marks(row.owner, row.id)).marks)

        def change(text: str) -> str:
            nonlocal marks
            masked = mask(text, marks, self._patterns)
            marks = masked.marks
            return masked.text

        return change

    async def _mark(self, row: "Conversation") -> None:
        """Give marks to all that was said, many texts at a time: loading them anew costs milliseconds."""
        texts, size = list[str](), 0
        async for _, items in self._store.export_items(row.owner, row.id):
            for text in (text for stored in items for text in said_texts(stored.item)):
                texts.append(text)
                size += len(text)
            if size >= TOGETHER:
                await save_masked(self._store, row.owner, row.id, texts, self._patterns)
                texts, size = [], 0
        await save_masked(self._store, row.owner, row.id, texts, self._patterns)
