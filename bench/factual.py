"""turnkeep's check as the shared scorers call it: `check(source, claim)`, 1.0 or more for a supported claim.

    python ../shared/bench/scorers/planted.py ../shared/bench/locomo/locomo_open.json --checker bench.factual:check --n 600
    python ../shared/bench/scorers/run_factual.py ../shared/bench/summedits/*.json --checker bench.factual:check

Run from the project's folder. 1.0 is a claim that turnkeep would believe. Figures of the last change to the
rules, on the open data: false alarm 3.3 %; found: stranger's name 100 %, swapped speakers 76 %, number 100 %,
date 100 %, negation 94 %; SummEdits 74 % balanced accuracy, mean of four domains.
"""

from turnkeep.context.check import check as check_claim


def check(source: str, claim: str) -> float:
    """Score a claim: 1.0 when the source supports it, else below, by what speaks against it."""
    return min(1.0, check_claim(source, claim).score)
