"""`turnkeep encrypt`: a database becomes an encrypted one, or is opened by something else from now on."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import StoreLocked, UsageError
from ..settings import Settings, load_settings
from ..unlocking import PASSPHRASE, find_secret
from .asking import ask_passphrase, wipe_history
from .flags import with_settings
from .screen import plural

if TYPE_CHECKING:
    from ..store.secret import Secret

NEW_PASSPHRASE = "TURNKEEP_NEW_PASSPHRASE"  # noqa: S105 - the variable's name
LOST = "Whoever loses it loses the conversations: nobody can bring them back. Keep a copy elsewhere."
COPIES = (
    "Copies may be left where the disk wrote before: on flash, on file systems that copy on write, in snapshots "
    "and in backups of yours."
)


@click.command()
@click.option("--change", is_flag=True, help="Change what opens an encrypted database.")
@click.option(
    "--key-file", metavar="FILE", help="A key file in place of a passphrase; made if it is not there."
)
@with_settings("db")
def encrypt(change: bool, key_file: str | None, **flags: str | None) -> None:
    """Encrypt what was said, where it is kept.

    Without --key-file, by a passphrase: asked for twice, or taken from
    TURNKEEP_PASSPHRASE, with --change from TURNKEEP_NEW_PASSPHRASE.
    """
    settings = load_settings(flags)
    file = None if key_file is None else Path(key_file).expanduser()
    if change:
        _change(settings, file)
    else:
        _encrypt(settings, file)
    _tell(LOST)
    if file is not None:
        _tell(f"Set encryption_key_file = {str(file.absolute())!r} in {settings.config}.")


def _encrypt(settings: Settings, key_file: Path | None) -> None:
    from ..store.sqlite.encrypt import encrypt as encrypt_file
    from ..store.sqlite.encrypt import encryption_method
    from ..store.sqlite.wiping import wipe_leftover

    database = settings.database
    if encryption_method(database) is not None:  # before anybody chooses a passphrase in vain
        wipe_leftover(database)
        wipe_history(settings)  # a killed one may have come so far and no further
        raise StoreLocked(
            f"{database} is encrypted already: run `turnkeep encrypt --change` to change what opens it."
        )
    done = encrypt_file(database, _choose_secret(key_file, PASSPHRASE))
    _tell(f"{database} is encrypted, with {plural(done.conversations, 'conversation')}.")
    wiped = done.wiped_bytes + wipe_history(settings)
    if wiped:
        _tell(f"{wiped:,} bytes of plain text were overwritten. {COPIES}")
    _tell_of_the_rest(database, done.backups)


def _tell_of_the_rest(database: Path, backups: Sequence[Path]) -> None:
    """Say what is as readable as it was."""
    from ..audit.folder import Folder

    journal = Folder.of(database.absolute())
    if journal.holds_texts():
        _tell(
            f"The audit journal {journal.path} holds texts from before, which are not encrypted: "
            "forget what should not stand there, or set audit_keep_days. From now on they are."
        )
    if backups:
        _tell(
            f"Backups made before are not encrypted: {', '.join(map(str, backups))}. Back up again, and delete them."
        )


def _change(settings: Settings, key_file: Path | None) -> None:
    from ..store.sqlite.encrypt import change_secret

    database = settings.database
    secret = find_secret(database, key_file=settings.encryption_key_file, ask=ask_passphrase)
    if secret is None:
        raise UsageError(
            "Say what opens the database now: set TURNKEEP_PASSPHRASE, or --encryption-key-file."
        )
    change_secret(database, secret, _choose_secret(key_file, NEW_PASSPHRASE))
    _tell(
        f"{database} is opened by the new {'passphrase' if key_file is None else 'key file'} alone from now on."
    )
    _tell("Backups and copies that were made before are still opened by the old one.")


def _choose_secret(key_file: Path | None, variable: str) -> "Secret":
    from ..store.sealing import require_cryptography
    from ..store.secret import KeyFile, Passphrase, has_key, make_key_file

    require_cryptography()
    if key_file is not None:
        return KeyFile(key_file) if has_key(key_file) else make_key_file(key_file)
    words = os.environ.get(variable)
    if words:
        return Passphrase(words)
    words = ask_passphrase("New passphrase: ")
    if ask_passphrase("The same again: ") != words:
        raise UsageError("The two are not the same: nothing was changed; try again.")
    return Passphrase(words)


def _tell(sentence: str) -> None:
    click.echo(f"turnkeep: {sentence}", err=True)
