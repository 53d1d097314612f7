"""Make room at once: what a prompt is made of, and what leaves it when a person waits and it does not fit.

No summary is asked for here; that is upkeep's (compaction.py). What leaves counts as unsummarised.

Pure: sizes are given.
"""

from dataclasses import dataclass, field, replace

from ..errors import ContextOverflow
from .budget import Budget
from .compaction import cut_view
from .plan import choose_cut, refuse_overflow
from .view import Entry, View, bare_results, group_turns, holds_results, is_left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a prompt can be made of.

    base: the base as text, and its size, and that of its facts; entries: the log of the view, without the new message.
    """

    view: View
    base: str
    base_tokens: int
    entries: tuple[Entry, ...]
    facts_tokens: int = 0
    log_tokens: int = field(init=False)  # of the entries

    def __post_init__(self) -> None:
        """Add up once what is asked for again and again."""
        object.__setattr__(self, "log_tokens", sum([entry.tokens for entry in self.entries]))

    @property
    def tokens(self) -> int:
        """Tokens of base and log."""
        return self.base_tokens + self.log_tokens


def check_base(instructions: str, material: Material, budget: Budget) -> None:
    """Refuse instructions that leave no room for a conversation.

    Raises:
        ContextOverflow: they alone take more than the base's share.
    """
    view = material.view
    if not view.lines and not view.facts and instructions and material.base_tokens > budget.base:
        raise ContextOverflow(
            f"The instructions take {material.base_tokens:,} tokens, but at most {budget.base:,} of the window's "
            f"{budget.window:,} are theirs: shorten them, or load the model with a larger window.",
            needed=material.base_tokens,
            available=budget.base,
        )


def cut_now(material: Material, new_tokens: int, budget: Budget, allowed: int, *, in_loop: bool) -> Material:
    """Make room without a summary, since the prompt does not fit and a person waits.

    The oldest turns are folded. Inside one long tool loop, which must not be parted, its oldest
    results are left out instead.
    """
    around = material.base_tokens + new_tokens
    if not material.entries:
        raise refuse_overflow(base_tokens=material.base_tokens, new_tokens=new_tokens, budget=budget)
    # Cut well below what is allowed, so that room is made for many turns, not for one.
    target = min(allowed, max(budget.low, around + (allowed - around) // 2))
    groups = group_turns(material.entries)
    if in_loop and len(groups) == 1:
        return _bare_oldest(material, material.tokens + new_tokens - target)
    at = (
        choose_cut(material.entries, around_tokens=around, limit=target, keep_last=in_loop)
        or groups[0][-1].at
    )
    kept = tuple(entry for entry in material.entries if entry.at.seq > at.seq)
    folded = material.entries[: len(material.entries) - len(kept)]
    view = cut_view(material.view, at=at, last_turn=folded[-1].turn)
    if not in_loop:  # the log is read anew: the moment to drop what was only quoted from earlier
        last = material.entries[-1].at
        view = replace(view, copies_upto=last.seq, tip=last)
    return replace(
        material, view=view, entries=tuple(entry for entry in kept if not is_left_out(entry, view))
    )


def _bare_oldest(material: Material, excess: int) -> Material:
    """Leave out the oldest tool results of the log until `excess` tokens are saved.

    Raises:
        ContextOverflow: there is no result left to leave out.
    """
    entries, upto = list(material.entries), material.view.bare_upto
    for index, entry in enumerate(entries):
        if excess <= 0:
            break
        if entry.at.seq > upto and holds_results(entry.item):
            entries[index] = bare_results(entry)
            excess -= entry.tokens - entries[index].tokens
            upto = entry.at.seq
    if upto == material.view.bare_upto:
        raise ContextOverflow(
            "The tool calls of this turn alone are too long for the window: start another turn."
        )
    view = replace(material.view, number=None, bare_upto=upto, tip=entries[-1].at)
    return replace(material, view=view, entries=tuple(entries))
