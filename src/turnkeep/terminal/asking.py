"""What a command takes from standard input: a yes, or the file that it reads."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError


@contextlib.contextmanager
def open_input(path: Path) -> Iterator[Any]:  # Any: a binary file
    """Open a file to read, or standard input, which is written as -.

    Raises:
        UsageError: it cannot be read.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def confirm(question: str) -> bool:
    """Ask; anything but yes, the end of input included, is no.

    Raises:
        UsageError: nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked here: give --yes to delete without asking.")
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    answer = sys.stdin.buffer.readline()
    if not answer.endswith(b"\n"):
        click.echo(err=True)
    return answer.strip().lower() in (b"y", b"yes")
