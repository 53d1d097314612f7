"""Exports read back into the store, whole, and the names that conversations may have.

What an export holds is said in exporting.py. Exporting what was imported gives the same bytes.
One line is in memory at a time. Each conversation of a file is imported whole or not at all.
"""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Final, NoReturn

from .conversation.items import Item, TurnState, load_item
from .conversation.log import Position
from .errors import Conflict, ConversationError, ConversationNotFound, UsageError, WireError
from .exporting import FORMAT
from .exporting import export_jsonl as export_jsonl
from .exporting import save_export as save_export
from .store.base import Conversation, ConversationKind, Lease, Store
from .store.ids import conversation_id, make_key

MAX_LINE_BYTES = 256 * 1024 * 1024  # a turn with its images; beyond it a line is taken for damage
MAX_NAME = 200  # characters
ID_MARK: Final = "conv_"  # begins every id; names are looked for before ids
LEASE_SECONDS = 60.0
_MOST = (1 << 63) - 1  # that a database counts to
UNFINISHED = "unfinished_import:"  # + owner: id of a conversation that an import has not finished

Row = dict[str, Any]  # Any: a line of JSON, checked field by field


def check_name(name: str) -> str:
    """Return the name as it is kept.

    Raises:
        UsageError: it is empty, too long, or cannot be shown on one line.
    """
    name = name.strip()
    if not name:
        raise UsageError("A conversation's name cannot be empty: give it at least one letter.")
    if len(name) > MAX_NAME:
        raise UsageError(f"That name has {len(name)} characters; use {MAX_NAME} at most.")
    if not name.isprintable():
        raise UsageError("A conversation's name cannot hold line breaks or control characters.")
    return name


def check_new_name(name: str) -> str:
    """Return a name that is to be given to a conversation, as it is kept.

    Raises:
        UsageError: it cannot be one, or reads as an id: it could hide the conversation of that id.
    """
    name = check_name(name)
    if name.startswith(ID_MARK):
        raise UsageError(f"A conversation's name cannot begin with {ID_MARK}, as ids do: choose another.")
    return name


def check_owner(owner: str) -> str:
    """Return the owner's name as it is kept.

    Raises:
        UsageError: it is empty, or not printable text.
    """
    if not owner.strip() or not owner.isprintable():
        raise UsageError("An owner's name must be printable text, such as the name of a user.")
    return owner


