"""One turn: take the lease, keep the message, plan, call the engine, stream, keep the reply.

The message is durable before the engine is called, the reply before the turn is
reported done. However a turn ends (done, cut off, failed, process killed), the
record says so. This module knows stores and engines as protocols only, and
nothing of upkeep but that it must make way.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from .context.receipt import Receipt, dump_receipt
from .conversation.items import FinishReason, Item, Message, TurnState, Usage
from .conversation.log import Position
from .engine.base import End, EngineInfo, Progress, ReasoningDelta, TextDelta, ToolCallDelta
from .errors import AuditFailed, ContextOverflow, LeaseLost, TurnkeepError
from .holding import Held, hold_and_begin
from .keeping import check_audit, keep_audit, save_view
from .prompt import Desk, Options, Plan, day_of
from .recall import without_forgotten
from .receipts import describe_usage, draft_receipt, why_moved
from .standing import is_new, list_entries, new_scene
from .stopping import run_until
from .store.base import Conversation, ConversationKind, Lease, Turn
from .store.writing import Beside
from .wire.assemble import Assembler

PARTIAL_SECONDS = 1.0  # a crash while streaming loses at most this much of the reply
SILENT_CUT_SHARE = 0.02  # an exact count may differ this much from what the engine reports
SILENT_CUT_SHARE_EST = 0.4  # an estimated one this much


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far the engine has read the prompt."""

    total: int
    cached: int
    processed: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """A piece of a tool call; its id and the function's name come with its first piece only.

    index: which of the reply's calls.
    arguments: a further piece of the arguments' JSON text.
    """

    index: int
    call_id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that the person should read."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a turn.

    state: done; cut_off (a person, the limit of tokens) with the text so far.
    """

    text: str
    reasoning: str = ""
    turn: int
    state: TurnState
    finish_reason: FinishReason | None
    usage: Usage
    receipt: Receipt
    message: Message

    @property
    def notices(self) -> tuple[str, ...]:
        """What the person should know of this turn."""
        return self.receipt.notices


@dataclass(frozen=True, slots=True)
class Finished:
    """The turn is over and kept; always the last event."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Said:
    """What a user says, and the item that it hangs on; None: the conversation's tip."""

    items: Sequence[Item]
    after: Position | None = None


Say: TypeAlias = Said | Callable[[Conversation], Awaitable[tuple[Sequence[Item], Position]]]
TurnEvent: TypeAlias = Reading | Piece | Thought | Calling | Notice | Finished
Emit: TypeAlias = Callable[[TurnEvent], None]


@dataclass(slots=True, kw_only=True)
class _Course:
    """A turn in its course: what it was given, and what has come of it so far."""

    desk: Desk
    items: Sequence[Item]
    options: Options
    emit: Emit
    held: Held
    row: Conversation  # as it was when the turn began
    turn: Turn
    began: float
    instructions: str | None = None  # of this turn; None: the conversation's
    keep_beside: "KeepBeside | None" = None
    info: EngineInfo | None = None
    plan: Plan | None = None
    moved: str | None = None
    sent_max_tokens: int | None = None
    assembler: Assembler = field(default_factory=Assembler)
    first: float | None = None  # when the first piece came
    notices: list[str] = field(default_factory=list)

    @property
    def lease(self) -> Lease:
        """The lease under which the turn writes."""
        return self.held.begun.lease

    @property
    def tip(self) -> Position:
        """The item that the turn hangs on."""
        return self.turn.after

    def notice(self, sentence: str) -> None:
        """Tell the person, once, and keep it for the receipt."""
        if sentence not in self.notices:
            self.notices.append(sentence)
            self.emit(Notice(sentence))


OnBegun: TypeAlias = Callable[[Turn], Awaitable[None]]
KeepBeside: TypeAlias = Callable[[Message, Receipt], Beside | None]


