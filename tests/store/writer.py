"""A writer for store tests: one conversation, one lease, a clock that ticks by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from turnkeep.conversation.items import Item, TurnState, assistant, user
from turnkeep.conversation.log import Position
from turnkeep.store.base import Conversation, Lease, Store, StoredItem, Turn

OWNER = "local"


@dataclass
class Writer:
    """Says things in one conversation, as its holder."""

    store: Store
    id: str
    lease: Lease
    clock: float = 1000.0  # seconds; each write is one later

    @classmethod
    async def begin(cls, store: Store, name: str | None = None) -> "Writer":
        """Make a conversation and take its lease."""
        row = await store.create_conversation(OWNER, name, now=1000.0)
        return await cls.join(store, row.id, "writer")

    @classmethod
    async def join(cls, store: Store, conversation: str, holder: str, now: float = 1000.0) -> "Writer":
        """Take the lease of a conversation that is there; it must be free."""
        lease = await store.take_lease(f"conversation:{conversation}", holder, now=now, seconds=60)
        assert lease is not None
        return cls(store, conversation, lease, now)

    async def overtaken(self) -> "Writer":
        """Another process takes the conversation over, after this one's lease has run out."""
        return await Writer.join(self.store, self.id, "overtaker", self.lease.expires + 1)

    def now(self) -> float:
        self.clock += 1
        return self.clock

    async def row(self) -> Conversation:
        return await self.store.load_conversation(OWNER, self.id)

    async def open(self, *items: Item | str, after: Position | None = None) -> Turn:
        """Begin a turn at the tip, or after `after`; texts are the user's."""
        return await self.store.begin_turn(
            OWNER,
            self.id,
            [user(item) if isinstance(item, str) else item for item in items],
            after=(await self.row()).tip if after is None else after,
            lease=self.lease,
            now=self.now(),
        )

    async def finish(
        self, turn: Turn, reply: Item | str | None = None, state: TurnState = "done", error: str | None = None
    ) -> Turn:
        """Close a turn with a reply, or without."""
        items: Sequence[Item] = (
            () if reply is None else [assistant(reply) if isinstance(reply, str) else reply]
        )
        return await self.store.finish_turn(
            OWNER,
            self.id,
            turn.number,
            state=state,
            items=items,
            error=error,
            lease=self.lease,
            now=self.now(),
        )

    async def say(self, text: str, reply: str = "Yes.", after: Position | None = None) -> Turn:
        """One whole turn."""
        return await self.finish(await self.open(text, after=after), reply)

    async def partial(self, turn: Turn, text: str) -> None:
        await self.store.save_partial(OWNER, self.id, turn.number, text, lease=self.lease)

    async def settle(self) -> list[Turn]:
        return await self.store.settle_turns(OWNER, self.id, lease=self.lease, now=self.now())

    async def move(self, to: Position) -> None:
        await self.store.move_tip(OWNER, self.id, to, lease=self.lease, now=self.now())

    async def items(self, turn: int) -> list[StoredItem]:
        return await self.store.load_turn_items(OWNER, self.id, turn)

    async def log(self, tip: Position | None = None, after: int = 0, limit: int | None = None) -> list[str]:
        """The texts on the path to `tip`, or to the conversation's tip."""
        return texts(
            await self.store.load_log(
                OWNER,
                self.id,
                tip=(await self.row()).tip if tip is None else tip,
                after=after,
                limit=limit,
            )
        )

    def on(self, store: Store) -> "Writer":
        """The same writer at another door to the same file."""
        return replace(self, store=store)


def texts(items: Sequence[StoredItem]) -> list[str]:
    """The text of each item; of recalled lines, their repr."""
    return [str(getattr(stored.item, "text", stored.item)) for stored in items]
