"""Facts: what the user said that must survive word for word, kept beside the summary.

Gleaned from turns as they leave the log (gleaning.py), without asking a model. The
latest word wins: a statement that gives the same thing another value marks the earlier
one as replaced (corrections.py), also while it still stands in the log itself. What is
replaced is kept for showing, never rendered.

Pure: token counts are given.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..conversation.log import START, Position
from .claims import Claim, read_claim
from .corrections import find_replaced, name_subject, repeats
from .gleaning import FACT_CHARACTERS, glean
from .suspicion import find_doubted, speak_alike

# What the user says after these lines stands behind them in the log, and goes first.
FACTS_HEADER = "Facts, in the user's words (what is said later holds):"
DOUBTED = "(said earlier, may have changed) "
MOST_REPLACED = 50  # kept for showing; the newest
MOST_CURRENT = 400  # looked through for each new statement; a budget never holds as many


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that the user stated.

    text: as said; turn: when; at: the item that said it.
    rank: how much it is worth keeping, 5 the most (gleaning.py).
    locked: the user has confirmed it: it never makes room for others.
    replaced: the turn whose statement took its place; by: that statement's item.
    doubt: the turn of a statement that may have taken its place; `by` is its item then. It is rendered with
        a mark, the other right behind it.
    """

    text: str
    turn: int
    at: Position
    rank: int
    locked: bool = False
    replaced: int | None = None
    by: Position = START
    doubt: int | None = None

    @property
    def current(self) -> bool:
        """Whether nothing has taken its place."""
        return self.replaced is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A message of the user's; `asked` is what the assistant had said before it."""

    text: str
    turn: int
    at: Position
    asked: str = ""


def keep_facts(
    facts: Sequence[Fact], folded: Iterable[Statement], staying: Iterable[Statement] = ()
) -> tuple[Fact, ...]:
    """Take in what the user said.

    Args:
        facts: those so far, oldest first.
        folded: messages that leave the log, oldest first, none of them taken in before.
        staying: messages that stand in the log behind them: they replace facts, but become none yet.

    Returns:
        The facts, oldest first, replaced ones among them.
    """
    known = list(facts)
    later: set[Position] = set()
    for stays, statements in ((False, folded), (True, staying)):
        for statement in statements:
            if stays:
                later.add(statement.at)
            for gleaned in glean(statement.text, statement.asked):
                fact = Fact(text=gleaned.text, turn=statement.turn, at=statement.at, rank=gleaned.rank)
                known = _take_in(known, fact, statement.asked)
    return tuple(fact for fact in known if fact.at not in later)


def _take_in(known: Sequence[Fact], fact: Fact, asked: str) -> list[Fact]:
    """Add a fact, mark what it replaces or may replace, and leave out what it only repeats."""
    claim = read_claim(fact.text)
    open_ = [old for old in known if (old.replaced is None or old.by == fact.at) and old.at != fact.at]
    gone = [
        open_[place] for place in find_replaced(claim, [(old.text, fact.turn - old.turn) for old in open_])
    ]
    doubted = _find_in_doubt(claim, fact, open_, gone, asked)
    if fact.rank == 0 and not gone and not doubted:
        return list(known)
    marked = {
        id(old): replace(old, doubt=fact.turn, by=fact.at)
        for old in known
        if _is_behind(old, (*gone, *doubted))
    }
    marked.update((id(old), replace(old, replaced=fact.turn, by=fact.at, doubt=None)) for old in gone)
    marked.update((id(old), replace(old, doubt=fact.turn, by=fact.at, replaced=None)) for old in doubted)
    kept = [marked.get(id(old), old) for old in known if id(old) in marked or _stays(old, claim)]
    rank = max([fact.rank, *(old.rank for old in (*gone, *doubted))])
    of = gone or (doubted if not claim.about else [])
    text = name_subject(fact.text, of[-1].text)[:FACT_CHARACTERS] if of else fact.text
    return [*kept[-MOST_CURRENT:], replace(fact, text=text, rank=rank)]


def _find_in_doubt(
    claim: Claim, fact: Fact, open_: Sequence[Fact], gone: Sequence[Fact], asked: str
) -> list[Fact]:
    """Find what a new fact may well replace beside what it replaces for sure."""
    sure = {id(old) for old in gone}
    rest = [old for old in open_ if id(old) not in sure]
    found = find_doubted(claim, [(old.text, fact.turn - old.turn) for old in rest], asked)
    return [rest[place] for place in found if not gone or speak_alike(gone[-1].text, rest[place].text)]