async def run_turn(
    desk: Desk,
    say: Say,
    *,
    options: Options,
    emit: Emit,
    stop: asyncio.Event,
    instructions: str | None = None,
    made: ConversationKind | None = None,
    on_begun: OnBegun | None = None,
    keep_beside: KeepBeside | None = None,
) -> Reply:
    """Run one turn from the message to the kept reply.

    Args:
        desk: the conversation, its store and its engine.
        say: what the user says, or a function that says so and on which item it hangs; it is asked
            once the conversation is held, so that nothing can move in between.
        options: how the request is made.
        emit: is called with each event as it happens, `Finished` last.
        stop: when set, the engine is stopped and what was said so far is kept as cut off.
        instructions: become the conversation's, where they are not; None leaves those that it has.
        made: the conversation is not there yet, and is made of this kind along with the turn.
        on_begun: is awaited when the message is durable, before the engine is called.
        keep_beside: says what is kept along with the reply.

    Raises:
        ContextOverflow: the message does not fit; it is kept, and the turn is marked failed.
        EngineError: the engine failed; likewise.
        Conflict: another program holds the conversation; nothing was kept.
        LeaseLost: another program took the conversation over; the reply is kept beside it.
    """
    began = time.monotonic()
    items, after = (say.items, say.after) if isinstance(say, Said) else (None, None)
    holding = hold_and_begin(desk, items, after=after, instructions=instructions, made=made, stop=stop)
    async with holding as held:
        turn, row = held.begun.turn, held.begun.row
        if turn is None or items is None:
            assert not isinstance(say, Said)
            items, tip = await say(row)
            turn = await desk.store.begin_turn(
                desk.owner, desk.conversation, items, after=tip, lease=held.begun.lease, now=time.time()
            )
        reply = await _run_course(_Course(
            desk=desk, items=items, options=options, emit=emit, held=held, row=row, turn=turn, began=began,
            instructions=instructions, keep_beside=keep_beside,
        ), stop, on_begun)  # fmt: skip
    emit(Finished(reply))
    return reply


async def _run_course(course: _Course, stop: asyncio.Event, on_begun: OnBegun | None) -> Reply:
    """Have a turn answered that is in the record, and keep what came of it, however it ends."""
    try:
        if on_begun is not None:
            await on_begun(course.turn)
        if (problem := await check_audit(course.desk.audit)) is not None:
            course.notice(problem)
        await run_until(stop, _answer(course))
    except TurnkeepError as error:
        await _fail(course, str(error))
        raise
    except Exception as error:  # not ours: it is raised on, but what was said is kept first
        await _fail(course, f"{type(error).__name__}: {error}")
        raise
    except asyncio.CancelledError:
        await asyncio.shield(_keep_reply(course))
        raise
    return await _keep_reply(course)


async def _answer(course: _Course) -> None:
    """Plan and call the engine; when it says that the prompt is too long, plan once more."""
    limit: int | None = None
    for attempt in (1, 2):
        await _plan(course, limit)
        try:
            await _read(course)
            return
        except ContextOverflow as error:
            if attempt == 2 or course.first is not None:
                raise
            limit = _limit_after(course, error)
            course.assembler = Assembler()


async def _plan(course: _Course, limit: int | None) -> None:
    desk, row = course.desk, course.row
    info = course.info = await desk.engine.probe()
    last = course.turn.number - 1
    scene = None
    if limit is None and last == row.turns:
        scene = desk.look_back(row, course.tip, clean=course.held.begun.clean)
        if scene is None and course.instructions is not None and is_new(row):
            scene = new_scene(course.instructions, day_of(row.created))
    if scene is None:
        scene = await desk.look(info, row, course.tip, last=last)
    plan = await desk.plan(info, row, course.tip, course.items, course.options, limit=limit, scene=scene)
    desk.learned.limits.append(course.options.max_tokens)
    if plan.cut_now:
        view = await save_view(desk, info, plan.material.view, row)
        course.row = await desk.load()
        plan = replace(plan, material=replace(plan.material, view=view))
        course.notice(
            "To make room, older turns were left out of what the model reads; they stay in the record."
        )
    elif plan.material.view.number not in (None, row.view) and plan.material.view.number == row.pending_view:
        await desk.store.point_view(
            desk.owner, desk.conversation, expected=row.view, current=row.pending_view, pending=None
        )
    if plan.budget.notice:
        course.notice(plan.budget.notice)
    course.plan = plan
    course.moved = why_moved(scene.past, row, plan, course.options)


