"""What a gateway says of its engine and of itself."""

import asyncio
import base64
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from tests.gateway.asgi import Site
from turnkeep.embed.base import pack_vector
from turnkeep.engine.base import EngineInfo
from turnkeep.errors import EngineUnreachable
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.gateway.http import Route
from turnkeep.gateway.models import ROUTES, create_embeddings
from turnkeep.gateway.openapi import describe_routes
from turnkeep.testing import ScriptedEngine


class Embedding:
    """An embedder whose vectors say how long a text is."""

    name = "lengths"
    baseline = 0.0

    async def prepare(self) -> None:
        """Nothing."""

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [pack_vector([float(len(text)), 1.0, 0.0, 0.0]) for text in texts]

    async def close(self) -> None:
        """Nothing."""


class Several(ScriptedEngine):
    """An engine that serves two models."""

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        info = await super().probe(refresh=refresh)
        return EngineInfo(
            **{name: getattr(info, name) for name in info.__slots__} | {"models": ("script", "org/other")}
        )


class Away(ScriptedEngine):
    """An engine that is not there."""

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        raise EngineUnreachable("Nobody answers: start it.")


def site(**given: Any) -> Site:
    return Site(routes=ROUTES, sockets=(), **given)


# -- models -------------------------------------------------------------------------------------------
def test_the_engines_models_are_listed_by_its_own_names() -> None:
    async def run() -> None:
        async with site(engines=[Several()]) as here:
            got = (await here.get("/v1/models")).json
            assert got["object"] == "list"
            assert [model["id"] for model in got["data"]] == ["script", "org/other"]
            assert {"id", "object", "created", "owned_by"} == set(got["data"][0])
            for path in ("org/other", "org%2Fother"):
                assert (await here.get(f"/v1/models/{path}")).json["id"] == "org/other"

    asyncio.run(run())


def test_an_engine_that_does_not_list_its_models_has_the_one_it_serves() -> None:
    async def run() -> None:
        async with site() as here:
            assert [model["id"] for model in (await here.get("/v1/models")).json["data"]] == ["script"]

    asyncio.run(run())


def test_a_model_that_is_not_there_is_a_404() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.get("/v1/models/gpt-4")
            assert (got.status, got.error["code"], got.error["param"]) == (404, "model_not_found", "model")

    asyncio.run(run())


def test_an_engine_that_is_away_is_told() -> None:
    async def run() -> None:
        async with site(engines=[Away()]) as here:
            got = await here.get("/v1/models")
            assert (got.status, got.error["type"]) == (502, "server_error")
            assert (await here.get("/health")).json["status"] == "ok"

    asyncio.run(run())


# -- embeddings ---------------------------------------------------------------------------------------
async def embed(body: Any) -> Any:
    async with site() as here:
        here.gateway.embedder = Embedding()
        return await here.post("/v1/embeddings", body)


def test_texts_become_vectors_in_their_order() -> None:
    got = asyncio.run(embed({"input": ["a", "abc"], "model": "text-embedding-3-small"})).json
    assert [row["index"] for row in got["data"]] == [0, 1]
    assert got["model"] == "lengths"
    assert got["usage"]["prompt_tokens"] == got["usage"]["total_tokens"] > 0
    first, second = (row["embedding"] for row in got["data"])
    assert len(first) == 4
    assert first[0] == pytest.approx(2**-0.5, abs=0.02)
    assert second[0] > first[0]


def test_base64_holds_the_same_numbers() -> None:
    floats = asyncio.run(embed({"input": "abc"})).json["data"][0]["embedding"]
    packed = asyncio.run(embed({"input": "abc", "encoding_format": "base64"})).json["data"][0]["embedding"]
    assert struct.unpack("<4f", base64.b64decode(packed)) == pytest.approx(floats)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [" "]}, "input"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": ["a"] * 2_049}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "encoding_format": ["float"]}, "encoding_format"),
        ({"input": "a", "dimensions": 5}, "dimensions"),
    ],
)
def test_what_cannot_be_embedded_is_refused_with_the_field(body: dict[str, Any], param: str) -> None:
    got = asyncio.run(embed(body))
    assert (got.status, got.error["param"]) == (400, param)


def test_the_models_own_number_of_dimensions_may_be_asked_for() -> None:
    assert asyncio.run(embed({"input": "a", "dimensions": 4})).status == 200


def test_without_an_embedder_it_is_said_how_to_have_one() -> None:
    async def run() -> None:
        async with site(settings=ServeSettings(embeddings="off")) as here:
            got = await here.post("/v1/embeddings", {"input": "a"})
            assert (got.status, "turnkeep embed install" in got.error["message"]) == (400, True)

    asyncio.run(run())


# -- the rest -----------------------------------------------------------------------------------------
def test_health_and_metrics_are_served() -> None:
    async def run() -> None:
        async with site() as here:
            assert (await here.get("/health")).json == {"status": "ok", "engines": {"alive": 1, "all": 1}}
            got = await here.get("/metrics")
            assert got.headers["content-type"].startswith("text/plain")
            assert 'turnkeep_responses_total{status="200"} 1\n' in got.text

    asyncio.run(run())


def test_the_document_lists_each_route_with_its_path_and_body() -> None:
    found = describe_routes(
        [
            *ROUTES,
            Route(
                method="DELETE", pattern="/v1/a/{id}/b/{item}", handler=create_embeddings, summary="Deletes."
            ),
        ]
    )
    assert found["openapi"].startswith("3.1")
    assert set(found["paths"]["/v1/embeddings"]) == {"post"}
    assert "requestBody" in found["paths"]["/v1/embeddings"]["post"]
    names = [each["name"] for each in found["paths"]["/v1/a/{id}/b/{item}"]["delete"]["parameters"]]
    assert names == ["id", "item"]
    assert "/v1/models/{id}" in found["paths"]
    operations = [each["operationId"] for path in found["paths"].values() for each in path.values()]
    assert len(operations) == len(set(operations))


def test_the_document_says_what_can_be_done_with_what_was_made() -> None:
    paths = ("/v1/a", "/v1/a/{id}", "/v1/a/{id}/b", "/v1/a/{id}/b/{item}", "/v1/c/{id}")
    routes = [
        Route(method=method, pattern=path, handler=create_embeddings, summary="Does.")
        for path in paths
        for method in ("GET", "POST")
    ]
    found = describe_routes(routes)["paths"]
    links = found["/v1/a"]["post"]["responses"]["200"]["links"]
    assert set(links) == {f"{method}_v1_a_id{rest}" for method in ("get", "post") for rest in ("", "_b")}
    assert links["get_v1_a_id"]["parameters"] == {"id": "$response.body#/id"}
    deeper = found["/v1/a/{id}/b"]["post"]["responses"]["200"]["links"]
    assert deeper["get_v1_a_id_b_item"]["parameters"] == {
        "id": "$request.path.id",
        "item": "$response.body#/data/0/id",
    }
    assert "links" not in found["/v1/c/{id}"]["post"]["responses"]["200"]


def test_the_document_is_served() -> None:
    async def run() -> None:
        async with site() as here:
            found = (await here.get("/openapi.json")).json
            assert {"/v1/models", "/v1/embeddings", "/health", "/metrics", "/openapi.json"} <= set(
                found["paths"]
            )

    asyncio.run(run())
