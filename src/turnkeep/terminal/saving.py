"""/export: the conversation in a file, whole or to read, as it was said or with marks."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..markdown import export_markdown
from ..settings import suggest
from ..store.base import Conversation
from ..transfer import export_jsonl, save_export
from .records import MASKED_NOTICE, count_path, saved_line

if TYPE_CHECKING:
    from ..exporting import Change
    from .app import TerminalChat

MASKED = "--masked"  # the word that `turnkeep export` has for it


async def export(app: "TerminalChat", argument: str) -> None:
    """/export [--masked] [FILE].

    Raises:
        MissingExtra: it is to be masked, and what finds personal data is not installed.
        UsageError: the file's name does not say what is written, or it cannot be.
    """
    masked, name = _read_argument(argument)
    row = await app.chat.conversation()
    path = _export_path(name, row)
    markdown = path.suffix.lower() != ".jsonl"
    change = await _find_change(app, row) if masked else None
    await save_export((export_markdown if markdown else export_jsonl)(app.store, row, change), path)
    app.say(saved_line(await count_path(app.store, row) if markdown else row.turns, path))
    if masked:
        app.say(MASKED_NOTICE)


def _read_argument(argument: str) -> tuple[bool, str]:
    """Part the option from the file, whose name may hold spaces: one is at the beginning or the end."""
    first, _, rest = argument.partition(" ")
    if first == MASKED:
        return True, rest.strip()
    if argument.endswith(f" {MASKED}"):
        return True, argument.removesuffix(MASKED).strip()
    if first.startswith("--"):  # a slip must not write the values to a file of that name
        raise UsageError(
            f"There is no option {first}{suggest(first, [MASKED]) or '.'} "
            f"A file of that name is ./{argument or first}"
        )
    return False, argument


async def _find_change(app: "TerminalChat", row: Conversation) -> "Change":
    from ..store.sqlite import SqliteStore
    from .hiding import Hiding  # with all that finds

    assert isinstance(app.store, SqliteStore)  # the terminal opens no other
    return await Hiding(app.store, app.settings.rules).change_for(row)


def _export_path(argument: str, row: Conversation) -> Path:
    path = Path(argument or f"{_file_name(row)}.jsonl").expanduser()
    if path.suffix.lower() not in (".jsonl", ".md", ".markdown"):
        raise UsageError("The file's name says what is written: end it in .jsonl for all of it, .md to read.")
    return path


def _file_name(row: Conversation) -> str:
    name = "".join(char if char.isalnum() or char in "-_ ." else "_" for char in row.name or row.id)
    return name.strip(" .") or row.id
