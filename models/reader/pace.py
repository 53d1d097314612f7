"""How long does a reader take?  `python -m models.reader.pace FILE.gguf [--runs 9]`.

On one processor core: the real llama.cpp server loads the file, and answers a question with 1,000 tokens
of context that it has not seen. Prints the medians in seconds of processor time, which other programs do not count in.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

from tokenizers import Tokenizer

from .eval import Examiner, ask_recall
from .parity import HERE, Server
from .shapes import render_prompt

CONTEXT = 1_000  # tokens
MOST_LOAD_SECONDS, MOST_ANSWER_SECONDS = 0.3, 0.6  # the bars


def measure(path: Path, runs: int) -> tuple[list[float], list[float]]:
    """Load the file so often, and ask one question each time; returns the processor seconds of both."""
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    examiner, loads, answers = Examiner("pace", tokenizer), [], []
    for _ in range(runs):
        case = ask_recall(CONTEXT, 10)(examiner)
        ids = tokenizer.encode(render_prompt(case.base, case.items), add_special_tokens=False).ids
        assert len(ids) >= CONTEXT
        began = time.process_time()
        server = Server(path)
        loads.append(time.process_time() - began)
        server.answer(ids[:8])  # what the first call sets up is no part of an answer
        began = time.process_time()
        server.answer(ids[-CONTEXT:])
        answers.append(time.process_time() - began)
    return loads, answers


def main() -> int:
    """Measure and print; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description="How long does a reader take to load and to answer?")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    loads, answers = map(statistics.median, measure(given.gguf, given.runs))
    print(f"loads in {loads:.3f} s of one core (bar {MOST_LOAD_SECONDS})")
    print(
        f"answers with {CONTEXT:,} tokens of context in {answers:.3f} s of one core (bar {MOST_ANSWER_SECONDS})"
    )
    return int(loads > MOST_LOAD_SECONDS or answers > MOST_ANSWER_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
