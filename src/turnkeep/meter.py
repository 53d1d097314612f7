"""How large texts and prompts are, in tokens of the engine at hand.

Where the engine counts, each item is counted once and the size kept in the store;
the whole prompt is counted before it is sent. Elsewhere sizes are estimates, put
right by what the engine reports it read (context/sizes.py). Knows nothing of what
the sizes are for.
"""

import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Protocol, TypeAlias

from .context.instructions import render_instruction
from .context.sizes import Calibration, dump_calibration, estimate_tokens, load_calibration
from .context.view import render_note, render_recalled
from .conversation.items import Forgotten, Image, Item, Message, Note, Recalled, Text, ToolCall, ToolResult
from .conversation.log import Position
from .engine.base import Engine, EngineInfo, Request, WireMessage
from .store.base import Store
from .store.writing import Learnt

IMAGE_TOKENS_EST = 800  # until usage has taught better; common vision models take 256 to 1,600
OVERHEAD_TOKENS_EST = 6.0  # template tokens around one message; ChatML takes 5 to 7
KEPT_SIZES = 8_192  # sizes held in memory for one conversation, unless its window holds more items
KEPT_TEXTS = 8  # sizes of texts that are not items
MOST_UNSAVED = 8  # counted sizes that wait for the end of a turn: two items a turn, as a rule
ALWAYS_COUNT_BELOW = 16_384  # tokens; counting a prompt of that size takes some milliseconds
COUNT_ABOVE_SHARE = 0.7  # larger prompts are counted exactly from this share of their limit on


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Tokens of a whole prompt; `exact` when the engine's own tokenizer counted them."""

    tokens: int
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _TemplateTokens:
    """What a chat template adds: around each message, and to every prompt as a whole."""

    message: float = OVERHEAD_TOKENS_EST
    frame: int = 0


class Placed(Protocol):
    """An item with its place: stored, or of a log."""

    @property
    def at(self) -> Position: ...  # noqa: D102

    @property
    def item(self) -> Item: ...  # noqa: D102


def item_text(item: Item) -> str:
    """The text of an item whose tokens are counted; images apart."""
    if isinstance(item, Recalled):
        return render_recalled(item)
    if isinstance(item, Note):
        return render_note(item)
    if isinstance(item, Forgotten):
        return ""
    pieces: list[str] = []
    for part in item.parts:
        if isinstance(part, Text | ToolResult):
            pieces.append(part.text)
        elif isinstance(part, ToolCall):
            pieces.append(f"{part.name}{part.arguments}")
    return "\n".join(pieces)


Calibrations: TypeAlias = dict[str, Calibration]  # of each tokenizer


