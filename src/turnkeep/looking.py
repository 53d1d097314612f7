"""The verbs of a chat that only look: at what was said, what the model reads, and why.

What they show is loaded by record.py and lookup.py. Nothing here changes anything.
"""

import time
from abc import ABC, abstractmethod

from .context.facts import Fact
from .context.picture import Picture
from .context.receipt import Receipt
from .context.view import Line
from .engine.base import EngineInfo, WireMessage
from .equipment import Equipment
from .lookup import How, When, look_up, make_limits
from .notes import load_told
from .prompt import Desk
from .record import (
    Exchange,
    SummaryVersion,
    load_history,
    load_picture,
    load_summaries,
    load_turn_receipt,
    rebuild_prompt,
)
from .store.base import Conversation, Hit


class Looking(ABC):
    """A chat as far as one can look into it."""

    _equipment: Equipment
    _owner: str

    @abstractmethod
    async def _open_desk(self) -> tuple[Desk, bool]:
        """Open the conversation; the second is whether it was there before."""

    async def history(self, last: int | None = None) -> list[Exchange]:
        """List the turns that lead to the tip, and failed ones, oldest first; only the `last` ones when given."""
        desk, _ = await self._open_desk()
        return await load_history(desk, last)

    async def why(self, turn: int | None = None) -> Receipt:
        """Show the receipt of a turn, the last one by default.

        Raises:
            NothingToDo: there is no turn, or it has no receipt.
        """
        desk, _ = await self._open_desk()
        return (await load_turn_receipt(desk, turn))[1]

    async def prompt(self, turn: int | None = None) -> list[WireMessage]:
        """Show the messages that a turn sent to the engine, rebuilt from the record; the last turn by default.

        Raises:
            NothingToDo: there is no turn, or it has no receipt.
        """
        desk, _ = await self._open_desk()
        return await rebuild_prompt(desk, turn)

    async def picture(self) -> Picture:
        """Draw how the window is filled, and what became of every item."""
        desk, _ = await self._open_desk()
        return await load_picture(desk)

    async def summary(self) -> list[str]:
        """List the lines of the summary that the model reads, with what was corrected since."""
        return [line.text for line in await self.summary_lines()]

    async def summary_lines(self) -> tuple[Line, ...]:
        """List the same lines, each with the turns that it rests on, and whether it is locked."""
        desk, _ = await self._open_desk()
        return (await load_told(desk)).lines

    async def facts(self) -> list[Fact]:
        """List what is kept word for word: what the user said in folded turns, and what is to be remembered.

        Oldest first, with what was corrected since the last compaction; replaced ones are marked.
        """
        desk, _ = await self._open_desk()
        return [*(await load_told(desk)).facts]

    async def summaries(self, last: int | None = None) -> list[SummaryVersion]:
        """List the versions of the summary on this branch, oldest first; only the `last` ones when given."""
        desk, _ = await self._open_desk()
        return await load_summaries(desk, last)

    async def search(
        self,
        text: str = "",
        *,
        everywhere: bool = False,
        by: How = "best",
        since: When = None,
        until: When = None,
        speaker: str | None = None,
        limit: int = 20,
    ) -> list[Hit]:
        """Find what was said.

        Args:
            text: what to look for; "" lists what was said within the limits below, newest first.
            everywhere: look into all conversations of the owner.
            by: "words", "meaning", or "best" for both, the best first; "text" for these very characters,
                newest first.
            since: the first day, as "2023-05-01" or a date; or a time.
            until: the last day, likewise.
            speaker: "user" or "assistant".
            limit: hits at most.
        """
        desk, _ = await self._open_desk()
        return await look_up(
            self._equipment.open_searcher(),
            self._owner,
            text,
            within=None if everywhere else await desk.load(),
            by=by,
            limits=make_limits(since, until, speaker),
            limit=limit,
            now=time.time(),
        )

    async def conversation(self) -> Conversation:
        """Load the conversation's row."""
        desk, _ = await self._open_desk()
        return await desk.load()

    async def engine_info(self) -> EngineInfo:
        """Say what the engine is and has loaded."""
        desk, _ = await self._open_desk()
        return await desk.engine.probe()

    async def list(self, limit: int = 100) -> list[Conversation]:
        """List the owner's conversations, the last used first."""
        return await self._equipment.open_store().list_conversations(self._owner, limit=limit)
