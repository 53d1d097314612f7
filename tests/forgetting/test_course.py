"""A forget as a whole: what is left to do outside is remembered, done by the next one, and proven."""

import asyncio
import json
import os
import shutil
import sqlite3
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.forgetting.rests import leave_rests
from turnkeep import AsyncChat, ConversationNotFound, ForgetReceipt, UsageError
from turnkeep.audit import forgetting as rewriting
from turnkeep.audit.folder import Folder
from turnkeep.audit.journal import read_lines
from turnkeep.context.mentions import Mention
from turnkeep.engine.absent import AbsentEngine
from turnkeep.errors import EngineProtocolError, StoreError
from turnkeep.forgetting.cleaning import FILE
from turnkeep.forgetting.courses import LOG, Forgetter
from turnkeep.forgetting.journals import JournalPlace
from turnkeep.forgetting.opening import open_forgetter
from turnkeep.forgetting.places import Place, Searched, Task
from turnkeep.forgetting.receipt import PlaceReceipt
from turnkeep.store.erasing import (
    EveryMention,
    EverythingOwned,
    OlderThan,
    OneConversation,
    OneItem,
    OneTurn,
    What,
)
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.backups import back_up, restore
from turnkeep.testing import ScriptedEngine

SECRET = "xylophonist in Lisbon"
Script = Callable[[SqliteStore, str], Awaitable[None]]


def forgetter(store: SqliteStore, *more: Place, home: Path | None = None) -> Forgetter:
    return open_forgetter(
        store, AbsentEngine(), holder="test/0/0", home=home, open_store=SqliteStore, more=more
    )


async def talk(store: SqliteStore, *texts: str, name: str | None = None, owner: str = "local") -> str:
    """Say some things; returns the conversation."""
    chat = AsyncChat(
        ScriptedEngine(), db=store, conversation=name, owner=owner, upkeep=False, embeddings="off"
    )
    for text in texts:
        await chat.ask(text)
    row = await chat.conversation()
    await chat.close()
    return row.id


def run(path: Path, script: Script, *texts: str) -> None:
    async def main() -> None:
        store = SqliteStore(path / "turnkeep.db")
        try:
            await script(store, await talk(store, *texts, name="first"))
        finally:
            await store.close()

    asyncio.run(main())


def all_bytes(folder: Path) -> bytes:
    paths = [folder, *sorted(folder.rglob("*"))]
    return b"".join(path.read_bytes() for path in paths if path.is_file())


async def bodies(store: SqliteStore, conversation: str) -> list[str]:
    row = await store.load_conversation("local", conversation)
    return [str(each.item) for each in await store.load_log("local", conversation, tip=row.tip)]


class Slow:
    """A place that is not done before it is let."""

    name = "slow"

    def __init__(self, state: str = "pending") -> None:
        self.state, self.tasks = state, list[Task]()

    async def forget(self, task: Task) -> PlaceReceipt:
        self.tasks.append(task)
        return PlaceReceipt(name=self.name, state="pending" if self.state == "pending" else "done")

    def search(self, pieces: Sequence[bytes]) -> Searched:
        return Searched()


