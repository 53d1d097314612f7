"""Read a JSON list of conversations one by one, so that a file of any size needs the memory of one.

As much is read as the next element takes. A parser that goes by events could do with less, but those there are
crash at a number of thousands of digits, and take minutes for brackets in brackets.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Protocol

from .imported import Json, Unreadable

_HEAD = 1024 * 1024  # bytes that are looked at to recognise a file
_AT_ONCE = 256 * 1024  # bytes that are read at least
_MOST = 64 * 1024 * 1024  # characters of one element; one that does not end here is not read on
_NEAR_END = 16  # characters; an error so near to the end of what was read may be gone with what follows
# A text and the colon behind it; one that has no end goes to the end, so that no character is looked at twice.
_TEXT = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(\s*+:)?|\\?\Z)', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_DAMAGED = "the file is damaged or cut short"
_LONG = "a conversation in it is too long to be read"


class Readable(Protocol):
    """What is asked of a file."""

    def read(self, count: int = -1, /) -> bytes:
        """Read up to `count` bytes."""
        ...


def read_elements(file: Readable) -> Iterator[Json]:
    """Yield the elements of the list, or the one value where the file holds no list.

    Raises:
        Unreadable: from where the file is damaged or ends early; what came before was yielded.
    """
    text = _Text(file)
    if text.next() != "[":
        yield text.take()
        if text.next():
            raise Unreadable(_DAMAGED)
        return
    text.skip()
    if text.next() == "]":
        return
    while True:
        yield text.take()
        after = text.next()
        if after not in (",", "]"):
            raise Unreadable(_DAMAGED)
        text.skip()
        if after == "]":
            return


def first_keys(file: Readable) -> set[str]:
    """The keys of the first objects in the file; empty where there are none."""
    head = file.read(_HEAD).decode("utf-8", "replace")
    return {match[1] for match in _TEXT.finditer(head) if match[2]}


class _Text:
    """The text of a file from where it was read up to, and as far ahead as it was needed."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(
            "utf-8-sig"
        )()  # a byte order mark, as some editors leave it
        self._json = json.JSONDecoder(strict=False)
        self._text, self._at = "", 0
        self._ended = False

    def next(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Go past that character."""
        self._at += 1

    def take(self) -> Json:
        """Read the value that comes next.

        Raises:
            Unreadable: there is none.
        """
        self.next()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_broken(error):
                    raise Unreadable(_DAMAGED) from error
                if len(self._text) - self._at > _MOST:
                    raise Unreadable(_LONG) from error
                if not self._more():
                    raise Unreadable(_DAMAGED) from error
            except (ValueError, RecursionError) as error:  # a number without end, brackets without end
                raise Unreadable(_DAMAGED) from error
            else:
                if end < len(self._text) or not self._more():  # else a number may go on
                    self._at = end
                    return value

    def _is_broken(self, error: json.JSONDecodeError) -> bool:
        return not error.msg.startswith("Unterminated string") and error.pos < len(self._text) - _NEAR_END

    def _more(self) -> bool:
        """Read on, as much as is there already; False at the end of the file, or of what is text."""
        if self._ended:
            return False
        rest = self._text[self._at :]
        # As much again, so that a long element is not parsed too often; and not far beyond the longest.
        data = self._file.read(max(_AT_ONCE, min(len(rest), _MOST - len(rest) + 1)))
        self._ended = not data
        try:
            more = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            self._ended = True
            more = error.object[: error.start].decode("utf-8-sig", "ignore")
        self._text, self._at = rest + more, 0
        return bool(more) or not self._ended
