"""Kill a gateway at random moments under load and look at what is left:

    python -m tests.gateway_crash [--kills N] [--hang-ups N] [--seed S] [--engine fake|real]

Clients of all kinds talk through `turnkeep serve` (responses, streamed, in the background;
chat completions with a name and with a resent history; half of them with keys for retries),
until it is killed with SIGKILL. After each kill, and with the next gateway on the same database:

- each acknowledged reply is there word for word, once;
- what reads as a whole turn is whole, and what leads to a tip are such turns only;
- no message has two whole turns, however often it was sent with its key;
- responses of the dead gateway have an end, and their streams too;
- the engine generates nothing any more, and nothing hangs.

Then clients hang up half-way, and the gateway's memory and open descriptors are compared.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from tests.engine.fake_server import FakeServer
from tests.engines import RealEngine
from tests.gateway_clients import (
    DOINGS,
    GONE,
    LOOK_SECONDS,
    MARK,
    PATIENCE_SECONDS,
    Client,
    Doing,
    FakeEngine,
    Known,
    Serving,
    fetch,
    hang_up,
    reply_to,
    text_of,
    wait_until_quiet,
)
from turnkeep.conversation.items import Message
from turnkeep.store.ids import conversation_id
from turnkeep.store.sqlite import SqliteStore

KILLS, HANG_UPS = 200, 300
CLIENTS_EACH = 2  # of each kind
MOST_ACKNOWLEDGED = 16  # replies, before it is killed ...
PAUSE_SECONDS = 0.5  # ... so long after the last of them, at most
EARLY = 0.1  # of the gateways are killed while they start
EARLY_SECONDS = 1.0
AT_ONCE = 16  # clients that hang up at a time
LOOKED_AT = 20  # acknowledged responses of earlier gateways that are fetched again
MOST_MORE_MB = 6.0  # of memory after as many hang-ups again
OWNER = "local"


@dataclass(slots=True)
class Site:
    """An engine, and how to see whether it is generating."""

    url: str
    generating: Callable[[], bool]
    fake: bool


@contextlib.asynccontextmanager
async def open_engine(kind: str) -> AsyncGenerator[Site, None]:
    """Start a fake or a real engine."""
    if kind == "fake":
        fake = FakeEngine()
        async with FakeServer(fake) as server:
            yield Site(server.url, lambda: fake.talking > 0, fake=True)
        return
    real = await asyncio.to_thread(partial(RealEngine, window=2048, n_parallel=4, kv_unified=False))
    try:
        yield Site(real.url, lambda: real.metric("requests_processing") > 0, fake=False)
    finally:
        await asyncio.to_thread(real.stop)


@dataclass(slots=True)
class Drive:
    """One database through the lives of many gateways."""

    site: Site
    folder: Path
    dice: random.Random
    known: Known = field(default_factory=Known)
    found: Counter[str] = field(default_factory=Counter)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)  # what clients keep over a kill

    async def kill_one(self) -> None:
        """Start a gateway, see to what the last one left, load it, kill it, and look at the database."""
        serving = Serving(self.site.url, self.folder)
        try:
            if self.dice.random() < EARLY:
                await asyncio.sleep(self.dice.uniform(0, EARLY_SECONDS))
                self.found["killed while starting"] += 1
            else:
                url = await asyncio.wait_for(asyncio.to_thread(serving.listen), PATIENCE_SECONDS)
                timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
                async with aiohttp.ClientSession(timeout=timeout) as session:
                    await self.recover(self.make_client(session, url, "recovering"))
                    await self.load(serving, session, url)
                self.found["killed under load"] += 1
        finally:
            serving.end(signal.SIGKILL)
        serving.check_log()
        await self.wait_for_engine()
        await check_database(serving.db, self.known, self.found, fake=self.site.fake)

    def make_client(self, session: aiohttp.ClientSession, url: str, name: str) -> Client:
        kept = self.clients.setdefault(name, {})
        seed = self.dice.randrange(2**32)
        return Client(session=session, url=url, known=self.known, dice=random.Random(seed), name=name, **kept)

    async def load(self, serving: Serving, session: aiohttp.ClientSession, url: str) -> None:
        """Have all clients talk until the gateway is killed in the middle of it."""
        clients = {f"{kind}-{n}": doing for kind, doing in DOINGS.items() for n in range(CLIENTS_EACH)}
        tasks = [
            asyncio.create_task(self.go_on(self.make_client(session, url, name), doing))
            for name, doing in clients.items()
        ]
        target = self.found["acknowledged"] + self.dice.randint(0, MOST_ACKNOWLEDGED)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.found["acknowledged"] < target and not any(task.done() for task in tasks):
            assert time.monotonic() < deadline, "the gateway hangs"
            await asyncio.sleep(LOOK_SECONDS)
        early, _ = await asyncio.wait(
            tasks, timeout=self.dice.uniform(0, PAUSE_SECONDS), return_when=asyncio.FIRST_COMPLETED
        )
        serving.process.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*tasks)
        assert not early, "a client ended before the gateway"

    async def go_on(self, client: Client, doing: Doing) -> None:
        try:
            while True:
                await doing(client)
                self.found["acknowledged"] += 1
        except GONE:
            pass
        finally:
            self.found["streams in order"] += client.told
            self.clients[client.name] = {"previous": client.previous, "history": client.history}

    async def recover(self, client: Client) -> None:
        """See that what the dead gateway left open has an end, and what was acknowledged is there."""
        for response in list(self.known.background):
            shown = await fetch(client, f"/v1/responses/{response}")
            assert shown["status"] in ("completed", "incomplete", "failed"), shown
            async with client.session.get(f"{client.url}/v1/responses/{response}?stream=true") as answer:
                final = await client.read_events(answer)
            assert (final["status"], final["id"]) == (shown["status"], response)
            self.found[f"background responses of the dead: {shown['status']}"] += 1
        self.known.background.clear()
        for sent in self.known.retries:
            await self.retry(client, sent)
        self.known.retries.clear()
        ids = list(self.known.responses)
        for response in {*ids[-LOOKED_AT:], *self.dice.sample(ids, min(len(ids), LOOKED_AT))}:
            shown = await fetch(client, f"/v1/responses/{response}")
            assert text_of(shown) == self.known.replies[self.known.responses[response]]
            self.found["responses fetched again"] += 1

    async def retry(self, client: Client, sent: Any) -> None:
        """Send the same again with its key, as official clients do: as it ended, it stays."""
        answers = []
        for _ in range(2):
            async with client.session.post(
                client.url + sent.path, json=sent.body, headers=sent.headers
            ) as answer:
                text = await answer.text()
                assert answer.status == 200 or answer.headers.get("x-should-retry") == "false", text
                if answer.status == 200:
                    assert sent.body["stream"] or answer.content_type == "application/json"
                answers.append(answer.status)
        assert answers[0] == answers[1], "a key means one thing"
        self.found[f"retries answered with {answers[0]}"] += 1

    async def wait_for_engine(self) -> None:
        """The engine stops when whom it talks to is dead."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.site.generating():
                await asyncio.sleep(LOOK_SECONDS)