def test_a_turn_is_forgotten_and_the_receipt_says_where_and_proves_it(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        what = OneTurn(conversation=conversation, turn=1)
        assert SECRET.encode() in all_bytes(tmp_path)
        receipt = await forgetter(store).forget("local", what)
        assert tuple(receipt) == (1,)
        assert receipt.is_proven
        database, log, engine = (place for place in receipt.places if place.name not in ("audit", "backups"))
        assert database.name == "database"
        assert database.removed["item rewritten"] == 2
        assert database.removed["posting"] > 3
        assert (log.name, log.state) == (LOG, "done")
        assert (engine.state, receipt.state) == ("out of reach", "out of reach")
        assert "restart" in engine.advice
        assert receipt.proof is not None
        assert receipt.proof.size_bytes == len(all_bytes(tmp_path))
        assert SECRET.encode() not in all_bytes(tmp_path)
        assert await store.load_unfinished() == []

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        what = OneTurn(conversation=conversation, turn=1)
        before = await bodies(store, conversation)
        dry = await forgetter(store).forget("local", what, dry_run=True)
        assert (tuple(dry), dry.dry_run, dry.is_proven) == ((1,), True, False)
        assert dry.proof is not None
        assert any(dry.proof.found.values())
        assert await bodies(store, conversation) == before
        assert await store.load_unfinished() == []
        wet = await forgetter(store).forget("local", what)
        assert wet.places[0] == dry.places[0]

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


@pytest.mark.parametrize("kind", ["conversation", "owner", "old", "item"])
def test_whatever_is_named_goes_and_the_rest_stays(tmp_path: Path, kind: str) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        kept = await talk(store, "Keep this sentence, please.", owner="other")
        row = await store.load_conversation("local", conversation)
        first = (await store.load_log("local", conversation, tip=row.tip))[0]
        whats: dict[str, What] = {
            "conversation": OneConversation(conversation=conversation),
            "owner": EverythingOwned(),
            "old": OlderThan(before=row.updated + 60),
            "item": OneItem(conversation=conversation, item=first.id),
        }
        receipt = await forgetter(store).forget("local", whats[kind])
        assert receipt.is_proven
        assert SECRET.encode() not in all_bytes(tmp_path)
        if kind == "item":
            assert receipt.items == (first.id,)
        else:
            assert receipt.conversations == (conversation,)
            with pytest.raises(ConversationNotFound):
                await store.load_conversation("local", conversation)
        log = await store.load_conversation("other", kept)
        assert log.turns == 1

    run(tmp_path, script, f"My aunt is a {SECRET}.")


def test_of_a_value_every_mention_gets_the_mark_in_all_conversations(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        second = await talk(store, "Or was it 0171/5550199?", "It rains.", name="call 0171-555 0199")
        receipt = await forgetter(store).forget("local", EveryMention(value="0171 5550199"))
        assert receipt.turns == {conversation: (1,), second: (1,)}
        assert receipt.is_proven
        assert "Call [forgotten], and say hello." in (await bodies(store, conversation))[0]
        assert "Or was it [forgotten]?" in (await bodies(store, second))[0]
        assert (await store.load_conversation("local", second)).name == "call [forgotten]"
        assert [hit.turn for hit in await store.search_text("local", "say hello")] == [1]
        assert await store.search_text("local", "5550199") == []
        assert b"5550199" not in all_bytes(tmp_path)

    run(tmp_path, script, "Call 0171 5550199, and say hello.", "I like tea.")


def test_of_a_value_the_journal_forgets_also_what_an_error_quoted(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        engine = ScriptedEngine([[EngineProtocolError("It refuses: XYLO-77421.")], "ok"])
        chat = AsyncChat(
            engine, db=store, conversation=conversation, upkeep=False, audit="full", embeddings="off"
        )
        with pytest.raises(EngineProtocolError):
            await chat.ask("Go on.")
        await chat.ask("And now?")
        await chat.close()
        receipt = await forgetter(store).forget("local", EveryMention(value="XYLO-77421"))
        assert tuple(receipt) == (1, 2)
        assert receipt.is_proven
        assert b"XYLO" not in all_bytes(tmp_path)

    run(tmp_path, script, "My badge is XYLO-77421.")


def test_of_a_value_the_proof_looks_for_it_where_no_conversation_holds_it(tmp_path: Path) -> None:
    async def script(store: SqliteStore, _: str) -> None:
        left = tmp_path / "turnkeep.db.copy"
        left.write_text("my badge is XYLO-77421")
        receipt = await forgetter(store).forget("local", EveryMention(value="XYLO-77421"))
        assert tuple(receipt) == ()
        assert receipt.proof is not None
        assert list(receipt.proof.found) == [str(left)]

    run(tmp_path, script, "It rains.")


def test_a_value_is_found_in_tool_traffic_however_json_wrote_it(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        receipt = await forgetter(store).forget("local", EveryMention(value="Zoë Müller"))
        assert receipt.turns == {conversation: (1, 2, 3)}
        assert receipt.is_proven
        kept = all_bytes(tmp_path)
        assert b"M\\u00fcller" not in kept
        assert "Müller".encode() not in kept
        assert unicodedata.normalize("NFD", "Müller").encode() not in kept

    run(
        tmp_path,
        script,
        json.dumps({"to": "Hi,\nZoë Müller"}),
        unicodedata.normalize("NFD", "Write to Zoë Müller."),
        "Write to ZOË MÜLLER.",
        "It rains.",
    )


def test_a_value_in_the_log_alone_is_found_by_its_words_afterwards(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        await forgetter(store).forget("local", EveryMention(value="Biscuit"))
        database = sqlite3.connect(tmp_path / "turnkeep.db")
        assert database.execute("SELECT items, turn FROM indexed").fetchone() == (4, 2)
        database.close()

    run(tmp_path, script, "My dog Biscuit barks loudly.", "I like tea.")


def test_what_is_left_by_one_is_finished_by_the_next(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        slow = Slow()
        receipt = await forgetter(store, slow).forget("local", OneTurn(conversation=conversation, turn=1))
        assert receipt.state == "pending"
        (left,) = await store.load_unfinished()
        assert left.note["left"] == ["slow", LOG, FILE]
        assert await forgetter(store).finish() == [
            PlaceReceipt(name=LOG)
        ]  # who does not know the place leaves it
        assert len(await store.load_unfinished()) == 1
        slow.state = "done"
        await forgetter(store, slow).finish()
        assert await store.load_unfinished() == []
        assert [task.turns for task in slow.tasks] == [{conversation: (1,)}] * 2
        assert any(SECRET in text for text in slow.tasks[1].texts)
        assert SECRET.encode() not in all_bytes(tmp_path)

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_a_reader_that_holds_the_log_makes_it_pending_until_it_is_gone(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        reader = sqlite3.connect(tmp_path / "turnkeep.db")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM item").fetchone()
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))
        log = receipt.places[1]
        assert (log.name, log.state) == (LOG, "pending")
        assert "close that one" in log.advice
        assert not receipt.is_proven
        (left,) = await store.load_unfinished()
        assert (set(left.note), left.note["left"]) == ({"left", "now"}, [LOG, FILE])
        reader.close()
        await forgetter(store).finish()
        assert await store.load_unfinished() == []
        assert SECRET.encode() not in all_bytes(tmp_path)

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


@pytest.mark.parametrize("prove", [True, False])
def test_what_a_page_kept_of_a_row_goes_too(tmp_path: Path, prove: bool) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        await store.close()
        assert leave_rests(tmp_path / "turnkeep.db", f"My aunt is a {SECRET}.")
        again = SqliteStore(tmp_path / "turnkeep.db")
        what = OneConversation(conversation=conversation)
        receipt = await forgetter(again).forget("local", what, prove=prove)
        assert receipt.is_proven == prove
        assert await again.load_unfinished() == []
        assert SECRET.encode() not in all_bytes(tmp_path)
        await again.close()

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_a_value_stands_in_no_record_when_nobody_needs_it_any_more(tmp_path: Path) -> None:
    rewritten = list[str]()

    class Watched(SqliteStore):
        async def rewrite_file(self) -> bool:
            rewritten.append("anew")
            return await super().rewrite_file()

    async def script(store: SqliteStore, conversation: str) -> None:
        receipt = await forgetter(store).forget("local", EveryMention(value=SECRET))
        assert tuple(receipt) == (1,)
        assert receipt.is_proven
        assert rewritten == []  # nothing had to be: the record itself is no rest to be found

    async def main() -> None:
        store = Watched(tmp_path / "turnkeep.db")
        await script(store, await talk(store, f"My aunt is a {SECRET}."))
        await store.close()

    asyncio.run(main())


def test_bytes_that_stand_in_a_foreign_file_are_reported_not_hidden(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        (tmp_path / "copy.txt").write_text(f"My aunt is a {SECRET}.", "utf-8")
        receipt = await forgetter(store, home=tmp_path).forget(
            "local", OneTurn(conversation=conversation, turn=1)
        )
        assert not receipt.is_proven
        assert receipt.proof is not None
        assert list(receipt.proof.found) == [str(tmp_path / "copy.txt")]

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_words_that_stand_in_kept_turns_are_no_leak(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))
        assert receipt.is_proven
        assert receipt.proof is not None
        assert receipt.proof.common == receipt.proof.pieces > 0

    run(tmp_path, script, "It rains here.", "Then: It rains here. Or so.")


def test_the_input_history_forgets_what_was_typed(tmp_path: Path) -> None:
    history = tmp_path / "input-history"

    async def script(store: SqliteStore, conversation: str) -> None:
        entries = [f"My aunt is a {SECRET}.", f"/remember My aunt is a {SECRET}.", "It rains.\nStill."]
        history.write_text("".join(
            "\n# 2026-11-22 12:00:00.000001\n" + "".join(f"+{line}\n" for line in entry.split("\n"))
            for entry in entries
        ), "utf-8")  # fmt: skip
        history.chmod(0o600)
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))
        (place,) = [each for each in receipt.places if each.name == "input history"]
        assert place.removed == {"entries": 2}
        assert history.read_text("utf-8") == "\n# 2026-11-22 12:00:00.000001\n+It rains.\n+Still.\n"
        assert os.stat(history).st_mode & 0o777 == 0o600
        await forgetter(store).forget("local", EveryMention(value="still"))
        assert history.read_text("utf-8").endswith("+It rains.\n+[forgotten].\n")
        await forgetter(store).forget("local", EverythingOwned())
        assert history.read_text("utf-8") == ""

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.\nStill.")


def test_backups_are_written_anew_without_it(tmp_path: Path) -> None:
    backup = tmp_path / "backups" / "one.db"

    async def script(store: SqliteStore, conversation: str) -> None:
        backup.parent.mkdir()
        gone = backup.with_name("gone.db")
        for target in (backup, gone):
            await asyncio.to_thread(back_up, tmp_path / "turnkeep.db", target, lambda _done, _total: None)
        gone.unlink()
        assert SECRET.encode() in backup.read_bytes()
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))
        (place,) = [each for each in receipt.places if each.name == "backups"]
        assert (place.removed, place.state) == ({"backups": 1}, "done")
        assert SECRET.encode() not in backup.read_bytes()
        assert [path.name for path in backup.parent.iterdir()] == ["one.db"]
        copy = SqliteStore(backup)
        assert "It rains." in str(await bodies(copy, conversation))
        await copy.close()

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


@pytest.mark.moves_prefix(reason="a restore takes back what the model has read last")
def test_a_turn_that_a_restore_took_back_is_not_taken_for_the_one_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "turnkeep.db"

    async def first() -> str:
        store = SqliteStore(path)
        conversation = await talk(store, "It rains.", name="first")
        await asyncio.to_thread(back_up, path, tmp_path / "one.db", lambda *_: None)
        await talk(store, "What went on before.", name="first")
        await store.close()
        return conversation

    async def second(conversation: str, aside: Path) -> None:
        store = SqliteStore(path)
        await talk(store, f"My aunt is a {SECRET}.", name="first")
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=2))
        assert receipt.is_proven
        assert SECRET.encode() not in all_bytes(tmp_path)
        assert b"What went on before." in all_bytes(aside)
        again = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))
        assert tuple(again) == (1,)
        assert b"It rains." not in all_bytes(tmp_path)
        await store.close()

    conversation = asyncio.run(first())
    aside = restore(path, tmp_path / "one.db", lambda *_: None)
    assert aside is not None
    asyncio.run(second(conversation, aside))


