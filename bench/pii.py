"""Is personal data found?  python bench/pii.py [--scorer SCORER.py] [--data DATA.json] [--chat CHAT.json]

Runs a scorer over labelled texts with turnkeep's finder (all three by default from the folder `shared` beside this
checkout), whose kinds it maps to those of the data
(the presidio-research format), and `find` here is what the scorer calls. Then how many
finds there are in 1,000 messages that hold nothing, and the processor time a message takes. Last, two
measurements that need no data: the example numbers that phonenumberslite has of every country, and numbers
drawn at random, in sentences that do not say what they are.
"""

import argparse
import json
import random
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


def measure_countries() -> None:
    """Print how many of the countries' own example numbers are found, by how they are written."""
    import phonenumbers

    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    examples = [
        example
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in kinds
        if (example := phonenumbers.example_number_for_type(region, kind)) is not None
    ]
    forms = (("with its country's code", "INTERNATIONAL"), ("without", "NATIONAL"))
    for how, form in forms:
        values = [
            phonenumbers.format_number(one, getattr(phonenumbers.PhoneNumberFormat, form)) for one in examples
        ]
        for what, sentence in (
            ("after 'call me at'", "You can call me at {}, any time."),
            ("bare", "It is {} there."),
        ):
            found = sum(_holds(sentence.format(value), value) for value in values)
            print(f"country's example {how}, {what}: {100 * found / len(values):.1f} % of {len(values)}")


def _holds(text: str, value: str) -> bool:
    start = text.index(value)
    return any(one.start <= start and one.end >= start + len(value) for one in privacy.find(text))


def measure_random(draws: int = 3_000) -> None:
    """Print how many numbers of 4 to 16 random digits are taken for personal data."""
    dice = random.Random(1)
    found = 0
    for _ in range(draws):
        digits = "".join(dice.choice("0123456789") for _ in range(dice.randint(4, 16)))
        found += bool(privacy.find(f"we counted {digits} of them"))
    print(f"random numbers taken for personal data: {100 * found / draws:.1f} % of {draws:,}")


def main() -> None:
    shared = Path(__file__).resolve().parents[2] / "shared" / "bench"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scorer", type=Path, default=shared / "scorers" / "pii_score.py")
    parser.add_argument("--data", type=Path, default=shared / "pii-presidio" / "synth_dataset_v2.json")
    parser.add_argument("--chat", type=Path, default=shared / "chat" / "chat.json")
    options = parser.parse_args()
    command: list[str | Path] = [
        sys.executable, options.scorer.resolve(), options.data.resolve(), "--finder", "pii:find",
        "--chat", options.chat.resolve(),
    ]  # fmt: skip
    subprocess.run(command, cwd=Path(__file__).parent, check=True)
    texts = [row["full_text"] for row in json.loads(options.data.read_text("utf-8"))]
    print(f"processor time: {time_messages(texts):.3f} ms a labelled text")
    messages = json.loads(options.chat.read_text("utf-8"))
    found = [found for message in messages for found in privacy.find(message)]
    print(f"processor time: {time_messages(messages):.3f} ms a chat message")
    print(f"false alarms: {1000 * len(found) / len(messages):.2f} in 1,000 chat messages")
    measure_countries()
    measure_random()


if __name__ == "__main__":
    main()
