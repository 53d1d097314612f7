"""llama.cpp inside the package xllamacpp, in a child process, spoken to over HTTP like any engine.

It serves the small model that comes with turnkeep, or a GGUF file of the user's. The child
starts at the first call, in a thread, so that no event loop waits; it listens on loopback
with a key of its own, and ends with this process however that ends (embedded_child.py).
"""

import asyncio
import importlib.util
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import aclosing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import EngineError, EngineUnreachable, MissingExtra, UsageError
from ..wire.exchange import Delta, Request
from .base import EngineInfo, Warmed
from .client import EngineClient, Retries, Tap, Timeouts
from .ending import end_process
from .gguf import read_gguf
from .llamacpp import LlamaCppEngine

Spec: TypeAlias = dict[str, Any]  # names of xllamacpp's CommonParams and their values

NAME = "The embedded engine"
BUILT_IN = "standin.gguf"  # package data in turnkeep/models
BUILT_IN_WINDOW = 1024  # tokens; the small model was trained to about 1,200
LARGEST_DEFAULT_WINDOW = (
    8192  # tokens; beyond that the KV cache of a user's model takes memory that nobody asked for
)
BATCH_TOKENS = 512  # a request is cancelled between batches: a small one stops soon
CACHED_PROMPTS_MIB = 512  # of memory for prompts of other conversations; llama.cpp's own default is 8 GiB
_STAMP = re.compile(r"^[\d.]+ [A-Z] +\w+ +")  # how llama.cpp begins a line of its log
KEPT_LINES = 20  # of what the child wrote to standard error, for the sentence about its end


