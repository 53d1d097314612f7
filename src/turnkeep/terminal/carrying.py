"""`turnkeep export` and `turnkeep import`: what can be asked for. The work is in bringing.py."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..settings import load_settings
from .finding import complete_names
from .flags import with_settings
from .slips import OneOf

if TYPE_CHECKING:
    from ..portable.recognise import Form  # with all that reads files: imported when there is one

WRITTEN = ("jsonl", "markdown", "openai")
READ = ("jsonl", "chatgpt", "openwebui", "sillytavern", "openai", "llm")  # FORMS, without its imports


# -- export -------------------------------------------------------------------
@click.command(name="export")
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_names)
@click.option(
    "--format", "form", type=OneOf(WRITTEN), default="jsonl", show_default=True,
    help="All of it; to read; or OpenAI messages.",
)  # fmt: skip
@click.option("--markdown", is_flag=True, help="The same as --format markdown.")
@click.option("--masked", is_flag=True, help="Marks such as [EMAIL_1] in place of personal data.")
@click.option("--all", "everything", is_flag=True, help="All conversations.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="A new file to write to."
)
@with_settings("db")
def export(
    name: str | None,
    form: str,
    markdown: bool,
    masked: bool,
    everything: bool,
    output: Path | None,
    **flags: str | None,
) -> None:
    """Write a conversation, or all of them, to standard output.

    As JSON Lines all of it: branches, states, receipts and times; turnkeep import
    reads it again. As Markdown or messages, the turns that count. What is masked
    cannot be read again whole: the values are not in it.
    """
    form = "markdown" if markdown else form
    if everything is (name is not None):
        raise UsageError("export needs a NAME, or --all for all conversations, and not both.")

    from .bringing import write_all, write_one

    settings = load_settings(flags)
    asyncio.run(
        write_all(settings, form, output, masked=masked)
        if name is None
        else write_one(settings, name, form, output, masked=masked)
    )


# -- import -------------------------------------------------------------------
@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--format", "form", type=OneOf(READ), help="Which program wrote it, where its content does not tell."
)
@click.option("--name", metavar="NAME", help="Its name here, in place of the one it had.")
@click.option("--again", is_flag=True, help="Import what was imported before, too.")
@with_settings("db")
def import_(file: Path, form: "Form | None", name: str | None, again: bool, **flags: str | None) -> int:
    """Read conversations that turnkeep or another program wrote.

    ChatGPT's export (the archive, or its conversations.json), Open WebUI's,
    SillyTavern's, OpenAI messages, and the log database of llm. What was imported
    before is not doubled. FILE may be - for standard input.
    """
    from ..carrying import Wish
    from .bringing import bring_in

    return bring_in(load_settings(flags), file, Wish(form=form, name=name, again=again))
