"""Tell by a file's content which program wrote it, and read its conversations one by one."""

import contextlib
import json
import lzma
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Literal, TypeAlias, get_args

from ..errors import UsageError
from .arrays import Readable, first_keys, read_elements
from .chatgpt import parse_chatgpt
from .imported import ImportedConversation, Json, Unreadable
from .llm_logs import count_conversations, is_log, open_log, read_log
from .openai_messages import is_message, parse_openai
from .openwebui import parse_openwebui
from .piped import File
from .sillytavern import is_header, parse_sillytavern

Form: TypeAlias = Literal["jsonl", "chatgpt", "openwebui", "sillytavern", "openai", "llm"]
FORMS: tuple[Form, ...] = get_args(Form)
MAX_LINE_BYTES = 64 * 1024 * 1024  # a message with its pictures; beyond it a line is taken for damage
_HEAD = 64 * 1024  # bytes that are looked at

# What comes of an archive whose parts do not fit: places before its beginning, ways of packing and
# names in letters that there are none of, a password.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
)
_LOG_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)  # the second: of a name that SQLite complains of

Told: TypeAlias = Callable[[int, int], None]  # how much is read, of how much


def recognise(path: File) -> Form:
    """Find out which program wrote the file.

    Raises:
        UsageError: none that is known.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(0)
        if head.startswith(b"SQLite format 3\0"):
            return _check_log(path)
        if head.startswith(b"PK\x03\x04"):
            _find_members(path)
            return "chatgpt"
        form = _by_line(head) or _by_keys(head, first_keys(file))
    if form is None:
        raise UsageError(
            f"{path} is of no form that turnkeep reads: an export of its own, of ChatGPT, Open WebUI or "
            "SillyTavern, a list of OpenAI messages, or llm's log database; --format says which it is."
        )
    return form


def _check_log(path: File) -> Form:
    try:
        with contextlib.closing(open_log(path)) as connection:
            if is_log(connection):
                return "llm"
    except _LOG_DAMAGE:
        pass
    raise UsageError(f"{path} is a database, but not llm's log: that is what turnkeep reads of databases.")


def _by_line(head: bytes) -> Form | None:
    """By the first line, where it is a JSON object of its own."""
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    if b'"turnkeep"' in line[:200]:
        return "jsonl"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return "sillytavern" if is_header(row) else None


def _by_keys(head: bytes, keys: set[str]) -> Form | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text.startswith((b"[", b"{")):
        return None
    if "mapping" in keys or {"current_node", "conversation_template_id"} & keys:
        return "chatgpt"
    if {"childrenIds", "currentId"} & keys or {"chat", "user_id"} <= keys:
        return "openwebui"
    if {"role", "content"} <= keys or "messages" in keys:
        return "openai"
    return None


Read: TypeAlias = ImportedConversation | Unreadable


def read_conversations(path: File, form: Form, begin: float, told: Told) -> Iterator[Read]:
    """Yield the conversations of a file, and what is wrong with those that cannot be read.

    The turns of one are read before the next one comes.

    Args:
        path: the file.
        form: which; not turnkeep's own.
        begin: time of what says none.
        told: is told of the progress.

    Raises:
        Unreadable: from where it is damaged; what came before was yielded.
    """
    match form:
        case "llm":
            yield from _read_log(path, begin, told)
        case "sillytavern":
            with path.open("rb") as file:
                size = path.stat().st_size
                yield parse_sillytavern(_told_lines(file, size, told), begin, size)
        case "openai":
            yield from _read_messages(path, begin, told)
        case _:
            parse = parse_chatgpt if form == "chatgpt" else parse_openwebui
            for value in _elements(path, told):
                yield _try(parse, value, begin)


def _try(parse: Callable[..., ImportedConversation], *values: Json) -> Read:
    try:
        return parse(*values)
    except Unreadable as error:
        return error


def _read_log(path: File, begin: float, told: Told) -> Iterator[Read]:
    try:
        with contextlib.closing(open_log(path)) as connection:
            total = count_conversations(connection)
            for place, conversation in enumerate(read_log(connection, begin)):
                told(place, total)
                yield conversation
            told(total, total)
    except _LOG_DAMAGE as error:
        why = "a name in it is no text" if isinstance(error, UnicodeDecodeError) else error
        raise Unreadable(f"the database is damaged ({why})") from error


def _read_messages(path: File, begin: float, told: Told) -> Iterator[Read]:
    """One list of messages, many in a list, or one a line."""
    with path.open("rb") as file:
        first = file.readline(MAX_LINE_BYTES)
        second = file.read(1)
        try:
            row = json.loads(first) if second else None
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, Mapping | list) and row:
            file.seek(0)
            for number, line in enumerate(_told_lines(file, path.stat().st_size, told), 1):
                if line.strip():
                    yield _try(_parse_messages_line, line, number, begin, path.name)
            return
    messages: list[Json] = []
    for place, value in enumerate(_elements(path, told)):
        if is_message(value):
            messages.append(value)  # the file is one conversation
        else:
            yield _try(parse_openai, value, begin, f"{path.name} {place}")
    if messages:
        yield _try(parse_openai, messages, begin, path.name)


def _parse_messages_line(line: bytes, number: int, begin: float, name: str) -> ImportedConversation:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"line {number} is not JSON") from error
    return parse_openai(value, begin, f"{name} {number}")


def _elements(path: File, told: Told) -> Iterator[Json]:
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if not zipped:
        with path.open("rb") as file:
            yield from read_elements(_Told(file, path.stat().st_size, told))
        return
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            for member in _find_members(path):
                with archive.open(member) as packed:
                    yield from read_elements(_Told(packed, member.file_size, told))
    except Unreadable:
        raise
    except _DAMAGE as error:
        raise Unreadable("the archive is damaged") from error


def _find_members(path: File) -> list[zipfile.ZipInfo]:
    """The files of an archive that hold conversations; large exports split them."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            found = [
                member
                for member in archive.infolist()
                if (name := Path(member.filename).name).startswith("conversations") and name.endswith(".json")
            ]
    except _DAMAGE as error:
        raise UsageError(f"{path} is a damaged archive: make the export again.") from error
    if not found:
        raise UsageError(f"{path} holds no conversations.json: name the archive as ChatGPT sent it.")
    return sorted(found, key=lambda member: member.filename)


def _told_lines(file: IO[bytes], size: int, told: Told) -> Iterator[bytes]:
    done = 0
    while line := file.readline(MAX_LINE_BYTES):
        done += len(line)
        told(done, size)
        yield line


class _Told:
    """A file that tells how far it is read."""

    def __init__(self, file: Readable, size: int, told: Told) -> None:
        self._file, self._size, self._told = file, size, told
        self._done = 0

    def read(self, count: int = -1) -> bytes:
        piece = self._file.read(count)
        self._done += len(piece)
        self._told(min(self._done, self._size), self._size)
        return piece
