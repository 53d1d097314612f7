"""An address becomes an engine without a call; what already listens is found."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tests.engine.fake_server import Exchange, FakeServer

from turnkeep.engine.client import Timeouts
from turnkeep.engine.connect import connect, find_listening
from turnkeep.engine.embedded import EmbeddedEngine
from turnkeep.engine.probe import DetectedEngine
from turnkeep.errors import UsageError

if TYPE_CHECKING:
    from turnkeep.engine.base import Engine


def test_an_address_is_an_engine_to_be_detected() -> None:
    engine: Engine = connect("http://localhost:9/v1", model="m", api_key="k", window=9, timeouts=Timeouts())
    assert isinstance(engine, DetectedEngine)
    assert engine.url == "http://localhost:9"


@pytest.mark.parametrize("url", [None, "embedded"])
def test_no_address_is_the_embedded_engine(url: str | None) -> None:
    engine: Engine = connect(url, gguf=Path("some/model.gguf"))
    assert isinstance(engine, EmbeddedEngine)
    assert engine.url == "embedded:model.gguf"


def test_a_model_file_and_an_address_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="either the file or the address"):
        connect("http://localhost:9", gguf="model.gguf")


def test_a_wrong_address_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="begin it with http://"):
        connect("localhost:8080")


def test_engines_that_listen_are_found_in_the_order_of_the_ports() -> None:
    async def models(exchange: Exchange) -> None:
        await exchange.json({"data": []})

    async def other(exchange: Exchange) -> None:
        await exchange.json({"status": "ok"})

    async def page(exchange: Exchange) -> None:
        await exchange.reply(200, b"<html>", "text/html")

    async def silent(exchange: Exchange) -> None:
        assert await exchange.gone()

    async def main() -> None:
        path = "/v1/models"
        async with (
            FakeServer({path: models}) as first,
            FakeServer({path: other}) as web,
            FakeServer({path: page}) as router,
            FakeServer({path: silent}) as slow,
            FakeServer({}, listening=False) as dead,
            FakeServer({path: models}) as second,
        ):
            ports = [urlsplit(server.url).port or 0 for server in (second, web, router, slow, dead, first)]
            assert await find_listening(ports) == [second.url, first.url]

    asyncio.run(main())


def test_nothing_listens_is_an_empty_list() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert asyncio.run(find_listening((bound.getsockname()[1],))) == []


def test_connecting_calls_nobody_and_starts_nothing() -> None:
    program = (
        "import json, socket, subprocess, sys\n"
        "def refuse(*_, **__): raise AssertionError('no call before the first method')\n"
        "socket.socket.connect = subprocess.Popen.__init__ = refuse\n"
        "from turnkeep.engine.connect import connect\n"
        "print(json.dumps([connect('http://localhost:9').url, connect(None).url]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["http://localhost:9", "embedded:reader.gguf"]
