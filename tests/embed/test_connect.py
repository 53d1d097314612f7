"""What a setting names: the built-in model, an engine, or nothing; and who gets the key."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.engine.fake_server import Exchange, FakeServer

from turnkeep.embed import connect
from turnkeep.embed.builtin import BuiltInEmbedder
from turnkeep.embed.connect import connect_embedder
from turnkeep.errors import UsageError


@pytest.mark.parametrize("setting", [None, "auto"])
def test_where_nothing_is_named_the_model_is_used_if_it_is_there(
    setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "find_model", lambda: Path("model"))
    assert isinstance(connect_embedder(setting), BuiltInEmbedder)
    monkeypatch.setattr(connect, "has_arithmetic", lambda: False)
    assert connect_embedder(setting) is None
    monkeypatch.undo()
    monkeypatch.setattr(connect, "find_model", lambda: None)
    assert connect_embedder(setting) is None


def test_builtin_and_off_are_what_they_say() -> None:
    assert isinstance(connect_embedder("builtin"), BuiltInEmbedder)
    assert connect_embedder("off") is None


@pytest.mark.parametrize("setting", ["bultin", "localhost:8080", "ftp://x", "http://"])
def test_what_is_no_embedder_is_refused_in_one_sentence(setting: str) -> None:
    with pytest.raises(UsageError) as caught:
        connect_embedder(setting)
    assert "http" in str(caught.value)


def sent_headers(api_key: str | None, *, other_engine: bool) -> Mapping[str, str]:
    """What an embedding engine is sent where the chat's engine is the same one, or another."""

    async def main() -> Mapping[str, str]:
        async def answer(exchange: Exchange) -> None:
            await exchange.json({"data": [{"index": 0, "embedding": [1.0]}]})

        async with FakeServer({"/v1/embeddings": answer}) as server:
            engine = "http://127.0.0.1:1/v1" if other_engine else f"{server.url}/v1/"
            embedder = connect_embedder(f"{server.url}#m", engine=engine, api_key=api_key)
            assert embedder is not None
            await embedder.embed(["x"])
            return server.seen[0].headers

    return asyncio.run(main())


def test_the_key_goes_to_the_chats_own_engine_and_to_no_other() -> None:
    assert sent_headers("sk-secret", other_engine=False)["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in str(sent_headers("sk-secret", other_engine=True))
    for engine in (None, "embedded"):
        assert connect_embedder("http://localhost:1", engine=engine, api_key="sk-secret") is not None
