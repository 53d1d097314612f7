"""The commands that show, and correct, what turnkeep keeps of the past: facts and summary."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..context.facts import Fact
from ..context.receipt import merge_ranges
from ..context.view import Line
from ..errors import UsageError
from ..record import SummaryVersion
from .receipts import describe_refused, describe_turns
from .screen import plural

if TYPE_CHECKING:
    from .app import TerminalChat

FACTS_CHANGES = ("edit", "remove")  # as they follow /facts
SUMMARY_CHANGES = ("edit", "remove", "versions", "restore")


async def facts(app: "TerminalChat", argument: str) -> None:
    """/facts, /facts edit N TEXT, /facts remove N."""
    kept = await app.chat.facts()
    if argument:
        await _correct(app, "/facts", argument, [fact.text for fact in kept])
        return
    if not kept:
        app.say(
            "No fact is kept yet: the model reads every turn word for word; /remember TEXT keeps something."
        )
    for number, fact in enumerate(kept, 1):
        app.say(_numbered(number, fact.text, _describe_fact(fact)), "" if fact.current else "dim")


async def summary(app: "TerminalChat", argument: str) -> None:
    """/summary, /summary edit N TEXT, /summary remove N, /summary versions, /summary restore V."""
    change, _, rest = argument.partition(" ")
    if not argument:
        await _show_summary(app)
    elif argument == "versions":
        await _show_versions(app)
    elif change == "restore":
        version = _read_number("/summary restore", rest)
        await app.chat.restore(version)
        app.say(
            f"Version {version} of the summary is restored; what it does not know of yet keeps its lines."
        )
        app.refresh()
    else:
        lines = await app.chat.summary()
        await _correct(app, "/summary", argument, lines)


async def _show_summary(app: "TerminalChat") -> None:
    lines, left_out = await app.chat.summary_lines(), (await app.chat.picture()).left_out
    for number, line in enumerate(lines, 1):
        app.say(_numbered(number, line.text, _describe_line(line)))
    for version in await app.chat.summaries(last=1):
        if version.refused:
            app.say(f"Not believed of what the model wrote last: {describe_refused(version.refused)}.")
    if left_out:
        app.say(
            f"No summary speaks of {describe_turns(left_out)}: left out of what the model reads, kept in the record."
        )
    elif not lines:
        app.say("There is no summary: the model reads every turn word for word.")


async def _show_versions(app: "TerminalChat") -> None:
    versions = await app.chat.summaries()
    if not versions:
        app.say("There is no summary yet.")
    for version in versions:
        app.say(_describe_version(version))
        for line in version.lines:
            app.say(f"    {app.signs.bullet} {line.text}")


async def _correct(app: "TerminalChat", command: str, argument: str, texts: Sequence[str]) -> None:
    """Edit or remove what has the number that the argument names.

    Raises:
        UsageError: there is no such change or number.
    """
    change, _, rest = argument.partition(" ")
    number, words = [*rest.split(maxsplit=1), "", ""][:2]
    what = {"/facts": "fact", "/summary": "line"}[command]
    if change not in ("edit", "remove") or (change == "remove" and words):
        changes = FACTS_CHANGES if command == "/facts" else SUMMARY_CHANGES
        raise UsageError(
            f"{command} {argument} cannot be done: use {command} alone, or with {', '.join(changes)}."
        )
    at = _read_number(f"{command} {change}", number)
    if at > len(texts):
        raise UsageError(f"There is no {what} {at}: {command} lists {len(texts):,}.")
    if change == "edit" and not words:
        raise UsageError(f"Say how it reads from now on: {command} edit {at} TEXT.")
    old = texts[at - 1]
    await app.chat.correct(old, words if change == "edit" else None)
    app.say(
        f"{what.capitalize()} {at} is {'changed, and stays as you wrote it' if words else 'removed'}; it was: {old}"
    )
    app.refresh()


def _read_number(command: str, text: str) -> int:
    number = text.strip()
    if not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise UsageError(f"{number!r} is no number: use one that is listed, such as {command} 2.")
    return int(number)


def _numbered(number: int, text: str, about: str) -> str:
    head = f"{number:>2}. "
    return f"{head}{text} [{about}]".replace("\n", "\n" + " " * len(head))


def _describe_fact(fact: Fact) -> str:
    """Example: "turn 3, locked"; "turn 3, replaced by turn 9"."""
    marks = [f"turn {fact.turn}"]
    if fact.locked:
        marks.append("locked")
    if fact.replaced is not None:
        marks.append(f"replaced by turn {fact.replaced}")
    elif fact.doubt is not None:
        marks.append(f"may have changed in turn {fact.doubt}")
    return ", ".join(marks)


def _describe_line(line: Line) -> str:
    return describe_turns([line.turns]) + (", locked" if line.locked else "")


def _describe_version(version: SummaryVersion) -> str:
    """Example: "* 3  2026-11-22 14:03, 5 lines about turns 1-40"."""
    mark = "*" if version.current else " "
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.made))
    about = describe_turns(merge_ranges([line.turns for line in version.lines]))
    lines = plural(len(version.lines), "line")
    return f"{mark} {version.number:>2}  {made}, {lines}" + (f" about {about}" if about else "")
