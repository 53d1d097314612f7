"""The recorder: what turns hand over is written behind, or before they are done; what fails is told, and counted."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import turnkeep.audit.forgotten as forgotten_module
import turnkeep.audit.recorder as recorder_module
from tests.audit.journals import Clock, check, entry, folder_in
from turnkeep.audit.base import AuditRules, Which
from turnkeep.audit.chain import Secret
from turnkeep.audit.entries import make_draft
from turnkeep.audit.forgotten import note_forgotten, read_forgotten
from turnkeep.audit.journal import DAY_SECONDS
from turnkeep.audit.opening import open_recorder
from turnkeep.audit.reading import check_folder, read_records
from turnkeep.audit.recorder import Recorder
from turnkeep.errors import AuditFailed, UsageError
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import EphemeralStore

FULL = AuditRules(level="full")


class Marks:
    """Masks one address, as the real thing masks many."""

    async def mask(self, owner, conversation, texts):
        if any("poison" in text for text in texts):
            raise RuntimeError("cannot be masked")
        return [text.replace("ana@example.org", "[EMAIL_1]") for text in texts]

    async def sweep(self, owner, conversation):
        """Nothing is kept of what was masked."""


def run(tmp_path: Path, script, rules=FULL, **given):
    """Run a script on a recorder and its store; what the journal holds then is checked beside the database."""

    async def main():
        store = SqliteStore(tmp_path / "turnkeep.db")
        recorder = Recorder(folder_in(tmp_path), rules, heads=store, **given)
        try:
            result = await script(recorder)
            await recorder.close()
            checked = await check_folder(folder_in(tmp_path), store, asyncio.to_thread)
            assert checked.findings == []
            return result
        finally:
            await recorder.close()
            await store.close()

    return asyncio.run(main())


def records(tmp_path: Path, kind: str = "turn"):
    return [record for _, record in read_records(folder_in(tmp_path)) if record and record.kind == kind]


def texts(tmp_path: Path):
    return [record.texts and record.texts["input"] for record in records(tmp_path)]


async def say(recorder: Recorder, *numbers: int) -> None:
    for number in numbers:
        recorder.note(entry(number))


@pytest.mark.parametrize(
    ("level", "masking", "kept"),
    [
        ("full", None, "ana@example.org 1"),
        ("masked", Marks(), "[EMAIL_1] 1"),
        (None, Marks(), "[EMAIL_1] 1"),
        ("sizes", Marks(), None),
        (None, None, None),
    ],
)
def test_a_level_says_what_is_kept(tmp_path: Path, level, masking, kept) -> None:
    async def script(recorder):
        recorder.note(entry(1, "ana@example.org"))

    run(tmp_path, script, AuditRules(level=level), masking=masking)
    (record,) = records(tmp_path)
    assert (record.texts and record.texts["input"]) == kept
    assert record.fields["bytes"] == {"input": 17, "output": 2}
    assert record.fields["receipt"] == {"window": 9}
    whole = b"".join(path.read_bytes() for path in folder_in(tmp_path).path.iterdir())
    assert (b"ana@example.org" in whole) == (kept == "ana@example.org 1")


def test_where_nothing_can_be_masked_it_is_said_once(tmp_path: Path, caplog) -> None:
    for _ in range(2):
        run(tmp_path, lambda recorder: say(recorder, 1), AuditRules())
    told = [record.message for record in caplog.records if record.name == "turnkeep.audit"]
    assert len(told) == 1
    assert "keeps sizes" in told[0]


def test_a_turn_that_cannot_be_masked_leaves_its_sizes(tmp_path: Path, caplog) -> None:
    async def script(recorder):
        recorder.note(entry(1, "poison"))
        recorder.note(entry(2))

    run(tmp_path, script, AuditRules(level="masked"), masking=Marks())
    assert texts(tmp_path) == [None, "hello 2"]
    assert "by its sizes alone" in caplog.text


def test_a_turn_of_a_conversation_that_was_deleted_leaves_its_sizes_and_nothing_is_logged(
    tmp_path: Path, caplog
) -> None:
    async def main():
        store = SqliteStore(tmp_path / "turnkeep.db")
        recorder = open_recorder(store, AuditRules(level="masked"))
        assert recorder is not None
        recorder.note(entry(1, "ana@example.org"))  # of conv_1, which is not there
        await recorder.close()
        await store.close()

    asyncio.run(main())
    assert texts(tmp_path) == [None]
    assert records(tmp_path)[0].fields["bytes"] == {"input": 17, "output": 2}
    assert [record.message for record in caplog.records if record.name == "turnkeep.audit"] == []


def test_what_was_noted_is_written_by_the_end(tmp_path: Path) -> None:
    run(tmp_path, lambda recorder: say(recorder, *range(1, 201)))
    assert texts(tmp_path) == [f"hello {number}" for number in range(1, 201)]


def test_a_turn_whose_texts_nobody_keeps_leaves_none(tmp_path: Path) -> None:
    async def script(recorder):
        recorder.note(entry(0))

    run(tmp_path, script)
    assert texts(tmp_path) == [None]


def test_a_kept_record_is_on_the_disk_and_known_to_the_database(tmp_path: Path) -> None:
    async def script(recorder):
        await recorder.keep(entry(1))
        store = SqliteStore(tmp_path / "turnkeep.db")
        heads = await store.load_audit_heads()
        await store.close()
        return texts(tmp_path), [(head.file, head.count) for head in heads]

    kept, heads = run(tmp_path, script, AuditRules(level="full", required=True))
    assert kept == ["hello 1"]
    assert heads == [("", 1), ("0001-000001.jsonl", 2)]


def test_the_next_process_goes_on_with_the_file(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        run(tmp_path, lambda recorder, number=number: say(recorder, number))
    assert folder_in(tmp_path).list() == ["0001-000001.jsonl"]
    assert texts(tmp_path) == ["hello 1", "hello 2", "hello 3"]


def test_writers_at_once_have_a_file_each(tmp_path: Path) -> None:
    async def script(recorder):
        store = SqliteStore(tmp_path / "turnkeep.db")
        other = Recorder(folder_in(tmp_path), FULL, heads=store)
        await asyncio.gather(*(each.keep(entry(n)) for n in range(1, 21) for each in (recorder, other)))
        await other.close()
        await store.close()

    run(tmp_path, script)
    assert folder_in(tmp_path).list() == ["0001-000001.jsonl", "0002-000001.jsonl"]
    assert len(records(tmp_path)) == 40


def test_a_file_is_closed_when_it_is_large_or_old(tmp_path: Path) -> None:
    clock = Clock()

    async def script(recorder):
        await recorder.keep(entry(1, "x" * 5_000))
        await recorder.keep(entry(2))
        clock.now += 2 * DAY_SECONDS
        await recorder.keep(entry(3))

    run(tmp_path, script, AuditRules(level="full", rotate_bytes=4_096, rotate_days=1.0), clock=clock)
    assert len(folder_in(tmp_path).list()) == 3
    assert len(records(tmp_path, "end")) == 2


def test_a_file_is_deleted_when_its_time_is_over_and_the_chain_knows(tmp_path: Path) -> None:
    clock, rules = Clock(), AuditRules(level="full", rotate_days=1.0, keep_days=10.0)

    async def script(recorder):
        for day in range(20):
            await recorder.keep(entry(day + 1))
            await recorder._join(start=False)  # what is old is deleted behind, by the clock as it is then
            clock.now += DAY_SECONDS

    run(tmp_path, script, rules, clock=clock)
    assert [record.fields["turn"] for record in records(tmp_path)] == list(range(9, 21))
    assert {record.fields["file"] for record in records(tmp_path, "expired")} >= {"0001-000007.jsonl"}


def test_a_file_that_was_begun_anew_on_request(tmp_path: Path) -> None:
    async def script(recorder):
        await recorder.keep(entry(1))
        await recorder.rotate()
        await recorder.keep(entry(2))

    run(tmp_path, script)
    assert len(folder_in(tmp_path).list()) == 2


def test_a_torn_line_is_cut_off_and_recorded(tmp_path: Path) -> None:
    run(tmp_path, lambda recorder: say(recorder, 1))
    with folder_in(tmp_path).file("0001-000001.jsonl").open("ab") as file:
        file.write(b'{"n":3,"kind":"tu')
    run(tmp_path, lambda recorder: say(recorder, 2))
    assert [record.fields["bytes"] for record in records(tmp_path, "repair")] == [17]
    assert texts(tmp_path) == ["hello 1", "hello 2"]


def test_a_file_that_was_changed_is_left_and_another_begun(tmp_path: Path) -> None:
    run(tmp_path, lambda recorder: say(recorder, 1, 2))
    path = folder_in(tmp_path).file("0001-000001.jsonl")
    changed = path.read_bytes().replace(b"scripted", b"Scripted", 1)
    path.write_bytes(changed)
    with pytest.raises(AssertionError):
        run(tmp_path, lambda recorder: say(recorder, 3))
    assert path.read_bytes() == changed
    assert texts(tmp_path) == ["hello 2", "hello 3"]


def test_a_cut_is_not_hidden_by_who_goes_on(tmp_path: Path) -> None:
    run(tmp_path, lambda recorder: say(recorder, 1, 2, 3))
    path = folder_in(tmp_path).file("0001-000001.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    with pytest.raises(AssertionError, match="cut off"):
        run(tmp_path, lambda recorder: say(recorder, 4, 5, 6))


def test_a_journal_that_cannot_be_written_is_told_and_counted(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(recorder_module, "MOST_WAITING", 3)
    folder = folder_in(tmp_path)
    folder.path.write_text("in the way")

    async def script(recorder):
        await say(recorder, *range(1, 6))
        await recorder.drain()
        assert "cannot be written" in (recorder.problem or "")
        folder.path.unlink()
        recorder.note(entry(6))
        await recorder.drain()
        assert recorder.problem is None

    run(tmp_path, script)
    assert texts(tmp_path) == ["hello 1", "hello 2", "hello 3"]
    assert [record.fields["turns"] for record in records(tmp_path, "gap")] == [3]
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1


def test_a_required_record_that_cannot_be_written_is_an_error(tmp_path: Path, caplog) -> None:
    folder = folder_in(tmp_path)
    folder.path.write_text("in the way")

    async def script(recorder):
        with pytest.raises(AuditFailed, match="make room"):
            await recorder.keep(entry(1))
        with pytest.raises(AuditFailed):
            await recorder.check()
        folder.path.unlink()
        await recorder.check()
        await recorder.keep(entry(2))

    run(tmp_path, script, AuditRules(level="full", required=True))
    assert texts(tmp_path) == ["hello 2"]


def test_a_full_disk_leaves_no_half_record(tmp_path: Path) -> None:
    program = f"""
