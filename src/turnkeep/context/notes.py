"""Notes: what a person tells turnkeep itself, and what becomes of it when it leaves the log.

    log    a note stands where it was made, as a marked part of the next user message
    base   when a compaction folds it, it becomes a locked fact, or changes a line or fact

Only notes that are folded are taken: those behind the cut stay in the log, since an edit of a
turn between cut and note leaves the note behind, and the view stays valid.

Pure: positions are given. Lines and facts are known by their text and lock alone.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar

from ..conversation.items import Note
from ..conversation.log import START, Position
from ..errors import UsageError
from .claims import ASKED, OF
from .facts import Fact
from .receipt import TurnRange, turn_ranges
from .view import Entry, View

NOTE_CHARACTERS = 1_000  # of a note, at most: some 250 tokens, which even a small window can hold


class _Kept(Protocol):
    """A line or a fact: a frozen dataclass with a text and a lock."""

    __dataclass_fields__: ClassVar[dict[str, Any]]  # Any: as the library has it

    @property
    def text(self) -> str: ...

    @property
    def locked(self) -> bool: ...


class _Told(Protocol):
    """A fact as far as it matters here: the turn that it was said in."""

    @property
    def text(self) -> str: ...

    @property
    def turn(self) -> int: ...


class _Replaceable(_Kept, Protocol):
    """A fact: it may have been replaced by what was said in an item."""

    @property
    def by(self) -> Position: ...


L = TypeVar("L", bound=_Kept)
F = TypeVar("F", bound=_Replaceable)
T = TypeVar("T", bound=_Told)


def make_note(text: str, *, turn: int = 0) -> Note:
    """Make the note that something is to be remembered.

    Args:
        text: what.
        turn: the turn whose words it pins; 0: the words are new.

    Raises:
        UsageError: there is nothing in it, or too much.
    """
    words = text.strip()
    if not words:
        raise UsageError("There is nothing to remember: say what, in a few words.")
    if len(words) > NOTE_CHARACTERS:
        what = f"Turn {turn}" if turn else "That"
        raise UsageError(
            f"{what} has {len(words):,} characters, but {NOTE_CHARACTERS:,} can be remembered word for word: "
            "say what matters of it."
        )
    return Note(op="remember", text=words, turn=turn)


def make_corrections(view: View, old: str, new: str | None) -> list[Note]:
    """Make the notes that correct what a view says.

    Args:
        view: with the notes of the log applied.
        old: a line of its summary or a fact, case and white space apart.
        new: the words that stand there from now on; None: it goes.

    Raises:
        UsageError: nothing reads so, or the new words are none or too many.
    """
    lines = dict.fromkeys(line.text for line in view.lines if is_same(line.text, old))
    facts = dict.fromkeys(fact.text for fact in view.facts if is_same(fact.text, old))
    if not lines and not facts:
        raise UsageError(
            f"Neither summary nor facts read {old.strip()!r}: take one as summary() or facts() show it."
        )
    if new is None:
        return [
            *(Note(op="remove_line", text="", old=text) for text in lines),
            *(Note(op="remove_fact", text="", old=text) for text in facts),
        ]
    words = new.strip()
    if not words:
        raise UsageError("There are no new words: say some, or remove the old ones.")
    if len(words) > NOTE_CHARACTERS:
        raise UsageError(
            f"That has {len(words):,} characters, but a correction may have {NOTE_CHARACTERS:,}: say it shorter."
        )
    return [
        *(Note(op="edit_line", text=words, old=text) for text in lines),
        *(Note(op="edit_fact", text=words, old=text) for text in facts),
    ]


def is_same(one: str, other: str) -> bool:
    """Tell whether two texts are the same but for case and white space."""
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def apply_notes(
    lines: Sequence[L],
    facts: Sequence[F],
    entries: Iterable[Entry],
    *,
    make_fact: Callable[[Note, Entry], F],
) -> tuple[tuple[L, ...], tuple[F, ...]]:
    """Take notes into the base.

    Args:
        lines: of the summary.
        facts: that are kept beside it.
        entries: what is folded, oldest first; what is no note in it is passed over.
        make_fact: makes the locked fact of a note and its entry.

    Returns:
        Lines and facts with the notes applied, one after another: what is to be remembered is a locked
        fact, what was edited is changed and locked, what was removed is gone. An edit whose line or
        fact is no more (merged, dropped for room, or replaced before) becomes a locked fact: it is not lost.
    """
    for entry in entries:
        note = entry.item
        if not isinstance(note, Note):
            continue
        match note.op:
            case "edit_line" if any(line.text == note.old for line in lines):
                lines = _edited(lines, note)
            case "edit_fact" if any(_is_meant(fact, note, entry) for fact in facts):
                facts = _edited(facts, note)
            case "remove_line":
                lines = [line for line in lines if line.text != note.old]
            case "remove_fact":
                facts = [fact for fact in facts if fact.text != note.old]
            case _:
                others = [fact for fact in facts if not is_same(fact.text, note.text)]
                facts = [*others, make_fact(note, entry)]
    return tuple(lines), tuple(facts)


def _is_meant(fact: F, note: Note, entry: Entry) -> bool:
    """Tell whether an edit changes a fact where it stands: not where something said before had replaced it."""
    return fact.text == note.old and (fact.by == START or fact.by.seq > entry.at.seq)


PINNED_RANK = 5  # nobody asked a model whether it matters


def pin_fact(note: Note, entry: Entry) -> Fact:
    """Make the locked fact of a note."""
    return Fact(text=note.text, turn=note.turn or entry.turn, at=entry.at, rank=PINNED_RANK, locked=True)


def pinned_facts(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts that stand in the prompt whatever the strategy: those that a person has confirmed."""
    return tuple(fact for fact in facts if fact.locked)


