"""Tell what an engine's error means: overflow, loading, busy, refused key, unknown model, or fatal.

Engines agree on no code, so that words decide. The wordings are those of llama.cpp, vLLM,
SGLang, TabbyAPI, llama-cpp-python, LM Studio, Ollama and mlx-lm (read in their sources and
trackers, 2026-05 to 2026-09); each stands in tests/wire/test_failures.py.

Pure: status and body in, a value out.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..conversation.items import FinishReason, Usage
from ..errors import ContextOverflow, EngineBusy, EngineRefused

FailureKind: TypeAlias = Literal["overflow", "loading", "busy", "auth", "unknown_model", "fatal"]

MAX_MESSAGE_CHARS = 500  # of an engine's own words in our messages; a Jinja trace can be pages long

# Several slots of llama.cpp share one pool of tokens: a prompt that fits alone finds no room beside
# the others. Its status is 500; MLX in LM Studio says the same with 400 and means an overflow.
POOL_IS_FULL = "context size has been exceeded"

_OVERFLOW_TYPES = ("exceed_context_size_error", "context_length_exceeded")
_OVERFLOW = re.compile(
    r"exceeds? the available context size"  # llama.cpp, TabbyAPI
    r"|maximum context length|max(imum)? model length"  # vLLM, SGLang, llama-cpp-python
    r"|(longer than|exceeds?|greater than|exceeded) (the )?(model's )?(maximum )?context[ _-](length|size|window)"
    r"|exceeds? (the )?context window of"  # llama-cpp-python
    r"|context length of only|tokens to keep from the initial prompt"  # LM Studio
    r"|trying to keep the first"  # LM Studio
    r"|context (size|length|window) (has been |was )?exceeded"
    r"|input length .{0,40}exceeds",  # vLLM
    re.IGNORECASE,
)
_LOADING = re.compile(
    r"loading model|model is (still |currently )*(being )?load(ing|ed\b(?! with))", re.IGNORECASE
)
_BUSY = re.compile(r"server (is )?busy|too many requests|maximum pending requests|overloaded", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model\b.{0,200}\b(not found|does ?n[o']t exist|not exist|not available|is not served)"
    r"|no models? (is )?loaded|unknown model|invalid model",
    re.IGNORECASE | re.DOTALL,
)
_AUTH = re.compile(r"(invalid|incorrect|missing|wrong) api[ _-]?key|authentication_error", re.IGNORECASE)

# Each finds one number. "needed" is the prompt where it is told apart from the reply.
_NEEDED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"contains (?:at least )?([\d,]+) input tokens",  # vLLM
        r"request has ([\d,]+) input tokens",  # vLLM, max_tokens too large
        r"([\d,]+) tokens from the input messages",  # SGLang
        r"\(([\d,]+) in (?:the messages|your prompt)",  # OpenAI, llama-cpp-python
        r"resulted in ([\d,]+) tokens",  # OpenAI
        r"requested ([\d,]+) tokens",  # llama-cpp-python
        r"requested tokens \(([\d,]+)\)",  # llama-cpp-python
        r"(?:request|input|input length|prompt length) \(?([\d,]+)(?: tokens)?\)?[^\d]{0,40}(?:exceeds|is longer)",
        r"keep the first ([\d,]+) tokens",  # LM Studio
    )
)
_AVAILABLE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"context length (?:is|of)(?: only)? ([\d,]+)",  # vLLM, SGLang, OpenAI, LM Studio
        r"context (?:size|length|window) \(([\d,]+)",  # llama.cpp, vLLM, SGLang
        r"context (?:size|window) of ([\d,]+)",  # TabbyAPI, llama-cpp-python
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An engine's error, understood.

    message: the engine's own words, shortened; needed, available: tokens, None when it did not say.
    """

    kind: FailureKind
    message: str
    needed: int | None = None
    available: int | None = None


