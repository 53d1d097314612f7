"""Hold the conversations that are to forget: no turn, and no upkeep, may write of what it read before."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from ..holding import hold_alone
from ..prompt import Desk
from ..store.base import Lease
from .courses import Hold


def hold_by_desk(make_desk: Callable[[str, str], Desk]) -> Hold:
    """Hold conversations under the name of a desk that is made for each.

    Args:
        make_desk: makes one of an owner and a conversation.
    """

    @contextlib.asynccontextmanager
    async def hold(owner: str, conversations: Sequence[str]) -> AsyncIterator[Sequence[Lease]]:
        async with contextlib.AsyncExitStack() as held:
            # In one order everywhere, so that no two of us wait for each other.
            yield [
                await held.enter_async_context(hold_alone(make_desk(owner, conversation)))
                for conversation in sorted(conversations)
            ]

    return hold
