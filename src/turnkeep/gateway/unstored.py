"""Turns of which nothing is kept: no text, no digest, no vector, in no file.

A chain that such a turn goes on from is read and never extended. Without one, no database
is asked anything, and what surely fits is not even counted.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from ..context.receipt import Receipt
from ..context.view import View
from ..conversation.items import FinishReason, Item, Usage
from ..conversation.log import Position
from ..engine.base import (
    Delta,
    End,
    Engine,
    EngineInfo,
    Progress,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallDelta,
)
from ..errors import ContextOverflow
from ..masking import Masking
from ..meter import Size
from ..prompt import Desk, Options, Plan, day_of
from ..receipts import describe_tools, draft_receipt, with_usage
from ..standing import Scene
from ..store.base import Conversation, Store
from ..turn import Calling, Piece, Reading, Reply, Thought, TurnEvent
from ..wire.assemble import Assembler
from .desks import Desks, Seat
from .engines import EnginePool, PooledEngine
from .fitting import bound_tokens, drop_oldest, fit_input, surely_fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstored:
    """A turn of which nothing is kept.

    owner: who asks.
    items: what is said, oldest first.
    options: how the request is made.
    base: the conversation and the item to go on from; None: `items` are all there is.
    instructions: those of this request; None: none.
    truncation: what happens to items that do not fit: "auto" leaves out the oldest.
    side: a request beside a conversation (its title, say): it goes last, and costs none its slot.
    """

    owner: str
    items: Sequence[Item]
    options: Options
    base: tuple[str, Position] | None = None
    instructions: str | None = None
    truncation: Literal["auto", "disabled"] = "disabled"
    side: bool = False


@dataclass(slots=True, kw_only=True)
class Draft:
    """A request ready to be sent, and its receipt so far."""

    desk: Desk
    info: EngineInfo
    request: Request
    size: Size
    receipt: Receipt
    left_out: int  # items of the input
    seconds: float | None = None
    seconds_to_first: float | None = None


class _Values:
    """What a desk without a conversation keeps: what was learned of engines, while the gateway runs."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def load_value(self, key: str) -> str | None:
        return self._values.get(key)

    async def save_value(self, key: str, value: str) -> None:
        self._values[key] = value


class _ReadingDesk(Desk):
    """A desk that reads a conversation with instructions of the request's own."""

    instructions: str = ""

    async def look(self, info: EngineInfo, row: Conversation, tip: Position, *, last: int) -> Scene:
        """What a plan is made from, with the request's instructions in place of the conversation's."""
        return replace(await super().look(info, row, tip, last=last), instructions=self.instructions)


