"""Log lines hold no personal data: what is said at any door is not logged, and what libraries quote is masked."""

import contextlib
import logging
from typing import Any

import pytest

from tests.canary import CanaryWatch
from tests.chats import run_chat
from tests.gateways import Caller, run_gateway
from tests.privacy import person
from turnkeep import AsyncChat, EngineRefused, TurnkeepError
from turnkeep.logs import MaskingFormatter
from turnkeep.testing import ScriptedEngine


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