@dataclass(slots=True, kw_only=True)
class _Import:
    """An import in its course."""

    store: Store
    owner: str
    id: str
    head: "_Head"
    lease: Lease
    number: int = 1  # of the line that is read
    turns: int = 0
    views: int = 0
    ended: bool = False
    before: int = 0  # lines of the file before its own

    def refuse(self, why: str) -> NoReturn:
        """Say which line is wrong."""
        raise UsageError(f"Line {self.before + self.number} {why}; nothing was imported.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    name: str | None
    created: float
    updated: float
    tip: Position
    instructions: list[str]
    current_instructions: int | None
    view: int | None
    pending_view: int | None
    made: ConversationKind
    metadata: Mapping[str, str]


async def import_jsonl(
    store: Store, owner: str, lines: Iterable[bytes], *, name: str | None = None
) -> Conversation:
    """Read an export of one conversation into a new one.

    Args:
        store: where to.
        owner: whose conversation it becomes.
        lines: the export, line by line.
        name: its name here; None keeps the name it had.

    Raises:
        UsageError: a line is damaged; the message says which, and nothing stays behind.
        Conflict: the owner has a conversation of that name.
    """
    source = iter(lines)
    head = parse_line(next(source, b""), 1)
    wanted = load_name(head) if name is None else name
    return await import_one(store, owner, head, source, name=wanted, alone=True)


async def import_one(
    store: Store,
    owner: str,
    first: Row,
    source: Iterator[bytes],
    *,
    name: str | None,
    alone: bool,
    before: int = 0,
    at_end: Callable[[str], Awaitable[None]] | None = None,
) -> Conversation:
    """Read the next conversation of a file.

    Args:
        store: where to.
        owner: whose conversation it becomes.
        first: its first line, read already.
        source: the lines behind it; they are read up to its end.
        name: its name here; None: it has none.
        alone: nothing stands behind it in the file.
        before: lines of the file before it.
        at_end: called with its id when all of it is there, and before it is called whole.

    Raises:
        UsageError: as `import_jsonl`.
        Conflict: as `import_jsonl`.
    """
    head = _load_head(first)
    name = None if name is None else check_new_name(name)
    if name is not None and await store.find_conversation(owner, name):
        raise Conflict(f"There is a conversation {name!r} already: give this one another name with --name.")
    async with _new_conversation(store, owner, head) as course:
        course.before = before
        for line in source:
            course.number += 1
            await _import_line(course, parse_line(line, before + course.number))
            if course.ended and not alone:
                break
        if not course.ended:
            course.refuse("is the last one, but the export goes on: the file was cut short")
        await _finish(course)
        if name is not None:
            await store.rename_conversation(owner, course.id, name)
        if at_end is not None:
            await at_end(course.id)
    return await store.load_conversation(owner, course.id)


def load_name(head: Row) -> str | None:
    """The name in an export's first line; one that cannot be read is complained of later, with the rest."""
    name = head.get("name")
    return check_name(name) if isinstance(name, str) and name.strip() else None


@asynccontextmanager
async def _new_conversation(store: Store, owner: str, head: _Head) -> AsyncIterator[_Import]:
    """Make the conversation and hold it; take it away again if anything goes wrong."""
    conversation = conversation_id(make_key())
    lease = await take_import(store, conversation)
    await store.save_value(UNFINISHED + owner, conversation)  # so that a killed import is swept away later
    course = _Import(store=store, owner=owner, id=conversation, head=head, lease=lease)
    try:
        await store.create_conversation(
            owner, None, now=head.created, kind=head.made, metadata=head.metadata, conversation=conversation
        )
        await _import_instructions(course)
        yield course
    except BaseException:
        with suppress(ConversationNotFound):
            await store.delete_conversation(owner, conversation)
        raise
    finally:
        await store.drop_lease(course.lease)
        await store.save_value(UNFINISHED + owner, "")


async def take_import(store: Store, conversation: str) -> Lease:
    """Hold a conversation that an import makes, or hold it longer."""
    subject, holder = f"conversation:{conversation}", f"import:{conversation}"
    lease = await store.take_lease(subject, holder, now=time.time(), seconds=LEASE_SECONDS)
    assert lease is not None, "nobody else knows the conversation yet"
    return lease


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file; one that is too long is cut, and so damaged."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line


async def sweep_unfinished(store: Store, owner: str) -> None:
    """Take away what a killed import has left, unless it is still running."""
    left = await store.load_value(UNFINISHED + owner)
    if not left or await store.held_leases(f"conversation:{left}", now=time.time()):
        return
    try:
        await store.delete_conversation(owner, left)
    except ConversationNotFound:
        pass  # it was taken away, but the process died before it could say so
    await store.save_value(UNFINISHED + owner, "")


async def _import_instructions(course: _Import) -> None:
    texts, current = course.head.instructions, course.head.current_instructions
    wanted = [*enumerate(texts, 1), *([(current, texts[current - 1])] if current else [])]
    for number, text in wanted:
        saved = await course.store.save_instructions(course.owner, course.id, text, now=course.head.created)
        if saved != number:
            course.refuse("holds the same instructions twice")


async def _import_line(course: _Import, row: Row) -> None:
    if course.ended:
        course.refuse("stands behind the end of the export")
    if time.time() > course.lease.expires - LEASE_SECONDS / 2:
        course.lease = await course.store.renew_lease(course.lease, now=time.time(), seconds=LEASE_SECONDS)
    try:
        match _take(row, "kind", str):
            case "turn":
                await _import_turn(course, _load_turn(row))
            case "view":
                await _import_view(course, row)
            case "end":
                if _take(row, "lines", int) != course.number:
                    course.refuse(f"says that the export has {row['lines']} lines: some are missing")
                course.ended = True
            case kind:
                course.refuse(f"is of a kind that turnkeep does not know: {kind[:40]!r}")
    except (KeyError, TypeError, ValueError, RecursionError, WireError, ConversationError) as error:
        raise UsageError(
            f"Line {course.before + course.number} is damaged: {_say(error)}; nothing was imported."
        ) from error


def _say(error: Exception) -> str:
    """What was wrong, as part of a sentence."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, RecursionError):
        return "brackets stand in brackets too deep"
    return str(error).removesuffix(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class _TurnLine:
    number: int
    after: Position
    at: Position
    state: TurnState
    error: str | None
    created: float
    finished: float | None
    groups: list[tuple[float, list[Item]]]  # items by the moment at which they were appended
    receipt: Mapping[str, Any] | None
    partial: str


async def _import_turn(course: _Import, line: _TurnLine) -> None:
    store, owner, key, lease = course.store, course.owner, course.id, course.lease
    first, *later = line.groups
    last = later.pop() if later and line.state != "open" and later[-1][0] == line.finished else None
    turn = await store.begin_turn(owner, key, first[1], after=line.after, lease=lease, now=line.created)
    if (turn.number, turn.branch, turn.first) != (line.number, line.at.branch, line.at.seq):
        course.refuse("does not follow from the lines before it")
    course.turns += 1
    for created, items in later:
        await store.append_items(owner, key, turn.number, items, lease=lease, now=created)
    if line.partial:
        await store.save_partial(owner, key, turn.number, line.partial, lease=lease)
    if line.partial and line.state == "failed":
        # Its process died while it was answering: settling makes the same of it again.
        await store.settle_turns(owner, key, lease=lease, now=_end(line))
    elif line.state != "open":
        await store.finish_turn(
            owner,
            key,
            turn.number,
            state=line.state,
            items=last[1] if last else [],
            receipt=line.receipt,
            error=line.error,
            lease=lease,
            now=_end(line),
        )


def _end(line: _TurnLine) -> float:
    return line.created if line.finished is None else line.finished


async def _import_view(course: _Import, row: Row) -> None:
    view = await course.store.save_view(
        course.owner,
        course.id,
        at=_load_position(row["at"]),
        key=_take(row, "key", str),
        body=_take(row, "body", dict),
        now=_time(row, "created"),
    )
    if view.number != _take(row, "number", int):
        course.refuse("does not follow from the lines before it")
    course.views += 1


async def _finish(course: _Import) -> None:
    """Set the pointers, now that what they point to is there."""
    head, store = course.head, course.store
    for number in (head.view, head.pending_view):
        if number is not None and not 1 <= number <= course.views:
            raise UsageError("Line 1 names a view that the export does not hold; nothing was imported.")
    await store.point_view(
        course.owner, course.id, expected=None, current=head.view, pending=head.pending_view
    )
    try:
        await store.move_tip(course.owner, course.id, head.tip, lease=course.lease, now=head.updated)
    except ConversationError as error:
        raise UsageError("Line 1 names a tip that the export does not hold; nothing was imported.") from error


def parse_line(line: bytes, number: int) -> Row:
    """Read a line of an export.

    Raises:
        UsageError: it is not a JSON object.
    """
    if len(line) > MAX_LINE_BYTES:
        raise UsageError(f"Line {number} is longer than any turn; nothing was imported.")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        what = "is not a line of JSON" if number > 1 else "is not the beginning of a turnkeep export"
        raise UsageError(f"Line {number} {what}; nothing was imported.") from error
    if not isinstance(row, dict):
        raise UsageError(f"Line {number} is not a JSON object; nothing was imported.")
    return row


def _load_head(row: Row) -> _Head:
    version = row.get("turnkeep")
    if row.get("kind") != "conversation" or type(version) is not int:
        raise UsageError("Line 1 is not the beginning of a turnkeep export; nothing was imported.")
    if version > FORMAT:
        raise UsageError("This export was made by a newer turnkeep: update turnkeep, then import it.")
    try:
        name, texts = row["name"], _take(row, "instructions", list)
        head = _Head(
            name=None if name is None else check_name(_take(row, "name", str)),
            created=_time(row, "created"),
            updated=_time(row, "updated"),
            tip=_load_position(row["tip"]),
            instructions=[_take({"text": text}, "text", str) for text in texts],
            current_instructions=_optional_int(row, "current_instructions"),
            view=_optional_int(row, "view"),
            pending_view=_optional_int(row, "pending_view"),
            made=_load_made(row.get("made", "named")),
            metadata=_load_metadata(row.get("metadata", {})),
        )
        if head.current_instructions is not None and not 1 <= head.current_instructions <= len(texts):
            raise ValueError("current_instructions names no instructions")
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"Line 1 is damaged: {_say(error)}; nothing was imported.") from error
    return head


def _load_made(made: object) -> ConversationKind:
    match made:
        case "named" | "chain" | "history" | "chat":
            return made
    raise ValueError(f"made is {made!r}, which no conversation is")


def _load_metadata(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("metadata is no object of texts")
    return value


def _load_turn(row: Row) -> _TurnLine:
    groups: list[tuple[float, list[Item]]] = []
    for kind, body, created in _take(row, "items", list):
        item = load_item(kind, json.dumps(body, ensure_ascii=False))
        if groups and groups[-1][0] == created:
            groups[-1][1].append(item)
        else:
            groups.append((_time({"created": created}, "created"), [item]))
    if not groups:
        raise ValueError("a turn without items")
    receipt, error, finished = row["receipt"], row["error"], row["finished"]
    return _TurnLine(
        number=_take(row, "turn", int),
        after=_load_position(row["after"]),
        at=_load_position(row["at"]),
        state=_load_state(row["state"]),
        error=None if error is None else _take(row, "error", str),
        created=_time(row, "created"),
        finished=None if finished is None else _time(row, "finished"),
        groups=groups,
        receipt=None if receipt is None else _take(row, "receipt", dict),
        partial=_take(row, "partial", str),
    )


def _load_state(state: object) -> TurnState:
    match state:
        case "open" | "done" | "cut_off" | "failed":
            return state
    raise ValueError(f"unknown state {state!r}")


def _load_position(value: object) -> Position:
    match value:
        case [branch, seq] if type(branch) is type(seq) is int and 0 <= branch <= _MOST and 0 <= seq <= _MOST:
            return Position(branch, seq)
    raise ValueError(f"{repr(value)[:40]} is no position")


def _optional_int(row: Row, name: str) -> int | None:
    return None if row[name] is None else int(_take(row, name, int))


def _time(row: Row, name: str) -> float:
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise ValueError(f"{name} is no time")
    return value


def _take(row: Row, name: str, kind: type) -> Any:  # Any: the value is of `kind`
    value = row[name]
    if type(value) is not kind:
        raise TypeError(f"{name} is not of the kind {kind.__name__}")
    return value
