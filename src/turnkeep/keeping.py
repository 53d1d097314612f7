"""What a turn keeps beside the record: a view that was cut while a person waits, and its line in the audit journal."""

import time
from collections.abc import Sequence
from dataclasses import replace

from .audit.base import Audit, Entry
from .audit.entries import describe_turn, describe_unstored
from .context.receipt import Receipt
from .context.view import View, dump_view
from .conversation.items import Item, Message
from .engine.base import EngineInfo
from .prompt import Desk
from .store.base import Conversation


async def save_view(desk: Desk, info: EngineInfo, view: View, row: Conversation) -> View:
    """Store a view made while a person waits, and make it the current one."""
    stored = await desk.store.save_view(
        desk.owner,
        desk.conversation,
        at=view.at,
        key=view_key(info, row),
        body=dump_view(view),
        now=time.time(),
    )
    await desk.store.point_view(
        desk.owner, desk.conversation, expected=row.view, current=stored.number, pending=None
    )
    return replace(view, number=stored.number)


def view_key(info: EngineInfo, row: Conversation) -> str:
    """For which engine, model, window and instructions a view was made."""
    return f"{info.kind}:{info.model}:{info.window}:{row.instructions or 0}"


async def check_audit(audit: Audit | None) -> str | None:
    """See, before the engine is called, whether the journal can take the turn; returns what the person should know.

    Raises:
        AuditFailed: it cannot, and no turn may be done without its record.
    """
    if audit is None:
        return None
    if audit.required:
        await audit.check()
    return audit.problem


async def keep_audit(
    desk: Desk,
    turn: int,
    items: Sequence[Item],
    message: Message,
    state: str,
    receipt: Receipt | None,
    *,
    required: bool,
    error: str = "",
) -> None:
    """Hand a turn over to the journal.

    Called twice at a turn's end: before it is done, which does something where its record is required, and after, where it is not.

    Raises:
        AuditFailed: the record is required, and could not be written.
    """
    audit = desk.audit
    if audit is None or audit.required != required:
        return
    entry = describe_turn(
        desk.owner, desk.conversation, turn, items, message,
        state=state, receipt=receipt, at=time.time(), error=error,
    )  # fmt: skip
    await _hand_over(audit, entry)


async def keep_audit_unstored(
    audit: Audit | None, owner: str, items: Sequence[Item], message: Message, *, state: str, receipt: Receipt
) -> None:
    """Hand over that a turn went through of which nothing is kept: who, when, how large, how long.

    Raises:
        AuditFailed: the record is required, and could not be written.
    """
    if audit is not None:
        await _hand_over(
            audit, describe_unstored(owner, items, message, state=state, receipt=receipt, at=time.time())
        )


async def _hand_over(audit: Audit, entry: Entry) -> None:
    if audit.required:
        await audit.keep(entry)
    else:
        audit.note(entry)
