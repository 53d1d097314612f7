"""Texts with marks in place of personal data, for `turnkeep export --masked`.

The marks are the conversation's own, which its prompts and its audit share. A conversation is gone
through before it is written: a value is then hidden wherever it stands, also before the first place
where something tells what it is, and has one mark in every format and every time.
"""

import hashlib
from typing import TYPE_CHECKING

from ..audit.masking import save_masked
from ..exporting import Change
from ..privacy.judges import load_judges
from ..privacy.marks import Marks
from .scanning import said_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..privacy.kinds import Found, Rule
    from ..privacy.masker import Masked
    from ..store.base import Conversation
    from ..store.sqlite import SqliteStore

TOGETHER = 1_000_000  # characters that are masked before their marks are saved
REMEMBERED = 200_000  # texts of which it is remembered what was found in them: some 40 MB


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
        masker = _Masker(self._patterns)
        await self._mark(row, masker)
        marks = Marks((await self._store.load_marks(row.owner, row.id)).marks)

        def change(text: str) -> str:
            nonlocal marks
            masked = masker.mask(text, marks)
            marks = masked.marks
            return masked.text

        return change

    async def _mark(self, row: "Conversation", masker: "_Masker") -> None:
        """Give marks to all that was said, many texts at a time: loading them anew costs milliseconds."""
        texts, size = list[str](), 0
        async for _, items in self._store.export_items(row.owner, row.id):
            for text in (text for stored in items for text in said_texts(stored.item)):
                texts.append(text)
                size += len(text)
            if size >= TOGETHER:
                await save_masked(self._store, row.owner, row.id, texts, masker.mask)
                texts, size = [], 0
        await save_masked(self._store, row.owner, row.id, texts, masker.mask)


class _Masker:
    """Masks texts, and searches each of them once, though it comes twice: to be given marks, and to go out.

    Finding takes three quarters of the time. What was found is kept, and of the text its digest alone.
    """

    def __init__(self, patterns: "Sequence[Rule]") -> None:
        self._patterns = patterns
        self._found: dict[bytes, tuple[Found, ...]] = {}

    def mask(self, text: str, marks: Marks) -> "Masked":
        from ..privacy.masker import mask_found

        return mask_found(text, self._find(text), marks, self._patterns)

    def _find(self, text: str) -> "tuple[Found, ...]":
        from ..privacy.finder import find

        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        found = self._found.get(digest)
        if found is None:
            found = tuple(find(text, self._patterns))
            if len(self._found) < REMEMBERED:
                self._found[digest] = found
        return found
