"""Run as a program: forget at random in a generated store, and look for what was forgotten byte by byte.

`python -m tests.forget_soak --turns 2000 --forgets 300 --kills 300` makes conversations with summaries,
facts, recalled lines (also of other conversations), vectors, branches, what a gateway keeps, an input history,
the audit journal with all its texts, and backups. Every turn says words that nothing else says. After each forget
these words are in no file of the data folder, all other turns are as they were, in the backups too, the journal
passes its check, and the next prompt holds what it should. With `--kills`, a process
that forgets is killed at a random moment: it is wholly done or wholly not, once another process has come.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chats import asks_for_summary
from tests.embedders import WordEmbedder
from turnkeep import AsyncChat, AuditRules, UsageError
from turnkeep.audit.folder import Folder
from turnkeep.audit.reading import check_folder, read_records
from turnkeep.context.scanning import Scanner
from turnkeep.engine.absent import AbsentEngine
from turnkeep.engine.base import Request
from turnkeep.forgetting.courses import Forgetter
from turnkeep.forgetting.opening import open_forgetter
from turnkeep.forgetting.receipt import ForgetReceipt
from turnkeep.store.erasing import (
    EveryMention,
    EverythingOwned,
    OlderThan,
    OneConversation,
    OneItem,
    OneTurn,
    What,
)
from turnkeep.store.ids import conversation_id, item_id, make_tag, response_id
from turnkeep.store.ledger import NewResponse
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.backups import back_up
from turnkeep.testing import ScriptedEngine

CANARY = re.compile(r"kanari\d{5}[a-z]+")
NUMBER = re.compile(r"0171[ /-]?55\d{5}")
SPACINGS = ("0171 55{:05d}", "0171/55{:05d}", "017155{:05d}", "0171-55{:05d}")
RULES = AuditRules(level="full", rotate_bytes=16_384)
BACKUPS = 3  # the oldest is taken away by hand when there are more
FORGETS = 10  # between two backups
TOPICS = ("garden", "harbour", "violin", "bakery", "glacier", "market", "orchard", "tunnel")
Row = tuple[str, str]  # kind and body


@dataclass
class World:
    """A store, what was said in it, and what was forgotten of it."""

    home: Path
    dice: random.Random
    store: SqliteStore
    lost: set[str] = field(default_factory=set)
    said: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    beside: dict[tuple[str, int], str] = field(
        default_factory=dict
    )  # what a client gave with a turn's response

    copies: int = 0

    @property
    def path(self) -> Path:
        return self.home / "turnkeep.db"

    @property
    def backups(self) -> list[Path]:
        return sorted((self.home / "backups").glob("*.db"))

    def back_up(self) -> None:
        """Make a backup; the oldest one is gone without anybody being told."""
        self.copies += 1
        (self.home / "backups").mkdir(exist_ok=True)
        back_up(self.path, self.home / "backups" / f"{self.copies:04}.db", lambda _done, _all: None)
        for path in self.backups[:-BACKUPS]:
            path.unlink()

    def forgetter(self) -> Forgetter:
        return open_forgetter(
            self.store, AbsentEngine(), holder="soak/0/0", home=self.home, open_store=SqliteStore
        )

    def canary(self) -> str:
        self.said += 1
        end = "".join(self.dice.choices("bcdfghjklm", k=4))
        return f"kanari{self.said:05d}{end}"


# -- making it ----------------------------------------------------------------------------------
def answer(world: World, request: Request) -> str:
    """Reply with a word of its own; summarise what is asked for, line by line."""
    if not asks_for_summary(request):
        return f"I have noted that as {world.canary()}."
    said = re.findall(r"My \w+ code is kanari\w+", str(request.messages))
    return "\n".join(f"- {line}." for line in dict.fromkeys(said)) or "- Nothing was said."


async def make(world: World, turns: int) -> None:
    """Say so many turns, in conversations of some thirty, of two owners."""
    count = 0
    while count < turns:
        owner = "other" if world.dice.random() < 0.1 else "local"
        length = min(turns - count, world.dice.randint(15, 45))
        await _make_conversation(world, owner, length)
        if not count:
            await asyncio.to_thread(world.back_up)  # it lacks all that comes later
        count += length


async def _make_conversation(world: World, owner: str, length: int) -> None:
    engine = ScriptedEngine(lambda request: answer(world, request), window=700)
    chat = AsyncChat(
        engine, db=world.store, owner=owner, embeddings=WordEmbedder(), recall_everywhere=True, audit=RULES,
        conversation=f"talk {world.said}", system=f"Be brief. {world.canary()}" if world.dice.random() < 0.2 else None,
    )  # fmt: skip
    try:
        for number in range(length):
            kind = world.dice.random() if number > 2 else 1.0
            if kind < 0.05:
                await chat.regenerate()
            elif kind < 0.1:
                with contextlib.suppress(UsageError):  # the room for such is full
                    await chat.remember(f"Keep {world.canary()} in mind.")
            else:
                text = _say(world)
                if owner == "local":
                    _type(world, text)
                await (chat.edit if kind < 0.18 else chat.ask)(text)
            if number % 8 == 7:
                await chat.idle()
        await chat.idle()
        await _serve(world, owner, (await chat.conversation()).id)
    finally:
        await chat.close()


def _say(world: World) -> str:
    topic = world.dice.choice(TOPICS)
    kind = world.dice.random()
    if kind < 0.15:
        number = world.dice.choice(SPACINGS).format(world.dice.randrange(40))
        return f"Please call {number} about the {topic}, it is {world.canary()}."
    if kind < 0.4:
        return f"Which code has my {topic} again? I mean {world.canary()}."
    filler = " ".join(world.dice.choices(TOPICS, k=world.dice.choice((3, 12, 200))))
    return f"My {topic} code is {world.canary()}. Think of {filler}."


def _type(world: World, text: str) -> None:
    with (world.home / "input-history").open("a", encoding="utf-8") as file:
        file.write(f"\n# 2026-11-22 12:00:00.000001\n+{text}\n")


async def _serve(world: World, owner: str, conversation: str) -> None:
    """Keep what a gateway would: responses with events, aliases, claims, digests."""
    store, now = world.store, time.time()
    row = await store.load_conversation(owner, conversation)
    for turn in await store.load_turns(owner, conversation, tip=row.tip):
        if world.dice.random() > 0.3:
            continue
        items = await store.load_turn_items(owner, conversation, turn.number)
        texts = CANARY.findall(str(items[-1].item))  # a stream holds what was replied, and nothing else
        given = world.beside[conversation, turn.number] = world.canary()
        response = response_id(conversation.removeprefix("conv_"), make_tag())
        made = NewResponse(
            id=response, created=now, turn=turn.number, model="m", metadata={"about": given},
            head={"echo": {"user": given}},
        )  # fmt: skip
        await store.save_response(owner, made)
        await store.save_events(
            owner, response, [(n, json.dumps({"delta": text})) for n, text in enumerate(texts)]
        )
        await store.save_alias(owner, f"alias-{given}", response)
        await store.save_digests(owner, conversation, [(os.urandom(16), turn.number)])
        await store.claim_idempotency(owner, response, os.urandom(16), now=now)
        await store.settle_idempotency(owner, response, response=response, state="done")


# -- looking ------------------------------------------------------------------------------------
Key = tuple[str, str, int, int, int, int]  # owner, conversation, turn, branch, seq, tag
Snapshot = dict[Key, Row]


def look(path: Path, how: str = "mode=ro") -> Snapshot:
    """Every item of a store."""
    database = sqlite3.connect(f"file:{path}?{how}", uri=True)
    try:
        rows = database.execute(
            "SELECT o.name, c.key, i.turn, i.branch, i.seq, i.tag, i.kind, i.body FROM item AS i "
            "JOIN owner AS o ON o.number = i.owner "
            "JOIN conversation AS c ON c.owner = i.owner AND c.number = i.conversation"
        ).fetchall()
    finally:
        database.close()
    return {(row[0], conversation_id(row[1]), *row[2:6]): (row[6], row[7]) for row in rows}


def words(rows: Iterator[Row] | list[Row]) -> set[str]:
    return {word for _, body in rows for word in CANARY.findall(body)}


def find_bytes(world: World, wanted: set[str]) -> dict[str, set[bytes]]:
    """Where some of these words stand, in any file of the data folder."""
    scanner = Scanner(word.encode() for word in wanted)
    found = {}
    for path in sorted(world.home.rglob("*")):
        if path.is_file() and (hits := scanner.scan(path.read_bytes())):
            found[path.name] = hits
    return found


async def check_journal(world: World) -> None:
    """The journal is as it was written, but for what was forgotten, which it says."""
    checked = await check_folder(Folder.of(world.path), world.store, asyncio.to_thread)
    assert checked.findings == []


def check_kept(world: World, after: Snapshot) -> None:
    """Turns that were not forgotten keep their texts in the journal, and backups hold what the store holds."""
    journal = words(
        [
            ("", str(record.texts))
            for _, record in read_records(Folder.of(world.path))
            if record and record.texts
        ]
    )
    touched = {key[:3] for key, row in after.items() if row[0] == "forgotten" or "[forgotten]" in row[1]}
    for key, row in after.items():
        if row[0] in ("user", "assistant") and key[:3] not in touched:
            assert words([row]) <= journal, (key, row)
    for path in world.backups:
        for key, row in look(path, "immutable=1").items():  # nobody writes: no log is made beside it
            if row[0] in ("user", "assistant", "tool", "forgotten"):
                assert after.get(key) == row, (path, key, row)
    beside = [path.name for path in (world.home / "backups").iterdir() if path.suffix != ".db"]
    assert beside == []


# -- forgetting ---------------------------------------------------------------------------------
def choose(world: World, before: Snapshot) -> tuple[str, What] | None:
    """Something to forget, and whose."""
    alive = [key for key, row in before.items() if row[0] in ("user", "assistant")]
    if not alive:
        return None
    owner, conversation, turn, _, _, tag = world.dice.choice(alive)
    kind = world.dice.random()
    if kind < 0.5:
        return owner, OneTurn(conversation=conversation, turn=turn)
    if kind < 0.7:
        item = item_id(conversation.removeprefix("conv_"), tag)
        return owner, OneItem(conversation=conversation, item=item)
    if kind < 0.9:
        numbers = sorted({number for _, body in before.values() for number in NUMBER.findall(body)})
        if numbers:
            return owner, EveryMention(value=world.dice.choice(numbers))
    if kind < 0.965:
        return owner, OlderThan(before=_created(world, conversation, 3), conversation=conversation)
    if kind < 0.98:
        return owner, OneConversation(conversation=conversation)
    return "other", EverythingOwned()


def _created(world: World, conversation: str, number: int) -> float:
    """When the turn of that place among those with something left was begun."""
    database = sqlite3.connect(f"file:{world.path}?mode=ro", uri=True)
    try:
        rows = database.execute(
            "SELECT DISTINCT t.created FROM turn AS t JOIN conversation AS c ON c.number = t.conversation "
            "JOIN item AS i ON i.conversation = t.conversation AND i.turn = t.number "
            "WHERE c.key = ? AND i.kind <> 'forgotten' ORDER BY t.created LIMIT ?",
            (conversation.removeprefix("conv_"), number + 1),
        ).fetchall()
    finally:
        database.close()
    return float(rows[-1][0])


def targets(before: Snapshot, after: Snapshot, owner: str, what: What, receipt: ForgetReceipt) -> set[Key]:
    """The items that had to change."""
    mine = {key for key in before if key[0] == owner}
    match what:
        case EverythingOwned():
            return set(mine)
        case OneConversation():
            return {key for key in mine if key[1] == what.conversation}
        case OneTurn() | OlderThan():
            if what.conversation in receipt.conversations:
                return {key for key in mine if key[1] == what.conversation}
            numbers = receipt.turns.get(str(what.conversation), ())
            assert not isinstance(what, OneTurn) or what.turn in numbers
            return {key for key in mine if key[1] == what.conversation and key[2] in numbers}
        case OneItem():
            return {key for key in mine if item_id(key[1].removeprefix("conv_"), key[5]) == what.item}
        case EveryMention():
            digits = re.sub(r"\D", "", what.value)
            return {
                key
                for key in mine
                if any(re.sub(r"\D", "", each) == digits for each in NUMBER.findall(before[key][1]))
            }
    raise AssertionError(what)


def check_whole(before: Snapshot, after: Snapshot, changed: set[Key], what: What) -> None:
    """All that was not to be forgotten is as it was; what was is not."""
    for key, row in before.items():
        if key in changed:
            assert after.get(key) != row or row[0] == "forgotten", (what, key, row)
            if isinstance(what, EveryMention) and row[0] in ("user", "assistant"):
                assert after[key] == (row[0], NUMBER.sub("[forgotten]", row[1])), (what, row, after[key])
        elif row[0] in ("user", "assistant", "tool", "forgotten"):
            assert after.get(key) == row, (what, key, row, after.get(key))
    assert after.keys() <= before.keys()


async def forget_one(world: World, owner: str, what: What, before: Snapshot) -> ForgetReceipt:
    receipt = await world.forgetter().forget(owner, what)
    after = look(world.path)
    changed = targets(before, after, owner, what, receipt)
    check_whole(before, after, changed, what)
    gone = words([before[key] for key in changed]) - words(list(after.values()))
    if not isinstance(what, OneItem | EveryMention):
        turns = {(key[1], key[2]) for key in changed}
        gone |= {word for place, word in world.beside.items() if place in turns}
    if isinstance(what, EveryMention):
        digits = re.sub(r"\D", "", what.value)
        mine = [body for key, (_, body) in after.items() if key[0] == owner]
        assert not any(re.sub(r"\D", "", each) == digits for body in mine for each in NUMBER.findall(body))
        theirs = {each for _, body in after.values() for each in NUMBER.findall(body)}
        spelt = {spacing.format(int(digits[-5:])) for spacing in SPACINGS} - theirs
        world.lost |= spelt
    world.lost |= gone
    found = find_bytes(world, world.lost)
    assert not found, (what, found)
    assert receipt.is_proven, (what, receipt.proof)
    assert receipt.state != "pending", receipt.places
    await check_journal(world)
    check_kept(world, after)
    world.kinds[type(what).__name__] += 1
    return receipt


async def check_prompt(world: World) -> None:
    """The next prompt of some conversation holds nothing forgotten, and the last turn that is left."""
    rows = await world.store.list_conversations("local", limit=1_000)
    rows = [row for row in rows if row.turns]
    if not rows:
        return
    row = world.dice.choice(rows)
    engine = ScriptedEngine(window=700)
    chat = AsyncChat(
        engine, db=world.store, conversation=row.id, embeddings=WordEmbedder(), upkeep=False,
        recall_everywhere=True, audit=RULES,
    )  # fmt: skip
    try:
        prepared = await chat.prepare("Which garden code do I have?")
        text = json.dumps(prepared.messages, ensure_ascii=False)
        assert not [word for word in world.lost if word in text], row.id
        kept = [each for each in await chat.history(1) if not each.forgotten and each.talk and each.assistant]
        short = kept and len(kept[-1].user) < 200  # a long one may be folded, whatever was forgotten
        if short and "[forgotten]" not in kept[-1].assistant and (await chat.history())[-1] == kept[-1]:
            assert kept[-1].assistant.strip() in text, (row.id, kept)
    finally:
        await chat.close()


# -- killing ------------------------------------------------------------------------------------
def kill_one(world: World, owner: str, what: What, before: Snapshot, after_seconds: float) -> str:
    """Have a child forget, kill it, and see that it is done or not, and then that the rest gets done."""
    child = os.fork()
    if not child:
        status = 1
        try:
            asyncio.run(_forget_in_child(world, owner, what))
            status = 0
        finally:
            os._exit(status)
    time.sleep(after_seconds)  # the moment, not a wait for anything
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    world.store = SqliteStore(world.path)
    return asyncio.run(_see(world, owner, what, before))


async def _forget_in_child(world: World, owner: str, what: What) -> None:
    world.store = SqliteStore(world.path)
    await world.forgetter().forget(owner, what, prove=False)
    await world.store.close()


async def _see(world: World, owner: str, what: What, before: Snapshot) -> str:
    await world.forgetter().finish()
    after = look(world.path)
    fields = [key for key in before if after.get(key) != before[key]]
    try:
        await check_journal(world)
        check_kept(world, after)
        if not fields:
            assert await world.store.load_unfinished() == []
            return "not begun"
        gone = words([before[key] for key in fields]) - words(list(after.values()))
        world.lost |= gone
        assert await world.store.load_unfinished() == []
        found = find_bytes(world, world.lost)
        assert not found, (what, found)
        return "done"
    finally:
        await world.store.close()


# -- all of it ----------------------------------------------------------------------------------
async def _soak(world: World, turns: int, forgets: int) -> None:
    await make(world, turns)
    for number in range(forgets):
        if number % FORGETS == 0:
            await asyncio.to_thread(world.back_up)
        before = look(world.path)
        chosen = choose(world, before)
        if chosen is None:
            break
        if chosen[1] == EverythingOwned() and not any(key[0] == "other" for key in before):
            continue
        await forget_one(world, *chosen, before)
        await check_prompt(world)
    await world.store.close()


async def _forget_all(world: World) -> None:
    """Forget all that is left, owner by owner: then no word of theirs is in any file."""
    world.store = SqliteStore(world.path)
    for owner in await world.store.list_owners():
        await forget_one(world, owner, EverythingOwned(), look(world.path))
    assert find_bytes(world, {"kanari"}) == {}
    await world.store.close()


def soak(
    home: Path, *, turns: int, forgets: int, kills: int, seed: int = 1
) -> tuple[Counter[str], Counter[str]]:
    """Do all of it; returns how many forgets of each kind there were, and how the kills ended."""
    world = World(home, random.Random(seed), SqliteStore(home / "turnkeep.db"))
    asyncio.run(_soak(world, turns, forgets))
    ended, pace = Counter[str](), 0.1
    for _ in range(kills):
        before = look(world.path)
        chosen = choose(world, before)
        if chosen is None:
            break
        how = kill_one(world, *chosen, before, world.dice.uniform(0.2, 1.8) * pace)
        pace *= (
            1.2 if how == "not begun" else 0.83
        )  # around the moment at which it is done, fast machine or slow
        ended[how] += 1
    asyncio.run(_forget_all(world))
    return world.kinds, ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2_000)
    parser.add_argument("--forgets", type=int, default=300)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        kinds, ended = soak(
            Path(folder), turns=given.turns, forgets=given.forgets, kills=given.kills, seed=given.seed
        )
        print(
            f"{sum(kinds.values())} forgets {dict(kinds)}, kills {dict(ended)}, {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
