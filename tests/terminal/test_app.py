import base64
import http.client
import json
import os
import re
import signal
import socket
import stat
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.engines import RealEngine
from tests.terminal.pseudo import LEAVE_HINT, Terminal
from turnkeep.cli import run
from turnkeep.engine.connect import USUAL_PORTS

pytestmark = pytest.mark.real_engine

STOPPED = "[stopped; what was said is kept]"
LONG = "max_tokens = 1800\ntemperature = 1.0\n[sampling]\nignore_eos = true\nseed = 7\n"  # the model never ends by itself


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "home"


@pytest.fixture
def long(tmp_path: Path) -> str:
    """A settings file under which replies are long."""
    path = tmp_path / "long.toml"
    path.write_text(LONG)
    return str(path)


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command outside of the chat prints."""

    def show(*arguments: str) -> str:
        assert run(list(arguments)) == 0
        return capsys.readouterr().out

    return show


def test_a_person_types_and_the_model_remembers(
    llama: RealEngine, tmp_path: Path, shown: Callable[..., str]
) -> None:
    with Terminal("chat", "ana", "--engine", llama.url, "--temperature", "0") as terminal:
        assert 'New conversation "ana".' in terminal.wait_ready()
        terminal.say("My name is Ana.", until="Got it.")
        terminal.say("What is my name?", until="Your name is Ana.")

        text = terminal.say("/why", until="front: the same as in the last prompt")
        assert re.search(r"engine: reused \d+ tokens and read \d+; first word after [\d.]+ s", text)
        assert "word for word: turn 1" in text
        text = terminal.say("/context", until="verbatim", times=4)
        assert re.search(r"2  verbatim +\d+  assistant: Your name is Ana\.", text)
        terminal.say("/summary", until="There is no summary")
        terminal.say("/list", until="* ana  2 turns, just now")
        terminal.say("/model", until="* " + llama_model(llama))
        terminal.say("/search NAME IS", until="ana, turn 1, user: My name is Ana.")
        terminal.say("/system", until="There are no instructions")
        terminal.say("/system Be kind.", until="The instructions are changed")
        terminal.say("/system", until="Be kind.")
        terminal.say("/set temperature 0.25", until="temperature is set to 0.25")
        terminal.say("/set", until="temperature: 0.25")
        terminal.say("/set temperature 0", until="temperature is set to 0,")
        terminal.say("/set top_p default", until="top_p is left to the engine, from the next turn on.")
        terminal.say(f"/export {tmp_path / 'out.txt'}", until="end it in .jsonl")
        assert not (tmp_path / "out.txt").exists()
        terminal.say("/hlep", until="There is no command /hlep; did you mean /help?")
        terminal.say("/help", until="/quit")
        exported = tmp_path / "out.md"
        terminal.say(f"/export {exported}", until="2 turns are in")
        assert "Your name is Ana." in exported.read_text()
        terminal.say("/copy", until="Sent the last reply (17 characters)")
        assert b"\x1b]52;c;" + base64.b64encode(b"Your name is Ana.") + b"\x07" in terminal.raw
        bottom = terminal.screen.display[-1]
        assert re.search(r"base \d+  log \d+  room [\d,]+", bottom)
        assert re.search(r"reused \d+  read \d+  first [\d.]+ s  [\d,]+ tok/s", terminal.text)
        terminal.type("\x04")
        assert terminal.end() == 0
    assert shown("list").startswith("ana  2 turns")


def llama_model(engine: RealEngine) -> str:
    """The first letters of the model's name, as /model shows it."""
    address = urllib.parse.urlsplit(engine.url)
    connection = http.client.HTTPConnection(address.netloc)
    connection.request("GET", "/v1/models")
    models = json.loads(connection.getresponse().read())["data"]
    connection.close()
    return str(models[0]["id"])[:40]


@pytest.mark.parametrize("resumed", ["--new", "ana"])
def test_turns_are_answered_again_edited_and_taken_back(
    llama: RealEngine, shown: Callable[..., str], resumed: str
) -> None:
    with Terminal("chat", resumed, "--engine", llama.url, "--temperature", "0") as terminal:
        terminal.wait_ready()
        terminal.say("My name is Ana.", until="Got it.")
        terminal.say("/regenerate", until="Got it.")
        terminal.type("/edit\r")
        terminal.wait("› My name is Ana.", times=2)  # before the person, to be changed
        terminal.type("\x7f" * 4 + "Eva.\r")
        terminal.wait("Got it.", times=3)
        terminal.wait_ready()
        terminal.say("What is my name?", until="Your name is Eva.")
        terminal.say("/undo", until="Turn 4 is taken back")
        terminal.say("/edit My name is Iris.", until="Got it.")
        terminal.say("What is my name?", until="Your name is Iris.")
        terminal.say("//etc is a folder", until="› //etc is a folder")
        terminal.say("/new other", until='New conversation "other".')
        terminal.say("/switch nobody", until="There is no conversation 'nobody'.")
        terminal.say("/switch other", until='Resumed "other"')
        terminal.type("/quit\r")
        assert terminal.end() == 0
    assert "other" not in shown("list"), "nothing was said in it"
    name = shown("list").split()[0]
    assert "you: /etc is a folder" in shown("show", name)
    assert "Ana" not in shown("show", name)


