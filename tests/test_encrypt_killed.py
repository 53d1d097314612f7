"""`turnkeep encrypt` and `encrypt --change` killed at any moment: the old opens it or the new, and nothing in plain is left."""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.store.test_encryption import CANARY, search_files
from tests.stores import with_store
from tests.test_encrypt import cheap, fill, read_all
from turnkeep import settings as settings_module
from turnkeep.cli import run
from turnkeep.errors import StoreError, StoreLocked, UsageError
from turnkeep.settings import load_settings
from turnkeep.store.secret import KEY_BYTES, KeyFile, Passphrase, Secret, has_key, make_key_file
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite import encrypt as encrypting
from turnkeep.store.sqlite.backups import restore
from turnkeep.store.sqlite.encrypt import encrypt, encryption_method
from turnkeep.store.sqlite.wiping import NEW, OLD
from turnkeep.terminal.asking import find_history

KILLS = int(os.environ.get("ENCRYPT_TEST_KILLS", "3"))  # of each way; 60 for the whole test: 300 in all
CODE = str(Path(settings_module.__file__).parent)
EDGES = ("encrypt.py", "encrypting.py", "wiping.py", "secret.py")  # where one takes the other's place
KINDS = ("edge", "step", "line")
OLD_WORDS, NEW_WORDS = Passphrase("correct horse"), Passphrase("battery staple")


@dataclass(frozen=True, slots=True)
class Way:
    """A run of the command. `old`: what opened the database before, None: nothing; `new`: after it."""

    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    old: str | None
    new: str


WAYS = {
    "encrypt by a passphrase": Way(
        ("encrypt",), {"TURNKEEP_PASSPHRASE": "battery staple"}, None, "new words"
    ),
    "encrypt by a key file": Way(("encrypt", "--key-file", "new key"), {}, None, "new key"),
    "change the passphrase": Way(
        ("encrypt", "--change"),
        {"TURNKEEP_PASSPHRASE": "correct horse", "TURNKEEP_NEW_PASSPHRASE": "battery staple"},
        "old words",
        "new words",
    ),
    "change to a key file": Way(
        ("encrypt", "--change", "--key-file", "new key"),
        {"TURNKEEP_PASSPHRASE": "correct horse"},
        "old words",
        "new key",
    ),
    "change to a passphrase": Way(
        ("encrypt", "--change"),
        {"TURNKEEP_ENCRYPTION_KEY_FILE": "old key", "TURNKEEP_NEW_PASSPHRASE": "battery staple"},
        "old key",
        "new words",
    ),
}


def secret_of(home: Path, name: str | None) -> Secret | None:
    match name:
        case None:
            return None
        case "old words":
            return OLD_WORDS
        case "new words":
            return NEW_WORDS
    return KeyFile(home / name)


def make_home(folder: Path, way: Way) -> object:
    """A home with a database, and what was typed where that is kept; returns what was said."""
    folder.mkdir(mode=0o700)
    said = fill(folder / "turnkeep.db")
    make_key_file(folder / "old key")
    old = secret_of(folder, way.old)
    if old is not None:
        encrypt(folder / "turnkeep.db", old)
        return said
    (folder / "input-history").touch(mode=0o600)
    (folder / "input-history").write_text(f"+{CANARY}\n" * 50)
    return said


def count_moments(work: Callable[[], object], told: Callable[[str], None]) -> None:
    """Call `work`; `told` is called with the kind of each moment: before a line of turnkeep's code is run,
    one of the modules `EDGES` or another, and before a step of SQLite's machine.
    """
    connect = sqlite3.connect

    def connect_told(*arguments: object, **more: object) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*arguments, **more)  # type: ignore[call-overload]  # whatever is given
        database.set_progress_handler(lambda: told("step"), 1)
        return database

    def trace(frame, event, _):
        file = frame.f_code.co_filename
        if not file.startswith(CODE):
            return None
        if event == "line":
            told("edge" if file.endswith(EDGES) else "line")
        return trace

    sqlite3.connect = connect_told  # type: ignore[assignment]  # it takes whatever is given
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
        sqlite3.connect = connect


def run_in_child(home: Path, way: Way, told: Callable[[str], None], at_end: Callable[[], object]) -> int:
    """Run the command in a process of its own; returns how that ended, as `os.waitpid` says it."""
    child = os.fork()
    if child == 0:
        code = 9
        try:
            os.environ.update({"TURNKEEP_HOME": str(home), **way.environ})
            os.chdir(home)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            count_moments(lambda: run(list(way.arguments)), told)
            at_end()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def measure(home: Path, way: Way) -> dict[str, int]:
    """How many moments of each kind the whole command has."""
    counts = dict.fromkeys(KINDS, 0)

    def count(kind: str) -> None:
        counts[kind] += 1

    note = home.with_suffix(".counts")
    assert run_in_child(home, way, count, lambda: note.write_text(json.dumps(counts))) == 0
    measured: dict[str, int] = json.loads(note.read_text())
    return measured


def run_and_die(home: Path, way: Way, kind: str, moment: int) -> None:
    """Run the command in a process that is killed at a moment."""
    passed = 0

    def die(met: str) -> None:
        nonlocal passed
        passed += met == kind
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    assert os.WIFSIGNALED(run_in_child(home, way, die, lambda: None))


