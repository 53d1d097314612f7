"""`turnkeep encrypt`: the whole store or the old one, whatever happens; and what is not kept in files any more."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chats import run_chat
from tests.store.test_encryption import CANARY, needles, say_everywhere, search_files
from tests.store.writer import OWNER, Writer
from tests.stores import with_store
from turnkeep import AsyncChat
from turnkeep.cli import run
from turnkeep.errors import StoreError, StoreLocked
from turnkeep.settings import load_settings
from turnkeep.store.secret import KeyFile, Passphrase, Secret, make_key_file
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite import encrypt as encrypting
from turnkeep.store.sqlite.encrypt import encrypt, encryption_method
from turnkeep.store.sqlite.wiping import OLD
from turnkeep.terminal.asking import find_history
from turnkeep.testing import ScriptedEngine

STEPS_APART = 3  # of the lines of these functions, between two kills
KILLED_IN = {"encrypt", "_opened_alone", "_index", "_swap", "overwrite", "sync"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TURNKEEP_HOME", str(folder))
    return folder


async def read_all(store: SqliteStore) -> object:
    """Everything that can be asked of the store's conversations."""
    rows = await store.list_conversations(OWNER)
    read: list[object] = [rows]
    for row in rows:
        read.append([part async for part in store.export_items(OWNER, row.id)])
        read.append([await store.load_receipt(OWNER, row.id, number + 1) for number in range(row.turns)])
        read.append(await store.load_partial(OWNER, row.id, row.turns))
        read.append(await store.find_view(OWNER, row.id, tip=row.tip, key=None))
        read.append(await store.load_vectors(OWNER, row.id, "model", after=0, limit=100))
        read.append(await store.index_words(OWNER, row.id))
    read.append(await store.list_responses(OWNER, kind="chat_completion"))
    read.append(await store.find_id(OWNER, f"{CANARY} alias"))
    read.append(await store.load_digest_key(OWNER))
    read.append(await store.search_text(OWNER, "wolverine"))
    return read


def fill(path: Path) -> object:
    async def scenario(store: SqliteStore) -> object:
        await store.load_digest_key(OWNER)
        await say_everywhere(store)
        other = await Writer.begin(store, "other")
        for number in range(20):
            await other.say(f"Turn {number} about wolverines.")
        return await read_all(store)

    return with_store(path, scenario)


def test_what_was_said_reads_the_same_and_stands_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    before = fill(path)
    secret = make_key_file(tmp_path / "key")
    done = encrypt(path, secret)
    assert done.conversations == 2
    assert done.wiped_bytes > 0
    assert search_files(tmp_path) == []
    assert [file.name for file in tmp_path.glob("turnkeep*")] == ["turnkeep.db"]
    assert path.stat().st_mode & 0o077 == 0
    assert with_store(path, read_all, secret) == before


def test_numbers_are_not_used_again_after_encrypting(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    secret = make_key_file(tmp_path / "key")

    async def scenario(store: SqliteStore) -> None:
        await Writer.begin(store, "one")
        last = await Writer.begin(store, "last")
        await store.delete_conversation(OWNER, last.id)

    with_store(path, scenario)
    encrypt(path, secret)
    with_store(path, lambda store: store.create_conversation(OWNER, "new", now=1), secret)
    with sqlite3.connect(path) as database:
        assert [number for (number,) in database.execute("SELECT number FROM conversation")] == [1, 3]
    database.close()


def test_the_old_file_is_overwritten_not_only_removed(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    fill(path)
    with path.open("rb") as old:  # whoever still holds it sees what is left of it
        encrypt(path, make_key_file(tmp_path / "key"))
        left = old.read()
    assert left == bytes(len(left))


def test_a_store_that_is_in_use_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encrypting, "ALONE_SECONDS", 0.05)
    path = tmp_path / "turnkeep.db"

    async def scenario(store: SqliteStore) -> None:
        await Writer.begin(store, "one")
        with pytest.raises(StoreError, match="is in use: end the chats"):
            await asyncio.to_thread(encrypt, path, make_key_file(tmp_path / "key"))
        await Writer.begin(store, "two")

    with_store(path, scenario)
    assert encryption_method(path) is None
    assert with_store(path, lambda store: store.list_conversations(OWNER))


def test_an_encrypted_store_is_not_encrypted_twice(tmp_path: Path) -> None:
    path, secret = tmp_path / "turnkeep.db", make_key_file(tmp_path / "key")
    encrypt(path, secret)
    with pytest.raises(StoreLocked, match="--change"):
        encrypt(path, secret)


# -- killed at any moment ---------------------------------------------------------------------------
def encrypt_and_die(path: Path, secret: Secret, step: int) -> bool:
    """Encrypt in a child that is killed at that step; tells whether it came to its end before."""
    child = os.fork()
    if child == 0:
        steps = 0

        def trace(frame, event, arg):
            nonlocal steps
            if frame.f_code.co_name in KILLED_IN:
                steps += 1
                if steps == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return trace
            return None

        sys.settrace(trace)
        try:
            encrypt(path, secret)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status)


