"""The demo: ten facts, eighty turns of talk, ten questions, on the built-in reader with a window of 1,024 tokens."""

import time
from pathlib import Path

import pytest
from models.reader.talks import DEMO, Script, write_demo

from tests.terminal.pseudo import Terminal

CHAT = Path(__file__).parents[2] / "scripts" / "chat"
PAUSE_SECONDS = 0.3  # before each message: a person takes more, and upkeep has that time
UNKNOWN = "I don't know"


def hold(script: Script, folder: Path, *options: str) -> list[str]:
    """Say all of it to `./scripts/chat`; the replies to the questions."""
    lines = [*script.said, *(question for question, _ in script.questions)]
    arguments = ("--new", "--window", "1024", "--temperature", "0", *options)
    replies = []
    with Terminal(
        *arguments,
        columns=120,
        program=(str(CHAT),),
        TURNKEEP_HOME=str(folder),
        TURNKEEP_ENGINE="embedded",
    ) as terminal:
        assert "Built-in reader" in terminal.wait_ready()
        for line in lines:
            time.sleep(PAUSE_SECONDS)
            replies.append(terminal.answered(line))
        terminal.type("\x04")
        assert terminal.end() == 0
    return replies[-len(script.questions) :]


@pytest.mark.real_engine
def test_with_memory_nine_of_ten_facts_are_answered_after_eighty_turns_of_talk(tmp_path: Path) -> None:
    script = write_demo()
    assert len(script.said) == len(DEMO) + 80
    replies = hold(script, tmp_path)
    right = [value in reply for (_, value), reply in zip(script.questions, replies, strict=True) if value]
    assert sum(right) >= 9, replies


@pytest.mark.real_engine
def test_with_a_sliding_window_most_of_them_are_not_known_any_more(tmp_path: Path) -> None:
    script = write_demo()
    replies = hold(script, tmp_path, "--strategy", "window")
    assert sum(UNKNOWN in reply for reply in replies) > 5, replies
    assert not any(str(value) in reply for (_, value), reply in zip(script.questions, replies, strict=True))