import asyncio, resource, signal, sys
from pathlib import Path
from tests.audit.journals import entry, folder_in
from turnkeep.audit.base import AuditRules
from turnkeep.audit.recorder import Recorder
from turnkeep.errors import AuditFailed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    recorder = Recorder(folder_in(Path({str(tmp_path)!r})), AuditRules(level="full"))
    await recorder.keep(entry(1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 100_000))
    kept = 1
    try:
        for number in range(2, 50):
            await recorder.keep(entry(number))
            kept = number
    except AuditFailed as error:
        assert "File too large" in str(error), error
    whole = recorder.folder.file("0001-000001.jsonl").read_bytes()
    assert whole.endswith(b"\\n") and whole.count(b"\\n") == kept + 1, (kept, whole)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    await recorder.keep(entry(kept + 1))
    await recorder.close()
    print(kept)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=here()
    )
    assert done.returncode == 0, done.stderr
    assert 1 < int(done.stdout) < 20
    assert check(folder_in(tmp_path), None) == []


def here() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}


def test_a_process_that_forgets_to_close_leaves_its_turns_all_the_same(tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from tests.audit.journals import entry, folder_in
from turnkeep.audit.base import AuditRules
from turnkeep.audit.recorder import Recorder
async def main():
    recorder = Recorder(folder_in(Path({str(tmp_path)!r})), AuditRules(level="full"))
    await recorder.keep(entry(1))
    recorder.note(entry(2))
    return recorder
recorder = asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=here())
    assert texts(tmp_path) == ["hello 1", "hello 2"]


