"""Statements that a gateway asks for together: a response, the digests of its history, the claim that it answers.

Each hand-over to the store's thread costs more than most statements do.
"""

from collections.abc import Sequence

from ...errors import UsageError
from ..ledger import NewResponse, StoredResponse
from ..writing import Beside
from .conversations import Place
from .database import Database
from .digests import keep_digests, save_digests
from .idempotency import settle_idempotency
from .responses import save_completion, save_response


def save_answer(
    database: Database, owner: str, response: NewResponse, digests: Sequence[bytes], idempotency: str | None
) -> StoredResponse:
    """Insert a response, keep the digests of histories that end with its turn, settle a claim."""
    saved = save_response(database, owner, response)
    if digests:
        if saved.turn is None:
            raise UsageError("A history ends with a turn: keep its digests when the turn is there.")
        keep_digests(database, owner, saved.conversation, [(digest, saved.turn) for digest in digests])
    if idempotency is not None:
        settle_idempotency(database, owner, idempotency, saved.id, "open")
    return saved


def save_beside(database: Database, place: Place, turn: int, beside: Beside) -> None:
    """Keep what stands beside a turn that ends in this transaction."""
    if beside.completion is not None:
        save_completion(database, place, turn, beside.completion)
    if beside.digests:
        save_digests(database, place, [(digest, turn) for digest in beside.digests])
