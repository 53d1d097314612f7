"""Run the API tests that openai ships in its source package against a gateway: scripts/openai-suite.

Fetches the source of the installed version, makes an environment for what its tests need, starts
`turnkeep serve` on the real llama.cpp, and has pytest run them with our plugin (openai_seeds.py). Everything lies in
build/openai-suite; nothing of theirs is kept elsewhere.
"""

import contextlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.clients.serving import serving
from tests.engines import MODEL, RealEngine

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "openai-suite"
VERSION = importlib.metadata.version("openai")
# What a test asks the engine's model list for. The engine serves our own small model under that name.
MODEL_NAME = "gpt-6-astra"
# Of what openai's own pyproject lists for its tests, what these need; and turnkeep's, for the seeds.
NEEDED = (
    "pytest",
    "pytest-asyncio",
    "httpx2",
    "rich",
    "aiohttp",
    "httpx-aiohttp",
    "snowballstemmer",
    "platformdirs",
)
MEAN = 1  # of all tokens of a text: llama_pooling_type
CHOSEN = (
    "test_responses.py",
    "responses",
    "test_conversations.py",
    "conversations",
    "chat",
    "test_models.py",
    "test_embeddings.py",
)


def fetch_source() -> Path:
    """The unpacked source package of the installed version, from the package index."""
    source = FOLDER / f"openai-{VERSION}"
    if not source.exists():
        packed = FOLDER / "packed"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "openai"]
        subprocess.run([*command, "--dest", str(packed), f"openai=={VERSION}"], check=True)
        with tarfile.open(packed / f"{source.name}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return source


def make_environment() -> Path:
    """The Python of an environment of its own: pytest-asyncio is nothing for our own tests."""
    folder = FOLDER / "venv"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = folder / f"made-for-{VERSION}"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, f"openai=={VERSION}", *NEEDED], check=True)
        done.touch()
    return python


@contextlib.contextmanager
def engines() -> Iterator[list[str]]:
    """Options that name our small model as the tests do, and an engine that embeds."""
    model = FOLDER / MODEL_NAME
    if not model.exists():
        model.symlink_to(MODEL)
    embedding = RealEngine(embedding=True, pooling_type=MEAN, window=512)
    try:
        yield ["--gguf", str(model), "--embeddings", embedding.url]
    finally:
        embedding.stop()


def run(arguments: list[str]) -> int:
    """Run the tests; what pytest returns."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    source, python = fetch_source(), make_environment()
    database = FOLDER / "kept.db"
    for old in FOLDER.glob("kept.db*"):
        old.unlink()
    with engines() as options, serving("--db", str(database), "--window", "1024", *options) as url:
        environ = {
            **os.environ,
            "TEST_API_BASE_URL": url,
            "SUITE_DATABASE": str(database),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{Path(__file__).parent}",
        }
        tests = [f"tests/api_resources/{name}" for name in CHOSEN]
        command = [str(python), "-m", "pytest", "-q", "-o", "addopts=", "-p", "openai_seeds", "--tb=short"]
        return subprocess.run([*command, *tests, *arguments], cwd=source, env=environ).returncode


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
