"""scripts/install on machines that lack something, with stand-ins for Python and pip."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("bash", "cat", "cksum", "dirname", "mkdir", "rm", "touch")  # what the script itself calls

# Stands for a python: answers the script's questions by the names in CANNOT, makes a .venv of itself.
PYTHON = """#!{bash}
echo "python $*" >>"$CALLS"
case "$*" in
  *version_info*) case "$CANNOT" in *version*) exit 1 ;; esac ;;
  *ensurepip*) case "$CANNOT" in *ensurepip*) exit 1 ;; esac ;;
  *"-m venv"*) case "$CANNOT" in *venv*) exit 1 ;; esac; mkdir -p .venv/bin; cat "$0" >.venv/bin/python; chmod +x .venv/bin/python ;;
  *"turnkeep embed install"*) cat; case "$CANNOT" in *model*) echo "no model" >&2; exit 2 ;; esac; echo "The model is in x." ;;
  *"pip install"*) cat; case "$CANNOT" in *install*) echo "no index" >&2; exit 1 ;; esac; echo "pip talks" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of a checkout scripts/install reads, and a PATH with nothing but a stand-in for python3."""
    for name in ("scripts/install", "pyproject.toml", "src/turnkeep/_version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in (*TOOLS, "chmod"):
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    python = tools / "python3"
    python.write_text(PYTHON.format(bash=shutil.which("bash")))
    python.chmod(0o755)
    return tmp_path


def install(checkout: Path, *extras: str, cannot: str = "") -> subprocess.CompletedProcess[str]:
    environ = {"PATH": str(checkout / "tools"), "CALLS": str(checkout / "calls"), "CANNOT": cannot}
    command = [str(checkout / "scripts/install"), *extras]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, input="said by a pipe", timeout=60
    )


def calls(checkout: Path) -> str:
    path = checkout / "calls"
    return path.read_text() if path.exists() else ""


def test_the_first_start_sets_up_and_keeps_standard_output_clean(checkout: Path) -> None:
    done = install(checkout)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Setting up turnkeep" in done.stderr
    assert "pip talks" in done.stderr
    assert "said by a pipe" not in done.stderr  # nothing of the chat's input is eaten
    assert "-e .[chat,embedded,embed]" in calls(checkout)


def test_the_second_start_installs_nothing_and_says_nothing(checkout: Path) -> None:
    install(checkout)
    (checkout / "calls").unlink()
    done = install(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "pip" not in calls(checkout)


def test_fewer_extras_than_are_there_install_nothing(checkout: Path) -> None:
    install(checkout, "chat,embedded,dev")
    (checkout / "calls").unlink()
    assert install(checkout, "chat,embedded").stderr == ""
    assert "pip install" not in calls(checkout)


def test_more_extras_are_installed_into_the_same_environment(checkout: Path) -> None:
    install(checkout)
    (checkout / "calls").unlink()
    install(checkout, "chat,embedded,dev")
    assert "-e .[chat,embedded,dev]" in calls(checkout)
    assert "-m venv" not in calls(checkout)


def test_a_changed_pyproject_installs_again(checkout: Path) -> None:
    install(checkout)
    (checkout / "calls").unlink()
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# another dependency\n")
    install(checkout)
    assert "pip install" in calls(checkout)


def test_the_model_is_installed_where_turns_are_to_be_found_by_meaning(checkout: Path) -> None:
    done = install(checkout, "chat,embedded")
    assert "embed install" not in calls(checkout)
    done = install(checkout, "chat,embedded,embed")
    assert (done.returncode, done.stdout) == (0, "")
    assert "The model is in x." in done.stderr
    assert "said by a pipe" not in done.stderr
    (checkout / "calls").unlink()
    assert install(checkout).stderr == ""
    assert "embed install" not in calls(checkout)


def test_without_the_model_the_chat_begins_and_is_not_kept_waiting_again(checkout: Path) -> None:
    done = install(checkout, cannot="model")
    assert (done.returncode, done.stdout) == (0, "")
    assert "found by their words alone" in done.stderr
    assert "turnkeep embed install" in done.stderr
    assert install(checkout, cannot="model").stderr == ""


def test_the_tests_and_the_chat_have_the_model() -> None:
    for name in ("chat", "check", "docs", "test"):
        assert re.search(r'/install"? chat,embedded,embed\b', (ROOT / "scripts" / name).read_text("utf-8"))


def test_an_install_that_failed_is_not_taken_for_done(checkout: Path) -> None:
    done = install(checkout, cannot="install")
    assert done.returncode == 2
    assert "package index: is it reachable?" in done.stderr
    install(checkout)
    assert calls(checkout).count("pip install") == 2


@pytest.mark.parametrize(
    ("cannot", "sentence"),
    [
        ("version", "turnkeep needs Python 3.11 or newer"),
        ("ensurepip", "apt-get install python3-venv"),
        ("venv", "is the folder writable"),
    ],
)
def test_what_a_machine_lacks_is_said(checkout: Path, cannot: str, sentence: str) -> None:
    done = install(checkout, cannot=cannot)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert not list(checkout.glob(".venv/.installed-*"))


@pytest.mark.parametrize("name", ["chat", "check", "docs", "install", "openai-suite", "test", "train-model"])
def test_a_script_can_be_run(name: str) -> None:
    assert os.access(ROOT / "scripts" / name, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / "scripts" / name)], check=True)


def test_every_script_is_looked_at_and_named_for_contributors() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    scripts = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file()}
    assert {name for name in scripts if f"scripts/{name}" not in readme} == set()


def test_continuous_integration_runs_the_checks_and_the_tests_with_nothing_missing() -> None:
    text = (ROOT / ".ci/run").read_text()
    assert "export CI=true" in text
    assert text.index("./scripts/check") < text.index("./scripts/test")
