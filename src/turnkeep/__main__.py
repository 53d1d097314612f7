"""The command `turnkeep`, also as `python -m turnkeep`."""

import sys
from importlib.util import find_spec

NEEDED = ("click", "rich", "prompt_toolkit")


def main() -> None:
    """Run the command; without the packages it needs, print the line that installs them."""
    if any(find_spec(package) is None for package in NEEDED):
        sys.stderr.write("pip install 'turnkeep[chat]'\n")
        sys.exit(2)
    from .cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
