"""How well are unfaithful lines told from faithful ones?

    python bench/factual.py [--shared DIR]

Prints what the shared scorers say of `turnkeep.check`: planted errors in faithful claims about
real dialogues (planted.py), and SummEdits (run_factual.py). The scorers call `check` here, so
they can also be run by themselves with `--checker bench.factual:check`.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from turnkeep.context.check import check as check_claim

PLANTED = 600  # claims


def check(source: str, claim: str) -> float:
    """Score a claim: 1.0 when the source supports it, else below, by what speaks against it."""
    return min(1.0, check_claim(source, claim).score)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    bench = parser.parse_args().shared / "bench"
    data = sorted(bench.glob("summedits/*.json"))
    if not data:
        print(f"{bench} holds no summedits: name the shared folder with --shared.", file=sys.stderr)
        return 2
    checker = ("--checker", "bench.factual:check")
    planted = [bench / "scorers/planted.py", bench / "locomo/locomo_open.json", *checker, "--n", PLANTED]
    edits = [bench / "scorers/run_factual.py", *data, *checker]
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])}
    return max(
        subprocess.run([sys.executable, *map(str, call)], cwd=root, env=environment, check=False).returncode
        for call in (planted, edits)
    )


if __name__ == "__main__":
    sys.exit(main())
