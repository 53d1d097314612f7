"""Turns of a gateway, stored or not: started at once, run when the engine has room, read as they come.

The memory is the one of the library: `run_turn` with a `Desk`. Added is what many people on
one engine need: a queue, one turn of a conversation at a time, upkeep that makes way,
and turns that go on while nobody reads them.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..audit.base import Audit
from ..context.receipt import TurnRange
from ..conversation.items import Item
from ..conversation.log import Position
from ..embed.base import Embedder
from ..errors import AuditFailed, ContextOverflow, EngineBusy, QueueFull, TurnkeepError
from ..holding import hold_alone, hold_conversation, name_holder
from ..keeping import check_audit, keep_audit_unstored
from ..masking import Masking
from ..prompt import Desk, Options
from ..store.base import Conversation, ConversationKind, Lease, Turn
from ..turn import Finished, KeepBeside, OnBegun, Reply, Said, Say, run_turn
from ..wire.assemble import Assembler
from .desks import Desks, Seat
from .engines import EnginePool, Member, Passage, PooledEngine, passage
from .fitting import fit_input
from .running import Running
from .summing import Digest, describe_summary
from .tending import Tender
from .turning import group_turns
from .unstored import Unstored, UnstoredTurns, make_reply

if TYPE_CHECKING:
    from .gateway import GatewayStore

__all__ = ["Ask", "Digest", "Ended", "Running", "Turns", "Unstored"]

Truncation: TypeAlias = Literal["auto", "disabled"]

MOST_KEPT = 256  # turns that run without a reader
FIRST_RETRY_SECONDS = 5
# Fields that change how a prompt is rendered: upkeep's requests need them too, to extend it.
RENDERING = ("chat_template_kwargs", "reasoning_effort")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A turn that is kept.

    owner: whose conversation.
    conversation: its id.
    say: what is said and the item that it hangs on; as `Said` where that is known, which saves a call to the store,
        otherwise asked once the conversation is held.
    options: how the request is made.
    instructions: those of this request; None: none.
    inherit: instructions of None leave those that the conversation has.
    made: the conversation is not there yet, and is made of this kind along with the turn.
    on_begun: is awaited when the items are durable, before the engine is called.
    keep_beside: says what is kept along with the reply.
    truncation: what happens to input that does not fit alone: "auto" keeps its oldest items as turns that stand
        before this one, where the prompt can do without them. A conversation has to be there for that: not with `made`.
    """

    owner: str
    conversation: str
    say: Say
    options: Options
    instructions: str | None = None
    inherit: bool = False
    made: ConversationKind | None = None
    on_begun: OnBegun | None = None
    keep_beside: KeepBeside | None = None
    truncation: Truncation = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a turn ended, for whoever counts: outcome is "done", "cut_off", "failed" or "refused"."""

    outcome: str
    reply: Reply | None = None
    stored: bool = True


class Turns:
    """The turns of a gateway.

    Args:
        store: where conversations are kept.
        pool: the engines.
        embedder: finds earlier turns by meaning; None: by their words alone. Closed by whoever made it.
        embedding_seconds: how long a turn waits for the vector of its message.
        watch: is told of each turn that has ended.
        on_tended: is told when upkeep of a conversation was done.
        upkeep: False leaves summaries and warming to other processes.
        most_kept: turns that may run without a reader.
        masking: what the models read in place of personal data; None: nothing.
        audit: takes what turns hand over; None: nothing is recorded. Closed by whoever made it.
    """

    def __init__(
        self,
        store: "GatewayStore",
        pool: EnginePool,
        *,
        embedder: Embedder | None = None,
        embedding_seconds: float | None = 0.05,
        watch: Callable[[Ended], None] | None = None,
        on_tended: Callable[[], None] | None = None,
        upkeep: bool = True,
        most_kept: int = MOST_KEPT,
        masking: Masking | None = None,
        audit: Audit | None = None,
    ) -> None:
        self.store, self.pool = store, pool
        self.watch = watch
        self._holder = name_holder()
        self.desks = Desks(
            store, pool, holder=self._holder, embedder=embedder, embedding_seconds=embedding_seconds,
            masking=masking, audit=audit,
        )  # fmt: skip
        self._audit = audit
        self._unstored = UnstoredTurns(store, pool, self.desks, holder=self._holder, masking=masking)
        self.tenders = {
            member: Tender(member, self.desks, on_step=on_tended) for member in pool.members if upkeep
        }
        self._live: set[Running] = set()
        self._most_kept = most_kept
        self._closed = False

    # -- beginning --------------------------------------------------------------------------------

    def start(self, ask: Ask) -> Running:
        """Begin a turn that is kept; it runs from now on.

        Raises:
            QueueFull: too many wait; nothing was kept.
        """
        seat = self.desks.find(ask.owner, ask.conversation)
        if ask.made is not None:
            seat.indexer.begin_anew()
        way = self._enter(ask.owner, seat.engine, side=False)
        return self._launch(lambda running: self._keep_turn(ask, seat, running), way, ask.conversation)

    def start_unstored(self, unstored: Unstored) -> Running:
        """Begin a turn of which nothing is kept. Raises `QueueFull`."""
        engine = self._engine_for(unstored)
        way = self._enter(unstored.owner, engine, side=unstored.side)
        return self._launch(lambda running: self._pass_through(unstored, engine, running), way, None)

    def keep(self, running: Running) -> None:
        """Let a turn run though nobody reads it. Raises `QueueFull` when too many do."""
        if sum(each.kept for each in self._live) >= self._most_kept:
            raise QueueFull(
                f"{self._most_kept} requests run in the background already: try again a little later.",
                retry_after=FIRST_RETRY_SECONDS,
            )
        running.kept = True

    def _enter(self, owner: str, engine: PooledEngine, *, side: bool) -> Passage:
        if self._closed:
            raise EngineBusy("The gateway is closing: try again when it has started anew.")
        way = Passage(owner=owner, side=side)
        way.enter(engine.member)
        return way

    def _launch(
        self, work: Callable[[Running], Awaitable[Reply]], way: Passage, conversation: str | None
    ) -> Running:
        running = Running(work, way, conversation)
        self._live.add(running)
        running.task.add_done_callback(lambda _: self._live.discard(running))
        return running

    def _engine_for(self, unstored: Unstored) -> PooledEngine:
        if unstored.base is not None:
            return self.desks.find(unstored.owner, unstored.base[0]).engine
        return self.pool.seat(None)

    # -- turns that are kept ------------------------------------------------------------------------

    async def _keep_turn(self, ask: Ask, seat: Seat, running: Running) -> Reply:
        reply: Reply | None = None
        try:
            async with self._seated(seat):
                running.begun = True
                reply = await self._talk(ask, seat, running)
                return reply
        except TurnkeepError as error:
            error.begun = running.turn is not None and running.way.called
            raise
        finally:
            self._tell(reply, began=running.turn is not None)
            if running.turn is not None and (reply is None or not seat.is_tended):
                self.tend(ask.owner, ask.conversation)

    async def _talk(self, ask: Ask, seat: Seat, running: Running) -> Reply:
        seat.desk.options = _lasting(ask.options)
        reply = await run_turn(
            seat.desk,
            await self._say(ask, seat, running),
            options=ask.options,
            emit=running.emit,
            stop=running.stopping,
            instructions=None if ask.inherit and ask.instructions is None else ask.instructions or "",
            made=ask.made,
            on_begun=partial(_begun, ask, running),
            keep_beside=ask.keep_beside,
        )
        engine, seat.answered = seat.answered, running.way.engine or seat.answered
        if engine and engine != seat.answered:
            running.moved = "another engine"
        running.left_out = _count_unread(running.front, reply.receipt.verbatim)
        return reply

    async def _say(self, ask: Ask, seat: Seat, running: Running) -> Say:
        """What the turn says, as far as it fits; asked under the lease only where it depends on the conversation."""
        said, auto = ask.say, ask.truncation == "auto" and ask.made is None
        fit = partial(fit_input, seat.desk, ask.options, instructions=ask.instructions or "")
        if auto and not isinstance(said, Said):
            said = Said(*await said(await seat.desk.load()))
        if isinstance(said, Said):
            items = await fit(said.items, auto=auto)
            if front := said.items[: len(said.items) - len(items)]:
                running.front = await self._keep_front(seat.desk, front, said.after)
                return Said(items, None if said.after is None else running.front[-1].tip)
            return replace(said, items=items)

        async def say(row: Conversation) -> tuple[Sequence[Item], Position]:
            items, after = await said(row)
            return await fit(items, auto=False), after

        return say

    async def _keep_front(self, desk: Desk, front: Sequence[Item], after: Position | None) -> list[Turn]:
        """Keep what does not fit beside the rest of an input: it was said, and can be folded and recalled."""
        async with hold_conversation(desk) as lease:
            return await self.store.append_turns(
                desk.owner,
                desk.conversation,
                group_turns(front),
                after=after or (await desk.load()).tip,
                lease=lease,
                now=time.time(),
            )

    # -- turns that are not -------------------------------------------------------------------------

    async def _pass_through(self, unstored: Unstored, engine: PooledEngine, running: Running) -> Reply:
        reply, assembler = None, Assembler()
        try:
            assert running.way.member is not None
            problem = await check_audit(self._audit)
            await self._make_way(running.way.member)
            try:
                await self._answer(unstored, engine, running, assembler)
            except asyncio.CancelledError:
                if not running.stopping.is_set():
                    raise
            running.begun = True  # nothing is left to stop: who hangs up now does not break off its record
            made = make_reply(running.draft, assembler, () if problem is None else (problem,))
            await self._record(unstored, running, made, made.state)
            running.emit(Finished(made))
            reply = made
            return reply
        except AuditFailed:
            raise  # nor can it be recorded that it failed
        except Exception:
            with contextlib.suppress(AuditFailed):  # it failed either way
                await self._record(unstored, running, make_reply(running.draft, assembler), "failed")
            raise
        finally:
            self._tell(reply, began=True, stored=False)

    async def _record(self, unstored: Unstored, running: Running, reply: Reply, state: str) -> None:
        """Have the journal say that it went through; what never came to be a request did not."""
        if running.draft is not None:
            await keep_audit_unstored(
                self._audit, unstored.owner, unstored.items, reply.message, state=state, receipt=reply.receipt
            )

    async def _answer(
        self, unstored: Unstored, engine: PooledEngine, running: Running, assembler: Assembler
    ) -> None:
        for attempt in (1, 2):
            draft = running.draft = await self._unstored.draft(unstored, engine)
            running.left_out = draft.left_out
            try:
                await self._unstored.run(draft, engine, running.emit, assembler)
                return
            except ContextOverflow:  # what was only estimated: the engine has taught better
                if attempt == 2 or unstored.truncation != "auto":
                    raise

    async def count(self, unstored: Unstored) -> int:
        """Tokens of the prompt that a request would make.

        Raises:
            ContextOverflow, EngineError, ConversationNotFound: as the turn would.
        """
        engine = self._engine_for(unstored)
        draft = await self._unstored.draft(unstored, engine)
        if draft.size.exact:
            return draft.size.tokens
        counted = await engine.count(draft.request)
        if counted is not None:
            return counted
        await draft.desk.meter.prepare(draft.info)
        size = await draft.desk.meter.prompt_size(
            draft.info, draft.request, summed=draft.size.tokens, limit=draft.info.window
        )
        return size.tokens

    # -- beside turns -----------------------------------------------------------------------------

    async def compact(
        self,
        owner: str,
        conversation: str,
        tip: Position,
        *,
        keep: Callable[[Digest], Awaitable[None]] | None = None,
    ) -> Digest:
        """Write what was said up to an item in a few lines.

        Args:
            owner: whose.
            conversation: its id.
            tip: the last item that counts.
            keep: stores it; meanwhile nothing of the conversation can be forgotten. None: nothing is stored.

        Raises:
            QueueFull, EngineError, ConversationNotFound: it cannot be done now, or at all.
        """
        seat = self.desks.find(owner, conversation)
        way = self._enter(owner, seat.engine, side=False)
        token = passage.set(way)
        try:
            async with self._seated(seat):
                if keep is None:
                    return await _describe(seat.desk, tip, way)
                async with hold_conversation(seat.desk):
                    digest = await _describe(seat.desk, tip, way)
                    await keep(digest)
                    return digest
        finally:
            passage.reset(token)
            way.leave()

    @contextlib.asynccontextmanager
    async def hold(
        self, owner: str, conversation: str, *, alone: bool = False
    ) -> AsyncGenerator[tuple[Desk, Lease], None]:
        """Hold a conversation to write to it without a turn.

        Args:
            owner: whose.
            conversation: its id.
            alone: wait until no upkeep of any process works on it, as forgetting must.

        Raises:
            Conflict: another program holds it for too long.
        """
        seat = self.desks.find(owner, conversation)
        held = hold_alone if alone else hold_conversation
        async with self._seated(seat), held(seat.desk) as lease:
            yield seat.desk, lease

    def tend(self, owner: str, conversation: str) -> None:
        """Have a conversation's summaries, warming and indexing done when nobody waits."""
        seat = self.desks.find(owner, conversation)
        tender = self.tenders.get(seat.engine.member)
        if tender is not None:
            tender.owe(seat.place)

    def forget(self, owner: str, conversation: str) -> None:
        """Keep nothing of a conversation in memory: it was deleted, or something in it was forgotten."""
        for tender in self.tenders.values():
            tender.settle((owner, conversation))
        self.desks.drop(owner, conversation)

    @contextlib.asynccontextmanager
    async def _seated(self, seat: Seat) -> AsyncGenerator[None, None]:
        """Have a conversation in hand: no other turn of it here, no upkeep."""
        seat.users += 1
        try:
            async with seat.lock:
                await self._make_way(seat.engine.member, seat)
                yield
        finally:
            seat.users -= 1

    async def _make_way(self, member: Member, seat: Seat | None = None) -> None:
        for known, tender in self.tenders.items():
            if known is member or (seat is not None and tender.tends(seat)):
                await tender.make_way()

    def _tell(self, reply: Reply | None, *, began: bool, stored: bool = True) -> None:
        if self.watch is not None:
            outcome = reply.state if reply is not None else "failed" if began else "refused"
            self.watch(Ended(outcome=outcome, reply=reply, stored=stored))

    # -- the end ----------------------------------------------------------------------------------

    @property
    def live(self) -> int:
        """How many turns run or wait."""
        return len(self._live)

    async def idle(self) -> None:
        """Wait until no turn is under way, and upkeep has nothing left to do."""
        while self._live:
            await asyncio.wait({running.task for running in self._live})
        for tender in self.tenders.values():
            await tender.idle()

    async def close(self, *, grace_seconds: float = 0.0) -> None:
        """Take no more turns; stop those that are under way after some seconds, and keep what was said."""
        self._closed = True
        if self._live and grace_seconds > 0:
            await asyncio.wait({running.task for running in self._live}, timeout=grace_seconds)
        await asyncio.gather(*(running.stop() for running in self._live))
        for tender in self.tenders.values():
            await tender.close()
        await self.desks.close()


def describe_turns(turns: Turns) -> Mapping[str, float]:
    """Numbers of what is under way, for metrics."""
    return {"turns": turns.live, "owing": sum(tender.owing for tender in turns.tenders.values())}


async def _begun(ask: Ask, running: Running, turn: Turn) -> None:
    running.turn = turn.number
    if ask.on_begun is not None:
        await ask.on_begun(turn)


async def _describe(desk: Desk, tip: Position, way: Passage) -> Digest:
    digest = await describe_summary(desk, tip)
    return replace(digest, usages=tuple(way.usages))


def _count_unread(front: Sequence[Turn], verbatim: Sequence[TurnRange]) -> int:
    """How many items of an input's front the model did not read word for word."""
    read = {number for first, last in verbatim for number in range(first, last + 1)}
    return sum(turn.last - turn.first + 1 for turn in front if turn.number not in read)


def _lasting(options: Options) -> Options:
    """What upkeep's requests share with the turns', so that they extend their prompt: not the shape of a reply."""
    sampling = {name: options.sampling[name] for name in RENDERING if name in options.sampling}
    return replace(options, sampling=sampling, temperature=None, max_tokens=None)