class UnstoredTurns:
    """Plans and runs turns that are not kept.

    Args:
        store: where chains are read.
        pool: the engines.
        desks: the desks of conversations.
        holder: who reads.
        masking: what the models read in place of personal data; None: nothing.
    """

    def __init__(
        self, store: Store, pool: EnginePool, desks: Desks, *, holder: str, masking: Masking | None = None
    ) -> None:
        self._store, self._desks, self._holder, self._masking = store, desks, holder, masking
        # The store's values alone: the desk that has no conversation asks for nothing else.
        values = cast(Store, _Values())
        seat = pool.seat(None)
        engine: Engine = seat if masking is None else masking.aside(seat)
        self._blank = Desk(store=values, engine=engine, owner="", conversation="", holder=holder)

    async def draft(self, unstored: Unstored, engine: PooledEngine) -> Draft:
        """Make the request.

        Raises:
            ContextOverflow: it does not fit.
            ConversationNotFound: there is no such chain.
        """
        if unstored.base is not None:
            return await self._draft_behind(unstored, *unstored.base)
        return await self._draft_alone(unstored, engine)

    async def _draft_alone(self, unstored: Unstored, engine: PooledEngine) -> Draft:
        desk, options, base = self._blank, unstored.options, unstored.instructions or ""
        info = await engine.probe()
        items = list(unstored.items)
        auto = unstored.truncation == "auto"
        if not info.counts:
            await desk.meter.prepare(info)
        if surely_fits(info, items, base):
            request = self._compose(info, base, items, options)
            size = Size(tokens=bound_tokens(items, base), exact=False)
        else:
            plain = replace(options, strategy=replace(options.strategy, summary=False))
            budget = await desk.share(info, plain, base)
            while True:
                items = await fit_input(desk, plain, items, auto=auto, instructions=base)
                request = self._compose(info, base, items, options)
                size = await desk.meter.prompt_size(info, request, summed=budget.prompt, limit=budget.prompt)
                if size.tokens <= budget.prompt:
                    break
                fewer = drop_oldest(items)
                if not auto or not fewer:
                    raise ContextOverflow(
                        f"The input takes {size.tokens:,} tokens, but the context window has room for "
                        f"{budget.prompt:,}: shorten it.",
                        needed=size.tokens,
                        available=budget.prompt,
                    )
                items = fewer
        receipt = Receipt(
            engine=info.kind,
            model=info.model,
            window=info.window,
            reserve=0,
            high=0,
            low=0,
            tools=describe_tools(options.tools),
            exact=size.exact,
            prompt_tokens=size.tokens if size.exact else 0,
        )
        return Draft(
            desk=desk,
            info=info,
            request=_ready(request, info, size, _reserve(info, options)),
            size=size,
            receipt=receipt,
            left_out=len(unstored.items) - len(items),
        )

    def _compose(self, info: EngineInfo, base: str, items: Sequence[Item], options: Options) -> Request:
        return self._blank.compose(info, base, items, View(day=day_of(time.time())), options)

    async def _draft_behind(self, unstored: Unstored, conversation: str, tip: Position) -> Draft:
        """Plan as a turn is planned, and keep nothing of the plan."""
        seat = self._desks.find(unstored.owner, conversation)
        desk = self._reader(seat, unstored)
        row = await desk.load()
        items = await fit_input(desk, unstored.options, unstored.items, auto=unstored.truncation == "auto")
        info = await desk.engine.probe()
        plan: Plan = await desk.plan(info, row, tip, items, unstored.options)
        return Draft(
            desk=desk,
            info=info,
            request=_ready(plan.request, info, plan.size, plan.budget.reserve),
            size=plan.size,
            receipt=draft_receipt(plan, row, unstored.options, None),
            left_out=len(unstored.items) - len(items),
        )

    def _reader(self, seat: Seat, unstored: Unstored) -> _ReadingDesk:
        desk = _ReadingDesk(
            store=self._store,
            engine=seat.engine,
            owner=seat.desk.owner,
            conversation=seat.desk.conversation,
            holder=self._holder,
        )
        desk.instructions = unstored.instructions or ""
        desk.options, desk.learned = unstored.options, seat.desk.learned
        desk.meter, desk.recaller = seat.desk.meter, seat.desk.recaller
        return desk

    async def run(
        self, draft: Draft, engine: PooledEngine, emit: Callable[[TurnEvent], None], assembler: Assembler
    ) -> None:
        """Send the request; what comes is told and assembled."""
        began = time.monotonic()
        masked = self._masked(engine, draft)
        async with contextlib.aclosing(masked.stream(draft.request)) as deltas:
            async for delta in deltas:
                assembler.add(delta)
                event = event_of(delta)
                if event is not None:
                    emit(event)
                    if draft.seconds_to_first is None and not isinstance(event, Reading):
                        draft.seconds_to_first = time.monotonic() - began
        end = assembler.end
        draft.seconds = time.monotonic() - began
        await draft.desk.meter.learn(draft.info, draft.request, end.usage.prompt_tokens if end else None)

    def _masked(self, engine: PooledEngine, draft: Draft) -> Engine:
        """The engine as the request sees it; of what it adds to a chain's marks nothing is kept."""
        if self._masking is None:
            return engine
        if not draft.desk.conversation:
            return self._masking.aside(engine)
        desk = draft.desk
        return self._masking.over(engine, self._store, desk.owner, desk.conversation, reading=True)


def event_of(delta: Delta) -> TurnEvent | None:
    """What a person or program is told of a delta."""
    match delta:
        case TextDelta(text):
            return Piece(text)
        case ReasoningDelta(text):
            return Thought(text)
        case ToolCallDelta():
            return Calling(
                index=delta.index, call_id=delta.call_id, name=delta.name, arguments=delta.arguments
            )
        case Progress():
            return Reading(total=delta.total, cached=delta.cached, processed=delta.processed)
        case _:
            return None


def make_reply(draft: Draft | None, assembler: Assembler, notices: tuple[str, ...] = ()) -> Reply:
    """What came of a turn that is not kept; it has no number."""
    end, message = assembler.end, assembler.message
    finish: FinishReason = end.finish_reason if end else "cancelled"
    usage = end.usage if end else Usage()
    receipt = _receipt(draft, end, usage, finish)
    return Reply(
        text=message.text,
        reasoning=message.reasoning,
        turn=0,
        state="cut_off" if finish in ("cancelled", "length") else "done",
        finish_reason=finish,
        usage=usage,
        receipt=replace(receipt, notices=(*receipt.notices, *notices)),
        message=message,
    )


def _receipt(draft: Draft | None, end: End | None, usage: Usage, finish: FinishReason) -> Receipt:
    if draft is None:  # stopped before there was a request
        return Receipt(engine="", model="", window=0, reserve=0, high=0, low=0)
    receipt = replace(
        draft.receipt,
        max_tokens=draft.request.max_tokens,
        seconds=draft.seconds,
        seconds_to_first=draft.seconds_to_first,
        tokens_per_second=end.tokens_per_second if end else None,
    )
    return with_usage(receipt, usage, finish)


def _reserve(info: EngineInfo, options: Options) -> int:
    """Tokens that the reply may take, where no budget says."""
    wanted = options.max_tokens
    return min(wanted if wanted and wanted > 0 else info.window // 5, info.window // 2)


def _ready(request: Request, info: EngineInfo, size: Size, reserve: int) -> Request:
    """Say how many tokens a request may come to hold, and limit the reply to the room that is left."""
    limit = request.max_tokens
    if limit is not None and not (limit == -1 and info.takes_minus_one):
        room = max(1, info.window - size.tokens)
        limit = room if limit < 0 else min(limit, room)
    return replace(request, max_tokens=limit, tokens=size.tokens + reserve)
