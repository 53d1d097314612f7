"""The library's door: `AsyncChat`, one conversation with one engine, remembered.

Everything is made lazily, at the first call that needs it; the object binds nothing
to one event loop. Closing waits for what was said to be durable, not for upkeep:
the next process goes on with that.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from .audit.base import AuditRules, Level
from .context.strategy import NAMES, parse_strategy
from .conversation.items import Item, Part, say_items
from .conversation.log import Position
from .embed.base import Embedder
from .engine.base import Engine, EngineInfo
from .equipment import Equipment
from .errors import Conflict, ConversationNotFound, UsageError
from .forgetting.courses import Forgetter
from .forgetting.opening import open_forgetter
from .holding import hold_conversation, name_holder
from .indexing import Indexer
from .masking import Masking, mask_engine
from .minding import Minding
from .names import load_names
from .notes import append_notes, load_carried
from .prepared import Prepared, prepare_turn
from .privacy.kinds import parse_patterns
from .prompt import Desk, Options, check_max_tokens
from .recall import Recaller
from .record import (
    load_last_turn,
    load_said,
    load_turn_on_path,
)
from .store.base import Conversation, Store, Turn
from .store.erasing import Eraser
from .streaming import Streaming
from .transfer import check_name, check_new_name, check_owner
from .turn import Emit, Reply, Said, Say, run_turn
from .upkeep import Upkeep

LOCAL_OWNER = "local"
EMBEDDING_SECONDS = 0.05  # a message's vector takes some 20 ms; nobody is to wait for a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What opening a conversation found."""

    conversation: Conversation
    engine: EngineInfo
    resumed: bool  # False: the conversation is new
    notices: tuple[str, ...]


