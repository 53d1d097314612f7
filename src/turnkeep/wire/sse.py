"""Server-sent events: bytes -> events, events -> bytes.

Lines are cut at CR, LF and CR LF on bytes and decoded whole: `str.splitlines` and the
line readers of HTTP clients also cut at U+2028, which is legal inside JSON, and a read
may end in the middle of a character. Source: WHATWG HTML, section 9.2, "Server-sent
events". Reconnection (`id`, `retry`) is not known here: a reply is never resumed.

Pure: bytes in, values out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import WireError

MAX_EVENT_BYTES = (
    8 * 1024 * 1024
)  # far above any event of an engine; an endless line must not take the memory
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_ANY_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event: its data lines joined by LF, and its name ("message" when it has none)."""

    data: str
    name: str = "message"


class EventParser:
    r"""Cut a stream of bytes into events, however the reads fall.

    Example: feed(b"data: a\r") → nothing, feed(b"\ndata:b\n\n") → ServerEvent("a\nb").
    An event that the stream's end cuts short is none, as the standard says.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()  # the line begun, without its end
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = b""
        self._after_cr = False  # the last byte was CR: a LF that follows belongs to it
        self._at_start = True  # a byte order mark may still come

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        """Take the next bytes and yield the events that they complete.

        Raises:
            WireError: an event is longer than the limit, or is not UTF-8.
        """
        if not self._is_plain(data):
            yield from self._feed_lines(data)
            return
        self._at_start = False
        for block in data[:-2].split(
            b"\n\n"
        ):  # as engines write: one line of data an event, whole events a read
            if block.startswith(b"data: ") and b"\n" not in block and len(block) < self._max_event_bytes:
                yield _make_event(block[6:], b"")
            else:
                yield from self._feed_lines(block + b"\n\n")

    @property
    def idle(self) -> bool:
        """Whether the next byte begins an event."""
        return not (self._line or self._data or self._name or self._after_cr)

    def _is_plain(self, data: bytes) -> bool:
        """Whether nothing is begun, and the bytes are whole events with LF at the ends of their lines."""
        return self.idle and data.startswith(b"data: ") and data.endswith(b"\n\n") and b"\r" not in data

    def _feed_lines(self, data: bytes) -> Iterator[ServerEvent]:
        if self._after_cr and data:
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        start = 0
        for end in _LINE_END.finditer(data):
            self._grow(data[start : end.start()])
            start = end.end()
            event = self._end_line()
            if event is not None:
                yield event
        self._grow(data[start:])
        # Only a CR that is the very last byte: one before it was matched together with its LF.
        self._after_cr = data.endswith(b"\r") or (self._after_cr and not data)

    def _grow(self, piece: bytes) -> None:
        if len(self._line) + self._data_bytes + len(piece) > self._max_event_bytes:
            raise WireError(f"An event of the stream is longer than {self._max_event_bytes:,} bytes.")
        self._line += piece

    def _end_line(self) -> ServerEvent | None:
        line, self._line = bytes(self._line), bytearray()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            return self._end_event()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
        elif field == b"event":
            self._name = value
        return None  # a comment has no field name; other fields are not ours

    def _end_event(self) -> ServerEvent | None:
        data, name = self._data, self._name
        self._data, self._data_bytes, self._name = [], 0, b""
        return _make_event(b"\n".join(data), name) if data else None


def _make_event(data: bytes, name: bytes) -> ServerEvent:
    try:
        return ServerEvent(data.decode(), name.decode() or "message")
    except UnicodeDecodeError as error:
        raise WireError("An event of the stream is not UTF-8.") from error


def render_event(data: str, name: str | None = None) -> bytes:
    r"""Write an event. Example: ("a\nb", "x") → b"event: x\ndata: a\ndata: b\n\n".

    Line ends inside `data` come out as LF at the other side, whichever they were.
    """
    head = [] if name is None else [f"event: {name}"]
    lines = [f"data: {line}" for line in _ANY_LINE_END.split(data)]
    return "\n".join([*head, *lines, "", ""]).encode()


def render_comment(text: str = "") -> bytes:
    r"""Write a comment, which keeps a silent connection open. Example: "ping" → b": ping\n\n"."""
    return b"".join(f": {line}\n".encode() for line in _ANY_LINE_END.split(text)) + b"\n"
