"""The examination of a reader: how often it answers rightly, and how often it owns that it was not told.

    python -m models.reader.eval FILE.gguf [--n 200] [--only recall] [--show 3] [--out table.md]

Against the real llama.cpp server over HTTP at temperature 0; prompts as turnkeep lays them out. Values
are such as training never had; so are the wordings in the row that says so. What the reader acknowledges
on the way are its own words in each case, right or wrong. Recall and abstention stand side by side,
since either alone can be had by always doing the same.
"""

import argparse
import asyncio
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from turnkeep.context.compaction import read_summary
from turnkeep.context.evidence import Utterance
from turnkeep.context.facts import Fact, render_facts
from turnkeep.context.instructions import quote_limit, render_instruction
from turnkeep.context.recall import quote_message
from turnkeep.context.view import Line, View, layout_messages, render_base
from turnkeep.conversation.items import Item, Message, Recalled, assistant, user
from turnkeep.conversation.log import Position
from turnkeep.engine.base import Request
from turnkeep.engine.embedded import EmbeddedEngine
from turnkeep.wire.assemble import Assembler
from turnkeep.wire.chat_completions import render_messages

from . import talk
from .families import FAMILIES, Key, say_answer
from .replies import acknowledge, answer_unknown, answer_value
from .shapes import render_prompt
from .speaker import Mix, Speaker

LONGEST = 2_000  # tokens of a prompt, its answer left out: what training knows
ANSWER_TOKENS, SUMMARY_TOKENS = 60, 320
UNKNOWN = "I don't know"
_TOKENIZER = Path(__file__).with_name("tokenizer.json")


@dataclass(kw_only=True)
class Case:
    """A prompt, and what is to come of it. value: None where it was not told."""

    items: list[Item]
    base: str = ""
    value: str | None = None
    sentence: str = ""
    folded: list[str] = field(default_factory=list)  # for a summary: the lines that are wanted
    stated: list[str] = field(default_factory=list)  # and all that are right
    kept_from: int = 0  # the first message that a summary leaves out


@dataclass(kw_only=True)
class Row:
    """A row of the table."""

    name: str
    bar: str
    make: Callable[["Examiner"], Case]
    asked: int = 0
    right: int = 0
    exact: int = 0
    lines: int = 0  # of summaries
    invented: int = 0  # of them, before turnkeep's check
    believed: int = 0  # of the invented ones, after it
    wrong: list[str] = field(default_factory=list)


class Examiner:
    """Makes cases: conversations with values that training never had."""

    def __init__(self, seed: str, tokenizer: Any) -> None:  # Any: untyped package
        self.rng = random.Random(seed)
        self._tokenizer = tokenizer
        self.mix = Mix(
            families=FAMILIES, statements=0.0, questions=0.0, held_out=True, near=0.3, made_up=0.15
        )

    def speaker(self, *, held_wordings: bool = False, plain: bool = False) -> Speaker:
        """Who puts facts into words."""
        return Speaker(self.rng, replace(self.mix, held_wordings=held_wordings, plain=plain))

    def size(self, items: Sequence[Item], base: str = "") -> int:
        """Tokens of a prompt."""
        return len(self._tokenizer.encode(render_prompt(base, items), add_special_tokens=False).ids)

    def draw_facts(self, count: int) -> list[tuple[Key, str]]:
        """Draw facts, no two about the same."""
        speaker, facts = self.speaker(), dict[Key, str]()
        while len(facts) < count:
            key = speaker.new_key(list(facts))
            if key not in facts:
                facts[key] = speaker.value(key)
        return list(facts.items())

    def absent_key(self, facts: Sequence[tuple[Key, str]]) -> Key:
        """Draw what was not told, in half of the cases next to what was."""
        speaker, known = self.speaker(), [key for key, _ in facts]
        while True:
            key = speaker.near_key(self.rng.choice(known)) if self.rng.random() < 0.5 else speaker.new_key(())
            if key not in known:
                return key

    def chatter(self) -> list[Item]:
        """A turn of talk."""
        draw = self.rng.random()
        said, reply = (talk.draw_remark(self.rng), talk.HEARD) if draw < 0.75 else talk.draw_chat(self.rng)
        return [user(said), assistant(reply)]

    def fill(self, items: list[Item], tokens: int) -> list[Item]:
        """Talk on until the items take so many tokens."""
        while self.size(items) < tokens:
            items = items + self.chatter()
        return items


def _tell(speaker: Speaker, key: Key, value: str, *, update: bool = False) -> list[Item]:
    """A turn that states a fact, acknowledged as taught."""
    reply = "".join(text for text, _ in acknowledge([(key, value)]))
    return [user(speaker.state(key, value, update=update)), assistant(reply)]