def _edited(kept: Sequence[L], note: Note) -> list[L]:
    """Change the one that is meant and lock it; it stays where it was."""
    return [replace(each, text=note.text, locked=True) if each.text == note.old else each for each in kept]


def lock_meant(view: View, entries: Iterable[Entry]) -> View:
    """Lock the lines and facts that notes still in the log speak of, so that they stay until these are folded."""
    meant = {entry.item.old for entry in entries if isinstance(entry.item, Note) and entry.item.old}
    if not meant:
        return view
    return replace(
        view,
        lines=tuple(replace(line, locked=line.locked or line.text in meant) for line in view.lines),
        facts=tuple(replace(fact, locked=fact.locked or fact.text in meant) for fact in view.facts),
    )


# -- forgetting -----------------------------------------------------------------------------------
def forget_in_view(
    view: View, turns: Collection[int], texts: Collection[str] = (), said: Collection[str] = ()
) -> View:
    """Take what rests on forgotten turns out of a view; the other turns of a line that goes count as unsummarised.

    Args:
        view: as it was stored.
        turns: the forgotten turns.
        texts: of forgotten notes: lines that were changed to these go too.
        said: what was said in the turns: corrections of it do not name it any more.
    """
    gone = [line for line in view.lines if _rests_on(line.turns, turns) or line.text in texts]
    hit = [
        span for span in view.spans if any(_touch(span.turns, line.turns) for line in gone)
    ]  # what they stand for is asked about again
    missing = _turns([*view.unsummarised, *(span.turns for span in hit)])
    return replace(
        view,
        lines=tuple(line for line in view.lines if line not in gone),
        spans=tuple(span for span in view.spans if span not in hit),
        unsummarised=turn_ranges(missing - set(turns)),
        given_up=turn_ranges(_turns(view.given_up) - set(turns)),
        facts=_forget_corrected(view.facts, forget_facts(view.facts, turns, texts), said),
    )


def _touch(one: TurnRange, other: TurnRange) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _turns(ranges: Iterable[TurnRange]) -> set[int]:
    return {turn for first, last in ranges for turn in range(first, last + 1)}


def forget_facts(facts: Iterable[T], turns: Collection[int], texts: Collection[str] = ()) -> tuple[T, ...]:
    """Take the facts of forgotten turns and notes out."""
    return tuple(fact for fact in facts if fact.turn not in turns and fact.text not in texts)


def _forget_corrected(
    before: Sequence[Fact], left: Iterable[Fact], said: Collection[str]
) -> tuple[Fact, ...]:
    """Let facts hold again that a forgotten one replaced, and take its words out of those that replaced it."""
    kept = tuple(left)
    gone = [fact for fact in before if fact not in kept]
    texts = [_squeeze(text) for text in said]
    return tuple(_without_reference(_follow(fact, gone), texts) for fact in kept)


def _follow(fact: Fact, gone: Sequence[Fact]) -> Fact:
    """Where what replaced a fact is forgotten, the fact is replaced by what replaced that, or holds again."""
    while not fact.current and (after := [each for each in gone if each.at == fact.by]):
        last = max(after, key=lambda each: each.by.seq)
        fact = replace(fact, replaced=last.replaced, by=last.by)
    return fact


def _without_reference(fact: Fact, said: Collection[str]) -> Fact:
    """Cut what a fact answers or corrects (claims.py) where that was said in one of these texts."""
    for mark in (OF, ASKED):
        text, _, rest = fact.text.partition(mark)
        pieces = [piece for part in rest.removesuffix(")").split("…") if (piece := _squeeze(part))]
        if pieces and any(all(piece in each for piece in pieces) for each in said):
            fact = replace(fact, text=text)
    return fact


def _squeeze(text: str) -> str:
    return "".join(text.casefold().split())


def _rests_on(span: TurnRange, turns: Collection[int]) -> bool:
    return any(span[0] <= turn <= span[1] for turn in turns)
