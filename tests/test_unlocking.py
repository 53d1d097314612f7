"""What opens a database: found in the environment, in the settings, or asked for where that is needed."""

from pathlib import Path

import pytest

from turnkeep.errors import StoreError, UsageError
from turnkeep.store.secret import KeyFile, Passphrase, make_key_file
from turnkeep.store.sqlite.encrypt import encrypt
from turnkeep.unlocking import find_secret, is_encrypted, open_database


def never(question: str) -> str:
    raise AssertionError(question)


def test_where_nothing_is_set_a_plain_database_is_opened_without_a_question(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    assert find_secret(path, ask=never, environ={}) is None
    assert not is_encrypted(path, environ={})


def test_the_passphrase_is_asked_for_where_it_opens_the_database(tmp_path: Path) -> None:
    path, asked = tmp_path / "turnkeep.db", list[str]()
    encrypt(path, Passphrase("correct horse", cost=4))

    def ask(question: str) -> str:
        asked.append(question)
        return "correct horse"

    assert find_secret(path, ask=ask, environ={}) == Passphrase("correct horse")
    assert asked == [f"Passphrase of {path}: "]
    assert find_secret(path, environ={}) is None  # nobody can be asked: opening says what to set
    assert is_encrypted(path, environ={})


def test_nobody_is_asked_for_a_passphrase_where_a_key_file_opens(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    encrypt(path, make_key_file(tmp_path / "key"))
    assert find_secret(path, ask=never, environ={}) is None


def test_a_key_file_of_the_settings_comes_before_that_of_the_environment(tmp_path: Path) -> None:
    environ = {"TURNKEEP_ENCRYPTION_KEY_FILE": "/other"}
    assert find_secret(tmp_path / "a.db", environ=environ) == KeyFile(Path("/other"))
    assert find_secret(tmp_path / "a.db", key_file=tmp_path / "key", environ=environ) == KeyFile(
        tmp_path / "key"
    )


def test_a_passphrase_and_a_key_file_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keep the one that opens"):
        find_secret(tmp_path / "a.db", key_file=tmp_path / "key", environ={"TURNKEEP_PASSPHRASE": "words"})


def test_the_data_folder_must_be_private_and_another_folder_need_not(tmp_path: Path) -> None:
    for name in ("home", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    environ = {"TURNKEEP_HOME": str(tmp_path / "home")}
    with pytest.raises(StoreError, match="run `chmod 700"):
        open_database(environ=environ)
    open_database(tmp_path / "other" / "a.db", environ=environ)