class Meter:
    """Sizes for one conversation on one engine.

    Args:
        store: keeps what was counted and learned.
        engine: counts.
        owner: whose conversation.
        conversation: which.
        calibrations: shared by the conversations of one process; None: this one's own.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        owner: str,
        conversation: str,
        *,
        calibrations: "Calibrations | None" = None,
    ) -> None:
        self._store, self._engine = store, engine
        self._owner, self._conversation = owner, conversation
        self._sizes: OrderedDict[tuple[str, Position], float] = OrderedDict()  # tokens, or raw estimates
        self._kept = KEPT_SIZES
        self._texts: OrderedDict[tuple[str, str], float] = (
            OrderedDict()
        )  # base and instruction come again each turn
        self._loaded: set[str] = set()  # tokenizers whose kept sizes were read from the store
        self._template: dict[str, _TemplateTokens] = {}
        self._calibration: Calibrations = {} if calibrations is None else calibrations
        self._estimated: list[WireMessage] = []  # the last prompt
        self._estimates: list[float] = []  # of it, up to each of its messages
        self._unsaved_sizes: dict[Position, int] = {}
        self._unsaved_of = ""  # the tokenizer that counted them
        self._unsaved_values: dict[str, str] = {}

    async def prepare(self, info: EngineInfo) -> None:
        """Load what was learned of this engine before."""
        if info.counts and info.tokenizer not in self._template:
            self._template[info.tokenizer] = await self._count_template()
        if not info.counts and info.tokenizer not in self._calibration:
            kept = await self._store.load_value(f"calibration:{info.tokenizer}")
            self._calibration[info.tokenizer] = load_calibration(kept) if kept else Calibration()

    async def item_sizes(
        self, info: EngineInfo, items: Sequence[Placed], *, tip: Position, after: int
    ) -> list[int]:
        """Tokens of each item, its template tokens included.

        Args:
            info: the engine.
            items: the items to measure, on the path to `tip`, all after seq `after`.
            tip: the last of them.
            after: where they begin.
        """
        key = info.tokenizer
        if info.counts and key not in self._loaded:
            kept = await self._store.load_sizes(self._owner, self._conversation, key, tip=tip, after=after)
            for at, tokens in kept.items():
                self._keep(key, at, tokens)
            self._loaded.add(key)
        known = {item.at: self._sizes.get((key, item.at)) for item in items}
        missing = [item for item in items if known[item.at] is None]
        if missing:
            sizes = await self._measure(info, [item_text(item.item) for item in missing])
            self._kept = max(KEPT_SIZES, 2 * len(items))
            for item, size in zip(missing, sizes, strict=True):
                known[item.at] = size
                self._keep(key, item.at, size)
            if info.counts:
                counted = {item.at: int(size) for item, size in zip(missing, sizes, strict=True)}
                await self._save_sizes(key, counted)
        overhead = self._of_template(info).message
        return [
            round(self._tokens(info, known[item.at] or 0) + overhead + _image_tokens(item.item))
            for item in items
        ]

    async def _save_sizes(self, key: str, counted: Mapping[Position, int]) -> None:
        """Save counted sizes, few of them with the next turn's end only: lost, they are counted again."""
        if self._unsaved_of != key:
            self._unsaved_of, self._unsaved_sizes = key, {}
        self._unsaved_sizes.update(counted)
        if len(self._unsaved_sizes) > MOST_UNSAVED:
            sizes, self._unsaved_sizes = self._unsaved_sizes, {}
            await self._store.save_sizes(self._owner, self._conversation, key, sizes)

    def note_size(self, info: EngineInfo, item: Item, at: Position) -> None:
        """Note where an item has come to stand whose text was just measured."""
        size = self._texts.get((info.tokenizer, item_text(item)))
        if size is not None:
            self._keep(info.tokenizer, at, size)
            if info.counts and self._unsaved_of in ("", info.tokenizer):
                self._unsaved_of = info.tokenizer
                self._unsaved_sizes[at] = int(size)

    def take_learnt(self) -> Learnt | None:
        """Hand over what is not saved yet, to be kept with a turn's end."""
        if not self._unsaved_sizes and not self._unsaved_values:
            return None
        learnt = Learnt(values=self._unsaved_values, tokenizer=self._unsaved_of, sizes=self._unsaved_sizes)
        self._unsaved_values, self._unsaved_sizes = {}, {}
        return learnt

    def ratio(self, info: EngineInfo) -> float:
        """What estimates are multiplied by at present."""
        return 1.0 if info.counts else self._calibration[info.tokenizer].ratio

    async def text_size(self, info: EngineInfo, text: str) -> int:
        """Tokens of a text, template tokens included; 0 for none."""
        if not text:
            return 0
        size = self._texts.get((info.tokenizer, text))
        if size is None:
            (size,) = await self._measure(info, [text])
            self._texts[info.tokenizer, text] = size
            while len(self._texts) > KEPT_TEXTS:
                self._texts.popitem(last=False)
        return round(self._tokens(info, size) + self._of_template(info).message)

    async def instruction_size(self, info: EngineInfo, language: str) -> int:
        """Tokens of the question for a summary, template tokens included."""
        text, size = _write_instruction(language)
        if info.counts:
            return await self.text_size(info, text)
        return round(self._tokens(info, size) + self._of_template(info).message)

    async def base_size(self, info: EngineInfo, base: str) -> int:
        """Tokens of a base, with what the template puts into every prompt."""
        return await self.text_size(info, base) + self._of_template(info).frame

    def forget(self) -> None:
        """Hold no text and no size in memory any more: items may have been forgotten."""
        self._texts.clear()
        self._sizes.clear()
        self._loaded.clear()
        self._estimated, self._estimates = [], []
        self._unsaved_sizes = {}

    def estimate(self, info: EngineInfo, text: str) -> int:
        """Tokens of a text without asking anybody: for trimming lists of lines."""
        return (
            round(self._tokens(info, estimate_tokens(text)))
            if not info.counts
            else round(estimate_tokens(text))
        )

    async def prompt_size(self, info: EngineInfo, request: Request, *, summed: int, limit: int) -> Size:
        """Tokens of a whole prompt.

        Args:
            info: the engine.
            request: what will be sent.
            summed: the sum of its items' sizes.
            limit: the most it may take; a large prompt well below it is not counted again.
        """
        if info.counts and (summed <= ALWAYS_COUNT_BELOW or summed >= COUNT_ABOVE_SHARE * limit):
            tokens = await self._engine.count(request)
            if tokens is not None:
                return Size(tokens=tokens, exact=True)
        if info.counts:
            return Size(tokens=summed, exact=False)
        bound = self._calibration[info.tokenizer].bound(self._raw(info, request))
        return Size(tokens=max(bound, 1), exact=False)

    async def learn(self, info: EngineInfo, request: Request, reported: int | None) -> None:
        """Take in how many prompt tokens the engine says a request had, and save what that taught."""
        self.take_in(info, request, reported)
        values, self._unsaved_values = self._unsaved_values, {}
        for key, value in values.items():
            await self._store.save_value(key, value)

    def take_in(self, info: EngineInfo, request: Request, reported: int | None) -> None:
        """The same, to be saved with the turn's end; see `take_learnt`."""
        if info.counts or not reported:
            return
        before = self._calibration[info.tokenizer]
        calibration = before.learn(self._raw(info, request), reported)
        self._calibration[info.tokenizer] = calibration
        if calibration is before or calibration.is_like(before):
            return
        self._unsaved_values[f"calibration:{info.tokenizer}"] = dump_calibration(calibration)

    def _raw(self, info: EngineInfo, request: Request) -> float:
        tools = sum(estimate_tokens(str(tool)) for tool in request.tools)
        return self._estimate_messages(info, request.messages) + tools

    def _estimate_messages(self, info: EngineInfo, messages: Sequence[WireMessage]) -> float:
        """Estimate a prompt: those of its first messages that are the last one's own are known."""
        known = self._estimated
        same = sum(map(is_, known, messages))
        if same and not all(map(is_, known[:same], messages)):
            same = 0
        sums = self._estimates[:same]
        total = sums[-1] if sums else 0.0
        for message in messages[same:]:
            content = message.get("content")
            size = self._estimate(info, content) if isinstance(content, str) else _estimate_parts(message)
            total += size + OVERHEAD_TOKENS_EST
            sums.append(total)
        self._estimated, self._estimates = list(messages), sums
        return total

    def _estimate(self, info: EngineInfo, text: str) -> float:
        """Estimate a message of a prompt, which is often a text that was measured by itself."""
        known = None if info.counts else self._texts.get((info.tokenizer, text))
        return estimate_tokens(text) if known is None else known

    async def _measure(self, info: EngineInfo, texts: Sequence[str]) -> list[float]:
        if info.counts:
            counted = await self._engine.count_texts(texts)
            if counted is not None:
                return [float(size) for size in counted]
        return [estimate_tokens(text) for text in texts]

    def _tokens(self, info: EngineInfo, size: float) -> float:
        return size if info.counts else float(self._calibration[info.tokenizer].tokens(size))

    def _keep(self, key: str, at: Position, size: float) -> None:
        self._sizes[key, at] = size
        while len(self._sizes) > self._kept:
            self._sizes.popitem(last=False)

    def _of_template(self, info: EngineInfo) -> "_TemplateTokens":
        return self._template.get(info.tokenizer, _TemplateTokens())

    async def _count_template(self) -> "_TemplateTokens":
        """Count prompts of one and of three messages: the difference is what a message adds."""
        said = [{"role": role, "content": "Hello"} for role in ("user", "assistant", "user")]
        one = await self._engine.count(Request(messages=said[:1]))
        three = await self._engine.count(Request(messages=said))
        text = await self._engine.count_texts(["Hello"])
        if one is None or three is None or text is None:
            return _TemplateTokens()
        message = max(0.0, (three - one) / 2 - text[0])
        return _TemplateTokens(message=message, frame=max(0, round(one - message - text[0])))


def _estimate_parts(message: WireMessage) -> float:
    """Estimate a wire message whose content is no text."""
    return estimate_tokens(str(message.get("tool_calls", ""))) + sum(
        estimate_tokens(part.get("text", "")) if "text" in part else IMAGE_TOKENS_EST
        for part in message.get("content") or ()
    )


@functools.lru_cache(maxsize=64)
def _write_instruction(language: str) -> tuple[str, float]:
    """The question for a summary, with words in place of those that it will quote, and its estimated tokens."""
    text = render_instruction("x " * 8, language)
    return text, estimate_tokens(text)


def _image_tokens(item: Item) -> int:
    if isinstance(item, Message):
        return IMAGE_TOKENS_EST * sum(isinstance(part, Image) for part in item.parts)
    return 0