def test_a_backup_holds_no_texts_of_a_forget_that_is_not_done(tmp_path: Path) -> None:
    backup = tmp_path / "one.db"

    async def script(store: SqliteStore, conversation: str) -> None:
        await forgetter(store, Slow()).forget("local", OneTurn(conversation=conversation, turn=1))
        assert SECRET.encode() in all_bytes(tmp_path)  # so that the slow place can look for it
        await asyncio.to_thread(back_up, tmp_path / "turnkeep.db", backup, lambda _done, _total: None)
        assert SECRET.encode() not in backup.read_bytes()
        copy = SqliteStore(backup)
        (left,) = await copy.load_unfinished()
        assert (left.note["left"], left.note["texts"]) == (["slow", LOG, FILE], [])
        await copy.close()

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_a_backup_that_is_being_made_is_written_anew_when_it_is_there(tmp_path: Path) -> None:
    backup = tmp_path / "one.db"

    async def script(store: SqliteStore, conversation: str) -> None:
        receipts: list[ForgetReceipt] = []

        def told(done: int, _total: int) -> None:
            if not receipts:
                receipts.append(asyncio.run_coroutine_threadsafe(forget(), loop).result(30))

        async def forget() -> ForgetReceipt:
            return await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(back_up, tmp_path / "turnkeep.db", backup, told)
        (place,) = [each for each in receipts[0].places if each.name == "backups"]
        assert place.state == "pending"
        assert str(backup) in place.advice
        assert SECRET.encode() in backup.read_bytes()
        assert [each.state for each in await forgetter(store).finish()] == ["done", "done"]
        assert await store.load_unfinished() == []
        assert SECRET.encode() not in all_bytes(tmp_path)

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_what_a_killed_backup_has_left_goes(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        await store.plan_backup(str(tmp_path / "one.db"), now=1.0)
        part = tmp_path / ".one.db.1.part"
        part.write_text(f"My aunt is a {SECRET}.", "utf-8")
        os.utime(part, (1.0, 1.0))
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))
        assert receipt.state != "pending"
        assert not part.exists()

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_what_a_killed_restore_has_left_is_found_and_goes(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        await asyncio.to_thread(back_up, tmp_path / "turnkeep.db", tmp_path / "one.db", lambda *_: None)
        left = tmp_path / ".turnkeep.db.0a1b2c3d.new"
        shutil.copy(tmp_path / "one.db", left)
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=1))
        assert receipt.proof is not None
        assert list(receipt.proof.found) == [str(left)]  # somebody may be writing it at this moment
        os.utime(left, (1.0, 1.0))
        assert (await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=2))).is_proven
        assert SECRET.encode() not in all_bytes(tmp_path)

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