def test_whoever_is_killed_leaves_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    original = tmp_path / "original.db"
    before = fill(original)
    content = original.read_bytes()
    secret = make_key_file(tmp_path / "key")
    met, step, ended = set(), 1, False
    while not ended:
        path = tmp_path / f"run{step}" / "turnkeep.db"
        path.parent.mkdir(mode=0o700)
        path.touch(mode=0o600)
        path.write_bytes(content)
        ended = encrypt_and_die(path, secret, step)
        method = encryption_method(path)
        met.add((method, Path(f"{path}{OLD}").exists()))
        if method is None:
            encrypt(path, secret)  # again, over whatever is left
        assert with_store(path, read_all, secret) == before
        assert search_files(path.parent) == []
        assert [file.name for file in path.parent.iterdir()] == ["turnkeep.db"]
        step += STEPS_APART
    assert {(None, False), ("key_file", True), ("key_file", False)} <= met


# -- the command ------------------------------------------------------------------------------------
def test_the_command_encrypts_by_the_passphrase_of_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(home / "turnkeep.db")
    history = home / "input-history"
    history.touch(mode=0o600)
    history.write_text(f"+{CANARY}\n")
    monkeypatch.setattr(Passphrase, "choose_parameters", cheap)
    monkeypatch.setenv("TURNKEEP_PASSPHRASE", "correct horse")
    assert run(["encrypt"]) == 0
    told = capsys.readouterr().err
    assert "2 conversations" in told
    assert "bytes of plain text were overwritten" in told
    assert "Whoever loses it loses the conversations" in told
    assert search_files(home) == []
    assert not history.exists()
    assert find_history(load_settings()) is None
    assert run(["list"]) == 0
    assert "other" in capsys.readouterr().out
    monkeypatch.delenv("TURNKEEP_PASSPHRASE")
    assert run(["list"]) == 2
    assert "is encrypted: set TURNKEEP_PASSPHRASE" in capsys.readouterr().err
    assert find_history(load_settings()) is None


def cheap(self: Passphrase) -> dict[str, object]:
    return {"kdf": "scrypt", "cost": 4, "block": 8, "salt": "c2FsdHNhbHRzYWx0c2FsdA=="}


def test_the_command_makes_a_key_file_and_changes_to_a_passphrase(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Passphrase, "choose_parameters", cheap)
    file = tmp_path / "key"
    assert run(["encrypt", "--key-file", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert "encryption_key_file = " in capsys.readouterr().err
    with_store(
        home / "turnkeep.db", lambda store: store.create_conversation(OWNER, "ana", now=1), KeyFile(file)
    )
    monkeypatch.setenv("TURNKEEP_ENCRYPTION_KEY_FILE", str(file))
    monkeypatch.setenv("TURNKEEP_NEW_PASSPHRASE", "battery staple")
    assert run(["encrypt", "--change"]) == 0
    assert "by the new passphrase alone" in capsys.readouterr().err
    assert run(["list"]) == 2
    monkeypatch.delenv("TURNKEEP_ENCRYPTION_KEY_FILE")
    monkeypatch.setenv("TURNKEEP_PASSPHRASE", "battery staple")
    assert run(["list"]) == 0
    assert "ana" in capsys.readouterr().out


def test_where_nobody_can_be_asked_the_command_says_what_to_set(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(home / "turnkeep.db")
    done = subprocess.run(
        [sys.executable, "-m", "turnkeep", "encrypt"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "turnkeep: Nobody can be asked for the passphrase here: set TURNKEEP_PASSPHRASE.\n",
    )
    assert encryption_method(home / "turnkeep.db") is None


def test_a_data_folder_that_others_can_read_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.chmod(0o755)
    assert run(["list"]) in (0, 2)
    (home / "turnkeep.db").touch(mode=0o600)
    assert run(["list"]) == 2
    assert f"run `chmod 700 {home}`" in capsys.readouterr().err


def test_the_library_and_the_gateway_open_by_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from turnkeep.gateway.gateway import ServeSettings, _open_store
    from turnkeep.unlocking import open_database

    file = make_key_file(home / "key")
    monkeypatch.setenv("TURNKEEP_ENCRYPTION_KEY_FILE", str(file.path))

    async def scenario() -> None:
        store = open_database()
        await store.create_conversation(OWNER, CANARY, now=1)
        await store.close()
        served = _open_store(ServeSettings())
        assert (await served.list_conversations(OWNER))[0].name == CANARY
        await served.close()

    asyncio.run(scenario())
    assert not any(needle in (home / "turnkeep.db").read_bytes() for needle in needles())


# -- a whole chat -----------------------------------------------------------------------------------
def test_the_model_reads_the_same_and_no_file_holds_it(tmp_path: Path) -> None:
    async def script(chat: AsyncChat) -> list[str]:
        for number in range(40):
            await chat.ask(f"Number {number}: the {CANARY} eats {'fish and berries ' * 6}")
        await chat.ask("What does the wolverine number 3 eat?")
        await chat.remember(f"{CANARY} is shy.")
        await chat.forget(2)
        await chat.ask("And what is it like?")
        found = await chat.search("wolverine", limit=3)
        return [hit.text for hit in found]

    def talk(store: SqliteStore) -> tuple[list[str], list[object]]:
        engine = ScriptedEngine(lambda request: f"Reply to {len(str(request.messages))}", window=1_024)
        return run_chat(script, engine, store), [request.messages for request in engine.requests]

    plain = talk(SqliteStore(tmp_path / "plain.db"))
    folder = tmp_path / "sealed"
    sealed = talk(SqliteStore(folder / "turnkeep.db", secret=make_key_file(tmp_path / "key")))
    assert plain[1]
    assert sealed == plain
    assert search_files(folder) == []
