"""What all tests share: real engines, a home of their own, the prefix invariant, and what is missing."""

import os
import shutil
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from tests.canary import CanaryWatch
from tests.engines import RealEngine
from tests.prefixes import PrefixWatch
from turnkeep.conversation.items import Item, dump_item

CI = os.environ.get("CI") == "true"

hypothesis.settings.register_profile("turnkeep", deadline=None, print_blob=True, derandomize=CI)
hypothesis.settings.load_profile("turnkeep")

_not_run: dict[str, list[str]] = {}  # program that is missing -> tests that need it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count, the tests whose program is missing; with CI=true nothing may be missing."""
    missing = [item for item in items if _missing_program(item)]
    for item in missing:
        _not_run.setdefault(_missing_program(item) or "", []).append(item.nodeid)
    if missing and CI:
        raise pytest.UsageError(f"CI=true, but {' and '.join(_not_run)} cannot be found: install it.")
    items[:] = [item for item in items if item not in missing]
    config.hook.pytest_deselected(items=missing)


def _missing_program(item: pytest.Item) -> str | None:
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if shutil.which(program) is None:
                return str(program)
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what could not be run."""
    for program, tests in _not_run.items():
        terminalreporter.write_line(f"NOT RUN: {len(tests)} tests need {program}, which is not installed:")
        for test in tests:
            terminalreporter.write_line(f"  {test}")


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests, and the programs they start, away from the user's own settings and conversations."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("TURNKEEP_", "OPENAI_")):
                patch.delenv(name)
        patch.setenv("TURNKEEP_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True, scope="session")
def canary_watch() -> Iterator[CanaryWatch]:
    """Listen to every log line of the run, at debug level, for what is said in the tests."""
    watch = CanaryWatch()

    def dump(item: Item) -> tuple[str, str]:
        watch.sayings.note(item)
        return dump_item(item)

    with watch.listening(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("turnkeep.store.sqlite.rows.dump_item", dump)
        yield watch


@pytest.fixture(autouse=True)
def no_canary_in_logs(canary_watch: CanaryWatch) -> Iterator[None]:
    """Fail a test in which a log line held personal data."""
    yield
    assert canary_watch.take() == [], "personal data stands in a log line"


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chats find turns by words alone, unless a test names an embedder: each would start a process."""
    monkeypatch.setattr("turnkeep.embed.connect.find_model", lambda: None)


@pytest.fixture(autouse=True)
def prefix_watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrefixWatch]:
    """Hold every test to the prefix invariant (tests/prefixes.py)."""
    watch = PrefixWatch()
    watch.install(monkeypatch)
    yield watch
    moves = watch.moves()
    marker = request.node.get_closest_marker("moves_prefix")
    if marker is None:
        assert not moves, "the prompt does not extend the last prompt: " + "; ".join(moves)
    else:
        assert marker.kwargs.get("reason"), "moves_prefix needs a reason"
        assert moves, "nothing moved the prefix: take the mark moves_prefix away"


@pytest.fixture(scope="session")
def start_llama() -> Iterator[Callable[..., RealEngine]]:
    """Start real engines, by template, window and parameters; each one once for the whole run."""
    running: dict[str, RealEngine] = {}

    def start(**params: object) -> RealEngine:
        key = repr(sorted(params.items()))
        if key not in running:
            running[key] = RealEngine(**params)  # type: ignore[arg-type]  # checked by RealEngine's own use
        return running[key]

    yield start
    for engine in running.values():
        engine.stop()


@pytest.fixture(scope="session")
def llama(start_llama: Callable[..., RealEngine]) -> RealEngine:
    """A real llama.cpp with the packaged model, its own template and a window of 4,096 tokens."""
    return start_llama()