@dataclass
class StrictJournal:
    """Refuses what a journal would refuse, and remembers what it was asked."""

    file: Path
    asked: list[tuple[str, dict[str, Sequence[int] | None], float | None, bool]] = field(default_factory=list)
    broken: bool = False

    async def forget_texts(
        self,
        owner: str,
        turns: Mapping[str, Sequence[int] | None],
        *,
        before: float | None = None,
        dry_run: bool,
    ) -> int:
        assert owner
        assert all(conversation.startswith("conv_") for conversation in turns)
        assert turns or before is not None, "nobody asks for nothing"
        if self.broken:
            raise StoreError("the disk is full")
        self.asked.append((owner, dict(turns), before, dry_run))
        if not dry_run:
            self.file.write_text("", "utf-8")
        return 1

    async def forget_keys(
        self, owner: str | None, mention: Mention, *, besides: object = None, dry_run: bool
    ) -> int:
        raise AssertionError("nobody forgets a value here")

    def paths(self) -> list[Path]:
        return [self.file]

    def find_kept(self, pieces: Sequence[bytes]) -> set[bytes]:
        return set()


@pytest.mark.parametrize("what", [EverythingOwned(), OlderThan(before=2_000_000_000_000.0)])
def test_the_audit_is_gone_through_once_however_many_conversations_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: What
) -> None:
    passes = list[str]()

    def count(source: IO[bytes]) -> Iterator[bytes]:
        passes.append("pass")
        return read_lines(source)

    async def script(store: SqliteStore, conversation: str) -> None:
        for number in range(6):
            chat = AsyncChat(
                ScriptedEngine(), db=store, conversation=str(number), upkeep=False, embeddings="off",
                audit="full",
            )  # fmt: skip
            await chat.ask(f"My aunt is a {SECRET}, {number}.")
            await chat.close()
        monkeypatch.setattr(rewriting, "read_lines", count)
        journal, taken = Folder.of(tmp_path / "turnkeep.db"), []
        for dry_run in (True, False):
            passes.clear()
            receipt = await forgetter(store).forget("local", what, dry_run=dry_run)
            taken += [place.removed for place in receipt.places if place.name == "audit"]
            # One to find them in each file, and one to write each anew.
            assert len(passes) == len(journal.list()) * (1 if dry_run else 2)
        assert taken == [{"turns": 6}, {"turns": 6}]
        assert SECRET.encode() not in all_bytes(tmp_path / "turnkeep.db-audit")
        assert len(journal.forgotten.read_bytes().split()) > 6, "each is written down for whoever still waits"

    run(tmp_path, script)


