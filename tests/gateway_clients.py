"""Load for gateways that are about to be killed: `turnkeep serve` as a process, a strict engine, clients of all kinds.

What the engine says is a function of what it is asked, so that half a reply can be told from a
whole one wherever it turns up. Each message has a mark of its own. Clients note what was
acknowledged, and all streams of responses go through the machine that knows the order of events.
"""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp

from tests.engine.fake_server import Answer, Exchange
from tests.event_order import EventOrder

WORDS = ["river", "stone", "lamp", "door", "seven", "Monday", "Ana", "under", "blue", "and", "the", "of"]
PATIENCE_SECONDS = 60.0  # for whatever a client waits for; longer is a hang
WINDOW = 900  # tokens of the fake engine: a compaction now and then
PIECE_SECONDS = 0.003  # between two pieces of its replies
LOOK_SECONDS = 0.02
MARK = re.compile(r"My word number (\d+) is")
GONE = (aiohttp.ClientError, ConnectionError)  # what a client sees of a gateway that was killed


# -- the engine -------------------------------------------------------------------------------------


def reply_to(text: str) -> str:
    """What the fake engine says to a message."""
    dice = random.Random(blake2b(text.encode(), digest_size=8).digest())
    return " ".join(["So:", *dice.choices(WORDS, k=dice.randint(3, 30)), "that is all."])


