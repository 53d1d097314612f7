"""The command `turnkeep`, also as `python -m turnkeep`."""

import sys

NEEDED = ("click", "rich", "prompt_toolkit")


def main() -> None:
    """Run the command; without the packages it needs, print the line that installs them."""
    try:
        from .cli import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        sys.stderr.write("pip install 'turnkeep[chat]'\n")
        sys.exit(2)
    sys.exit(run())


if __name__ == "__main__":
    main()
