"""`turnkeep serve` and `turnkeep key`: the gateway, and who may come in."""

import asyncio
import gc
import importlib.util
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

from ..errors import MissingExtra, UsageError
from ..settings import EMBEDDED, Settings, load_settings, read_setting
from .asking import open_settings_database
from .flags import with_settings

if TYPE_CHECKING:
    from ..gateway.gateway import ServeSettings
    from ..privacy.kinds import Rule
    from ..store.sqlite import SqliteStore

T = TypeVar("T")
NEEDED = ("uvicorn", "httptools", "websockets")
# The log asks them for names, one text at a time, while it writes a line: what they log themselves would wait
# for that line, and it for them. It quotes what people said, besides.
FINDERS = ("presidio-analyzer", "spacy")


@click.command()
@click.option(
    "--engine", "engines", metavar="URL", multiple=True, help="An engine; again for more of its kind."
)
@with_settings(
    "host", "port", "gguf", "model", "window", "strategy", "embeddings", "embedding_seconds", "db", "api_key",
    "require_key", "store", "waiting", "allow_origin", "allow_host", "max_body", "stall_seconds", "grace_seconds",
    "mask_prompt", "audit_level", "audit_required", "audit_rotate_bytes", "audit_rotate_days", "audit_keep_days",
    "retention_days",
)  # fmt: skip
def serve(engines: tuple[str, ...], **flags: str | None) -> None:
    """Give any OpenAI client a memory, over HTTP.

    Without --engine the one that comes with turnkeep answers. Ends with Ctrl-C
    or SIGTERM; replies under way get some seconds, and are kept.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise MissingExtra("Install it with: pip install 'turnkeep[serve]'")
    settings = make_serve_settings(
        load_settings({**flags, "engine": engines[0] if engines else None}), engines
    )
    gc.disable()  # until it listens: what is imported stays, and looking through it takes a tenth of the start
    log_with_marks(settings.patterns)
    from ..gateway.server import serve as run

    with asyncio.Runner(loop_factory=_find_loop()) as runner:
        runner.run(run(settings, click.echo))


def make_serve_settings(settings: Settings, engines: tuple[str, ...]) -> "ServeSettings":
    """What a gateway needs of the settings.

    Args:
        settings: of the user.
        engines: as the options name them; where there are none, the settings' own.
    """
    from ..gateway.gateway import ServeSettings

    named = [str(read_setting("engine", engine, "--engine")) for engine in engines]
    if not named and settings.engine is not None:
        named = [settings.engine]
    if len(named) > 1 and EMBEDDED in named:
        raise UsageError("The embedded engine is one of a kind: name addresses, or leave them out.")
    return ServeSettings(
        host=settings.host,
        port=settings.port,
        engines=[] if named == [EMBEDDED] else named,
        db=settings.database,
        encryption_key_file=settings.encryption_key_file,
        store_default=settings.store,
        require_key=settings.require_key,
        waiting=settings.waiting,
        origins=settings.allow_origin,
        hosts=settings.allow_host,
        body_bytes=settings.max_body,
        stall_seconds=settings.stall_seconds,
        grace_seconds=settings.grace_seconds,
        patterns=settings.rules,
        retention_days=settings.retention_days,
        **settings.turn_options,
    )


def log_with_marks(patterns: "Sequence[Rule]") -> None:
    """Let warnings be written with marks in place of personal data.

    Args:
        patterns: the user's own, and what finds names.
    """
    from ..logs import MaskingFormatter

    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(message)s", patterns))
    for name in FINDERS:
        logging.getLogger(name).disabled = True
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _find_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop, where there is one: not on Windows."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


# -- keys -----------------------------------------------------------------------------------------
@click.group(no_args_is_help=False)
def key() -> None:
    """Make, list and revoke the keys of turnkeep serve."""


@key.command(name="make")
@click.argument("name", metavar="NAME")
@with_settings("db")
def make_key(name: str, **flags: str | None) -> None:
    """Make a key, and print it this once.

    Whoever calls with it has conversations of its own.
    """
    from ..store.keys import digest_secret, make_secret

    secret = make_secret()
    _with_ledger(flags, lambda store: store.create_key(name, digest_secret(secret), now=time.time()))
    click.echo(secret)
    click.echo("turnkeep: Keep it now, it is shown this once.", err=True)


@key.command(name="list")
@with_settings("db")
def list_keys(**flags: str | None) -> None:
    """List the keys, without their secrets."""
    rows = _with_ledger(flags, lambda store: store.list_keys())
    for row in rows:
        click.echo(
            f"{row.name:20} {row.id}  made {_day(row.created)}, {_describe_use(row.used, row.revoked)}"
        )
    if not rows:
        click.echo("turnkeep: There is no key yet; turnkeep key make NAME makes one.", err=True)


@key.command(name="revoke")
@click.argument("name", metavar="NAME")
@with_settings("db")
def revoke_key(name: str, **flags: str | None) -> None:
    """Let a key in no more. Its conversations stay. NAME may be its id."""
    _with_ledger(flags, lambda store: store.revoke_key(name, now=time.time()))


def _with_ledger(flags: dict[str, str | None], work: "Callable[[SqliteStore], Awaitable[T]]") -> T:
    async def run() -> T:
        store = open_settings_database(load_settings(flags))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _describe_use(used: float | None, revoked: float | None) -> str:
    if revoked is not None:
        return f"revoked {_day(revoked)}"
    return "never used" if used is None else f"last used {_day(used)}"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
