"""Make one response of a stream: bytes -> deltas, deltas -> one assistant message.

What decides here is whether the stream ended as it should. A stream that stops with
neither a finish reason nor [DONE] was broken off, and must never pass for a whole reply;
[DONE] alone is optional once the finish reason has come (llama.cpp's errors have none,
some engines never send it). Text is kept byte for byte, inline <think> included.

Pure: no clock and no connection; bytes are handed in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..conversation.items import Message, Part, Reasoning, Text, ToolCall, Usage
from ..errors import ContextOverflow, EngineProtocolError, WireError
from .chat_completions import Chunk, parse_chunk, read_text
from .exchange import Delta, End, Progress, ReasoningDelta, TextDelta, ToolCallDelta
from .failures import classify_failure, failure_error, suspects_overflow
from .json_text import parse_json
from .sse import MAX_EVENT_BYTES, EventParser
from .text_events import TextEvents

DONE = "[DONE]"


@dataclass(slots=True)
class _Ending:
    """What is known so far of how the response ends."""

    said_anything: bool = False
    done: bool = False  # [DONE] came
    last: Chunk = field(default_factory=Chunk)  # the newest of each figure

    def take(self, chunk: Chunk) -> None:
        """Keep the figures of a chunk; the newest wins."""
        self.said_anything = self.said_anything or any(not isinstance(d, Progress) for d in chunk.deltas)
        self.last = Chunk(
            finish_reason=chunk.finish_reason or self.last.finish_reason,
            usage=chunk.usage or self.last.usage,
            tokens_per_second=chunk.tokens_per_second or self.last.tokens_per_second,
            read_per_second=chunk.read_per_second or self.last.read_per_second,
        )

    def end(self, engine: str) -> End:
        """Judge the end.

        Raises:
            EngineProtocolError: the response was broken off.
            ContextOverflow: it is empty in the way that hides an overflow.
        """
        reason, usage = self.last.finish_reason, self.last.usage or Usage()
        if reason is None and not self.done:
            raise EngineProtocolError(
                f"{engine} broke off its reply without ending it: try again, and look at the engine's log."
            )
        if suspects_overflow(said_anything=self.said_anything, finish_reason=reason, usage=usage):
            raise ContextOverflow(
                f"{engine} answered with nothing, as engines do when the prompt is longer than their window.",
                needed=usage.prompt_tokens,
            )
        return End(
            finish_reason=reason or "stop",
            usage=usage,
            tokens_per_second=self.last.tokens_per_second,
            read_per_second=self.last.read_per_second,
        )


class ReplyStream:
    """Read a streamed response: feed its bytes, then ask for its end.

    After an error it is of no further use. `engine` is the subject of error sentences.
    """

    def __init__(self, engine: str = "The engine", max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._engine = engine
        self._events = EventParser(max_event_bytes)
        self._texts = TextEvents(max_event_bytes)
        self._ending = _Ending()

    @property
    def complete(self) -> bool:
        """Whether nothing more is to come: [DONE] was seen."""
        return self._ending.done

    @property
    def finished(self) -> bool:
        """Whether the reply is whole; only figures may still follow."""
        return self._ending.done or self._ending.last.finish_reason is not None

    def feed(self, data: bytes) -> Iterator[Delta]:
        """Take the next bytes and yield their deltas, never `End`; pieces of text that came together may come as one.

        Raises:
            ContextOverflow, EngineBusy, EngineRefused: the engine reports an error.
            EngineProtocolError: what came is not the protocol.
        """
        try:
            while data and not self._ending.done:
                if self._events.idle:
                    text, data = self._texts.take(data)
                    if text:
                        self._ending.said_anything = True
                        yield TextDelta(text)
                whole, data = self._texts.part(data) if self._events.idle else (data, b"")
                for event in self._events.feed(whole):
                    yield from self._read(event.data)
        except WireError as error:
            raise EngineProtocolError(f"{self._engine} sent a stream that cannot be read: {error}") from error

    def _read(self, data: str) -> tuple[Delta, ...]:
        if self._ending.done:
            return ()
        if data.strip() == DONE:
            self._ending.done = True
            return ()
        value = _parse(data)
        if (text := read_text(value)) is not None:  # nothing but a piece of text
            self._ending.said_anything = True
            self._texts.learn(data, text)
            return (TextDelta(text),)
        chunk = parse_chunk(value)
        if chunk.error is not None:
            raise failure_error(classify_failure(None, chunk.error), self._engine)
        self._ending.take(chunk)
        return chunk.deltas

    def end(self) -> End:
        """Judge the end of the stream; call it when the connection has closed or `complete` is true.

        Raises:
            EngineProtocolError: the stream was broken off.
            ContextOverflow: the reply is empty in the way that hides an overflow.
        """
        return self._ending.end(self._engine)


def _parse(data: str) -> object:
    try:
        return parse_json(data)
    except (ValueError, RecursionError) as error:
        raise WireError("An event holds no JSON.") from error


def read_response(value: object, engine: str = "The engine") -> list[Delta]:
    """Read a response that came whole, as JSON; the last delta is its `End`.

    Raises:
        ContextOverflow, EngineBusy, EngineRefused: it is an error.
        EngineProtocolError: it is not a response.
        ContextOverflow: it is empty in the way that hides an overflow.
    """
    try:
        chunk = parse_chunk(value)
    except WireError as error:
        raise EngineProtocolError(f"{engine} sent a response that cannot be read: {error}") from error
    if chunk.error is not None:
        raise failure_error(classify_failure(None, chunk.error), engine)
    ending = _Ending()
    ending.take(chunk)
    return [*chunk.deltas, ending.end(engine)]


class Assembler:
    """Put deltas together into one assistant message; also into a partial one, at any moment."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, ToolCallDelta] = {}
        self.end: End | None = None  # set by the last delta of a whole response

    def add(self, delta: Delta) -> None:
        """Take the next delta."""
        if type(delta) is TextDelta:  # most of them
            self._text.append(delta.text)
            return
        match delta:
            case TextDelta(text):
                self._text.append(text)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case ToolCallDelta():
                self._add_call(delta)
            case End():
                self.end = delta
            case Progress():
                pass  # it speaks of the prompt

    def _add_call(self, delta: ToolCallDelta) -> None:
        begun = self._calls.get(delta.index, ToolCallDelta(index=delta.index))
        self._calls[delta.index] = ToolCallDelta(
            index=delta.index,
            call_id=begun.call_id or delta.call_id,
            name=begun.name or delta.name,
            arguments=begun.arguments + delta.arguments,
        )

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def message(self) -> Message:
        """What has come so far: reasoning, text, tool calls in the order of their index."""
        parts: list[Part] = []
        if self._reasoning:
            parts.append(Reasoning("".join(self._reasoning)))
        if self._text or not self._calls:
            parts.append(Text(self.text))
        for index in sorted(self._calls):
            call = self._calls[index]
            # Some engines name no calls; a tool's result has to name what it answers.
            call_id = call.call_id or f"call_{index}"
            parts.append(ToolCall(call_id=call_id, name=call.name, arguments=call.arguments))
        return Message("assistant", tuple(parts))

    @property
    def whole_message(self) -> Message:
        """The same, without calls whose arguments were cut off: no template and no tool could read them."""
        message = self.message
        if self.end is not None and self.end.finish_reason != "length":
            return message
        whole = tuple(
            part for part in message.parts if not isinstance(part, ToolCall) or _is_json(part.arguments)
        )
        return Message("assistant", whole)


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except (ValueError, RecursionError):
        return False
    return True


def split_inline_reasoning(text: str) -> tuple[str, str]:
    r"""Tell inline reasoning at the start of a text from the answer, for display.

    Returns:
        Reasoning and answer. Example: "<think>a</think>\n\nb" → ("a", "b"); while the block
        is not closed, all of it is reasoning; text without a block is all answer.
    """
    opened = text.lstrip()
    if not opened.startswith("<think>"):
        return "", text
    reasoning, _, answer = opened.removeprefix("<think>").partition("</think>")
    return reasoning.strip(), answer.lstrip()
