"""Place the lines of a summary on the turns that support them; refuse those that none supports.

The model is not asked where a line comes from, since it would invent that too. A line
goes in only when every sentence of it passes the check (check.py) against the folded
turns, and enough of it was said in them. It then rests on the fewest turns that hold what it says,
and its figures, dates, names and codes: when one of these turns goes, so does the line.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..conversation.items import Message, ToolResult
from ..conversation.log import START, Position
from .doubts import Claim, find_doubts
from .evidence import Evidence, Utterance, gather_evidence
from .receipt import TurnRange
from .sentences import MarkKind, read_sentence
from .tokens import split_sentences
from .view import Entry, Line

# Of faithful lines about chats (LoCoMo's observations) 97 % pass both; of lines about another conversation 4 %.
LEAST_COVERAGE = 0.4  # of a sentence's weight must have been said in the folded turns
LEAST_BEST = 0.2  # of it in one sentence
KNOWN_COVERAGE = 0.9  # a line of which this much stands in the summary already says nothing new
MOST_TURNS = 4  # that a sentence rests on, marks apart
LEAST_GAIN = 0.15  # of a sentence's weight that a further turn must hold

_NAMED = re.compile(
    r"\b(?:my name(?:'s| is)|i am called|i'm called|call me|people call me|ich heiße|mein name ist|je m'appelle|me llamo"
    r"|mi nombre es|mi chiamo|meu nome é|ik heet|меня зовут)\s+([^\W\d_][\w'’-]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of the lines: those that go in, and how many were refused, by why."""

    lines: tuple[Line, ...]
    refused: tuple[tuple[str, int], ...] = ()


def place_lines(
    lines: Iterable[str],
    folded: Sequence[Utterance],
    kept: Sequence[Utterance] = (),
    *,
    known: Iterable[str] = (),
    aliases: Mapping[str, Iterable[str]] | None = None,
    seen: Position = START,
) -> Placed:
    """Place lines on the folded turns.

    Args:
        lines: what may be lines, without bullets.
        folded: what was said in the turns that the summary stands for.
        kept: what was said in the turns that stay verbatim: a line that only they support is of no use.
        known: lines that the summary has already.
        aliases: what else speakers are called.
        seen: the last item that the model saw when it wrote the lines.
    """
    evidence = gather_evidence(folded, aliases)
    later = gather_evidence(kept, aliases)
    summary = gather_evidence(Utterance(0, "", line) for line in known)
    placed: list[Line] = []
    refused: Counter[str] = Counter()
    for text in lines:
        good, why = _take_supported(evidence, text)
        if good and _is_known(summary, good):
            continue
        if good:
            placed.append(Line(text=good, turns=_rest(evidence, good), seen=seen))
        else:
            refused["later" if kept and _take_supported(later, text)[0] else why] += 1
    return Placed(lines=tuple(placed), refused=tuple(sorted(refused.items())))


def _take_supported(evidence: Evidence, text: str) -> tuple[str, str]:
    """Take a line's sentences up to the first that is not supported; and why that one is not."""
    good: list[str] = []
    why = "unsupported"
    for sentence in split_sentences(text):
        claim = Claim(evidence, read_sentence(sentence))
        doubts = find_doubts(claim)
        if doubts:
            why = doubts[0].kind
            break
        if claim.coverage < LEAST_COVERAGE or claim.best < LEAST_BEST * claim.total:
            break
        good.append(sentence)
    return " ".join(good), why


def _is_known(summary: Evidence, text: str) -> bool:
    claims = [Claim(summary, read_sentence(sentence)) for sentence in split_sentences(text)]
    return all(claim.coverage >= KNOWN_COVERAGE and not find_doubts(claim) for claim in claims)


def _rest(evidence: Evidence, text: str) -> TurnRange:
    """Find the turns that a supported line rests on."""
    turns: set[int] = set()
    for sentence in split_sentences(text):
        claim = Claim(evidence, read_sentence(sentence))
        turns |= _cover(claim) | _turns_of_marks(claim)
    return min(turns), max(turns)


def _cover(claim: Claim) -> set[int]:
    """Choose the turns that hold most of a claim, the best first."""
    evidence = claim.evidence
    held: dict[int, set[str]] = {}
    for at in claim.ranked:
        said = evidence.said[at]
        held.setdefault(said.turn, set()).update(said.sentence.stems.intersection(claim.stems))
    turns: set[int] = set()
    missing = set(claim.stems)
    while held and len(turns) < MOST_TURNS:
        turn = max(held, key=lambda each: (_weigh(evidence, held[each] & missing), -each))
        if turns and _weigh(evidence, held[turn] & missing) < LEAST_GAIN * claim.total:
            break
        turns.add(turn)
        missing -= held.pop(turn)
    return turns


def _weigh(evidence: Evidence, stems: Iterable[str]) -> float:
    return sum(map(evidence.weigh, sorted(stems)))


def _turns_of_marks(claim: Claim) -> set[int]:
    """The turns where a claim's figures, dates and names were said, each where most of the claim stands by."""
    kinds: tuple[MarkKind, ...] = ("number", "date", "name")
    turns: set[int] = set()
    for kind in kinds:
        for mark in claim.sentence.marks(kind):
            places = claim.evidence.by_mark.get((kind, mark), ())
            best = max(places, key=lambda at: (claim.found.get(at, 0.0), -at), default=None)
            turns |= {claim.evidence.said[best].turn} if best is not None else set()
    return turns


# -- what was said -------------------------------------------------------------------------------------


def say_entries(entries: Iterable[Entry]) -> list[Utterance]:
    """Write entries of the log as utterances; quotations from earlier turns are left out."""
    said: list[Utterance] = []
    for entry in entries:
        if not isinstance(entry.item, Message):
            continue
        speaker = entry.item.role if entry.item.role in ("user", "assistant") else ""
        texts = [entry.item.text, *(part.text for part in entry.item.parts if isinstance(part, ToolResult))]
        said += [Utterance(entry.turn, speaker, text) for text in texts if text.strip()]
    return said


def find_aliases(utterances: Iterable[Utterance]) -> dict[str, list[str]]:
    """Find what the user is called. Example: "My name is Ana." → {"user": ["Ana"]}."""
    names = [name for one in utterances if one.speaker == "user" for name in _NAMED.findall(one.text)]
    return {"user": list(dict.fromkeys(names))}
