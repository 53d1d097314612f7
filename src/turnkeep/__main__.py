"""The command `turnkeep`, also as `python -m turnkeep`."""

import sys
from importlib.util import find_spec

from ._version import __version__

NEEDED = ("click", "rich", "prompt_toolkit")


def main() -> None:
    """Run the command; without the packages it needs, print the line that installs them."""
    if any(find_spec(package) is None for package in NEEDED):
        sys.exit(_run_bare(sys.argv[1:]))
    from .cli import run

    sys.exit(run())


def _run_bare(arguments: list[str]) -> int:
    """What can be answered without the packages."""
    if arguments == ["--version"]:
        sys.stdout.write(f"turnkeep, version {__version__}\n")
        return 0
    sys.stderr.write("pip install 'turnkeep[chat]'\n")
    return 0 if arguments in (["--help"], ["-h"]) else 2


if __name__ == "__main__":
    main()
