"""The prefix invariant: consecutive requests of a conversation extend one another, as rendered text.

`PrefixWatch` sees every chat request that a turn sends while a test runs. At the test's end
each must begin with the whole text of the one before it, or the turn's receipt must name
why not, or the test is marked `moves_prefix(reason=...)`. Requests to a real llama.cpp are
rendered by the engine itself; those to fakes as ChatML.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

import turnkeep.turn
from tests import engines
from turnkeep.engine.client import EngineClient, Tap
from turnkeep.engine.embedded import NAME as EMBEDDED
from turnkeep.engine.template import common_length

SHOWN = 60  # characters shown on either side of the first difference


@dataclass(slots=True, kw_only=True)
class Sent:
    """A chat request of a turn, as the engine reads it."""

    turn: int
    prompt: str
    moved: str | None  # why the receipt says that the front moved


_sending: ContextVar[Sent | None] = ContextVar("sending", default=None)


class PrefixWatch:
    """Sees the chat requests of one test, by conversation."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[Sent]] = defaultdict(list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Listen to every turn and every engine client until the test's end."""
        read = turnkeep.turn._read  # where a turn calls its engine
        init = EngineClient.__init__

        async def watched_read(course: Any) -> None:  # Any: turn.py keeps the class to itself
            sent = self.begin(course.turn.number, course.plan.request, course.moved)
            token = _sending.set(sent)
            try:
                await read(course)
            except turnkeep.TurnkeepError:
                raise  # refused or failed: not part of the next prompt
            except asyncio.CancelledError:
                self.sent[course.desk.conversation].append(sent)  # stopped: what came so far is
                raise
            finally:
                _sending.reset(token)
            self.sent[course.desk.conversation].append(sent)

        def watched_init(client: EngineClient, *args: Any, **options: Any) -> None:
            init(client, *args, **options)
            real = client.url in engines.RUNNING or client.name == EMBEDDED
            key = options.get("api_key") if real else None
            rendered = partial(engines.render, client.url, api_key=key) if real else render_chatml
            client.tap = _tapped(client, rendered)

        monkeypatch.setattr(turnkeep.turn, "_read", watched_read)
        monkeypatch.setattr(EngineClient, "__init__", watched_init)

    @staticmethod
    def begin(turn: int, request: Any, moved: str | None) -> Sent:
        """Note a request as planned; what is really sent replaces it when it passes an engine client."""
        return Sent(turn=turn, prompt=render_chatml({"messages": request.messages}), moved=moved)

    def moves(self) -> list[str]:
        """Describe each place where a request does not extend the one before, and no receipt says why."""
        return [
            f"{conversation}, turn {after.turn}: {describe_difference(before.prompt, after.prompt)}"
            for conversation, requests in self.sent.items()
            for before, after in pairwise(requests)
            if after.moved is None and not after.prompt.startswith(before.prompt)
        ]


def _tapped(client: EngineClient, render: Callable[[Mapping[str, Any]], str]) -> Tap:
    tap = client.tap

    def see(path: str, body: Mapping[str, Any]) -> None:
        sent = _sending.get()
        if sent is not None and "messages" in body:
            sent.prompt = render(body)
        if tap is not None:
            tap(path, body)

    return see


def render_chatml(body: Mapping[str, Any]) -> str:
    """Render messages as ChatML, the template of most small models, without the generation prompt."""
    return "".join(
        f"<|im_start|>{message['role']}\n{_text(message)}<|im_end|>\n" for message in body["messages"]
    )


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content) if content else ""
    return text + (json.dumps(message["tool_calls"]) if message.get("tool_calls") else "")


def describe_difference(before: str, after: str) -> str:
    """Say where two prompts part. Example: "abc", "abd" → after 2 characters: 'c' became 'd'."""
    same = common_length(before, after)
    was, became = before[same : same + SHOWN], after[same : same + SHOWN]
    return f"after {same} characters ({before[max(0, same - SHOWN) : same]!r}): {was!r} became {became!r}"
