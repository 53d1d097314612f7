"""What forgets for somebody who has a store: a chat, a command. Where its files are, and what else holds text."""

from collections.abc import Callable
from pathlib import Path

from ..audit.base import Audit
from ..engine.base import Engine
from ..errors import UsageError
from ..prompt import Desk
from ..settings import INPUT_HISTORY, OWNER
from ..store.base import Store
from ..store.erasing import Eraser
from .backups import Backups
from .courses import Drop, Forgetter, ForgettingStore
from .engines import EngineCache
from .history import InputHistory
from .holds import hold_by_desk
from .journals import AuditTexts, JournalPlace
from .places import Folder, Place


def open_forgetter(
    store: Store,
    engine: Engine,
    *,
    holder: str,
    home: Path | None = None,
    open_store: Callable[[Path], ForgettingStore] | None = None,
    drop: Drop = lambda _owner, _conversations: None,
    audit: Audit | None = None,
    more: tuple[Place, ...] = (),
) -> Forgetter:
    """Make what forgets in a store.

    Args:
        store: what is forgotten in.
        engine: may hold in its cache what it read.
        holder: the name under which leases are taken.
        home: turnkeep's data folder; None: the database's, where the input history stands beside it.
        open_store: opens a backup's copy; None: this store makes no backups.
        drop: is told which conversations must not be held in memory any more.
        audit: what writes the audit journal in this process, if anything does.
        more: further places.

    Raises:
        UsageError: the store cannot forget.
    """
    checked = check_store(store)
    path: Path | None = getattr(store, "path", None)
    if home is None and path is not None and (path.parent / INPUT_HISTORY).exists():
        home = path.parent
    places: list[Place] = [EngineCache(engine), JournalPlace(AuditTexts(store, audit))]
    if home is not None:
        places.append(InputHistory(home / INPUT_HISTORY, OWNER))
    if open_store is not None and path is not None:
        places.append(Backups(checked, open_store))

    def make_desk(owner: str, conversation: str) -> Desk:
        return Desk(store=store, engine=engine, owner=owner, conversation=conversation, holder=holder)

    return Forgetter(
        checked,
        hold_by_desk(make_desk),
        folder=Folder(path, home),
        drop=drop,
        places=(*places, *more),
    )


def check_store(store: Store) -> ForgettingStore:
    """Refuse a store that cannot forget.

    Raises:
        UsageError: it cannot.
    """
    if not isinstance(store, Eraser):
        raise UsageError(f"{type(store).__name__} cannot forget: use a store with the methods of Eraser.")
    return store
