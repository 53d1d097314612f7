"""What a turn leaves behind in memory for the next one: the log that it has read and said, laid out and measured.

It holds while the conversation's row says that nothing else was written since, and at most
what stands in the window. Everything in it can be read from the store again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import is_

from .context.budget import Budget
from .context.cutting import Material
from .context.receipt import Receipt
from .context.strategy import Strategy
from .context.view import Entry, View, find_seam, goes_on, layout_messages
from .conversation.items import Item, Recalled
from .conversation.log import START, Position
from .engine.base import EngineInfo
from .loading import Draft, Past, read_draft, read_instructions, read_past, read_views
from .store.base import Conversation, Turn
from .store.reading import Record
from .wire.chat_completions import render_messages
from .wire.exchange import WireMessage

DRIFT = 0.02  # estimated sizes are corrected anew when the correction has moved by more than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a conversation stands behind a turn.

    row: its row, as far as a turn changes it.
    instructions: the current ones.
    material: what its last prompt was made of.
    fresh: what came since: the turn's own items, not measured yet.
    strategy: with which the material was made.
    tokenizer: by which it was measured.
    ratio: by which estimates were multiplied.
    receipt: of the turn.
    """

    row: Conversation
    instructions: str
    material: Material
    fresh: tuple[Entry, ...]
    strategy: Strategy
    tokenizer: str
    ratio: float
    receipt: Receipt

    def holds(self, row: Conversation, tip: Position, *, clean: bool) -> bool:
        """Whether nothing was written since, and the next turn goes on behind it.

        Args:
            row: as it is now.
            tip: the item that the next turn hangs on.
            clean: nothing was forgotten since the turn's receipt was written.
        """
        return clean and tip == self.row.tip and _pointers(row) == _pointers(self.row)

    def is_measured_by(self, info: EngineInfo, ratio: float) -> bool:
        """Whether the sizes still count."""
        return self.tokenizer == info.tokenizer and abs(ratio / self.ratio - 1) <= DRIFT

    @property
    def is_plain(self) -> bool:
        """Whether all that was read stands here; else, which is rare, the next turn reads it again."""
        view, row = self.material.view, self.row
        only = view.number == row.view and row.pending_view is None
        return only and view.bare_upto <= view.at.seq and not self.receipt.forgotten

    def is_small(self, budget: Budget) -> bool:
        """Whether compaction is so far off that nobody need measure: nothing was ever folded, nor quoted."""
        if self.strategy.turns is not None or self.material.view.number is not None:
            return False
        tokens = (self.receipt.engine_prompt_tokens or self.receipt.prompt_tokens) + (
            self.receipt.reply_tokens or budget.high
        )
        # Other options of the next turn may bring the mark down to half.
        quoted = (isinstance(entry.item, Recalled) for entry in (*self.material.entries, *self.fresh))
        return tokens < budget.high // 2 and not any(quoted)

    @property
    def past(self) -> Past:
        """The turn before the next one."""
        number = self.row.turns
        return Past(last=number, before=number, receipt=self.receipt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the plan of a turn is made from.

    past: the turn before.
    standing: what that left behind, where that still holds; then nothing was read.
    drafts: otherwise, the current view with its log, then a pending one.
    """

    instructions: str
    past: Past
    standing: Standing | None = None
    drafts: Sequence[Draft] = ()


def read_scene(record: Record, row: Conversation, tip: Position, *, last: int, day: str, most: int) -> Scene:
    """Read all that a turn behind `tip` needs.

    Args:
        record: the conversation's.
        row: its row, before the turn.
        tip: the item that the turn hangs on.
        last: the number of the turn before, on whatever branch.
        day: see `read_views`.
        most: see `read_draft`.
    """
    return Scene(
        instructions=read_instructions(record, row),
        past=read_past(record, tip, last),
        drafts=[read_draft(record, view, tip, most) for view in read_views(record, row, tip, day)],
    )


def is_new(row: Conversation) -> bool:
    """Whether nothing was ever said in a conversation."""
    return row.turns == 0 and row.tip == START and row.view is None and row.pending_view is None


def new_scene(instructions: str, day: str) -> Scene:
    """The scene of a conversation's first turn; there is nothing to read."""
    return Scene(instructions=instructions, past=Past(), drafts=[Draft(view=View(day=day), items=())])


def _pointers(row: Conversation) -> tuple[object, ...]:
    return row.tip, row.turns, row.view, row.pending_view, row.instructions


def stand_behind(row: Conversation, turn: Turn) -> Conversation:
    """The row as a turn leaves it that the tip has moved to."""
    return replace(row, tip=turn.tip, turns=turn.number)


def list_entries(turn: Turn, items: Sequence[Item]) -> tuple[Entry, ...]:
    """The items of a turn as entries of the log, not measured yet."""
    return tuple(
        Entry(at=Position(turn.branch, turn.first + index), turn=turn.number, item=item)
        for index, item in enumerate(items)
    )


class Layout:
    """The messages of the last prompt up to its last seam, so that the next one only adds to them."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._items: list[Item] = []
        self._messages: list[WireMessage] = []

    def render(
        self, base: str, items: Sequence[Item], *, base_in_first_user: bool, reasoning: bool
    ) -> list[WireMessage]:
        """Lay out and render as `layout_messages` and `render_messages` do; what was rendered before is taken as it is."""
        key = (base, base_in_first_user, reasoning)
        known = len(self._items)
        if (
            key != self._key
            or known > len(items)
            or not all(map(is_, self._items, items))
            or not goes_on(items[known:])
        ):
            self._key, self._items, self._messages, known = key, [], [], 0

        def lay_out(part: Sequence[Item], base: str) -> list[WireMessage]:
            messages = layout_messages(base, part, base_in_first_user=base_in_first_user)
            return render_messages(messages, reasoning=reasoning)

        rest = list(items[known:])
        carrying = not known and bool(base) and base_in_first_user
        if seam := find_seam(rest, carrying=carrying):
            self._messages += lay_out(rest[:seam], "" if known else base)
            self._items += rest[:seam]
            rest, known = rest[seam:], known + seam
        return [*self._messages, *lay_out(rest, "" if known else base)]

    def forget(self) -> None:
        """Hold no text any more."""
        self._key, self._items, self._messages = (), [], []
