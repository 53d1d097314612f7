"""What `/set` sets: how requests are made, from the next turn on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..errors import UsageError
from ..library import AsyncChat
from ..settings import SETTINGS, Settings, read_setting, suggest
from ..values import RESERVED_FIELDS

DEFAULT = "default"  # the value that leaves an option to the engine
OPTIONS = ("temperature", "max_tokens", "strategy")
# Further fields that engines know (llama.cpp, vLLM, the OpenAI API); others are sent as given, too.
SAMPLING = (
    "top_p", "top_k", "min_p", "typical_p", "seed", "stop", "presence_penalty", "frequency_penalty",
    "repeat_penalty", "repetition_penalty", "mirostat", "logit_bias", "grammar", "json_schema", "response_format",
    "reasoning_effort", "chat_template_kwargs",
)  # fmt: skip


def describe_options(settings: Settings) -> Iterator[str]:
    """Yield one line for each option."""
    for name in OPTIONS:
        value = getattr(settings, name)
        yield f"{name}: {'left to the engine' if value is None else value}"
    for name, value in settings.sampling.items():
        yield f"{name}: {json.dumps(value, ensure_ascii=False)}"


async def set_option(chat: AsyncChat, settings: Settings, name: str, value: str) -> Settings:
    """Set an option of the chat; "default" leaves it to the engine again. Returns the settings with it.

    Raises:
        UsageError: it is unknown, or the value is not of its kind.
    """
    default = value.strip().lower() == DEFAULT
    if name in OPTIONS and not (default and name == "strategy"):
        # Any: the kind that the table says
        read: Any = None if default else read_setting(name, value, name)
        await chat.set_options(**{name: read})
        return replace(settings, **{name: read})
    _refuse_unknown(name)
    field = {name: None if default else _read_field(value)}
    await chat.set_options(sampling=field)
    kept = {key: known for key, known in {**settings.sampling, **field}.items() if known is not None}
    return replace(settings, sampling=kept)


def _refuse_unknown(name: str) -> None:
    """Other fields reach the engine as given, unless they look like a slip of the pen or are set elsewhere."""
    if name in RESERVED_FIELDS or name in {setting.name for setting in SETTINGS}:
        raise UsageError(f"{name} cannot be set while talking: {_elsewhere(name)}")
    if name in SAMPLING:
        return
    near = suggest(name, [*OPTIONS, *SAMPLING])
    if near or not name.isidentifier():
        raise UsageError(f"There is no option {name!r}{near or '.'}")


def _elsewhere(name: str) -> str:
    commands = {"model": "use /model.", "system": "use /system."}
    return commands.get(name, "give it when the chat is started, see turnkeep chat --help.")


def _read_field(value: str) -> object:
    """Read a value as JSON, else take it as text. Examples: 0.9 → 0.9, END → "END"."""
    try:
        return json.loads(value)
    except ValueError:
        return value
