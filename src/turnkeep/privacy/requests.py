"""Requests to an engine with marks in place of personal data, and its deltas with the values put back.

A request is masked as a whole, so that a value is replaced wherever it stands once it is known.
What was masked before stays as it was unless a value that is new stands in it: the prompt keeps still.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ..wire.exchange import (
    Delta,
    End,
    Progress,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallDelta,
    WireMessage,
)
from .kinds import Rule
from .marks import NO_MARKS, Mark, Marks, Unmasker
from .masker import find_shown, mask

_TEXT, _OWN, _ARGUMENTS = "text", "own", "arguments"  # somebody's words, the model's, the JSON of its calls
Place: TypeAlias = tuple[str, str]  # one of those, and the text


@dataclass(frozen=True, slots=True)
class Known:
    """Texts as they were masked last, with which marks."""

    marks: Marks = NO_MARKS
    texts: dict[Place, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaskedRequest:
    """A request as the model reads it.

    marks: with those that are new.
    known: for the next request of the conversation.
    """

    request: Request
    marks: Marks
    known: Known


def mask_request(
    request: Request,
    marks: Marks,
    patterns: Sequence[Rule] = (),
    known: Known | None = None,
) -> MaskedRequest:
    """Mask every text of a request; images, names and tools are left as they are.

    Args:
        request: with values.
        marks: the conversation's.
        patterns: as in `find`.
        known: what the request before gave; makes no difference but to time.
    """
    known = known or Known()
    places = [place for message in request.messages for place in _places(message)]
    if set(known.marks.by_value) <= set(marks.by_value) and known.marks.shown == marks.shown:
        before, texts = known.marks, {place: known.texts[place] for place in places if place in known.texts}
    else:
        before, texts = marks, {}  # something was forgotten, or is open now
    for place in places:
        if place not in texts:
            texts[place], marks = _mask_text(place, marks, patterns)
    new = [value for value in marks.by_value if value not in before.by_value]
    for place in texts:
        if any(value in place[1] or _escape(value) in place[1] for value in new):
            texts[place], marks = _mask_text(place, marks, patterns)
    messages = [_with_texts(message, texts) for message in request.messages]
    return MaskedRequest(replace(request, messages=messages), marks, Known(marks, texts))


def _places(message: WireMessage) -> Iterator[Place]:
    kind = _OWN if message.get("role") == "assistant" else _TEXT
    content = message.get("content")
    if isinstance(content, str):
        yield kind, content
    elif isinstance(content, list):
        yield from ((kind, part["text"]) for part in content if part.get("type") == "text")
    if isinstance(message.get("reasoning_content"), str):
        yield kind, message["reasoning_content"]
    for call in message.get("tool_calls") or ():
        yield _ARGUMENTS, call["function"]["arguments"]


def _mask_text(place: Place, marks: Marks, patterns: Sequence[Rule]) -> tuple[str, Marks]:
    kind, text = place
    if kind != _ARGUMENTS:
        masked = mask(text, marks, patterns, own=kind == _OWN)
        return masked.text, masked.marks
    # In JSON a value may be written with escapes: there it is looked for as it is written.
    escaped = replace(  # with those that were forgotten: their numbers are not given again
        marks, marks=tuple(replace(one, value=one.value and _escape(one.value)) for one in marks.marks)
    )
    masked = mask(text, escaped, patterns, own=True)
    for one in masked.marks.marks[len(escaped.marks) :]:
        marks = replace(marks, marks=(*marks.marks, Mark(one.kind, one.number, _unescape(one.value or ""))))
    return masked.text, marks


def _escape(value: str | None) -> str:
    return json.dumps(value or "", ensure_ascii=False)[1:-1]


def _unescape(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:
        return value  # cut in the middle of an escape


def _with_texts(message: WireMessage, texts: dict[Place, str]) -> WireMessage:
    kind = _OWN if message.get("role") == "assistant" else _TEXT
    changed: dict[str, Any] = {}  # Any: fields of a wire message
    content = message.get("content")
    if isinstance(content, str):
        changed["content"] = texts[kind, content]
    elif isinstance(content, list):
        changed["content"] = [
            {**part, "text": texts[kind, part["text"]]} if part.get("type") == "text" else part
            for part in content
        ]
    if isinstance(message.get("reasoning_content"), str):
        changed["reasoning_content"] = texts[kind, message["reasoning_content"]]
    if calls := message.get("tool_calls"):
        changed["tool_calls"] = [
            {
                **call,
                "function": {
                    **call["function"],
                    "arguments": texts[_ARGUMENTS, call["function"]["arguments"]],
                },
            }
            for call in calls
        ]
    return {**message, **changed}


class Unmasking:
    """Puts values back into the deltas of one reply, and notes what the model wrote by itself.

    Args:
        marks: those of the request.
        patterns: as in `find`.
    """

    def __init__(self, marks: Marks, patterns: Sequence[Rule] = ()) -> None:
        self._marks, self._patterns = marks, patterns
        escaped = Marks(tuple(replace(one, value=_escape(one.value)) for one in marks.marks if one.value))
        self._text, self._reasoning = Unmasker(marks), Unmasker(marks)
        self._calls: dict[int, Unmasker] = {}
        self._escaped = escaped
        self._written: dict[str, list[str]] = {}  # by kind of delta, as the model wrote it

    def feed(self, delta: Delta) -> Iterator[Delta]:
        """Yield a delta with values; what was held back of another kind comes before it."""
        match delta:
            case TextDelta(text):
                yield from self._end_reasoning()
                self._note("text", text)
                yield from (TextDelta(piece) for piece in [self._text.feed(text)] if piece or not text)
            case ReasoningDelta(text):
                self._note("reasoning", text)
                yield from (ReasoningDelta(piece) for piece in [self._reasoning.feed(text)] if piece)
            case ToolCallDelta():
                yield from self._end_text()
                self._note(f"call {delta.index}", delta.arguments)
                unmasker = self._calls.setdefault(delta.index, Unmasker(self._escaped))
                yield replace(delta, arguments=unmasker.feed(delta.arguments))
            case End():
                yield from self.end()
                yield delta
            case Progress():
                yield delta
            case _:
                yield delta

    def end(self) -> Iterator[Delta]:
        """Yield what is held back: nothing more comes."""
        yield from self._end_text()
        for index, unmasker in self._calls.items():
            if held := unmasker.end():
                yield ToolCallDelta(index=index, arguments=held)

    def _end_reasoning(self) -> Iterator[Delta]:
        if held := self._reasoning.end():
            yield ReasoningDelta(held)

    def _end_text(self) -> Iterator[Delta]:
        yield from self._end_reasoning()
        if held := self._text.end():
            yield TextDelta(held)

    def _note(self, kind: str, text: str) -> None:
        self._written.setdefault(kind, []).append(text)

    @property
    def marks(self) -> Marks:
        """The marks, with what the model wrote by itself left open: it need not be hidden from it."""
        texts = ["".join(pieces) for pieces in self._written.values()]
        shown = [value for text in texts for value in find_shown(text, self._marks, self._patterns)]
        return self._marks.showing(shown)
