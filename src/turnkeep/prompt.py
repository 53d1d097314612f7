"""Load what a prompt is made of, and make the request: the road from store to engine.

Shared by turns, upkeep and everybody who shows what the model reads. Decisions are
made by context/; sizes come from meter.py; this is the thin edge between them.
"""

import asyncio
import datetime
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .context.budget import SMALLEST_WINDOW, Budget, share_window
from .context.cutting import Material, check_base, cut_now
from .context.facts import fit_facts, keep_facts, render_facts
from .context.notes import apply_notes, pin_fact, pinned_facts
from .context.plan import Candidate, choose_view
from .context.receipt import Receipt
from .context.strategy import Strategy
from .context.view import (
    Entry,
    View,
    bare_results,
    holds_results,
    is_left_out,
    layout_messages,
    render_base,
)
from .conversation.items import Item
from .conversation.log import START, Position
from .engine.base import Engine, EngineInfo, Request
from .errors import UsageError
from .loading import Draft, read_draft, read_view, read_views
from .meter import Calibrations, Meter, Size, item_text
from .recall import NOTHING, Recaller, Recollection
from .standing import Layout, Scene, Standing, list_entries, read_scene, stand_behind
from .statements import load_statements
from .store.base import Conversation, Store, StoredItem, Turn
from .store.reading import Record
from .wire.chat_completions import render_messages
from .wire.exchange import WireMessage

if TYPE_CHECKING:
    from .audit.base import Audit

T = TypeVar("T")
FEWEST_TOKENS_AN_ITEM = 4  # no message takes less with its template tokens: bounds how many items can fit


def check_max_tokens(value: int | None) -> int | None:
    """Return the limit of a reply as given.

    Raises:
        UsageError: it is neither None, nor 1 or more, nor -1 (the room that is left).
    """
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or value < -1 or value == 0
    ):
        raise UsageError(
            f"max_tokens is {value!r}: use a whole number of 1 or more, or -1 for the room that is left."
        )
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How requests of a conversation are made.

    max_tokens: limit of a reply; None leaves it to the engine, -1 means the room that is left.
    sampling: further body fields, sent as given.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    sampling: Mapping[str, object] = field(default_factory=dict)
    tools: Sequence[Mapping[str, object]] = ()
    strategy: Strategy = field(default_factory=Strategy)

    def for_request(self, request: Mapping[str, Any]) -> Self:  # Any: sampling fields as given
        """The options of one turn: `temperature`, `max_tokens` and further body fields in place of one's own.

        Raises:
            UsageError: a max_tokens that makes no sense.
        """
        fields = dict(request)
        temperature = fields.pop("temperature", self.temperature)
        max_tokens = check_max_tokens(fields.pop("max_tokens", self.max_tokens))
        return replace(
            self, temperature=temperature, max_tokens=max_tokens, sampling={**self.sampling, **fields}
        )


