"""Killed at random moments of writing, closing files and forgetting: each is wholly done, or not at all.

AUDIT_TEST_CRASHES in the environment says how many times; a few by default.
"""

import asyncio
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

from tests.audit.journals import entry, folder_in
from tests.audit.killed import RULES
from turnkeep.audit.reading import check_folder, read_records
from turnkeep.audit.recorder import Recorder
from turnkeep.store.sqlite import SqliteStore

CRASHES = int(os.environ.get("AUDIT_TEST_CRASHES", "3"))


def run_until_killed(path: Path, seed: int, seconds: float) -> list[str]:
    """Start the process, kill it some time after it is ready; what it said until then."""
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.audit.killed", str(path), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    killer = threading.Timer(seconds, process.kill)
    killer.start()
    said = process.stdout.read().split("\n")
    process.wait()
    process.stdout.close()
    killer.join()
    return said[:-1]  # the last line may be half


async def go_on(path: Path, number: int) -> None:
    """The next process: it writes a turn, and mends what the dead one left; then all must be right."""
    store = SqliteStore(path / "turnkeep.db")
    recorder = Recorder(folder_in(path), RULES, heads=store)
    await recorder.keep(entry(number, "after"))
    await recorder.close()
    checked = await check_folder(folder_in(path), store, asyncio.to_thread)
    await store.close()
    assert checked.findings == []


def test_whatever_is_cut_short_is_wholly_done_or_not(tmp_path: Path) -> None:
    chosen = random.Random(11)
    kept: set[int] = set()
    forgotten: set[int] = set()
    maybe: set[int] = set()
    for seed in range(1, CRASHES + 1):
        said = run_until_killed(tmp_path, seed, chosen.uniform(0.0, 0.4))
        for line in said:
            word, which = line.split()
            {"kept": kept, "forgetting": maybe, "forgot": forgotten}[word].add(int(which))
        asyncio.run(go_on(tmp_path, seed * 100_000 + 99_999))
    found = {
        record.fields["turn"]: record
        for _, record in read_records(folder_in(tmp_path))
        if record is not None and record.kind == "turn"
    }
    assert kept <= found.keys()
    for number, record in found.items():
        if number in forgotten:
            assert record.forgotten, number
        elif number not in maybe:
            assert record.texts, number
        assert record.forgotten == (record.texts is None)
    whole = b"".join(path.read_bytes() for path in folder_in(tmp_path).path.iterdir())
    assert kept
    for number in forgotten & found.keys():
        assert b'"secret %d"' % number not in whole
    assert not [path for path in folder_in(tmp_path).path.iterdir() if path.suffix in (".tmp", ".old")]
    assert not folder_in(tmp_path).intent.exists()