def test_what_others_can_read_is_refused(tmp_path: Path) -> None:
    run(tmp_path, lambda recorder: say(recorder, 1))
    folder = folder_in(tmp_path)
    assert folder.key.stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
    folder.key.chmod(0o644)
    with pytest.raises(AuditFailed, match="chmod 600"):
        folder.load_secret()


def test_a_key_that_is_missing_or_wrong_is_said(tmp_path: Path, caplog) -> None:
    run(tmp_path, lambda recorder: say(recorder, 1))
    folder = folder_in(tmp_path)
    folder.key.write_text("no key")
    with pytest.raises(AuditFailed, match="is no key"):
        folder.load_secret()
    folder.key.unlink()

    async def main():
        recorder = Recorder(folder, FULL)
        with pytest.raises(AuditFailed, match=r"put .* back"):
            await recorder.keep(entry(2))
        await recorder.close()

    asyncio.run(main())
    assert not folder.key.exists()


def test_a_store_in_memory_has_no_journal(tmp_path: Path) -> None:
    async def main():
        memory, file = EphemeralStore(), SqliteStore(tmp_path / "turnkeep.db")
        assert open_recorder(memory, AuditRules()) is None
        assert open_recorder(file, AuditRules(level="off")) is None
        assert open_recorder(file, AuditRules(level="full")) is not None
        with pytest.raises(UsageError, match="required"):
            open_recorder(memory, AuditRules(required=True))
        await memory.close()
        await file.close()

    asyncio.run(main())


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="off, sizes, masked or full"):
        AuditRules(level="all")  # type: ignore[arg-type]  # what a program may pass


