"""What could not be run is named and counted; with CI=true nothing may be missing."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

@pytest.mark.needs("no-such-program")
def test_with_a_program():
    assert True

def test_without():
    assert True
"""


def run_pytest(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_some.py").write_text(TESTS)
    command = [
        *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"),
        *("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder)),
    ]
    clean = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(command, cwd=ROOT, env=clean | environ, capture_output=True, text=True)


def test_a_missing_program_is_counted_and_its_tests_named(tmp_path: Path) -> None:
    done = run_pytest(tmp_path)
    assert done.returncode == 0
    assert "NOT RUN: 1 tests need no-such-program" in done.stdout
    assert "test_some.py::test_with_a_program" in done.stdout
    assert "1 passed, 1 deselected" in done.stdout


def test_a_missing_program_fails_continuous_integration(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, CI="true")
    assert done.returncode != 0
    assert "no-such-program cannot be found" in done.stdout + done.stderr
