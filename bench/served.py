"""A gateway for benchmarks: `turnkeep serve` as a process, and an ordinary client that talks to it.

Two ways to talk: chat completions with the whole history resent at every turn, as chat pages
do, and responses that name the one before (`previous_response_id`). The client knows nothing of
turnkeep; what the turns cost is read at the engine, and why in the receipts, from the database.
"""

import asyncio
import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from turnkeep.store.sqlite import SqliteStore

CHATS, RESPONSES = "chat completions", "responses"
ANSWER_SECONDS = 600.0
QUIET_SECONDS = 120.0  # that upkeep of one turn may take
_PAUSE_SECONDS = 0.02  # between two looks at whether it is done


class Refused(Exception):
    """The gateway answered with an error."""


class Served:
    """with Served(engine, db, "window,summary") as served: served.url"""

    def __init__(self, engine: str, db: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "turnkeep", "serve", "--port", "0", "--engine", engine, "--db", str(db), *options],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.fullmatch(r"Listening on (http://\S+)/v1\n", line)
        if found is None:
            self.stop()
            raise SystemExit(f"turnkeep serve did not start: {line}")
        self.url = found[1]

    def metric(self, name: str) -> float:
        """A number of its own /metrics."""
        with contextlib.closing(http.client.HTTPConnection(urlsplit(self.url).netloc)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        return next(
            float(line.split()[1]) for line in text.splitlines() if line.startswith(f"turnkeep_{name} ")
        )

    def wait_until_quiet(self) -> None:
        """Wait until no turn is under way, and no conversation owes upkeep."""
        deadline = time.monotonic() + QUIET_SECONDS
        while self.metric("turns") or self.metric("owing"):
            if time.monotonic() > deadline:
                raise SystemExit("The gateway's upkeep does not end.")
            time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """End it, as Ctrl-C would."""
        self._process.terminate()
        self._process.communicate(timeout=QUIET_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Talk:
    """One conversation of an ordinary client.

    Args:
        url: the gateway's.
        door: `CHATS` or `RESPONSES`.
        system: sent with every turn, as such clients do.
        user: whose chat it is; keeps equal beginnings apart.
    """

    def __init__(self, url: str, door: str, system: str, user: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_SECONDS)
        self._door, self._system, self._user = door, system, user
        self._messages: list[dict[str, str]] = []
        self._previous: str | None = None
        self.seconds = 0.0  # from the last message to the first token of its reply
        self.receipt: dict[str, Any] = {}  # Any: JSON

    def say(self, text: str, max_tokens: int, **sampling: object) -> str:
        """Say something; returns the reply. Raises `Refused`."""
        began, first, reply = time.perf_counter(), None, ""
        for event in self._post(*self._body(text, max_tokens, sampling)):
            piece = self._read(event)
            if piece:
                first = first or time.perf_counter()
                reply += piece
        self.seconds = (first or time.perf_counter()) - began
        self._messages += [{"role": "user", "content": text}, {"role": "assistant", "content": reply}]
        return reply

    def aside(self, text: str) -> None:
        """Ask what a chat page asks beside a chat: the request brings all that it is about."""
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 12}
        for _ in self._post("/v1/chat/completions", {**body, "stream": True}):
            pass

    def _body(self, text: str, max_tokens: int, sampling: dict[str, object]) -> tuple[str, dict[str, object]]:
        body: dict[str, object] = {"stream": True, **sampling}
        if self._user is not None:
            body["user"] = self._user
        if self._door == CHATS:
            system, said = {"role": "system", "content": self._system}, {"role": "user", "content": text}
            return "/v1/chat/completions", {
                **body,
                "messages": [system, *self._messages, said],
                "max_tokens": max_tokens,
            }
        body |= {"input": text, "instructions": self._system, "max_output_tokens": max_tokens}
        return "/v1/responses", {**body, "previous_response_id": self._previous}

    def _read(self, event: dict[str, Any]) -> str:
        """The piece of the reply in an event."""
        if self._door == CHATS:
            self.receipt = event.get("turnkeep") or self.receipt
            choices = event.get("choices") or [{}]
            return str(choices[0].get("delta", {}).get("content") or "")
        if event["type"] == "response.output_text.delta":
            return str(event["delta"])
        if event["type"] in ("response.completed", "response.incomplete"):
            self._previous = event["response"]["id"]
            self.receipt = event["response"]["turnkeep"]
        elif event["type"] == "response.failed":
            raise Refused(event["response"]["error"]["message"])
        return ""

    def _post(self, path: str, body: dict[str, object]) -> Iterator[dict[str, Any]]:
        self._connection.close()  # engines soon close those that are idle; the next request connects anew
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        if response.status != 200:
            raise Refused(f"{response.status}: {response.read().decode()}")
        for line in response:
            if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                event = json.loads(line[6:])
                if "error" in event and event["error"] is not None:
                    raise Refused(event["error"]["message"])
                yield event

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def load_receipts(db: Path, conversation: str, turns: int) -> list[Any]:  # Any: receipts as JSON
    """What the database says of the first turns of a conversation."""

    async def load() -> list[Any]:
        store = SqliteStore(db)
        try:
            return [await store.load_receipt("local", conversation, turn + 1) for turn in range(turns)]
        finally:
            await store.close()

    return asyncio.run(load())
