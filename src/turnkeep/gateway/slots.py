"""Which of an engine's slots a request is pinned to (llama.cpp's `id_slot`), if any. Pure.

A slot holds the KV cache of the prompt it read last. Without a pin, the server puts a request where the
longest common prefix is, so that conversations with one system prompt steal each other's slot, and every side
request takes one away: three conversations with a title after each turn, in four slots, came to reuse no more
than their system prompt (29 % of the seventh prompt), and 90 % with pins. But a server with a host cache
(`cache_ram`, 8 GiB by default) and a unified KV cache (the default too) clears idle slots and does not look a
pinned request up in the host cache: there pins lose everything. (Measured with llama.cpp in xllamacpp 2026.10.)

Neither /props nor /slots nor /metrics tells whether there is a host cache (tried with 0 and 256 MiB), so
it is learned: where conversations find too much of their last prompts gone after others have spoken, it is
done the other way, and the way that loses less is kept to.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

KEPT_SIZES = 4_096  # conversations whose last prompt's size is remembered
FRAME_TOKENS = 16  # of a prompt's end that the next one may write otherwise, as templates that think do
TOO_MUCH = 0.25  # of last prompts lost: then the other way is tried
BETTER_BY = 0.1  # of last prompts: by so much less the other way must have lost, once it was tried
MEMORY = 3  # prompts over which losses are averaged


@dataclass(slots=True, eq=False, kw_only=True)
class Pin:
    """What a request was given while it runs.

    slot: the slot it is pinned to; None: the server chooses.
    kept: the slot still held what this conversation's last request left there.
    alone: nobody else has sent anything since that.
    """

    slot: int | None
    conversation: str | None
    kept: bool = False
    alone: bool = False


@dataclass(slots=True, kw_only=True)
class _Slot:
    conversation: str | None = None  # whose prompt it holds
    used: int = 0  # when, counted in requests
    taken: int = 0  # requests that run in it


@dataclass(slots=True, kw_only=True)
class _Last:
    """A conversation's last prompt: its tokens, when it was sent, and how."""

    tokens: int = 0
    clock: int = 0
    pinned: bool | None = None


@dataclass(slots=True)
class Slots:
    """The slots of one engine.

    pinning: whether conversations are pinned.
    """

    count: int
    pinning: bool = False
    _slots: list[_Slot] = field(init=False)
    _clock: int = 0
    _reserved: bool = False  # since the first side request: the last slot is theirs
    _last: OrderedDict[str, _Last] = field(default_factory=OrderedDict)
    _lost: dict[bool, float] = field(default_factory=dict)  # with and without pins: share of last prompts

    def __post_init__(self) -> None:
        self._slots = [_Slot() for _ in range(self.count)]

    def may_hold(self, conversation: str) -> bool:
        """Whether the engine may still have a conversation's last prompt, in a slot or beside."""
        return not self.pinning or any(slot.conversation == conversation for slot in self._slots)

    def take(self, conversation: str | None, *, side: bool = False) -> Pin:
        """Choose the slot for a request and hold it.

        Args:
            conversation: whose prompt it extends; None when it extends no conversation's.
            side: whether it must not cost a conversation its slot.
        """
        self._clock += 1
        last = self._remember(conversation) if conversation is not None else _Last()
        alone, last.clock = last.clock == self._clock - 1, self._clock
        if not self.pinning or (conversation is None and not side):
            return Pin(slot=None, conversation=conversation, alone=alone)
        index = self._choose(conversation, side)
        slot = self._slots[index]
        kept = conversation is not None and slot.conversation == conversation
        slot.used, slot.conversation = self._clock, conversation
        slot.taken += 1
        return Pin(slot=index, conversation=conversation, kept=kept, alone=alone)

    def give_back(self, pin: Pin) -> None:
        """Let go of the slot; what the request left there stays."""
        if pin.slot is not None:
            self._slots[pin.slot].taken -= 1

    def learn(self, pin: Pin, *, prompt_tokens: int | None, cached_tokens: int | None) -> None:
        """Take in what the engine says it reused."""
        if pin.conversation is None or not prompt_tokens:
            return
        last = self._remember(pin.conversation)
        pinned = pin.slot is not None
        before, last.tokens = last.tokens, prompt_tokens
        same_way, last.pinned = last.pinned in (None, pinned), pinned
        if not before or not same_way or cached_tokens is None or prompt_tokens < before or pin.alone:
            return  # nothing to compare with, a prompt that was cut, or nobody who could have taken its place meanwhile
        lost = before - cached_tokens
        share = 0.0 if lost <= FRAME_TOKENS else lost / before
        if pin.slot is None or pin.kept or not share:  # that a slot was taken is not the pin's fault
            self._weigh(pinned=pinned, lost=share)

    def _remember(self, conversation: str) -> _Last:
        last = self._last.setdefault(conversation, _Last())
        self._last.move_to_end(conversation)
        if len(self._last) > KEPT_SIZES:
            self._last.popitem(last=False)
        return last

    def _weigh(self, *, pinned: bool, lost: float) -> None:
        average = self._lost.get(pinned, 0.0)
        average = self._lost[pinned] = average + (lost - average) / MEMORY
        other = self._lost.get(not pinned)
        if pinned == self.pinning and average > TOO_MUCH and (other is None or other + BETTER_BY < average):
            self.pinning, self._reserved = not pinned, False
            for slot in self._slots:
                slot.conversation = None

    def _choose(self, conversation: str | None, side: bool) -> int:
        if side and self.count > 1:
            self._reserved = True
            return self.count - 1
        own = range(self.count - 1 if self._reserved else self.count)
        for index in own:
            if conversation is not None and self._slots[index].conversation == conversation:
                return index  # even when it is taken: by an earlier request of the same conversation
        # One that is free, empty, or was used longest ago, in this order.
        return min(
            own,
            key=lambda index: (
                self._slots[index].taken,
                self._slots[index].conversation is not None,
                self._slots[index].used,
            ),
        )