def test_a_journal_is_asked_for_the_turns_and_one_that_fails_is_asked_again(tmp_path: Path) -> None:
    journal = StrictJournal(tmp_path / "journal")
    journal.file.write_text(f"My aunt is a {SECRET}.", "utf-8")

    async def script(store: SqliteStore, conversation: str) -> None:
        place = JournalPlace(journal, name="another journal")
        what = OneTurn(conversation=conversation, turn=1)
        assert (await forgetter(store, place).forget("local", what, dry_run=True)).places[-1].removed == {
            "turns": 1
        }
        journal.broken = True
        receipt = await forgetter(store, place).forget("local", what)
        assert receipt.places[-1].state == "pending"
        assert "the disk is full" in receipt.places[-1].advice
        assert receipt.proof is not None
        # The record of what is left to do holds the texts that the journal is still to look for.
        assert set(receipt.proof.found) == {str(journal.file), str(tmp_path / "turnkeep.db")}
        journal.broken = False
        await forgetter(store, place).finish()
        await forgetter(store, place).forget("local", OneConversation(conversation=conversation))
        assert journal.asked == [
            ("local", {conversation: (1,)}, None, True),
            ("local", {conversation: (1,)}, None, False),
            ("local", {conversation: None}, None, False),
        ]

    run(tmp_path, script, f"My aunt is a {SECRET}.", "It rains.")


