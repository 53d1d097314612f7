"""Kill a chat at random moments and look at what is left:  python -m tests.crash [--kills N] [--seed S]

A chat on a real llama.cpp, with a window so small that it compacts all the time, is killed with
SIGKILL: while it opens or makes its database, waits for the engine, streams, keeps a reply,
compacts, warms, takes a turn back. After each kill:

- the database opens;
- no turn that was acknowledged is missing or different, and the tip is where it was put;
- what leads to the tip are whole turns only, and a reply that reads as whole is the whole of what
  the engine said;
- the next prompt, as the engine renders it, extends the last one, or a compaction came between.

Children are forked from one process that has everything imported (`--nursery`), so a kill can
come in the first milliseconds of a program too.
"""

import argparse
import asyncio
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.engines import RealEngine
from tests.prefixes import describe_difference
from turnkeep import AsyncChat, NothingToDo
from turnkeep.conversation.items import Message
from turnkeep.conversation.log import START, Position
from turnkeep.engine.base import Delta, End, Engine, Request, TextDelta
from turnkeep.engine.connect import connect
from turnkeep.store.base import StoredItem, Turn
from turnkeep.store.sqlite import SqliteStore

KILLS = 500
WORDS = ["river", "stone", "lamp", "door", "seven", "Monday", "Ana", "under", "blue", "and", "the", "of"]
QUESTION = "My word number"  # what turns begin with; upkeep's requests do not
WINDOW = 512  # tokens: a compaction every few turns
OWNER, NAME = "local", "crash"
FRESH = 0.1  # of the chats begin with no database, and are killed while they make it
FRESH_SECONDS = 0.08
MOST_EVENTS = 8  # of a chat, before it is killed
PAUSE_SECONDS = 0.15  # after the last of them, at most
PATIENCE_SECONDS = 60.0


# -- the chat that is killed ------------------------------------------------------------------------


def tell(**event: object) -> None:
    """Tell the driver, at once."""
    os.write(1, json.dumps(event).encode() + b"\n")


class Overheard:
    """An engine that tells what it is sent, and what it has said when it has said all of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.url = engine.url
        self.probe, self.count, self.count_texts = engine.probe, engine.count, engine.count_texts
        self.warm, self.close = engine.warm, engine.close

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        tell(kind="sent", messages=request.messages)
        said = ""
        async with aclosing(self._engine.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    said += delta.text
                elif isinstance(delta, End):
                    tell(kind="said", question=request.messages[-1]["content"], text=said)
                yield delta


async def chat_on(db: str, url: str, seed: int) -> None:
    """Chat until killed, telling what is asked, sent and acknowledged."""
    dice = random.Random(seed)
    tell(kind="opening")
    engine = Overheard(connect(url, window=WINDOW))
    async with AsyncChat(
        engine, conversation=NAME, db=db, system="You are brief.", max_tokens=24, temperature=0
    ) as chat:
        while True:
            await _do_something(chat, dice)


async def _do_something(chat: AsyncChat, dice: random.Random) -> None:
    chance = dice.random()
    with suppress(NothingToDo):
        if chance < 0.05:
            tell(kind="undoing")
            turn = await chat.undo()
            tell(kind="undone", turn=turn.number)
        else:
            again = chance > 0.85
            tell(kind="regenerating" if again else "asking")
            long = dice.random() < 0.5  # the model is brief by itself
            request = {"ignore_eos": True} if long else {}
            reply = await (chat.regenerate(**request) if again else chat.ask(_say(dice), **request))
            tell(kind="answered", turn=reply.turn, reply=reply.text)
    if dice.random() < 0.5:
        tell(kind="upkeep")
        with suppress(TimeoutError):
            await asyncio.wait_for(chat.idle(), dice.uniform(0, 1))


def _say(dice: random.Random) -> str:
    words = " ".join(dice.choices(WORDS, k=dice.randint(5, 50)))
    return f"{QUESTION} {dice.randrange(10**9)} is: {words}."


def nursery() -> None:
    """Fork a chat for each line of input, and wait until it has ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(chat_on(**json.loads(line)))
            os._exit(0)
        tell(kind="born", pid=child)
        _, status = os.waitpid(child, 0)
        os.write(1, b"\n")  # ends what the child may have left half written
        tell(kind="dead", signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None)


# -- the driver -------------------------------------------------------------------------------------


@dataclass
class Sent:
    """A prompt; `reply` is what came of it, once acknowledged and as long as it was not taken back."""

    messages: list[Any]  # Any: messages as JSON
    doing: str
    stepped_back: bool  # it asks again, or a turn was or may have been undone since the prompt before
    reply: str | None = None


