"""Statements for what was said elsewhere, where it came from, and the backups on record."""

from collections.abc import Iterator, Sequence

from ...conversation.items import Item
from ...conversation.log import START
from ..base import Conversation, Lease
from ..carrying import Backup, CarriedTurn, KnownImport
from ..ids import conversation_id
from . import appends
from .calls import Calls
from .conversations import create_conversation, find_place
from .database import Database
from .rows import plain
from .turns import find_turn


def append_carried(
    database: Database, owner: str, conversation: str, turns: Sequence[CarriedTurn], lease: Lease
) -> int:
    """Begin, extend and close each turn at the times at which its items were said."""
    place, _ = find_place(database, owner, conversation)
    number = 0
    for turn in turns:
        after = find_turn(database, place, turn.after).tip if turn.after else START
        first, *later = _by_time(turn.items)
        created, ended = turn.items[0][1], turn.items[-1][1]
        begun = appends.begin_turn(database, owner, conversation, first[1], after, lease, created)
        number = begun.number
        for moment, items in later:
            appends.append_items(database, owner, conversation, number, items, lease, moment)
        appends.finish_turn(
            database, owner, conversation, number, turn.state, (), turn.receipt, turn.error, lease, ended
        )
    return number


def _by_time(items: Sequence[tuple[Item, float]]) -> Iterator[tuple[float, list[Item]]]:
    """Items of one moment are appended together."""
    group: list[Item] = []
    moment = items[0][1]
    for item, created in items:
        if created != moment:
            yield moment, group
            group, moment = [], created
        group.append(item)
    yield moment, group


def begin_import(
    database: Database, owner: str, conversation: str, source: bytes, version: bytes, now: float
) -> Conversation:
    """Insert a conversation, and the row of its import that is not whole yet."""
    made = create_conversation(database, owner, None, now, conversation=conversation)
    _insert_import(database, owner, conversation, source, version)
    return made


def mark_import(
    database: Database, owner: str, conversation: str, source: bytes, version: bytes, now: float
) -> None:
    """Insert the row of an import that is whole."""
    _insert_import(database, owner, conversation, source, version)
    end_import(database, owner, conversation, now)


def _insert_import(database: Database, owner: str, conversation: str, source: bytes, version: bytes) -> None:
    place, _ = find_place(database, owner, conversation)
    database.execute(
        "INSERT INTO imported (owner, conversation, source, version) VALUES (?, ?, ?, ?)",
        (*place, source, version),
    )


def end_import(database: Database, owner: str, conversation: str, now: float) -> None:
    """Mark the import as whole."""
    place, _ = find_place(database, owner, conversation)
    database.execute("UPDATE imported SET finished = ? WHERE owner = ? AND conversation = ?", (now, *place))


def find_import(database: Database, owner: str, source: bytes) -> KnownImport | None:
    """Find the newest whole conversation of that source."""
    row = database.execute(
        "SELECT c.key, i.version FROM imported AS i JOIN owner AS o ON o.number = i.owner "
        "JOIN conversation AS c ON c.owner = i.owner AND c.number = i.conversation "
        "WHERE o.name = ? AND i.source = ? AND i.finished IS NOT NULL ORDER BY c.number DESC LIMIT 1",
        (plain(owner), source),
    ).fetchone()
    return None if row is None else KnownImport(conversation=conversation_id(row[0]), version=row[1])


def unfinished_imports(database: Database, owner: str) -> list[str]:
    """List the conversations that are not whole."""
    rows = database.execute(
        "SELECT c.key FROM imported AS i JOIN owner AS o ON o.number = i.owner "
        "JOIN conversation AS c ON c.owner = i.owner AND c.number = i.conversation "
        "WHERE o.name = ? AND i.finished IS NULL",
        (plain(owner),),
    ).fetchall()
    return [conversation_id(key) for (key,) in rows]


def plan_backup(database: Database, path: str, now: float) -> int:
    """Insert the row of a backup that is not there yet."""
    cursor = database.execute("INSERT INTO backup (path, made) VALUES (?, ?)", (plain(path), now))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def end_backup(database: Database, number: int, size: int, now: float) -> None:
    """Note that the file is there."""
    database.execute("UPDATE backup SET finished = ?, bytes = ? WHERE number = ?", (now, size, number))


def drop_backup(database: Database, number: int) -> None:
    """Delete its row."""
    database.execute("DELETE FROM backup WHERE number = ?", (number,))


def list_backups(database: Database) -> list[Backup]:
    """Load all rows."""
    rows = database.execute("SELECT number, path, made, finished, bytes FROM backup ORDER BY number")
    return [Backup(number=row[0], path=row[1], made=row[2], finished=row[3], bytes=row[4]) for row in rows]


class CarrierCalls(Calls):
    """Implements what `Carrier` adds to `Store`."""

    async def append_carried(
        self, owner: str, conversation: str, turns: Sequence[CarriedTurn], *, lease: Lease
    ) -> int:
        """Append closed turns, all or none; a power cut may take them back until `end_import`."""
        return await self._note(append_carried, owner, conversation, turns, lease)

    async def begin_import(
        self, owner: str, conversation: str, source: bytes, version: bytes, *, now: float
    ) -> Conversation:
        """Make a conversation that is being imported, all at once: a kill leaves none that nobody sweeps away."""
        return await self._write(begin_import, owner, conversation, source, version, now)

    async def mark_import(
        self, owner: str, conversation: str, source: bytes, version: bytes, *, now: float
    ) -> None:
        """Note that a conversation was imported, and is whole."""
        await self._write(mark_import, owner, conversation, source, version, now)

    async def end_import(self, owner: str, conversation: str, *, now: float) -> None:
        """Note that it is whole; on the disk with all before it when this returns."""
        await self._write(end_import, owner, conversation, now)

    async def find_import(self, owner: str, source: bytes) -> KnownImport | None:
        """Find the newest whole conversation that was imported from there."""
        return await self._read(find_import, owner, source)

    async def unfinished_imports(self, owner: str) -> list[str]:
        """List conversations whose import has not come to its end."""
        return await self._read(unfinished_imports, owner)

    async def plan_backup(self, path: str, *, now: float) -> int:
        """Put a backup on record before its file is made."""
        return await self._write(plan_backup, path, now)

    async def end_backup(self, number: int, *, size: int, now: float) -> None:
        """Note that the file stands in its place."""
        await self._write(end_backup, number, size, now)

    async def drop_backup(self, number: int) -> None:
        """Take a backup off the record."""
        await self._write(drop_backup, number)

    async def list_backups(self) -> list[Backup]:
        """List the backups on record, the oldest first."""
        return await self._read(list_backups)
