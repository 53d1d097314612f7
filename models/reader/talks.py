"""Long talks through turnkeep itself: facts, then more turns than the window holds, then questions.

    python -m models.reader.talks FILE.gguf [--window 2048] [--turns 120] [--talks 5]

Each talk is held with all of turnkeep's memory, with a sliding window, and, with the same facts but fewer
remarks between them, so that all of it fits, with the whole text in view.
Asked is for what was said, and for what never was: a memory that makes the model answer the latter falsely
more often than the whole text does would be no gain.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from turnkeep import AsyncChat
from turnkeep.context.strategy import Strategy
from turnkeep.engine.embedded import EmbeddedEngine
from turnkeep.store.ephemeral import EphemeralStore

from . import talk
from .eval import ANSWER_TOKENS, UNKNOWN, holds
from .families import FAMILIES, Key
from .speaker import Mix, Speaker

STRATEGIES = (str(Strategy()), "window")
WHOLE = "whole text"
WHOLE_WINDOW, WHOLE_TURNS = (
    2048,
    40,
)  # all that the reader was trained to see, and turns that it holds with the questions
FACTS, NEVER_SAID = 10, 5
# What is told and asked in the demo: the plainest words of ten kinds, and the value.
DEMO = (
    ("My name is Priya.", "What is my name?", "Priya"),
    ("My dog is called Biscuit.", "What is my dog called?", "Biscuit"),
    ("My sister is called Salma.", "What is my sister called?", "Salma"),
    ("I was born in 1987.", "What year was I born in?", "1987"),
    ("I live in Bergen.", "Where do I live?", "Bergen"),
    ("The wifi password is drosai42.", "What is the wifi password?", "drosai42"),
    ("The door code is 7391.", "What is the door code?", "7391"),
    ("My meeting is at 14:30.", "When is my meeting?", "14:30"),
    ("My favourite colour is teal.", "What is my favourite colour?", "teal"),
    ("My parents live in Ghent.", "Where do my parents live?", "Ghent"),
)
DEMO_TURNS = 80  # of talk between the facts and the questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a person says in a talk, and what is asked at its end. value: None for what was never said."""

    said: list[str]
    questions: list[tuple[str, str | None]]


@dataclass(slots=True, kw_only=True)
class Score:
    """How the questions were answered."""

    window: int
    strategy: str
    asked: int = 0
    right: int = 0
    in_prompt: int = 0  # questions whose value stood in the prompt that was sent
    never_said: int = 0
    false: int = 0  # of these, how many were answered all the same
    wrong: list[str] = field(default_factory=list)


def write_script(seed: int, turns: int) -> Script:
    """Write a talk: the facts in its first half, in plain words for the most part."""
    rng = random.Random(seed)
    speaker = Speaker(
        rng, Mix(families=FAMILIES, statements=0.0, questions=0.0, held_out=True, near=0.3, made_up=0.1)
    )
    facts: dict[Key, str] = {}
    while len(facts) < FACTS:
        key = speaker.new_key(list(facts))
        facts[key] = speaker.value(key)
    said = [talk.draw_remark(rng) for _ in range(turns)]
    places = sorted(rng.sample(range(max(FACTS, turns // 2)), FACTS))
    for place, (key, value) in zip(places, facts.items(), strict=True):
        said[place] = speaker.state(key, value)
    questions: list[tuple[str, str | None]] = [(speaker.ask(key), value) for key, value in facts.items()]
    while len(questions) < FACTS + NEVER_SAID:
        key = speaker.near_key(rng.choice(list(facts)))
        if key not in facts:
            questions.append((speaker.ask(key), None))
    rng.shuffle(questions)
    return Script(said=said, questions=questions)


def write_demo(turns: int = DEMO_TURNS) -> Script:
    """Write the demo: ten facts, many turns of talk, ten questions."""
    rng = random.Random(1)
    return Script(
        said=[*(fact for fact, _, _ in DEMO), *(talk.draw_remark(rng) for _ in range(turns))],
        questions=[(question, value) for _, question, value in DEMO],
    )


async def hold_talk(engine: EmbeddedEngine, script: Script, score: Score) -> None:
    """Hold a talk, and count how its questions are answered."""
    store = EphemeralStore()
    chat = AsyncChat(
        engine,
        db=store,
        strategy="window" if score.strategy == WHOLE else score.strategy,
        temperature=0,
        max_tokens=ANSWER_TOKENS,
        embedding_seconds=None,
    )
    try:
        for text in script.said:
            await chat.ask(text)
            await chat.idle()
        for question, value in script.questions:
            reply = (await chat.ask(question)).text
            prompt = " ".join(str(message["content"]) for message in await chat.prompt())
            judge(score, question, value, reply, prompt)
            await chat.idle()
    finally:
        await chat.close()
        await store.close()


def judge(score: Score, question: str, value: str | None, reply: str, prompt: str) -> None:
    """Take an answer into account."""
    if value is None:
        score.never_said += 1
        score.false += UNKNOWN not in reply
        return
    score.asked += 1
    score.in_prompt += holds(prompt, value)
    right = holds(reply, value) and UNKNOWN not in reply
    score.right += right
    if not right:
        score.wrong.append(
            f"{question} -> {reply} ({value}{'' if holds(prompt, value) else ', not in the prompt'})"
        )


async def hold_talks(
    gguf: Path, scripts: Sequence[Script], *, window: int, whole: Sequence[Script] = ()
) -> list[Score]:
    """Hold each talk with each strategy, and those of `whole` with their whole text in view."""
    plan = [(Score(window=window, strategy=strategy), scripts) for strategy in STRATEGIES]
    if whole:
        plan.append((Score(window=WHOLE_WINDOW, strategy=WHOLE), whole))
    for score, held in plan:
        engine = EmbeddedEngine(gguf, window=score.window, threads=1)
        try:
            for script in held:
                await hold_talk(engine, script, score)
                print(f"{score.strategy}: {score.right} of {score.asked}", file=sys.stderr, flush=True)
        finally:
            await engine.close()
    return [score for score, _ in plan]


def render_scores(scores: Sequence[Score]) -> str:
    """Write the scores as Markdown."""
    lines = [
        "| window | strategy | fact in the prompt | answered rightly | never said, answered all the same |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {score.window:,} | {score.strategy} | {score.in_prompt} of {score.asked} | {score.right} of {score.asked} | {score.false} of {score.never_said} |"
        for score in scores
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Hold talks and print how they went."""
    parser = argparse.ArgumentParser(description="Long talks with a reader, with and without memory.")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--window", type=int, default=2048, help="tokens")
    parser.add_argument("--turns", type=int, default=120, help="turns before the questions")
    parser.add_argument("--talks", type=int, default=5)
    parser.add_argument("--show", type=int, default=0, help="print so many wrong answers")
    parser.add_argument(
        "--demo", action="store_true", help="the demo instead: ten facts, eighty turns, ten questions"
    )
    given = parser.parse_args()
    scripts = (
        [write_demo()] if given.demo else [write_script(seed, given.turns) for seed in range(given.talks)]
    )
    whole = [] if given.demo else [write_script(seed, WHOLE_TURNS) for seed in range(given.talks)]
    scores = asyncio.run(hold_talks(given.gguf, scripts, window=given.window, whole=whole))
    print(render_scores(scores))
    for score in scores:
        for wrong in score.wrong[: given.show]:
            print(f"- {score.strategy}: {wrong}")


if __name__ == "__main__":
    main()
