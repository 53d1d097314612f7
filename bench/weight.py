"""How heavy turnkeep is to install and to import:  python bench/weight.py

Makes a fresh virtual environment, runs `pip install .` there, and prints packages and
megabytes (the model file apart), and what importing `turnkeep.Chat` costs. Needs the package index.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]

# The bars.
MOST_PACKAGES = 14
MOST_MB = 20.0
MOST_IMPORT_MS = 150.0
MOST_PEAK_MB = 40.0

RUNS = 9

# Processor time and peak memory of a whole process, printed by itself at its end.
MEASURE = """
{statement}
import time
milliseconds = time.process_time() * 1000
with open("/proc/self/status") as status:
    (peak,) = [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")]
print(milliseconds, peak)
"""


def install(folder: Path) -> Path:
    """Install this checkout into a fresh environment; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return python


def list_packages(python: Path) -> list[str]:
    """List what was installed beside pip and setuptools."""
    command = [str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return [package["name"] for package in found if package["name"] not in ("pip", "setuptools")]


def measure_megabytes(folder: Path) -> float:
    """Add up the files under site-packages, without pip, setuptools and the model file."""
    (packages,) = folder.glob("lib/python*/site-packages")
    left_out = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence")
    return (
        sum(
            file.stat().st_size
            for entry in packages.iterdir()
            if not entry.name.startswith(left_out)
            for file in ([entry] if entry.is_file() else entry.rglob("*"))
            if file.is_file() and file.suffix != ".gguf"
        )
        / 1e6
    )


def measure_process(python: Path, statement: str) -> tuple[float, float]:
    """Run a statement in fresh processes: the median of processor milliseconds and of peak megabytes."""
    code = MEASURE.format(statement=statement)
    runs = [
        subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.split()
        for _ in range(RUNS)
    ]
    return statistics.median(float(run[0]) for run in runs), statistics.median(float(run[1]) for run in runs)


def main() -> int:
    """Print the figures; exit status 1 when a bar does not hold."""
    with tempfile.TemporaryDirectory() as temporary:
        python = install(Path(temporary))
        packages, megabytes = list_packages(python), measure_megabytes(Path(temporary))
        milliseconds, peak = measure_process(python, "import turnkeep; turnkeep.Chat")
        bare_milliseconds, bare_peak = measure_process(python, "pass")
        made_milliseconds, made_peak = measure_process(python, "import turnkeep; turnkeep.Chat('none')")
    figures = [
        (f"packages ({', '.join(sorted(packages))})", float(len(packages)), float(MOST_PACKAGES)),
        ("megabytes on disk, the model file apart", megabytes, MOST_MB),
        (f"processor ms to import (bare Python {bare_milliseconds:.0f})", milliseconds, MOST_IMPORT_MS),
        (f"peak megabytes after it (bare Python {bare_peak:.0f})", peak, MOST_PEAK_MB),
    ]
    for name, figure, most in figures:
        print(f"{'PASS' if figure <= most else 'FAIL'}  {figure:6.1f} of at most {most:g}: {name}")
    print(f"      with a first Chat made: {made_milliseconds:.0f} ms, {made_peak:.0f} MB")
    return 0 if all(figure <= most for _, figure, most in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
