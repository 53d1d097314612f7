"""Any OpenAI-style engine: what /v1/models tells, and no more.

The other adapters build on this one. It cannot count tokens and cannot see the chat
template; where no window is told, it takes one that every engine of today has.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

from ..conversation.items import Usage
from ..errors import ContextOverflow, EngineProtocolError, EngineRefused, UsageError
from ..wire.chat_completions import render_body
from ..wire.exchange import Delta, End, Request
from .base import EngineInfo, Warmed
from .client import EngineClient

WindowSource: TypeAlias = Literal["loaded", "user", "default", "learned"]

DEFAULT_WINDOW = 4096  # the smallest window engines load by themselves (Ollama below 24 GiB, LM Studio)
CHAT_PATH = "/v1/chat/completions"
NOT_THERE = (404, 405, 501)  # statuses of a path that an engine does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """An entry of /v1/models. `meta` is llama.cpp's; `window` is None where the entry tells none."""

    id: str
    aliases: tuple[str, ...] = ()
    window: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON of the engine
    owner: str = ""

    def answers_to(self, name: str) -> bool:
        """Whether a person may mean this model by `name`.

        llama.cpp's id may be a file's path, Ollama's tag may be left out, a gateway's id may be a pattern.
        """
        names = (self.id, *self.aliases)
        short = [known.replace("\\", "/").rpartition("/")[2] for known in names]
        return (
            name in names
            or name in short
            or f"{name}:latest" in names
            or any("*" in known and fnmatchcase(name, known) for known in names)
        )