def read_by(home: Path, name: str | None) -> object:
    """What is read by a secret; None: it does not open the database."""
    secret = secret_of(home, name)
    if isinstance(secret, KeyFile) and not has_key(secret.path):
        return None
    try:
        return with_store(home / "turnkeep.db", read_all, secret)
    except StoreLocked:
        return None


@pytest.mark.parametrize("named", WAYS)
def test_whoever_is_killed_leaves_what_the_old_opens_or_the_new(
    tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Passphrase, "choose_parameters", cheap)
    way = WAYS[named]
    said = make_home(tmp_path / "first", way)
    shutil.copytree(tmp_path / "first", tmp_path / "whole")
    moments = measure(tmp_path / "whole", way)
    draw, ends = random.Random(named), Counter[str]()
    for number in range(KILLS):
        home = tmp_path / f"home{number}"
        shutil.copytree(tmp_path / "first", home)
        kind = KINDS[number % len(KINDS)]
        run_and_die(home, way, kind, draw.randint(1, moments[kind]))
        # The old one first: opening by the new one ends what is left to do.
        before, after = read_by(home, way.old), read_by(home, way.new)
        assert [before, after].count(None) == 1
        assert said in (before, after)
        ends["old" if after is None else "new"] += 1
        assert run_in_child(home, way, lambda _: None, lambda: None) == 0  # again
        assert read_by(home, way.new) == said
        assert read_by(home, way.old) is None
        assert search_files(home) == []
        assert {file.name for file in home.iterdir()} <= {"turnkeep.db", "old key", "new key"}
        shutil.rmtree(home)
    assert sum(ends.values()) == KILLS
    print(named, moments, dict(ends))


# -- single moments ---------------------------------------------------------------------------------
@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TURNKEEP_HOME", str(folder))
    monkeypatch.setattr(Passphrase, "choose_parameters", cheap)
    return folder


def test_what_was_typed_goes_though_the_encrypting_was_killed_before(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(home / "turnkeep.db")
    encrypt(home / "turnkeep.db", NEW_WORDS)
    history = home / "input-history"
    for end in (lambda: run(["encrypt"]), lambda: find_history(load_settings())):
        history.touch(mode=0o600)
        history.write_text(f"+{CANARY}\n")
        with history.open("rb") as held:
            end()
            left = held.read()
            assert left
            assert left == bytes(len(left))
        assert not history.exists()
        assert "What was typed is not kept" in capsys.readouterr().err


def test_what_was_typed_stays_for_a_database_that_is_not_encrypted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home / "turnkeep.db")
    history = home / "input-history"
    history.touch(mode=0o600)
    history.write_text("+Hello.\n")
    assert find_history(load_settings()) == history
    monkeypatch.setenv("TURNKEEP_PASSPHRASE", "of another database")
    assert find_history(load_settings()) is None
    encrypt(home / "other.db", NEW_WORDS)
    elsewhere = load_settings({"db": str(home.parent / "other.db")})
    encrypt(elsewhere.database, NEW_WORDS)
    assert find_history(elsewhere) is None
    assert history.read_text() == "+Hello.\n"


def test_an_empty_key_file_that_a_killed_one_left_is_filled(home: Path) -> None:
    fill(home / "turnkeep.db")
    key = home / "key"
    key.touch(mode=0o600)
    assert run(["encrypt", "--key-file", str(key)]) == 0
    assert len(key.read_bytes()) > KEY_BYTES
    assert encryption_method(home / "turnkeep.db") == "key_file"
    with pytest.raises(UsageError, match="exists already"):
        make_key_file(key)


def test_the_name_of_a_key_file_is_on_the_disk_before_it_seals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    key = make_key_file(tmp_path / "keys" / "key")
    assert synced == [key.path.stat().st_ino, key.path.parent.stat().st_ino]


def test_a_database_that_was_restored_over_is_not_taken_for_the_rest_of_an_encrypting(tmp_path: Path) -> None:
    path, backup = tmp_path / "turnkeep.db", tmp_path / "backup.db"
    fill(backup)
    encrypt(backup, NEW_WORDS)
    said = fill(path)
    os.link(
        path, f"{path}{OLD}"
    )  # an encrypting was killed here, before the new file took the old one's place
    aside = restore(path, backup, lambda _done, _total: None)
    assert aside is not None
    assert with_store(path, read_all, NEW_WORDS) is not None
    assert with_store(aside, read_all) == said
    assert not Path(f"{path}{OLD}").exists()


def test_a_forget_takes_away_the_copy_that_a_killed_encrypting_left(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    fill(path)
    Path(f"{path}{NEW}").write_bytes(b"sealed")
    Path(f"{path}{NEW}-journal").write_bytes(b"sealed")
    with_store(path, lambda store: store.list_making())
    assert [file.name for file in tmp_path.glob("turnkeep*")] == ["turnkeep.db"]


def test_what_another_process_is_writing_is_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypting, "ALONE_SECONDS", 0.05)
    path = tmp_path / "turnkeep.db"
    written = Path(f"{path}{NEW}")

    async def work(store: SqliteStore) -> None:
        await store.stats()
        with pytest.raises(StoreError, match="is in use"):
            await asyncio.to_thread(encrypt, path, NEW_WORDS)

    fill(path)
    written.write_bytes(b"sealed")
    with_store(path, work)
    assert written.read_bytes() == b"sealed"
    encrypt(path, NEW_WORDS)
    assert not written.exists()
