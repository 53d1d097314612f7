"""Statements for retries: which request a client's key stands for.

Two requests with the same key that come at once are told apart here: writers take turns, so one
of them claims the key and the other finds it claimed. No text is kept: the client's key and its
request stand here as digests under the owner's key, for a day.
"""

import hashlib
from typing import Any

from ..ids import parse_key
from ..ledger import IDEMPOTENCY_SECONDS, Claim, ClaimState
from .database import Database
from .digests import find_digest_key, make_digest_key
from .leases import drop_passed
from .rows import plain

_DIGEST_BYTES = 16


def claim_idempotency(
    database: Database, owner: str, key: str, digest: bytes, now: float, keeper: str | None
) -> Claim:
    """Insert a claim, or return the one that is there."""
    database.execute("DELETE FROM idempotency WHERE created <= ?", (now - IDEMPOTENCY_SECONDS,))
    drop_passed(database, now - IDEMPOTENCY_SECONDS)
    place = _place(make_digest_key(database, owner), key)
    owner = plain(owner)
    row = database.execute(
        "SELECT request, state, response, keeper, created FROM idempotency "
        "WHERE owner = (SELECT number FROM owner WHERE name = ?) AND digest = ?",
        (owner, place),
    ).fetchone()
    if row is not None and not _is_abandoned(database, row, now):
        request, state, response, _, created = row
        return Claim(fresh=False, digest=request, state=state, response=response, created=created)
    database.execute(
        "INSERT OR REPLACE INTO idempotency (owner, digest, request, state, keeper, created) "
        "SELECT number, ?, ?, 'open', ?, ? FROM owner WHERE name = ?",
        (place, digest, None if keeper is None else plain(keeper), now, owner),
    )
    return Claim(fresh=True, digest=digest, state="open", response=None, created=now)


def _is_abandoned(
    database: Database,
    row: tuple[Any, ...],  # Any: columns, typed by the schema
    now: float,
) -> bool:
    """Whether who claimed it died before a response was known."""
    _, state, response, keeper, _ = row
    if state != "open" or response is not None or keeper is None:
        return False
    alive = database.execute(
        "SELECT 1 FROM lease WHERE subject = ? AND holder IS NOT NULL AND expires > ?", (keeper, now)
    ).fetchone()
    return alive is None


def settle_idempotency(
    database: Database, owner: str, key: str, response: str | None, state: ClaimState
) -> None:
    """Note the response of a claim, and how it stands."""
    secret = find_digest_key(database, owner)
    if secret is None:
        return
    # A response that is not stored embeds the key of no conversation: its claim is of none.
    embedded = None if response is None else parse_key(response)
    database.execute(
        "UPDATE idempotency SET state = ?, response = ?, "
        "conversation = (SELECT number FROM conversation WHERE owner = idempotency.owner AND key = ?) "
        "WHERE owner = (SELECT number FROM owner WHERE name = ?) AND digest = ?",
        (state, response, embedded, plain(owner), _place(secret, key)),
    )


def drop_idempotency(database: Database, owner: str, key: str, response: str | None) -> None:
    """Delete a claim; with a response only where that answers it."""
    secret = find_digest_key(database, owner)
    if secret is not None:
        database.execute(
            "DELETE FROM idempotency WHERE owner = (SELECT number FROM owner WHERE name = ?) AND digest = ? "
            "AND response IS coalesce(?, response)",
            (plain(owner), _place(secret, key), response),
        )


def _place(secret: bytes, key: str) -> bytes:
    return hashlib.blake2b(
        key.encode("utf-8", "surrogatepass"), key=secret, digest_size=_DIGEST_BYTES
    ).digest()
