"""What a command takes from standard input: a yes, a passphrase, or the file that it reads."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..settings import Settings
from ..unlocking import find_secret, is_encrypted, open_database

if TYPE_CHECKING:
    from ..store.secret import Secret
    from ..store.sqlite import SqliteStore


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


def ask_passphrase(question: str) -> str:
    """Ask for a passphrase, which is not shown.

    Raises:
        UsageError: nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked for the passphrase here: set TURNKEEP_PASSPHRASE.")
    from getpass import getpass

    try:
        return getpass(question)
    except EOFError as error:
        raise UsageError("No passphrase was given.") from error


def open_settings_database(settings: Settings) -> "SqliteStore":
    """Make the store of the database that the settings name; asks for its passphrase where that is needed."""
    completing = "_TURNKEEP_COMPLETE" in os.environ  # a shell that completes is no place for questions
    ask = ask_passphrase if sys.stdin.isatty() and not completing else None
    return open_database(settings.database, key_file=settings.encryption_key_file, ask=ask)


def find_settings_secret(settings: Settings) -> "Secret | None":
    """Find what opens the database that the settings name; asks for its passphrase where that is needed."""
    ask = ask_passphrase if sys.stdin.isatty() else None
    return find_secret(settings.database, key_file=settings.encryption_key_file, ask=ask)


def find_history(settings: Settings) -> Path | None:
    """Find the file that keeps what is typed; None where the database is encrypted, or is about to be."""
    if is_encrypted(settings.database, key_file=settings.encryption_key_file):
        _end_history(settings)
        return None
    return settings.input_history


def _end_history(settings: Settings) -> None:
    """Wipe what a killed encrypting has left; of the user's own database: others' share the file."""
    from ..store.sqlite.encrypt import encryption_method

    if settings.database.parent == settings.home and encryption_method(settings.database) is not None:
        wipe_history(settings)


def wipe_history(settings: Settings) -> int:
    """Overwrite and remove what was typed before the database was encrypted; returns how many bytes."""
    path = settings.input_history
    if not path.exists():
        return 0
    from ..store.sqlite.wiping import kept_open, overwrite

    with kept_open(path) as descriptor:
        wiped = 0 if descriptor is None else overwrite(descriptor)
    path.unlink(missing_ok=True)
    click.echo("turnkeep: What was typed is not kept in a file any more.", err=True)
    return wiped
