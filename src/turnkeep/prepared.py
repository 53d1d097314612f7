"""A turn for programs that keep their own client: turnkeep plans, they call, turnkeep records.

No lease is held in between: `finish()` checks that the conversation has not moved
on meanwhile, and keeps the turn beside it when it has.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .context.receipt import Receipt, dump_receipt
from .conversation.items import FinishReason, Item, Message, TurnState, Usage
from .conversation.log import Position
from .engine.base import EngineInfo
from .errors import Conflict, UsageError
from .holding import hold_conversation
from .keeping import check_audit, keep_audit, save_view
from .masking import mask_to_send, put_back
from .prompt import Desk, Options, Plan
from .recall import without_forgotten
from .receipts import draft_receipt, load_forgotten, why_moved, with_usage
from .store.base import Lease, Turn
from .wire.chat_completions import parse_reply, parse_usage

_MOVED_ON = "The conversation moved on meanwhile: this reply is kept beside it, as turn {}."


@dataclass(frozen=True, slots=True)
class Prepared:
    """A planned turn.

    messages: ready to send, in the chat-completions format.
    max_tokens: the limit of the reply that leaves room for it; None when none was asked for.
    """

    messages: list[dict[str, Any]]  # Any: wire messages
    max_tokens: int | None
    receipt: Receipt
    _desk: Desk
    _items: tuple[Item, ...]
    _after: Position
    _plan: Plan
    _info: EngineInfo
    _turns: int  # there were
    _forgotten: frozenset[int]  # since the newest receipt
    _wake: Callable[[], None]

    async def finish(
        self,
        reply: str | Mapping[str, Any] | Message,  # Any: a wire message
        usage: Usage | Mapping[str, Any] | None = None,  # Any: a wire usage object
        finish_reason: FinishReason = "stop",
    ) -> Turn:
        """Record the turn: the message and the whole reply, tool calls and reasoning included.

        Args:
            reply: the text, or the `message` object of the engine's response.
            usage: the `usage` object of the response; it teaches how large texts are.
            finish_reason: as the engine gave it; "length" and "cancelled" mark the turn cut off.

        Raises:
            Conflict: the conversation moved on since `prepare()`; the turn is kept beside it.
            WireError: the reply is not a message.
            AuditFailed: its record in the audit journal is required, and cannot be written; the turn is not done.
        """
        desk = self._desk
        message = await put_back(desk.engine, _read_reply(reply))
        counted = usage if isinstance(usage, Usage) else parse_usage(usage or {})
        state: TurnState = "cut_off" if finish_reason in ("length", "cancelled") else "done"
        await check_audit(desk.audit)
        await desk.meter.learn(self._info, self._plan.request, counted.prompt_tokens)
        async with hold_conversation(desk) as lease:
            row = await desk.load()
            turn = await desk.store.begin_turn(
                desk.owner, desk.conversation, self._items, after=self._after, lease=lease, now=time.time()
            )
            recalled, receipt = await self._leave_forgotten(row.turns)
            receipt = with_usage(receipt, counted, finish_reason)
            record = partial(keep_audit, desk, turn.number, self._items, message, state, receipt)
            await record(required=True)
            turn = await desk.store.finish_turn(
                desk.owner,
                desk.conversation,
                turn.number,
                state=state,
                items=[*recalled, message] if message.parts else [],
                receipt=dump_receipt(receipt),
                lease=lease,
                now=time.time(),
            )
            await self._stay_at(row.tip, lease)
        await record(required=False)
        if row.tip != self._after:
            raise Conflict(_MOVED_ON.format(turn.number))
        self._wake()
        return turn

    async def _leave_forgotten(self, turns: int) -> tuple[Sequence[Item], Receipt]:
        """What was recalled and is still known, and the receipt with what was forgotten since the plan."""
        desk = self._desk
        recalled, gone = await without_forgotten(desk.store, desk.owner, self._plan.recalled)
        since = await load_forgotten(desk, turns, first=self._turns) - self._forgotten
        return recalled, replace(self.receipt, forgotten=tuple(sorted({*gone, *since})))

    async def _stay_at(self, tip: Position, lease: Lease) -> None:
        """Let a conversation that has moved on meanwhile stand where it stood."""
        if tip != self._after:
            desk = self._desk
            await desk.store.move_tip(desk.owner, desk.conversation, tip, lease=lease, now=time.time())


def _read_reply(reply: str | Mapping[str, Any] | Message) -> Message:  # Any: a wire message
    message = reply if isinstance(reply, Message) else parse_reply(reply)
    if message.role != "assistant":
        raise UsageError("A reply is a message of the assistant: hand over the engine's answer.")
    return message


async def prepare_turn(
    desk: Desk, items: Sequence[Item], options: Options, wake: Callable[[], None]
) -> Prepared:
    """Plan a turn that somebody else will send.

    Args:
        desk: the conversation.
        items: what the user says.
        options: how the request will be made.
        wake: is called when the turn is recorded.
    """
    row, info = await desk.load(), await desk.engine.probe()
    forgotten = frozenset(await load_forgotten(desk, row.turns, first=row.turns))
    scene = await desk.look(info, row, row.tip, last=row.turns)
    plan = await desk.plan(info, row, row.tip, items, options, scene=scene)
    view = plan.material.view
    if plan.cut_now:
        view = await save_view(desk, info, view, row)
        plan = replace(plan, material=replace(plan.material, view=view))
    moved = why_moved(scene.past, row, plan, options)
    wanted = options.max_tokens
    room = max(1, info.window - plan.size.tokens)
    return Prepared(
        messages=[dict(message) for message in (await mask_to_send(desk.engine, plan.request)).messages],
        max_tokens=None if wanted is None else room if wanted < 0 else min(wanted, room),
        receipt=draft_receipt(plan, row, options, moved),
        _desk=desk,
        _items=tuple(items),
        _after=row.tip,
        _plan=plan,
        _info=info,
        _turns=row.turns,
        _forgotten=forgotten,
        _wake=wake,
    )
