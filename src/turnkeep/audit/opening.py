"""Open the recorder that belongs to a store."""

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import MissingExtra, UsageError
from ..privacy.kinds import Rule
from ..store.base import Store
from ..store.heads import Heads
from .base import Audit, AuditRules, Forgotten, Which
from .chain import Record
from .folder import Folder
from .masking import find_masking
from .reading import read_records
from .recorder import Recorder
from .sealing import find_sealer, open_records


def open_recorder(
    store: Store, rules: AuditRules, patterns: Sequence[Rule] = (), *, linger: float = 0.0
) -> Recorder | None:
    """Make the recorder of a store's journal; nothing is opened or read before the first turn.

    Args:
        store: in a file, beside which the journal is.
        rules: what is written.
        patterns: what is masked besides what is found anyway.
        linger: seconds that a turn waits for others, as `Recorder` has it.

    Returns:
        None where nothing is to be written, or where the store is in memory and a journal would outlive it.

    Raises:
        UsageError: a journal is required, and cannot be had.
        MissingExtra: texts are to be masked by name, and what masks them is not installed.
    """
    path = getattr(store, "path", None)
    if rules.level == "off" or not isinstance(path, Path):
        if rules.required:
            raise UsageError(
                "The audit is required, but off or without a database file: set audit.level, and use a file."
            )
        return None
    masking = find_masking(store, patterns) if rules.level in (None, "masked") else None
    if rules.level == "masked" and masking is None:
        raise MissingExtra(
            "The audit cannot mask personal data without it: pip install 'turnkeep[privacy]', or set audit.level to sizes."
        )
    return Recorder(
        Folder.of(path),
        rules,
        heads=heads_of(store),
        masking=masking,
        sealer=find_sealer(store),
        linger=linger,
    )


async def forget_audit(
    store: Store, *which: Which, recorder: Audit | None = None, dry_run: bool = False
) -> Forgotten:
    """Take the texts of turns out of a store's journal, whatever its level is now.

    Args:
        store: whose journal.
        which: whose texts; the journal is gone through once for all of them.
        recorder: what writes the journal in this process, so that what waits there is forgotten too; None: nothing does.
        dry_run: only count them.

    Raises:
        AuditFailed: the journal cannot be read or written; asking again goes on with what was begun.
    """
    if recorder is not None:
        return await recorder.forget(*which, dry_run=dry_run)
    path = getattr(store, "path", None)
    if not isinstance(path, Path) or not Folder.of(path).path.exists():
        return Forgotten()
    own = Recorder(Folder.of(path), AuditRules(level="sizes"), heads=heads_of(store))
    try:
        return await own.forget(*which, dry_run=dry_run)
    finally:
        await own.close()


async def find_keyed(store: Store, owner: str | None, is_meant: Callable[[str], bool]) -> list[Which]:
    """Find the turns that came with a key whose name is one of those that are meant.

    Args:
        store: whose journal; where it is encrypted, the names are, too.
        owner: whose turns; None: everybody's.
        is_meant: tells it of a name.

    Raises:
        AuditFailed: the journal cannot be read.
    """
    path = getattr(store, "path", None)
    if not isinstance(path, Path) or not (folder := Folder.of(path)).exists:
        return []
    sealer, found = find_sealer(store), list[Which]()
    records = ((file, record) for file, record in read_records(folder) if _has_texts(record, owner))
    if sealer is None:
        return await asyncio.to_thread(
            lambda: [
                _only(record) for _, record in records if record is not None and _is_named(record, is_meant)
            ]
        )
    async for _, record in open_records(sealer, records):
        if record is not None and _is_named(record, is_meant):
            found.append(_only(record))
    return found


def _has_texts(record: Record | None, owner: str | None) -> bool:
    return record is not None and bool(record.texts) and owner in (None, record.fields["owner"])


def _is_named(record: Record, is_meant: Callable[[str], bool]) -> bool:
    name = (record.texts or {}).get("key_name")
    return name is not None and is_meant(str(name))


def _only(record: Record) -> Which:
    """What means this turn alone; of turns that are not stored, those up to it."""
    fields = record.fields
    return Which(
        owner=fields["owner"],
        conversation=fields["conversation"],
        turns=frozenset({fields["turn"]}),
        before=None if fields["turn"] else math.nextafter(fields["at"], math.inf),
    )


def heads_of(store: Store) -> Heads | None:
    """The part of a store that keeps how far the journal's files have come; None: it has none."""
    return store if hasattr(store, "load_audit_heads") else None  # type: ignore[return-value]  # looked for above
