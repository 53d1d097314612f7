"""The events of a streamed response: pieces of a reply -> events in the order that clients insist on.

    created, in_progress
      output_item.added
        content_part.added, delta, delta ..., done, content_part.done      (text, reasoning)
        function_call_arguments.delta ..., done                            (tool calls)
      output_item.done
    completed | incomplete | failed

Text and reasoning end when something else begins; tool calls, whose pieces may come mixed, end
together. Every item that was begun is ended before the response is, however it ends.

Pure: pieces in, JSON texts out. Deltas are written around the escaped piece rather than by a
JSON encoder, since there are hundreds in a reply.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Any, Literal, TypeAlias

from ..conversation.items import ToolCall
from .response_items import (
    IdKind,
    ItemStatus,
    Json,
    Naming,
    is_broken,
    show_call,
    show_compaction,
    show_reasoning,
    show_reply,
    show_text,
)

Event: TypeAlias = tuple[str, str]  # its name, and its data as JSON

_ENDS = {"completed": "response.completed", "failed": "response.failed"}  # every other end is incomplete
DONE = b"data: [DONE]\n\n"  # Open Responses wants it, the official clients take it


@dataclass(slots=True)
class _Content:
    """A text or a reasoning that is under way."""

    kind: Literal["msg", "rs"]
    index: int  # of the item in the output
    id: str
    delta: str  # how a delta goes on behind its sequence number
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Call:
    """A tool call that is under way."""

    index: int
    id: str
    call_id: str
    name: str
    delta: str
    pieces: list[str] = field(default_factory=list)


class ResponseEvents:
    """Make the events of one response.

    Args:
        response: the object as it stands at the beginning, its output empty.
        name: gives the ids of its items; those of one kind are asked for with places 0, 1, 2 ...
    """

    def __init__(self, response: Mapping[str, Any], name: Naming) -> None:  # Any: JSON
        self._response = dict(response)
        self._name = name
        self._number = 0
        self._content: _Content | None = None
        self._calls: dict[int, _Call] = {}
        self._made: dict[IdKind, int] = {}
        self._output: list[Json | None] = []  # by index; None: under way

    @property
    def number(self) -> int:
        """The sequence number of the next event."""
        return self._number

    def begin(self, *, queued: bool = False) -> list[Event]:
        """Say that the response exists; `queued`: that it waits, and `start` will follow."""
        created = self._lifecycle("response.created", self._response)
        if queued:
            return [created, self._lifecycle("response.queued", self._response)]
        return [created, *self.start()]

    def start(self) -> list[Event]:
        """Say that the response is worked on."""
        self._response["status"] = "in_progress"
        return [self._lifecycle("response.in_progress", self._response)]

    def say(self, text: str) -> list[Event]:
        """Go on with the text of the reply."""
        return self._go_on("msg", text)

    def think(self, text: str) -> list[Event]:
        """Go on with the reasoning."""
        return self._go_on("rs", text)

    def call(self, number: int, *, call_id: str = "", name: str = "", arguments: str = "") -> list[Event]:
        """Go on with a tool call; `number` tells those of one reply apart, the id and the name come first."""
        events: list[Event] = []
        call = self._calls.get(number)
        if call is None:
            events += self._end_content("completed")
            call = self._begin_call(number, call_id, name)
            events.append(self._item_event("added", call.index, self._show_call(call, "in_progress")))
        if arguments:
            call.pieces.append(arguments)
            events.append(
                self._delta("response.function_call_arguments.delta", call.delta, arguments, after="}")
            )
        return events

    def compact(self, sealed: str, item_id: str) -> list[Event]:
        """Tell a compaction item, whole."""
        index = len(self._output)
        self._output.append(show_compaction(sealed, item_id))
        return [
            self._item_event("added", index, show_compaction("", item_id)),
            self._event("response.compaction.compacting", {"item_id": item_id, "output_index": index}),
            self._item_event("done", index, show_compaction(sealed, item_id)),
        ]

    def end_items(self, *, complete: bool = True) -> list[Event]:
        """End what is under way."""
        status: ItemStatus = "completed" if complete else "incomplete"
        return [*self._end_content(status), *self._end_calls(status)]

    def end(self, response: Mapping[str, Any], *, silent: bool = False) -> list[Event]:
        """End the response.

        Args:
            response: the object as it stands at the end; its output is what was told here.
            silent: nothing was asked of the model; otherwise a reply that said nothing is an empty text.

        Returns:
            The ends of all items, then the response's own.
        """
        status = response["status"]
        events = self.end_items(complete=status == "completed")
        if is_whole(response) and not silent and not any(_is_answer(item) for item in self._output if item):
            events += [*self.say(""), *self.end_items(complete=status == "completed")]
        final = {**response, "output": [item for item in self._output if item and not is_broken(item)]}
        return [*events, self._lifecycle(_ENDS.get(status, "response.incomplete"), final)]

    # -- text and reasoning -------------------------------------------------------------

    def _go_on(self, kind: Literal["msg", "rs"], text: str) -> list[Event]:
        content = self._content
        events: list[Event] = []
        if content is None or content.kind != kind:
            events += self._end_content("completed")
            content, begun = self._begin_content(kind)
            events += begun
        if text:
            content.pieces.append(text)
            if kind == "msg":
                events.append(
                    self._delta("response.output_text.delta", content.delta, text, after=',"logprobs":[]}')
                )
            else:
                events.append(self._delta("response.reasoning_text.delta", content.delta, text, after="}"))
        return events

    def _begin_content(self, kind: Literal["msg", "rs"]) -> tuple[_Content, list[Event]]:
        item_id, index = self._new_item(kind)
        place = f',"item_id":{json.dumps(item_id)},"output_index":{index},"content_index":0,"delta":'
        content = self._content = _Content(kind, index, item_id, place)
        begun = (
            show_reply([], item_id, "in_progress")
            if kind == "msg"
            else show_reasoning(None, item_id, "in_progress")
        )
        part = show_text("") if kind == "msg" else {"type": "reasoning_text", "text": ""}
        return content, [
            self._item_event("added", index, begun),
            self._event("response.content_part.added", {**_place(content), "part": part}),
        ]

    def _end_content(self, status: ItemStatus) -> list[Event]:
        content, self._content = self._content, None
        if content is None:
            return []
        text, place = "".join(content.pieces), _place(content)
        if content.kind == "msg":
            item, part = show_reply([text], content.id, status), show_text(text)
            done = self._event("response.output_text.done", {**place, "text": text, "logprobs": []})
        else:
            item, part = show_reasoning(text, content.id, status), {"type": "reasoning_text", "text": text}
            done = self._event("response.reasoning_text.done", {**place, "text": text})
        self._output[content.index] = item
        return [
            done,
            self._event("response.content_part.done", {**place, "part": part}),
            self._item_event("done", content.index, item),
        ]

    # -- tool calls -----------------------------------------------------------------------

    def _begin_call(self, number: int, call_id: str, name: str) -> _Call:
        item_id, index = self._new_item("fc")
        place = f',"item_id":{json.dumps(item_id)},"output_index":{index},"delta":'
        call = self._calls[number] = _Call(index, item_id, call_id or f"call_{number}", name, place)
        return call

    def _end_calls(self, status: ItemStatus) -> list[Event]:
        calls, self._calls = self._calls, {}
        events: list[Event] = []
        for call in calls.values():
            item = self._output[call.index] = self._show_call(call, status)
            events += [
                self._event(
                    "response.function_call_arguments.done",
                    {
                        "item_id": call.id,
                        "output_index": call.index,
                        "name": call.name,
                        "arguments": item["arguments"],
                    },
                ),
                self._item_event("done", call.index, item),
            ]
        return events

    @staticmethod
    def _show_call(call: _Call, status: ItemStatus) -> Json:
        return show_call(
            ToolCall(call_id=call.call_id, name=call.name, arguments="".join(call.pieces)), call.id, status
        )

    # -- writing --------------------------------------------------------------------------

    def _new_item(self, kind: IdKind) -> tuple[str, int]:
        place = self._made.get(kind, 0)
        self._made[kind] = place + 1
        self._output.append(None)
        return self._name(kind, place), len(self._output) - 1

    def _lifecycle(self, name: str, response: Mapping[str, Any]) -> Event:
        return self._event(name, {"response": response})

    def _item_event(self, what: Literal["added", "done"], index: int, item: Json) -> Event:
        return self._event(f"response.output_item.{what}", {"output_index": index, "item": item})

    def _event(self, name: str, fields: Mapping[str, Any]) -> Event:
        number, self._number = self._number, self._number + 1
        body = {"type": name, "sequence_number": number, **fields}
        return name, json.dumps(body, separators=(",", ":"))

    def _delta(self, name: str, place: str, text: str, *, after: str) -> Event:
        number, self._number = self._number, self._number + 1
        piece = encode_basestring_ascii(text)
        return name, f'{{"type":"{name}","sequence_number":{number}{place}{piece}{after}'


def _place(content: _Content) -> Json:
    return {"item_id": content.id, "output_index": content.index, "content_index": 0}


def is_whole(response: Mapping[str, Any]) -> bool:
    """Whether the engine came to an end of its own, so that even a reply that says nothing is one."""
    cut = response["incomplete_details"] or {}
    return response["status"] == "completed" or cut.get("reason") == "content_filter"


def _is_answer(item: Json) -> bool:
    return item["type"] in ("message", "function_call")


def render_events(events: Iterable[Event]) -> bytes:
    """Write events as server-sent events."""
    return "".join([f"event: {name}\ndata: {data}\n\n" for name, data in events]).encode()


def finish_stream(kept: Sequence[str], response: Mapping[str, Any]) -> list[Event]:  # Any: JSON
    """Make the end of a stream of a background response that broke off.

    Args:
        kept: data of its events so far, from the first on.
        response: the object as it stands at the end; its output is what was told.

    Returns:
        The events that follow: the ends of the items under way, then the response's own.
    """
    told: list[Json] = [json.loads(data) for data in kept]
    begun = [event["item"] for event in told if event["type"] == "response.output_item.added"]
    ids = {kind: [item["id"] for item in begun if item["type"] == name] for kind, name in _KINDS.items()}
    events = ResponseEvents(response, lambda kind, place: ids[kind][place])
    for event in told:
        _tell_again(events, event)
    return events.end(response)


def _tell_again(events: ResponseEvents, event: Json) -> None:
    """Have an event's maker make it again; it makes the ends of items by itself."""
    match event["type"]:
        case "response.created":
            events.begin(queued=True)
        case "response.in_progress":
            events.start()
        case "response.output_item.added":
            item = event["item"]
            if item["type"] == "function_call":
                events.call(event["output_index"], call_id=item["call_id"], name=item["name"])
            elif item["type"] == "message":
                events.say("")
            elif item["type"] == "reasoning":
                events.think("")
        case "response.output_text.delta":
            events.say(event["delta"])
        case "response.reasoning_text.delta":
            events.think(event["delta"])
        case "response.function_call_arguments.delta":
            events.call(event["output_index"], arguments=event["delta"])


def replay_response(response: Mapping[str, Any]) -> list[Event]:
    """Make the events that a whole response could have been streamed as: one delta a text."""
    items: Sequence[Json] = response["output"]
    ids = {kind: [item["id"] for item in items if item["type"] == name] for kind, name in _KINDS.items()}
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "turnkeep": None}
    begun |= {"completed_at": None, "error": None, "incomplete_details": None}
    events = ResponseEvents(begun, lambda kind, place: ids[kind][place])
    told = events.begin()
    for number, item in enumerate(items):
        told += _tell_item(events, number, item)
        told += events.end_items(complete=item.get("status") != "incomplete")
    return [*told, *events.end(response, silent=True)]


def _tell_item(events: ResponseEvents, number: int, item: Json) -> list[Event]:
    match item["type"]:
        case "message":
            return events.say("".join(part["text"] for part in item["content"]))
        case "reasoning":
            return events.think("".join(part["text"] for part in item["content"]))
        case "function_call":
            return events.call(
                number, call_id=item["call_id"], name=item["name"], arguments=item["arguments"]
            )
    return events.compact(item["encrypted_content"], item["id"])


_KINDS: Mapping[IdKind, str] = {"msg": "message", "rs": "reasoning", "fc": "function_call"}
