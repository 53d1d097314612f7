"""Find by dry runs what a chat template does to a prompt.

Caches see rendered text, not messages. So small conversations are rendered twice, the second
time a turn longer: where the first is not the beginning of the second, each turn would make
the engine read the prompt again from there. How to render, the adapter says; nothing here
knows an engine.
"""

import datetime
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, TypeAlias

from ..errors import EngineRefused
from ..wire.exchange import WireMessage
from .base import TemplateRules

# Texts that no template contains, without spaces at the ends, which some templates strip.
BASE, PINNED = "Qz7 stays base", "Qz7 stays pinned"
USER = ("Qz7 asks one", "Qz7 asks two", "Qz7 asks three")
REPLY = ("Qz7 says one", "Qz7 says two")
THOUGHT = "Qz7 thinks"

BaseIn: TypeAlias = Literal["system", "first_user"]
BASE_PLACES: tuple[BaseIn, ...] = ("system", "first_user")

# Variables by which templates let a date be given; Llama 3.1 to 3.3 read date_string.
DATE_VARIABLES = ("date_string", "current_date", "today", "date", "date_today")
_STAMPED = re.compile(r"set\s+(\w+)\s*=\s*strftime_now\(")
_FORMATS = re.compile(r"strftime_now\(\s*(['\"])(.+?)\1\s*\)")


# Renders messages as the engine would, with template arguments, the prompt for the reply included;
# raises `EngineRefused` when the template refuses them.
Render: TypeAlias = Callable[[Sequence[WireMessage], Mapping[str, str]], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class _Trial:
    """How one layout fared: `fault` None when the front keeps still; `usable` when all texts show."""

    base_in: BaseIn
    fault: str | None
    usable: bool = True


async def find_rules(render: Render, source: str | None) -> TemplateRules:
    """Find the rules of a template.

    Args:
        render: renders messages with given template arguments.
        source: the template's own text; None when the engine does not tell it.
    """
    pins = await _find_pins(render, source or "")
    trial = await _choose_layout(render, pins)
    stamp = await _find_stamp(render, trial.base_in, source or "", pins) if trial.usable else None
    return TemplateRules(
        base_in=trial.base_in,
        pins=dict.fromkeys(pins, "{date}"),
        moves=stamp or trial.fault,
        drops_reasoning=await _drops_reasoning(render, trial.base_in, pins),
    )


async def _choose_layout(render: Render, pins: Sequence[str]) -> _Trial:
    """Choose the first layout that keeps still, else the first that the model at least reads whole."""
    trials = []
    for base_in in BASE_PLACES:
        trial = await _try_layout(render, base_in, pins)
        if trial.fault is None:
            return trial
        trials.append(trial)
    return next((trial for trial in trials if trial.usable), trials[0])


def _talk(base_in: str, turns: int, reasoning: bool = False) -> list[WireMessage]:
    """A conversation of placeholders that ends with user text number `turns`."""
    messages: list[WireMessage] = [{"role": "system", "content": BASE}] if base_in == "system" else []
    for turn in range(turns):
        head = f"{BASE}\n\n" if turn == 0 and base_in == "first_user" else ""
        messages.append({"role": "user", "content": head + USER[turn]})
        if turn < turns - 1:
            reply: WireMessage = {"role": "assistant", "content": REPLY[turn]}
            messages.append(reply | ({"reasoning_content": THOUGHT} if reasoning else {}))
    return messages


async def _try_layout(render: Render, base_in: BaseIn, pins: Sequence[str]) -> _Trial:
    args = dict.fromkeys(pins, PINNED)
    try:
        await render(_talk(base_in, 1), args)  # the first turn of a conversation has no reply yet
        first, second = await render(_talk(base_in, 2), args), await render(_talk(base_in, 3), args)
    except EngineRefused as error:
        return _Trial(
            base_in, f"The model's chat template refuses an ordinary conversation: {error}", usable=False
        )
    if BASE not in first:
        return _Trial(base_in, "The model's chat template leaves the instructions out.", usable=False)
    if any(text not in first for text in (USER[0], REPLY[0], USER[1])):
        return _Trial(base_in, "The model's chat template leaves earlier messages out.")
    if common_length(first, second) < first.rindex(USER[1]) + len(USER[1]):
        return _Trial(
            base_in,
            "The model's chat template changes the front of the prompt with each turn: "
            "the engine reads much of it again.",
        )
    return _Trial(base_in, None)


async def _find_pins(render: Render, source: str) -> list[str]:
    """List the template's date variables that really show in the rendered prompt when given."""
    names = [
        *_STAMPED.findall(source),
        *(name for name in DATE_VARIABLES if re.search(rf"\b{name}\b", source)),
    ]
    pins: list[str] = []
    for name in dict.fromkeys(names):
        for base_in in BASE_PLACES:
            try:
                shown = PINNED in await render(_talk(base_in, 1), {name: PINNED})
            except EngineRefused:
                continue  # of this layout, or of the variable: then it cannot be pinned
            if shown:
                pins.append(name)
            break
    return pins


async def _find_stamp(render: Render, base_in: str, source: str, pins: Sequence[str]) -> str | None:
    """Say which of the template's clock readings still shows in the prompt when all pins are set."""
    before = datetime.datetime.now().astimezone()
    prompt = await render(_talk(base_in, 1), dict.fromkeys(pins, PINNED))
    after = datetime.datetime.now().astimezone()
    for _, form in _FORMATS.findall(source):
        if any(moment.strftime(form) in prompt for moment in (before, after)):
            return (
                f"The model's chat template stamps the present date ({form}) into every prompt, "
                "so that the engine reads the whole prompt again when it changes."
            )
    return None


async def _drops_reasoning(render: Render, base_in: str, pins: Sequence[str]) -> bool:
    try:
        prompt = await render(_talk(base_in, 2, reasoning=True), dict.fromkeys(pins, PINNED))
    except EngineRefused:
        return True  # it does not take reasoning at all
    return THOUGHT not in prompt


def common_length(first: str, second: str) -> int:
    """Count the characters in which two texts begin alike. Example: "abc", "abd" → 2."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
