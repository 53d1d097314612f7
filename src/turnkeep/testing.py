"""Fakes for tests of programs that use turnkeep: an engine that answers by script.

`ScriptedEngine` is strict: it refuses what real engines refuse (two system messages,
roles out of turn, prompts beyond its window), and reports as cached what it has read
before, as llama.cpp does. For a store that forgets, use `EphemeralStore`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from .conversation.items import FinishReason, Usage
from .engine.base import Delta, End, EngineInfo, Request, TemplateRules, TextDelta, Warmed, WireMessage
from .errors import ContextOverflow, EngineProtocolError
from .store.ephemeral import EphemeralStore

__all__ = ["EphemeralStore", "ScriptedEngine", "Step"]

Step: TypeAlias = str | Delta | BaseException | asyncio.Event
"""A piece of a reply; a delta; an error to raise; an event to wait for."""
Reply: TypeAlias = str | Sequence[Step]
Answer: TypeAlias = Callable[[Request], Reply]

_TOKEN = re.compile(r"\s?\w+|[^\w\s]|\s")


class ScriptedEngine:
    """An engine in this process.

    Args:
        replies: what it says, reply by reply, or a function of the request; "ok" when it has run out.
            A reply is a text, or steps.
        window: tokens of its context window.
        counts: whether it counts tokens when asked.
        template: what it claims its template does.
        told_window: the window that it claims; None tells the truth.
    """

    def __init__(
        self,
        replies: Iterable[Reply] | Answer = (),
        *,
        window: int = 4_096,
        counts: bool = True,
        template: TemplateRules | None = None,
        told_window: int | None = None,
        url: str = "scripted",
    ) -> None:
        self.url = url
        self.requests: list[Request] = []  # every request as it came, warming apart
        self.warmed: list[Request] = []
        self.stopped = 0  # replies that were broken off by the caller
        self.window = window
        self._replies = replies if callable(replies) else iter(replies)
        self._read: list[str] = []  # tokens it has read last
        self._info = EngineInfo(
            url=url,
            kind="scripted",
            model="script",
            window=told_window or window,
            window_source="loaded",
            tokenizer="scripted",
            counts=counts,
            template=template or TemplateRules(),
            reports_cache=True,
        )

    async def probe(self, *, refresh: bool = False) -> EngineInfo:  # noqa: ARG002  # the protocol's shape
        """Say what it claims to be."""
        return self._info

    async def count(self, request: Request) -> int | None:
        """Count the prompt as it would be read."""
        return len(_tokens(request.messages)) if self._info.counts else None

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count plain texts."""
        return [len(_TOKEN.findall(text)) for text in texts] if self._info.counts else None

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Answer with the next reply of the script."""
        check_messages(request.messages)
        self.requests.append(request)
        prompt = self._take(request)
        reply = self._replies(request) if callable(self._replies) else next(self._replies, "ok")
        steps: Sequence[Step] = [reply] if isinstance(reply, str) else reply
        said: list[str] = []
        finish: FinishReason = "stop"
        ended = False
        try:
            for step in steps:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, str):
                    said.append(step)
                    yield TextDelta(step)
                elif isinstance(step, End):
                    finish = step.finish_reason
                else:
                    yield step
            self._read += [*_TOKEN.findall("".join(said))]
            ended = True
            yield End(
                finish_reason=finish,
                usage=replace(prompt, completion_tokens=len(_TOKEN.findall("".join(said)))),
            )
        finally:
            self.stopped += not ended

    async def warm(self, request: Request) -> Warmed | None:
        """Read a prompt without answering."""
        check_messages(request.messages)
        self.warmed.append(request)
        usage = self._take(request)
        return Warmed(read_tokens=usage.read_tokens, prompt_tokens=usage.prompt_tokens)

    async def close(self) -> None:
        """Nothing to close."""

    def _take(self, request: Request) -> Usage:
        tokens = _tokens(request.messages)
        if len(tokens) >= self.window:
            raise ContextOverflow(
                f"request ({len(tokens)} tokens) exceeds the available context size ({self.window} tokens)",
                needed=len(tokens),
                available=self.window,
            )
        cached = 0
        for old, new in zip(self._read, tokens, strict=False):
            if old != new:
                break
            cached += 1
        self._read = tokens
        return Usage(prompt_tokens=len(tokens), cached_tokens=cached)


def check_messages(messages: Sequence[WireMessage]) -> None:
    """Refuse what strict chat templates refuse.

    Raises:
        EngineProtocolError: a system message not at the front, or roles out of turn.
    """
    roles = [message["role"] for message in messages]
    dialogue = [role for role in (roles[1:] if roles[:1] == ["system"] else roles) if role != "tool"]
    if "system" in dialogue or "developer" in dialogue:
        raise EngineProtocolError("Only one system message, first.")
    if any(role != ("user", "assistant")[n % 2] for n, role in enumerate(dialogue)) and "tool" not in roles:
        raise EngineProtocolError("Conversation roles must alternate user/assistant.")


def _tokens(messages: Sequence[WireMessage]) -> list[str]:
    text = "".join(f"<|{message['role']}|>{message.get('content') or ''}<|end|>" for message in messages)
    return [*_TOKEN.findall(text), "<", "assistant", ">"]
