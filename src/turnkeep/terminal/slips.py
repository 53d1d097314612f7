"""What was typed wrongly on the command line, told in one sentence that says what to do."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import click

from ..settings import suggest

if TYPE_CHECKING:  # generic from click 8.2 on, and not before
    _Number: TypeAlias = click.ParamType[int]
    _Choice: TypeAlias = click.Choice[str]
else:
    _Number, _Choice = click.ParamType, click.Choice

_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)$")
_NO_COMMAND = re.compile("Missing command|No such command")


class Count(_Number):
    """A whole number, 1 or more."""

    name = "N"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number."""
        text = str(value)
        if not text.isdecimal() or int(text) < 1:
            self.fail(f"must be a whole number, 1 or more, not {text!r}.", param, ctx)
        return int(text)


class OneOf(_Choice):
    """One of these words."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the name."""
        if value not in self.choices:
            self.fail(f"must be {_either(self.choices)}, not {value!r}.", param, ctx)
        return value


def describe_slip(error: click.ClickException) -> str:
    """Say what was typed wrongly, and what can be typed."""
    context = getattr(error, "ctx", None)
    command = context.info_name if context else "turnkeep"
    more = f"{context.command_path if context else command} --help shows what can be given."
    match error:
        case click.NoSuchOption(option_name=option):
            known = [name for param in context.command.params for name in param.opts] if context else []
            return f"There is no option {option}{suggest(option, known) or '.'} {more}"
        case click.MissingParameter(param=click.Parameter() as param):
            return f"{command} needs {_name(param)}{_choices(param)}. {more}"
        case click.BadParameter(param=click.Parameter() as param, message=message):
            return f"{_name(param)} {message}"
        case click.BadOptionUsage(option_name=option):
            gives_none = "does not take" in error.message
            return f"{option} takes no value. {more}" if gives_none else f"{option} needs a value. {more}"
    if isinstance(group := context.command if context else None, click.Group) and _NO_COMMAND.match(
        error.message
    ):
        return f"{command} needs a command: {_either(sorted(group.commands))}. {more}"
    if extra := _EXTRA.match(error.message):
        return f"{command} takes no {extra[1]!r}; put several words in quotes. {more}"
    return " ".join(error.format_message().split())


def _name(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return param.opts[0]
    return (param.metavar or param.name or "").strip("[]").upper()


def _choices(param: click.Parameter) -> str:
    return f": {_either(param.type.choices)}" if isinstance(param.type, click.Choice) else ""


def _either(choices: Sequence[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}"
