"""Is a claim supported by what was said? Checked without a second model.

Every number, date, name and code of the claim must have been said, near what the
claim says of it; what the claim denies must have been denied, and what was denied
must not be claimed; and whom the claim speaks of must be whom it was said of.

A claim that passes is not proved: a wrong relation between right words can pass.
A claim that fails says something that was not said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from .doubts import Claim, Doubt, DoubtKind, find_doubts
from .evidence import Evidence, gather_evidence, parse_source
from .sentences import read_sentence
from .tokens import split_sentences

RESTS_SHARE = 0.6  # of the best sentence's overlap: a claim rests on the turns of these sentences

# How much is left of a score after a doubt of a kind.
_LEFT: Mapping[DoubtKind, float] = {
    "code": 0.1, "date": 0.1, "number": 0.2, "name": 0.3, "speaker": 0.4, "negation": 0.4, "opposite": 0.5, "unsupported": 0.6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check.

    score: 1.0 to 2.0 for a supported claim, the more of it was said in these words; below 1.0 otherwise.
    doubts: what speaks against it.
    turns: the turns that it rests on, the best first; empty when none speaks of it.
    """

    score: float
    doubts: tuple[Doubt, ...]
    turns: tuple[int, ...]

    @property
    def supported(self) -> bool:
        """Whether nothing speaks against the claim."""
        return not self.doubts


def check_claim(evidence: Evidence, claim: str) -> Verdict:
    """Check a claim, sentence by sentence, against evidence."""
    doubts: dict[Doubt, None] = {}
    turns: dict[int, None] = {}
    coverage = 1.0
    for text in split_sentences(claim):
        part = Claim(evidence, read_sentence(text))
        doubts |= dict.fromkeys(find_doubts(part))
        turns |= dict.fromkeys(said.turn for said in part.supporting(RESTS_SHARE))
        coverage = min(coverage, part.coverage)
    score = 1.0 + coverage
    for doubt in doubts:
        score = min(score, 1.0) * _LEFT[doubt.kind]
    return Verdict(score, tuple(doubts), tuple(turns))


def check(source: str, claim: str) -> Verdict:
    """Check whether a text supports a claim.

    Args:
        source: a dialogue ("Name: what was said", a line each) or any other text.
        claim: a sentence or more.

    Example: check("Ana: I have two dogs.", "Ana has three dogs.").doubts → (Doubt("number", "3"),)
    """
    return check_claim(_read_source(source), claim)


@lru_cache(maxsize=8)
def _read_source(source: str) -> Evidence:
    return gather_evidence(parse_source(source))
