"""What a gateway says of itself and its engine: models, embeddings, health, metrics, its document."""

import base64
import math
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from ..context.sizes import estimate_tokens
from ..embed.base import Embedder, stretch
from ..embed.endpoint import EndpointEmbedder
from ..engine.base import EngineInfo
from ..errors import RequestRefused
from .engines import describe_pool
from .gateway import Gateway
from .http import Answer, Call, Route
from .turns import describe_turns

MOST_TEXTS = 2_048  # of one request, as the interface has it
_OWNER = "turnkeep"
_BUILT_IN_PLACES = 7  # digits: a byte a dimension holds no more


# -- models ---------------------------------------------------------------------------------------
async def list_models(call: Call) -> Answer:
    """GET /v1/models."""
    info = await _find_info(call.gateway)
    return Answer(body={"object": "list", "data": [_describe(call.gateway, name) for name in _names(info)]})


async def get_model(call: Call) -> Answer:
    """GET /v1/models/{id}."""
    name = call.params["id"]
    if name not in _names(await _find_info(call.gateway)):
        raise RequestRefused(
            "The engine has no model of that name: GET /v1/models lists them.",
            param="model",
            code="model_not_found",
            status=404,
        )
    return Answer(body=_describe(call.gateway, name))


async def _find_info(gateway: Gateway) -> EngineInfo:
    return gateway.pool.info or await gateway.pool.open()


def _names(info: EngineInfo) -> tuple[str, ...]:
    return info.models if info.model in info.models else (info.model, *info.models)


def _describe(gateway: Gateway, name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": int(gateway.began), "owned_by": _OWNER}


# -- embeddings -----------------------------------------------------------------------------------
async def create_embeddings(call: Call) -> Answer:
    """POST /v1/embeddings."""
    texts = _read_texts(call.body.get("input"))
    write = _read_format(call.body.get("encoding_format"))
    embedder = call.gateway.embedder
    if embedder is None:
        raise RequestRefused(
            "This gateway finds nothing by meaning: run turnkeep embed install, or start it with --embeddings."
        )
    vectors = await _embed(embedder, texts)
    wanted = call.body.get("dimensions")
    if wanted is not None and wanted != len(vectors[0]):
        raise RequestRefused(
            f"This model's vectors have {len(vectors[0])} dimensions: leave dimensions out.",
            param="dimensions",
        )
    rows = [
        {"object": "embedding", "index": index, "embedding": write(vector)}
        for index, vector in enumerate(vectors)
    ]
    tokens = math.ceil(sum(map(estimate_tokens, texts)))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer(body={"object": "list", "data": rows, "model": embedder.name, "usage": usage})


def _read_texts(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or len(texts) > MOST_TEXTS:
        raise RequestRefused(f"input must be a text, or a list of 1 to {MOST_TEXTS:,} texts.", param="input")
    for text in texts:
        if not isinstance(text, str):
            raise RequestRefused(
                "input must be text: this model's tokens are not those of another.", param="input"
            )
        if not text.strip():
            raise RequestRefused("input holds an empty text: leave it out.", param="input")
    return texts


def _read_format(given: object) -> Callable[[Sequence[float]], Any]:  # Any: a list or a text
    if given in (None, "float"):
        return list
    if given == "base64":
        return _write_base64
    raise RequestRefused("encoding_format must be float or base64.", param="encoding_format")


def _write_base64(vector: Sequence[float]) -> str:
    """The values as 32-bit floats, the least byte first."""
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode("ascii")


async def _embed(embedder: Embedder, texts: Sequence[str]) -> list[list[float]]:
    if isinstance(embedder, EndpointEmbedder):
        return await embedder.embed_whole(texts)
    return [_unpack(vector) for vector in await embedder.embed(texts)]


def _unpack(vector: bytes) -> list[float]:
    """The unit vector that a byte a dimension stands for; its cosines are off by 0.001 on average."""
    factor = stretch(len(vector))
    return [round(value / factor, _BUILT_IN_PLACES) for value in array("b", vector)]


# -- health, metrics, the document ----------------------------------------------------------------
async def show_health(call: Call) -> Answer:
    """GET /health: whether the gateway runs, and how many of its engines do."""
    members = call.gateway.pool.members
    alive = sum(member.alive for member in members)
    return Answer(body={"status": "ok", "engines": {"alive": alive, "all": len(members)}})


async def show_metrics(call: Call) -> Answer:
    """GET /metrics, as Prometheus reads it."""
    gateway = call.gateway
    gauges = {**describe_pool(gateway.pool), **describe_turns(gateway.turns)}
    return Answer(body=gateway.metrics.render(gauges))


async def show_document(_call: Call) -> Answer:
    """GET /openapi.json."""
    from .app import collect_routes
    from .openapi import describe_routes

    return Answer(body=describe_routes(collect_routes()))


_EMBEDDINGS = {
    "type": "object",
    "required": ["input"],
    "properties": {
        "input": {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        },
        "model": {"type": "string"},
        "encoding_format": {"enum": ["float", "base64"]},
        "dimensions": {"type": "integer"},
        "user": {"type": "string"},
    },
}

ROUTES = (
    Route(method="GET", pattern="/v1/models", handler=list_models, summary="The engine's models."),
    Route(method="GET", pattern="/v1/models/{id*}", handler=get_model, summary="One of them."),
    Route(
        method="POST",
        pattern="/v1/embeddings",
        handler=create_embeddings,
        summary="Vectors of texts.",
        body=_EMBEDDINGS,
    ),
    Route(method="GET", pattern="/health", handler=show_health, summary="Whether it runs.", open=True),
    Route(method="GET", pattern="/metrics", handler=show_metrics, summary="Numbers for Prometheus."),
    Route(method="GET", pattern="/openapi.json", handler=show_document, summary="This document.", open=True),
)
