"""Which of an engine's slots a request is pinned to (llama.cpp's `id_slot`). Pure.

A slot holds the KV cache of the prompt it read last. Without a pin, the server puts a request
where the longest common prefix is, so that conversations with one system prompt steal each
other's slot, and every side request takes one away. Measured for four conversations in four
slots: 18 times the tokens read without pins, 1.00 times with them.

A server with a host cache (`cache_ram`, 8 GiB by default) keeps the prompts of evicted slots too,
and a pinned request finds them as well as any other. Neither /props nor /slots nor /metrics tells
whether there is one (llama.cpp in xllamacpp 2026.10, tried with 0 and 256 MiB), so it is learned:
a conversation whose slot another has used meanwhile, and whose whole last prompt was reused all the
same, proves it. Until then, side requests keep to the last slot and conversations to the others.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

KEPT_SIZES = 4_096  # conversations whose last prompt's size is remembered
FRAME_TOKENS = 16  # of a prompt's end that the next one may write otherwise, as templates that think do


@dataclass(slots=True, eq=False, kw_only=True)
class Pin:
    """A slot while a request runs in it.

    kept: the slot still held what this conversation's last request left there.
    """

    slot: int
    conversation: str | None
    kept: bool


@dataclass(slots=True, kw_only=True)
class _Slot:
    conversation: str | None = None  # whose prompt it holds
    used: int = 0  # when, counted in requests
    taken: int = 0  # requests that run in it


@dataclass(slots=True)
class Slots:
    """The slots of one engine.

    host_cache: whether the engine was seen to keep the prompts of evicted slots.
    """

    count: int
    host_cache: bool = False
    _slots: list[_Slot] = field(init=False)
    _clock: int = 0
    _reserved: bool = False  # since the first side request: the last slot is theirs
    _sizes: OrderedDict[str, int] = field(default_factory=OrderedDict)  # of last prompts, in tokens

    def __post_init__(self) -> None:
        self._slots = [_Slot() for _ in range(self.count)]

    def holds(self, conversation: str) -> bool:
        """Whether a slot holds a conversation's last prompt, as far as is known here."""
        return any(slot.conversation == conversation for slot in self._slots)

    def take(self, conversation: str | None, *, side: bool = False) -> Pin:
        """Choose the slot for a request and hold it.

        Args:
            conversation: whose prompt it extends; None when it extends no conversation's.
            side: whether it must not cost a conversation its slot.
        """
        index = self._choose(conversation, side)
        slot = self._slots[index]
        kept = conversation is not None and slot.conversation == conversation
        self._clock += 1
        slot.used, slot.conversation = self._clock, conversation
        slot.taken += 1
        if conversation is not None:
            for other in self._slots:
                if other is not slot and other.conversation == conversation:
                    other.conversation = None  # what it holds is older
        return Pin(slot=index, conversation=conversation, kept=kept)

    def give_back(self, pin: Pin) -> None:
        """Let go of the slot; what the request left there stays."""
        self._slots[pin.slot].taken -= 1

    def learn(self, pin: Pin, *, prompt_tokens: int | None, cached_tokens: int | None) -> None:
        """Take in what the engine says it reused."""
        conversation = pin.conversation
        if conversation is None or not prompt_tokens:
            return
        last = self._sizes.get(conversation)
        if last is not None and not pin.kept and cached_tokens is not None and prompt_tokens >= last:
            # A shared system prompt is reused without a host cache too; the whole last prompt is not.
            self.host_cache = cached_tokens >= last - FRAME_TOKENS
        self._sizes[conversation] = prompt_tokens
        self._sizes.move_to_end(conversation)
        while len(self._sizes) > KEPT_SIZES:
            self._sizes.popitem(last=False)

    def _choose(self, conversation: str | None, side: bool) -> int:
        if side and not self.host_cache and self.count > 1:
            self._reserved = True
            return self.count - 1
        own = range(self.count - 1 if self._reserved and not self.host_cache else self.count)
        for index in own:
            if conversation is not None and self._slots[index].conversation == conversation:
                return index  # even when it is taken: by an earlier request of the same conversation
        # Empty ones first, then the least recently used; one that runs only when all do.
        return min(
            own,
            key=lambda index: (
                self._slots[index].taken,
                self._slots[index].conversation is not None,
                self._slots[index].used,
            ),
        )
