"""llama.cpp's server: exact counts, template rules by dry run, warming without a word said.

Facts from tools/server of llama.cpp as vendored in xllamacpp 2026.10; each is tried on
the real server in tests/engine/test_llamacpp.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import EngineProtocolError, EngineRefused
from ..wire.chat_completions import render_body
from ..wire.exchange import Request, WireMessage
from .base import EngineInfo, Warmed
from .client import EngineClient, Json
from .generic import NOT_THERE, GenericEngine, ServedModel, choose_model, load_models, settle_window
from .template import find_rules

# With progress, a stream is written to after each batch, so that the engine soon notices when nobody listens.
STREAMED: Mapping[str, Any] = {
    "cache_prompt": True,
    "return_progress": True,
    "stream_options": {"include_usage": True},
}
PLACEHOLDER = "Qz7 stands here"  # where the next user text will stand; without spaces at its ends, which templates strip


class LlamaCppEngine(GenericEngine):
    """A llama.cpp server with one model."""

    kind = "llama.cpp"
    _counts_chats = True  # False: a build without /v1/chat/completions/input_tokens

    async def _load_info(self) -> EngineInfo:
        props = await self.client.get("/props")
        models = await load_models(self.client)
        model = choose_model(models, self.wanted_model, self.client.name)
        window, source, notices = settle_window(_loaded_window(props), self.wanted_window, self.client.name)
        return EngineInfo(
            url=self.url,
            kind=self.kind,
            model=model.id,
            models=tuple(known.id for known in models),
            window=window,
            window_source=source,
            trained_window=_trained_window(model),
            tokenizer=_tokenizer_key(model),
            counts=True,
            template=await find_rules(self._render, props.get("chat_template")),
            reports_cache=True,
            vision=bool(props.get("modalities", {}).get("vision")),
            slots=props.get("total_slots") or 1,
            takes_minus_one=True,
            notices=notices,
        )

    async def _render(self, messages: Sequence[WireMessage], template_args: Mapping[str, str]) -> str:
        body: dict[str, Any] = {"messages": list(messages)}
        if template_args:
            body["chat_template_kwargs"] = dict(template_args)
        return await self._apply_template(body)

    async def _apply_template(self, body: Mapping[str, Any]) -> str:
        """Render as the chat endpoint does. A BOS token is not part of it: tokenizing adds it, once."""
        return str(self._field(await self.client.post("/apply-template", body), "prompt", str))

    def _field(self, value: Json, name: str, kind: type) -> Any:  # Any: of type `kind`
        found = value.get(name) if isinstance(value, Mapping) else None
        if not isinstance(found, kind):
            raise EngineProtocolError(
                f"{self.client.name} answers without {name!r}: is it a current llama.cpp?"
            )
        return found

    async def count(self, request: Request) -> int | None:
        """Count the whole prompt with the engine's own template and tokenizer."""
        info = await self.probe()
        body = render_body(request, info.model, stream=False)
        if self._counts_chats:
            try:
                value = await self.client.post("/v1/chat/completions/input_tokens", body)
                return int(self._field(value, "input_tokens", int))
            except EngineRefused as error:
                if error.http_status not in NOT_THERE:
                    raise
                self._counts_chats = False
        prompt = await self._apply_template(body)
        tokens = await self.client.post(
            "/tokenize", {"content": prompt, "add_special": True, "parse_special": True}
        )
        return len(self._field(tokens, "tokens", list))

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count plain texts, special tokens read as the chat endpoint reads them."""
        bodies = [{"content": text, "add_special": False, "parse_special": True} for text in texts]
        return [
            len(self._field(value, "tokens", list))
            for value in await self.client.post_many("/tokenize", bodies)
        ]

    def _body(self, request: Request, info: EngineInfo) -> dict[str, Any]:
        return {**STREAMED, **_slot_field(request), **render_body(request, info.model)}

    async def warm(self, request: Request) -> Warmed | None:
        """Evaluate the rendered prompt up to where the next user text will stand.

        None when the template hides where that is. The one token that the engine makes stays behind
        the end and does no harm: the next prompt overwrites it.
        """
        info = await self.probe()
        if _has_images(request):
            return await super().warm(request)  # a rendered prompt holds no pictures
        front = await self._render_front(request, info)
        if not front:
            return None
        body = {
            "model": info.model,
            "prompt": front,
            "max_tokens": 1,
            "stream": True,
            **STREAMED,
            **_slot_field(request),
        }
        return await self._read_only("/v1/completions", body)

    async def erase_cache(self) -> int:
        """Erase all slots; 0 where the server has no leave to (it was started without --slot-save-path)."""
        props = await self.client.get("/props")
        slots = int(props.get("total_slots") or 1)
        try:
            for slot in range(slots):
                await self.client.post(f"/slots/{slot}?action=erase", {})
        except EngineRefused:
            return 0
        return slots

    async def _render_front(self, request: Request, info: EngineInfo) -> str | None:
        body = render_body(replace(request, messages=_add_placeholder(request.messages)), info.model)
        try:
            prompt = await self._apply_template(body)
        except EngineRefused:
            return None  # the template wants these messages otherwise
        front, found, _ = prompt.rpartition(PLACEHOLDER)
        return front if found else None


async def detect(client: EngineClient, model: str | None, window: int | None) -> LlamaCppEngine | None:
    """Take a server whose /props are llama.cpp's; None for any other.

    Raises:
        EngineRefused: the key is refused.
    """
    try:
        props = await client.get("/props")
    except EngineRefused as error:
        if error.http_status in (401, 403):
            raise
        return None
    except EngineProtocolError:
        return None
    # TabbyAPI imitates the window in /props, but has no build.
    if not isinstance(props, Mapping) or "build_info" not in props or _loaded_window(props) is None:
        return None
    return LlamaCppEngine(client, model=model, window=window)


def _loaded_window(props: Json) -> int | None:
    """Tokens that one slot holds. Several slots may share a pool: each then reports all of it."""
    settings = props.get("default_generation_settings") if isinstance(props, Mapping) else None
    window = settings.get("n_ctx") if isinstance(settings, Mapping) else None
    return window if isinstance(window, int) and window > 0 else None


def _trained_window(model: ServedModel) -> int | None:
    trained = model.meta.get("n_ctx_train")
    return trained if isinstance(trained, int) and trained > 0 else None


def _tokenizer_key(model: ServedModel) -> str:
    """Name the tokenizer: the same for the same model file, wherever it lies."""
    name = model.id.replace("\\", "/").rpartition("/")[2]
    return f"llama.cpp:{name}:{model.meta.get('n_vocab')}:{model.meta.get('size')}"


def _slot_field(request: Request) -> dict[str, int]:
    """Name the slot that a request is pinned to; without a pin the server chooses the most alike."""
    return {} if request.slot is None else {"id_slot": request.slot}


def _has_images(request: Request) -> bool:
    return any(
        isinstance(part, Mapping) and part.get("type") not in ("text", None)
        for message in request.messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )


def _add_placeholder(messages: Sequence[WireMessage]) -> list[WireMessage]:
    """Add the placeholder as the next user text: to a last user message (a lone base), else as one of its own."""
    last = messages[-1] if messages else {}
    if last.get("role") == "user" and isinstance(last.get("content"), str):
        return [*messages[:-1], {**last, "content": f"{last['content']}\n\n{PLACEHOLDER}"}]
    return [*messages, {"role": "user", "content": PLACEHOLDER}]
