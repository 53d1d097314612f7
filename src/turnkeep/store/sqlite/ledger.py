"""The part of the store that a gateway asks for: each method hands one function to the database's thread."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...conversation.items import Item
from ...conversation.log import Position
from ..base import Conversation, ConversationKind, Lease, StoredItem, Turn
from ..heads import AuditHead
from ..ledger import (
    ApiKey,
    Claim,
    ClaimState,
    DeletedResponse,
    Known,
    NewResponse,
    Order,
    ResponseKind,
    ResponseStatus,
    StoredResponse,
)
from . import aliases, answers, api_keys, appends, conversations, paths, responses
from . import digests as digest_rows
from . import events as event_rows
from . import heads as head_rows
from . import idempotency as claims
from .erasure_calls import ErasureCalls
from .forget_item import forget_item


class LedgerCalls(ErasureCalls):
    """Implements `Ledger` and `Heads`."""

    # -- conversations and ids ---------------------------------------------------
    async def update_conversation(
        self,
        owner: str,
        conversation: str,
        *,
        kind: ConversationKind | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Conversation:
        """Set its kind or replace its metadata; None leaves as it is."""
        return await self._write(conversations.update_conversation, owner, conversation, kind, metadata)

    async def save_alias(self, owner: str, alias: str, target: str) -> None:
        """Let `alias` stand for `target`, an id of our making."""
        await self._write(aliases.save_alias, owner, alias, target)

    async def find_id(self, owner: str, text: str) -> str | None:
        """Find the id of our making that `text` stands for."""
        return await self._read(aliases.find_id, owner, text)

    async def delete_owner(self, owner: str) -> None:
        """Remove all that belongs to an owner."""
        await self._erase(conversations.delete_owner, owner)

    # -- items --------------------------------------------------------------------
    async def load_item(self, owner: str, conversation: str, item: str) -> StoredItem:
        """Load the item that an id or alias belongs to."""
        return await self._read(aliases.load_item, owner, conversation, item)

    async def load_span(
        self, owner: str, conversation: str, *, tip: Position, after: int, upto: int
    ) -> list[StoredItem]:
        """Load the items on the path to `tip` with `after` < seq <= `upto`, oldest first."""
        return await self._read(paths.load_span, owner, conversation, tip, after, upto)

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
        """Append finished turns one behind the other, all or none; the tip moves to the last."""
        return await self._write(appends.append_turns, owner, conversation, turns, after, lease, now)

    async def forget_item(
        self, owner: str, conversation: str, item: str, *, lease: Lease, now: float
    ) -> tuple[str, ...]:
        """Forget one item as the wire shows it, in the file and in the write-ahead log."""
        return await self._erase(forget_item, owner, conversation, item, lease, now)

    # -- responses ------------------------------------------------------------------
    async def save_response(
        self,
        owner: str,
        response: NewResponse,
        *,
        digests: Sequence[bytes] = (),
        idempotency: str | None = None,
    ) -> StoredResponse:
        """Insert a response's row, and what goes with it."""
        # The write that ends the turn makes durable what was noted before it; a queued one has none yet.
        run = self._write if response.status == "queued" else self._note
        return await run(answers.save_answer, owner, response, digests, idempotency)

    async def load_response(self, owner: str, response: str) -> StoredResponse:
        """Load by id or alias."""
        return await self._read(responses.load_response, owner, response)

    async def find_response_of_turn(self, owner: str, conversation: str, turn: int) -> StoredResponse | None:
        """Find the response that a turn answered, the newest if there are several."""
        return await self._read(responses.find_response_of_turn, owner, conversation, turn)

    async def mark_response(
        self,
        owner: str,
        response: str,
        status: ResponseStatus | None,
        *,
        turn: int | None = None,
        error: str | None = None,
        head: Mapping[str, Any] | None = None,  # Any: JSON of the gateway's own making
    ) -> StoredResponse:
        """Change how it stands, unless it has ended; returns the row as it stands then."""
        return await self._note(responses.mark_response, owner, response, status, turn, error, head)

    async def update_response(
        self,
        owner: str,
        response: str,
        *,
        metadata: Mapping[str, str] | None = None,
        head: Mapping[str, Any] | None = None,  # Any: JSON of the gateway's own making
    ) -> StoredResponse:
        """Replace metadata or head; None leaves as it is."""
        return await self._write(responses.update_response, owner, response, metadata, head)

    async def find_orphans(self, owner: str, response: str) -> DeletedResponse:
        """Say which turns nobody could reach any more without a response."""
        return await self._read(responses.find_orphans, owner, response)

    async def delete_response(self, owner: str, response: str) -> DeletedResponse:
        """Remove a response, from the file and from the write-ahead log, and say what it leaves behind."""
        return await self._erase(responses.delete_response, owner, response)

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
        return await self._read(
            responses.list_responses, owner, kind, model, metadata or {}, after, limit, order
        )

    async def has_descendants(self, owner: str, response: str) -> bool:
        """Tell whether turns that are not forgotten hang on the response's turn."""
        return await self._read(responses.has_descendants, owner, response)

    async def orphaned_responses(self, *, now: float) -> list[StoredResponse]:
        """Find responses, of all owners, that nobody works on any more."""
        return await self._read(responses.orphaned_responses, now)

    # -- events of background responses ---------------------------------------------
    async def save_events(self, owner: str, response: str, events: Sequence[tuple[int, str]]) -> bool:
        """Keep events: sequence number and JSON text; False: something that they may say was forgotten."""
        return await self._note(event_rows.save_events, owner, response, events)

    async def load_events(
        self, owner: str, response: str, *, starting_after: int = -1, limit: int = 1_000
    ) -> list[tuple[int, str]]:
        """Load kept events numbered above `starting_after`, in their order."""
        return await self._read(event_rows.load_events, owner, response, starting_after, limit)

    # -- retries ----------------------------------------------------------------------
    # A power cut that takes a claim back takes the turn back too: its first write waits for the disk.
    async def claim_idempotency(
        self, owner: str, key: str, digest: bytes, *, now: float, keeper: str | None = None
    ) -> Claim:
        """Claim a client's key for a request, unless it is claimed already."""
        return await self._note(claims.claim_idempotency, owner, key, digest, now, keeper)

    async def settle_idempotency(
        self, owner: str, key: str, *, response: str | None, state: ClaimState
    ) -> None:
        """Say which response answers a claimed key, and how it stands."""
        await self._note(claims.settle_idempotency, owner, key, response, state)

    async def drop_idempotency(self, owner: str, key: str, *, response: str | None = None) -> None:
        """Give a claim back."""
        await self._note(claims.drop_idempotency, owner, key, response)

    # -- recognising histories ----------------------------------------------------------
    async def load_digest_key(self, owner: str) -> bytes:
        """Load the key of an owner's digests, made when first asked for."""
        found = await self._read(digest_rows.find_digest_key, owner)
        return found if found is not None else await self._write(digest_rows.make_digest_key, owner)

    async def save_digests(self, owner: str, conversation: str, digests: Sequence[tuple[bytes, int]]) -> None:
        """Keep digests of histories with the turns that end them."""
        await self._note(digest_rows.keep_digests, owner, conversation, digests)

    async def find_digests(self, owner: str, digests: Sequence[bytes]) -> Known | None:
        """Find the longest known history: the last of these digests that is kept."""
        return await self._read(digest_rows.find_digests, owner, digests)

    # -- keys ------------------------------------------------------------------------------
    async def create_key(self, name: str, digest: bytes, *, now: float, owner: str | None = None) -> ApiKey:
        """Make a key of a secret's digest."""
        return await self._write(api_keys.create_key, name, digest, now, owner)

    async def list_keys(self) -> list[ApiKey]:
        """List all keys, revoked ones too, in the order of making."""
        return await self._read(api_keys.list_keys)

    async def revoke_key(self, key: str, *, now: float) -> ApiKey:
        """Revoke a key by name or id."""
        return await self._write(api_keys.revoke_key, key, now)

    async def find_key(self, digest: bytes, *, now: float) -> ApiKey | None:
        """Find the live key of a secret by its digest, and note the day of use."""
        found = await self._read(api_keys.find_key, digest)
        if found is not None and found.used != api_keys.day_of(now):  # once a day is written, and no more
            await self._note(api_keys.note_use, found, now)
        return found

    # -- the audit journal's files -----------------------------------------------
    async def load_audit_heads(self) -> list[AuditHead]:
        """Load what is known of the journal's files."""
        return await self._read(head_rows.load_heads)

    async def begin_audit_file(self, head: AuditHead, roll: AuditHead) -> bool:
        """Keep a file that is about to be begun, and the roll that counts it."""
        return await self._write(head_rows.begin_file, head, roll)

    async def save_audit_heads(self, heads: Sequence[AuditHead]) -> None:
        """Keep how far files have come."""
        await self._note(head_rows.save_heads, heads)
