"""Restore an earlier version of the summary: a view is made of its lines, and stored as a compaction's is.

The record stays as it is, and so do all versions.
"""

import time
from dataclasses import replace

from .context.compaction import fit_lines
from .context.restoring import restore_lines
from .context.view import View, dump_view
from .errors import Conflict, NothingToDo, UsageError
from .holding import hold_alone
from .notes import find_room
from .prompt import Desk
from .record import load_summaries, read_alike


async def restore_summary(desk: Desk, number: int, *, at_once: bool) -> None:
    """Restore a version.

    Args:
        desk: the conversation.
        number: of the version.
        at_once: the model reads it from the next turn on, whatever it costs; otherwise it is pending
            until upkeep has had the engine read it, or the present one no longer fits.

    Raises:
        UsageError: there is no such version on this branch.
        NothingToDo: it is what the model reads already.
        Conflict: another program holds the conversation.
    """
    async with hold_alone(desk):
        row = await desk.load()
        versions = {version.number: version for version in await load_summaries(desk)}
        earlier = await desk.load_view(number, row.tip) if number in versions else None
        if earlier is None:
            known = ", ".join(map(str, versions)) or "there is no summary yet"
            raise UsageError(f"There is no version {number} of the summary on this branch: {known}.")
        present = (await desk.views(row, row.tip))[-1]
        view = await _fit(desk, restore_lines(present, earlier, last_turn=await _last_turn(desk, earlier)))
        if read_alike(view.lines, present.lines):
            raise NothingToDo(f"Version {number} says what the model reads already.")
        assert present.number is not None, "where there is a version there is a view"
        key = (await desk.store.load_view(desk.owner, row.id, present.number)).key
        stored = await desk.store.save_view(
            desk.owner, row.id, at=view.at, key=key, body=dump_view(view), now=time.time()
        )
        swapped = await desk.store.point_view(
            desk.owner,
            row.id,
            expected=row.view,
            current=stored.number if at_once else row.view,
            pending=None if at_once else stored.number,
        )
        desk.standing = None  # upkeep has to look at what stands in the store now
        if not swapped:
            raise Conflict("Another program has just made another summary: look at it, then restore again.")


async def _last_turn(desk: Desk, view: View) -> int:
    """The last turn that a view has folded."""
    items = await desk.store.load_log(desk.owner, desk.conversation, tip=view.at, limit=1)
    return items[-1].turn if items else 0


async def _fit(desk: Desk, view: View) -> View:
    """Merge the oldest lines where all of them are too many; the next compaction does where no engine says now."""
    room = await find_room(desk)
    if room is None:
        return view
    fitted = fit_lines(view, budget_tokens=room.lines, count=room.count)
    return replace(view, lines=fitted.lines)
