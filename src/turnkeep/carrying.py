"""Conversations of other programs into the store, one at a time: each is there whole, or not at all.

A conversation is made without a name and noted as unfinished, its turns are appended in batches, and
its name and the end of the note come last. Whoever opens the store after a process has died at it
sweeps it away. Where it came from is kept as keyed digests, so that a second import of the same file
adds nothing.
"""

import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .context.receipt import Receipt, dump_receipt
from .errors import ConversationNotFound, UsageError
from .exporting import list_all
from .portable.imported import ImportedConversation, ImportedTurn, Unreadable
from .portable.piped import File
from .portable.recognise import Form, Told, read_conversations, recognise
from .store.base import Conversation, Lease
from .store.carrying import CarriedTurn, Carrier
from .store.ids import conversation_id, make_key
from .transfer import (
    LEASE_SECONDS,
    MAX_NAME,
    Row,
    check_new_name,
    import_one,
    parse_line,
    read_lines,
    take_import,
)

BATCH = 64  # turns of one transaction: some 30 ms
_DIGEST_BYTES = 16
_MOST_END_BYTES = 256  # of the line that ends a conversation
NO_ANSWER = "There was no answer to it where it was said."

Kind: TypeAlias = Literal["imported", "known", "changed", "empty", "unread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a conversation of the file.

    kind: imported; known: it was imported before, or is here; changed: it was, and more was said there
        since; empty: nothing was said in it; unread: it is damaged (`why`), and not imported.
    left_out: what of it could not be carried, counted.
    ended: the file is damaged from here on.
    """

    kind: Kind
    name: str = ""
    turns: int = 0
    why: str = ""
    left_out: dict[str, int] = field(default_factory=dict)
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to import. `again`: what was imported before, too; `name`: in place of the ones they had."""

    form: Form | None = None
    name: str | None = None
    again: bool = False


async def import_file(
    store: Carrier, owner: str, path: File, wish: Wish, told: Told
) -> AsyncIterator[Outcome]:
    """Import the conversations of a file.

    Args:
        store: where to.
        owner: whose they become.
        path: the file.
        wish: how.
        told: is told of the progress.

    Yields:
        What became of each.

    Raises:
        UsageError: the file is of no form that is known; or it is turnkeep's own of one
            conversation, and damaged: nothing was imported then.
        Conflict: it is such a one, and its name is taken.
    """
    form = wish.form or recognise(path)
    key = await store.load_digest_key(owner)
    if form == "jsonl":
        outcomes = _Own(store, owner, wish, key).bring(path, told)
    else:
        if wish.name is not None:
            check_new_name(wish.name)
        outcomes = _Foreign(store, owner, wish, key).bring(path, form, told)
    async for outcome in outcomes:
        yield outcome


async def sweep_imports(store: Carrier, owner: str) -> None:
    """Take away what killed imports have left, unless they are still running."""
    for key in await store.unfinished_imports(owner):
        if not await store.held_leases(f"conversation:{key}", now=time.time()):
            try:
                await store.delete_conversation(owner, key)
            except ConversationNotFound:
                pass  # another process has swept it away


class _Names:
    """Names that are free. Example: "Plan", where there is one → "Plan (2)"."""

    def __init__(self, store: Carrier, owner: str) -> None:
        self._store, self._owner = store, owner
        self._last: dict[str, int] = {}

    async def find(self, wanted: str | None) -> str | None:
        name = _clean(wanted or "")
        if not name:
            return None
        number = self._last.get(name, 1)
        while True:
            end = f" ({number})" if number > 1 else ""
            found = name[: MAX_NAME - len(end)] + end
            if await self._store.find_conversation(self._owner, found) is None:
                self._last[name] = number
                return found
            number += 1


def _clean(name: str) -> str:
    """A name as it can be kept; one that reads as an id is no name."""
    name = " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())[:MAX_NAME].strip()
    try:
        return check_new_name(name)
    except UsageError:
        return ""


def _digest(key: bytes, *texts: str) -> bytes:
    packed = json.dumps(["import", *texts]).encode()
    return hmac.digest(key, packed, "sha256")[:_DIGEST_BYTES]


# -- other programs' files ------------------------------------------------------
class _Foreign:
    def __init__(self, store: Carrier, owner: str, wish: Wish, key: bytes) -> None:
        self._store, self._owner, self._wish, self._key = store, owner, wish, key
        self._names = _Names(store, owner)

    async def bring(self, path: File, form: Form, told: Told) -> AsyncIterator[Outcome]:
        found = read_conversations(path, form, _written(path), told)
        while True:
            try:
                one = next(found, None)
            except Unreadable as error:
                yield Outcome(kind="unread", why=str(error), ended=True)
                return
            if one is None:
                return
            if isinstance(one, Unreadable):
                yield Outcome(kind="unread", why=str(one))
            else:
                yield await self._bring_one(one)

    async def _bring_one(self, one: ImportedConversation) -> Outcome:
        source = _digest(self._key, one.program, one.source)
        version = _digest(self._key, one.version)
        known = None if self._wish.again else await self._store.find_import(self._owner, source)
        if known is not None:
            return Outcome(kind="known" if known.version == version else "changed", name=one.name or "")
        # Held before it is there, so that no other process takes it for the rest of a killed import.
        conversation = conversation_id(make_key())
        lease = await take_import(self._store, conversation)
        made = await self._store.begin_import(self._owner, conversation, source, version, now=one.created)
        course = _Course(self._store, self._owner, made, one.program, lease)
        try:
            await self._fill(course, one)
        except BaseException as error:
            await self._store.delete_conversation(self._owner, made.id)
            if isinstance(error, Unreadable):
                return Outcome(kind="unread", name=one.name or "", why=str(error))
            raise
        finally:
            await course.drop()
        if course.turns == 0:
            await self._store.delete_conversation(self._owner, made.id)
            return Outcome(kind="empty", name=one.name or "")
        return await self._end(course, one)

    async def _fill(self, course: "_Course", one: ImportedConversation) -> None:
        if one.instructions:
            await self._store.save_instructions(self._owner, course.row.id, one.instructions, now=one.created)
        batch: list[ImportedTurn] = []
        for turn in one.turns:
            batch.append(turn)
            if len(batch) == BATCH:
                await course.append(batch)
                batch = []
        await course.append(batch)
        if course.turns:
            await course.point(one.updated)
            name = await self._names.find(self._wish.name or one.name)
            if name is not None:
                await self._store.rename_conversation(self._owner, course.row.id, name)
            await self._store.end_import(self._owner, course.row.id, now=time.time())

    async def _end(self, course: "_Course", one: ImportedConversation) -> Outcome:
        row = await self._store.load_conversation(self._owner, course.row.id)
        left_out = {what: count for what, count in one.left_out.items() if count}
        return Outcome(kind="imported", name=row.name or row.id, turns=row.turns, left_out=left_out)


class _Course:
    """An import in its course. Turn n of the file, from 0, gets the number n + 1."""

    def __init__(self, store: Carrier, owner: str, row: Conversation, program: str, lease: Lease) -> None:
        self._store, self._owner, self.row, self._program = store, owner, row, program
        self._lease = lease
        self.turns = 0
        self._tip = 0  # number of the turn that the conversation stands at; 0: its beginning
        self._newest = row.created

    async def hold(self) -> None:
        """Hold the conversation longer."""
        if time.time() >= self._lease.expires - LEASE_SECONDS / 2:
            self._lease = await take_import(self._store, self.row.id)

    async def drop(self) -> None:
        """Give it back."""
        await self._store.drop_lease(self._lease)

    async def append(self, turns: list[ImportedTurn]) -> None:
        """Append turns, and see where the conversation stands."""
        if not turns:
            return
        await self.hold()
        carried = [self._carry(turn) for turn in turns]
        self.turns = await self._store.append_carried(self._owner, self.row.id, carried, lease=self._lease)

    def _carry(self, turn: ImportedTurn) -> CarriedTurn:
        after = 0 if turn.after is None else turn.after + 1
        self.turns += 1
        if turn.current:  # what was not answered is not what it stands at, as here
            self._tip = self.turns if turn.answered else after
        self._newest = max(self._newest, turn.items[-1][1])
        receipt = Receipt(engine=self._program, model=turn.model, window=0, reserve=0, high=0, low=0)
        return CarriedTurn(
            after=after,
            items=turn.items,
            state="done" if turn.answered else "failed",
            error=None if turn.answered else NO_ANSWER,
            receipt=dump_receipt(receipt) if turn.model else None,
        )

    async def point(self, updated: float | None) -> None:
        """Let the conversation stand where it stood."""
        turn = await self._store.load_turn(self._owner, self.row.id, self._tip) if self._tip else None
        to = self.row.tip if turn is None else turn.tip
        await self._store.move_tip(
            self._owner, self.row.id, to, lease=self._lease, now=updated or self._newest
        )


# -- turnkeep's own -------------------------------------------------------------
class _Own:
    def __init__(self, store: Carrier, owner: str, wish: Wish, key: bytes) -> None:
        self._store, self._owner, self._wish, self._key = store, owner, wish, key
        self._names = _Names(store, owner)
        self._here: Counter[tuple[object, ...]] | None = None  # what stood in the store at the beginning
        self._passed: Counter[str] = Counter()  # first lines of this file so far

    async def bring(self, path: File, told: Told) -> AsyncIterator[Outcome]:
        with path.open("rb") as file:
            size = _size(path)
            source = _Counted(read_lines(file), lambda done: told(done, size))
            first = parse_line(next(source, b""), 1)
            if first.get("kind") != "all":
                yield await self._bring_one(first, source, alone=True)
                return
            try:
                async for outcome in self._bring_all(source):
                    yield outcome
            except UsageError as error:
                yield Outcome(kind="unread", why=str(error), ended=True)

    async def _bring_all(self, source: "_Counted") -> AsyncIterator[Outcome]:
        for count, line in enumerate(source):
            row = parse_line(line, source.count)
            if row.get("kind") == "all_end":
                if row.get("conversations") != count:
                    raise UsageError(f"The file should hold {row.get('conversations')} conversations.")
                return
            yield await self._bring_one(row, source, alone=False)
        raise UsageError("The file was cut short: more conversations should follow.")

    async def _bring_one(self, first: Row, source: "_Counted", *, alone: bool) -> Outcome:
        wanted = self._wish.name or first.get("name")
        told = json.dumps({**first, "name": None}, sort_keys=True)
        earlier = self._passed[told]
        self._passed[told] += 1
        marks = self._marks(told, earlier)
        named = self._wish.name is not None or self._wish.again
        if not named and await self._is_here(first, marks, earlier, alone):
            self._pass_over(source)
            return Outcome(kind="known", name=str(first.get("name") or ""))

        async def note(conversation: str) -> None:
            await self._store.mark_import(self._owner, conversation, *marks, now=time.time())

        row = await import_one(
            self._store,
            self._owner,
            first,
            source,
            name=wanted if alone and isinstance(wanted, str) else await self._names.find(_text(wanted)),
            alone=alone,
            before=source.count - 1,
            at_end=note,
        )
        return Outcome(kind="imported", name=row.name or row.id, turns=row.turns)

    def _marks(self, told: str, earlier: int) -> tuple[bytes, bytes]:
        """An export holds no ids: its first line, with its times and places, stands for it.

        Copies of one conversation may differ in their words only: how many came earlier in the file tells them apart.
        """
        which = [told, str(earlier)] if earlier else [told]
        return _digest(self._key, "turnkeep", *which), _digest(self._key, *which)

    async def _is_here(self, first: Row, marks: tuple[bytes, bytes], earlier: int, alone: bool) -> bool:
        if await self._store.find_import(self._owner, marks[0]) is not None:
            return True
        if alone:
            return False  # of one conversation, the name that is taken is complained of
        if self._here is None:
            rows = [row async for row in list_all(self._store, self._owner)]
            self._here = Counter((row.created, row.updated, row.tip.branch, row.tip.seq) for row in rows)
        try:
            return earlier < self._here[first.get("created"), first.get("updated"), *first["tip"]]
        except (KeyError, TypeError):
            return False  # damaged: it will be complained of

    def _pass_over(self, source: "_Counted") -> None:
        for line in source:
            # Other programs may have written the lines anew, with spaces; only a short one can be the last.
            if len(line) <= _MOST_END_BYTES and parse_line(line, source.count).get("kind") == "end":
                return


def _size(path: File) -> int:
    return path.stat().st_size


def _written(path: File) -> float:
    """When the file was written last: the time of what says none."""
    return path.stat().st_mtime


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


class _Counted:
    """Lines, counted, and how many bytes they were."""

    def __init__(self, lines: Iterator[bytes], told: Callable[[int], None]) -> None:
        self._lines, self._told = lines, told
        self.count = 0
        self._done = 0

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> bytes:
        line = next(self._lines)
        self.count += 1
        self._done += len(line)
        self._told(self._done)
        return line