# -- what is left -----------------------------------------------------------------------------------


async def check_database(db: Path, known: Known, found: Counter[str], *, fake: bool) -> None:
    """Look at all turns; raises `AssertionError` for whatever is not as promised."""
    store, whole = SqliteStore(db), defaultdict[int, list[str]](list)
    try:
        await store.stats()  # makes of a database that was killed in its making a whole one
        for conversation in list_ids(db):
            await check_conversation(store, conversation, whole, found, fake=fake)
    finally:
        await store.close()
    for mark, replies in whole.items():
        assert len(replies) == 1, f"message {mark} has {len(replies)} whole turns"
    for mark, reply in known.replies.items():
        assert whole[mark] == [reply], (
            f"message {mark} was acknowledged with {reply!r}; kept is {whole[mark]}"
        )


def list_ids(db: Path) -> list[str]:
    """All conversations, of whatever kind."""
    with contextlib.closing(sqlite3.connect(db)) as connection:
        keys = connection.execute("SELECT key FROM conversation ORDER BY number")
        return [conversation_id(key) for (key,) in keys]


async def check_conversation(
    store: SqliteStore, conversation: str, whole: dict[int, list[str]], found: Counter[str], *, fake: bool
) -> None:
    row = await store.load_conversation(OWNER, conversation)
    async for turn, items in store.export_items(OWNER, conversation):
        found[f"turns looked at: {turn.state}"] += 1
        if turn.state not in ("done", "cut_off"):
            continue
        said, reply = (item.item for item in (items[0], items[-1]))
        assert isinstance(said, Message)
        assert isinstance(reply, Message)
        mark = MARK.match(said.text)
        receipt = await store.load_receipt(OWNER, conversation, turn.number)
        if turn.state == "cut_off" and (receipt or {}).get("finish_reason") != "length":
            assert not fake or reply_to(said.text).startswith(reply.text) or items[0] is items[-1]
            continue
        assert receipt is not None, f"turn {turn.number} has no receipt"
        assert receipt["finish_reason"] in ("stop", "length"), f"turn {turn.number} did not end"
        assert len(items) == 2
        assert not fake or reply.text == reply_to(said.text), f"half of turn {turn.number} reads as whole"
        if mark:
            whole[int(mark[1])].append(reply.text)
    for turn in await store.load_turns(OWNER, conversation, tip=row.tip):
        assert turn.state in ("done", "cut_off"), "a half turn is read"