def _limit_after(course: _Course, error: ContextOverflow) -> int:
    """How many tokens the second prompt may have, after the engine refused the first."""
    plan = course.plan
    assert plan is not None
    window = error.available or plan.budget.window
    room = max(1, window - min(plan.budget.reserve, window // 2))
    if error.needed and plan.size.tokens and error.needed > plan.size.tokens:
        room = int(room * plan.size.tokens / error.needed)  # we counted too low: shrink by as much
    elif error.available is None:
        room = plan.size.tokens // 2
    if error.available and error.available < plan.budget.window:
        course.notice(
            f"The engine's window holds {error.available:,} tokens, not {plan.budget.window:,}: the prompt was cut to fit."
        )
    return max(1, min(room, plan.size.tokens - 1))


async def _read(course: _Course) -> None:
    plan, info, desk = course.plan, course.info, course.desk
    assert plan is not None
    assert info is not None
    request = replace(
        plan.request,
        max_tokens=_reply_limit(plan, info),
        tokens=plan.size.tokens + plan.budget.reserve,
    )
    course.sent_max_tokens = request.max_tokens
    saved, saved_at = 0, time.monotonic()
    async with contextlib.aclosing(desk.engine.stream(request)) as deltas:
        async for delta in deltas:
            course.assembler.add(delta)
            now = time.monotonic()
            match delta:
                case TextDelta():
                    course.first = course.first or now
                    course.emit(Piece(delta.text))
                case ReasoningDelta(text):
                    course.first = course.first or time.monotonic()
                    course.emit(Thought(text))
                case ToolCallDelta():
                    course.first = course.first or time.monotonic()
                    course.emit(
                        Calling(
                            index=delta.index,
                            call_id=delta.call_id,
                            name=delta.name,
                            arguments=delta.arguments,
                        )
                    )
                case Progress():
                    course.emit(Reading(total=delta.total, cached=delta.cached, processed=delta.processed))
                case _:
                    pass  # the assembler keeps the rest
            if now - saved_at >= PARTIAL_SECONDS and len(course.assembler.text) > saved:
                piece = course.assembler.text[saved:]
                saved, saved_at = saved + len(piece), time.monotonic()
                await desk.store.save_partial(
                    desk.owner, desk.conversation, course.turn.number, piece, lease=course.lease
                )
    if course.assembler.end is not None:
        desk.meter.take_in(info, plan.request, course.assembler.end.usage.prompt_tokens)


def _reply_limit(plan: Plan, info: EngineInfo) -> int | None:
    """The max_tokens to send: as asked for, but never beyond the room that is left."""
    asked = plan.request.max_tokens
    if asked is None or (asked == -1 and info.takes_minus_one):
        return asked
    room = max(1, info.window - plan.size.tokens)
    return room if asked < 0 else min(asked, room)


async def _keep_reply(course: _Course) -> Reply:
    """Keep the reply, whole or cut off, with its receipt."""
    desk = course.desk
    message = course.assembler.whole_message
    said = bool(message.text or message.tool_calls)
    finish: FinishReason = course.assembler.end.finish_reason if course.assembler.end else "cancelled"
    state: TurnState = "cut_off" if finish in ("cancelled", "length") else "done"
    _notice_silent_cut(course)
    recalled, forgotten = await _recalled(course)
    receipt = _receipt(course, finish, forgotten)
    if course.assembler.end is not None:
        _learn(course, course.assembler.end)
    items: list[Item] = [*recalled, message] if said or state == "done" else []
    if course.plan is not None:
        for entry in list_entries(course.turn, [*course.items, *items]):
            desk.meter.note_size(course.plan.info, entry.item, entry.at)
    try:
        await keep_audit(desk, course.turn.number, course.items, message, state, receipt, required=True)
    except AuditFailed as error:
        await _fail(course, str(error))
        raise
    turn = await desk.store.finish_turn(
        desk.owner,
        desk.conversation,
        course.turn.number,
        state=state,
        items=items,
        receipt=dump_receipt(receipt),
        learnt=desk.meter.take_learnt(),
        beside=None if course.keep_beside is None else course.keep_beside(message, receipt),
        release=True,
        lease=course.lease,
        now=time.time(),
    )
    course.held.released = True
    if items and course.plan is not None:
        desk.leave(course.row, turn, [*course.items, *items], course.plan, receipt)
    await keep_audit(desk, course.turn.number, course.items, message, state, receipt, required=False)
    return Reply(
        text=message.text,
        reasoning=message.reasoning,
        turn=course.turn.number,
        state=state,
        finish_reason=finish,
        usage=course.assembler.end.usage if course.assembler.end else Usage(),
        receipt=receipt,
        message=message,
    )


async def _fail(course: _Course, why: str) -> None:
    """Mark the turn failed; what was said so far stays in the record, not in the prompt."""
    desk, message = course.desk, course.assembler.message
    receipt = _receipt(course, None) if course.plan is not None else None
    recalled, _ = await _recalled(course)
    said = message.text or message.reasoning or message.tool_calls
    with contextlib.suppress(AuditFailed):  # then this turn is not done either way
        await keep_audit(
            desk, course.turn.number, course.items, message, "failed", receipt, required=True, error=why
        )
    with contextlib.suppress(
        LeaseLost
    ):  # then it is kept beside the other writer's, and the first error tells more
        await desk.store.finish_turn(
            desk.owner,
            desk.conversation,
            course.turn.number,
            state="failed",
            items=[*recalled, *([message] if said else [])],
            receipt=dump_receipt(receipt) if receipt else None,
            error=why,
            learnt=desk.meter.take_learnt(),
            release=True,
            lease=course.lease,
            now=time.time(),
        )
        course.held.released = True
    await keep_audit(
        desk, course.turn.number, course.items, message, "failed", receipt, required=False, error=why
    )


async def _recalled(course: _Course) -> tuple[tuple[Item, ...], tuple[int, ...]]:
    """The lines that were quoted before the message; stored with the turn, so that the next prompt extends this one.

    And the turns of those that are not stored, since they were forgotten meanwhile.
    """
    if course.plan is None:
        return (), ()
    return await without_forgotten(course.desk.store, course.desk.owner, course.plan.recalled)


def _notice_silent_cut(course: _Course) -> None:
    """Compare the tokens sent with the tokens that the engine says it read."""
    plan, reported = course.plan, course.assembler.end.usage.prompt_tokens if course.assembler.end else None
    if plan is None or not reported:
        return
    share = SILENT_CUT_SHARE if plan.size.exact else SILENT_CUT_SHARE_EST
    if reported < plan.size.tokens * (1 - share) - 16:
        course.notice(
            f"The engine read {reported:,} of about {plan.size.tokens:,} tokens sent: it cut the prompt without saying so. "
            "Set --window to the window it really has."
        )


def _learn(course: _Course, end: End) -> None:
    learned = course.desk.learned
    learned.read_per_second = end.read_per_second or learned.read_per_second
    window = course.plan.budget.window if course.plan else 0  # an engine that claims more is not believed
    learned.reply_tokens = max(min(end.usage.completion_tokens or 0, window), learned.reply_tokens * 15 // 16)
    if course.plan is not None:
        learned.new_tokens += (course.plan.new_tokens - learned.new_tokens) / 4
        # What the next prompt will not carry has to be read again without it: then no view counts as read.
        learned.read_views = set() if _loses_reasoning(course) else {course.plan.material.view.number}


def _loses_reasoning(course: _Course) -> bool:
    """Whether the reply holds reasoning that the template will not render again."""
    message, info = course.assembler.message, course.info
    thought = bool(message.reasoning) or "</think>" in message.text
    return thought and info is not None and info.template.drops_reasoning


def _receipt(course: _Course, finish: FinishReason | None, forgotten: tuple[int, ...] = ()) -> Receipt:
    info, end = course.plan.info if course.plan else course.info, course.assembler.end
    if course.plan is None:  # stopped before there was a plan
        kind, model = (info.kind, info.model) if info else ("", "")
        return Receipt(engine=kind, model=model, window=0, reserve=0, high=0, low=0)
    return draft_receipt(
        course.plan,
        course.row,
        course.options,
        course.moved,
        **describe_usage(end.usage if end else Usage(), finish),
        notices=tuple(course.notices),
        forgotten=forgotten,
        max_tokens=course.sent_max_tokens,
        seconds_to_first=course.first - course.began if course.first else None,
        seconds=time.monotonic() - course.began,
        tokens_per_second=end.tokens_per_second if end else None,
    )