class AsyncChat(Minding):
    r"""One conversation with one engine, remembered across context windows and restarts.

    Args:
        engine: address of an OpenAI-style engine, such as "http://localhost:8080/v1"; an `Engine`
            of your own; "none" for programs that use `prepare()` and their own client; None for
            the embedded engine.
        conversation: its name or id; it is made when there is none of that name. None makes a
            new one without a name.
        new: refuse a name that exists.
        owner: whose conversation it is; names live within their owner.
        system: the instructions; None keeps those that the conversation has.
        model: the model's name at the engine; None takes the loaded one.
        temperature: as the engine understands it; None leaves it to the engine.
        max_tokens: limit of a reply; None leaves it to the engine, -1 is the room that is left.
        window: tokens of the context window to use, at most what the engine has loaded.
        strategy: "window", "window:N", "summary", "recall", "facts", or several of them.
        gguf: a model file for the embedded engine.
        api_key: the engine's key; never stored or logged.
        db: the database file, or a `Store` of your own (which you close); None takes the user's own.
        sampling: further fields of the request's body, sent as given.
        upkeep: False leaves summaries and warming to other processes.
        embeddings: what finds turns by meaning: "builtin" for the small model that comes with turnkeep,
            the address of an engine with "#MODEL" behind it, "off", or an `Embedder` of your own (which
            you close); None takes the built-in one where it is installed.
        embedding_seconds: how long a turn waits for the vector of its message; None as long as it takes.
            Late means that this turn is found by words alone.
        recall_everywhere: recall from the owner's other conversations too.
        on_wait: is told in a sentence why a call has to wait, and how long at most: the engine is loading or busy.
        mask_prompt: the model reads marks, such as [EMAIL_1], in place of personal data; replies have the values.
        patterns: personal data with a form of your own, as {"EMPLOYEE": r"E-\d{6}"}; for
            `mask_prompt` and the audit's texts.
        names: the spaCy model that finds names and places, such as "en_core_web_sm"; None: they are not found.
        audit: what the audit journal beside the database file keeps of each turn: "off", "sizes", "masked" or "full",
            or `AuditRules`; None is "masked" where personal data can be found here, else "sizes".
    """

    def __init__(
        self,
        engine: str | Engine | None = None,
        *,
        conversation: str | None = None,
        new: bool = False,
        owner: str = LOCAL_OWNER,
        system: str | None = None,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        window: int | None = None,
        strategy: str | Iterable[str] = NAMES,
        gguf: str | Path | None = None,
        api_key: str | None = None,
        db: str | Path | Store | None = None,
        sampling: Mapping[str, object] | None = None,
        upkeep: bool = True,
        embeddings: str | Embedder | None = None,
        embedding_seconds: float | None = EMBEDDING_SECONDS,
        recall_everywhere: bool = False,
        on_wait: Callable[[str], None] | None = None,
        mask_prompt: bool = False,
        patterns: Mapping[str, str] | None = None,
        names: str | None = None,
        audit: Level | AuditRules | None = None,
    ) -> None:
        self._options = _make_options(temperature, max_tokens, sampling, strategy)
        self._equipment = Equipment(
            engine=None if engine == "embedded" else engine,
            store=db,
            embeddings=embeddings,
            embedding_seconds=embedding_seconds,
            model=model,
            api_key=api_key,
            window=window,
            gguf=gguf,
            on_wait=self._tell_wait,
            audit=audit if isinstance(audit, AuditRules) else AuditRules(level=audit),
            patterns=(*parse_patterns(patterns or {}), *load_names(names)),
        )
        self._owner, self._new, self._system = check_owner(owner), new, system
        self._name = None if conversation is None else check_name(conversation)
        self._upkeep_wanted, self._on_wait = upkeep, on_wait
        self._recall_everywhere = recall_everywhere
        self._masking = Masking(self._equipment.patterns) if mask_prompt else None
        self._holder = name_holder()
        self._desk: Desk | None = None
        self._upkeep: Upkeep | None = None
        self._opening: asyncio.Lock | None = None
        self._asking = 0  # calls that a person waits for
        self._live: WeakSet[Streaming] = WeakSet()  # replies that may still be under way

    # -- opening and closing ----------------------------------------------------------------------

    async def open(self) -> Opened:
        """Connect, find out what the engine has loaded, and open or make the conversation.

        Raises:
            UsageError, EngineError: the engine cannot be used as asked.
            StoreError: the database cannot be used.
            Conflict: `new` was asked for, and the name exists.
        """
        # The engine first: one that cannot be used must not leave an empty conversation behind.
        self._asking += 1
        try:
            info = await self._equipment.open_engine().probe()
        finally:
            self._asking -= 1
        desk, resumed = await self._open_desk()
        row = await desk.load()
        if resumed and self._upkeep is not None:
            self._upkeep.wake()  # the engine may be cold: have it read the prompt before the person speaks
        return Opened(conversation=row, engine=info, resumed=resumed, notices=info.notices)

    async def _open_desk(self) -> tuple[Desk, bool]:
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._desk is not None:
                return self._desk, True
            row, resumed = await self._open_conversation(self._name, new=self._new)
            desk = self._seat(row)
            if isinstance(desk.store, Eraser) and await desk.store.load_unfinished():
                await self._forgetter().finish()  # of a process that was killed
            return desk, resumed

    async def _open_conversation(self, name: str | None, *, new: bool) -> tuple[Conversation, bool]:
        store = self._equipment.open_store()
        row = await store.find_conversation(self._owner, name) if name is not None else None
        if row is not None and new:
            raise Conflict(
                f"There is a conversation named {name!r} already: choose another name, or resume it."
            )
        resumed = row is not None
        if row is None:
            if name is not None and name.startswith("conv_"):
                raise ConversationNotFound(
                    f"There is no conversation {name}: list those there are, or use a name."
                )
            row = await self._create(store, name, new=new)
        if self._system is not None:
            await store.save_instructions(self._owner, row.id, self._system, now=time.time())
        return row, resumed

    async def _create(self, store: Store, name: str | None, *, new: bool) -> Conversation:
        try:
            return await store.create_conversation(self._owner, name, now=time.time())
        except Conflict:  # another process has made it just now: that is the one that was meant
            row = await store.find_conversation(self._owner, name) if name is not None else None
            if row is None or new:
                raise
            return row

    def _seat(self, row: Conversation) -> Desk:
        store, engine = self._equipment.open_store(), self._equipment.open_engine()
        self._desk = Desk(
            store=store,
            engine=mask_engine(self._masking, engine, store, self._owner, row.id),
            owner=self._owner,
            conversation=row.id,
            holder=self._holder,
        )
        self._desk.options, self._desk.audit = self._options, self._equipment.open_recorder()
        searcher = self._equipment.open_searcher()
        self._desk.recaller = Recaller(
            searcher, self._desk.meter, self._owner, row.id, everywhere=self._recall_everywhere
        )
        indexer = Indexer(self._equipment.open_store(), self._owner, row.id, searcher.embedder)
        self._upkeep = Upkeep(self._desk, indexer) if self._upkeep_wanted else None
        return self._desk

    def _tell_wait(self, sentence: str) -> None:
        if self._on_wait is not None and self._asking:  # nobody waits for upkeep
            self._on_wait(sentence)

    async def idle(self) -> None:
        """Wait until upkeep has nothing left to do."""
        if self._upkeep is not None:
            await self._upkeep.idle()

    async def close(self) -> None:
        """Stop replies and upkeep, finish what was written, and close what this object opened."""
        for streaming in list(self._live):
            await streaming.stop()
        if self._upkeep is not None:
            await self._upkeep.pause()
        await self._equipment.close()
        self._desk = self._upkeep = self._opening = None

    async def __aenter__(self) -> Self:
        _, resumed = await self._open_desk()
        if resumed:
            self._wake()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- talking ----------------------------------------------------------------------------------

    def stream(
        self, content: str | Sequence[Part], **request: Any
    ) -> Streaming:  # Any: sampling fields as given
        """Say something and stream the reply.

        Args:
            content: the message: text, or parts with images.
            request: `temperature`, `max_tokens` and further body fields, for this turn only.

        Returns:
            An asynchronous iterator over the pieces; it begins when it is iterated.

        Raises (while iterating): what `run_turn` raises, and `UsageError` for an empty message.
        """
        return self._begin(Said(say_items(content)), request)

    async def ask(
        self, content: str | Sequence[Part], **request: Any
    ) -> Reply:  # Any: sampling fields as given
        """Say something and wait for the whole reply; otherwise as `stream`."""
        return await self.stream(content, **request)

    def regenerate(self, **request: Any) -> Streaming:  # Any: sampling fields as given
        """Have the last turn answered again, as a sibling; the answer before never reaches the model again."""
        return self._begin(self._say_again(None, None), request)

    def edit(
        self, content: str | Sequence[Part], turn: int | None = None, **request: Any
    ) -> Streaming:  # Any: as above
        """Say something else in place of the last turn, or of `turn`; what followed it is left behind."""
        return self._begin(self._say_again(say_items(content), turn), request)

    async def undo(self) -> Turn:
        """Take the last turn back; it stays in the record. Returns it. Notes made since then stay.

        Raises:
            NothingToDo: there is no turn.
        """
        desk, _ = await self._open_desk()
        await self._make_way()
        async with hold_conversation(desk) as lease:
            last = await load_last_turn(desk)
            carried = await load_carried(desk, (await desk.load()).tip, last, same_words=False)
            if carried:
                await append_notes(desk, carried, after=last.after, lease=lease)
            else:
                await desk.store.move_tip(
                    self._owner, desk.conversation, last.after, lease=lease, now=time.time()
                )
        return last

    async def prepare(
        self,
        content: str | Sequence[Part],
        *,
        tools: Sequence[Mapping[str, object]] = (),
        max_tokens: int | None = None,
    ) -> Prepared:
        """Plan a turn for a client of your own; nothing is kept until `finish()`.

        Args:
            content: the message.
            tools: tools that your request names, for counting.
            max_tokens: limit of the reply that you will ask for.
        """
        desk, _ = await self._open_desk()
        await self._make_way()
        options = replace(desk.options, tools=tools, max_tokens=max_tokens or desk.options.max_tokens)
        return await prepare_turn(desk, say_items(content), options, self._wake)

    def _begin(self, say: Say, request: Mapping[str, Any]) -> Streaming:  # Any: sampling fields as given
        async def run(emit: Emit, stop: asyncio.Event) -> Reply:
            desk, _ = await self._open_desk()
            options = desk.options.for_request(request)
            await self._make_way()
            self._asking += 1
            try:
                return await run_turn(desk, say, options=options, emit=emit, stop=stop)
            finally:
                self._asking -= 1
                self._wake()

        streaming = Streaming(run)
        self._live.add(streaming)
        return streaming

    def _say_again(self, items: Sequence[Item] | None, number: int | None) -> Say:
        """Say what stands in place of a turn, the last one when `number` is None; None says the same again."""

        async def say(row: Conversation) -> tuple[Sequence[Item], Position]:
            desk, _ = await self._open_desk()
            old = await (
                load_last_turn(desk, failed=True) if number is None else load_turn_on_path(desk, number)
            )
            carried = await load_carried(desk, row.tip, old, same_words=items is None)
            return [*carried, *(await load_said(desk, old) if items is None else items)], old.after

        return say

    async def _make_way(self) -> None:
        if self._upkeep is not None:
            await self._upkeep.pause()

    def _forgetter(self) -> Forgetter:
        desk = self._desk
        assert desk is not None, "the conversation was opened first"
        return open_forgetter(
            desk.store,
            desk.engine,
            holder=self._holder,
            open_store=self._equipment.open_copy,
            audit=desk.audit,
        )

    async def _leave_forgotten(self) -> None:
        """Begin another conversation with the next verb: of the same name, if it had one."""
        if self._name is not None and self._name.startswith("conv_"):
            self._name = None
        self._desk = self._upkeep = None

    @property
    def _has_upkeep(self) -> bool:
        return self._upkeep_wanted

    def _wake(self) -> None:
        if self._upkeep is not None:
            self._upkeep.wake()

    # -- changing ---------------------------------------------------------------------------------

    async def set_system(self, text: str) -> None:
        """Give the conversation other instructions, from the next turn on."""
        desk, _ = await self._open_desk()
        await self._make_way()
        await desk.store.save_instructions(self._owner, desk.conversation, text, now=time.time())

    async def set_options(self, **changes: Any) -> None:  # Any: as the constructor takes them
        """Change how requests are made, from the next turn on.

        Args:
            changes: `temperature`, `max_tokens` and `strategy` as the constructor takes them (None
                leaves it to the engine again); `sampling` adds fields, None among them takes one away.
        """
        old = self._options
        if unknown := changes.keys() - {"temperature", "max_tokens", "strategy", "sampling"}:
            raise UsageError(
                f"There is no option {min(unknown)!r}: temperature, max_tokens, strategy and sampling can change."
            )
        sampling = {**old.sampling, **(changes.get("sampling") or {})}
        self._options = replace(
            old,
            temperature=changes.get("temperature", old.temperature),
            max_tokens=check_max_tokens(changes.get("max_tokens", old.max_tokens)),
            strategy=parse_strategy(changes["strategy"]) if changes.get("strategy") else old.strategy,
            sampling={name: value for name, value in sampling.items() if value is not None},
        )
        if self._desk is not None:
            self._desk.options = self._options

    async def set_model(self, model: str) -> EngineInfo:
        """Talk to another model of the same engine, from the next turn on.

        Raises:
            EngineRefused: the engine does not serve it.
            UsageError: the engine was given as an object, or is embedded.
        """
        desk, _ = await self._open_desk()
        await self._make_way()
        info = await self._equipment.change_model(model)
        self._seat(await desk.load())
        return info

    async def switch(self, name: str | None, *, new: bool = False) -> Opened:
        """Go on with another conversation on the same engine; None makes a new one without a name."""
        await self._open_desk()
        await self._make_way()
        row, resumed = await self._open_conversation(None if name is None else check_name(name), new=new)
        self._seat(row)
        return replace(await self.open(), resumed=resumed)

    async def rename(self, name: str) -> None:
        """Give the conversation a name, or another one. Raises `Conflict` when it is taken."""
        desk, _ = await self._open_desk()
        await desk.store.rename_conversation(self._owner, desk.conversation, check_new_name(name))


def _make_options(
    temperature: float | None,
    max_tokens: int | None,
    sampling: Mapping[str, object] | None,
    strategy: str | Iterable[str],
) -> Options:
    return Options(
        temperature=temperature,
        max_tokens=check_max_tokens(max_tokens),
        sampling=dict(sampling or {}),
        strategy=parse_strategy(strategy),
    )