def test_an_engine_that_can_erase_its_cache_is_told_to(tmp_path: Path) -> None:
    class Erases(AbsentEngine):
        erased = 0

        async def erase_cache(self) -> int:
            self.erased += 1
            return 2

    engine = Erases()

    async def script(store: SqliteStore, conversation: str) -> None:
        course = open_forgetter(store, engine, holder="test/0/0")
        what = OneTurn(conversation=conversation, turn=1)
        await course.forget("local", what, dry_run=True)
        assert engine.erased == 0
        receipt = await course.forget("local", what)
        (place,) = [each for each in receipt.places if each.name == "engine cache"]
        assert place.removed == {"slots": 2}
        assert "--cache-ram" in place.advice

    run(tmp_path, script, "It rains.")


def test_what_cannot_be_forgotten_is_refused_before_anything_happens(tmp_path: Path) -> None:
    async def script(store: SqliteStore, conversation: str) -> None:
        with pytest.raises(UsageError, match="too short"):
            await forgetter(store).forget("local", EveryMention(value="a"))
        with pytest.raises(ConversationNotFound):
            await forgetter(store).forget("local", OneConversation(conversation="conv_0123456789abcdef"))
        with pytest.raises(ConversationNotFound, match="no turn 9"):
            await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=9))
        assert await store.load_unfinished() == []
        assert len(await bodies(store, conversation)) == 2

    run(tmp_path, script, "It rains.")


def test_a_chat_forgets_by_message_value_age_and_as_a_whole() -> None:
    async def main() -> list[ForgetReceipt]:
        chat = AsyncChat(ScriptedEngine(), db=None, upkeep=False, embeddings="off", conversation="ana")
        async with chat:
            await chat.ask("My number is 0171 5550199.")
            await chat.ask("It rains.")
            value = await chat.forget(value="01715550199")
            assert (await chat.history())[0].user == "My number is [forgotten]."
            old = await chat.forget(older_than_days=1)
            with pytest.raises(UsageError, match="one thing"):
                await chat.forget(1, value="rains")
            whole = await chat.forget(conversation=True)
            assert await chat.history() == []
            await chat.ask("Again.")
            assert (await chat.conversation()).name == "ana"
            return [value, old, whole]

    value, old, whole = asyncio.run(main())
    assert (value, old) == ((1,), ())
    assert len(whole.conversations) == 1


def test_a_note_that_another_answer_carried_along_goes_from_the_journal_too(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "turnkeep.db")
        chat = AsyncChat(
            ScriptedEngine(), db=store, conversation="first", upkeep=False, embeddings="off", audit="full"
        )
        await chat.ask("It rains.")
        await chat.remember(f"My aunt is a {SECRET}.")
        await chat.edit("It has stopped.", turn=1)  # what was noted since is carried along
        await chat.close()  # the journal is written by now
        assert SECRET.encode() in all_bytes(tmp_path / "turnkeep.db-audit")
        conversation = (await store.list_conversations("local"))[0].id
        receipt = await forgetter(store).forget("local", OneTurn(conversation=conversation, turn=2))
        assert receipt.is_proven, receipt
        assert dict(receipt.turns) == {conversation: (2,)}
        assert SECRET.encode() not in all_bytes(tmp_path)
        await store.close()

    asyncio.run(main())
