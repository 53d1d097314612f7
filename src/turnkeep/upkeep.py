"""Upkeep: what happens after the reply, while nobody waits. Compact, then warm.

It stops at once when the person speaks, and goes on later, in this process or
another: every step reads where things stand from the store, and ends with one
compare-and-swap. One upkeep runs on an engine at a time; it makes way within a
quarter second when any turn is open there.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypedDict

from .context.budget import Budget
from .context.compaction import NO_SUMMARY, Summary, describe_cut, fill_view, fold_view
from .context.cutting import Material
from .context.notes import lock_meant
from .context.plan import choose_cut, is_due
from .context.recall import is_crowded
from .context.view import View, awaits_results, dump_view
from .conversation.log import Position
from .engine.base import EngineInfo
from .errors import Conflict, ConversationNotFound, EngineError, TurnkeepError
from .holding import hold_lease
from .indexing import Indexer
from .keeping import view_key
from .prompt import Desk, day_of
from .recall import share_log
from .store.base import Conversation
from .summarising import Summariser, compute

YIELD_SECONDS = 0.2  # how often upkeep looks whether somebody else's turn wants the engine
RETRY_QUIET_SECONDS = 30.0  # an unsummarised span is tried again when nobody has spoken for this long
ENGINE_PATIENCE_SECONDS = 3600.0  # another process's upkeep may take long on a slow engine

_log = logging.getLogger("turnkeep.upkeep")


class _Fitting(TypedDict):
    """What the lines of a view are fitted with."""

    budget_tokens: int
    count: Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Where a conversation stands when a step of upkeep begins."""

    row: Conversation
    info: EngineInfo
    budget: Budget
    instructions: str