def test_memory_is_bounded_by_what_may_wait(tmp_path: Path) -> None:
    async def script(recorder):
        for number in range(5_000):
            recorder.note(entry(number + 1))
        return len(recorder._queue.waiting)

    assert run(tmp_path, script) == recorder_module.MOST_WAITING
    (gap,) = records(tmp_path, "gap")
    assert len(records(tmp_path)) + gap.fields["turns"] == 5_000


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (Which(conversation="conv_1", turns=frozenset({1})), [None, "hello 2", "other 1", "mine 2"]),
        (Which(conversation="conv_1"), [None, None, "other 1", "mine 2"]),
        (Which(owner="key:1"), ["hello 1", "hello 2", "other 1", None]),
        (Which(before=1_000_002.0), [None, "hello 2", None, "mine 2"]),
        (Which(), [None] * 4),
        (Which(conversation="conv_9"), ["hello 1", "hello 2", "other 1", "mine 2"]),
    ],
)
def test_texts_are_forgotten_and_the_chain_holds(tmp_path: Path, which: Which, left) -> None:
    async def script(recorder):
        recorder.note(entry(1))
        recorder.note(entry(2))
        recorder.note(entry(1, "other", conversation="conv_2"))
        await recorder.keep(entry(2, "mine", owner="key:1", conversation="conv_3"))
        before = texts(tmp_path)
        count = (await recorder.forget(which, dry_run=True)).turns
        assert texts(tmp_path) == before
        found = await recorder.forget(which)
        assert found.turns == count == left.count(None)
        await recorder.keep(entry(3, "after", conversation="conv_4"))

    run(tmp_path, script)
    assert texts(tmp_path) == [*left, "after 3"]
    whole = b"".join(path.read_bytes() for path in folder_in(tmp_path).path.iterdir())
    for text in ("hello 1", "hello 2", "other 1", "mine 2"):
        assert (text.encode() in whole) == (text in left)