class GenericEngine:
    """An engine of which only the API is known.

    Args:
        client: reaches it.
        model: the model to name in requests; None takes the first that is served.
        window: tokens to use at most; None uses all that is loaded.
        url: what to call its address, where that is not the client's.
    """

    kind = "generic"

    def __init__(
        self,
        client: EngineClient,
        *,
        model: str | None = None,
        window: int | None = None,
        url: str | None = None,
    ) -> None:
        self.client = client
        self._url = url or client.url
        self.wanted_model = model
        self.wanted_window = window
        self._info: EngineInfo | None = None
        self._outages = 0  # of the client, when it was probed

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self._url

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        """Find out what is loaded; asked again after the engine was away, since it may have changed."""
        if self._info is None or refresh or self._outages != self.client.outages:
            info = await self._load_info()
            self._outages = self.client.outages
            self._info = info
        return self._info

    async def _load_info(self) -> EngineInfo:
        models = await load_models(self.client, required=self.wanted_model is None)
        model = choose_model(models, self.wanted_model, self.client.name)
        window, source, notices = settle_window(model.window, self.wanted_window, self.client.name)
        if self.wanted_model is None and len(models) > 1:
            notices += (
                f"{self.client.name} serves {len(models)} models: {model.id} is used; choose with --model.",
            )
        return EngineInfo(
            url=self.url,
            kind=self.kind,
            model=model.id,
            models=tuple(known.id for known in models),
            window=window,
            window_source=source,
            tokenizer=f"{self.kind}:{model.id}",
            counts=False,
            notices=notices,
        )

    async def count(self, request: Request) -> int | None:  # noqa: ARG002  # the protocol's
        """Nobody knows."""
        return None

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:  # noqa: ARG002  # the protocol's
        """Nobody knows."""
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Send the request and yield its deltas, `End` last."""
        info = await self.probe()
        try:
            async with aclosing(self.client.stream(CHAT_PATH, self._body(request, info))) as deltas:
                async for delta in deltas:
                    yield delta
        except ContextOverflow as error:
            self._learn(error)
            raise

    def _body(self, request: Request, info: EngineInfo) -> dict[str, Any]:  # Any: JSON for the engine
        return render_body(request, info.model)

    def _learn(self, error: ContextOverflow) -> None:
        """Take over the true window that an overflow error names."""
        if self._info is not None and error.available is not None and 0 < error.available < self._info.window:
            self._info = replace(self._info, window=error.available, window_source="learned")

    async def warm(self, request: Request) -> Warmed | None:
        """Send the prompt with a one-word user message, for one token."""
        if request.messages and request.messages[-1]["role"] == "user":
            return None  # a second user message in a row is refused by many templates
        info = await self.probe()
        messages = [*request.messages, {"role": "user", "content": "Hi"}]
        return await self._read_only(
            CHAT_PATH, self._body(replace(request, messages=messages, max_tokens=1), info)
        )

    async def _read_only(self, path: str, body: Mapping[str, Any]) -> Warmed:
        """Send a request for what it makes the engine read.

        Streamed, because engines notice a closed connection when they write to it: measured on llama.cpp,
        a cancelled prefill goes on to its end without a stream, and stops within one batch with it.
        """
        usage = Usage()
        try:
            async with aclosing(self.client.stream(path, body)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, End):
                        usage = delta.usage
        except ContextOverflow as error:
            self._learn(error)
            raise
        return Warmed(read_tokens=usage.read_tokens, prompt_tokens=usage.prompt_tokens)

    async def close(self) -> None:
        """Let go of the connections that are kept between calls."""
        await self.client.close()


async def load_models(client: EngineClient, *, required: bool = True) -> list[ServedModel]:
    """List the served models.

    Args:
        client: reaches the engine.
        required: whether an engine that lists none is an error; False returns an empty list.

    Raises:
        EngineProtocolError: what answers is no OpenAI-style engine.
        UsageError: it serves nothing.
    """
    try:
        value = await client.get("/v1/models")
    except EngineRefused as error:
        if error.http_status in NOT_THERE and not required:
            return []
        if error.http_status in NOT_THERE:
            raise EngineProtocolError(
                f"{client.name} lists no models at /v1/models: check that the address is that of an "
                "OpenAI-style API, or name the model with --model."
            ) from error
        raise
    entries = value.get("data") if isinstance(value, Mapping) else None
    if not isinstance(entries, list):
        raise EngineProtocolError(
            f"{client.name} answers, but not as an OpenAI-style API does: check the address."
        )
    models = [model for entry in entries if (model := _parse_model(entry)) is not None]
    if not models:
        raise UsageError(f"{client.name} serves no model: load one there first.")
    return models


def _parse_model(entry: object) -> ServedModel | None:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
        return None
    meta = entry.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    aliases = entry.get("aliases")
    return ServedModel(
        id=entry["id"],
        aliases=tuple(str(alias) for alias in aliases) if isinstance(aliases, list) else (),
        # max_model_len: vLLM and SGLang; meta.n_ctx: llama.cpp.
        window=_positive(entry.get("max_model_len")) or _positive(meta.get("n_ctx")),
        meta=meta,
        owner=str(entry.get("owned_by") or ""),
    )


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def choose_model(models: Sequence[ServedModel], wanted: str | None, engine: str) -> ServedModel:
    """Choose the model that requests name.

    Args:
        models: those served; empty when the engine does not say, then `wanted` is taken as it is.
        wanted: what the person named; None takes the first.
        engine: subject of the error sentence.

    Raises:
        UsageError: no model of that name is served. (llama.cpp would take any name silently.)
    """
    if wanted is None:
        return models[0]
    if not models:
        return ServedModel(id=wanted)
    for model in models:
        if model.answers_to(wanted):
            # What the person wrote may be the more special name: a gateway's pattern is no id.
            return replace(model, id=wanted) if "*" in model.id else model
    served = ", ".join(model.id for model in models)
    which = f"it serves {served}" if len(models) == 1 else f"choose one of {served}"
    raise UsageError(f"{engine} does not serve {wanted!r}: {which}.")


def settle_window(
    loaded: int | None, wanted: int | None, engine: str
) -> tuple[int, WindowSource, tuple[str, ...]]:
    """Settle on a window: the loaded one, or less where the person wants less.

    Returns:
        Tokens, where they come from, and notices for the person.

    Raises:
        UsageError: more is wanted than is loaded, or nothing.
    """
    if wanted is not None and wanted < 1:
        raise UsageError(f"A window of {wanted} tokens holds nothing: give a larger --window.")
    if loaded is None and wanted is None:
        notice = (
            f"{engine} does not say how long its context window is: {DEFAULT_WINDOW:,} tokens are assumed; "
            "give the loaded length with --window."
        )
        return DEFAULT_WINDOW, "default", (notice,)
    if loaded is not None and wanted is not None and wanted > loaded:
        raise UsageError(
            f"A window of {wanted:,} tokens is more than the {loaded:,} that {engine[0].lower()}{engine[1:]} "
            f"has loaded: ask for at most {loaded}, or load the model with a larger context."
        )
    if wanted is not None:
        return wanted, "user", ()
    assert loaded is not None
    return loaded, "loaded", ()