class EmbeddedEngine:
    """An engine of our own, started at the first call.

    Args:
        gguf: the model file; None serves the built-in model.
        model: the name requests may insist on; None takes what is served.
        window: tokens of its context window; None: 1,024 for the built-in model, else what
            the model was trained for, at most 8,192.
        chat_template: Jinja text in place of the model's own.
        threads: processor threads; None: 1 for the built-in model (two spin against each other
            on a busy machine), else llama.cpp's choice.
        timeouts: see `Timeouts`.
        tap: see every request as sent.
    """

    def __init__(
        self,
        gguf: str | os.PathLike[str] | None = None,
        *,
        model: str | None = None,
        window: int | None = None,
        chat_template: str | None = None,
        threads: int | None = None,
        timeouts: Timeouts | None = None,
        tap: Tap | None = None,
    ) -> None:
        self._gguf = None if gguf is None else Path(gguf)
        self._model = model
        self._window = window
        self._chat_template = chat_template
        self._threads = threads
        self._timeouts = timeouts
        self._tap = tap
        self._child: _Child | None = None
        self._engine: LlamaCppEngine | None = None
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"EmbeddedEngine({self.url!r})"

    @property
    def url(self) -> str:
        """Which model it serves; there is no address that others could use."""
        return f"embedded:{BUILT_IN if self._gguf is None else self._gguf.name}"

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        """Find out what is loaded."""
        child, engine = await self._ready()
        with _explained(child):
            return await engine.probe(refresh=refresh)

    async def count(self, request: Request) -> int | None:
        """Count the whole prompt."""
        child, engine = await self._ready()
        with _explained(child):
            return await engine.count(request)

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        """Count plain texts."""
        child, engine = await self._ready()
        with _explained(child):
            return await engine.count_texts(texts)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Send the request and yield its deltas, `End` last."""
        child, engine = await self._ready()
        with _explained(child):
            async with aclosing(engine.stream(request)) as deltas:
                async for delta in deltas:
                    yield delta
        child.served = True

    async def warm(self, request: Request) -> Warmed | None:
        """Have the engine read the prompt up to the next user text."""
        child, engine = await self._ready()
        with _explained(child):
            return await engine.warm(request)

    async def close(self) -> None:
        """Stop the child."""
        child, engine = self._child, self._engine
        self._child = self._engine = None
        if engine is not None:
            await engine.close()
        if child is not None:
            await asyncio.to_thread(child.stop)

    async def _ready(self) -> tuple["_Child", LlamaCppEngine]:
        """The running child and its adapter; starts the child, or starts it again once after a crash."""
        with self._starting:
            child = self._living_child()
        # Shielded: a caller that gives up must not stop the start that others wait for.
        address = await asyncio.shield(asyncio.wrap_future(child.address))
        if self._engine is None or self._engine.client.url != address:
            client = EngineClient(
                address,
                api_key=child.key,
                timeouts=self._timeouts,
                retries=Retries(unreachable=0),  # a dead child does not come back by itself
                tap=self._tap,
                name=NAME,
            )
            if self._engine is not None:
                await self._engine.close()  # of a child that has ended
            self._engine = LlamaCppEngine(client, model=self._model, window=self._window, url=self.url)
        return child, self._engine

    def _living_child(self) -> "_Child":
        child = self._child
        if child is not None and child.alive:
            return child
        self._child = None
        if child is not None and child.revived and not child.served:
            raise EngineUnreachable(f"{NAME} stopped again: {child.last_words()}")
        self._child = _Child(self._spec(), revived=child is not None and child.was_ready)
        weakref.finalize(self, self._child.stop)
        return self._child

    def _spec(self) -> Spec:
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtra("Install it with: pip install 'turnkeep[embedded]'")
        path = self._gguf or Path(str(files("turnkeep") / "models" / BUILT_IN))
        facts = read_gguf(path)
        window = self._window or _default_window(self._gguf, facts.trained_window)
        if facts.trained_window is not None and window > facts.trained_window:
            raise UsageError(
                f"A window of {window:,} tokens is more than the {facts.trained_window:,} that {path.name} "
                f"was trained for: ask for at most {facts.trained_window}."
            )
        spec: Spec = {
            "model.path": str(path),
            "alias": path.name,
            "n_ctx": window,
            "n_parallel": 1,
            "n_batch": BATCH_TOKENS,
            "n_ubatch": BATCH_TOKENS,
            "cache_ram_mib": CACHED_PROMPTS_MIB,
            "hostnames": ["127.0.0.1"],
            "port": 0,  # any free one
            "ui": False,
            "endpoint_metrics": True,
            "verbosity": 1,
        }
        threads = self._threads or (1 if self._gguf is None else None)
        if threads is not None:
            spec |= {"cpuparams.n_threads": threads, "cpuparams_batch.n_threads": threads}
        if self._chat_template is not None:
            spec["chat_template"] = self._chat_template
        return spec


def _default_window(gguf: Path | None, trained: int | None) -> int:
    if gguf is None:
        return BUILT_IN_WINDOW
    return min(trained or LARGEST_DEFAULT_WINDOW, LARGEST_DEFAULT_WINDOW)


class _Child:
    """The child process: started in a thread, its address a future.

    served: it has given a whole reply; revived: it was started after a crash.
    """

    def __init__(self, spec: Spec, *, revived: bool) -> None:
        self.key = secrets.token_urlsafe(24)
        self.revived = revived
        self.served = False
        self.address: Future[str] = Future()
        self._spec: Spec = {**spec, "api_keys": [self.key]}
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()  # of starting against stopping
        threading.Thread(target=self._run, name="turnkeep-embedded", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it runs, or is about to."""
        if self._process is None:
            return not self.address.done()
        return self._process.poll() is None

    @property
    def was_ready(self) -> bool:
        """Whether it ever listened."""
        return self.address.done() and self.address.exception() is None

    def last_words(self) -> str:
        """What it wrote last, in one line."""
        words = "; ".join(line.rstrip(".") for line in [*self._lines][-4:])
        return words or "it said nothing; see whether the machine ran out of memory."

    def _run(self) -> None:
        """Start the process, wait for its address, then read what it writes until it ends."""
        try:
            with self._lock:
                if self._stopped:
                    raise EngineUnreachable(f"{NAME} was closed.")
                self._process = process = _start_process(self._spec)
            errors = threading.Thread(target=self._keep_lines, args=(process,), daemon=True)
            errors.start()
            from . import pool  # noqa: F401  # meanwhile: the first call would hold its event loop up with it

            address = _read_address(process)
            if address is None:
                process.wait()
                errors.join()
                raise EngineUnreachable(f"{NAME} could not start: {self.last_words()}")
            self.address.set_result(address)
        except BaseException as error:
            self.address.set_exception(error)

    def _keep_lines(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                if text := _STAMP.sub("", line.decode(errors="replace")).strip():
                    self._lines.append(text)

    def stop(self) -> None:
        """End the process and wait for it; twice is as good as once."""
        with self._lock:
            self._stopped = True
        process = self._process
        if process is None:
            return
        end_process(process)


def _start_process(spec: Spec) -> "subprocess.Popen[bytes]":
    """Start the child apart from the terminal's signals, and tell it what to serve."""
    apart: dict[str, Any] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]  # Windows
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    script = Path(__file__).with_name("embedded_child.py")
    process = subprocess.Popen(
        [sys.executable, "-P", str(script)],  # -P: the script's folder holds modules of ours, not the child's
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        **apart,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(spec).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        pass  # it has died: its standard error says why
    return process


def _read_address(process: "subprocess.Popen[bytes]") -> str | None:
    """Read where it listens; None when it ended before."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.startswith(b'{"address"'):
                return str(json.loads(line)["address"])
    return None


@contextmanager
def _explained(child: _Child) -> Iterator[None]:
    """Say of an error that it was the child's end, where it was."""
    try:
        yield
    except EngineError as error:
        if child.alive:
            raise
        stopped = EngineUnreachable(f"{NAME} stopped: {child.last_words()}")
        stopped.taken = error.taken
        raise stopped from error
