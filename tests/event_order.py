"""The order of a response's events, as a state machine: what the official clients and the interface insist on.

`check_events` is run over every stream that a test records. It knows nothing of the code that makes
events; it reads only what a client would see.
"""

import json
from collections.abc import Sequence
from typing import Any

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

_STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ENDS = {
    "response.completed": {"completed"},
    "response.incomplete": {"incomplete", "cancelled"},
    "response.failed": {"failed"},
}
_DONE_FIELDS = {"message": "response.output_text", "reasoning": "response.reasoning_text"}


class EventOrder:
    """Take the events of one stream, one after the other; an event out of order is an AssertionError."""

    def __init__(self, *, starting_after: int = -1) -> None:
        self.number = starting_after + 1  # of the next event
        self.whole = starting_after < 0  # seen from its beginning
        self.response: str | None = None
        self.status = "new" if self.whole else "in_progress"  # what came before was not seen
        self.open: dict[int, dict[str, Any]] = {}  # output index -> the item as it was added
        self.parts: dict[int, list[str]] = {}  # output index -> pieces of the content part that is open
        self.texts: dict[int, str] = {}  # output index -> what its done event said
        self.done: dict[int, dict[str, Any]] = {}
        self.ids: set[str] = set()
        self.final: dict[str, Any] | None = None

    def take(self, name: str, data: str) -> None:
        """Take the next event."""
        event = json.loads(data)
        _STREAM_EVENT.validate_json(data, strict=True)
        assert event["type"] == name
        assert event["sequence_number"] == self.number
        self.number += 1
        assert self.final is None, f"{name} after the end"
        if name == "error":
            return
        if "response" in event:
            self._lifecycle(name, event["response"])
        else:
            assert self.status == "in_progress", f"{name} while {self.status}"
            self._item(name, event)

    def _lifecycle(self, name: str, response: dict[str, Any]) -> None:
        if self.response is None:
            assert name == "response.created" or not self.whole
            self.response = response["id"]
        assert response["id"] == self.response
        if name == "response.created":
            assert self.status == "new"
            assert response["output"] == []
            self.status = "created"
        elif name == "response.queued":
            assert self.status == "created"
            assert response["status"] == "queued"
        elif name == "response.in_progress":
            assert self.status == "created" or not self.whole
            assert response["status"] == "in_progress"
            self.status = "in_progress"
        else:
            self._end(name, response)

    def _end(self, name: str, response: dict[str, Any]) -> None:
        assert response["status"] in ENDS[name]
        assert not self.open, "the response ended before its items"
        assert (response["status"] == "failed") == (response["error"] is not None)
        kept = [item["id"] for item in response["output"]]
        told = [self.done[index] for index in sorted(self.done)]
        if self.whole:
            assert kept == [item["id"] for item in told if item["id"] in kept]
            if response["status"] == "completed":
                assert response["output"] == told
        incomplete = [item for item in response["output"] if item.get("status") == "incomplete"]
        assert response["status"] != "completed" or not incomplete
        self.final = response

    def _item(self, name: str, event: dict[str, Any]) -> None:
        index = event["output_index"]
        if name == "response.output_item.added":
            item = event["item"]
            assert index not in self.open
            assert index not in self.done
            assert not self.whole or index == len(self.open) + len(self.done)
            assert item["id"] not in self.ids
            assert item.get("status", "in_progress") == "in_progress"
            assert item.get("content", []) == []
            assert item.get("arguments", "") == ""
            self.ids.add(item["id"])
            self.open[index] = item
            return
        if index not in self.open:
            assert not self.whole, f"{name} for an item that is not open"
            return
        item = self.open[index]
        if name == "response.output_item.done":
            self._end_item(index, item, event["item"])
        else:
            assert event["item_id"] == item["id"]
            self._content(name, index, item, event)

    def _content(self, name: str, index: int, item: dict[str, Any], event: dict[str, Any]) -> None:
        if item["type"] == "compaction":
            assert name == "response.compaction.compacting"
            return
        if item["type"] == "function_call":
            assert index not in self.texts
            if name == "response.function_call_arguments.delta":
                assert event["delta"]
                self.parts.setdefault(index, []).append(event["delta"])
            else:
                assert name == "response.function_call_arguments.done"
                assert event["arguments"] == "".join(self.parts.pop(index, []))
                assert event["name"] == item["name"]
                self.texts[index] = event["arguments"]
            return
        self._text(name, index, item["type"], event)

    def _text(self, name: str, index: int, kind: str, event: dict[str, Any]) -> None:
        assert event["content_index"] == 0
        field = _DONE_FIELDS[kind]
        if name == "response.content_part.added":
            assert index not in self.parts
            assert event["part"]["text"] == ""
            self.parts[index] = []
        elif name == f"{field}.delta":
            assert event["delta"]
            assert index not in self.texts
            self.parts[index].append(event["delta"])
        elif name == f"{field}.done":
            assert event["text"] == "".join(self.parts[index])
            self.texts[index] = event["text"]
        else:
            assert name == "response.content_part.done"
            assert event["part"]["text"] == self.texts[index]
            del self.parts[index]

    def _end_item(self, index: int, added: dict[str, Any], item: dict[str, Any]) -> None:
        assert index not in self.parts
        assert (item["id"], item["type"]) == (added["id"], added["type"])
        assert item.get("status") != "in_progress"
        if item["type"] == "function_call":
            assert item["call_id"] == added["call_id"]
            assert item["arguments"] == self.texts[index]
        elif item["type"] != "compaction":
            assert [part["text"] for part in item["content"]] == [self.texts[index]]
        del self.open[index]
        self.done[index] = item


def parse_stream(data: bytes) -> list[tuple[str, str]]:
    """Cut a body of server-sent events into names and data; it ends with [DONE]."""
    blocks = [block for block in data.decode().split("\n\n") if block and not block.startswith(":")]
    assert blocks[-1] == "data: [DONE]"
    events: list[tuple[str, str]] = []
    for block in blocks[:-1]:
        name, text = block.split("\n")
        assert name.startswith("event: ")
        assert text.startswith("data: ")
        events.append((name.removeprefix("event: "), text.removeprefix("data: ")))
    return events


def check_events(events: Sequence[tuple[str, str]], *, starting_after: int = -1) -> dict[str, Any]:
    """Check a whole stream; returns the response object that it ended with."""
    order = EventOrder(starting_after=starting_after)
    for name, data in events:
        order.take(name, data)
    assert order.final is not None, "the stream has no end"
    return order.final
