"""The journal of an encrypted store: its texts are sealed by their conversation's key, and opened to be shown.

The chain and its digests hold the sealed form, so that a check needs no key of the store's.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from ..store.outside import TextSealer
from .chain import Record, clean

SEALED = "sealed"  # stands alone in the place of a record's texts
_TOGETHER = 64  # records that are opened in one call


def find_sealer(store: Any) -> TextSealer | None:  # Any: whatever is a store
    """What seals the texts of a store's journal; None: the store is not encrypted."""
    return store if getattr(store, "seals_texts", False) else None


async def seal(sealer: TextSealer, owner: str, conversation: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Seal a record's texts into one; those of a turn that is not stored, of no conversation, by the store's own key.

    Raises:
        ConversationNotFound: it is gone.
    """
    (sealed,) = await sealer.seal_texts(owner, conversation, [json.dumps(clean(texts), ensure_ascii=False)])
    return {SEALED: base64.b64encode(sealed).decode()}


def is_sealed(record: Record) -> bool:
    """Whether a record's texts are sealed."""
    return record.texts is not None and record.texts.keys() == {SEALED}


async def open_records(
    sealer: TextSealer, records: Iterable[tuple[str, Record | None]]
) -> AsyncIterator[tuple[str, Record | None]]:
    """Yield records, with their texts opened where their key is there yet."""
    rest = iter(records)
    while batch := await asyncio.to_thread(lambda: list(islice(rest, _TOGETHER))):  # it may read files
        there = [record for _, record in batch if record is not None and is_sealed(record)]
        texts = await sealer.open_texts([_place(record) for record in there])
        opened = {id(record): _read(text) for record, text in zip(there, texts, strict=True)}
        for file, record in batch:
            known = None if record is None else opened.get(id(record))
            yield file, record if record is None or known is None else replace(record, texts=known)


def _place(record: Record) -> tuple[str, str, bytes]:
    assert record.texts is not None
    try:
        sealed = base64.b64decode(record.texts[SEALED], validate=True)
    except (binascii.Error, TypeError, ValueError):
        sealed = b""
    return str(record.fields["owner"]), str(record.fields["conversation"]), sealed


def _read(text: str | None) -> Mapping[str, str] | None:
    return None if text is None else json.loads(text)