def ask_recall(
    distance: int, count: int, *, known: bool = True, held_wordings: bool = False, plain: bool = False
) -> Callable[[Examiner], Case]:
    """Facts among talk; the one that is asked for stands so many tokens back."""

    def make(examiner: Examiner) -> Case:
        rng, speaker = examiner.rng, examiner.speaker(held_wordings=held_wordings, plain=plain)
        facts = examiner.draw_facts(count)
        (key, value), *others = facts
        rng.shuffle(others)
        after = _tell(speaker, key, value)
        before: list[Item] = []
        slots = max(1, int(distance / 45))
        share = min(0.9, len(others) / slots)
        while examiner.size(after) < distance:
            after += _tell(speaker, *others.pop()) if others and rng.random() < share else examiner.chatter()
        for other in others:
            turn = _tell(speaker, *other)
            if examiner.size(before + turn + after) < LONGEST - 60:
                before += turn
        asked = key if known else examiner.absent_key(facts)
        return _question(before + after, speaker, asked, value if known else None)

    return make


def _question(items: list[Item], speaker: Speaker, key: Key, value: str | None, base: str = "") -> Case:
    reply = answer_unknown(key) if value is None else answer_value(key, value)
    return Case(
        items=[*items, user(speaker.ask(key))],
        base=base,
        value=value,
        sentence="".join(text for text, _ in reply),
    )


def ask_latest(distance: int) -> Callable[[Examiner], Case]:
    """A fact is stated and changed later on, among others."""

    def make(examiner: Examiner) -> Case:
        rng, speaker = examiner.rng, examiner.speaker()
        facts = examiner.draw_facts(8)
        (key, old), *others = facts
        value = speaker.value(key, old)
        items, changed_at = _tell(speaker, key, old), rng.uniform(0.2, 0.9) * distance
        while examiner.size(items) < distance:
            if value and examiner.size(items) >= changed_at:
                items += _tell(speaker, key, value, update=True)
                changed_at = float("inf")
            items += _tell(speaker, *others.pop()) if others and rng.random() < 0.3 else examiner.chatter()
        return _question(items, speaker, key, value)

    return make


def ask_base(count: int, distance: int, *, lines: bool, known: bool = True) -> Callable[[Examiner], Case]:
    """Facts stand in the base, as lines of the summary or in the user's words."""

    def make(examiner: Examiner) -> Case:
        speaker, facts = examiner.speaker(), examiner.draw_facts(count)
        view = View(
            lines=tuple(
                Line(text=say_answer(key, value, "line"), turns=(1, 1)) for key, value in facts if lines
            ),
            facts=tuple(
                Fact(text=speaker.state(key, value), turn=1, at=Position(1, 1), rank=4)
                for key, value in facts
                if not lines
            ),
        )
        base = render_base("", view)
        assert lines or render_facts(view.facts) in base
        key, value = examiner.rng.choice(facts)
        asked = key if known else examiner.absent_key(facts)
        return _question(examiner.fill([], distance), speaker, asked, value if known else None, base)

    return make


def ask_recalled(count: int, distance: int, *, known: bool = True) -> Callable[[Examiner], Case]:
    """Facts are quoted before a message, and talk follows."""

    def make(examiner: Examiner) -> Case:
        rng, speaker, facts = examiner.rng, examiner.speaker(), examiner.draw_facts(count)
        began = rng.uniform(1.6e9, 1.95e9)
        lines = tuple(
            quote_message(user(speaker.state(*fact)), said=began + 60 * place)
            for place, fact in enumerate(facts)
        )
        quoted = Recalled(lines, tuple(range(1, count + 1)))
        key, value = rng.choice(facts)
        asked = key if known else examiner.absent_key(facts)
        case = _question([], speaker, asked, value if known else None)
        case.items = (
            [quoted, *case.items]
            if not distance
            else [*examiner.fill([quoted, *examiner.chatter()], distance), *case.items]
        )
        return case

    return make