class Upkeep:
    """The upkeep of one conversation."""

    def __init__(self, desk: Desk, indexer: Indexer | None = None) -> None:
        self._desk = desk
        self._indexer = indexer
        self._task: asyncio.Task[None] | None = None
        self._later: asyncio.Task[None] | None = None
        self._summariser = Summariser(desk)
        self.problem: str | None = None  # why the last upkeep ended early, one sentence

    def wake(self) -> None:
        """Begin, unless it is running already."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep_up())

    async def pause(self) -> None:
        """Stop at once; returns when the engine is free of it."""
        for task in (self._later, self._task):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._later = self._task = None

    async def idle(self) -> None:
        """Wait until nothing is left to do but what waits for a long quiet."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def _keep_up(self) -> None:
        if await self._has_work():
            await self._run(self._compact_and_warm)
        if self._indexer is not None and self._indexer.has_work:
            await self._index(self._indexer)

    async def _has_work(self) -> bool:
        """Whether the last turn left anything to do, as far as it can be told without asking the store."""
        desk, standing = self._desk, self._desk.standing
        if standing is None or standing.strategy != desk.options.strategy:
            return True
        self.problem = None
        try:
            info = await desk.engine.probe()
            material = await desk.go_on(info, standing)
            budget = await desk.share(info, desk.expected_options(), standing.instructions)
        except TurnkeepError:
            return True  # the step says what is wrong
        entries, view = material.entries, material.view
        if awaits_results(entries):
            return False  # in the middle of a tool loop: the program comes back at once
        return (
            is_due(entries, material.tokens, budget, desk.options.strategy)
            or is_crowded(**share_log(entries, material.base_tokens, budget))
            or view.number not in desk.learned.read_views
            or self._summariser.is_worth_retrying(view)
        )

    async def _index(self, indexer: Indexer) -> None:
        """Index turns: by itself, since it needs no engine, and a long conversation takes minutes."""
        try:
            await indexer.run(lambda: self._until(wanted=False))
        except ConversationNotFound:
            return  # deleted meanwhile
        except TurnkeepError as error:
            self.problem = str(error)
            _log.warning("turns are found by their words alone: %s", error)

    async def _run(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Run a step whenever no turn is open on the engine, until it is done."""
        self.problem = None
        try:
            while True:
                await self._until(wanted=False)
                async with hold_lease(
                    self._desk, f"upkeep:{self._desk.engine.url}", note="", patience=ENGINE_PATIENCE_SECONDS
                ):
                    if (more := await self._work(step)) is not None:
                        break
        except Conflict:
            return  # another process's upkeep has the engine; the next turn wakes this one again
        except ConversationNotFound:
            return  # deleted meanwhile
        except TurnkeepError as error:
            self.problem = str(error)
            # An engine that is away is told of by the next turn; a store that fails is news.
            level = logging.INFO if isinstance(error, EngineError) else logging.WARNING
            _log.log(level, "Summaries have to wait: %s", error)
            return
        if more:
            self._later = asyncio.get_running_loop().create_task(self._retry_later())

    async def _work(self, step: Callable[[], Awaitable[bool]]) -> bool | None:
        """Run the step; None when it made way for a turn."""
        working = asyncio.ensure_future(step())
        watching = asyncio.ensure_future(self._until(wanted=True))
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, watching):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, TurnkeepError):
                    await task

    async def _until(self, *, wanted: bool) -> None:
        """Wait until a turn is open on the engine, whosever it is, or until none is."""
        while True:
            open_turns = await self._desk.store.held_leases(
                "conversation:", now=time.time(), note=self._desk.engine.url
            )
            if bool(open_turns) == wanted:
                return
            await asyncio.sleep(YIELD_SECONDS)

    async def _retry_later(self) -> None:
        await asyncio.sleep(RETRY_QUIET_SECONDS)
        await self._run(self._summarise_missing)

    # -- steps: each returns whether unsummarised turns are left to try again -------------------

    async def _scene(self) -> _Scene:
        desk = self._desk
        row, info = await desk.load(), await desk.engine.probe()
        instructions = await desk.load_instructions(row)
        return _Scene(
            row=row,
            info=info,
            budget=await desk.share(info, desk.expected_options(), instructions),
            instructions=instructions,
        )

    async def _gather(self, scene: _Scene, view: View) -> Material:
        return await self._desk.gather(scene.info, scene.instructions, view, scene.row.tip)

    async def _compact_and_warm(self) -> bool:
        desk = self._desk
        scene = await self._scene()
        views = await desk.views(scene.row, scene.row.tip)
        material = await self._gather(scene, views[-1])
        if awaits_results(material.entries):
            return False  # in the middle of a tool loop: the program comes back at once
        if len(views) == 1 and is_due(material.entries, material.tokens, scene.budget, desk.options.strategy):
            material = await self._compact(scene, material) or material
        elif len(views) == 1 and is_crowded(
            **share_log(material.entries, material.base_tokens, scene.budget)
        ):
            material = await self._drop_copies(scene, material)
        if material.view.number not in desk.learned.read_views and material.entries:
            await self._warm(scene, material)
        if material.view.number != scene.row.view:
            await desk.store.point_view(
                desk.owner,
                desk.conversation,
                expected=scene.row.view,
                current=material.view.number,
                pending=None,
            )
        return self._summariser.is_worth_retrying(material.view)

    async def _compact(self, scene: _Scene, material: Material) -> Material | None:
        """Fold the oldest turns into a new, pending view; None when there is nothing to fold."""
        desk, budget = self._desk, scene.budget
        at = _where_to_cut(material, budget, round(desk.learned.new_tokens), desk.options.strategy.turns)
        if at is None:
            return None
        cut = describe_cut(material.entries, at)
        summary = NO_SUMMARY
        if desk.options.strategy.summary:
            summary = await self._summariser.ask_within(scene.info, budget, material, cut, seen=scene.row.tip)
        day, before = day_of(time.time()), lock_meant(material.view, material.entries)
        view = await compute(
            _line_characters(before, summary),
            lambda: fold_view(before, cut, summary, day=day, **self._fitting(scene)),
        )
        view = await desk.keep_facts(scene.info, view, budget, scene.row.tip)
        # The prompt is read anew from the cut on: the moment to drop what was only quoted from earlier.
        view = await self._save_pending(scene, _without_copies(view, scene.row.tip))
        return await self._gather(scene, view)

    async def _drop_copies(self, scene: _Scene, material: Material) -> Material:
        """Make room for lines that later turns recall: what earlier ones recalled leaves the prompt."""
        view = _without_copies(replace(material.view, number=None), scene.row.tip)
        return await self._gather(scene, await self._save_pending(scene, view))

    def _fitting(self, scene: _Scene) -> _Fitting:
        """How many tokens lines may take, and what counts them."""
        return {
            "budget_tokens": scene.budget.summary,
            "count": lambda text: self._desk.meter.estimate(scene.info, text),
        }

    async def _save_pending(self, scene: _Scene, view: View) -> View:
        desk = self._desk
        stored = await desk.store.save_view(
            desk.owner,
            desk.conversation,
            at=view.at,
            key=view_key(scene.info, scene.row),
            body=dump_view(view),
            now=time.time(),
        )
        await desk.store.point_view(
            desk.owner,
            desk.conversation,
            expected=scene.row.view,
            current=scene.row.view,
            pending=stored.number,
        )
        return replace(view, number=stored.number)

    async def _warm(self, scene: _Scene, material: Material) -> None:
        """Have the engine read the next prompt up to where the next message will stand."""
        desk = self._desk
        await desk.engine.warm(desk.request(scene.info, material, (), desk.options))
        desk.learned.read_views.add(material.view.number)

    # -- turns that were folded without a summary ------------------------------------------------

    async def _summarise_missing(self) -> bool:
        """Ask again for a summary of turns that have none, from the record, one piece at a time."""
        desk, summariser = self._desk, self._summariser
        scene = await self._scene()
        view = (await desk.views(scene.row, scene.row.tip))[-1]
        if not summariser.is_worth_retrying(view):
            return False
        turns, entries = await summariser.load_oldest_piece(scene.info, scene.budget, view, scene.row.tip)
        summary = await summariser.ask_apart(scene.info, scene.budget, view, entries)
        if summary.lines or summary.whole:
            filled = await compute(
                _line_characters(view, summary),
                lambda: fill_view(view, turns, summary, **self._fitting(scene)),
            )
            await self._save_pending(scene, filled)
        desk.learned.read_views.clear()  # the side request may have taken the chat's place in the engine's cache
        return await self._compact_and_warm() and not summariser.gave_up


def _without_copies(view: View, tip: Position) -> View:
    """Leave out what was recalled up to the tip."""
    return replace(view, copies_upto=tip.seq, tip=tip)


def _line_characters(view: View, summary: Summary) -> int:
    return sum(len(line.text) for line in (*view.lines, *summary.lines))


def _where_to_cut(
    material: Material, budget: Budget, new_tokens: int, keep_turns: int | None
) -> Position | None:
    """Choose the last item to fold, so that the next prompt, its message included, stands at the low mark.

    The newest turn stays where that leaves room enough for the next ones.
    """
    entries, around = material.entries, material.base_tokens + new_tokens
    at = choose_cut(entries, around_tokens=around, limit=budget.low, keep_turns=keep_turns)
    if at is not None and at == entries[-1].at:
        return choose_cut(entries, around_tokens=around, limit=budget.high * 3 // 4, keep_turns=1) or at
    return at
