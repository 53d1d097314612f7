"""Real engines for tests: llama.cpp serving the packaged model, in a child process of its own.

Each server has one slot and one thread (two would spin against each other on a busy
machine). The conftest's `llama` and `start_llama` keep them for the whole run.
"""

import http.client
import json
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import turnkeep

MODEL = Path(turnkeep.__file__).parent / "models" / "reader.gguf"
WINDOW = 4096  # tokens, unless a test asks for another
RUNNING: set[str] = set()  # addresses of the servers started here
START_SECONDS = 60.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 60.0

# Parameters come as JSON in the first argument, names dotted as in xllamacpp.CommonParams.
# Prints the address when the model is loaded; ends when its standard input does.
_CHILD = r"""
import json, os, sys
import xllamacpp
params = xllamacpp.CommonParams()
for name, value in json.loads(sys.argv[1]).items():
    target, *rest = name.split(".")
    holder = params
    while rest:
        holder, (target, *rest) = getattr(holder, target), rest
    setattr(holder, target, value)
server = xllamacpp.Server(params)
print("listening", server.listening_address, flush=True)
os.dup2(2, 1)  # nobody reads our standard output from here on
sys.stdin.read()
os._exit(0)
"""


class RealEngine:
    """A llama.cpp server in a child process; `url` is its address.

    Args:
        template: a chat template (Jinja) in place of the model's own.
        window: tokens of its context window.
        model: the GGUF file.
        params: further `xllamacpp.CommonParams`, names dotted.
    """

    def __init__(
        self, *, template: str | None = None, window: int = WINDOW, model: Path = MODEL, **params: object
    ) -> None:
        given: dict[str, object] = {
            "model.path": str(model),
            "n_ctx": window,
            "n_parallel": 1,
            "n_batch": 512,
            "cpuparams.n_threads": 1,
            "cpuparams_batch.n_threads": 1,
            "cache_ram_mib": 256,
            "endpoint_metrics": True,
            "ui": False,
            "use_jinja": True,
            "verbosity": 1,
            **({} if template is None else {"chat_template": template}),
            **params,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._errors: list[str] = []
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._drainer.start()
        self.url = self._await_address()
        RUNNING.add(self.url)

    def _drain(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line)

    def _await_address(self) -> str:
        assert self._process.stdout is not None
        timer = threading.Timer(START_SECONDS, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                if line.startswith("listening "):
                    return line.split()[1]
        finally:
            timer.cancel()
        self.stop()
        raise RuntimeError(f"llama.cpp did not start: {''.join(self._errors[-20:])}")

    def call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """GET a path, or POST a body to it; the JSON answer. Raises `AssertionError` unless it is a 200."""
        return json.loads(call(self.url, path, body))

    def render(self, body: Mapping[str, Any]) -> str:
        """Render the messages of a chat request as the model's template does, without the generation prompt."""
        return render(self.url, body)

    def metric(self, name: str) -> int:
        """Read a counter such as `prompt_tokens_total` from /metrics."""
        for line in call(self.url, "/metrics").splitlines():
            if line.startswith(f"llamacpp:{name} "):
                return int(float(line.split()[1]))
        raise AssertionError(f"the engine has no metric {name}")

    def stop(self) -> None:
        """End the server; nothing happens when it has ended."""
        RUNNING.discard(getattr(self, "url", ""))
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._drainer.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


def call(url: str, path: str, body: Mapping[str, Any] | None = None, api_key: str | None = None) -> str:
    """GET a path of a server, or POST a JSON body to it; the answer's text."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=ANSWER_SECONDS)
    try:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key}"
        connection.request("GET" if data is None else "POST", path, data, headers)
        response = connection.getresponse()
        text = response.read().decode()
        assert response.status == 200, f"{path}: {response.status} {text}"
        return text
    finally:
        connection.close()


def render(url: str, body: Mapping[str, Any], api_key: str | None = None) -> str:
    """Render the messages of a chat request at a real llama.cpp, without the generation prompt."""
    fields = {name: body[name] for name in ("messages", "tools", "chat_template_kwargs") if name in body}
    fields["add_generation_prompt"] = False
    prompt: str = json.loads(call(url, "/apply-template", fields, api_key))["prompt"]
    return prompt
