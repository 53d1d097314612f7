"""Log lines hold no personal data: what is said at any door is not logged, and what libraries quote is masked."""

import contextlib
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.canary import CanaryWatch
from tests.chats import run_chat
from tests.gateways import Caller, run_gateway
from tests.privacy import person
from turnkeep import AsyncChat, EngineRefused, TurnkeepError
from turnkeep.logs import MaskingFormatter
from turnkeep.privacy import kinds, parse_patterns
from turnkeep.testing import ScriptedEngine

SERVE = """
import logging, sys
from turnkeep.cli import run
from turnkeep.gateway import server

async def serve(settings, say):
    logging.getLogger("turnkeep.test").warning("refused: %s", "badge E-123456")

server.serve = serve
sys.exit(run(["serve", "--config", sys.argv[1], "--db", sys.argv[2]]))
"""
NAMES_THAT_LOG = """
import logging, threading
from turnkeep.privacy import Found
from turnkeep.terminal.serving import FINDERS, log_with_marks

class Names:
    late, kinds, lock = True, ("NAME",), threading.Lock()

    def find(self, text):
        with self.lock:
            for name in FINDERS:
                logging.getLogger(name).warning("searched: %s", text)
            return [Found(text.index("Zora"), text.index("Zora") + 4, "NAME")]

log_with_marks([Names()])
logging.getLogger("turnkeep.test").warning("refused: Zora")
"""


def failing() -> ScriptedEngine:
    """Answers, refuses and breaks off in turn, and quotes what it was sent."""
    return ScriptedEngine(
        [person.SAID, [EngineRefused(f"bad request: {person.SAID}")], [person.EMAIL, ValueError(person.SAID)]]
        * 20
    )


@pytest.mark.parametrize("mask_prompt", [False, True])
def test_nothing_said_in_the_library_is_logged(mask_prompt: bool) -> None:
    async def script(chat: AsyncChat) -> None:
        for _ in range(6):
            with contextlib.suppress(TurnkeepError, ValueError):
                await chat.ask(person.SAID)
            await chat.idle()
        await chat.search(person.EMAIL)

    run_chat(script, failing(), upkeep=True, embeddings="off", mask_prompt=mask_prompt)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
def test_nothing_said_at_the_gateway_is_logged(path: str, canary_watch: CanaryWatch) -> None:
    body: dict[str, Any] = (
        {"input": person.SAID}
        if path.endswith("responses")
        else {"messages": [{"role": "user", "content": person.SAID}]}
    )

    async def script(caller: Caller) -> None:
        for stream in (False, True):
            for _ in range(3):
                await caller.post(path, {**body, "stream": stream, "user": person.EMAIL})
            await caller.post(path, {**body, "temperature": person.EMAIL})
        await caller.get(f"{path}/{person.EMAIL}")

    run_gateway(script, failing())


def test_a_log_line_with_a_value_is_caught(canary_watch: CanaryWatch) -> None:
    logging.getLogger("turnkeep.anything").debug("hello %s", person.EMAIL)
    try:
        raise ValueError(person.PHONE)
    except ValueError:
        logging.getLogger("elsewhere").debug("failed", exc_info=True)
    logging.getLogger("elsewhere").debug("nothing")
    lines = canary_watch.take()
    assert len(lines) == 2
    assert lines[0] == f"turnkeep.anything DEBUG hello {person.EMAIL}"


def test_what_is_quoted_all_the_same_is_masked_with_its_traceback() -> None:
    formatter = MaskingFormatter("%(asctime)s %(levelname)s %(message)s")
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "refused: %s", (person.SAID,), None)
    try:
        raise ValueError(f"quoted {person.IBAN} and {person.EMAIL}")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    line = formatter.format(record)
    assert [value for value in person.VALUES if value in line] == []
    assert "WARNING refused: I am [EMAIL_1], call me at [PHONE_1]." in line
    assert line.startswith("20"), "the time is no personal data"
    assert "ValueError: quoted [IBAN_1] and [EMAIL_1]" in line


def test_a_value_of_the_user_s_own_patterns_is_masked_with_its_traceback() -> None:
    formatter = MaskingFormatter("%(message)s", parse_patterns({"EMPLOYEE": r"E-\d{6}"}))
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "badge %s", ("E-123456",), None)
    try:
        raise ValueError("quoted E-654321 of E-123456")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    line = formatter.format(record)
    assert line.startswith("badge [EMPLOYEE_1]\n")
    assert line.endswith("ValueError: quoted [EMPLOYEE_2] of [EMPLOYEE_1]")


def test_a_line_that_cannot_be_masked_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MATCH_SECONDS", 0.02)
    formatter = MaskingFormatter("%(levelname)s %(message)s", parse_patterns({"EMPLOYEE": "(a|aa)+$"}))
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "said: %s", ("a" * 28 + "b",), None)
    try:
        raise ValueError("a" * 28)
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    line = formatter.format(record)
    assert line.startswith("WARNING A line of the log is left out. The pattern for EMPLOYEE takes too long")
    assert "aaaa" not in line


def run_program(program: str, *arguments: str) -> str:
    """Run a program whose root logger is its own; returns what it logs."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_gateway_s_log_is_masked_by_the_patterns_of_the_settings(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[privacy.patterns]\nEMPLOYEE = 'E-\\d{6}'\n")
    logged = run_program(SERVE, str(config), str(tmp_path / "a.db"))
    assert "WARNING refused: badge [EMPLOYEE_1]\n" in logged
    assert "E-123456" not in logged


def test_names_are_masked_and_what_finds_them_may_log() -> None:
    (line,) = run_program(NAMES_THAT_LOG).splitlines()
    assert line.endswith("WARNING refused: [NAME_1]")


def test_a_log_line_with_what_was_said_is_caught(canary_watch: CanaryWatch) -> None:
    async def script(chat: AsyncChat) -> None:
        await chat.ask("I have hidden it under the third stone.")

    run_chat(script, ScriptedEngine(["Nobody shall read of it."]))
    logging.getLogger("turnkeep.test").debug("told: %s", "I have hidden it under the third stone.")
    logging.getLogger("turnkeep.test").debug("Nobody shall read of it.")
    assert sorted(canary_watch.take()) == [
        "I have hidden it under the third stone.",
        "Nobody shall read of it.",
    ]
