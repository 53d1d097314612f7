"""`turnkeep db`: backup, restore, check and repair of the database."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from ..errors import UsageError
from ..settings import load_settings
from .asking import confirm, find_settings_secret
from .flags import with_settings
from .screen import plural

_FILE = click.argument("file", type=click.Path(path_type=Path), metavar="FILE")


@click.group(no_args_is_help=False)
def db() -> None:
    """Back up, restore, check and repair the database."""


@click.command()
@_FILE
@with_settings("db")
def backup(file: Path, **flags: str | None) -> None:
    """Copy the database into a new file, also while it is used.

    FILE may be a folder: the copy then gets a name with the time. Forgetting
    reaches the backups that stay where they were made.
    """
    from ..store.sqlite.backups import back_up

    with shown_progress("Copying") as told:
        made = back_up(load_settings(flags).database, file, told)
    click.echo(f"The backup is {made}.")


@click.command()
@_FILE
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings("db")
def restore(file: Path, yes: bool, **flags: str | None) -> int:
    """Put a backup in the place of the database.

    It is checked first, and the database that is there is kept beside it. What
    was forgotten after the backup was made comes back with it.
    """
    from ..store.sqlite.backups import restore as put_back

    database = load_settings(flags).database
    if not yes and not confirm(f"Put {file} in the place of {database}?"):
        click.echo("turnkeep: Nothing was changed.", err=True)
        return 1
    with shown_progress("Copying") as told:
        aside = put_back(database, file, told)
    click.echo(f"{database} is now what {file} was.")
    if aside is not None:
        click.echo(f"What it was before is {aside}; delete it when nothing is missing.")
    return 0


@db.command(name="check")
@with_settings("db")
def check_database(**flags: str | None) -> int:
    """Check the database. Exit status 1 when something is wrong with it."""
    from ..store.sqlite.examine import examine

    settings = load_settings(flags)
    database = settings.database
    if not database.exists():
        raise UsageError(f"There is no database {database} yet.")
    report = examine(database, time.time(), find_settings_secret(settings))
    for line in report.problems:
        click.echo(f"wrong: {line}")
    for line in report.notices:
        click.echo(f"note: {line}")
    if report.counts:
        click.echo(", ".join(plural(count, what) for what, count in report.counts.items()))
    click.echo("turnkeep db repair mends what can be." if report.problems else "sound")
    return 1 if report.problems else 0


@db.command(name="repair")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings("db")
def repair_database(yes: bool, **flags: str | None) -> int:
    """Repair the database as far as it can be read.

    A repaired copy takes its place; the database that is there is kept beside it.
    """
    from ..store.sqlite.repair import repair

    database = load_settings(flags).database
    if not yes and not confirm(f"Repair {database}?"):
        click.echo("turnkeep: Nothing was changed.", err=True)
        return 1
    with shown_progress("Copying") as told:
        result = repair(database, told)
    for line in result.done or ["nothing was wrong; the word index was made anew"]:
        click.echo(line)
    if result.orphans is not None:
        click.echo(f"What refers to nothing is in {result.orphans}.")
    click.echo(f"What the database was before is {result.aside}; delete it when nothing is missing.")
    for line in result.left.problems:
        click.echo(f"still wrong: {line}")
    return 1 if result.left.problems else 0


db.add_command(backup)
db.add_command(restore)


@contextlib.contextmanager
def shown_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere; gives what is to be told of done and total."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
