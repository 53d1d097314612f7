"""The store in one SQLite file: what is durable when, and what runs in one transaction.

`SqliteStore` hands each call to a thread of its own (worker.py) as one function
of the modules beside this one, wrapped in one transaction. It knows no SQL.

Durable when the call returns: what was said, what the tip and the views are,
names. Leases, pieces of a streaming reply, counted sizes and small values
survive the death of the process, but not always a power cut.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from ...conversation.items import Item, TurnState
from ...conversation.log import Position
from ...errors import LeaseLost
from ...privacy.marks import Marks
from ..base import (
    Conversation,
    ConversationKind,
    Elsewhere,
    Hit,
    IndexProgress,
    Lease,
    Looked,
    StoredItem,
    StoredVector,
    StoredView,
    StoreStats,
    Turn,
    Unembedded,
)
from ..reading import Index, Record
from ..writing import Begun, Beside, Learnt
from . import (
    answers,
    appends,
    conversations,
    forget,
    hot,
    leases,
    measure,
    paths,
    postings,
    search,
    turns,
    values,
    views,
)
from . import marks as mark_rows
from . import vectors as vector_rows
from .carrying import CarrierCalls
from .database import Database
from .ledger import LedgerCalls

_EXPORT_TURNS = 64  # turns loaded at a time by an export


class SqliteStore(LedgerCalls, CarrierCalls):
    """Keeps conversations in one SQLite file; implements `Store`, `Ledger` and `Carrier`.

    Opened by the first call, in a thread of its own, and again in a forked
    process. May be called from any event loop. What a gateway asks for is in
    ledger.py beside this, arguments and transactions in calls.py.
    """

    # -- conversations ---------------------------------------------------------
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
        """Make an empty conversation under a new random key, unless an id was made for it."""
        return await self._write(
            conversations.create_conversation, owner, name, now, kind, metadata, conversation
        )

    async def load_conversation(self, owner: str, conversation: str) -> Conversation:
        """Load by id."""
        return await self._read(conversations.load_conversation, owner, conversation)

    async def find_conversation(self, owner: str, name: str) -> Conversation | None:
        """Find by exact name, else by id."""
        return await self._read(conversations.find_conversation, owner, name)

    async def list_conversations(
        self, owner: str, *, limit: int = 100, offset: int = 0
    ) -> list[Conversation]:
        """List, the last updated first."""
        return await self._read(conversations.list_conversations, owner, limit, offset)

    async def rename_conversation(self, owner: str, conversation: str, name: str) -> None:
        """Give another name."""
        await self._write(conversations.rename_conversation, owner, conversation, name)

    async def delete_conversation(self, owner: str, conversation: str) -> None:
        """Remove it and all that belongs to it, from the file and from the write-ahead log."""
        await self._erase(conversations.delete_conversation, owner, conversation)

    async def save_instructions(self, owner: str, conversation: str, text: str, *, now: float) -> int:
        """Keep instructions and make them current; text kept before keeps its number."""
        return await self._write(conversations.save_instructions, owner, conversation, text, now)

    async def load_instructions(self, owner: str, conversation: str, number: int) -> str:
        """Load instructions by number."""
        return await self._read(conversations.load_instructions, owner, conversation, number)

    # -- leases ----------------------------------------------------------------
    async def take_lease(
        self, subject: str, holder: str, *, now: float, seconds: float, note: str = ""
    ) -> Lease | None:
        """Take a free or expired lease, or one the same holder has already."""
        return await self._note(leases.take_lease, subject, holder, now, seconds, note)

    async def renew_lease(self, lease: Lease, *, now: float, seconds: float) -> Lease:
        """Prolong it."""
        return await self._note(leases.renew_lease, lease, now, seconds)

    async def drop_lease(self, lease: Lease) -> None:
        """Give it back."""
        await self._note(leases.drop_lease, lease)

    async def held_leases(self, prefix: str, *, now: float, note: str | None = None) -> list[Lease]:
        """List unexpired leases whose subject begins with `prefix`, of that note (None: any)."""
        return await self._read(leases.held_leases, prefix, now, note)

    # -- a turn's two writes and its reading -----------------------------------
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
    ) -> Begun | None:
        """Take a lease, settle the turns left open, load the row and begin a turn."""
        run = self._note if items is None and instructions is None and made is None else self._write
        lease = (subject, holder, note)
        return await run(
            hot.begin, owner, conversation, items, after, lease, now, seconds, instructions, made
        )

    async def read(self, owner: str, conversation: str, look: Callable[[Record], Looked]) -> Looked:
        """Let `look` read a conversation's record, all of one moment."""
        return await self._read(lambda database: look(hot.PlacedRecord(database, owner, conversation)))

    # -- turns -----------------------------------------------------------------
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
        """Append a turn's first items after `after`, on a new branch where something follows already.

        Raises `Conflict` when `after` belongs to a turn that is still open.
        """
        return await self._write(appends.begin_turn, owner, conversation, items, after, lease, now)

    async def append_items(
        self, owner: str, conversation: str, turn: int, items: Sequence[Item], *, lease: Lease, now: float
    ) -> Turn:
        """Append more items to an open turn; `Conflict` when it is closed."""
        return await self._write(appends.append_items, owner, conversation, turn, items, lease, now)

    async def save_partial(
        self, owner: str, conversation: str, turn: int, text: str, *, lease: Lease
    ) -> None:
        """Keep a further piece of an open turn's reply."""
        await self._note(appends.save_partial, owner, conversation, turn, text, lease)

    async def finish_turn(
        self,
        owner: str,
        conversation: str,
        turn: int,
        *,
        state: TurnState,
        items: Sequence[Item] = (),
        receipt: Mapping[str, Any] | None = None,  # Any: JSON values of context/receipt.py
        error: str | None = None,
        learnt: Learnt | None = None,
        beside: Beside | None = None,
        release: bool = False,
        lease: Lease,
        now: float,
    ) -> Turn:
        """Append the reply and the receipt and close the turn, in one transaction."""

        def finish(database: Database) -> appends.Finished:
            done = appends.finish_turn(
                database, owner, conversation, turn, state, items, receipt, error, lease, now
            )
            if learnt is not None and not done.fenced_out:  # else its places may be others
                hot.keep_learnt(database, owner, conversation, learnt)
            if beside is not None and not done.fenced_out:
                answers.save_beside(database, done.place, turn, beside)
            if release:
                leases.drop_lease(database, lease)
            return done

        finished = await self._write(finish)
        if not finished.fenced_out:
            return finished.turn
        if not items:
            raise LeaseLost("Another process has taken the conversation over: load it again, then go on.")
        raise LeaseLost(
            "Another process took the conversation over before this reply came: "
            f"the reply is kept beside it as turn {finished.turn.number}."
        )

    async def settle_turns(self, owner: str, conversation: str, *, lease: Lease, now: float) -> list[Turn]:
        """Close open turns as failed; a partial reply becomes their last item."""
        return await self._write(appends.settle_turns, owner, conversation, lease, now)

    async def move_tip(
        self, owner: str, conversation: str, to: Position, *, lease: Lease, now: float
    ) -> None:
        """Point the conversation at an item, or at its start."""
        await self._write(appends.move_tip, owner, conversation, to, lease, now)

    async def forget_turn(
        self, owner: str, conversation: str, turn: int, *, lease: Lease, now: float, alike: bool = True
    ) -> tuple[int, ...]:
        """Put tombstones in a turn's place, in the file and in the write-ahead log."""
        return await self._erase(forget.forget_turn, owner, conversation, turn, lease, now, alike)

    async def load_turn(self, owner: str, conversation: str, turn: int) -> Turn:
        """Load a turn by number."""
        return await self._read(turns.load_turn, owner, conversation, turn)

    async def load_turns(
        self, owner: str, conversation: str, *, tip: Position, after: int = 0, last: int | None = None
    ) -> list[Turn]:
        """Load the turns on the path to `tip` that begin after seq `after`, oldest first."""
        return await self._read(paths.load_turns, owner, conversation, tip, after, last)

    async def load_turn_items(self, owner: str, conversation: str, turn: int) -> list[StoredItem]:
        """Load a turn's items, whatever its state."""
        return await self._read(turns.load_turn_items, owner, conversation, turn)

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
        """Load the items on the path to `tip` with seq > `after`, oldest first, all or those of a kind."""
        return await self._read(paths.load_log, owner, conversation, tip, after, limit, kind)

    async def is_ancestor(self, owner: str, conversation: str, position: Position, tip: Position) -> bool:
        """Tell whether `position` lies on the path to `tip`."""
        return await self._read(paths.is_on_path, owner, conversation, position, tip)

    async def load_receipt(self, owner: str, conversation: str, turn: int) -> Mapping[str, Any] | None:
        """Load a turn's receipt; None: it has none."""
        return await self._read(turns.load_receipt, owner, conversation, turn)

    async def load_partial(self, owner: str, conversation: str, turn: int) -> str:
        """Load what is kept of a reply that is still streaming or was never finished."""
        return await self._read(turns.load_partial, owner, conversation, turn)

    # -- views -----------------------------------------------------------------
    async def save_view(
        self, owner: str, conversation: str, *, at: Position, key: str, body: Mapping[str, Any], now: float
    ) -> StoredView:
        """Insert a view."""
        return await self._write(views.save_view, owner, conversation, at, key, body, now)

    async def point_view(
        self, owner: str, conversation: str, *, expected: int | None, current: int | None, pending: int | None
    ) -> bool:
        """Compare-and-swap the view pointers."""
        return await self._write(views.point_view, owner, conversation, expected, current, pending)

    async def load_view(self, owner: str, conversation: str, number: int) -> StoredView:
        """Load a view by number."""
        return await self._read(views.load_view, owner, conversation, number)

    async def find_view(
        self, owner: str, conversation: str, *, tip: Position, key: str | None
    ) -> StoredView | None:
        """Find the newest view that folded nothing but ancestors of `tip`."""
        return await self._read(views.find_view, owner, conversation, tip, key)

    # -- texts that stand elsewhere --------------------------------------------
    async def seal_texts(self, owner: str, conversation: str, texts: Sequence[str]) -> list[bytes]:
        """Seal texts of a conversation; for an encrypted file alone."""
        from . import outside  # with all that an encrypted file needs

        return await self._read(outside.seal_texts, owner, conversation, texts)

    async def open_texts(self, sealed: Sequence[tuple[str, str, bytes]]) -> list[str | None]:
        """Open them; None where their key is gone."""
        from . import outside

        return await self._read(outside.open_texts, sealed)

    # -- marks -----------------------------------------------------------------
    async def load_marks(self, owner: str, conversation: str) -> Marks:
        """Load the marks that stand for personal data."""
        return await self._read(mark_rows.load_marks, owner, conversation)

    async def save_marks(self, owner: str, conversation: str, before: Marks, marks: Marks) -> bool:
        """Keep new ones; durable before the engine reads them."""
        return await self._write(mark_rows.save_marks, owner, conversation, before, marks)

    async def forget_unsaid_marks(self, owner: str, conversation: str) -> None:
        """Take values out of the map that stand in no item any more."""
        await self._write(mark_rows.forget_unsaid_marks, owner, conversation)

    # -- sizes -----------------------------------------------------------------
    async def save_sizes(
        self, owner: str, conversation: str, tokenizer: str, sizes: Mapping[Position, int]
    ) -> None:
        """Keep counted tokens of items."""
        await self._note(paths.save_sizes, owner, conversation, tokenizer, sizes)

    async def load_sizes(
        self, owner: str, conversation: str, tokenizer: str, *, tip: Position, after: int = 0
    ) -> dict[Position, int]:
        """Load kept sizes of the items on the path to `tip` after seq `after`."""
        return await self._read(paths.load_sizes, owner, conversation, tokenizer, tip, after)

    # -- recall ----------------------------------------------------------------
    async def consult(
        self, owner: str, conversation: str, look: Callable[[Index], Looked], *, tip: Position
    ) -> Looked:
        """Let `look` ask the index of the path to `tip`, all in one reading."""
        return await self._read(lambda database: look(postings.PathIndex(database, owner, conversation, tip)))

    async def load_elsewhere(self, owner: str, keys: Sequence[int], *, apart: str | None) -> list[Elsewhere]:
        """Load postings of these terms in all conversations of an owner but `apart`."""
        return await self._read(postings.load_elsewhere, owner, keys, apart)

    async def index_words(self, owner: str, conversation: str) -> IndexProgress:
        """Index some turns that were not when they were said."""
        return await self._note(postings.index_slice, owner, conversation)

    async def find_unembedded(
        self, owner: str, conversation: str, embedder: str, *, limit: int
    ) -> Unembedded:
        """Find the messages of the next turns that have no vectors of that embedder."""
        return await self._read(vector_rows.find_unembedded, owner, conversation, embedder, limit)

    async def save_vectors(
        self, owner: str, conversation: str, embedder: str, batch: Unembedded, vectors: Sequence[bytes]
    ) -> bool:
        """Keep a batch's vectors, unless another process did meanwhile."""
        return await self._note(vector_rows.save_vectors, owner, conversation, embedder, batch, vectors)

    async def load_vectors(
        self, owner: str, conversation: str, embedder: str, *, after: int, limit: int
    ) -> list[StoredVector]:
        """Load vectors of turns numbered above `after`, in their order."""
        return await self._read(vector_rows.load_vectors, owner, conversation, embedder, after, limit)

    async def measure_embedded(self, owner: str, conversation: str, embedder: str) -> IndexProgress:
        """Say how far a conversation has vectors of that embedder."""
        return await self._read(vector_rows.measure_embedded, owner, conversation, embedder)

    async def drop_other_vectors(self, owner: str, conversation: str, embedder: str) -> None:
        """Throw away the vectors of other embedders."""
        await self._note(vector_rows.drop_other_vectors, owner, conversation, embedder)

    # -- everything ------------------------------------------------------------
    async def search_text(
        self, owner: str, text: str, *, conversation: str | None = None, limit: int = 20
    ) -> list[Hit]:
        """Find items whose text contains `text`, case folded, newest first; in slices, so that turns go on."""
        hits: list[Hit] = []
        before: int | None = None
        while len(hits) < limit:
            part = await self._read(search.search_slice, owner, text.casefold(), conversation, before)
            hits.extend(part.hits)
            if part.before is None:
                break
            before = part.before
        return hits[:limit]

    async def export_items(
        self, owner: str, conversation: str
    ) -> AsyncIterator[tuple[Turn, list[StoredItem]]]:
        """Yield all turns with their items, in the order of asking, all branches."""
        after = 0
        while page := await self._read(turns.load_page, owner, conversation, after, _EXPORT_TURNS):
            for turn, items in page:
                yield turn, items
            after = page[-1][0].number

    async def load_value(self, key: str) -> str | None:
        """Load a small value."""
        return await self._read(values.load_value, key)

    async def save_value(self, key: str, value: str) -> None:
        """Keep a small value, in place of the one before."""
        await self._note(values.save_value, key, value)

    async def stats(self, owner: str | None = None) -> StoreStats:
        """Count rows and bytes; reads the whole file."""
        return await self._read(measure.measure, self.path, owner)

    async def close(self) -> None:
        """Finish what was handed in and close the file."""
        await self._worker.close()
