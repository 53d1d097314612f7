"""`turnkeep forget` and `turnkeep retain`: take out what was said, at once or by its age."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import click

from ..errors import ConversationNotFound, UsageError
from ..forgetting.courses import Forgetter
from ..forgetting.receipt import ForgetReceipt
from ..settings import OWNER, Settings, load_settings, suggest
from ..store.base import Store
from ..store.erasing import (
    EveryMention,
    EverythingOwned,
    OlderThan,
    OneConversation,
    OneItem,
    OneTurn,
    What,
)
from ..unlocking import open_copy
from .asking import confirm
from .flags import with_settings
from .memory import forgotten_line
from .screen import plural
from .slips import Count

DAY_SECONDS = 86_400
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line names."""

    name: str | None
    turn: int | None
    message: str | None
    owner: str | None
    older_than: int | None
    value: str | None


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.argument("turn", metavar="[TURN]", type=Count(), required=False)
@click.option("--message", metavar="ID", help="One item of the conversation, by its id.")
@click.option("--older-than", type=Count(), metavar="DAYS", help="What was said before so many days.")
@click.option("--value", metavar="TEXT", help="Every mention of it, such as a number.")
@click.option("--owner", metavar="WHO", help="Of another owner; alone, everything of theirs.")
@click.option("--dry-run", is_flag=True, help="Only show what would be forgotten.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings("db")
def forget(
    name: str | None,
    turn: int | None,
    message: str | None,
    older_than: int | None,
    value: str | None,
    owner: str | None,
    dry_run: bool,
    yes: bool,
    **flags: str | None,
) -> int:
    """Forget a conversation, a turn, or a value.

    With all that was made of it. Without NAME, --older-than and --value look into
    all conversations. Exit status 1 when something is left.
    """
    settings = load_settings(flags)
    asked = _Asked(name=name, turn=turn, message=message, owner=owner, older_than=older_than, value=value)
    what, question = asyncio.run(_with_store(settings, lambda store: _find(store, asked)))
    if not dry_run and not yes and not confirm(question):
        click.echo("turnkeep: Nothing was forgotten.", err=True)
        return 1

    async def work(store: Store) -> ForgetReceipt:
        return await _open(settings, store).forget(owner or OWNER, what, dry_run=dry_run)

    receipt = asyncio.run(_with_store(settings, work))
    for line in receipt_lines(receipt):
        click.echo(line)
    return 0 if dry_run or (receipt.is_proven and receipt.state != "pending") else 1


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--days", type=int, metavar="N", help="Keep NAME's turns for so many days; 0: for ever.")
@click.option("--as-set", is_flag=True, help="Keep NAME's turns for as long as is set for all.")
@click.option("--dry-run", is_flag=True, help="Only show what would be forgotten.")
@with_settings("db", "retention_days")
def retain(name: str | None, days: int | None, as_set: bool, dry_run: bool, **flags: str | None) -> None:
    """Forget what was kept for long enough.

    Of all owners: for cron. With NAME and --days or --as-set: say how long that conversation is kept, and forget nothing now.
    """
    from ..forgetting.opening import check_store
    from ..forgetting.retention import Retention, check_days

    settings = load_settings(flags)
    if (name is None) != (days is None and not as_set) or (days is not None and as_set):
        raise UsageError("Give a conversation with --days N or --as-set, or neither to forget what is due.")

    async def work(store: Store) -> None:
        kept = check_store(store)
        if name is not None:
            await kept.set_retention(OWNER, await _find_id(store, OWNER, name), check_days(days))
            return
        retention = Retention(kept, _open(settings, store), settings.retention_days)
        receipts = await retention.run(dry_run=dry_run, prove=True)
        for owner, receipt in receipts:
            click.echo(f"Of {owner}:")
            for line in receipt_lines(receipt):
                click.echo(line)
        if not receipts:
            click.echo("Nothing is due.")

    asyncio.run(_with_store(settings, work))


def receipt_lines(receipt: ForgetReceipt) -> Iterator[str]:
    """Say what was removed where, and the proof."""
    if receipt.dry_run:
        yield f"Would be forgotten: {_amount(receipt)}."
    elif len(receipt.turns) <= 1 and receipt and not receipt.conversations:
        yield forgotten_line(receipt)
    else:
        yield f"Forgotten: {_amount(receipt)}."
    for place in receipt.places:
        counts = ", ".join(f"{name} {count:,}" for name, count in place.removed.items()) or "nothing there"
        yield f"  {place.name}: {counts}" + (
            f"; {place.state}. {place.advice}" if place.state != "done" else ""
        )
    proof = receipt.proof
    if proof is None:
        return
    where = f"{plural(proof.files, 'file')} with {proof.size_bytes:,} bytes"
    looked = f"{plural(proof.pieces, 'piece')} of it"
    if receipt.dry_run:
        yield f"  now: {looked}, looked for in {where}; found in:"
        yield from (f"    {path}: {count:,}" for path, count in proof.found.items())
        return
    common = f" ({proof.common:,} stand in what is kept as well)" if proof.common else ""
    yield f"  proof: {looked} looked for in {where}{common}: " + (
        "found none." if not proof.found else "found in:"
    )
    yield from (f"    {path}: {count:,}" for path, count in proof.found.items())


def _amount(receipt: ForgetReceipt) -> str:
    parts = [plural(len(receipt.conversations), "conversation")] if receipt.conversations else []
    if receipt or not parts:
        parts.append(plural(len(receipt), "turn"))
    return " and ".join(parts)


async def _find(store: Store, asked: _Asked) -> tuple[What, str]:
    """What is to be forgotten, and how a person is asked about it.

    Raises:
        UsageError: nothing is named, or two things.
        ConversationNotFound: there is no conversation of that name.
    """
    named = [asked.turn, asked.message, asked.older_than, asked.value]
    if sum(each is not None for each in named) > 1:
        raise UsageError("Name one thing to forget: a turn, --message, --older-than or --value.")
    who = asked.owner or OWNER
    where = None if asked.name is None else await _find_id(store, who, asked.name)
    place = f" of {asked.name}" if asked.name is not None else ""
    if asked.value is not None:
        # Whoever runs the machine names the keys of all: nobody else could take a name out.
        everyone = asked.owner is None and where is None
        return EveryMention(
            value=asked.value, conversation=where, keys=everyone
        ), f"Forget every mention of {asked.value!r}?"
    if asked.older_than is not None:
        before = time.time() - asked.older_than * DAY_SECONDS
        question = f"Forget what is older than {plural(asked.older_than, 'day')}{place}?"
        return OlderThan(before=before, conversation=where), question
    if where is None:
        if asked.owner is None or asked.message is not None:
            raise UsageError(
                "Name what to forget: a conversation, and a turn of it or --message; --older-than, --value or --owner."
            )
        return EverythingOwned(), f"Forget everything of {who}, and their keys?"
    if asked.message is not None:
        return OneItem(conversation=where, item=asked.message), f"Forget {asked.message}{place}?"
    if asked.turn is not None:
        return OneTurn(conversation=where, turn=asked.turn), f"Forget turn {asked.turn}{place}?"
    return OneConversation(conversation=where), f"Forget all of {asked.name}?"


async def _find_id(store: Store, owner: str, name: str) -> str:
    found = await store.find_conversation(owner, name)
    if found is None:
        names = [row.name for row in await store.list_conversations(owner) if row.name]
        raise ConversationNotFound(
            f"There is no conversation {name!r}{suggest(name, names) or '.'} turnkeep list shows them."
        )
    return found.id


def _open(settings: Settings, store: Store) -> Forgetter:
    from ..engine.absent import AbsentEngine
    from ..forgetting.opening import open_forgetter
    from ..holding import name_holder

    return open_forgetter(
        store,
        AbsentEngine(),
        holder=name_holder(),
        home=settings.home,
        open_store=partial(open_copy, store),
    )


async def _with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    from .opening import open_store

    async with open_store(settings, make=False) as store:
        return await work(store)


async def delete_conversation(settings: Settings, store: Store, conversation: str) -> None:
    """Forget a conversation as `turnkeep forget` does, without the search."""
    await _open(settings, store).forget(OWNER, OneConversation(conversation=conversation), prove=False)
