"""The official client for Node, from npm."""

import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real_engine, pytest.mark.needs("node")]

FOLDER = Path(__file__).parent / "node"
SECONDS = 120.0


def test_the_official_client_for_node_works(gateway_url: str) -> None:
    assert (FOLDER / "node_modules" / "openai").is_dir(), (
        "Install the client first: npm ci --prefix tests/clients/node"
    )
    done = subprocess.run(
        ["node", "script.mjs", gateway_url],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 6


def test_the_lock_file_names_no_place() -> None:
    text = (FOLDER / "package-lock.json").read_text("utf-8")
    assert "resolved" not in text
    assert "integrity" in text
