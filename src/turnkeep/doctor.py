"""Ask aloud what connecting asks silently, and say what to change.

Each check is a finding: well, worth knowing, or wrong with what to do about it.
"""

import importlib.util
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .engine.base import End, Engine, EngineInfo, Request
from .engine.client import Retries
from .engine.connect import connect, find_listening
from .errors import TurnkeepError
from .settings import EMBEDDED, OWNER, Settings
from .terminal.screen import plural
from .unlocking import open_database

ENOUGH_DISK_BYTES = 100 * 1000 * 1000  # years of typing; below it something else fills the disk
SMALL_WINDOW = 4_096  # tokens; below it little stays word for word
# About 100 tokens: caches of 16 or 32 tokens a block (vLLM, SGLang) must be able to reuse some.
PROBE_TEXT = "Please read these words and answer with one word. " * 10
EXTRAS = {
    "chat": ("click", "rich", "prompt_toolkit"),
    "embedded": ("xllamacpp",),
    "privacy": ("stdnum", "phonenumbers"),
    "encryption": ("cryptography",),
}
WITHOUT = {  # what follows where an extra is missing
    "privacy": "personal data is not found or masked, and the audit keeps sizes, not texts",
    "encryption": "databases cannot be encrypted, and encrypted ones not opened",
}

AT_ONCE = Retries(unreachable=0, not_ready=0)  # an engine that is still loading is a finding, too

Verdict = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    verdict: Verdict
    what: str
    sentence: str

    @property
    def failed(self) -> bool:
        """Whether something has to be changed."""
        return self.verdict == "wrong"

    def __str__(self) -> str:
        return f"{self.verdict:5} {self.what}: {self.sentence}"


async def examine(settings: Settings, refused: str | None = None) -> AsyncIterator[Finding]:
    """Examine settings, packages, database, disk and engine, in this order.

    Args:
        settings: what is set.
        refused: why the settings file was left unread; None when it was read.
    """
    yield Finding("wrong", "settings", refused) if refused else _examine_settings(settings)
    for extra, packages in EXTRAS.items():
        yield _examine_extra(extra, packages)
    yield await _examine_database(settings)
    yield _examine_disk(settings.database)
    if not settings.engine_named:
        yield await _examine_ports()
    engine = connect(settings.engine, retries=AT_ONCE, **settings.engine_options)
    try:
        async for finding in examine_engine(engine):
            yield finding
    finally:
        await engine.close()


def _examine_settings(settings: Settings) -> Finding:
    there = settings.config.exists()
    return Finding(
        "ok", "settings", f"read from {settings.config}" if there else f"no file {settings.config}"
    )


def _examine_extra(extra: str, packages: tuple[str, ...]) -> Finding:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        # An engine of one's own does without the embedded one.
        so = f", so {WITHOUT[extra]}" if extra in WITHOUT else ""
        return Finding("note", f"extra {extra}", f"not installed{so}: pip install 'turnkeep[{extra}]'")
    return Finding("ok", f"extra {extra}", "installed")


async def _examine_database(settings: Settings) -> Finding:
    path = settings.database
    if not path.exists():
        return Finding("ok", "database", f"{path} is made when the first conversation begins")
    try:
        store = open_database(path, key_file=settings.encryption_key_file)
    except TurnkeepError as error:
        return Finding("wrong", "database", str(error))
    try:
        stats = await store.stats(OWNER)
    except TurnkeepError as error:
        return Finding("wrong", "database", str(error))
    finally:
        await store.close()
    return Finding(
        "ok",
        "database",
        f"{path}: {plural(stats.conversations, 'conversation')}, {plural(stats.turns, 'turn')}",
    )


def _examine_disk(database: Path) -> Finding:
    folder = database.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("wrong", "disk", f"{folder} cannot be looked at: {error.strerror}.")
    sentence = f"{free / 1e6:,.0f} MB are free at {folder}"
    if free < ENOUGH_DISK_BYTES:
        return Finding("wrong", "disk", f"{sentence}: make room, or put the database elsewhere with --db.")
    return Finding("ok", "disk", sentence)


async def _examine_ports() -> Finding:
    found = await find_listening()
    if not found:
        return Finding("ok", "engine", "none is named and none listens: the embedded one is used")
    return Finding("note", "engine", f"{', '.join(found)} answers; use it with --engine {found[0]}")


async def examine_engine(engine: Engine) -> AsyncIterator[Finding]:
    """Examine an engine: reach, model, window, counting, template, cache."""
    try:
        info = await engine.probe()
        yield Finding("ok", "engine", f"{info.kind} at {info.url}")
        yield Finding("ok", "model", f"{info.model}{_describe_others(info)}")
        yield _examine_window(info)
        yield _examine_counting(info)
        yield _examine_template(info)
        yield await _examine_cache(engine)
        for sentence in info.notices:
            if info.window_source != "default" or "window" not in sentence:  # that was said above
                yield Finding("note", "engine", sentence)
    except TurnkeepError as error:
        yield Finding("wrong", "engine", str(error))


def _describe_others(info: EngineInfo) -> str:
    others = [model for model in info.models if model != info.model]
    return f"; it also serves {', '.join(others)}" if others else ""


def _examine_window(info: EngineInfo) -> Finding:
    trained = f" of {info.trained_window:,} it was trained for" if info.trained_window else ""
    if info.window_source == "default":
        return Finding(
            "wrong",
            "window",
            f"the engine does not tell its window; name the loaded one with --window, until then {info.window:,}.",
        )
    sentence = f"{info.window:,} tokens{trained}"
    larger = (info.trained_window or 0) > info.window and not info.url.startswith(EMBEDDED)
    if info.window < SMALL_WINDOW and larger:
        return Finding(
            "note", "window", f"{sentence}: little stays word for word; load the model with a larger one."
        )
    return Finding("ok", "window", sentence)


def _examine_counting(info: EngineInfo) -> Finding:
    if info.counts:
        return Finding("ok", "counting", "the engine counts tokens exactly")
    return Finding("note", "counting", "tokens are estimated, and learned from what the engine reports")


def _examine_template(info: EngineInfo) -> Finding:
    rules = info.template
    if rules.moves:
        return Finding(
            "wrong", "template", f"the front of the prompt moves: {rules.moves}. Use another chat template."
        )
    if rules.base_in == "first_user":
        return Finding(
            "note", "template", "keeps the front still; instructions stand in the first user message"
        )
    return Finding("ok", "template", "keeps the front of the prompt still")


async def _examine_cache(engine: Engine) -> Finding:
    """Send the same small prompt twice: what is read again the second time is not cached."""
    first = await _ask(engine)
    second = await _ask(engine)
    if second.usage.cached_tokens is None:
        return Finding(
            "note", "cache", "the engine does not say what it reuses; compare the seconds to the first word"
        )
    read = f"read {first.usage.read_tokens} tokens, then {second.usage.read_tokens} of the same prompt"
    if second.usage.cached_tokens == 0:
        return Finding("wrong", "cache", f"{read}: switch the engine's prompt cache on.")
    return Finding("ok", "cache", read)


async def _ask(engine: Engine) -> End:
    request = Request(messages=[{"role": "user", "content": PROBE_TEXT}], max_tokens=1, temperature=0)
    end = End(finish_reason="stop")
    async with aclosing(engine.stream(request)) as deltas:
        async for delta in deltas:
            if isinstance(delta, End):
                end = delta
    return end
