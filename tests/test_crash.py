"""A chat that is killed at any moment loses nothing (the whole drive: `python -m tests.crash`)."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.real_engine
def test_a_chat_that_is_killed_again_and_again_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--kills", "15"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    found = {
        name: int(count.replace(",", ""))
        for count, name in (line.split(maxsplit=1) for line in done.stdout.splitlines())
    }
    assert sum(count for name, count in found.items() if name.startswith("killed while")) == 15
    # There was something to lose: whole turns, turns cut in two, and prompts to extend.
    assert (
        min(
            found["done turns looked at"],
            found["failed turns looked at"],
            found["prompts that extend the last"],
        )
        > 0
    )
