"""What a store keeps of the marks that stand for personal data in what a model reads."""

from typing import Protocol

from ..privacy.marks import Marks


class MarkStore(Protocol):
    """Keeps the map of each conversation's marks, and lets it go with the conversation."""

    async def load_marks(self, owner: str, conversation: str) -> Marks:
        """Load them; none are there where nothing was ever masked."""
        ...

    async def save_marks(self, owner: str, conversation: str, before: Marks, marks: Marks) -> bool:
        """Keep what is new in `marks`; False, and nothing, where the kept ones are not `before`."""
        ...

    async def forget_unsaid_marks(self, owner: str, conversation: str) -> None:
        """Take values out of the map that stand in no item of the conversation any more."""
        ...