@dataclass(slots=True, kw_only=True)
class Learned:
    """What a conversation's requests have taught, in this process."""

    read_views: set[int | None] = field(default_factory=set)  # views whose prompt the engine has read
    read_per_second: float | None = None
    reply_tokens: int = 0  # what replies have needed, decaying
    new_tokens: float = 0.0  # what messages have taken, averaged
    language: str = "english"  # in which the user was last asked for a summary (context/instructions.py)
    limits: deque[int | None] = field(default_factory=lambda: deque(maxlen=8))  # max_tokens of the last turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request ready to be sent, and what it is made of.

    instructions: part of the base.
    ratio: what estimated sizes were multiplied by.
    recalled: lines quoted before the new items; their item is stored with the turn.
    """

    info: EngineInfo
    material: Material
    budget: Budget
    request: Request
    size: Size
    new_tokens: int
    instructions: str = ""
    ratio: float = 1.0
    recalled: Recollection = NOTHING

    @property
    def cut_now(self) -> bool:
        """Whether the view was made by this plan and has to be stored."""
        view = self.material.view
        return view.number is None and (view.at != START or view.bare_upto > 0)


class Desk:
    """What one conversation's prompts are made with: store, engine, sizes, options."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        owner: str,
        conversation: str,
        holder: str,
        calibrations: Calibrations | None = None,
    ) -> None:
        self.store, self.engine, self.owner, self.conversation = store, engine, owner, conversation
        self.holder = holder  # name under which leases are taken
        self.options, self.learned = Options(), Learned()
        self.meter = Meter(store, engine, owner, conversation, calibrations=calibrations)
        self.standing: Standing | None = None  # what the last turn left behind, for the next one
        self._layout, self.at_rest = Layout(), False  # at rest: nothing is left for upkeep, indexing aside
        self.audit: Audit | None = None  # None: nothing is recorded beside the store
        self.recaller: Recaller | None = None  # None: nothing is recalled, whatever the strategy

    def expected_options(self) -> Options:
        """The options that the next turn may well have: the widest limit among those of the last turns."""
        limits = [limit for limit in self.learned.limits if limit is not None and limit > 0]
        known = limits and len(limits) == len(self.learned.limits)
        return replace(self.options, max_tokens=max(limits)) if known else self.options

    def forget(self) -> None:
        """Hold no text of the conversation in memory any more: items may have been forgotten."""
        self.standing, self.at_rest = None, False
        self._layout.forget()
        self.meter.forget()

    async def load(self) -> Conversation:
        """Load the conversation's row."""
        return await self.store.load_conversation(self.owner, self.conversation)

    async def load_instructions(self, row: Conversation) -> str:
        """Load the current instructions; "" when there are none."""
        number = row.instructions
        return "" if number is None else await self.store.load_instructions(self.owner, row.id, number)

    async def _read(self, look: Callable[[Record], T]) -> T:
        return await self.store.read(self.owner, self.conversation, look)

    async def share(self, info: EngineInfo, options: Options, instructions: str = "") -> Budget:
        """Share the engine's window out for requests with these options and instructions.

        Raises:
            UsageError: the window is too small for any conversation.
        """
        if info.window < SMALLEST_WINDOW:
            raise UsageError(
                f"The engine's window holds {info.window} tokens, but a conversation needs {SMALLEST_WINDOW} at least: "
                "load the model with a larger one."
            )
        await self.meter.prepare(info)
        instruction = 0
        if options.strategy.summary:
            instruction = await self.meter.instruction_size(info, self.learned.language)
        return share_window(
            info.window,
            max_tokens=options.max_tokens,
            reply_tokens=self.learned.reply_tokens,
            instruction_tokens=instruction,
            system_tokens=await self.meter.text_size(info, instructions),
            read_per_second=self.learned.read_per_second,
            keep_turns=options.strategy.window,
        )

    async def views(self, row: Conversation, tip: Position) -> list[View]:
        """Load the views that are valid for `tip`: the current one (or the newest that is), then a pending one."""
        return await self._read(lambda record: read_views(record, row, tip, day_of(row.created)))

    async def load_view(self, number: int, tip: Position) -> View | None:
        """Load a view as far as it is valid for `tip`; None where it folded what does not lead there."""
        return await self._read(lambda record: read_view(record, number, tip))

    async def look(self, info: EngineInfo, row: Conversation, tip: Position, *, last: int) -> Scene:
        """Load all that the plan of a turn behind `tip` is made from, in one reading; `last` is the turn before."""
        day, most = day_of(row.created), _most_items(info)
        return await self._read(lambda record: read_scene(record, row, tip, last=last, day=day, most=most))

    async def keep_facts(self, info: EngineInfo, view: View, budget: Budget, tip: Position) -> View:
        """Take notes and facts from what was folded since they were taken last; what stands in the log may replace facts.

        What a person wants remembered is kept whatever the strategy.
        """
        wanted = self.options.strategy.facts
        after = min(view.notes_upto, view.facts_upto) if wanted else view.notes_upto
        if after >= view.at.seq:
            return view
        said = await load_statements(
            self.store, self.owner, self.conversation, after=after, at=view.at, tip=tip
        )
        facts = view.facts
        if wanted:
            new = [statement for statement in said.folded if statement.at.seq > view.facts_upto]
            facts = await asyncio.to_thread(keep_facts, facts, new, said.staying)
        notes = [entry for entry in said.notes if entry.at.seq > view.notes_upto]
        lines, facts = apply_notes(view.lines, facts, notes, make_fact=pin_fact)
        facts = fit_facts(
            facts,
            budget_tokens=budget.facts,
            locked_tokens=budget.locked,
            count=lambda text: self.meter.estimate(info, text),
        )
        upto = said.upto.seq
        return replace(
            view,
            lines=lines,
            facts=facts,
            facts_upto=upto if wanted else view.facts_upto,
            notes_upto=max(view.notes_upto, upto),
        )

    async def gather(self, info: EngineInfo, instructions: str, view: View, tip: Position) -> Material:
        """Load base and log of a view up to `tip`, with sizes.

        Where the log holds more items than any window could, the older ones are folded at once.
        """
        draft = await self._read(lambda record: read_draft(record, view, tip, _most_items(info)))
        return await self._make(info, instructions, draft, tip)

    async def go_on(self, info: EngineInfo, standing: Standing) -> Material:
        """Take what the last turn left behind, with what came since; only that is measured, if the sizes still count."""
        material, tip, after = standing.material, standing.row.tip, standing.material.view.at.seq
        ratio = self.meter.ratio(info)
        if standing.is_measured_by(info, ratio):
            fresh = await self._measure(info, standing.fresh, tip=tip, after=after)
            material = replace(material, entries=(*material.entries, *fresh)) if fresh else material
        else:
            entries = (*material.entries, *standing.fresh)
            measured = await self._measure(info, entries, tip=tip, after=after)
            material = await self._lay_out(info, standing.instructions, material.view, measured)
            standing = replace(standing, tokenizer=info.tokenizer, ratio=ratio)
        self.standing = replace(standing, material=material, fresh=())
        return material

    def look_back(self, row: Conversation, tip: Position, *, clean: bool) -> Scene | None:
        """The scene of a turn from what the last one left behind; None where that does not hold."""
        standing = self.standing
        if (
            standing is None
            or not standing.holds(row, tip, clean=clean)
            or standing.strategy != self.options.strategy
        ):
            self.standing = None
            return None
        return Scene(instructions=standing.instructions, past=standing.past, standing=standing)

    def leave(
        self, row: Conversation, turn: Turn, items: Sequence[Item], plan: Plan, receipt: Receipt
    ) -> None:
        """Leave behind what the next turn can go on from.

        Args:
            row: as the turn found it.
            turn: as it was closed, with the tip moved to it.
            items: all of it.
            plan: its prompt's.
            receipt: its own.
        """
        standing = Standing(
            row=stand_behind(row, turn),
            instructions=plan.instructions,
            material=plan.material,
            fresh=list_entries(turn, items),
            strategy=self.options.strategy,
            tokenizer=plan.info.tokenizer,
            ratio=plan.ratio,
            receipt=receipt,
        )
        self.standing = standing if standing.is_plain else None
        self.at_rest = standing.is_small(plan.budget) and None in self.learned.read_views

    async def _make(self, info: EngineInfo, instructions: str, draft: Draft, tip: Position) -> Material:
        """Measure and write what was read."""
        view = draft.view
        entries = tuple(
            bare_results(entry) if entry.at.seq <= view.bare_upto and holds_results(entry.item) else entry
            for entry in await self._measure(info, draft.items, tip=tip, after=view.at.seq)
            if not is_left_out(entry, view)
        )
        return await self._lay_out(info, instructions, view, entries)

    async def _lay_out(
        self, info: EngineInfo, instructions: str, view: View, entries: tuple[Entry, ...]
    ) -> Material:
        """Write the base with what the strategy wants of a view."""
        strategy = self.options.strategy
        lines = view.lines if strategy.summary else ()
        facts = view.facts if strategy.facts else pinned_facts(view.facts)
        base = render_base(instructions, replace(view, lines=lines, facts=facts))
        return Material(
            view=view,
            base=base,
            base_tokens=await self.meter.base_size(info, base),
            facts_tokens=self.meter.estimate(info, render_facts(facts)),
            entries=entries,
        )

    async def _measure(
        self, info: EngineInfo, items: Sequence[StoredItem | Entry], *, tip: Position, after: int
    ) -> tuple[Entry, ...]:
        sizes = await self.meter.item_sizes(info, items, tip=tip, after=after)
        return tuple(
            Entry(at=item.at, turn=item.turn, item=item.item, tokens=size)
            for item, size in zip(items, sizes, strict=True)
        )

    def request(self, info: EngineInfo, material: Material, new: Sequence[Item], options: Options) -> Request:
        """Make the request for a view's base and log, followed by new items."""
        messages = self._layout.render(
            material.base,
            [*[entry.item for entry in material.entries], *new],
            base_in_first_user=info.template.base_in == "first_user",
            reasoning=not info.template.drops_reasoning,
        )
        return self._write(info, messages, material.view, options)

    def _write(
        self, info: EngineInfo, messages: Sequence[WireMessage], view: View, options: Options
    ) -> Request:
        return Request(
            messages=messages,
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            sampling=options.sampling,
            tools=options.tools,
            template_args={
                name: value.replace("{date}", view.day) for name, value in info.template.pins.items()
            },
        )

    def compose(
        self, info: EngineInfo, base: str, items: Sequence[Item], view: View, options: Options
    ) -> Request:
        """Make a request from a base and items."""
        messages = layout_messages(base, items, base_in_first_user=info.template.base_in == "first_user")
        wire = render_messages(messages, reasoning=not info.template.drops_reasoning)
        return self._write(info, wire, view, options)

    async def plan(
        self,
        info: EngineInfo,
        row: Conversation,
        tip: Position,
        new: Sequence[Item],
        options: Options,
        *,
        limit: int | None = None,
        scene: Scene | None = None,
    ) -> Plan:
        """Plan the prompt for new items after `tip`.

        Args:
            info: the engine.
            row: the conversation.
            tip: the item that the new ones follow.
            new: the new items.
            options: how the request is made.
            limit: the most tokens that the prompt may take; None: what the budget says.
            scene: what `look` gave for this row and tip; None: it is looked up.

        Raises:
            ContextOverflow: the new items do not fit even when nothing else is sent.
            UsageError: the instructions alone are beyond the base's share.
        """
        if scene is None:
            scene = await self.look(info, row, tip, last=row.turns)
        instructions = scene.instructions
        budget = await self.share(info, options, instructions)
        limit = min(budget.prompt, limit or budget.prompt)
        new_tokens = sum([await self.meter.text_size(info, item_text(item)) for item in new])
        if scene.standing is not None:
            materials = [await self.go_on(info, scene.standing)]
        else:
            materials = [await self._make(info, instructions, draft, tip) for draft in scene.drafts]
        check_base(instructions, materials[0], budget)
        chosen = choose_view([self._candidate(material, new_tokens) for material in materials], limit)
        material = materials[-1 if chosen is None else chosen]
        return await self._fit(info, instructions, material, tip, new, new_tokens, options, budget, limit)

    async def _fit(
        self,
        info: EngineInfo,
        instructions: str,
        material: Material,
        tip: Position,
        new: Sequence[Item],
        new_tokens: int,
        options: Options,
        budget: Budget,
        limit: int,
    ) -> Plan:
        """Make the request and count it; cut until it fits, and recall what fits beside it."""
        in_loop = any(holds_results(item) for item in new)
        allowed = limit  # what the sizes may sum up to, so that the exact count stays within the limit
        recalled: Recollection | None = None
        while True:
            if material.tokens + new_tokens > allowed:
                material = cut_now(material, new_tokens, budget, allowed, in_loop=in_loop)
                view = await self.keep_facts(info, material.view, budget, tip)
                told = await self._lay_out(info, instructions, view, material.entries)
                if told.tokens + new_tokens <= allowed:  # otherwise they wait for a cut that leaves room
                    material = told
                recalled = None  # what was cut now may be what matters
            free = allowed - material.tokens - new_tokens
            if recalled is None or recalled.tokens > free:
                recalled = await self._recall(info, material, tip, new, budget, options, free)
            request = self.request(info, material, [*new, *recalled.items], options)
            summed = material.tokens + new_tokens + recalled.tokens
            size = await self.meter.prompt_size(info, request, summed=summed, limit=limit)
            if size.tokens <= limit:
                return Plan(
                    info=info,
                    material=material,
                    budget=budget,
                    request=request,
                    size=size,
                    new_tokens=new_tokens,
                    instructions=instructions,
                    ratio=self.meter.ratio(info),
                    recalled=recalled,
                )
            allowed = min(summed - 1, limit - (size.tokens - summed))

    async def _recall(
        self,
        info: EngineInfo,
        material: Material,
        tip: Position,
        new: Sequence[Item],
        budget: Budget,
        options: Options,
        free: int,
    ) -> Recollection:
        """Find what to quote before the new items; nothing where that is not wanted."""
        if self.recaller is None or not options.strategy.recall:
            return NOTHING
        return await self.recaller.recall(
            info,
            new,
            tip=tip,
            upto=material.view.at.seq,
            log=material.entries,
            base_tokens=material.base_tokens,
            budget=budget,
            free=free,
            now=time.time(),
        )

    def _candidate(self, material: Material, new_tokens: int) -> Candidate:
        total = material.tokens + new_tokens
        read = material.view.number in self.learned.read_views
        return Candidate(prompt_tokens=total, unread_tokens=new_tokens if read else total)


def _most_items(info: EngineInfo) -> int:
    """How many items of a log a window could hold at most."""
    return max(64, info.window // FEWEST_TOKENS_AN_ITEM)


def day_of(seconds: float) -> str:
    """The day of a time (UTC), as dates in chat templates are written. Example: "22 Nov 2026"."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%d %b %Y")
