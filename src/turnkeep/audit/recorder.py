"""The journal as a chat or a gateway has it: takes turns as they end, writes them behind, says what went wrong.

Nobody waits for it but where a record is required. What has not been written yet stands in a queue
with an end: when the journal fails for long, turns are counted instead of kept, and the first record
that can be written again says how many are missing.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field

from ..errors import AuditFailed, TurnkeepError
from ..store.heads import AuditHead, Heads
from ..store.outside import TextSealer
from .base import AuditRules, Entry, Forgotten, Level, Masking, Which
from .entries import make_draft
from .folder import Folder
from .forgetting import Meant, finish_forgetting, forget_texts
from .forgotten import KEPT_SECONDS
from .journal import Draft, Journal, wish_rotation
from .preparing import Preparer

MOST_WAITING = 1_024  # turns that wait to be written
MOST_BYTES = 32 * 1024 * 1024  # of their texts
TOGETHER = 64  # records that go to the disk in one write

_log = logging.getLogger("turnkeep.audit")


@dataclass(slots=True, eq=False)
class _Waiting:
    """A record that waits to be written."""

    entry: Entry | None  # None: not a turn's
    draft: Draft | None  # None: its texts have still to be masked or sealed
    bytes: int = 0
    written: bool = False
    since: float = field(default_factory=time.monotonic)  # when it was handed over
    done: "asyncio.Future[None] | None" = None  # of who waits for it

    def tell(self) -> None:
        """Tell who waits that it is written and known to the database."""
        if self.written and self.done is not None and not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True)
class _Queue:
    """What waits, and the journal that it goes to."""

    journal: Journal
    waiting: deque[_Waiting] = field(default_factory=deque)
    bytes: int = 0
    lost: int = 0  # turns that found no room
    stripped: set[tuple[str, str]] = field(
        default_factory=set
    )  # conversations of which turns lost their texts
    lock: threading.Lock = field(default_factory=threading.Lock)  # of the thread that writes
    pid: int = field(default_factory=os.getpid)

    def add(self, each: _Waiting) -> None:
        """Put something last."""
        self.waiting.append(each)
        self.bytes += each.bytes

    def remove(self, each: _Waiting) -> None:
        """Take something out, if it is still there."""
        with contextlib.suppress(ValueError):
            self.waiting.remove(each)
            self.bytes -= each.bytes

    def take_ready(self) -> list[_Waiting]:
        """Take out what was written; give what can be written next."""
        while self.waiting and self.waiting[0].written:
            self.remove(self.waiting[0])
        ready = itertools.takewhile(lambda each: each.draft is not None, self.waiting)
        return [each for each in itertools.islice(ready, TOGETHER) if not each.written]

    def write(self, ready: Sequence[_Waiting], announced: str) -> AuditHead | None:
        """Write it, in the thread; returns the file that the database has to know of first."""
        with self.lock:
            while rest := [each for each in ready if not each.written]:
                if (wanted := self.journal.wanted()) is not None:
                    if wanted.file != announced:
                        return wanted
                    self.journal.begin()
                self._append(rest)
        return None

    def _append(self, rest: Sequence[_Waiting]) -> None:
        if lost := self.lost:
            self.journal.append([Draft({"kind": "gap", "at": time.time(), "turns": lost})])
            self.lost -= lost
            return  # the file may be full now
        with self.journal.holding() as forgotten:
            meant = Meant(forgotten)
            for each in rest:
                if each.entry is not None and _is_forgotten(each, each.entry, meant):
                    each.draft = make_draft(each.entry, None)
                    self.stripped.add((each.entry.owner, each.entry.conversation))
            count = self.journal.append([each.draft for each in rest if each.draft is not None])
        for each in rest[:count]:
            each.written = True

    def flush(self) -> None:
        """Write what is left when nobody has closed the recorder: into the file that is open, without the database."""
        if self.pid != os.getpid() or not self.lock.acquire(timeout=1):
            return
        try:
            self._strip_unready()
            while self.journal.is_ready and (ready := self.take_ready()):
                self._append(ready)
        except AuditFailed as error:
            _log.warning("%s", error)
        finally:
            self.lock.release()
            self.journal.close()

    def _strip_unready(self) -> None:
        """Leave sizes alone of what has still to be masked or sealed: nobody is there any more who could."""
        for each in list(self.waiting):
            if each.draft is None and each.entry is not None:
                each.draft = make_draft(each.entry, None)


class Recorder:
    """Records turns; implements `Audit`.

    Args:
        folder: where the journal is.
        rules: what is written.
        heads: the database, which keeps how far each file has come; None: there is none that could.
        masking: replaces personal data; None: it is not installed.
        sealer: seals what is kept of the texts; None: the store is not encrypted.
        clock: seconds since the epoch.
        linger: seconds that a turn waits for others, to go to the disk with them; none where its record is required.
    """

    def __init__(
        self,
        folder: Folder,
        rules: AuditRules,
        *,
        heads: Heads | None = None,
        masking: Masking | None = None,
        sealer: TextSealer | None = None,
        clock: Callable[[], float] = time.time,
        linger: float = 0.0,
    ) -> None:
        self.folder, self.rules = folder, rules
        self.level: Level = rules.level or ("masked" if masking is not None else "sizes")
        self.problem: str | None = None
        self._preparer = Preparer(self.level, masking, sealer)
        self._heads, self._clock = heads, clock
        self._queue = _Queue(Journal(folder, rules, clock=clock))
        self._told = ""  # the last problem that was logged
        self._known: list[AuditHead] | None = None  # what the database knew when it was opened
        self._task: asyncio.Task[None] | None = None
        self._linger = 0.0 if rules.required else linger
        self._timer: tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle] | None = None  # and whose it is
        self._last = weakref.finalize(self, self._queue.flush)

    @property
    def required(self) -> bool:
        """Whether no turn may be done before its record is durable."""
        return self.rules.required

    # -- what turns hand over ---------------------------------------------------------------------

    def note(self, entry: Entry) -> None:
        """Write it soon; where no room is left, it is counted."""
        self._own()
        queue, each = self._queue, self._prepare(entry)
        if len(queue.waiting) >= MOST_WAITING or queue.bytes + each.bytes > MOST_BYTES:
            queue.lost += 1
        else:
            queue.add(each)
        if self._lingers:
            self._start_later()
        else:
            self._start()

    async def keep(self, entry: Entry) -> None:
        """Write it, durable when this returns.

        Raises:
            AuditFailed: it could not be written.
        """
        self._own()
        each = self._prepare(entry)
        each.done = asyncio.get_running_loop().create_future()
        self._queue.add(each)
        try:
            await self._drain_until(lambda: each.written, each.done)
        finally:
            if not each.written:
                self._queue.remove(each)

    async def check(self) -> None:
        """See whether the journal can be written now. Raises `AuditFailed`."""
        if self.problem is not None or self._known is None:
            await self._drain_until(lambda: self._known is not None and self.problem is None)

    async def drain(self) -> None:
        """Wait until everything is written, or cannot be."""
        while self._queue.waiting:
            await self._join()
            if self.problem is not None:
                return

    async def close(self) -> None:
        """Write what waits, and give the writer's place back."""
        await self.drain()
        await self._join(start=False)
        if self._queue.waiting or self._queue.lost:
            count = len(self._queue.waiting) + self._queue.lost
            _log.warning("%d turns are missing in the audit journal: %s", count, self.problem)
        self._last.detach()
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None
        await asyncio.to_thread(self._queue.journal.close)
        self._queue = _Queue(Journal(self.folder, self.rules, clock=self._clock))
        self._last = weakref.finalize(self, self._queue.flush)
        self._known = None

    def _own(self) -> None:
        """Begin anew in a forked process: what waits there is the other's to write."""
        if self._queue.pid != os.getpid():
            self._queue, self._known, self._task = (
                _Queue(Journal(self.folder, self.rules, clock=self._clock)), None, None,
            )  # fmt: skip
            self._timer = None
            self._last = weakref.finalize(self, self._queue.flush)

    def _prepare(self, entry: Entry) -> _Waiting:
        kept = self._preparer.keeps(entry)
        if kept and self._known is None:
            with contextlib.suppress(
                OSError
            ):  # so that who forgets finds where to say so; `_work` tells what fails
                self.folder.make()
        return _Waiting(entry, self._preparer.prepare_now(entry), sum(len(text) for text in kept.values()))

    # -- writing, behind --------------------------------------------------------------------------

    @property
    def _lingers(self) -> bool:
        """Whether what waits can wait for more: all is well, and there is little of it."""
        well = self._linger > 0 and self._known is not None and self.problem is None
        return well and len(self._queue.waiting) < TOGETHER

    def _start_later(self) -> None:
        """Write after a moment: masking, writing and telling the database cost hardly more for many than for one."""
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timer[0] is not loop:
            self._timer = loop, loop.call_later(self._linger, self._start_now, context=Context())

    def _start_now(self) -> None:
        self._timer = None
        if self._queue.waiting:
            self._start()

    def _start(self) -> "asyncio.Task[None]":
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            # In a context of its own: it would inherit what the turn that called knows of itself.
            self._task = loop.create_task(self._work(), context=Context())
        return self._task

    async def _join(self, until: "asyncio.Future[None] | None" = None, *, start: bool = True) -> None:
        """Wait for the writing to end, or for `until`."""
        task = self._start() if start else self._task
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            futures = {task} if until is None else {task, until}
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)

    async def _drain_until(
        self, done: Callable[[], bool], until: "asyncio.Future[None] | None" = None
    ) -> None:
        self.problem = None
        while True:
            await self._join(until)
            if done():
                return
            if self.problem is not None:
                raise AuditFailed(self.problem)

    async def _work(self) -> None:
        """Write until nothing waits."""
        try:
            await self._open()
            while self._queue.waiting:
                await self._prepare_first()
                await self._write()
                if self._lingers:
                    break
            await self._expire()
        except TurnkeepError as error:
            self._tell(str(error))
        except Exception as error:
            _log.exception("the audit journal was left")
            self._tell(f"The audit journal was left ({type(error).__name__}: {error}): the log says more.")
        else:
            self.problem = None
            if self._queue.waiting:  # it came meanwhile
                self._start_later()

    def _tell(self, problem: str) -> None:
        """Say once what is wrong; turns tell the person."""
        if problem != self._told:
            _log.warning("%s", problem)
        self.problem = self._told = problem

    async def _open(self) -> None:
        if self._known is not None:
            return
        heads = await self._load_heads()
        journal = self._queue.journal
        made = not self.folder.exists
        await asyncio.to_thread(journal.open, heads)
        self._known = heads
        if made and self.rules.level is None and self.level == "sizes":
            _log.warning(
                "The audit journal %s keeps sizes, not what was said: personal data cannot be masked here. "
                "pip install 'turnkeep[privacy]' changes that.",
                self.folder.path,
            )
        await self._save_heads()
        unfinished = await asyncio.to_thread(finish_forgetting, self.folder)
        if unfinished is not None:
            await self._record_forgotten(unfinished)

    async def _prepare_first(self) -> None:
        """Mask and seal the texts of those that are to be written next."""
        turns: dict[tuple[str, str], list[_Waiting]] = {}
        for each in itertools.islice(self._queue.waiting, TOGETHER):
            if each.draft is None and (entry := each.entry) is not None:
                turns.setdefault((entry.owner, entry.conversation), []).append(each)
        if len(turns) == 1:
            await self._prepare_turns(*turns.values())
        elif turns:  # their marks are loaded together
            await asyncio.gather(*map(self._prepare_turns, turns.values()))

    async def _prepare_turns(self, turns: Sequence[_Waiting]) -> None:
        """Mask and seal the texts of turns of one conversation, in their order."""
        for each in turns:
            if each.draft is None and (entry := each.entry) is not None:
                draft = await self._preparer.prepare(entry)
                if each.draft is None:  # else it was forgotten meanwhile
                    each.draft = draft

    async def _write(self) -> None:
        queue, announced, ready = self._queue, "", self._queue.take_ready()
        while (wanted := await asyncio.to_thread(queue.write, ready, announced)) is not None:
            await self._announce(wanted)
            announced = wanted.file
        queue.take_ready()
        await self._save_heads()
        await self._sweep_stripped()
        for each in ready:
            each.tell()

    async def _sweep_stripped(self) -> None:
        """Let go of the marks of turns that another process forgot while they waited here: masking has kept them anew."""
        while self._queue.stripped:
            await self._preparer.sweep(*self._queue.stripped.pop())

    async def _announce(self, head: AuditHead) -> None:
        """Have the database know of a file before it is there, so that one it does not know is nobody's of ours."""
        while self._heads is not None:
            files = sum(1 for known in await self._load_heads() if known.file)
            if await self._heads.begin_audit_file(head, self._queue.journal.roll(files + 1)):
                return

    async def _load_heads(self) -> list[AuditHead]:
        return [] if self._heads is None else await self._heads.load_audit_heads()

    async def _save_heads(self) -> None:
        journal = self._queue.journal
        heads = journal.take_heads()
        if not heads or self._heads is None:
            return
        try:
            await self._heads.save_audit_heads(heads)
        except BaseException:
            journal.learn_again(heads)
            raise

    async def _expire(self) -> None:
        """Delete the files whose time is over."""
        journal, known = self._queue.journal, self._known or []
        if self.rules.keep_days and (names := await asyncio.to_thread(journal.expire, known)):
            await self._save_heads()
            await asyncio.to_thread(journal.erase, names)

    # -- forgetting and closing files --------------------------------------------------------------

    async def forget(self, *which: Which, dry_run: bool = False) -> Forgotten:
        """Take the texts of turns out of the journal, for good.

        Args:
            which: whose; the journal is gone through once for all of them.
            dry_run: only count them.

        Returns:
            What was taken out, or would be.

        Raises:
            AuditFailed: the journal cannot be read or written; asking again goes on with what was begun.
        """
        self._own()
        if not dry_run:
            self._strip(which)  # first, so that it is not masked, which would keep its values anew
        await self.drain()
        if not dry_run:
            self._strip(which)  # what was just being masked, and could not be written
            await self._sweep(which)
        if not self.folder.exists:
            if self.folder.path.exists():
                raise AuditFailed(
                    f"{self.folder.path} is in the way of the audit journal, and turns may wait for it: move it away."
                )
            return Forgotten()
        if dry_run:
            return await asyncio.to_thread(forget_texts, self.folder, *which, dry_run=True)
        await self._drain_until(lambda: self._known is not None)
        found = await asyncio.to_thread(forget_texts, self.folder, *which)
        if found.records:
            await self._record_forgotten(found)
        return found

    def _strip(self, which: Sequence[Which]) -> None:
        """Leave sizes alone of what waits to be written."""
        meant = Meant(which)
        for each in list(self._queue.waiting):
            if each.entry is not None and meant.is_meant(each.entry):
                each.draft = make_draft(each.entry, None)

    async def _sweep(self, which: Sequence[Which]) -> None:
        """Let go of marks: a turn that waited here was masked, and its marks kept, after the database had forgotten it."""
        for each in which:
            if each.owner is not None and each.conversation is not None:
                await self._preparer.sweep(each.owner, each.conversation)

    async def _record_forgotten(self, found: Forgotten) -> None:
        """Say in the chain which records were forgotten, and then that it is done."""
        draft = Draft({"kind": "forget", "at": self._clock(), "records": found.records})
        each = _Waiting(None, draft)
        self._queue.add(each)
        if asyncio.current_task() is self._task:  # this is the writing itself
            await self._write()
        else:
            await self._drain_until(lambda: each.written)
        await asyncio.to_thread(self.folder.intent.unlink, missing_ok=True)

    async def rotate(self) -> None:
        """Close the file that this recorder writes, and have others close theirs with their next record; delete old ones."""
        if not self.folder.exists:
            return
        await asyncio.to_thread(wish_rotation, self.folder, self._clock())
        await self._drain_until(lambda: self._known is not None)
        journal = self._queue.journal
        if (wanted := await asyncio.to_thread(journal.wanted)) is not None:
            await self._announce(wanted)
            await asyncio.to_thread(journal.begin)
        await self._save_heads()
        await self._expire()


def _is_forgotten(each: _Waiting, entry: Entry, forgotten: Meant) -> bool:
    """Whether a turn was forgotten while it waited, or waited for longer than that is known."""
    old = time.monotonic() - each.since > KEPT_SECONDS
    return old or forgotten.is_meant(entry)