def ask_summary(examiner: Examiner) -> Case:
    """The summary is asked for as turnkeep asks, some turns before the end."""
    rng, speaker = examiner.rng, examiner.speaker()
    told = examiner.draw_facts(rng.randint(1, 8))
    cut = rng.randint(max(1, len(told) // 2), len(told))
    items: list[Item] = []
    folded_upto = 0
    for number, (key, value) in enumerate(told):
        items += _tell(speaker, key, value)
        for _ in range(rng.randint(0, 3)):
            items += examiner.chatter()
        if number + 1 == cut:
            folded_upto = len(items)
    items += examiner.chatter()
    first_kept = items[folded_upto]
    assert isinstance(first_kept, Message)
    lines = [say_answer(key, value, "line") for key, value in told]
    return Case(
        items=[*items, user(render_instruction(quote_limit(first_kept.text)))],
        folded=lines[:cut],
        stated=lines,
        kept_from=folded_upto,
    )


def ask_acknowledged(*, held_wordings: bool = False) -> Callable[[Examiner], Case]:
    """A fact is acknowledged with its value."""

    def make(examiner: Examiner) -> Case:
        speaker = examiner.speaker(held_wordings=held_wordings)
        (key, value), *_ = examiner.draw_facts(1)
        stated, noted = _tell(speaker, key, value)
        assert isinstance(noted, Message)
        return Case(items=[*examiner.fill([], 300), stated], value=value, sentence=noted.text)

    return make


def ask_heard(examiner: Examiner) -> Case:
    """Nothing is made of a remark."""
    remark = user(talk.draw_remark(examiner.rng))
    return Case(items=[*examiner.fill([], 300), remark], value="I see", sentence=talk.HEARD)


# Name, bar in percent ("" for none), what makes a case.
_ROWS: tuple[tuple[str, str, Callable[[Examiner], Case]], ...] = (
    ("recall, 10 facts, 100 tokens back", "97", ask_recall(100, 10)),
    ("recall, 10 facts, 500 tokens back", "95", ask_recall(500, 10)),
    ("recall, 10 facts, 1,000 tokens back", "95", ask_recall(1000, 10)),
    ("recall, 20 facts, 1,800 tokens back", "85", ask_recall(1800, 20)),
    ("abstention, 10 facts, 100 tokens", "95", ask_recall(100, 10, known=False)),
    ("abstention, 10 facts, 500 tokens", "95", ask_recall(500, 10, known=False)),
    ("abstention, 10 facts, 1,000 tokens", "95", ask_recall(1000, 10, known=False)),
    ("abstention, 20 facts, 1,800 tokens", "95", ask_recall(1800, 20, known=False)),
    ("the latest statement wins, 1,000 tokens", "90", ask_latest(1000)),
    ("recall from summary lines, 11, +300 tokens", "93", ask_base(11, 300, lines=True)),
    ("recall from facts in the base, 11, +300 tokens", "93", ask_base(11, 300, lines=False)),
    ("recall from recalled lines, 11, +300 tokens", "93", ask_recalled(11, 300)),
    ("recall from recalled lines, 6, right before", "93", ask_recalled(6, 0)),
    ("abstention with summary lines, 11, +300 tokens", "95", ask_base(11, 300, lines=True, known=False)),
    ("abstention with recalled lines, 6, right before", "95", ask_recalled(6, 0, known=False)),
    ("held-out phrasings: recall, 10 facts, 500 tokens", "80", ask_recall(500, 10, held_wordings=True)),
    ("held-out phrasings: abstention, 10 facts, 500 tokens", "95", ask_recall(500, 10, known=False, held_wordings=True)),
    ("plainest phrasings: recall, 10 facts, 500 tokens", "", ask_recall(500, 10, plain=True)),
    ("plainest phrasings: recall, 10 facts, 1,000 tokens", "", ask_recall(1000, 10, plain=True)),
    ("plainest phrasings: abstention, 10 facts, 500 tokens", "", ask_recall(500, 10, known=False, plain=True)),
    ("a fact is acknowledged with its value, after 300 tokens of talk", "", ask_acknowledged()),
    ("held-out phrasings: a fact is acknowledged with its value", "", ask_acknowledged(held_wordings=True)),
    ("nothing is made of a remark, after 300 tokens of talk", "", ask_heard),
    ("summary: facts of the folded turns in the lines", "90", ask_summary),
)  # fmt: skip


def make_table() -> list[Row]:
    """The rows, with their bars."""
    return [Row(name=name, bar=bar, make=make) for name, bar, make in _ROWS]


def holds(text: str, value: str) -> bool:
    """Whether a value stands in a text as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def judge(row: Row, case: Case, reply: str, *, complete: bool) -> None:
    """Take a reply into account."""
    if case.stated:
        judge_summary(row, case, reply, complete=complete)
        return
    row.asked += 1
    right = UNKNOWN in reply if case.value is None else holds(reply, case.value) and UNKNOWN not in reply
    row.right += right
    row.exact += reply == case.sentence
    if not right:
        row.wrong.append(f"{case.items[-1].text!r} -> {reply!r}, not {case.sentence!r}")  # type: ignore[union-attr]


def judge_summary(row: Row, case: Case, reply: str, *, complete: bool) -> None:
    """Count the facts that are in the lines, and the lines that say what was not said."""
    lines = [line.removeprefix("- ") for line in reply.splitlines()]
    invented = [line for line in lines if line not in case.stated]
    said = [
        Utterance(place // 2 + 1, item.role, item.text)
        for place, item in enumerate(case.items[:-1])
        if isinstance(item, Message)
    ]
    folded, kept = said[: case.kept_from], said[case.kept_from :]
    summary = read_summary(reply, complete=complete, said=folded, kept=kept)
    row.asked += len(case.folded)
    row.right += sum(line in lines for line in case.folded)
    row.exact += sum(line in [each.text for each in summary.lines] for line in case.folded)
    row.lines += len(lines)
    row.invented += len(invented)
    row.believed += sum(line.text not in case.stated for line in summary.lines)
    if invented or any(line not in lines for line in case.folded):
        row.wrong.append(f"{case.folded} -> {reply!r}")


async def call(engine: EmbeddedEngine, case: Case) -> tuple[str, bool]:
    """Hold the conversation and ask; the reply, and whether it ended by itself."""
    items = list(case.items)
    for place, item in enumerate(items):
        if isinstance(item, Message) and item.role == "assistant" and item.text.startswith(f"{talk.NOTED} "):
            said, _ = await generate(engine, case.base, items[:place], ANSWER_TOKENS)
            items[place] = assistant(said)
    case.items = items
    return await generate(engine, case.base, items, SUMMARY_TOKENS if case.stated else ANSWER_TOKENS)


async def generate(engine: EmbeddedEngine, base: str, items: Sequence[Item], most: int) -> tuple[str, bool]:
    """The reply to a prompt, and whether it ended by itself."""
    messages = render_messages(layout_messages(base, items))
    assembler = Assembler()
    async with aclosing(engine.stream(Request(messages=messages, temperature=0, max_tokens=most))) as deltas:
        async for delta in deltas:
            assembler.add(delta)
    return assembler.text, assembler.end is not None and assembler.end.finish_reason == "stop"


async def examine(gguf: Path, rows: Sequence[Row], *, n: int, seed: int, window: int | None) -> None:
    """Put n cases of each row to the engine."""
    engine = EmbeddedEngine(gguf, window=window, threads=1)
    tokenizer = Tokenizer.from_file(str(_TOKENIZER))
    try:
        for row in rows:
            examiner, began = Examiner(f"{seed} {row.name}", tokenizer), time.monotonic()
            for _ in range(n):
                case = row.make(examiner)
                reply, complete = await call(engine, case)
                judge(row, case, reply, complete=complete)
            print(
                f"{row.name}: {percent(row.right, row.asked)} % in {time.monotonic() - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    finally:
        await engine.close()


def percent(part: int, whole: int) -> str:
    """A share in percent, with a digit after the point where it takes one."""
    return f"{100 * part / max(1, whole):.1f}".removesuffix(".0")


def render_table(rows: Sequence[Row], *, n: int, seed: int, name: str) -> str:
    """Write the rows as Markdown."""
    head = [
        f"{name}, llama.cpp at temperature 0, {n} conversations a row, seed {seed}, values that training never had.",
        "",
        "| test | bar, % | right, % | whole sentence as taught, % |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        head.append(
            f"| {row.name} | {row.bar} | {percent(row.right, row.asked)} | {percent(row.exact, row.asked)} |"
        )
        if row.lines:
            head.append(
                f"| lines that say what was not said, of {row.lines} | 0 | {row.invented} | {row.believed} after turnkeep's check |"
            )
    return "\n".join(head) + "\n"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Examine a reader: recall, abstention, corrections, summaries."
    )
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--n", type=int, default=200, help="conversations a row")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--window", type=int, help="tokens; as many as it was trained for unless given")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong replies of each row")
    parser.add_argument("--out", type=Path, help="write the table there")
    return parser.parse_args()


def main() -> None:
    """Examine a file and print the table."""
    given = parse_arguments()
    rows = [row for row in make_table() if given.only in row.name]
    asyncio.run(examine(given.gguf, rows, n=given.n, seed=given.seed, window=given.window))
    table = render_table(rows, n=given.n, seed=given.seed, name=given.gguf.name)
    print(table)
    for row in rows:
        for wrong in row.wrong[: given.show]:
            print(f"- {row.name}: {wrong}")
    if given.out:
        given.out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
