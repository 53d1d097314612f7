"""Forgetting at a gateway: every route that deletes goes this way, and so does what is old, by the gateway's clock."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..errors import ConversationNotFound, TurnkeepError
from ..forgetting.backups import Backups
from ..forgetting.courses import Forgetter, Hold
from ..forgetting.engines import EngineCache
from ..forgetting.journals import AuditTexts, JournalPlace
from ..forgetting.places import Folder
from ..forgetting.retention import Retention
from ..store.base import Lease
from ..store.erasing import OneConversation, OneTurn, What
from ..store.ledger import DeletedResponse
from ..unlocking import open_copy

if TYPE_CHECKING:
    from pathlib import Path

    from .gateway import Gateway

CLEANING_SECONDS = (
    5.0  # so that a client that deletes many conversations has the file searched once for all of them
)
RETENTION_SECONDS = 900.0  # between two looks at what is old: days are what it is measured in

_log = logging.getLogger("turnkeep.retention")


def make_forgetter(gateway: "Gateway") -> Forgetter:
    """Make what forgets in a gateway's store."""

    def drop(owner: str, conversations: Sequence[str]) -> None:
        for conversation in conversations:
            gateway.turns.forget(owner, conversation)

    path: Path | None = getattr(gateway.store, "path", None)
    return Forgetter(
        gateway.store,
        _hold(gateway),
        folder=Folder(path),
        drop=drop,
        places=(
            *(
                EngineCache(member.engine, name=f"engine cache {number}")
                for number, member in enumerate(gateway.pool.members, 1)
            ),
            JournalPlace(AuditTexts(gateway.store, gateway.recorder)),
            Backups(gateway.store, partial(open_copy, gateway.store)),
        ),
        clock=gateway.clock,
        cleaner=gateway.cleaner,
    )


def _hold(gateway: "Gateway") -> Hold:
    @contextlib.asynccontextmanager
    async def hold(owner: str, conversations: Sequence[str]) -> AsyncIterator[Sequence[Lease]]:
        async with contextlib.AsyncExitStack() as held:
            leases = []
            for conversation in sorted(
                conversations
            ):  # in one order, so that no two of us wait for each other
                way = gateway.turns.hold(owner, conversation, alone=True)
                leases.append((await held.enter_async_context(way))[1])
            yield leases

    return hold


async def forget(gateway: "Gateway", owner: str, *what: What) -> None:
    """Forget at a client's request; the file is searched soon after (`keep_clean`), so that the client need not wait."""
    forgetter = gateway.forgetter()
    for each in what:
        await forgetter.forget(owner, each, prove=False)


async def forget_response(gateway: "Gateway", owner: str, response: str) -> None:
    """Forget a response, and the words that nobody could reach without it.

    The words first, its own turn the last of them: killed or refused in between, it is there still, and can be deleted again.

    Raises:
        ConversationNotFound: this owner has none of that id.
        Conflict: it is still being answered, or another program holds its conversation.
    """
    conversation = (await gateway.store.load_response(owner, response)).conversation
    # Of two that lead to the same words, one at a time: else each would leave them to the other.
    async with gateway.deleting.setdefault(conversation, asyncio.Lock()):
        orphaned = await gateway.store.find_orphans(owner, response)
        await forget(gateway, owner, *_orphans_of(orphaned))
        with contextlib.suppress(ConversationNotFound):  # it went with its turn
            await gateway.store.delete_response(owner, response)


def _orphans_of(deleted: DeletedResponse) -> list[What]:
    """What nobody can reach any more when a response is gone."""
    if deleted.empty:
        return [OneConversation(conversation=deleted.conversation)]
    turns = reversed(deleted.orphans)
    return [OneTurn(conversation=deleted.conversation, turn=turn, alike=False) for turn in turns]


async def keep_clean(gateway: "Gateway") -> None:
    """Clean the database's file after what was forgotten, until this is cancelled."""
    while True:
        await asyncio.sleep(CLEANING_SECONDS)
        await clean(gateway)


async def clean(gateway: "Gateway") -> None:
    """Clean the database's file; what fails is told in the log, and tried again the next time."""
    try:
        if not await gateway.cleaner.clean():
            _log.warning(
                "another program reads the database: its file is cleaned of what was forgotten later"
            )
    except TurnkeepError as error:
        _log.warning("the database's file could not be cleaned of what was forgotten: %s", error)


async def keep_retention(gateway: "Gateway") -> None:
    """Forget what is old, now and then, until this is cancelled."""
    while True:
        await retain(gateway)
        await asyncio.sleep(RETENTION_SECONDS)


async def retain(gateway: "Gateway") -> None:
    """Forget what is old; what fails is told in the log, and tried again the next time."""
    retention = Retention(gateway.store, gateway.forgetter(), gateway.settings.retention_days, gateway.clock)
    try:
        for owner, receipt in await retention.run():
            _log.info(
                "%d turns and %d conversations of %s were old, and are forgotten",
                len(receipt),
                len(receipt.conversations),
                owner,
            )
    except TurnkeepError as error:
        _log.warning("what is old could not be forgotten: %s", error)
