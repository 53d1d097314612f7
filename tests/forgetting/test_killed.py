"""Killed between the database's commit and the end of the journal's: who starts next finishes it, and the chain holds."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Never

import pytest

from tests.forgetting.rests import leave_rests
from tests.forgetting.test_course import SECRET, all_bytes, forgetter
from turnkeep import AsyncChat, AuditRules
from turnkeep.audit import forgetting as rewriting
from turnkeep.audit.folder import Folder
from turnkeep.audit.reading import check_folder, read_records
from turnkeep.audit.recorder import Recorder
from turnkeep.forgetting.journals import JournalPlace
from turnkeep.settings import load_settings
from turnkeep.store.erasing import EveryMention, EverythingOwned, OneConversation, OneItem, OneTurn, What
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.backups import back_up
from turnkeep.terminal.opening import open_store
from turnkeep.testing import ScriptedEngine

Start = Callable[[Path], Coroutine[None, None, None]]
FULL = AuditRules(level="full")
MOMENTS: dict[str, tuple[object, str]] = {
    "before the journal": (JournalPlace, "forget"),
    "when it is known what goes": (rewriting, "_rewrite"),
    "before the chain says so": (Recorder, "_record_forgotten"),
}
KINDS: dict[str, Callable[[str, str], What]] = {
    "turn": lambda conversation, _item: OneTurn(conversation=conversation, turn=1),
    "item": lambda conversation, item: OneItem(conversation=conversation, item=item),
    "conversation": lambda conversation, _item: OneConversation(conversation=conversation),
    "owner": lambda _conversation, _item: EverythingOwned(),
    "value": lambda _conversation, _item: EveryMention(value=SECRET),
}


async def say(path: Path) -> tuple[str, str]:
    """Say two things, the first of them secret, under the audit; returns the conversation and the first item."""
    store = SqliteStore(path)
    async with AsyncChat(
        ScriptedEngine(), db=store, conversation="first", audit=FULL, upkeep=False, embeddings="off"
    ) as chat:
        await chat.ask(f"My aunt is a {SECRET}.")
        await chat.ask("It rains.")
        row = await chat.conversation()
    (first, *_) = await store.load_log("local", row.id, tip=row.tip)
    await store.close()
    return row.id, first.id


def kill_at(path: Path, what: What, moment: str) -> None:
    """Forget in a process that is killed at a moment."""
    child = os.fork()
    if not child:
        try:
            _die_at(moment)
            asyncio.run(_forget(path, what))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def _die_at(moment: str) -> None:
    def die(*_args: object, **_named: object) -> Never:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it was killed")

    owner, name = MOMENTS[moment]
    assert hasattr(owner, name)
    setattr(owner, name, die)


async def _forget(path: Path, what: What) -> None:
    store = SqliteStore(path)
    await forgetter(store).forget("local", what)
    await store.close()


async def start_chat(path: Path) -> None:
    """What the library does when it is opened."""
    store = SqliteStore(path)
    async with AsyncChat(
        ScriptedEngine(), db=store, conversation="next", audit=FULL, upkeep=False, embeddings="off"
    ) as chat:
        await chat.ask("It snows.")
    await store.close()


async def start_command(path: Path) -> None:
    """What every command does that opens the database."""
    async with open_store(load_settings({"db": str(path)}), make=False):
        pass


async def count_unfinished(path: Path) -> int:
    store = SqliteStore(path)
    unfinished = await store.load_unfinished()
    await store.close()
    return len(unfinished)


async def check(path: Path) -> None:
    store = SqliteStore(path)
    assert await store.load_unfinished() == []
    checked = await check_folder(Folder.of(path), store, asyncio.to_thread)
    assert checked.findings == []
    await store.close()


@pytest.mark.parametrize("start", [start_chat, start_command])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_start_finishes_what_a_kill_left_of_the_journal(
    tmp_path: Path, moment: str, start: Start
) -> None:
    kill_and_start(tmp_path, KINDS["turn"], moment, start)
    (record, other, *_) = [
        record for _, record in read_records(Folder.of(tmp_path / "turnkeep.db")) if record and record.kind == "turn"
    ]  # fmt: skip
    assert (record.texts, record.forgotten) == (None, True)
    assert other.texts is not None


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_was_named_is_finished(tmp_path: Path, kind: str) -> None:
    kill_and_start(tmp_path, KINDS[kind], "before the journal", start_chat)


def test_what_a_page_kept_of_a_row_goes_although_nobody_knows_it_any_more(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"
    conversation, _ = asyncio.run(say(path))
    assert leave_rests(path, SECRET)
    kill_at(path, OneConversation(conversation=conversation), "before the journal")
    asyncio.run(start_command(path))
    asyncio.run(check(path))
    assert SECRET.encode() not in all_bytes(tmp_path)


def kill_and_start(folder: Path, name: Callable[[str, str], What], moment: str, start: Start) -> None:
    """Forget until killed, with a backup to be written anew too; see that it is begun, and then that it is done."""
    path = folder / "turnkeep.db"
    conversation, item = asyncio.run(say(path))
    (folder / "backups").mkdir()
    back_up(path, folder / "backups" / "one.db", lambda _done, _total: None)
    kill_at(path, name(conversation, item), moment)
    assert SECRET.encode() in (folder / "backups" / "one.db").read_bytes()
    journal = b"".join(file.read_bytes() for file in Folder.of(path).path.glob("*.jsonl"))
    assert (SECRET.encode() in journal) == (moment != "before the chain says so")
    assert asyncio.run(count_unfinished(path)) == 1
    asyncio.run(start(path))
    asyncio.run(check(path))
    assert SECRET.encode() not in all_bytes(folder)
