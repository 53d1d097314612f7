"""Is each figure, date, code and name of a claim where it was said, or was it said of something else?

Stricter than the check (doubts.py), since a line of a summary is believed.
"""

import re
from collections.abc import Iterable, Sequence

from .doubts import Claim
from .evidence import Evidence
from .sentences import MarkKind, Sentence, read_sentence
from .tokens import stem

OWN_SHARE = 0.9  # of what stands around another figure, date, name or code must stand around the claim's own
OTHER_SHARE = 0.2  # of the claim; where less stands around another one, that one tells nothing
NEAR = 2  # sentences before, and one after, that may belong to a figure

MARK_KINDS: tuple[MarkKind, ...] = ("number", "date", "name")
VALUE_KINDS = ("number", "date", "code")
_CLAUSE_END = re.compile(
    r"\b(?:and|but|or|while|whereas|then|und|aber|oder|et|mais|ou|y|pero|o|e|ma|en|maar|и|а|но|или)\b"
    r"|[,;:]\s|[–—、，；]"
)


def find_misplaced(claim: Claim) -> str:
    """Find a figure, date, code or name beside which less of a claim was said than beside another one; its kind.

    Figures, dates and codes stand in for one another. Example: "the flight leaves at 14:05", where 14:05 was said
    of the train; "" when there is none.
    """
    called = {part for names in claim.evidence.speakers.values() for name in names for part in name.split()}
    for kinds in (VALUE_KINDS, ("name",)):
        own = {mark for kind in kinds for mark in marks_of(claim.sentence, kind)} - called
        if not own:
            continue
        elsewhere = _Elsewhere(claim, kinds, own | called)
        for kind in kinds:
            for mark in marks_of(claim.sentence, kind):
                if mark in own and elsewhere.holds(kind, mark):
                    return kind
    return ""


class _Elsewhere:
    """What was said beside marks that a claim does not name. known: those that it does."""

    def __init__(self, claim: Claim, kinds: Sequence[str], known: set[str]) -> None:
        self._claim, self._kinds, self._known = claim, kinds, known
        said = claim.evidence.said
        self._others = {at for at in claim.ranked if self._names_another(said[at].sentence)}

    def holds(self, kind: str, mark: str) -> bool:
        """Tell whether more of the claim stands by another mark than by this one, where this one was said."""
        claim = self._claim
        subject = frozenset(word for word in claim.subject if word != stem(mark))
        total = weigh_stems(claim.evidence, subject)
        said = find_places(claim.evidence, kind, mark)
        places = [
            at for at in said if not self._is_crossed(claim.evidence.said[at].sentence, kind, mark, subject)
        ]
        own = max((self._weigh_around(subject, at) for at in places), default=0.0)
        beside = (claim.evidence.said[at].sentence.stems & subject for at in self._others.difference(said))
        other = max((weigh_stems(claim.evidence, stems) for stems in beside), default=0.0)
        return bool(said) and (not places or (other >= OTHER_SHARE * total > 0 and own < OWN_SHARE * other))

    def _names_another(self, sentence: Sentence) -> bool:
        return any(mark not in self._known for kind in self._kinds for mark in marks_of(sentence, kind))

    def _is_crossed(self, sentence: Sentence, kind: str, mark: str, subject: frozenset[str]) -> bool:
        """Tell whether a sentence has another mark, in a clause that holds more of the claim than the mark's own.

        Example: "My son is 7 and my daughter is 9", of a claim that the son is 9.
        """
        if not self._names_another(sentence):
            return False
        clauses = [read_sentence(text) for text in _CLAUSE_END.split(sentence.text) if text.strip()]
        evidence = self._claim.evidence
        held = [mark in marks_of(clause, kind) for clause in clauses]
        weights = [weigh_stems(evidence, clause.stems & subject) for clause in clauses]
        own = max((weight for weight, here in zip(weights, held, strict=True) if here), default=0.0)
        foreign = (
            weight
            for weight, here, clause in zip(weights, held, clauses, strict=True)
            if not here and self._names_another(clause)
        )
        return any(held) and own < OWN_SHARE * max(foreign, default=0.0)

    def _weigh_around(self, subject: frozenset[str], place: int) -> float:
        """How much of the claim stands in a sentence and beside it, where that is not about another mark."""
        said = self._claim.evidence.said
        around = range(max(0, place - NEAR), min(len(said), place + 2))
        stems = frozenset[str]().union(
            *(said[at].sentence.stems for at in around if at == place or at not in self._others)
        )
        return weigh_stems(self._claim.evidence, stems & subject)


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
