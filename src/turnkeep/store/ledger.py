"""What a gateway asks of a store beyond what a turn does: the rows it gets back, and the `Ledger` protocol.

    response       one answered request; its words are the turn's, here stands what else was asked
    event          what a background response streamed, for replay; gone with the response
    idempotency    which request a client's key stands for, so that a retry makes no second turn
    digest         keyed hashes of whole histories, by which a resent one is recognised
    key            who may come in, and whose conversations are seen then
    alias          ids that are not of our making

Everything is asked for by owner: what belongs to another owner is not found. Where an id of a response
or an item is asked for, an alias of it does as well. Forgetting a turn takes all of this of it
along, and so does deleting a conversation.
All times are seconds since the epoch (UTC), given by the caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from ..conversation.items import Item
from ..conversation.log import Position
from .base import Conversation, ConversationKind, Lease, StoredItem, Turn

ResponseKind: TypeAlias = Literal["response", "chat_completion"]
# What overrides what the turn's state says; cancelled and failed are final.
ResponseStatus: TypeAlias = Literal["queued", "cancelled", "failed"]
ClaimState: TypeAlias = Literal["open", "done", "failed"]
Order: TypeAlias = Literal["asc", "desc"]

IDEMPOTENCY_SECONDS = 24 * 3600.0  # how long a client's key stands for its request
MOST_FOUND = 16  # places that one digest is looked up at: regenerations of one answer, copies of one chat


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResponse:
    """A response's row that is to be kept."""

    id: str  # that `response_id` or `completion_id` made, whose key is its conversation's
    created: float
    kind: ResponseKind = "response"
    turn: int | None = None  # its turn's number; None: not begun yet
    previous: str | None = None  # id of the response it continues, of the same conversation
    conversation_given: bool = False  # the client named the conversation
    status: ResponseStatus | None = None  # "queued", or None for what the turn's state says
    keeper: str | None = (
        None  # subject of the lease whose holder will work on it; None: the conversation's own
    )
    model: str | None = None  # as the client named it
    metadata: Mapping[str, str] = field(default_factory=dict)  # as the client gave it
    # Any: JSON of the gateway's own making: request fields to echo, without texts.
    head: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """A response's row. Its words are those of its turn."""

    id: str  # resp_<key><tag> or chatcmpl-<key><tag>
    owner: str
    conversation: str  # conv_<key>
    kind: ResponseKind
    turn: int | None  # number of its turn; None: not begun yet
    previous: str | None  # the response it continues, which may be deleted by now
    conversation_given: bool  # the client named the conversation; else the response's id is all it knows
    status: ResponseStatus | None  # None: what the turn's state says
    error: str | None  # why it failed before or beside its turn, one sentence
    keeper: str | None  # subject of the lease whose holder works on it while it is queued
    model: str | None  # as the client named it
    metadata: Mapping[str, str]  # as the client gave it
    # Any: JSON of the gateway's own making: request fields to echo, without texts. What stands under
    # "compaction" quotes the conversation, and goes when anything of that is forgotten.
    head: Mapping[str, Any]
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedResponse:
    """What a deleted response leaves behind.

    orphans: turns whose words nobody can reach any more, the newest first; the caller forgets each
        (`forget_turn(..., alike=False)`). Empty where other turns hang on them, or where the
        client has named the conversation, whose items stay.
    empty: nothing else is left in the conversation, so the caller may delete that instead.
    """

    conversation: str
    orphans: tuple[int, ...]
    empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a client's key stands for.

    `fresh`: this request has claimed it just now, and is to be answered. Otherwise it stands for the request
    of that digest: answer with its response, or refuse where digests differ.
    """

    fresh: bool
    digest: bytes  # of the request that claimed it first
    state: ClaimState  # failed: the engine refused the request
    response: str | None  # the response's id, once that is known
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A place whose history has a digest that was looked for."""

    digest: bytes
    conversation: str
    turn: int
    at: Position  # the turn's last item when the digest was saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The longest history that was found: `index` in the list that was given, `places` newest first, never empty."""

    index: int
    places: tuple[Recognised, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the gateway, without its secret, which nobody knows but its holder."""

    id: str
    name: str  # unique among the keys that are not revoked
    owner: str  # whose conversations it sees: "key:<id>", or the owner it was made for
    created: float
    used: float | None  # the day it was last used, as that day's beginning (UTC)
    revoked: float | None


class Ledger(Protocol):
    """What a gateway keeps. Raises as `Store` does; a response or item that is not there is `ConversationNotFound`."""

    # -- conversations and ids -----------------------------------------------------
    async def update_conversation(
        self,
        owner: str,
        conversation: str,
        *,
        kind: ConversationKind | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Conversation:
        """Set its kind or replace its metadata; None leaves as it is."""
        ...

    async def save_alias(self, owner: str, alias: str, target: str) -> None:
        """Let `alias` stand for `target`, an id of our making: of a conversation, a response, or an item as the wire shows it.

        Raises `Conflict` when the owner has that alias for something else; `UsageError` when `alias` has the
        form of an id of our making, or `target` has not.
        """
        ...

    async def find_id(self, owner: str, text: str) -> str | None:
        """Find the id of our making that `text` stands for: itself, or what it is an alias of; None when neither."""
        ...

    async def delete_owner(self, owner: str) -> None:
        """Remove all that belongs to an owner: conversations, claims, digests and their key. Its API keys go too."""
        ...

    # -- items ------------------------------------------------------------------------
    async def load_item(self, owner: str, conversation: str, item: str) -> StoredItem:
        """Load the item that an id belongs to: msg_, rs_, fc_, fco_ (all of one stored item), or an alias."""
        ...

    async def load_span(
        self, owner: str, conversation: str, *, tip: Position, after: int, upto: int
    ) -> list[StoredItem]:
        """Load the items on the path to `tip` with `after` < seq <= `upto`, oldest first: a page of a list."""
        ...

    async def append_turns(
        self,
        owner: str,
        conversation: str,
        turns: Sequence[Sequence[Item]],
        *,
        after: Position,
        lease: Lease,
        now: float,
    ) -> list[Turn]:
        """Append finished turns one behind the other in one transaction; the tip moves to the last.

        Many are indexed by words in upkeep (`index_words`), few at once. Raises as `begin_turn`.
        """
        ...

    async def forget_item(
        self, owner: str, conversation: str, item: str, *, lease: Lease, now: float
    ) -> tuple[str, ...]:
        """Forget one item as the wire shows it, with all that was made of it; returns the ids of what went.

        Other parts of the same stored item stay; where nothing is left, or reasoning alone, a tombstone does.
        A tool call goes with its results, and a result with its call. Lines of views that rest on its turn go,
        and lines that were recalled from it. Nothing happens to what is forgotten already: ().
        Raises as `forget_turn`.
        """
        ...

    # -- responses ---------------------------------------------------------------------
    async def save_response(
        self,
        owner: str,
        response: NewResponse,
        *,
        digests: Sequence[bytes] = (),
        idempotency: str | None = None,
    ) -> StoredResponse:
        """Insert a response's row.

        Args:
            owner: whose.
            response: the row.
            digests: of histories that end with its turn, kept along; see `save_digests`.
            idempotency: the client's key, whose claim it answers; see `settle_idempotency` (its state stays open).

        A queued one is durable when this returns; another is so with the next thing said there (a power cut
        may take it back until then).

        Raises:
            Conflict: there is a response of that id.
            UsageError: its id, or that of the response it continues, is none of this conversation.
        """
        ...

    async def load_response(self, owner: str, response: str) -> StoredResponse:
        """Load by id or alias."""
        ...

    async def find_response_of_turn(self, owner: str, conversation: str, turn: int) -> StoredResponse | None:
        """Find the response that a turn answered, the newest if there are several."""
        ...

    async def mark_response(
        self,
        owner: str,
        response: str,
        status: ResponseStatus | None,
        *,
        turn: int | None = None,
        error: str | None = None,
        head: Mapping[str, Any] | None = None,
    ) -> StoredResponse:
        """Change how it stands: None with a turn begins a queued one, cancelled and failed end it.

        With it, head is replaced unless it is None. What has ended stays as it is, but for a turn that it began all the same; so does one whose turn is done: returns the row as it stands then.
        Of a cancellation and a beginning that meet, the first wins; look at the row that comes back.
        """
        ...

    async def update_response(
        self,
        owner: str,
        response: str,
        *,
        metadata: Mapping[str, str] | None = None,
        head: Mapping[str, Any] | None = None,
    ) -> StoredResponse:
        """Replace metadata or head; None leaves as it is."""
        ...

    async def find_orphans(self, owner: str, response: str) -> DeletedResponse:
        """Say which turns nobody could reach any more without a response. Errors as of `delete_response`."""
        ...

    async def delete_response(self, owner: str, response: str) -> DeletedResponse:
        """Remove a response with its events and aliases; its turn's words are left to the caller to forget.

        Raises `Conflict` while its turn is open: cancel it first.
        """
        ...

    async def list_responses(
        self,
        owner: str,
        *,
        kind: ResponseKind,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        after: str | None = None,
        limit: int = 20,
        order: Order = "asc",
    ) -> list[StoredResponse]:
        """List in the order of creation those of that model and with all these pairs, from behind `after` on."""
        ...

    async def has_descendants(self, owner: str, response: str) -> bool:
        """Tell whether turns that are not forgotten hang on the response's turn."""
        ...

    async def orphaned_responses(self, *, now: float) -> list[StoredResponse]:
        """Find responses, of all owners, that nobody works on any more: to be settled and marked failed.

        Those are queued ones whose keeper's lease is dead, and those whose turn is open while the lease of
        their conversation ("conversation:<id>") is.
        """
        ...

    # -- events of background responses ----------------------------------------------------
    async def save_events(self, owner: str, response: str, events: Sequence[tuple[int, str]]) -> bool:
        """Keep events: sequence number and JSON text, as sent. A number that is kept already stays.

        False, and none is kept: something that they may say was forgotten.
        """
        ...

    async def load_events(
        self, owner: str, response: str, *, starting_after: int = -1, limit: int = 1_000
    ) -> list[tuple[int, str]]:
        """Load kept events numbered above `starting_after`, in their order."""
        ...

    # -- retries -----------------------------------------------------------------------------
    async def claim_idempotency(
        self, owner: str, key: str, digest: bytes, *, now: float, keeper: str | None = None
    ) -> Claim:
        """Claim a client's key for a request, unless it is claimed already; after a day it is free again.

        Args:
            owner: whose.
            key: as the client sent it; what is kept of it is keyed by the owner's digest key.
            digest: of the request, keyed by the owner's digest key.
            now: the time.
            keeper: subject of the lease of who will answer. When that is dead before a response is known,
                the claim is given to the next who asks.
        """
        ...

    async def settle_idempotency(
        self, owner: str, key: str, *, response: str | None, state: ClaimState
    ) -> None:
        """Say which response answers a claimed key, and how it stands; nothing happens without a claim."""
        ...

    async def drop_idempotency(self, owner: str, key: str, *, response: str | None = None) -> None:
        """Give a claim back: nothing came of it, a retry may try again.

        With `response` only while that answers it: another retry may have claimed the key anew.
        """
        ...

    # -- recognising histories -----------------------------------------------------------------
    async def load_digest_key(self, owner: str) -> bytes:
        """Load the 32 random bytes that key an owner's digests; made when first asked for, gone with the owner."""
        ...

    async def save_digests(self, owner: str, conversation: str, digests: Sequence[tuple[bytes, int]]) -> None:
        """Keep digests (16 bytes) of histories with the turns that end them; those of forgotten turns are not kept."""
        ...

    async def find_digests(self, owner: str, digests: Sequence[bytes]) -> Known | None:
        """Find the longest known history: the last of these digests, shortest history first, that is kept."""
        ...

    # -- keys ------------------------------------------------------------------------------------
    async def create_key(self, name: str, digest: bytes, *, now: float, owner: str | None = None) -> ApiKey:
        """Make a key of a secret's digest (store/keys.py), for a new owner, or for that of another key.

        Raises `Conflict` when a key that is not revoked has the name or the secret; `UsageError` without a
        name, or when `owner` is no key's.
        """
        ...

    async def list_keys(self) -> list[ApiKey]:
        """List all keys, revoked ones too, in the order of making."""
        ...

    async def revoke_key(self, key: str, *, now: float) -> ApiKey:
        """Revoke a key by name or id; its conversations stay. Raises `UsageError` when none is live by that name."""
        ...

    async def find_key(self, digest: bytes, *, now: float) -> ApiKey | None:
        """Find the key of a secret by its digest, and note the day of use; None: there is none, or it is revoked."""
        ...
