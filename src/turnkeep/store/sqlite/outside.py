"""Statements for texts that stand outside of an encrypted database, sealed by its keys."""

from collections.abc import Sequence

from ...errors import ConversationNotFound, StoreDamaged
from .conversations import find_place
from .database import Database
from .sealed import SealedDatabase

_COLUMN = "outside.text"  # what a sealed text is bound to, beside its conversation


def seal_texts(database: Database, owner: str, conversation: str, texts: Sequence[str]) -> list[bytes]:
    """Seal texts of a conversation; of none, by the store's own key."""
    assert isinstance(database, SealedDatabase)
    if not conversation:
        sealed = [database.sealer.seal_own(text, _COLUMN, owner) for text in texts]
    else:
        place, _ = find_place(database, owner, conversation)
        sealed = [database.sealer.seal(text, database.load_key(*place), _COLUMN, *place) for text in texts]
    return [each for each in sealed if each is not None]


def open_texts(database: Database, sealed: Sequence[tuple[str, str, bytes]]) -> list[str | None]:
    """Open them; None where that cannot be done any more."""
    assert isinstance(database, SealedDatabase)
    return [_open(database, *each) for each in sealed]


def _open(database: SealedDatabase, owner: str, conversation: str, sealed: bytes) -> str | None:
    try:
        if not conversation:
            text = database.sealer.unseal_own(sealed, _COLUMN, owner)
        else:
            place, _ = find_place(database, owner, conversation)
            text = database.sealer.unseal(sealed, database.load_key(*place), _COLUMN, *place)
    except (ConversationNotFound, StoreDamaged):
        return None
    return text if isinstance(text, str) else None
