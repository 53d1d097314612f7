"""One gateway for all clients: `turnkeep serve` on the real embedded llama.cpp, over a real socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.serving import serving


@pytest.fixture(scope="session")
def gateway_url(home: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address that a client takes."""
    folder = tmp_path_factory.mktemp("clients")
    with serving("--db", str(folder / "kept.db"), "--embeddings", "off", "--window", "2048") as url:
        yield url


@pytest.fixture
def embedding_url(home: None, tmp_path: Path) -> Iterator[str]:
    """Address of a gateway that finds turns by meaning, with the built-in model."""
    with serving("--db", str(tmp_path / "kept.db"), "--embeddings", "builtin", "--window", "2048") as url:
        yield url
