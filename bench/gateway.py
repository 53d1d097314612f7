"""What the gateway costs, beside other relays:  python bench/gateway.py [--reps N] [--contenders a,b] [--cells short|full]

One fake engine and one load client, both in C, from bench/gateway of the shared folder
(`--shared`, by default beside this checkout; a C compiler makes them), and in front of
the engine, one after another in each round: nothing, nginx, a bare Starlette + httpx relay,
turnkeep keeping what is said, turnkeep keeping nothing, and LiteLLM's proxy. The two in
Python need environments of their own, made once under `--venvs` with what `NEEDS` names.

Processor time is the scheduler's count over a contender's processes, so that neighbours on
the machine change it little; milliseconds they do change, so bars are ratios within the run.
What a streamed event costs is the difference of replies of 128 and of 2 events at 50 a
second, divided by 126. Every request of turnkeep's is a conversation of its own, its message on the disk before
the engine is asked.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import turnkeep

NEEDS = {  # environment -> what it holds
    "relay": ("starlette", "uvicorn", "httptools", "uvloop", "httpx", "aiohttp", "orjson"),
    "litellm": ("litellm[proxy]",),
}
STORED, UNSTORED = "turnkeep-kept", "turnkeep-not-kept"
RELAY, LITELLM, NGINX, DIRECT = "uvicorn+starlette+httpx", "litellm", "nginx", "direct"
NAMES = (DIRECT, NGINX, RELAY, STORED, UNSTORED, LITELLM)
ENGINE = "http://127.0.0.1:9100/v1"
RUNS: dict[str, tuple[tuple[str, str], ...]] = {  # what to run -> (model, cells)
    "short": (("fake", "plain1,plain16,fast1"), ("fake-50", "paced2,paced128")),
    "full": (
        ("fake", "plain1,plain16,plain128,plain512,fast1,fast16,fast128,fast512"),
        ("fake-50", "paced2,paced128"),
        ("fake-100", "one100"),
    ),
}
START = (  # the rig has a PYTHONPATH of its own
    f"import sys; sys.path.insert(0, {str(Path(turnkeep.__file__).parents[1])!r}); "
    "from turnkeep.__main__ import main; sys.exit(main())"
)
EVENTS_BETWEEN = 126  # of the two paced replies

# The bars.
LITELLM_SHARE = 1 / 15  # of LiteLLM's processor time, for a turn that is kept
LITELLM_EVENT_SHARE = 1 / 10
MOST_MS_BEYOND_RELAY = 2.0  # to the first byte, at one connection
MOST_IDLE_MB, MOST_LOAD_MB = 60, 120
MOST_START_SECONDS = 0.7  # of processor time, on the machine the bar was set on
USUAL_BARE_SECONDS = 0.015  # that a bare Python takes there


@dataclass(slots=True)
class Result:
    """What one contender did: medians over the rounds, by cell and figure."""

    figures: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, line: dict[str, object]) -> None:
        """Take one line of the rig."""
        cell = str(line["cell"])
        if line.get("error"):
            self.problems.append(f"{cell}: {line['error']} {line.get('last', '')}")
        if line.get("errors"):
            self.problems.append(f"{cell}: {line['errors']} errors, first {line.get('first_error')!r}")
        if line.get("unfinished"):
            self.problems.append(f"{cell}: {line['unfinished']} replies never ended")
        for name, value in line.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.figures.setdefault((cell, name), []).append(value)

    def median(self, cell: str, name: str) -> float | None:
        """The median of a figure; None where it was not measured."""
        values = self.figures.get((cell, name))
        return statistics.median(values) if values else None

    def most(self, name: str) -> float | None:
        """The largest of a figure over all cells."""
        values = [max(found) for (_, known), found in self.figures.items() if known == name]
        return max(values, default=None)

    @property
    def event_us(self) -> float | None:
        """Processor time of one streamed event, in microseconds."""
        long, short = self.median("paced128", "cpu_us_req"), self.median("paced2", "cpu_us_req")
        return None if long is None or short is None else (long - short) / EVENTS_BETWEEN


def make_rig(shared: Path, folder: Path) -> None:
    """Compile the fake engine and the load client."""
    for name in ("fakeup", "loadgen"):
        subprocess.run(["cc", "-O2", "-o", folder / name, shared / "gateway" / f"{name}.c"], check=True)


def make_environment(folder: Path, packages: Sequence[str]) -> Path:
    """Make an environment with these packages, unless it is there; returns its Python."""
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        print(f"installing {', '.join(packages)} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "made").touch()
    return python


def describe_contenders(shared: Path, folder: Path, model: str) -> Path:
    """Write down how each contender is started, turnkeep with a new database."""
    known = json.loads((shared / "gateway" / "contenders.json").read_text())
    chosen = {name: known[name] for name in NAMES if name in known}
    # A pace is asked for by the model's name, anywhere in a request; turnkeep names the engine's own model.
    settings = folder / f"{model}.toml"
    settings.write_text(f'[sampling]\nuser = "{model}"\n')
    for port, (name, store) in enumerate(((STORED, "on"), (UNSTORED, "off")), start=9401):
        database = folder / f"{port}-{model}.db"
        chosen[name] = {
            "cmd": [
                sys.executable, "-c", START, "serve", "--port", "{port}", "--engine", ENGINE,
                "--window", "8192", "--db", str(database), "--store", store, "--embeddings", "off",
            ],
            "port": port,
            "env": {"HOME": str(folder), "TURNKEEP_CONFIG": str(settings)},
        }  # fmt: skip
    file = folder / f"contenders-{model}.json"
    file.write_text(json.dumps(chosen))
    return file


def run_rig(
    shared: Path,
    folder: Path,
    names: Sequence[str],
    pythons: dict[str, Path],
    model: str,
    cells: str,
    reps: int,
) -> list[dict[str, object]]:
    """Run the rig once over all contenders; returns its lines."""
    output = folder / f"{model}.jsonl"
    for rep in range(reps):  # each round begins with an empty database
        for kept in folder.glob("*.db*"):  # the journal's folder, too
            shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
        command: list[str | Path] = [
            sys.executable, shared / "gateway" / "gw_bench.py", "-o", output, "--bin", folder, "--logs", folder,
            "--contenders", describe_contenders(shared, folder, model), "--only", ",".join(names),
            "--cells", cells, "--reps", "1",
            *(f"--var={name}={python}" for name, python in pythons.items()),
        ]  # fmt: skip
        print(f"{model}, round {rep + 1} of {reps} ...", file=sys.stderr)
        subprocess.run(command, check=True)
    return [json.loads(line, strict=False) for line in output.read_text().splitlines()]


def print_table(results: dict[str, Result]) -> None:
    """Print the figures, a line for each contender."""
    columns = (
        ("start, CPU s", "start", "start_cpu_s", 2), ("MB idle", "start", "idle_mb", 0),
        ("us/request c=1", "plain1", "cpu_us_req", 0), ("c=16", "plain16", "cpu_us_req", 0),
        ("c=128", "plain128", "cpu_us_req", 0), ("c=512", "plain512", "cpu_us_req", 0),
        ("requests/s c=1", "plain1", "rps", 0), ("c=16", "plain16", "rps", 0),
        ("c=128", "plain128", "rps", 0), ("c=512", "plain512", "rps", 0),
        ("ms to first byte", "plain1", "ttfb_p50_ms", 2), ("streamed", "fast1", "ttfb_p50_ms", 2),
    )  # fmt: skip
    print("| | " + " | ".join(title for title, *_ in columns) + " | us/event | MB at most |")
    print("|---" * (len(columns) + 3) + "|")
    for name, result in results.items():
        cells = [_write(result.median(cell, figure), digits) for _, cell, figure, digits in columns]
        print(
            f"| {name} | {' | '.join(cells)} | {_write(result.event_us, 1)} | {_write(result.most('load_mb'), 0)} |"
        )


def _write(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def print_bars(results: dict[str, Result]) -> None:
    """Compare with the bars, as ratios within this run."""
    kept, relay, litellm = (results.get(name, Result()) for name in (STORED, RELAY, LITELLM))
    if (ours := kept.median("plain16", "cpu_us_req")) and (theirs := litellm.median("plain16", "cpu_us_req")):
        _say("processor time of a kept turn / LiteLLM's of a request", ours / theirs, LITELLM_SHARE)
    if (event := kept.event_us) and litellm.event_us:
        _say("a streamed event / LiteLLM's", event / litellm.event_us, LITELLM_EVENT_SHARE)
    if event and relay.event_us:
        _say("a streamed event / the Starlette + httpx relay's", event / relay.event_us, 1)
    if (first := kept.median("fast1", "ttfb_p50_ms")) and (other := relay.median("fast1", "ttfb_p50_ms")):
        _say("ms to the first byte beyond the relay's, one connection", first - other, MOST_MS_BEYOND_RELAY)
    if idle := kept.median("start", "idle_mb"):
        _say("MB idle", idle, MOST_IDLE_MB)
        _say("MB under load", kept.most("load_mb") or 0, MOST_LOAD_MB)
        slower = measure_slowness()
        seconds = (kept.median("start", "start_cpu_s") or 0) / slower
        _say(f"processor seconds until the first answer, /{slower:.1f}", seconds, MOST_START_SECONDS)
    for name, result in results.items():
        for problem in result.problems:
            print(f"{name}: {problem}")


def measure_slowness() -> float:
    """How many times longer a bare Python takes here, and now, than on the machine the bar was set on."""
    seconds = []
    for _ in range(5):
        began = os.times()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        now = os.times()
        seconds.append(now.children_user + now.children_system - began.children_user - began.children_system)
    return max(1.0, statistics.median(seconds) / USUAL_BARE_SECONDS)


def _say(what: str, value: float, bar: float) -> None:
    print(f"{what}: {value:.3g} (bar {bar:.3g}, {'held' if value <= bar else 'MISSED'})")


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared" / "bench")
    parser.add_argument("--venvs", type=Path, default=Path(tempfile.gettempdir()) / "turnkeep-bench")
    parser.add_argument("--contenders", default=",".join(NAMES), help="as in the table")
    parser.add_argument("--cells", choices=sorted(RUNS), default="full")
    parser.add_argument("--reps", type=int, default=2)
    given = parser.parse_args()
    names = [
        name for name in NAMES if name.replace(", ", "_") in given.contenders.replace(", ", "_").split(",")
    ]
    if NGINX in names and not shutil.which("nginx"):
        print("nginx is not installed: measured without it", file=sys.stderr)
        names.remove(NGINX)
    pythons = {}
    if RELAY in names:
        pythons["gw"] = make_environment(given.venvs / "relay", NEEDS["relay"])
    if LITELLM in names:
        pythons["litellm"] = make_environment(given.venvs / "litellm", NEEDS["litellm"])
    results = {name: Result() for name in names}
    with tempfile.TemporaryDirectory() as folder:
        make_rig(given.shared, Path(folder))
        os.environ.pop("PYTHONPATH", None)
        for model, cells in RUNS[given.cells]:
            for line in run_rig(given.shared, Path(folder), names, pythons, model, cells, given.reps):
                results[str(line["name"])].add(line)
    print_table(results)
    print_bars(results)


if __name__ == "__main__":
    main()
