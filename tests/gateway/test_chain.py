"""A chain of responses: what was said at its beginning is there at its end, and branches stay apart."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from tests.engines import RealEngine
from tests.gateway.asgi import Site
from tests.gateway.replying import ask, open_site, sent
from tests.gateway.test_official import run_sync
from turnkeep.context.strategy import NAMES
from turnkeep.testing import ScriptedEngine

FACT = "The code of the blue door is 4711."
QUESTION = "What was the code of the blue door?"
SECRET = "What is the secret word of the green cellar?"
TOPICS = ("apples", "rivers", "trains", "clouds", "stones", "birds", "ships", "clocks")
WINDOW = 640  # tokens: less than half of what the ten turns take


def talk_about(topic: str) -> str:
    return f"Let us talk about {topic} now. " + f"There is so much to say about {topic}, I like them. " * 8


def prompt_that_ends_with(site: Site, text: str) -> str:
    """The last prompt of a turn with this message: requests for summaries may have followed."""
    prompts = [sent(site, number) for number in range(len(site.engine.requests))]
    return "\n".join([prompt for prompt in prompts if prompt[-1].endswith(text)][-1])


def run(script: Callable[[Site], Awaitable[None]], answer: Callable[[Any], str]) -> None:
    async def main() -> None:
        engine = ScriptedEngine(answer, window=WINDOW)
        async with open_site(engines=[engine], strategy=NAMES) as site:
            site.engine = engine
            await script(site)

    asyncio.run(main())


def test_a_fact_of_the_first_of_ten_turns_is_read_in_the_last() -> None:
    async def script(site: Site) -> None:
        response = await ask(site, FACT)
        for topic in TOPICS:
            response = await ask(site, talk_about(topic), previous_response_id=response["id"])
        response = await ask(site, QUESTION, previous_response_id=response["id"])
        prompt = prompt_that_ends_with(site, QUESTION)
        assert "4711" in prompt
        assert talk_about(TOPICS[0]) not in prompt  # not because everything fitted
        assert response["turnkeep"]["turn"] == 10

    run(script, lambda request: f"Answer {len(request.messages)}.")


def test_two_continuations_of_one_response_do_not_see_each_other() -> None:
    async def script(site: Site) -> None:
        trunk = await ask(site, "We need a word for the door.")
        ends = {}
        for word in ("kestrel", "walnut"):
            said = await ask(
                site, f"The secret word of the green cellar is {word}.", previous_response_id=trunk["id"]
            )
            for topic in TOPICS:
                said = await ask(site, talk_about(topic), previous_response_id=said["id"])
            ends[word] = said["id"]
        for word, other in (("kestrel", "walnut"), ("walnut", "kestrel")):
            await ask(site, SECRET, previous_response_id=ends[word])
            prompt = prompt_that_ends_with(site, SECRET)
            assert word in prompt
            assert other not in prompt

    run(script, lambda request: "Noted.")


@pytest.mark.parametrize("word", ["kestrel", "walnut"])
def test_a_question_asked_again_on_a_branch_recalls_what_it_did_at_first(word: str) -> None:
    """It, and its answer, stand beside the branch by then, and weigh nothing there."""
    question = "What is the secret word?"

    async def script(site: Site) -> None:
        trunk = await ask(site, "We need a word for the door.")
        ends = {}
        for each in ("kestrel", "walnut"):
            said = await ask(site, f"The secret word is {each}.", previous_response_id=trunk["id"])
            for topic in TOPICS:
                said = await ask(site, talk_about(topic), previous_response_id=said["id"])
            ends[each] = said["id"]
        recalled = []
        for _ in range(2):
            response = await ask(site, question, previous_response_id=ends[word])
            recalled.append(response["turnkeep"]["recalled"])
            assert word in prompt_that_ends_with(site, question)
        assert recalled[0] == recalled[1]

    run(script, lambda request: "Noted.")


@pytest.mark.real_engine
def test_the_real_engine_reads_a_fact_that_has_left_its_window(
    start_llama: Callable[..., RealEngine], tmp_path: Path
) -> None:
    def script(client: openai.OpenAI) -> None:
        previous: str | None = None
        for text in (FACT, *map(talk_about, TOPICS), QUESTION):
            answered = client.responses.create(
                input=text, max_output_tokens=8, temperature=0, previous_response_id=previous
            )
            previous = answered.id
        receipt: dict[str, Any] = cast(Any, answered).turnkeep  # ours, beside the client's types
        assert receipt["prompt_tokens"] < receipt["window"] == 1_024
        assert 1 in receipt["recalled"]
        assert 2 in [turn for first, last in receipt["left_out"] for turn in range(first, last + 1)]

    run_sync(script, start_llama(window=1_024), tmp_path)
