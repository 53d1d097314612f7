"""`turnkeep key`: made once, shown once, kept as a hash."""

from pathlib import Path

import pytest

from turnkeep.cli import run


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path))
    return tmp_path


def key(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = run(["key", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_key_is_shown_once_and_its_secret_is_not_kept(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    status, out, err = key(capsys, "make", "laptop")
    assert (status, out.count("\n")) == (0, 1)
    secret = out.strip()
    assert secret.startswith("tk-")
    assert "this once" in err
    assert [
        file for file in own_home.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()
    ] == []
    listed = key(capsys, "list")[1]
    assert "laptop" in listed
    assert "never used" in listed
    assert secret not in listed


def test_two_keys_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert key(capsys, "make", "one")[1] != key(capsys, "make", "two")[1]
    assert key(capsys, "list")[1].count("\n") == 2


def test_a_name_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    key(capsys, "make", "laptop")
    status, out, err = key(capsys, "make", "laptop")
    assert (status, out) == (2, "")
    assert "laptop" in err


def test_a_revoked_key_is_listed_as_such_and_its_name_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    key(capsys, "make", "laptop")
    assert key(capsys, "revoke", "laptop") == (0, "", "")
    assert "revoked" in key(capsys, "list")[1]
    assert key(capsys, "make", "laptop")[0] == 0


def test_what_is_not_there_cannot_be_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = key(capsys, "revoke", "nobody")
    assert (status, out) == (2, "")
    assert "nobody" in err


def test_without_keys_the_list_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert key(capsys, "list") == (
        0,
        "",
        "turnkeep: There is no key yet; turnkeep key make NAME makes one.\n",
    )
