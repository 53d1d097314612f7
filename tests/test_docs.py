"""The documents: their Python runs, against a real engine; their links and commands lead somewhere."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import turnkeep
from tests.clients.serving import serving
from tests.engines import RealEngine

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
ADDRESS = "http://localhost:8080/v1"  # of the engine in every example
GATEWAY = "http://127.0.0.1:8090/v1"  # of the gateway, likewise
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\((?!https?://)([^)#]+)(#[^)]*)?\)")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python_blocks() -> Iterator[Any]:
    for path in DOCUMENTS:
        for number, block in enumerate(BLOCK.findall(path.read_text("utf-8")), 1):
            yield pytest.param(block, id=f"{name_of(path)}-{number}")


class OwnClient:
    """Stands for the client that a reader has already: what of it the examples use."""

    def __init__(self, engine: RealEngine) -> None:
        self.chat = self.completions = self
        self._engine = engine

    def create(self, **body: Any) -> SimpleNamespace:  # Any: a chat-completions body
        body.pop("model")
        answer = self._engine.call("/v1/chat/completions", body)
        choices = [
            SimpleNamespace(message=SimpleNamespace(**choice["message"])) for choice in answer["choices"]
        ]
        return SimpleNamespace(choices=choices, usage=SimpleNamespace(model_dump=lambda: answer["usage"]))


@pytest.mark.parametrize("block", list(python_blocks()))
def test_an_example_runs(
    block: str, llama: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path))
    with ExitStack() as opened:
        code = block.replace(ADDRESS, f"{llama.url}/v1")
        if GATEWAY in code:
            code = code.replace(GATEWAY, opened.enter_context(serving("--engine", str(llama.url))))
        assert not re.search("80[89]0", code), "examples write the addresses in one way"
        names: dict[str, Any] = {"client": OwnClient(llama), "__name__": "__main__"}
        exec(compile(code, "example", "exec"), names)
    assert names.keys() & {"AsyncChat", "Chat", "check", "OpenAI"}


def test_the_readme_has_its_ten_library_lines() -> None:
    first = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))[0]
    assert "chat.stream(" in first
    assert "chat.ask(" in first
    assert len([line for line in first.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files(path: Path) -> None:
    broken = [
        target
        for target, _anchor in LINK.findall(path.read_text("utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_document_is_linked_from_the_readme() -> None:
    linked = {target for target, _anchor in LINK.findall((ROOT / "README.md").read_text("utf-8"))}
    assert {name_of(path) for path in DOCUMENTS} - {"README.md"} <= linked


def test_every_public_name_verb_argument_and_receipt_field_is_in_the_reference() -> None:
    text = (ROOT / "docs/reference.md").read_text("utf-8")
    written = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`|^    .*$", text, re.MULTILINE))))
    kinds = (turnkeep.Chat, turnkeep.AsyncChat)
    verbs = {name for kind in kinds for name, _ in inspect.getmembers(kind) if name[0] != "_"}
    assert {"ask", "search", "forget"} <= verbs, "of each of the classes that a chat is made of"
    arguments = set(inspect.signature(turnkeep.AsyncChat.__init__).parameters) - {"self"}
    fields = {field.name for field in dataclasses.fields(turnkeep.Receipt)}
    assert (set(turnkeep.__all__) | verbs | arguments | fields) - written - {"__version__"} == set()


def test_scripts_and_benchmarks_that_are_named_exist() -> None:
    text = "\n".join(path.read_text("utf-8") for path in DOCUMENTS)
    named = set(re.findall(r"(?:scripts|bench)/\w[\w-]*(?:\.py)?", text))
    assert {
        name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()
    } == set()
    assert {"scripts/chat", "scripts/test"} <= named
