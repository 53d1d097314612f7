"""Training the reader: what can be said of it without its libraries."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOR_TRAINING = {"torch", "gguf", "tokenizers"}


def imports(path: Path) -> set[str]:
    """Names of the packages that a file imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_the_package_never_needs_the_training_libraries():
    needing = {
        path.name for path in (ROOT / "src").rglob("*.py") if imports(path) & (FOR_TRAINING - {"tokenizers"})
    }
    assert not needing


def test_the_trainer_does_need_them():
    # or the test above looks for the wrong names
    files = (ROOT / "models/reader").glob("*.py")
    assert set().union(*(imports(path) for path in files)) >= FOR_TRAINING


def test_the_script_says_how_to_train_before_it_sets_anything_up():
    shown = subprocess.run(
        [ROOT / "scripts/train-model", "--help"], capture_output=True, text=True, check=True
    )
    assert "--minutes N" in shown.stdout
    assert "--resume" in shown.stdout


def test_an_out_without_a_folder_is_refused():
    refused = subprocess.run([ROOT / "scripts/train-model", "--out"], capture_output=True, text=True)
    assert refused.returncode != 0
    assert "--out needs a folder" in refused.stderr
