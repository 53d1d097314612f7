"""One gateway for all clients: `turnkeep serve` on the real embedded llama.cpp, over a real socket."""

from collections.abc import Iterator

import pytest

from tests.clients.serving import serving


@pytest.fixture(scope="session")
def gateway_url(home: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address that a client takes."""
    folder = tmp_path_factory.mktemp("clients")
    with serving("--db", str(folder / "kept.db"), "--embeddings", "off", "--window", "2048") as url:
        yield url
