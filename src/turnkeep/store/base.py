"""What a turn knows of a store: the rows it gives back, and the `Store` protocol.

Items are inserted, never updated. The mutable things are a turn's state, the
pointers to tip and view, a conversation's name, and leases. All times are seconds since the epoch (UTC), given.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from ..context.ranking import Postings
from ..conversation.items import Item, TurnState
from ..conversation.log import Position
from .marking import MarkStore

if TYPE_CHECKING:
    from .reading import Index, Record
    from .writing import Begun, Beside, Learnt

# How a conversation came to be: by name or id, or for a chain of responses, a history, a chat that a client named.
ConversationKind: TypeAlias = Literal["named", "chain", "history", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation's row."""

    id: str  # conv_<key>
    owner: str
    name: str | None  # unique within its owner; None: not named yet
    tip: Position  # the last item of the last turn that counts; START when empty
    view: int | None  # number of the current view
    pending_view: int | None  # number of a view that waits to be read by the engine
    instructions: int | None  # number of the current instructions
    turns: int  # turns ever begun, on all branches
    created: float
    updated: float
    kind: ConversationKind = "named"  # only the named ones are shown under their id at a gateway
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)  # what a gateway's client noted


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """An item with its place."""

    id: str  # msg_<conversation key><random>
    at: Position
    turn: int
    item: Item
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One user input up to its final answer.

    `after` is the item it hangs on; its own items are `first` to `last` on `branch`.
    """

    number: int  # 1, 2, 3 ... within the conversation, in the order of asking
    branch: int
    after: Position
    first: int  # seq of its first item
    last: int  # seq of its last item
    state: TurnState
    error: str | None  # why it failed, one sentence
    created: float
    finished: float | None

    @property
    def tip(self) -> Position:
        """The position of its last item."""
        return Position(self.branch, self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredView:
    """Base and cut of a view, inserted and never updated.

    `at` is the last folded item; the log begins after it. `key` says for which engine, model,
    window, instructions and tools it was made. `body` is what context/view.py dumps.
    """

    number: int
    at: Position
    key: str
    body: Mapping[str, Any]  # Any: JSON of context/view.py's own making
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write under `subject` until `expires`, proved by `fence`."""

    subject: str
    holder: str
    fence: int  # rises with each new holder; appends check it
    expires: float
    note: str = ""  # what the holder is doing; a turn notes its engine, so that upkeep elsewhere makes way


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A search result."""

    conversation: str
    name: str | None
    turn: int
    role: str
    text: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What the word index of another conversation says of a query; its places are those on the path to `tip`."""

    conversation: str
    name: str | None
    tip: Position
    postings: Postings


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexProgress:
    """How many of a conversation's turns are indexed."""

    done: int
    turns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unembedded:
    """Messages of the turns after `after`, up to `upto`, that have no vectors yet."""

    after: int
    upto: int
    items: Sequence[StoredItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVector:
    """The vector of an item: a signed byte a dimension."""

    turn: int
    at: Position
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """Sizes of a store."""

    path: str | None  # None: in memory
    conversations: int
    turns: int
    items: int
    text_bytes: int
    file_bytes: int
    wal_bytes: int
    index_bytes: int | None = None
    tables: Mapping[str, int] = field(default_factory=dict)  # rows of each table


Looked = TypeVar("Looked")


class Store(MarkStore, Protocol):
    """Keeps conversations. Methods may be called from any event loop, one loop at a time.

    Raises (all methods): `StoreError` and its subclasses; methods that take a conversation id
    raise `ConversationNotFound`.
    """

    # -- conversations --------------------------------------------------------
    async def create_conversation(
        self,
        owner: str,
        name: str | None,
        *,
        now: float,
        kind: ConversationKind = "named",
        metadata: Mapping[str, str] | None = None,
        conversation: str | None = None,
    ) -> Conversation:
        """Make an empty conversation, under an id made for it if one is given. Raises `Conflict` for a name that is taken."""
        ...

    async def load_conversation(self, owner: str, conversation: str) -> Conversation:
        """Load by id."""
        ...

    async def find_conversation(self, owner: str, name: str) -> Conversation | None:
        """Find by exact name, else by id; None when there is none."""
        ...

    async def list_conversations(
        self, owner: str, *, limit: int = 100, offset: int = 0
    ) -> list[Conversation]:
        """List, the last updated first."""
        ...

    async def rename_conversation(self, owner: str, conversation: str, name: str) -> None:
        """Give another name. Raises `Conflict` when it is taken."""
        ...

    async def delete_conversation(self, owner: str, conversation: str) -> None:
        """Remove it with everything that belongs to it."""
        ...

    async def save_instructions(self, owner: str, conversation: str, text: str, *, now: float) -> int:
        """Keep new instructions and make them current; returns their number. Equal text keeps the number."""
        ...

    async def load_instructions(self, owner: str, conversation: str, number: int) -> str:
        """Load instructions by number."""
        ...

    # -- leases ---------------------------------------------------------------
    async def take_lease(
        self, subject: str, holder: str, *, now: float, seconds: float, note: str = ""
    ) -> Lease | None:
        """Take a free or expired lease; None while another holder has it. The same holder may renew."""
        ...

    async def renew_lease(self, lease: Lease, *, now: float, seconds: float) -> Lease:
        """Prolong it. Raises `LeaseLost` when its fence is no longer the newest."""
        ...

    async def drop_lease(self, lease: Lease) -> None:
        """Give it back; nothing happens when it is already lost."""
        ...

    async def held_leases(self, prefix: str, *, now: float, note: str | None = None) -> list[Lease]:
        """List unexpired leases whose subject begins with `prefix`, of that note (None: any)."""
        ...

    # -- a turn's two writes and its reading ----------------------------------
    async def hold_and_begin(
        self,
        owner: str,
        conversation: str,
        items: Sequence[Item] | None,
        *,
        after: Position | None,
        subject: str,
        holder: str,
        note: str,
        now: float,
        seconds: float,
        instructions: str | None = None,
        made: ConversationKind | None = None,
    ) -> "Begun | None":
        """Take a lease, settle the turns left open, load the row and begin a turn: one transaction.

        With `made`, the conversation is made in it first, of that kind and with an id of the caller's making.

        As `take_lease`, `settle_turns`, `load_conversation` and `begin_turn` one after another, with
        `after` None for the conversation's tip; without items, no turn is begun. Instructions that are not
        the current ones are saved before (None: they stay; "" where there are none changes nothing). None, and nothing
        happens, while another holder has the lease. Calls are done in the order in which they are
        handed in, also when a caller is cancelled: it may then find what it has taken by `held_leases`.
        """
        ...

    async def read(self, owner: str, conversation: str, look: Callable[["Record"], Looked]) -> Looked:
        """Let `look` read a conversation's record, all of one moment; returns what it returns.

        It should be quick, since nothing else is read or written meanwhile.
        """
        ...

    # -- turns ----------------------------------------------------------------
    async def begin_turn(
        self,
        owner: str,
        conversation: str,
        items: Sequence[Item],
        *,
        after: Position,
        lease: Lease,
        now: float,
    ) -> Turn:
        """Append a turn's first items after `after`, durable when this returns; its state is open.

        Where `after` already has a successor on its branch, a new branch is forked there.
        Raises `LeaseLost`; `Conflict` when `after` belongs to a turn that is still open;
        `ConversationError` when no item stands there; `UsageError` without items.
        """
        ...

    async def append_items(
        self, owner: str, conversation: str, turn: int, items: Sequence[Item], *, lease: Lease, now: float
    ) -> Turn:
        """Append more items to an open turn (tool results, say). Raises `LeaseLost`; `Conflict` when it is closed."""
        ...

    async def save_partial(
        self, owner: str, conversation: str, turn: int, text: str, *, lease: Lease
    ) -> None:
        """Keep a further piece of the reply while it streams, so that a crash does not lose it. Raises as `append_items`."""
        ...

    async def finish_turn(
        self,
        owner: str,
        conversation: str,
        turn: int,
        *,
        state: TurnState,
        items: Sequence[Item] = (),
        receipt: Mapping[str, Any] | None = None,
        error: str | None = None,
        learnt: "Learnt | None" = None,
        beside: "Beside | None" = None,
        release: bool = False,
        lease: Lease,
        now: float,
    ) -> Turn:
        """Append the reply and the receipt and close the turn, in one transaction.

        With it are kept what was learnt and what stands beside the turn and, with `release`, the lease is given back. State done, and cut_off with items, moves the conversation's tip to the turn's last item.
        A fenced-out writer's reply is kept all the same, as a turn that the tip does not move to
        (this one, or a second one with the same question when this one was settled meanwhile),
        and `LeaseLost` is raised. Raises `Conflict` when the turn is closed.
        """
        ...

    async def settle_turns(self, owner: str, conversation: str, *, lease: Lease, now: float) -> list[Turn]:
        """Close open turns left by a dead process as failed, their partial replies kept; returns them.

        Called by a holder of the conversation's lease, which is what proves that nobody is at it.
        """
        ...

    async def move_tip(
        self, owner: str, conversation: str, to: Position, *, lease: Lease, now: float
    ) -> None:
        """Point the conversation at another position (undo, switch of branch). Raises as `begin_turn`."""
        ...

    async def forget_turn(
        self, owner: str, conversation: str, turn: int, *, lease: Lease, now: float, alike: bool = True
    ) -> tuple[int, ...]:
        """Put tombstones in the place of a turn's items, and take out all that was made of them: one transaction.

        Their ids and times stay. Words, vectors and sizes of the items go, lines that later turns recalled
        from it, notes that pin it, and what views hold of it. Turns that were asked with the same words in
        its place go with it unless `alike` is False; returns the numbers of all. The newest receipt gets `forgotten`.
        Raises `LeaseLost`; `Conflict` when the turn is open.
        """
        ...

    async def load_turn(self, owner: str, conversation: str, turn: int) -> Turn:
        """Load a turn. Raises `ConversationNotFound` when there is none of that number."""
        ...

    async def load_turns(
        self, owner: str, conversation: str, *, tip: Position, after: int = 0, last: int | None = None
    ) -> list[Turn]:
        """Load the turns on the path to `tip` that begin after seq `after`, oldest first; at most the `last` ones."""
        ...

    async def load_turn_items(self, owner: str, conversation: str, turn: int) -> list[StoredItem]:
        """Load a turn's items, those of failed turns included."""
        ...

    async def load_log(
        self,
        owner: str,
        conversation: str,
        *,
        tip: Position,
        after: int = 0,
        limit: int | None = None,
        kind: str | None = None,
    ) -> list[StoredItem]:
        """Load the items on the path to `tip` with seq > `after`, oldest first.

        With `limit`, of the newest ones; with `kind`, those of that kind (as `dump_item` names it) among them.
        """
        ...

    async def is_ancestor(self, owner: str, conversation: str, position: Position, tip: Position) -> bool:
        """Tell whether `position` lies on the path to `tip`."""
        ...

    async def load_receipt(self, owner: str, conversation: str, turn: int) -> Mapping[str, Any] | None:
        """Load a turn's receipt."""
        ...

    async def load_partial(self, owner: str, conversation: str, turn: int) -> str:
        """Load what is kept of a reply that is still streaming or was never finished; "" when nothing."""
        ...

    # -- views ----------------------------------------------------------------
    async def save_view(
        self, owner: str, conversation: str, *, at: Position, key: str, body: Mapping[str, Any], now: float
    ) -> StoredView:
        """Insert a view; no pointer moves."""
        ...

    async def point_view(
        self, owner: str, conversation: str, *, expected: int | None, current: int | None, pending: int | None
    ) -> bool:
        """Compare-and-swap the view pointers: nothing happens, and False, unless current is `expected`."""
        ...

    async def load_view(self, owner: str, conversation: str, number: int) -> StoredView:
        """Load a view by number."""
        ...

    async def find_view(
        self, owner: str, conversation: str, *, tip: Position, key: str | None
    ) -> StoredView | None:
        """Find the newest view whose folded items are all ancestors of `tip`, of that key (None: any)."""
        ...

    # -- sizes ----------------------------------------------------------------
    async def save_sizes(
        self, owner: str, conversation: str, tokenizer: str, sizes: Mapping[Position, int]
    ) -> None:
        """Keep counted tokens of items; a size already kept stays."""
        ...

    async def load_sizes(
        self, owner: str, conversation: str, tokenizer: str, *, tip: Position, after: int = 0
    ) -> dict[Position, int]:
        """Load kept sizes of the items on the path to `tip` after seq `after`."""
        ...

    # -- recall ---------------------------------------------------------------
    # Items of user and assistant are indexed by words in the transaction that appends them. A place is
    # an item's seq; with a tip it says which item is meant.
    async def consult(
        self, owner: str, conversation: str, look: Callable[["Index"], Looked], *, tip: Position
    ) -> Looked:
        """Let `look` ask the index of the path to `tip`, as `read` lets it read the record."""
        ...

    async def load_elsewhere(self, owner: str, keys: Sequence[int], *, apart: str | None) -> list[Elsewhere]:
        """Load postings of these terms in all conversations of an owner but `apart`; weighed over all of them."""
        ...

    async def index_words(self, owner: str, conversation: str) -> IndexProgress:
        """Index some turns that were not when they were said; once `done` is `turns`, nothing is left."""
        ...

    async def find_unembedded(
        self, owner: str, conversation: str, embedder: str, *, limit: int
    ) -> Unembedded:
        """Find the messages of the next turns, at most `limit`, that have no vectors of that embedder."""
        ...

    async def save_vectors(
        self, owner: str, conversation: str, embedder: str, batch: Unembedded, vectors: Sequence[bytes]
    ) -> bool:
        """Keep a batch's vectors, one an item; False, and nothing, when another process did meanwhile."""
        ...

    async def load_vectors(
        self, owner: str, conversation: str, embedder: str, *, after: int, limit: int
    ) -> list[StoredVector]:
        """Load vectors of turns numbered above `after`, in their order: whole turns, about `limit` vectors."""
        ...

    async def measure_embedded(self, owner: str, conversation: str, embedder: str) -> IndexProgress:
        """Say how far a conversation has vectors of that embedder."""
        ...

    async def drop_other_vectors(self, owner: str, conversation: str, embedder: str) -> None:
        """Throw away the vectors of other embedders."""
        ...

    # -- everything -----------------------------------------------------------
    async def search_text(
        self, owner: str, text: str, *, conversation: str | None = None, limit: int = 20
    ) -> list[Hit]:
        """Find items whose text contains `text`, case folded, newest first."""
        ...

    def export_items(self, owner: str, conversation: str) -> AsyncIterator[tuple[Turn, list[StoredItem]]]:
        """Yield all turns with their items, in the order of asking, all branches."""
        ...

    async def load_value(self, key: str) -> str | None:
        """Load a small value of turnkeep's own (a learned ratio, the last conversation)."""
        ...

    async def save_value(self, key: str, value: str) -> None:
        """Keep such a value, in place of the one before."""
        ...

    async def stats(self, owner: str | None = None) -> StoreStats:
        """Measure the store."""
        ...

    async def close(self) -> None:
        """Finish what was written and close."""
        ...
