"""The desks of the conversations that were talked in last, and what goes with each.

A desk keeps what its window holds, so the most recent ones are kept and the others made
anew from the store when somebody speaks there again.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ..audit.base import Audit
from ..embed.base import Embedder
from ..indexing import Indexer
from ..masking import Masking, mask_engine
from ..prompt import Desk
from ..recall import Recaller
from ..search import Searcher
from ..store.base import Store
from ..upkeep import Upkeep
from .engines import EnginePool, PooledEngine

if TYPE_CHECKING:
    from ..meter import Calibrations

KEPT_DESKS = 256  # besides those in use; a desk of a 4,096-token window takes some 100 KiB

Place: TypeAlias = tuple[str, str]  # owner and conversation


@dataclass(slots=True, eq=False, kw_only=True)
class Seat:
    """One conversation in this process.

    lock: turns of one conversation follow one another, in the order of asking.
    users: turns that have it in hand.
    answered: address of the engine that answered last; "": none yet.
    """

    desk: Desk
    engine: PooledEngine
    upkeep: Upkeep
    indexer: Indexer
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    answered: str = ""

    @property
    def is_tended(self) -> bool:
        """Whether the last turn has left nothing to do."""
        return self.desk.at_rest and not self.indexer.has_work

    @property
    def place(self) -> Place:
        """Whose conversation, and which."""
        return self.desk.owner, self.desk.conversation


class Desks:
    """Makes desks and keeps the last ones.

    Args:
        store: where the conversations are.
        pool: the engines.
        holder: the name under which leases are taken.
        embedder: finds turns by meaning; None: by their words alone.
        embedding_seconds: how long a turn waits for the vector of its message.
        kept: how many are kept besides those in use.
        masking: what the models read in place of personal data; None: nothing.
        audit: takes what turns hand over; None: nothing is recorded.
    """

    def __init__(
        self,
        store: Store,
        pool: EnginePool,
        *,
        holder: str,
        embedder: Embedder | None = None,
        embedding_seconds: float | None = None,
        kept: int = KEPT_DESKS,
        masking: Masking | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._store, self._pool, self._holder = store, pool, holder
        self._masking = masking
        self.searcher = Searcher(store, embedder, seconds=embedding_seconds)
        self._seats: OrderedDict[Place, Seat] = OrderedDict()
        self._by_conversation: dict[str, Place] = {}
        self._kept, self._audit = kept, audit
        self._calibrations: Calibrations = {}
        pool.on_moved = self._moved

    def __len__(self) -> int:
        return len(self._seats)

    def find(self, owner: str, conversation: str) -> Seat:
        """The seat of a conversation, made if need be; whether the conversation exists, its first use finds out."""
        place = (owner, conversation)
        seat = self._seats.get(place)
        if seat is None:
            self._trim()  # before: of all the seats, only the new one may be without a user
            seat = self._seats[place] = self._make(owner, conversation)
            self._by_conversation[conversation] = place
        self._seats.move_to_end(place)
        return seat

    def _make(self, owner: str, conversation: str) -> Seat:
        engine = self._pool.seat(conversation)
        desk = Desk(
            store=self._store,
            engine=mask_engine(self._masking, engine, self._store, owner, conversation),
            owner=owner,
            conversation=conversation,
            holder=self._holder,
            calibrations=self._calibrations,
        )
        desk.audit = self._audit
        desk.recaller = Recaller(self.searcher, desk.meter, owner, conversation)
        indexer = Indexer(self._store, owner, conversation, self.searcher.embedder)
        return Seat(desk=desk, engine=engine, upkeep=Upkeep(desk, indexer), indexer=indexer)

    def _trim(self) -> None:
        """Drop the oldest that nobody uses, so that there is room for one more."""
        while len(self._seats) >= self._kept:
            idle = next((place for place, seat in self._seats.items() if not seat.users), None)
            if idle is None:
                return
            self.drop(*idle)

    def drop(self, owner: str, conversation: str) -> None:
        """Keep nothing of a conversation in memory: it was deleted, or something in it was forgotten."""
        seat = self._seats.pop((owner, conversation), None)
        self._by_conversation.pop(conversation, None)
        if seat is not None:
            seat.desk.learned.read_views.clear()
            seat.desk.meter.forget()
        self.searcher.forget(owner, conversation)

    def _moved(self, conversation: str) -> None:
        """Another engine answers for a conversation: it has read nothing of it."""
        place = self._by_conversation.get(conversation)
        if place is not None:
            self._seats[place].desk.learned.read_views.clear()

    async def close(self) -> None:
        """Keep nothing any more; the store, the engines and the embedder belong to others."""
        self._seats.clear()
        self._by_conversation.clear()
        await self.searcher.close(embedder=False)
