"""`turnkeep serve` in a process of its own, as clients find it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@contextlib.contextmanager
def serving(*options: str) -> Iterator[str]:
    """Start the gateway on a free port; gives the address that clients take, when the engine has been found.

    Args:
        options: of `turnkeep serve`.
    """
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "turnkeep", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ,
    )
    told: list[str] = []
    listens = threading.Event()
    reader = threading.Thread(target=_read, args=(process, told, listens), daemon=True)
    reader.start()
    try:
        assert listens.wait(START_SECONDS), f"turnkeep serve did not start: {told}"
        found = re.search(r"http://\S+", "".join(told))
        assert found is not None, f"turnkeep serve did not start: {told}"
        yield found[0]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()
    assert process.returncode == 0, f"turnkeep serve ended with {process.returncode}: {told}"


def _read(process: "subprocess.Popen[str]", told: list[str], listens: threading.Event) -> None:
    """Read what it says to its end; it listens when it has said which engine it found."""
    assert process.stdout is not None
    for line in process.stdout:
        told.append(line)
        if "ngine" in line:
            listens.set()
    listens.set()
