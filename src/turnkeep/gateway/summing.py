"""A conversation in a few lines, now: what a client asks for that compacts by itself.

What upkeep has folded is taken as it stands; the turns that are still read word for word are
summarised as upkeep would, in pieces, and checked the same way. A turn of which no line holds is
quoted, shortened: nothing is lost without a word, and nothing false is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..context.view import Entry, View
from ..conversation.items import Message, Usage
from ..conversation.log import Position
from ..engine.base import EngineInfo
from ..prompt import Desk
from ..summarising import Summariser

QUOTED_CHARACTERS = 240  # of a message that is quoted since no line of a summary holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A conversation in lines.

    lines: oldest first.
    facts: what holds word for word.
    turns: the last turn that is not folded yet; 0 when there is none.
    usages: what the engine read and wrote for it, a request each.
    """

    lines: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    turns: int = 0
    usages: tuple[Usage, ...] = ()

    @property
    def told(self) -> list[str]:
        """All its lines, each once."""
        return list(dict.fromkeys([*self.lines, *self.facts]))


async def describe_summary(desk: Desk, tip: Position) -> Digest:
    """Write what was said up to an item in a few lines. Nothing is stored.

    Args:
        desk: the conversation.
        tip: its last item that counts.

    Raises:
        EngineError: the engine cannot be reached.
        ConversationNotFound: there is no such conversation.
    """
    row, info = await desk.load(), await desk.engine.probe()
    budget = await desk.share(info, desk.options)
    view = (await desk.views(row, tip))[-1]
    material = await desk.gather(info, "", view, tip)
    lines = [line.text for line in view.lines]
    summariser = Summariser(desk)
    for piece in _pieces(
        [entry for entry in material.entries if isinstance(entry.item, Message)], budget.low
    ):
        summary = await summariser.ask_apart(info, budget, view, piece)
        good = [line.text for line in summary.lines]
        lines += good or list(_quotes(piece))
    noted = await _keep_facts(desk, info, view, tip)
    return Digest(
        lines=tuple(dict.fromkeys(lines)),
        facts=tuple(fact.text for fact in noted.facts if fact.current),
        turns=max((entry.turn for entry in material.entries), default=0),
    )


async def _keep_facts(desk: Desk, info: EngineInfo, view: View, tip: Position) -> View:
    """Take the facts of the turns that no view has folded yet."""
    budget = await desk.share(info, desk.options)
    return await desk.keep_facts(info, replace(view, at=tip), budget, tip)


def _pieces(entries: Sequence[Entry], room: int) -> Iterator[list[Entry]]:
    """Cut a log into pieces that one request can hold, at turns where possible."""
    piece: list[Entry] = []
    for entry in entries:
        if (
            piece
            and sum(each.tokens for each in piece) + entry.tokens > room
            and entry.turn != piece[-1].turn
        ):
            yield piece
            piece = []
        piece.append(entry)
    if piece:
        yield piece


def _quotes(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry.item, Message) and entry.item.role in ("user", "assistant") and entry.item.text:
            text = " ".join(entry.item.text.split())
            shown = text if len(text) <= QUOTED_CHARACTERS else f"{text[:QUOTED_CHARACTERS]} ..."
            yield f"{'The user' if entry.item.role == 'user' else 'The assistant'} said: {shown}"
