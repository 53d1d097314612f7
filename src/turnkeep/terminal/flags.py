"""Options of commands: each is a setting, with the setting's own words."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..settings import SETTINGS

F = TypeVar("F", bound=Callable[..., Any])  # Any: a command takes what its options say
_METAVARS = {
    "engine": "URL", "gguf": "FILE", "db": "FILE", "embeddings": "NAME", "embedding_seconds": "SECONDS",
    "recall_everywhere": "on|off", "require_key": "on|off", "store": "on|off", "waiting": "N",
    "encryption_key_file": "FILE",
    "allow_origin": "URL", "allow_host": "NAME", "max_body": "SIZE", "stall_seconds": "SECONDS",
    "grace_seconds": "SECONDS", "mask_prompt": "on|off", "audit_level": "off|sizes|masked|full", "audit_required": "on|off",
    "audit_rotate_bytes": "N", "audit_rotate_days": "DAYS", "audit_keep_days": "DAYS", "retention_days": "DAYS",
}  # fmt: skip
_HELP = {setting.name: setting.help for setting in SETTINGS}


def with_settings(*names: str) -> Callable[[F], F]:
    """Give a command the options of these settings, and --config; with the database, what opens it."""
    if "db" in names:
        names = (*names, "encryption_key_file")

    def decorate(command: F) -> F:
        command = click.option("--config", metavar="FILE", help="Settings file in place of the usual one.")(
            command
        )
        for name in reversed(names):
            flag = f"--{name.replace('_', '-')}"
            metavar = _METAVARS.get(name, name.upper())
            command = click.option(flag, name, metavar=metavar, help=_HELP[name])(command)
        return command

    return decorate
