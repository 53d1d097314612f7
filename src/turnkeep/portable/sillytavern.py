"""SillyTavern's chats: JSON Lines, a header and then a message a line, in one branch.

A reply that was made several times holds all of them as `swipes`; `swipe_id` is the one that
counts, and what follows hangs on it. The others become turns of their own beside it. A file is
read line by line, so that it may be of any length; its last message decides nothing before it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ..conversation.items import Message, Part, Reasoning, Text
from .imported import ImportedConversation, ImportedTurn, Json, Unreadable, read_text, read_time

PROGRAM = "SillyTavern"
HIDDEN = "messages that were hidden from the prompt"
FILES = "images and files that the chat only points to"

# Dates as its versions have written them, besides ISO 8601 and milliseconds.
_FORMATS = (
    "%B %d, %Y %I:%M%p",
    "%B %d, %Y %I:%M %p",
    "%Y-%m-%d@%Hh%Mm%Ss",
    "%Y-%m-%d @%Hh %Mm %Ss",
)
_LONGEST_DATE = 64  # characters
# What nobody answers is one turn up to here: each reply that was put aside stands behind all that came before it.
_LONGEST_TURN = 64  # lines
_MILLISECONDS = re.compile(r"\s*\d{1,3}ms$")


@dataclass(frozen=True, slots=True)
class _Said:
    """A line: what counts, what was said in its place and put aside, when, by which model."""

    message: Message
    others: tuple[tuple[Message, float, str], ...]
    created: float
    model: str


def is_header(row: Json) -> bool:
    """Tell whether this is a chat's first line."""
    return isinstance(row, Mapping) and "user_name" in row and "character_name" in row


def parse_sillytavern(lines: Iterable[bytes], begin: float, size: int) -> ImportedConversation:
    """Read a chat. The turns are read from `lines` as they are asked for.

    Args:
        lines: of the file.
        begin: its time, where it says none.
        size: bytes of the file: they tell a chat that went on from the same one.

    Raises:
        Unreadable: the first line is no header.
    """
    source = iter(lines)
    head = _parse(next(source, b""), 1)
    if not is_header(head):
        raise Unreadable("line 1 is not the header of a chat")
    character = read_text(head["character_name"])
    about = head.get("chat_metadata")
    mark = read_text(about.get("integrity")) if isinstance(about, Mapping) else ""
    created = read_date(head.get("create_date")) or begin
    left_out: Counter[str] = Counter()
    return ImportedConversation(
        program=PROGRAM,
        source=mark or f"{character} {head.get('create_date')}",
        version=str(size),
        name=character if character not in ("", "unused") else None,
        created=created,
        updated=None,
        turns=_read_turns(source, character, created, left_out),
        left_out=left_out,
    )


def read_date(value: object) -> float | None:
    """Read a date. Example: "October 2, 2023 7:30pm" → 1696275000.0; None: it is none."""
    if isinstance(value, str) and len(value) > _LONGEST_DATE:
        return None
    if not isinstance(value, str) or (found := read_time(value)) is not None:
        return read_time(value)
    text = _MILLISECONDS.sub("", value.strip())
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            pass
    return found


def _read_turns(
    lines: Iterator[bytes], character: str, begin: float, left_out: Counter[str]
) -> Iterator[ImportedTurn]:
    said: list[_Said] = []
    tip, count, time = None, 0, begin
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        one = _read_line(_parse(line, number), character, time, left_out)
        if one is None:
            continue
        time = one.created
        asked = said and one.message.role == "user" and said[-1].message.role != "user"
        if asked or len(said) == _LONGEST_TURN:
            turns = list(_cut(said, tip))
            yield from turns
            tip, count = count + len(turns) - 1, count + len(turns)
            said = []
        said.append(one)
    if said:
        yield from _cut(said, tip)


def _cut(said: list[_Said], after: int | None) -> Iterator[ImportedTurn]:
    """The turns of one question: with each reply that was put aside, and last the one that counts."""
    path: list[tuple[Message, float]] = []
    for one in said:
        for message, created, model in one.others:
            yield ImportedTurn(after=after, items=(*path, (message, created)), model=model)
        path.append((one.message, one.created))
    models = (one.model for one in reversed(said) if one.model)
    yield ImportedTurn(after=after, items=tuple(path), model=next(models, ""), current=True)


def _read_line(row: Json, character: str, before: float, left_out: Counter[str]) -> _Said | None:
    if not isinstance(row, Mapping) or not isinstance(row.get("mes"), str):
        raise Unreadable("a line is not a message")
    about = row["extra"] if isinstance(row.get("extra"), Mapping) else {}
    if row.get("is_system"):
        left_out[HIDDEN] += 1
        return None
    left_out[FILES] += sum(1 for name in ("image", "file", "media") if about.get(name))
    created = read_date(row.get("send_date")) or before
    if row.get("is_user"):
        return _Said(Message("user", (Text(row["mes"]),)), (), created, "")
    name = read_text(row.get("name"))
    speaker = f"{name}: " if name and name != character else ""  # of several, as a group's prompt names them
    return _Said(
        _reply(speaker + row["mes"], about),
        tuple(_read_swipes(row, speaker, created)),
        created,
        read_text(about.get("model")),
    )


def _read_swipes(
    row: Mapping[str, Json], speaker: str, created: float
) -> Iterator[tuple[Message, float, str]]:
    swipes, infos = row.get("swipes"), row.get("swipe_info")
    chosen = row.get("swipe_id")
    for place, text in enumerate(swipes if isinstance(swipes, list) else []):
        if not isinstance(text, str) or place == chosen or text == row["mes"]:
            continue
        info = infos[place] if isinstance(infos, list) and place < len(infos) else None
        info = info if isinstance(info, Mapping) else {}
        about = info["extra"] if isinstance(info.get("extra"), Mapping) else {}
        when = read_date(info.get("send_date")) or created
        yield _reply(speaker + text, about), when, read_text(about.get("model"))


def _reply(text: str, about: Mapping[str, Json]) -> Message:
    thought = read_text(about.get("reasoning"))
    before: tuple[Part, ...] = (Reasoning(thought),) if thought else ()
    return Message("assistant", (*before, Text(text)))


def _parse(line: bytes, number: int) -> Json:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"line {number} is not JSON") from error