def test_another_process_goes_on_in_a_file_that_was_written_anew(tmp_path: Path) -> None:
    async def script(recorder):
        await recorder.keep(entry(1))
        store = SqliteStore(tmp_path / "turnkeep.db")
        other = Recorder(folder_in(tmp_path), FULL, heads=store)
        await other.forget(Which(turns=frozenset({1})))
        await recorder.keep(entry(2))
        await other.forget(Which(turns=frozenset({2})))
        await recorder.keep(entry(3))
        await other.close()
        await store.close()

    run(tmp_path, script)
    assert texts(tmp_path) == [None, None, "hello 3"]


def test_what_could_not_be_written_is_not_written_after_it_was_forgotten(tmp_path: Path, caplog) -> None:
    folder = folder_in(tmp_path)
    folder.path.write_text("in the way")

    async def script(recorder):
        recorder.note(entry(1))
        with pytest.raises(AuditFailed, match="in the way"):  # others may wait for it, too
            await recorder.forget(Which(conversation="conv_1"))
        folder.path.unlink()
        recorder.note(entry(2))

    run(tmp_path, script)
    assert texts(tmp_path) == [None, "hello 2"]


def test_what_waits_in_another_process_is_not_written_after_it_was_forgotten(tmp_path: Path) -> None:
    """The other one has masked, and waits just before it writes."""
    run(tmp_path, lambda recorder: say(recorder, 1, 2, 3))
    waiting = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=here(),
    )  # fmt: skip
    assert waiting.stdout is not None
    assert waiting.stdin is not None
    assert waiting.stdout.readline() == "waits\n"

    async def script(recorder):
        found = await recorder.forget(Which(owner="local", conversation="conv_1", turns=frozenset({2, 5})))
        assert found.turns == 1  # of what is written

    run(tmp_path, script)
    out, _ = waiting.communicate("go\n", timeout=60)
    assert (out, waiting.returncode) == ("swept conv_1\n", 0)
    kept = {record.fields["turn"]: record.texts and record.texts["input"] for record in records(tmp_path)}
    assert kept == {1: "hello 1", 2: None, 3: "hello 3", 4: "hello 4", 5: None, 6: "hello 6"}
    assert b"hello 5" not in b"".join(path.read_bytes() for path in folder_in(tmp_path).path.iterdir())


WAITING = """
import asyncio, sys
from pathlib import Path
from tests.audit.journals import entry, folder_in
from turnkeep.audit.base import AuditRules
from turnkeep.audit.recorder import Recorder
from turnkeep.store.sqlite import SqliteStore

class Marks:
    async def mask(self, owner, conversation, texts):
        return texts
    async def sweep(self, owner, conversation):
        print("swept", conversation, flush=True)

async def main():
    path = Path(sys.argv[1])
    store = SqliteStore(path / "turnkeep.db")
    recorder = Recorder(folder_in(path), AuditRules(level="masked"), heads=store, masking=Marks())
    append = type(recorder._queue)._append
    def slow(queue, rest):
        if any(each.entry is not None for each in rest):
            print("waits", flush=True)
            sys.stdin.readline()
        append(queue, rest)
    type(recorder._queue)._append = slow
    for number in (4, 5, 6):
        recorder.note(entry(number))
    await recorder.close()
    await store.close()
asyncio.run(main())
"""


def test_who_forgets_while_another_writes_finds_what_it_has_written(tmp_path: Path) -> None:
    async def script(recorder):
        async def forget():
            async with asyncio.timeout(30):
                return await other.forget(Which(conversation="conv_1"))

        await recorder.keep(entry(1))
        other, journal = Recorder(recorder.folder, FULL), recorder._queue.journal
        with journal.holding() as forgotten:
            assert forgotten == []
            task = asyncio.create_task(forget())
            await asyncio.sleep(0)  # it has begun; it cannot look before the block ends
            await asyncio.to_thread(journal.append, [make_draft(entry(2), entry(2).texts)])
        assert (await task).turns == 2
        with journal.holding() as forgotten:
            assert forgotten == [Which(conversation="conv_1")]
        await other.close()

    with pytest.raises(AssertionError):  # the database does not know of what was written past the recorder
        run(tmp_path, script)
    assert texts(tmp_path) == [None, None]


