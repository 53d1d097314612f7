"""A process that writes, closes files and forgets without end, to be killed: it prints what is done.

python -m tests.audit.killed FOLDER SEED
"""

import asyncio
import random
import sys
from pathlib import Path

from tests.audit.journals import entry, folder_in
from turnkeep.audit.base import AuditRules, Which
from turnkeep.audit.recorder import Recorder
from turnkeep.store.sqlite import SqliteStore

RULES = AuditRules(level="full", rotate_bytes=8_192)


async def main(path: Path, seed: int) -> None:
    """Work until killed."""
    chosen = random.Random(seed)
    store = SqliteStore(path / "turnkeep.db")
    recorder = Recorder(folder_in(path), RULES, heads=store)
    number = seed * 100_000
    print("ready", flush=True)
    while True:
        number += 1
        await recorder.keep(entry(number, "secret"))
        print(f"kept {number}", flush=True)
        match chosen.randrange(8):
            case 0:
                gone = chosen.randrange(seed * 100_000, number + 1)
                print(f"forgetting {gone}", flush=True)
                await recorder.forget(Which(turns=frozenset({gone})))
                print(f"forgot {gone}", flush=True)
            case 1:
                await recorder.rotate()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
