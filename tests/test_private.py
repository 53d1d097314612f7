"""Files for their owner alone: made so, or refused."""

import logging
import os
import stat
from pathlib import Path

import pytest

from turnkeep import private
from turnkeep.errors import StoreError


@pytest.fixture(autouse=True)
def _no_mask():
    before = os.umask(0)  # nothing is left to a strict umask
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_made_with_its_folders_for_its_owner_alone(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    private.make_file(path)
    assert [mode(each) for each in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]


def test_a_file_that_is_there_is_left_as_it_is(tmp_path):
    path = tmp_path / "file"
    private.make_file(path)
    path.write_text("kept")
    private.make_file(path)
    assert path.read_text() == "kept"


def test_what_others_can_read_is_refused_with_what_to_run(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    with pytest.raises(
        StoreError, match=f"^{folder} can be read by others on this machine: run `chmod 700 {folder}`.$"
    ):
        private.check(folder)
    folder.chmod(0o700)
    private.check(folder)


def test_what_is_not_there_is_private(tmp_path):
    private.check(tmp_path / "nothing")


def test_a_file_system_without_modes_is_told_of_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(private, "_told", set())
    monkeypatch.setattr(private, "_has_modes", lambda _folder: False)  # FAT shows one mode for all its files
    for name in ("one", "other"):
        (tmp_path / name).touch(mode=0o644)
    with caplog.at_level(logging.WARNING, "turnkeep"):
        private.check(tmp_path / "one")
        private.check(tmp_path / "other")
    (record,) = caplog.records
    assert str(tmp_path) in record.getMessage()