def test_a_reply_is_stopped_and_what_was_said_is_kept(
    llama: RealEngine, long: str, shown: Callable[..., str]
) -> None:
    with Terminal("chat", "c", "--engine", llama.url, "--config", long) as terminal:
        terminal.wait_ready()
        terminal.type("Tell me.\r")
        terminal.wait_grown("› Tell me.", 4)
        terminal.type("typed ahead")
        terminal.type("\x03")
        terminal.wait(STOPPED)
        assert "typed ahead" not in terminal.text[: terminal.text.index(STOPPED)], (
            "nothing is typed into a reply"
        )
        terminal.wait("› typed ahead")
        terminal.type("\x03")
        terminal.wait_gone("› typed ahead")
        terminal.type("\x03")
        terminal.wait(LEAVE_HINT)
        terminal.type("\x04")
        assert terminal.end() == 0
    told = shown("show", "c")
    assert re.search(r", cut off\nyou: Tell me\.\nmodel: .{80}", told, re.DOTALL)
    idle = json.loads(fetch(llama.url, "/slots"))
    assert not any(slot["is_processing"] for slot in idle), "the engine was stopped, too"


def fetch(url: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body


def test_after_a_kill_the_last_conversation_goes_on(
    llama: RealEngine, long: str, shown: Callable[..., str]
) -> None:
    with Terminal("chat", "--engine", llama.url, "--temperature", "0") as terminal:
        terminal.wait_ready()
        terminal.say("My name is Ana.", until="Got it.")
        os.kill(terminal.child.pid, signal.SIGKILL)
    with Terminal("chat", "--engine", llama.url, "--config", long) as terminal:
        assert "Resumed the last conversation (1 turn)." in terminal.wait_ready()
        assert "› My name is Ana.\nGot it. Your name is Ana.\n" in terminal.text
        terminal.say("/list", until="1 turn, just now  My name is Ana.")
        terminal.type("Half a reply\r")
        terminal.wait_grown("› Half a reply", 4)
        os.kill(terminal.child.pid, signal.SIGKILL)
    with Terminal("chat", "--engine", llama.url, "--temperature", "0") as terminal:
        assert "› Half a reply\n" in terminal.wait_ready()
        assert "[not answered; /regenerate asks again]" in terminal.text
        terminal.say("What is my name?", until="Your name is Ana.")
        os.kill(terminal.child.pid, signal.SIGTERM)
        assert terminal.end() == 143
    assert "failed: " in shown("show", shown("list").split()[0])


def test_a_message_has_several_lines(
    llama: RealEngine, long: str, shown: Callable[..., str], own_home: Path
) -> None:
    with Terminal("chat", "m", "--engine", llama.url, "--config", long, "--max-tokens", "4") as terminal:
        terminal.wait_ready()
        terminal.type("one\x1b\rtwo")
        terminal.wait("· two")
        terminal.type("\r")
        terminal.wait("[cut off at the limit")
        terminal.wait_ready()
        terminal.type("\x1b[200~three\r\n\tfour\x1b[201~")
        terminal.wait("· ")
        terminal.type("\r")
        terminal.wait("[cut off at the limit", times=2)
        terminal.wait_ready()
        terminal.type("\x1b[A\x1b[A")  # up, through the lines of what was typed before
        terminal.wait("three", times=2)
        terminal.type("\x03\x04")
        assert terminal.end() == 0
    told = shown("show", "m")
    assert "you: one\ntwo\n" in told
    assert "you: three\n\tfour\n" in told
    assert stat.S_IMODE((own_home / "input-history").stat().st_mode) == 0o600


def test_an_interrupt_leaves_the_search_and_then_the_line(llama: RealEngine) -> None:
    with Terminal("chat", "--engine", llama.url, "--temperature", "0") as terminal:
        terminal.wait_ready()
        terminal.say("My name is Ana.", until="Got it.")
        terminal.type("\x12name")
        terminal.wait("I-search backward: name")
        terminal.type("\x03")
        terminal.wait_gone("I-search")
        terminal.wait_ready()
        terminal.type("\x03")
        terminal.wait(LEAVE_HINT)
        terminal.say("What is my name?", until="Your name is Ana.")
        terminal.type("\x04")
        assert terminal.end() == 0


def test_a_narrow_terminal_without_colours_is_respected(llama: RealEngine, long: str) -> None:
    with Terminal(
        "chat", "--engine", llama.url, "--config", long, columns=20, rows=30, NO_COLOR="1"
    ) as terminal:
        terminal.wait_ready()
        terminal.type("Hello\r")
        terminal.wait_grown("› Hello", 5)
        terminal.resize(30, 30)
        terminal.wait_grown("› Hello", 12)
        terminal.type("\x03")
        terminal.wait("stopped")
        terminal.wait_ready()
        colours = set(re.findall(rb"\x1b\[([0-9;]*)m", terminal.raw))
        terminal.type("\x04")
        assert terminal.end() == 0
    assert all(int(code or 0) < 30 for codes in colours for code in codes.split(b";")), colours


def test_the_first_chat_of_a_fresh_machine_is_with_the_small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with Terminal("--temperature", "0", TURNKEEP_ENGINE="embedded") as terminal:
        assert "reader.gguf on llama.cpp, window 1,024 tokens." in terminal.wait_ready()
        terminal.say("My name is Ana.", until="Got it.")
        terminal.say("What is my name?", until="Your name is Ana.")
        terminal.type("\x04")
        assert terminal.end() == 0


def test_an_engine_that_listens_is_offered(shown: Callable[..., str]) -> None:
    engine = RealEngine(window=512, port=free_usual_port())
    try:
        with Terminal("--temperature", "0") as terminal:
            terminal.wait(f"An engine answers at {engine.url}. Use it? [Y/n]")
            terminal.type("\r")
            assert f"at\n{engine.url}" in terminal.wait_ready() or f"at {engine.url}" in terminal.text
            terminal.say("My name is Ana.", until="Got it.")
            engine.stop()
            terminal.say("What is my name?", until="Your message is kept: /regenerate asks again.")
            terminal.type("\x04")
            assert terminal.end() == 0
        engine = RealEngine(window=512, port=int(engine.url.rpartition(":")[2]))
        with Terminal("--temperature", "0") as terminal:
            terminal.wait("[Y/n]")
            terminal.type("n\r")
            assert "reader.gguf on llama.cpp, window 1,024" in terminal.wait_ready()
            terminal.say("/regenerate", until="Your name is Ana.")
            terminal.type("\x04")
            assert terminal.end() == 0
        with Terminal() as terminal:
            terminal.wait("[Y/n]")
            terminal.type("\x03")
            assert terminal.end() == 130
    finally:
        engine.stop()
    assert len(shown("list").splitlines()) == 1


def free_usual_port() -> int:
    """One of the usual ports that nobody uses here."""
    for port in USUAL_PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("something listens on each of the usual ports of this machine: stop one of them")


class _Hiding(BaseHTTPRequestHandler):
    """Passes the two endpoints on that every engine has, without what llama.cpp says besides; refuses all others."""

    engine: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            self.send_error(404)
            return
        self._answer(json.dumps({"object": "list", "data": [{"id": "mystery", "object": "model"}]}).encode())

    def do_POST(self) -> None:
        if self.path != "/v1/chat/completions":
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.engine).netloc)
        connection.request("POST", self.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        self._answer(response.read(), response.status, response.headers["Content-Type"])
        connection.close()

    def _answer(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:  # Any: what the base class formats
        """Keep quiet."""


@pytest.fixture
def secretive(llama: RealEngine) -> Iterator[str]:
    """An engine that does not tell its window."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Hiding", (_Hiding,), {"engine": llama.url}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_window_that_nobody_tells_is_asked_for_once(secretive: str) -> None:
    arguments = ["chat", "w", "--engine", secretive, "--temperature", "0"]
    with Terminal(*arguments) as terminal:
        terminal.wait("How many tokens does the context window of mystery hold? [4096]")
        terminal.type("2,048\r")
        assert "window 2,048 tokens" in terminal.wait_ready()
        assert 'New conversation "w".' in terminal.text
        terminal.say("My name is Ana.", until="Got it.")
        terminal.type("\x04")
        assert terminal.end() == 0
    with Terminal(*arguments) as terminal:
        assert "window 2,048 tokens" in terminal.wait_ready()
        assert "How many" not in terminal.text
        terminal.type("\x04")
        assert terminal.end() == 0


def test_a_window_that_was_answered_is_not_assumed(secretive: str) -> None:
    with Terminal("chat", "--engine", secretive) as terminal:
        terminal.wait("hold? [4096]")
        terminal.type("ten\r")
        terminal.wait("Give a whole number, 256 or more")
        terminal.type("\r")
        assert "window 4,096 tokens" in terminal.wait_ready()
        assert "assumed" not in terminal.text
        terminal.type("\x04")
        assert terminal.end() == 0


def test_the_key_is_never_shown(start_llama: Callable[..., RealEngine], own_home: Path) -> None:
    engine = start_llama(window=512, api_keys=["sk-very-secret"])
    with Terminal("chat", "--engine", engine.url, "--api-key", "sk-very-secret") as terminal:
        terminal.wait_ready()
        for command in ("/model", "/set", "/why", "/context"):
            terminal.type(f"{command}\r")
        terminal.say("/set api_key x", until="api_key cannot be set while talking")
        terminal.type("\x04")
        assert terminal.end() == 0
        assert b"sk-very" not in terminal.raw
    for path in own_home.iterdir():
        assert b"sk-very" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chat", "--engine", "http://127.0.0.1:1"], "turnkeep: Nobody answers at http://127.0.0.1:1"),
        (["chat", "--engine", "embedded", "--db", "/"], "is a folder"),
    ],
)
def test_a_chat_that_cannot_be_opened_says_why(arguments: list[str], words: str) -> None:
    with Terminal(*arguments, columns=200) as terminal:
        assert terminal.end() == 2
        assert words in terminal.text
        assert terminal.text.count("\n") == 0, "it is said once"
