"""What importing turnkeep costs, and what it must not pull in."""

import json
import subprocess
import sys

# Processor time for `import turnkeep; turnkeep.Chat`. The bar is 150 ms; on a machine that is
# busy with other things the same work takes longer, so a bare Python is measured beside it.
MOST_MILLISECONDS = 150.0
USUAL_BARE_MILLISECONDS = 15.0  # of a bare Python on the machine the bar was set on
MOST_PEAK_MB = 40.0
TRIES = 5

MEASURE = """
{statement}
import json, sys, time
milliseconds = time.process_time() * 1000
try:  # what getrusage says on Linux includes the process that forked
    with open("/proc/self/status") as status:
        (peak,) = [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")]
except FileNotFoundError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(json.dumps([milliseconds, peak, sorted(sys.modules)]))
"""

# Imported at first use only: the HTTP client, the database, the terminal, the embedded engine.
LATE = {
    "click", "httptools", "prompt_toolkit", "rich", "sqlite3", "xllamacpp",
    "turnkeep.engine.client", "turnkeep.store.sqlite", "turnkeep.terminal",
}  # fmt: skip
# Imported when the first `Chat` is made.
WITH_A_CHAT = {"asyncio", "turnkeep.library"}


def measure(statement: str) -> tuple[float, float, set[str]]:
    """Run a statement in a fresh Python: processor milliseconds and peak megabytes of it all, and its modules."""
    code = MEASURE.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    milliseconds, peak, modules = json.loads(done.stdout)
    return milliseconds, peak, set(modules)


def test_importing_is_cheap() -> None:
    tries = (measure_import() for _ in range(TRIES))
    assert any(milliseconds <= MOST_MILLISECONDS and peak <= MOST_PEAK_MB for milliseconds, peak in tries)


def measure_import() -> tuple[float, float]:
    """Processor milliseconds, as a machine of usual speed takes them, and peak megabytes."""
    bare, _peak, _modules = measure("pass")
    whole, peak, _modules = measure("import turnkeep; turnkeep.Chat")
    return whole / max(1.0, bare / USUAL_BARE_MILLISECONDS), peak


def test_importing_leaves_what_is_not_needed_yet() -> None:
    _, _, modules = measure("import turnkeep; turnkeep.Chat")
    assert modules & (LATE | WITH_A_CHAT) == set()


def test_making_a_chat_calls_nobody_and_opens_no_database() -> None:
    _, _, modules = measure("import turnkeep; turnkeep.Chat('http://localhost:1')")
    assert modules & LATE == set()
    assert modules >= WITH_A_CHAT
