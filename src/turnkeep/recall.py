"""Recall for a turn: what of the turns that left the log is quoted before the new message.

The road from a message to the lines that are stored with its turn. What is looked for, whether
what was found matters, and how it is quoted is decided in context/recall.py; the finding is
search.py's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from .context.budget import Budget
from .context.recall import (
    Query,
    Quotation,
    asks,
    choose_lines,
    drop_weakest,
    lean_on,
    longest_quote,
    make_query,
    make_recalled,
    quote_message,
    quoted_lines,
    room_tokens,
    says_something,
    tells_nothing_new,
)
from .context.view import Entry, render_recalled
from .context.words import split_terms
from .conversation.items import Forgotten, Item, Message, Recalled
from .conversation.log import Position
from .engine.base import EngineInfo
from .errors import ConversationNotFound
from .meter import Meter
from .search import Findings, Searcher
from .store.base import Store
from .store.reading import Record

CANDIDATE_LINES = 16  # 512 tokens hold some twelve lines
NO_ROOM = "Nothing is quoted: lines recalled for earlier turns take the room there is for them."
ELSEWHERE = 0  # stands for the turn of a line from another conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What is recalled for a turn.

    item: the quoted lines, to be stored with the turn; None when nothing is worth it.
    tokens: of these lines.
    by: what found them: "words", "words and meaning"; "" when nothing was looked for.
    why: a sentence, where the meaning should have helped and could not.
    sources: conversation and turn of each line.
    """

    item: Recalled | None = None
    tokens: int = 0
    by: str = ""
    why: str | None = None
    sources: tuple[tuple[str, int], ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        """The item, if there is one."""
        return () if self.item is None else (self.item,)

    @property
    def turns(self) -> tuple[int, ...]:
        """The turns quoted, each once."""
        return () if self.item is None else tuple(dict.fromkeys(self.item.turns))


NOTHING = Recollection()


class Recaller:
    """Recalls for one conversation.

    Args:
        searcher: finds earlier messages.
        meter: counts lines.
        owner: whose conversation.
        conversation: which.
        everywhere: look into the owner's other conversations too.
    """

    def __init__(
        self, searcher: Searcher, meter: Meter, owner: str, conversation: str, *, everywhere: bool = False
    ) -> None:
        self.searcher, self._meter = searcher, meter
        self._owner, self._conversation = owner, conversation
        self.everywhere = everywhere

    async def recall(
        self,
        info: EngineInfo,
        new: Sequence[Item],
        *,
        tip: Position,
        upto: int,
        log: Sequence[Entry],
        base_tokens: int,
        budget: Budget,
        free: int,
        now: float,
    ) -> Recollection:
        """Find what to quote before a message.

        Args:
            info: the engine, for counting.
            new: what is said.
            tip: the item that it follows.
            upto: the last item that is not in the log.
            log: what the model reads word for word, lines recalled before included.
            base_tokens: what stands before the log.
            budget: how the window is shared out.
            free: tokens that the prompt has left.
            now: seconds since the epoch.
        """
        text = "\n".join(item.text for item in new if isinstance(item, Message) and item.role == "user")
        if not text.strip() or (upto <= 0 and not self.everywhere):
            return NOTHING
        room = min(free, room_tokens(**share_log(log, base_tokens, budget)))
        if room <= 0:
            return Recollection(why=NO_ROOM)
        said = [entry.item.text for entry in log if isinstance(entry.item, Message)]
        query, found = await self._search(text, said, tip, upto, now)
        lines = [
            line
            for each in found
            if each.weight >= 1
            for line in self._quote(info, each, query, text, said, room)
        ]
        known = quoted_lines(entry.item for entry in log)
        chosen, tokens = await self._fit(info, choose_lines(lines, room=room, known=known), room)
        return Recollection(
            item=make_recalled(chosen) if chosen else None,
            tokens=tokens,
            by=found[0].by,
            why=NO_ROOM if lines and not chosen else found[0].why,
            sources=tuple((each.conversation, each.source) for each in chosen),
        )

    async def _search(
        self, text: str, said: Sequence[str], tip: Position, upto: int, now: float
    ) -> tuple[Query, list[Findings]]:
        """Search for what the message says; where that finds nothing, for what it may lean on as well."""
        query = make_query(text, now=now)
        found = await self._find(query, tip, upto)
        if all(each.weight < 1 for each in found) and (leaning := lean_on(query, text, said)) is not None:
            return leaning, await self._find(leaning, tip, upto)
        return query, found

    async def _find(self, query: Query, tip: Position, upto: int) -> list[Findings]:
        """Search this conversation, and the others where that is wanted."""
        searches = [
            self.searcher.find(
                self._owner, self._conversation, query, tip=tip, upto=upto, most=CANDIDATE_LINES
            )
        ]
        if self.everywhere:
            searches.append(
                self.searcher.find_elsewhere(
                    self._owner, query, apart=self._conversation, most=CANDIDATE_LINES
                )
            )
        return await asyncio.gather(*searches)

    def _quote(
        self,
        info: EngineInfo,
        findings: Findings,
        query: Query,
        text: str,
        said: Sequence[str],
        room: int,
    ) -> list[Quotation]:
        """Write what was found as lines, but for those that say nothing, or nothing new.

        Scores become shares of the best one's evidence, so that those of several searches compare.
        """
        terms = frozenset(() if asks(text) else split_terms(text))
        visible = "\n".join([*said, text])
        lines: list[Quotation] = []
        best = max((match.score for match in findings.matches), default=1.0)
        for match in findings.matches:
            message, stored = match.item.item, match.item
            assert isinstance(message, Message)
            if not says_something(message.text) or tells_nothing_new(message.text, terms, visible):
                continue
            line = quote_message(message, said=stored.created, keys=query.weights, most=longest_quote(room))
            lines.append(
                Quotation(
                    said=stored.created,
                    place=stored.at.seq,
                    turn=stored.turn if match.conversation == self._conversation else ELSEWHERE,
                    line=line,
                    tokens=self._meter.estimate(info, f"- {line}\n"),
                    score=findings.weight * match.score / best,
                    conversation=match.conversation,
                    source=stored.turn,
                )
            )
        return lines

    async def _fit(self, info: EngineInfo, chosen: list[Quotation], room: int) -> tuple[list[Quotation], int]:
        """Count the lines as they will stand in the prompt; leave out the weakest while they take too much."""
        while chosen:
            tokens = await self._meter.text_size(info, render_recalled(make_recalled(chosen)))
            if tokens <= room:
                return chosen, tokens
            chosen = drop_weakest(chosen)
        return [], 0


async def without_forgotten(
    store: Store, owner: str, recalled: Recollection
) -> tuple[tuple[Item, ...], tuple[int, ...]]:
    """What of a recollection may be stored: turns may have been forgotten since they were looked up.

    Returns:
        The item, if anything is left of it, and the turns of the lines that are gone, as `Recalled` names them.
    """
    if recalled.item is None:
        return (), ()
    there: set[tuple[str, int]] = set()
    for conversation in dict.fromkeys(source[0] for source in recalled.sources):
        quoted = sorted({number for source, number in recalled.sources if source == conversation})
        left = await _still_there(store, owner, conversation, quoted)
        there |= {(conversation, number) for number in left}
    kept = [source in there for source in recalled.sources]
    lines, turns = recalled.item.lines, recalled.item.turns
    gone = tuple(dict.fromkeys(turn for turn, there in zip(turns, kept, strict=True) if not there))
    item = Recalled(tuple(compress(lines, kept)), tuple(compress(turns, kept)))
    return (item,) if item.lines else (), gone


async def _still_there(store: Store, owner: str, conversation: str, turns: Sequence[int]) -> list[int]:
    """Those of the turns that are there, and not forgotten."""
    try:
        return await store.read(
            owner, conversation, lambda record: [turn for turn in turns if _is_there(record, turn)]
        )
    except ConversationNotFound:
        return []


def _is_there(record: Record, turn: int) -> bool:
    return not any(isinstance(stored.item, Forgotten) for stored in record.turn_items(turn))


def share_log(log: Sequence[Entry], base_tokens: int, budget: Budget) -> dict[str, int]:
    """The figures that room_tokens and is_crowded decide by."""
    return {
        "turn_tokens": budget.recall,
        "log_tokens": budget.high - base_tokens,
        "copies_tokens": sum(entry.tokens for entry in log if isinstance(entry.item, Recalled)),
    }
