"""Is each figure, date, code and name of a claim where it was said, or was it said of something else?

Stricter than the check (doubts.py), since a line of a summary is believed.
"""

from collections.abc import Iterable, Sequence

from .doubts import Claim
from .evidence import Evidence
from .sentences import MarkKind, Sentence
from .tokens import stem

OWN_SHARE = 0.9  # of what stands around another figure, date, name or code must stand around the claim's own
OTHER_SHARE = 0.2  # of the claim; where less stands around another one, that one tells nothing
NEAR = 2  # sentences before, and one after, that may belong to a figure

MARK_KINDS: tuple[MarkKind, ...] = ("number", "date", "name")
VALUE_KINDS = ("number", "date", "code")


def find_misplaced(claim: Claim) -> str:
    """Find a figure, date, code or name beside which less of a claim was said than beside another one; its kind.

    Stricter than the check, since a line of the summary is believed: "the flight leaves at 14:05", where
    14:05 was said of the train, is refused. Figures, dates and codes stand in for one another.
    """
    called = {part for names in claim.evidence.speakers.values() for name in names for part in name.split()}
    for kinds in (VALUE_KINDS, ("name",)):
        own = {mark for kind in kinds for mark in marks_of(claim.sentence, kind)} - called
        if not own:
            continue
        others = {
            at
            for at in claim.ranked
            if any(
                mark not in own and mark not in called
                for kind in kinds
                for mark in marks_of(claim.evidence.said[at].sentence, kind)
            )
        }
        for kind in kinds:
            for mark in marks_of(claim.sentence, kind):
                if mark not in called and _stands_elsewhere(claim, kind, mark, others):
                    return kind
    return ""


def _stands_elsewhere(claim: Claim, kind: str, mark: str, others: set[int]) -> bool:
    subject = [word for word in claim.subject if word != stem(mark)]
    places = find_places(claim.evidence, kind, mark)
    own = max((_weigh_around(claim, subject, at, others) for at in places), default=0.0)
    other = max((_weigh_at(claim, subject, at) for at in others.difference(places)), default=0.0)
    return (
        bool(places)
        and other >= OTHER_SHARE * weigh_stems(claim.evidence, subject) > 0
        and own < OWN_SHARE * other
    )


def marks_of(sentence: Sentence, kind: str) -> tuple[str, ...]:
    """A sentence's figures, dates, names or codes."""
    if kind == "code":
        return sentence.codes
    return next(sentence.marks(each) for each in MARK_KINDS if each == kind)


def find_places(evidence: Evidence, kind: str, mark: str) -> list[int]:
    """Where in the evidence a figure, date, name or code was said."""
    if kind == "code":
        return [at for at, said in enumerate(evidence.said) if mark in said.sentence.codes]
    return next(list(evidence.by_mark.get((each, mark), ())) for each in MARK_KINDS if each == kind)


def weigh_stems(evidence: Evidence, stems: Iterable[str]) -> float:
    """How much stems tell together; summed in a fixed order, so that it is the same every time."""
    return sum(map(evidence.weigh, sorted(stems)))


def _weigh_around(claim: Claim, subject: Sequence[str], place: int, others: set[int]) -> float:
    """How much of a claim stands in a sentence and beside it, where that is not about another mark."""
    said = claim.evidence.said
    around = range(max(0, place - NEAR), min(len(said), place + 2))
    stems = frozenset[str]().union(
        *(said[at].sentence.stems for at in around if at == place or at not in others)
    )
    return weigh_stems(claim.evidence, stems.intersection(subject))


def _weigh_at(claim: Claim, subject: Sequence[str], place: int) -> float:
    return weigh_stems(claim.evidence, claim.evidence.said[place].sentence.stems.intersection(subject))
