"""Ask an engine for a summary, and take from its answer what the record bears out.

What is asked, read and believed is decided in context/ (instructions.py, answers.py,
placing.py); this is the edge between that and the engine. A summary that fails gives no
lines and holds nothing up.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from .context.budget import Budget
from .context.compaction import NO_SUMMARY, Compaction, Summary, read_summary
from .context.cutting import Material
from .context.evidence import Utterance
from .context.instructions import find_language, render_instruction
from .context.placing import say_entries
from .context.receipt import TurnRange
from .context.view import Entry, View
from .conversation.items import Item, Message, Role, Text, user
from .conversation.log import Position
from .engine.base import EngineInfo
from .errors import TurnkeepError
from .prompt import Desk
from .store.base import StoredItem
from .wire.assemble import Assembler

GIVE_UP_FAILURES = 2  # a model that failed twice in a row to summarise is not asked again for old spans
# What is placed on more than that is placed in a thread: a thousand characters take some 6 ms.
CHARACTERS_A_TOKEN = 2  # fewer than in nearly all texts: what is shortened by it fits
MOST_CHARACTERS_AT_ONCE = 3_000

T = TypeVar("T")
_log = logging.getLogger("turnkeep.upkeep")


class Summariser:
    """Asks for summaries of one conversation."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.failures = 0  # answers in a row that were of no use

    @property
    def gave_up(self) -> bool:
        """Whether the model is not asked again about turns that were folded without a summary."""
        return self.failures >= GIVE_UP_FAILURES

    def is_worth_retrying(self, view: View) -> bool:
        """Whether turns that were folded without a summary are to be asked about again."""
        return bool(view.unsummarised and self._desk.options.strategy.summary and not self.gave_up)

    async def ask_within(
        self, info: EngineInfo, budget: Budget, material: Material, cut: Compaction, *, seen: Position
    ) -> Summary:
        """Ask by appending the instruction to the current prompt, so that the engine reads only that.

        Args:
            info: the engine.
            budget: how its window is shared out.
            material: the current prompt.
            cut: what is folded.
            seen: the last item of the prompt.
        """
        self._desk.learned.language = cut.language
        instruction = render_instruction(cut.limit, cut.language)
        size = await self._desk.meter.text_size(info, instruction)
        items = [entry.item for entry in material.entries]
        if material.tokens + size + budget.summary > budget.window:
            # No room behind the whole prompt: ask from the folded turns alone.
            items = [entry.item for entry in material.entries if entry.at.seq <= cut.at.seq]
            items = [item for item in items if isinstance(item, Message)]  # copies were summarised once
            instruction, seen = render_instruction(language=cut.language), cut.at
        answer = await self._ask(info, budget, material.base, items, material.view, instruction)
        return await self._read(answer, cut.said, cut.kept, material.view, seen)

    async def ask_apart(
        self, info: EngineInfo, budget: Budget, view: View, entries: Sequence[Entry]
    ) -> Summary:
        """Ask about turns that were folded without a summary, from the record alone."""
        if not entries:
            return Summary(whole=True)  # notes alone, or what was forgotten: there is nothing to ask about
        said = say_entries(entries)
        language = find_language(one.text for one in said if one.speaker == "user")
        items = [entry.item for entry in entries]
        answer = await self._ask(info, budget, "", items, view, render_instruction(language=language))
        return await self._read(answer, said, (), view, view.at)

    async def load_oldest_piece(
        self, info: EngineInfo, budget: Budget, view: View, tip: Position
    ) -> tuple[TurnRange, list[Entry]]:
        """Load the oldest unsummarised turns that fit one request."""
        desk, (first, last) = self._desk, view.unsummarised[0]
        room = budget.low
        entries: list[Entry] = []
        for number in range(first, last + 1):
            turn = await desk.store.load_turn(desk.owner, desk.conversation, number)
            if not await desk.store.is_ancestor(desk.owner, desk.conversation, turn.tip, tip):
                continue
            stored = [
                item
                for item in await desk.store.load_turn_items(desk.owner, desk.conversation, number)
                if isinstance(item.item, Message)  # not what was only quoted from earlier
            ]
            sizes = await desk.meter.item_sizes(info, stored, tip=turn.tip, after=turn.after.seq)
            if sum(sizes) > room and entries:
                return (first, number - 1), entries
            if sum(sizes) > room:  # what no request can hold must not keep the turns behind it waiting
                return (first, number), [_shortened(item, room // len(stored)) for item in stored]
            entries += [Entry(at=item.at, turn=item.turn, item=item.item) for item in stored]
            room -= sum(sizes)
        return (first, last), entries

    async def _ask(
        self,
        info: EngineInfo,
        budget: Budget,
        base: str,
        items: Sequence[Item],
        view: View,
        instruction: str,
    ) -> Assembler | None:
        """Ask the engine; None when it failed, and the cut goes on all the same."""
        desk = self._desk
        options = replace(desk.options, max_tokens=budget.summary)
        request = desk.compose(info, base, [*items, user(instruction)], view, options)
        assembler = Assembler()
        try:
            async with contextlib.aclosing(desk.engine.stream(request)) as deltas:
                async for delta in deltas:
                    assembler.add(delta)
        except TurnkeepError as error:
            _log.info("no summary: %s", error)
            return None
        return assembler

    async def _read(
        self,
        answer: Assembler | None,
        said: Sequence[Utterance],
        kept: Sequence[Utterance],
        view: View,
        seen: Position,
    ) -> Summary:
        """Take what may enter the base."""
        summary = NO_SUMMARY
        if answer is not None:
            text = answer.text
            complete = answer.end is not None and answer.end.finish_reason == "stop"
            summary = await compute(
                sum(len(one.text) for one in (*said, *kept)),
                lambda: read_summary(
                    text, complete=complete, said=said, kept=kept, known=view.lines, seen=seen
                ),
            )
        self.failures = 0 if summary.lines or summary.whole else self.failures + 1
        return summary


def _shortened(stored: StoredItem, tokens: int) -> Entry:
    """Keep the beginning of a long message: some two characters a token, whatever the language."""
    message = stored.item
    assert isinstance(message, Message)
    text = message.text[: CHARACTERS_A_TOKEN * tokens]
    role: Role = "user" if message.role == "user" else "assistant"
    return Entry(at=stored.at, turn=stored.turn, item=Message(role, (Text(text),)))


async def compute(characters: int, function: Callable[[], T]) -> T:
    """Compute something: in a thread where that takes long, since other conversations share the loop.

    Args:
        characters: of the texts that it goes through.
        function: pure.
    """
    if characters <= MOST_CHARACTERS_AT_ONCE:
        return function()
    return await asyncio.to_thread(function)