class FakeEngine(dict[str, Answer]):
    """Answers for `FakeServer`: an engine of which only the API is known. `talking`: replies under way."""

    def __init__(self, window: int = WINDOW, piece_seconds: float = PIECE_SECONDS) -> None:
        super().__init__({"/v1/models": self._list, "/v1/chat/completions": self._talk})
        self._window, self._piece_seconds = window, piece_seconds
        self.talking = 0

    def __contains__(self, path: object) -> bool:
        return True

    def __missing__(self, path: str) -> Answer:
        async def answer(exchange: Exchange) -> None:
            await exchange.json({"error": {"message": "not here"}}, 404)

        return answer

    async def _list(self, exchange: Exchange) -> None:
        model = {"id": "fake", "object": "model", "max_model_len": self._window}
        await exchange.json({"object": "list", "data": [model]})

    async def _talk(self, exchange: Exchange) -> None:
        self.talking += 1
        try:
            await self._say(exchange)
        finally:
            self.talking -= 1

    async def _say(self, exchange: Exchange) -> None:
        messages = exchange.body["messages"]
        assert all(message["content"] for message in messages), "an empty message was sent"
        roles = [message["role"] for message in messages if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"], roles
        await exchange.open_stream()
        reply = reply_to(messages[-1]["content"])
        for piece in re.findall(r"\S+\s*", reply):
            await asyncio.sleep(self._piece_seconds)
            if exchange.reader.at_eof():
                return  # whoever asked has left
            await exchange.say(piece)
        await exchange.say(finish="stop")
        usage = {
            "prompt_tokens": sum(len(str(m["content"]).split()) for m in messages),
            "completion_tokens": 9,
        }
        await exchange.event({"choices": [], "usage": usage})
        await exchange.done()


# -- the gateway ------------------------------------------------------------------------------------


class Serving:
    """`turnkeep serve` as a program.

    Args:
        engine: address of its engine.
        folder: for its database and what it logs.
        before: is called in the new process, as for limits.
        options: further ones.
    """

    def __init__(
        self, engine: str, folder: Path, *options: str, before: Callable[[], object] | None = None
    ) -> None:
        self.db = folder / "turnkeep.db"
        self.log = folder / "log.txt"
        command = [
            sys.executable,
            "-m",
            "turnkeep",
            "serve",
            "--port",
            "0",
            "--engine",
            engine,
            "--db",
            str(self.db),
        ]
        command += ["--strategy", "window,summary", "--embeddings", "off", *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "TURNKEEP_HOME": str(folder)},
                preexec_fn=before,
            )  # fmt: skip
        self.url = ""

    def listen(self) -> str:
        """Wait until it listens; returns its address."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"Listening on (http://\S+)/v1\n", line)
        assert found, f"turnkeep serve did not start: {line!r} {self.log.read_text('utf-8')[-2000:]}"
        self.url = found[1]
        return self.url

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and wait for the end; nothing happens after it."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def memory_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def check_log(self) -> None:
        """Nothing broke in a way that nobody expected."""
        log = self.log.read_text("utf-8")
        assert "Traceback" not in log, log[-4000:]
        assert " failed: " not in log, log[-4000:]


# -- what clients know ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request that can be sent again."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    mark: int


@dataclass(slots=True)
class Known:
    """What clients of one database were told."""

    marks: int = 0
    replies: dict[int, str] = field(default_factory=dict)  # mark -> reply that was acknowledged
    responses: dict[str, int] = field(default_factory=dict)  # id of an acknowledged response -> mark
    background: dict[str, int] = field(
        default_factory=dict
    )  # id of one that has not been seen to end -> mark
    retries: list[Sent] = field(default_factory=list)  # with keys, not answered yet
    keyed: set[int] = field(default_factory=set)  # marks that were sent with keys

    def acknowledge(self, mark: int, reply: str, response: str | None = None) -> None:
        """A reply came whole."""
        assert self.replies.setdefault(mark, reply) == reply, f"two replies to {mark}"
        if response is not None:
            self.responses[response] = mark


# -- clients ----------------------------------------------------------------------------------------

Doing: TypeAlias = Callable[["Client"], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Client:
    """One client: says something again and again until the gateway is gone."""

    session: aiohttp.ClientSession
    url: str
    known: Known
    dice: random.Random
    name: str
    previous: str | None = None  # response to go on from
    history: list[dict[str, str]] = field(default_factory=list)  # of a chat page
    told: int = 0  # streams that were checked to their end

    async def post(self, path: str, body: Mapping[str, Any], mark: int, **headers: str) -> Any:  # Any: JSON
        """Send a message, at times with a key, and read the whole answer; of a stream, its events."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.dice.random() < 0.5:
            named["Idempotency-Key"] = f"{self.name}-{mark}"
            self.known.keyed.add(mark)
        sent = Sent(path=path, body=body, headers=named, mark=mark)
        return await self.send(sent)

    async def send(self, sent: Sent) -> Any:  # Any: JSON
        try:
            async with self.session.post(
                self.url + sent.path, json=sent.body, headers=sent.headers
            ) as answer:
                if answer.status != 200:
                    raise AssertionError(f"{sent.path}: {answer.status} {await answer.text()}")
                if sent.body.get("stream"):
                    return await (self.read_events if "responses" in sent.path else self.read_chunks)(answer)
                return await answer.json()
        except GONE:
            if "Idempotency-Key" in sent.headers:
                self.known.retries.append(sent)
            raise

    async def read_events(self, answer: aiohttp.ClientResponse, starting_after: int = -1) -> Any:  # Any: JSON
        """Check the events of a stream as they come; returns the response that it ended with."""
        order = EventOrder(starting_after=starting_after)
        async with aclosing(blocks(answer)) as found:
            async for block in found:
                if block == "data: [DONE]":
                    break
                name, data = block.split("\n")
                order.take(name.removeprefix("event: "), data.removeprefix("data: "))
                if order.response is not None and order.number == 1:
                    self.begun(order.response, json.loads(data[6:])["response"])
        assert order.final is not None, "the stream has no end"
        self.told += 1
        return order.final

    def begun(self, response: str, shown: Mapping[str, Any]) -> None:
        if shown.get("background"):
            self.known.background[response] = 0

    async def read_chunks(self, answer: aiohttp.ClientResponse) -> Any:  # Any: JSON
        """Read a streamed completion as if it had come whole."""
        text, last = "", {}
        async with aclosing(blocks(answer)) as found:
            async for block in found:
                if block == "data: [DONE]":
                    break
                last = json.loads(block.removeprefix("data: "))
                assert "error" not in last, last
                for choice in last["choices"]:
                    text += choice["delta"].get("content") or ""
                    finish = choice["finish_reason"]
        assert finish in ("stop", "length"), "the stream has no end"
        return {**last, "choices": [{"message": {"content": text}, "finish_reason": finish}]}

    def say(self) -> tuple[int, str]:
        """A message that nobody has said before, with its mark."""
        self.known.marks += 1
        words = " ".join(self.dice.choices(WORDS, k=self.dice.randint(5, 40)))
        return self.known.marks, f"My word number {self.known.marks} is {words}."