# -- clients that hang up ---------------------------------------------------------------------------


async def hang_up_often(site: Site, folder: Path, count: int, dice: random.Random) -> Counter[str]:
    """Have clients hang up half-way, twice as many; the second half costs no memory and no descriptors."""
    serving, found = Serving(site.url, folder), Counter[str]()
    try:
        url = await asyncio.wait_for(asyncio.to_thread(serving.listen), PATIENCE_SECONDS)
        connector = aiohttp.TCPConnector(force_close=True)  # no connection of ours counts
        async with aiohttp.ClientSession(connector=connector) as session:
            figures = list[tuple[float, int]]()
            for _ in range(2):
                await hang_up_all(url, count, dice)
                await wait_until_quiet(session, url)
                while site.generating():
                    await asyncio.sleep(LOOK_SECONDS)
                # What was hung up a moment ago may still be closed; what leaks is not, however long one waits.
                until = time.monotonic() + PATIENCE_SECONDS
                while figures and serving.descriptors() > figures[0][1] and time.monotonic() < until:
                    await asyncio.sleep(LOOK_SECONDS)
                figures.append((serving.memory_mb(), serving.descriptors()))
            client = Client(session=session, url=url, known=Known(), dice=dice, name="after")
            await asyncio.wait_for(DOINGS["named"](client), PATIENCE_SECONDS)
        (before, files_before), (after, files) = figures
        assert files <= files_before, f"{files_before} descriptors became {files}"
        assert after <= before + MOST_MORE_MB, f"{before:.1f} MB became {after:.1f}"
        found |= Counter(
            {"hang-ups": 2 * count, "descriptors": files, "MB before": int(before), "MB after": int(after)}
        )
    finally:
        serving.end()
    serving.check_log()
    await check_database(serving.db, Known(), found, fake=site.fake)
    return found


async def hang_up_all(url: str, count: int, dice: random.Random) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            words = " ".join(dice.choices(["one", "two", "three"], k=dice.randint(5, 40)))
            await hang_up(url, dice, f"{number}: {words}")

    await asyncio.gather(*(one(number) for number in range(count)))


# -- the program ------------------------------------------------------------------------------------


async def drive(kind: str, kills: int, hang_ups: int, seed: int, folder: Path) -> Counter[str]:
    """Kill and hang up; returns what was found, counted."""
    dice, found = random.Random(seed), Counter[str]()
    async with open_engine(kind) as site:
        if kills:
            (folder / "killed").mkdir(mode=0o700)
            driving = Drive(site, folder / "killed", dice, found=found)
            for number in range(kills):
                try:
                    await driving.kill_one()
                except BaseException:
                    print(f"kill {number} of seed {seed}", file=sys.stderr)
                    raise
        if hang_ups:
            (folder / "left").mkdir(mode=0o700)
            found += await hang_up_often(site, folder / "left", hang_ups, dice)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a gateway at random moments under load.")
    parser.add_argument("--kills", type=int, default=KILLS, help=f"default {KILLS}")
    parser.add_argument("--hang-ups", type=int, default=HANG_UPS, help=f"default {HANG_UPS}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--engine", choices=("fake", "real"), default="fake")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(
            drive(options.engine, options.kills, options.hang_ups, options.seed, Path(folder))
        )
    for name, count in sorted(found.items()):
        print(f"{count:>8,}  {name}")


if __name__ == "__main__":
    main()