def classify_failure(status: int | None, body: object) -> Failure:
    """Tell what an error means.

    Args:
        status: the HTTP status; None or 200 for an error object inside a stream, whose `code` then counts.
        body: the body as text or parsed JSON, or the error object of a stream.
    """
    error = _find_error(body)
    message = _message(error, body)
    code = error.get("code")
    if status in (None, 200):
        status = code if isinstance(code, int) else None
    kinds = f"{error.get('type')} {code}"
    if status in (401, 403) or _AUTH.search(f"{kinds} {message}"):
        return Failure(kind="auth", message=message)
    if POOL_IS_FULL in message.lower() and (status == 500 or error.get("type") == "server_error"):
        return Failure(kind="busy", message=message)
    if any(name in kinds for name in _OVERFLOW_TYPES) or _OVERFLOW.search(message):
        return _overflow(error, message)
    return Failure(kind=_other_kind(status, kinds, message), message=message)


def _other_kind(status: int | None, kinds: str, message: str) -> FailureKind:
    if _LOADING.search(message):
        return "loading"
    if status in (429, 502, 503, 504) or _BUSY.search(message):
        return "busy"
    if "model_not_found" in kinds or (status in (None, 400, 404) and _NO_MODEL.search(message)):
        return "unknown_model"
    return "fatal"


def _overflow(error: Mapping[str, Any], message: str) -> Failure:
    needed, available = error.get("n_prompt_tokens"), error.get("n_ctx")  # llama.cpp
    return Failure(
        kind="overflow",
        message=message,
        needed=needed if isinstance(needed, int) else _find_number(_NEEDED, message),
        available=available if isinstance(available, int) else _find_number(_AVAILABLE, message),
    )


def _find_number(patterns: tuple[re.Pattern[str], ...], message: str) -> int | None:
    for pattern in patterns:
        found = pattern.search(message)
        if found:
            return int(found[1].replace(",", ""))
    return None


def _find_error(body: object) -> Mapping[str, Any]:  # Any: JSON of an engine
    """Find the error object: nested, flat, or none when the error is a plain string."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return {}
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def _message(error: Mapping[str, Any], body: object) -> str:
    for name in ("message", "error", "detail", "msg"):  # "detail" is FastAPI's
        text = error.get(name)
        if isinstance(text, str) and text.strip():
            return _shorten(text)
    return _shorten(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str))


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_MESSAGE_CHARS else line[:MAX_MESSAGE_CHARS] + "…"


def failure_error(
    failure: Failure, engine: str, *, http_status: int | None = None, key_given: bool = True
) -> ContextOverflow | EngineBusy | EngineRefused:
    """Make the exception for a failure; `engine` is the subject of its sentence."""
    words = failure.message.rstrip(".")
    match failure.kind:
        case "overflow":
            return ContextOverflow(
                f"{engine} refused the prompt as too long: {words}.",
                needed=failure.needed,
                available=failure.available,
            )
        case "loading":
            state = f"{engine} is still loading its model"
            return EngineBusy(f"{state}: try again when it is ready ({words}).", state=f"{state}.")
        case "busy":
            state = f"{engine} has no room for now"
            return EngineBusy(f"{state}: try again later ({words}).", state=f"{state}.")
        case "auth":
            asked = "refused the key: give the right one" if key_given else "asks for a key: give it"
            said = f"{engine} {asked} with --api-key or OPENAI_API_KEY ({words})."
            return EngineRefused(said, http_status=http_status)
        case "unknown_model":
            said = f"{engine} does not serve this model: name one that it serves with --model ({words})."
            return EngineRefused(said, http_status=http_status)
        case "fatal":
            return EngineRefused(f"{engine} refused the request: {words}.", http_status=http_status)


def suspects_overflow(*, said_anything: bool, finish_reason: FinishReason | None, usage: Usage) -> bool:
    """Tell whether a response of status 200 hides an overflow.

    LM Studio may answer a prompt that is too long with an empty stream (its issue 2339): nothing
    said, no token counted, and an end by length or without a reason.
    """
    return not said_anything and finish_reason in (None, "length") and not usage.completion_tokens