async def blocks(answer: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    """The blocks of a stream of events; comments are passed over."""
    rest = b""
    async for data in answer.content.iter_any():
        *whole, rest = (rest + data).split(b"\n\n")
        for block in whole:
            if not block.startswith(b":"):
                yield block.decode()
    assert not rest, "the stream ends in the middle of an event"


async def respond(client: Client) -> None:
    """Go on from the last response."""
    mark, text = client.say()
    stream = client.dice.random() < 0.5
    body = {"input": text, "previous_response_id": client.previous, "stream": stream, "max_output_tokens": 60}
    made = await client.post("/v1/responses", body, mark)
    client.previous = take_response(client.known, made, mark)


async def respond_in_background(client: Client) -> None:
    """Have a response made in the background, and wait for its end."""
    mark, text = client.say()
    stream = client.dice.random() < 0.5
    body = {"input": text, "background": True, "stream": stream, "max_output_tokens": 60}
    made = await client.post("/v1/responses", body, mark)
    client.known.background[made["id"]] = mark
    while made["status"] in ("queued", "in_progress"):
        await asyncio.sleep(LOOK_SECONDS)
        made = await fetch(client, f"/v1/responses/{made['id']}")
    del client.known.background[made["id"]]
    take_response(client.known, made, mark)


def take_response(known: Known, made: Mapping[str, Any], mark: int) -> str:
    assert made["status"] in ("completed", "incomplete"), made
    known.acknowledge(mark, text_of(made), str(made["id"]))
    return str(made["id"])


def text_of(response: Mapping[str, Any]) -> str:
    """What a response says."""
    return "".join(
        part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]
    )


async def chat_by_name(client: Client) -> None:
    """Say one more thing in a conversation that has a name."""
    mark, text = client.say()
    body = {
        "messages": [{"role": "user", "content": text}],
        "stream": client.dice.random() < 0.5,
        "max_tokens": 60,
    }
    made = await client.post("/v1/chat/completions", body, mark, X_Conversation_ID=client.name)
    client.known.acknowledge(mark, made["choices"][0]["message"]["content"])


async def chat_with_history(client: Client) -> None:
    """Resend everything, as chat pages do."""
    mark, text = client.say()
    said = {"role": "user", "content": text}
    body = {
        "messages": [*client.history, said],
        "stream": client.dice.random() < 0.5,
        "max_tokens": 60,
        "user": client.name,
    }
    made = await client.post("/v1/chat/completions", body, mark)
    reply = made["choices"][0]["message"]["content"]
    client.known.acknowledge(mark, reply)
    client.history += [said, {"role": "assistant", "content": reply}]


DOINGS: dict[str, Doing] = {
    "responses": respond,
    "background": respond_in_background,
    "named": chat_by_name,
    "history": chat_with_history,
}


async def fetch(client: Client, path: str) -> Any:  # Any: JSON
    """GET a JSON document."""
    async with client.session.get(client.url + path) as answer:
        assert answer.status == 200, f"{path}: {answer.status} {await answer.text()}"
        return await answer.json()


async def metric(session: aiohttp.ClientSession, url: str, name: str) -> float:
    """A number of the gateway's /metrics."""
    async with session.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"turnkeep_{name} "))


async def wait_until_quiet(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until no turn is under way, and no conversation owes upkeep."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await metric(session, url, "turns") or await metric(session, url, "owing"):
            await asyncio.sleep(LOOK_SECONDS)


async def hang_up(url: str, dice: random.Random, text: str) -> None:
    """Send a request, or a part of it, read some of the answer or none, and go away."""
    host, port = url.removeprefix("http://").split(":")
    responses = dice.random() < 0.5
    body: dict[str, Any] = {"stream": dice.random() < 0.8, **({"input": text} if responses else {})}
    if not responses:
        body["messages"] = [{"role": "user", "content": text}]
    data = json.dumps(body).encode()
    path = "/v1/responses" if responses else "/v1/chat/completions"
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    whole = head.encode() + data
    part = whole if dice.random() < 0.7 else whole[: dice.randrange(1, len(whole))]
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(part)
        await writer.drain()
        if part == whole and dice.random() < 0.8:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await reader.read(dice.randrange(1, 3000))
    except ConnectionError:
        pass
    finally:
        if dice.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()