def _stays(old: Fact, claim: Claim) -> bool:
    """Tell whether an earlier fact is kept: not where the new one only says it again."""
    return old.locked or old.replaced is not None or not repeats(claim, read_claim(old.text))


def _is_behind(old: Fact, others: Sequence[Fact]) -> bool:
    """Tell whether a fact is in doubt by one of others, which the new one replaces or puts in doubt."""
    return old.doubt is not None and any(old.by == other.at for other in others)


def reopen_facts(facts: Sequence[Fact], gone: Iterable[Position]) -> tuple[Fact, ...]:
    """Let facts hold again whose replacement was said in one of these items, which are no longer there."""
    withdrawn = set(gone)
    return tuple(
        replace(fact, replaced=None, doubt=None, by=START)
        if (fact.replaced, fact.doubt) != (None, None) and fact.by in withdrawn
        else fact
        for fact in facts
    )


def fit_facts(
    facts: Sequence[Fact], *, budget_tokens: int, locked_tokens: int, count: Callable[[str], int]
) -> tuple[Fact, ...]:
    """Choose the facts that stay: locked ones first, then by rank, then the newest.

    Args:
        facts: oldest first.
        budget_tokens: the most that the rendered facts may take, their header included.
        locked_tokens: the same for locked ones, which have more room.
        count: tokens of a text.

    Returns:
        Those that fit, oldest first, and the newest of the replaced ones, which take no room.
    """
    taken, kept = count(FACTS_HEADER), set[int]()
    order = sorted(
        (at for at, fact in enumerate(facts) if fact.current),
        key=lambda at: (not facts[at].locked, -facts[at].rank, -at),
    )
    for at in order:
        size = count(f"- {facts[at].text}\n")
        if taken + size <= (locked_tokens if facts[at].locked else budget_tokens):
            kept.add(at)
            taken += size
    kept.update([at for at, fact in enumerate(facts) if not fact.current][-MOST_REPLACED:])
    return tuple(facts[at] for at in sorted(kept))


def locked_size(facts: Iterable[Fact], count: Callable[[str], int]) -> int:
    """Tokens of the locked facts that hold, header included; `fit_facts` keeps all of them within `locked_tokens`."""
    return count(FACTS_HEADER) + sum(
        count(f"- {fact.text}\n") for fact in facts if fact.locked and fact.current
    )


def render_facts(facts: Sequence[Fact]) -> str:
    """Write the facts that hold as they stand in the base; "" when there are none.

    One that is in doubt bears a mark and stands right before what was said later.
    """
    lines = [
        f"- {DOUBTED if fact.doubt is not None else ''}{fact.text}"
        for fact in _order_facts(facts)
        if fact.current
    ]
    return "\n".join([FACTS_HEADER, *lines]) if lines else ""


def _order_facts(facts: Sequence[Fact]) -> Iterator[Fact]:
    doubted = [fact for fact in facts if fact.current and fact.doubt is not None]
    sayers = {fact.at for fact in facts if fact.current and fact.doubt is None}
    for fact in facts:
        if fact.doubt is None:
            yield from (old for old in doubted if old.by == fact.at and fact.at in sayers)
            sayers.discard(fact.at)
            yield fact
        elif fact.by not in sayers:
            yield fact


def dump_fact(fact: Fact) -> list[Any]:  # Any: JSON values
    """Turn a fact into what a view keeps of it."""
    return [fact.text, fact.turn, fact.at.branch, fact.at.seq, fact.rank, fact.locked, fact.replaced, fact.by.branch, fact.by.seq, fact.doubt]  # fmt: skip


def load_fact(body: Sequence[Any]) -> Fact:  # Any: JSON of our own making
    """Inverse of `dump_fact`."""
    text, turn, branch, seq, rank, locked, replaced, by_branch, by_seq, *doubt = body
    return Fact(text=text, turn=turn, at=Position(branch, seq), rank=rank, locked=locked, replaced=replaced, by=Position(by_branch, by_seq), doubt=next(iter(doubt), None))  # fmt: skip
