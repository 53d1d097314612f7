"""An engine that reads marks where personal data stood, and whose replies hold the values again.

It stands between a desk and its engine, so that everything that goes there is masked: turns,
counts, summaries, warming. Record, index and person have the values. The map of a conversation's
marks is kept beside it in the store, and read again for each call: another process may have added to it.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from .conversation.items import Message, Part, Reasoning, Text, ToolCall
from .engine.base import (
    Delta,
    Engine,
    EngineInfo,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallDelta,
    Warmed,
)
from .errors import UsageError
from .privacy.kinds import Rule
from .privacy.marks import NO_MARKS, Marks
from .store.base import Store
from .wire.assemble import Assembler

if TYPE_CHECKING:
    from .privacy.requests import (  # what finds takes 50 ms to import: only where it is wanted
        Known,
        MaskedRequest,
    )

MASKED = "+marks"  # behind a tokenizer's key: sizes of masked texts are other sizes


class Book(Protocol):
    """Where the marks of a conversation are kept."""

    async def load(self) -> Marks:
        """Load them."""
        ...

    async def save(self, before: Marks, marks: Marks, /) -> bool:
        """Keep those that are new; False, and nothing, where they are not `before` any more."""
        ...


@dataclass(frozen=True, slots=True)
class StoredBook:
    """The marks of a stored conversation. `reading`: nothing is added."""

    store: Store
    owner: str
    conversation: str
    reading: bool = False

    async def load(self) -> Marks:
        """Load them."""
        return await self.store.load_marks(self.owner, self.conversation)

    async def save(self, before: Marks, marks: Marks) -> bool:
        """Keep those that are new."""
        if self.reading:
            return True
        return await self.store.save_marks(self.owner, self.conversation, before, marks)


class NoBook:
    """Marks of requests of which nothing is kept: each begins anew."""

    async def load(self) -> Marks:
        """None."""
        return NO_MARKS

    async def save(self, _before: Marks, _marks: Marks, /) -> bool:
        """Keep nothing."""
        return True


@dataclass(frozen=True, slots=True)
class Masking:
    """That, and with which patterns of the user's, prompts are masked.

    Raises:
        MissingExtra: what finds personal data is not installed.
    """

    patterns: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        from .privacy.judges import load_judges

        load_judges()

    def over(
        self, engine: Engine, store: Store, owner: str, conversation: str, *, reading: bool = False
    ) -> Engine:
        """The engine as a conversation sees it."""
        return MaskedEngine(engine, StoredBook(store, owner, conversation, reading), self.patterns)

    def aside(self, engine: Engine) -> Engine:
        """The engine as requests see it of which nothing is kept."""
        return MaskedEngine(engine, NoBook(), self.patterns)


class MaskedEngine:
    """Implements `Engine` over another one; that one is closed by whoever made it."""

    def __init__(self, engine: Engine, book: Book, patterns: Sequence[Rule] = ()) -> None:
        self._engine, self._book, self._patterns = engine, book, patterns
        self._known: Known | None = None

    @property
    def url(self) -> str:
        """The engine's address."""
        return self._engine.url

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        """Find out what is loaded."""
        info = await self._engine.probe(refresh=refresh)
        return replace(info, tokenizer=info.tokenizer + MASKED)

    async def mask(self, request: Request) -> "MaskedRequest":
        """The request as the model reads it; nothing is kept of marks that are new."""
        from .privacy.requests import mask_request

        masked = mask_request(request, await self._book.load(), self._patterns, self._known)
        self._known = masked.known
        return masked

    async def count(self, request: Request) -> int | None:
        """Count the prompt that is sent."""
        return await self._engine.count((await self.mask(request)).request)

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count texts as they are sent."""
        from .privacy.masker import mask

        marks = await self._book.load()
        masked = []
        for text in texts:
            one = mask(text, marks, self._patterns)
            marks = one.marks
            masked.append(one.text)
        return await self._engine.count_texts(masked)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Send marks, and yield values; the map is durable before the engine is called."""
        from .privacy.requests import Unmasking

        masked = await self.keep(request)
        back = Unmasking(masked.marks, self._patterns)
        try:
            async with contextlib.aclosing(self._engine.stream(masked.request)) as deltas:
                async for delta in deltas:
                    for one in back.feed(delta):
                        yield one
        finally:
            if back.marks != masked.marks:
                await self._book.save(masked.marks, back.marks)

    async def keep(self, request: Request) -> "MaskedRequest":
        """The request as the model reads it; marks that are new are durable."""
        from .privacy.requests import mask_request

        while True:  # somebody else may have given marks since they were loaded
            before = await self._book.load()
            masked = mask_request(request, before, self._patterns, self._known)
            if masked.marks == before or await self._book.save(before, masked.marks):
                self._known = masked.known
                return masked

    async def warm(self, request: Request) -> Warmed | None:
        """Have the engine read the masked prompt."""
        return await self._engine.warm((await self.keep(request)).request)

    async def put_back(self, message: Message) -> Message:
        """A reply that somebody else fetched, with values."""
        from .privacy.requests import Unmasking

        back = Unmasking(marks := await self._book.load(), self._patterns)
        assembler = Assembler()
        for index, part in enumerate(message.parts):
            for delta in back.feed(_as_delta(part, index)):
                assembler.add(delta)
        for delta in back.end():
            assembler.add(delta)
        if back.marks != marks:
            await self._book.save(marks, back.marks)
        return replace(message, parts=assembler.message.parts)

    async def close(self) -> None:
        """Close the engine's connections."""
        await self._engine.close()


def _as_delta(part: Part, index: int) -> Delta:
    match part:
        case Text(text):
            return TextDelta(text)
        case Reasoning(text):
            return ReasoningDelta(text)
        case ToolCall():
            return ToolCallDelta(index=index, call_id=part.call_id, name=part.name, arguments=part.arguments)
        case _:
            raise UsageError("A reply holds text, reasoning and tool calls: hand over the engine's answer.")


def mask_engine(
    masking: Masking | None, engine: Engine, store: Store, owner: str, conversation: str
) -> Engine:
    """The engine as a conversation sees it; itself where nothing is masked."""
    return engine if masking is None else masking.over(engine, store, owner, conversation)


async def mask_as_sent(engine: Engine, request: Request) -> Request:
    """A request as the engine's model has read it."""
    return (await engine.mask(request)).request if isinstance(engine, MaskedEngine) else request


async def mask_to_send(engine: Engine, request: Request) -> Request:
    """A request as somebody else will send it."""
    return (await engine.keep(request)).request if isinstance(engine, MaskedEngine) else request


async def put_back(engine: Engine, message: Message) -> Message:
    """A reply that somebody else has fetched, with values."""
    return await engine.put_back(message) if isinstance(engine, MaskedEngine) else message
