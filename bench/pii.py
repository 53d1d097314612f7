"""Is personal data found?  python bench/pii.py SCORER.py DATA.json [--chat CHAT.json]

Runs a scorer over labelled texts with turnkeep's finder, whose kinds it maps to those of the data
(the presidio-research format), and `find` here is what the scorer calls. Then, with --chat, how many
finds there are in 1,000 messages that hold nothing, and the processor time a message takes.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from turnkeep import privacy

# Kinds whose name the data spells otherwise, and the scorer does not know.
KINDS = {"NATIONAL_ID": "US_SSN", "NAME": "PERSON", "PLACE": "GPE", "BIRTH_DATE": "DATE_TIME"}


def find(text: str) -> list[tuple[int, int, str]]:
    """Find personal data as the scorer wants it."""
    return [(found.start, found.end, KINDS.get(found.kind, found.kind)) for found in privacy.find(text)]


def time_messages(messages: list[str]) -> float:
    """Milliseconds of processor time a message takes, on average; the best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for message in messages:
            privacy.find(message)
        best = min(best, time.process_time() - started)
    return 1000 * best / len(messages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scorer", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--chat", type=Path)
    options = parser.parse_args()
    command = [sys.executable, str(options.scorer), str(options.data), "--finder", "pii:find"]
    if options.chat:
        command += ["--chat", str(options.chat)]
    subprocess.run(command, cwd=Path(__file__).parent, check=True)
    texts = [row["full_text"] for row in json.loads(options.data.read_text("utf-8"))]
    print(f"processor time: {time_messages(texts):.3f} ms a labelled text")
    if options.chat:
        messages = json.loads(options.chat.read_text("utf-8"))
        found = [found for message in messages for found in privacy.find(message)]
        print(f"processor time: {time_messages(messages):.3f} ms a chat message")
        print(f"false alarms: {1000 * len(found) / len(messages):.2f} in 1,000 chat messages")


if __name__ == "__main__":
    main()