@dataclass
class Known:
    """What the driver knows of one database: what was acknowledged, and what was sent."""

    path: Path
    answered: dict[int, str] = field(default_factory=dict)  # turn -> reply
    tip: Position = START  # as found after the last kill
    turns: int = 0  # found after the last kill, or acknowledged since
    moves: list[int] = field(default_factory=list)  # acknowledged since: turns; negative: taken back
    doing: str = ""  # what was not acknowledged yet when the kill came
    stepped_back: bool = False  # since the last prompt
    sent: list[Sent] = field(default_factory=list)  # prompts of turns
    said: set[tuple[str, str]] = field(default_factory=set)  # questions, and whole replies of the engine


@dataclass
class Nursery:
    """The process that forks chats, and what they tell."""

    process: "subprocess.Popen[bytes]" = field(
        default_factory=lambda: subprocess.Popen(
            [sys.executable, "-m", "tests.crash", "--nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    )
    rest: bytes = b""

    def bear(self, **order: object) -> int:
        """Fork a chat; returns its process id."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        while (event := self.listen(PATIENCE_SECONDS)) is not None:
            if event["kind"] == "born":
                return int(event["pid"])
        raise AssertionError("no chat was born")

    def listen(self, seconds: float) -> dict[str, Any] | None:  # Any: an event as JSON
        """The next event; None when there is none within `seconds`."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.rest:
                if not selector.select(max(0, deadline - time.monotonic())):
                    return None
                read = os.read(self.process.stdout.fileno(), 65536)
                assert read, "the nursery has died"
                self.rest += read
        line, _, self.rest = self.rest.partition(b"\n")
        try:
            event = json.loads(line)
        except ValueError:
            return {"kind": "torn"}  # what a killed chat was about to tell
        return event if isinstance(event, dict) else {"kind": "torn"}

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()


def note(known: Known, event: Mapping[str, Any]) -> None:  # Any: an event as JSON
    """Take in what a chat told."""
    match event["kind"]:
        case "answered":
            known.answered[event["turn"]] = event["reply"]
            known.moves.append(event["turn"])
            known.turns = event["turn"]
            known.sent[-1].reply = event["reply"]
            known.doing = ""
        case "undone":
            known.moves.append(-event["turn"])
            known.doing = ""
            if known.sent:
                known.sent[-1].reply = None
        case "sent" if event["messages"][-1]["content"].startswith(QUESTION):
            back = known.stepped_back or known.doing == "regenerating"
            known.sent.append(Sent(event["messages"], known.doing, back))
            known.stepped_back = False
        case "said":
            known.said.add((event["question"], event["text"]))
        case "asking" | "regenerating" | "undoing" | "opening" | "upkeep":
            known.doing = event["kind"]
            known.stepped_back |= known.doing == "undoing"


def kill_one(nursery: Nursery, known: Known, url: str, dice: random.Random, *, fresh: bool) -> str:
    """Let a chat go on for a random while and kill it; returns what it was doing."""
    events = 0 if fresh else dice.randint(0, MOST_EVENTS)
    pause = dice.uniform(0, FRESH_SECONDS if fresh else PAUSE_SECONDS)
    pid = nursery.bear(db=str(known.path), url=url, seed=dice.randrange(2**32))
    known.doing = "starting"
    deadline = time.monotonic() + pause
    while (event := nursery.listen(PATIENCE_SECONDS if events else deadline - time.monotonic())) is not None:
        note(known, event)
        assert event["kind"] != "dead", "the chat ended by itself"
        if events:
            events -= 1
            deadline = time.monotonic() + pause
    os.kill(pid, signal.SIGKILL)
    doing = known.doing
    while (event := nursery.listen(PATIENCE_SECONDS)) is not None and event["kind"] != "dead":
        note(known, event)
    assert event == {"kind": "dead", "signal": signal.SIGKILL}
    return doing


async def check(known: Known, found: Counter[str]) -> None:
    """Look at what is left; raises `AssertionError` for whatever is not as promised."""
    store = SqliteStore(known.path)
    row = await store.find_conversation(OWNER, NAME)
    assert row is not None or not known.answered, "the conversation is gone"
    if row is not None:
        turns = {turn.number: (turn, items) async for turn, items in store.export_items(OWNER, row.id)}
        check_acknowledged(known, turns, row.tip)
        for turn, items in turns.values():
            if turn.state in ("done", "cut_off"):
                receipt = await store.load_receipt(OWNER, row.id, turn.number)
                check_whole(known, turn, items, receipt)
            found[f"{turn.state} turns looked at"] += 1
        path = [turn.number for turn in await store.load_turns(OWNER, row.id, tip=row.tip)]
        assert all(turns[number][0].state in ("done", "cut_off") for number in path), "a half turn is read"
        items = await store.load_log(OWNER, row.id, tip=row.tip)
        assert [_message(item).role for item in items] == ["user", "assistant"] * len(path)
        found["views"] += (await store.stats()).tables["view"]
    await store.close()


Turns = Mapping[int, tuple[Turn, list[StoredItem]]]


def check_acknowledged(known: Known, turns: Turns, tip: Position) -> None:
    """Every acknowledged reply is there word for word, and the tip is where it was put last."""
    for number, reply in known.answered.items():
        assert number in turns, f"turn {number} is lost"
        turn, items = turns[number]
        assert turn.state in ("done", "cut_off"), f"turn {number} is {turn.state}"
        assert _message(items[-1]).text == reply, f"the reply of turn {number} is another"
    if known.moves:
        last = known.moves[-1]
        known.tip = turns[last][0].tip if last > 0 else turns[-last][0].after
    allowed = {known.tip}
    if known.doing == "undoing":  # it may have been done, and only its acknowledgement lost
        allowed |= {turn.after for turn, _ in turns.values() if turn.tip == known.tip}
    allowed |= {turn.tip for turn, _ in turns.values() if turn.number > known.turns}  # likewise
    assert tip in allowed, f"the tip is {tip}, not one of {allowed}"
    known.tip, known.turns, known.moves = tip, max(turns, default=0), []


def check_whole(known: Known, turn: Turn, items: list[StoredItem], receipt: Mapping[str, Any] | None) -> None:
    """A turn that reads as whole is: the question, all that the engine said to it, and the receipt."""
    assert receipt is not None, f"turn {turn.number} has no receipt"
    assert receipt["finish_reason"] in ("stop", "length"), f"turn {turn.number} did not end"
    question, reply = map(_message, items)
    assert (question.role, reply.role) == ("user", "assistant")
    assert (question.text, reply.text) in known.said, f"turn {turn.number} is not what the engine said"


def check_prompts(known: Known, engine: RealEngine, found: Counter[str]) -> None:
    """Each prompt extends the one before it and its reply, unless another base stands in front."""
    for before, after in pairwise(known.sent):
        shared = before.messages[:-1]  # what stands in front of a turn that was killed, or is asked again
        if before.reply is not None and after.doing == "asking":
            shared = [*before.messages, {"role": "assistant", "content": before.reply}]
        if engine.render({"messages": after.messages}).startswith(engine.render({"messages": shared})):
            found["prompts that extend the last"] += 1
        elif after.messages[0] != before.messages[0]:
            found["prompts after a compaction"] += 1
        elif any(is_slice(after.messages[1:-1], log) for log in logs_after(known, before)):
            found["prompts after a bare cut or an undo"] += 1  # turns were folded without a line, or undone
        else:
            # Only a step back before the cut brings folded turns into view again.
            difference = describe_difference(
                engine.render({"messages": shared}), engine.render({"messages": after.messages})
            )
            assert after.stepped_back, f"the prompt moved without a reason: {difference}"
            found["prompts of an earlier view"] += 1


def logs_after(known: Known, sent: Sent) -> list[list[Any]]:  # Any: messages as JSON
    """What the log may be after a turn: with what the engine said, kept though not acknowledged, or without."""
    log, question = sent.messages[1:], sent.messages[-1]["content"]
    replies = [text for asked, text in known.said if asked == question]
    return [log[:-1], *([*log, {"role": "assistant", "content": text}] for text in replies)]


def is_slice(part: Sequence[object], whole: Sequence[object]) -> bool:
    """Tell whether `part` stands in `whole`, without a gap."""
    return any(whole[n : n + len(part)] == part for n in range(len(whole) - len(part) + 1))


def _message(stored: StoredItem) -> Message:
    assert isinstance(stored.item, Message)
    return stored.item


def drive(kills: int, seed: int, folder: Path) -> Counter[str]:
    """Kill and look, `kills` times; returns what was found, counted."""
    dice, found = random.Random(seed), Counter[str]()
    engine, nursery, known = RealEngine(window=WINDOW), Nursery(), Known(folder / "0.db")
    try:
        for number in range(kills):
            fresh = number == 0 or dice.random() < FRESH
            if fresh:
                check_prompts(known, engine, found)
                known = Known(folder / f"{number}.db")
            doing = kill_one(nursery, known, engine.url, dice, fresh=fresh)
            found[f"killed while {doing or 'between turns'}"] += 1
            try:
                asyncio.run(check(known, found))
            except BaseException:
                print(f"kill {number} of seed {seed}, {known.path}: {doing}", file=sys.stderr)
                raise
        check_prompts(known, engine, found)
    finally:
        nursery.close()
        engine.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=KILLS, help=f"default {KILLS}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--nursery", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.nursery:
        nursery()
        return
    with tempfile.TemporaryDirectory() as folder:
        found = drive(options.kills, options.seed, Path(folder))
    for name, count in sorted(found.items()):
        print(f"{count:>8,}  {name}")


if __name__ == "__main__":
    main()
