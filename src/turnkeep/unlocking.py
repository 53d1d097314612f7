"""Open the database that the user means, with what opens it: a key file, a passphrase, or neither.

A passphrase is taken from the environment or asked for, never from a file of settings or an option,
which others could read.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from . import private
from .errors import UsageError
from .settings import DATABASE, data_folder

if TYPE_CHECKING:
    from .store.base import Store
    from .store.secret import Secret
    from .store.sqlite import SqliteStore

PASSPHRASE = "TURNKEEP_PASSPHRASE"  # noqa: S105 - the variable's name
KEY_FILE = "TURNKEEP_ENCRYPTION_KEY_FILE"


def open_database(
    path: Path | None = None,
    *,
    key_file: Path | None = None,
    ask: Callable[[str], str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> "SqliteStore":
    """Make the store of a database file; it opens with its first call.

    Args:
        path: the file; None: the user's own.
        key_file: what opens it; None: what the environment names.
        ask: asks a person for the passphrase where that is needed; None: nobody can be asked.
        environ: the environment.

    Raises:
        StoreError: others can read the folder of the user's data.
        UsageError: a key file and a passphrase are given at once.
    """
    from .store.sqlite import SqliteStore

    folder = data_folder(environ)
    path = folder / DATABASE if path is None else path
    if path.parent.absolute() == folder.absolute():
        private.check(folder)
    return SqliteStore(path, secret=find_secret(path, key_file=key_file, ask=ask, environ=environ))


def open_copy(store: "Store", path: Path) -> "SqliteStore":
    """Make the store of a backup, opened by what opens the store that was backed up."""
    from .store.sqlite import SqliteStore

    return SqliteStore(path, secret=store.secret_of(path) if isinstance(store, SqliteStore) else None)


def find_secret(
    path: Path,
    *,
    key_file: Path | None = None,
    ask: Callable[[str], str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> "Secret | None":
    """Find what opens a database; None: nothing was given. Arguments and errors as for `open_database`."""
    words = environ.get(PASSPHRASE)
    named = environ.get(KEY_FILE)
    key_file = Path(named).expanduser() if key_file is None and named else key_file
    if not words and key_file is None:
        if ask is None:
            return None
        from .store.sqlite.encrypt import encryption_method

        words = ask(f"Passphrase of {path}: ") if encryption_method(path) == "passphrase" else None
        if not words:
            return None
    elif words and key_file is not None:
        raise UsageError(f"{PASSPHRASE} and a key file are both given: keep the one that opens the database.")
    from .store.secret import KeyFile, Passphrase

    return KeyFile(key_file) if key_file is not None else Passphrase(words or "")


def is_encrypted(
    path: Path, *, key_file: Path | None = None, environ: Mapping[str, str] = os.environ
) -> bool:
    """Tell whether a database is encrypted, or would be made so."""
    from .store.sqlite.encrypt import encryption_method

    return (
        key_file is not None
        or any(environ.get(name) for name in (PASSPHRASE, KEY_FILE))
        or (encryption_method(path) is not None)
    )