def test_what_somebody_else_says_was_forgotten_is_written(tmp_path: Path) -> None:
    async def script(recorder):
        await recorder.keep(entry(1))
        which = Which(conversation="conv_1", turns=frozenset({2}))
        note_forgotten(recorder.folder, Secret(b"x" * 32), [which], 1.0)
        await recorder.keep(entry(2))
        note_forgotten(recorder.folder, recorder.folder.load_secret(), [which], 1.0)
        with recorder.folder.forgotten.open("ab") as file:
            file.write(b"[half a li")  # as a crash leaves it
        note_forgotten(recorder.folder, recorder.folder.load_secret(), [Which(owner="other")], 1.0)
        await recorder.keep(entry(2))
        await recorder.keep(entry(3))

    run(tmp_path, script)
    assert texts(tmp_path) == ["hello 1", "hello 2", None, "hello 3"]


def test_what_was_forgotten_is_not_remembered_for_ever(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(forgotten_module, "TRIM_BYTES", 2_000)
    run(tmp_path, lambda recorder: say(recorder, 1))
    folder = folder_in(tmp_path)
    secret, day = folder.load_secret(), 86_400.0
    for number in range(100):
        note_forgotten(folder, secret, [Which(conversation=f"conv_{number}")], number * day)
    assert folder.forgotten.stat().st_size < 4_000
    assert [which.conversation for which in read_forgotten(folder, secret)][-7:] == [
        f"conv_{number}" for number in range(93, 100)
    ]


def test_what_has_waited_for_too_long_leaves_its_sizes(tmp_path: Path, monkeypatch) -> None:
    async def script(recorder):
        await recorder.keep(entry(1))
        monkeypatch.setattr(recorder_module, "KEPT_SECONDS", -1.0)
        await recorder.keep(entry(2))

    run(tmp_path, script)
    assert texts(tmp_path) == ["hello 1", None]


def count_writes(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The records of each write to the disk."""
    written: list[int] = []
    append = recorder._queue.journal.append

    def count(drafts):
        written.append(len(drafts))
        return append(drafts)

    monkeypatch.setattr(recorder._queue.journal, "append", count)
    return written


def test_turns_that_end_within_a_moment_are_written_together(tmp_path: Path, monkeypatch) -> None:
    async def script(recorder):
        await say(recorder, 1)
        await recorder.drain()
        written = count_writes(recorder, monkeypatch)
        for number in range(2, 7):
            await say(recorder, number)
            await asyncio.sleep(0)
        assert written == []
        recorder._timer[1]._run()  # the moment is over
        await recorder._join(start=False)
        return written

    assert run(tmp_path, script, linger=60.0) == [5]


def test_who_waits_for_what_lingers_waits_for_the_disk_alone(tmp_path: Path, monkeypatch) -> None:
    async def script(recorder):
        await say(recorder, 1)
        await recorder.drain()
        written = count_writes(recorder, monkeypatch)
        await say(recorder, 2)
        await recorder.drain()
        await say(recorder, 3)
        await recorder.forget(Which(conversation="conv_1", turns=frozenset({3})))
        await say(recorder, *range(4, 4 + recorder_module.TOGETHER))
        await recorder.drain()
        return written

    assert sum(run(tmp_path, script, linger=60.0)) >= 2 + recorder_module.TOGETHER
    assert texts(tmp_path)[:4] == ["hello 1", "hello 2", None, "hello 4"]


def test_what_lingers_is_written_when_the_recorder_is_closed(tmp_path: Path) -> None:
    async def script(recorder):
        await say(recorder, 1)
        await recorder.drain()
        await say(recorder, 2, 3)

    run(tmp_path, script, linger=60.0)
    assert texts(tmp_path) == ["hello 1", "hello 2", "hello 3"]


def test_a_record_that_is_required_waits_for_no_other(tmp_path: Path) -> None:
    async def script(recorder):
        for number in (1, 2):
            await recorder.keep(entry(number))
            assert len(texts(tmp_path)) == number

    run(tmp_path, script, AuditRules(level="full", required=True), linger=60.0)
