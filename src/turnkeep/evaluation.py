"""Does the memory work? Plant facts, talk on for several windows, then ask for them.

Run on the user's own engine or the embedded one, once for each strategy and once
for the naive way (append everything; at forty messages ask for a summary under a
new system prompt, and start over). Two things are counted apart: whether the fact
stands in the prompt when the question comes, which is the memory's work, and
whether the reply has it, which is the model's.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from html import escape

from .context.strategy import NAMES, Strategy, parse_strategy
from .conversation.items import Message, assistant, user
from .engine.base import Engine, Request
from .errors import ContextOverflow, TurnkeepError
from .library import AsyncChat
from .store.ephemeral import EphemeralStore
from .wire.assemble import Assembler
from .wire.chat_completions import render_messages

REPLY_TOKENS = 48  # an answer is one sentence
NAIVE_MESSAGES = 40  # the naive way asks for a summary beyond this many messages
NAIVE = "naive"
STRATEGIES = (NAIVE, *NAMES, str(Strategy()))  # each by itself, and all of them

_NAMES = ("Priya", "Tobias", "Ines", "Marek", "Salma", "Jonas", "Leila", "Ruben", "Freya", "Otto")
_PETS = ("Biscuit", "Pepper", "Mango", "Luna", "Rocky", "Nala", "Oscar", "Misty")
_CITIES = ("Lisbon", "Oslo", "Turin", "Ghent", "Porto", "Bergen", "Graz", "Malmo")
_FILLER = (
    "It is raining here today.", "I had soup for lunch.", "The train was late again.", "I am a bit tired.",
    "The garden looks nice.", "I watched a film last night.", "The coffee was too cold.", "It is quiet outside.",
    "I went for a short walk.", "The neighbours are noisy.", "I like this time of the year.", "Work was slow this morning.",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A thing said once and asked for later."""

    statement: str
    question: str
    value: str


def plant_facts(rng: random.Random) -> list[Fact]:
    """Make ten facts in plain words, with values drawn anew."""
    pet, name, city, town = rng.choice(_PETS), rng.choice(_NAMES), *rng.sample(_CITIES, 2)
    code, year, room = str(rng.randint(1000, 9999)), str(rng.randint(1950, 2005)), str(rng.randint(100, 999))
    word = "".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(3))
    sister = rng.choice([other for other in _NAMES if other != name])
    hour = f"{rng.randint(1, 12)}:{rng.randint(10, 59)}"
    made = [
        ("My name is {}.", "What is my name?", name),
        ("My dog is called {}.", "What is my dog called?", pet),
        ("I was born in {}.", "What year was I born in?", year),
        ("The wifi password is {}.", "What is the wifi password?", word + code),
        ("My meeting is at {}.", "What time is my meeting?", hour),
        ("I live in {}.", "Which city do I live in?", city),
        ("My sister is called {}.", "What is my sister called?", sister),
        ("My room number is {}.", "What is my room number?", room),
        ("The door code is {}.", "What is the door code?", code[::-1] + "7"),
        ("My parents live in {}.", "Where do my parents live?", town),
    ]
    return [Fact(statement=said.format(value), question=asked, value=value) for said, asked, value in made]


def write_script(turns: int, seed: int) -> tuple[list[str], list[Fact]]:
    """Write what a person says: the facts among small talk, all in the first half.

    Returns:
        `turns` messages, and the facts in them.
    """
    rng = random.Random(seed)  # noqa: S311  # a script, not a secret
    facts = plant_facts(rng)
    places = sorted(rng.sample(range(max(len(facts), turns // 2)), len(facts)))
    said = [f"{rng.choice(_FILLER)} {rng.choice(_FILLER)}" for _ in range(turns)]
    for place, fact in zip(places, rng.sample(facts, len(facts)), strict=True):
        said[place] = fact.statement
    return said, facts


@dataclass(slots=True, kw_only=True)
class Score:
    """How one way of remembering did."""

    name: str
    asked: int = 0
    in_prompt: int = 0  # questions whose fact stood in the prompt that was sent
    answered: int = 0  # replies that held it
    read_tokens: int = 0  # prompt tokens that the engine read anew while the person waited
    seconds: float = 0.0  # until the first piece of each reply
    refused: int = 0  # requests that the engine refused as too long
    failures: list[str] = field(default_factory=list)

    def note(self, fact: Fact, prompt: str, reply: str) -> None:
        """Take a question into account."""
        self.asked += 1
        self.in_prompt += _holds(prompt, fact.value)
        self.answered += _holds(reply, fact.value)


def _holds(text: str, value: str) -> bool:
    """Whether a value stands in a text as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE) is not None


Progress = Callable[[str, int, int], None]


async def evaluate(
    engine: Engine,
    strategies: Sequence[str],
    *,
    turns: int = 120,
    seed: int = 1,
    progress: Progress | None = None,
) -> AsyncIterator[Score]:
    """Try each strategy, and `naive`, on the same script; yields a score each.

    Args:
        engine: the engine; every try begins a conversation of its own on it.
        strategies: as `AsyncChat` takes them, and `NAIVE`.
        turns: messages before the questions.
        seed: of the script.
        progress: is told the name, the turn and how many there are.

    Raises:
        UsageError: a strategy that is not one; an engine's failures are part of the score.
    """
    for name in strategies:
        if name != NAIVE:
            parse_strategy(name)  # refuse a slip before the first long talk, not after it
    said, facts = write_script(turns, seed)
    for name in strategies:
        score = Score(name=name)
        talk = _talk_naively if name == NAIVE else _talk
        try:
            await talk(engine, name, said, facts, score, progress or (lambda *_: None))
        except TurnkeepError as error:
            score.failures.append(str(error))
        yield score


async def _talk(
    engine: Engine,
    strategy: str,
    said: Sequence[str],
    facts: Sequence[Fact],
    score: Score,
    progress: Progress,
) -> None:
    store = EphemeralStore()
    chat = AsyncChat(
        engine,
        db=store,
        strategy=strategy,
        temperature=0,
        max_tokens=REPLY_TOKENS,
        embedding_seconds=None,  # what is measured must not depend on how busy the machine is
    )
    try:
        for number, (text, fact) in enumerate(_questions(said, facts)):
            progress(score.name, number, len(said) + len(facts))
            reply = await chat.ask(text)
            score.read_tokens += reply.receipt.read_tokens or 0
            score.seconds += reply.receipt.seconds_to_first or 0.0
            if fact is not None:
                prompt = " ".join(str(message["content"]) for message in await chat.prompt())
                score.note(fact, prompt, reply.text)
            await chat.idle()
    finally:
        await chat.close()
        await store.close()


def _questions(said: Sequence[str], facts: Sequence[Fact]) -> Iterator[tuple[str, Fact | None]]:
    yield from ((text, None) for text in said)
    yield from ((fact.question, fact) for fact in facts)


async def _talk_naively(
    engine: Engine, _: str, said: Sequence[str], facts: Sequence[Fact], score: Score, progress: Progress
) -> None:
    log: list[Message] = []
    base = ""
    for number, (text, fact) in enumerate(_questions(said, facts)):
        progress(score.name, number, len(said) + len(facts))
        if len(log) > NAIVE_MESSAGES:
            base = await _call(
                engine,
                [Message("system", user("Summarize briefly:").parts), *log, user("Summarize briefly.")],
                score,
            )
            log = []
        log.append(user(text))
        messages = (
            [Message("system", user(f"Summary of the conversation so far:\n{base}").parts), *log]
            if base
            else log
        )
        try:
            reply = await _call(engine, messages, score)
            log.append(assistant(reply))
        except ContextOverflow:  # what the naive way sends never gets shorter by itself
            score.refused += 1
            reply = ""
            log.pop()
        if fact is not None:
            score.note(fact, " ".join(message.text for message in messages), reply)


async def _call(engine: Engine, messages: Sequence[Message], score: Score) -> str:
    request = Request(messages=render_messages(messages), temperature=0, max_tokens=REPLY_TOKENS)
    began, first, assembler = time.monotonic(), 0.0, Assembler()
    async with aclosing(engine.stream(request)) as deltas:
        async for delta in deltas:
            assembler.add(delta)
            first = first or (time.monotonic() - began if assembler.text else 0.0)
    if assembler.end is not None:
        score.read_tokens += assembler.end.usage.read_tokens or 0
    score.seconds += first
    await asyncio.sleep(0)
    return assembler.text


def render_table(scores: Sequence[Score]) -> str:
    """Write the scores as a Markdown table."""
    lines = [
        "| strategy | fact in the prompt | answered rightly | tokens read while waiting | seconds waited | refused |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for score in scores:
        share = max(1, score.asked)
        lines.append(
            f"| {score.name} | {100 * score.in_prompt // share} % | {100 * score.answered // share} % | "
            f"{score.read_tokens:,} | {score.seconds:.1f} | {score.refused} |"
        )
        lines += [f"| {score.name} failed: {failure} | | | | | |" for failure in score.failures]
    return "\n".join(lines)


def render_picture(scores: Sequence[Score]) -> str:
    """Draw the scores as bars, in SVG: in the prompt (light) and answered (dark)."""
    rows = []
    for number, score in enumerate(scores):
        share, top = max(1, score.asked), 30 + 44 * number
        seen, right = 400 * score.in_prompt // share, 400 * score.answered // share
        rows.append(
            f'<text x="8" y="{top + 20}">{escape(score.name)}</text>'
            f'<rect x="180" y="{top}" width="{seen}" height="14" fill="#9ecae1"/>'
            f'<rect x="180" y="{top + 16}" width="{right}" height="14" fill="#08519c"/>'
            f'<text x="{188 + seen}" y="{top + 12}">{score.in_prompt}/{score.asked} in the prompt</text>'
            f'<text x="{188 + right}" y="{top + 28}">{score.answered}/{score.asked} answered</text>'
        )
    height = 40 + 44 * len(scores)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif" font-size="12">'
        f'<text x="8" y="16">What was said several windows ago</text>{"".join(rows)}</svg>\n'
    )
