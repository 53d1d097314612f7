"""Statements for the marks that stand for personal data in what a model reads."""

from collections.abc import Collection

from ...privacy.marks import Mark, Marks
from .conversations import Place, find_place
from .database import Database
from .rows import dump_json, plain

_SHOWN = ""  # the kind of what is left as it is
_SELECT = "SELECT kind, number, value FROM mark WHERE owner = ? AND conversation = ? ORDER BY kind, number"


def load_marks(database: Database, owner: str, conversation: str) -> Marks:
    """Load the marks of a conversation."""
    place, _ = find_place(database, owner, conversation)
    return _load(database, place)


def _load(database: Database, place: Place) -> Marks:
    rows = database.execute(_SELECT, place).fetchall()
    marks = tuple(Mark(kind, number, value) for kind, number, value in rows if kind != _SHOWN)
    return Marks(marks, frozenset(value for kind, _, value in rows if kind == _SHOWN and value is not None))


def save_marks(database: Database, owner: str, conversation: str, before: Marks, marks: Marks) -> bool:
    """Insert what is new in `marks`; False, and nothing, where the stored ones are not `before`."""
    place, _ = find_place(database, owner, conversation)
    stored = _load(database, place)
    if set(stored.marks) != set(before.marks) or stored.shown != before.shown:
        return False
    known = set(stored.marks)
    last = database.execute(
        "SELECT COALESCE(MAX(number), 0) FROM mark WHERE owner = ? AND conversation = ? AND kind = ?",
        (*place, _SHOWN),
    ).fetchone()[0]
    rows = [(one.kind, one.number, one.value) for one in marks.marks if one not in known]
    rows += [
        (_SHOWN, last + index, value) for index, value in enumerate(sorted(marks.shown - stored.shown), 1)
    ]
    database.executemany(
        "INSERT INTO mark (owner, conversation, kind, number, value) VALUES (?, ?, ?, ?, ?)",
        [(*place, kind, number, plain(value)) for kind, number, value in rows if value is not None],
    )
    return True


def forget_values(database: Database, place: Place, values: Collection[str]) -> None:
    """Take values out of the map; their marks stand for nothing from then on."""
    database.executemany(
        "UPDATE mark SET value = NULL WHERE owner = ? AND conversation = ? AND value = ?",
        [(*place, plain(value)) for value in values],
    )


def forget_unsaid_marks(database: Database, owner: str, conversation: str) -> None:
    """Take values out of a conversation's map that stand in none of its items any more."""
    place, _ = find_place(database, owner, conversation)
    forget_unsaid(database, place)


def forget_unsaid(database: Database, place: Place) -> None:
    """Take values out of the map that stand in no item of the conversation any more."""
    rows = database.execute(_SELECT, place).fetchall()
    forget_values(
        database,
        place,
        [value for _, _, value in rows if value is not None and not _is_said(database, place, value)],
    )


def _is_said(database: Database, place: Place, value: str) -> bool:
    written = dump_json(value)[1:-1]
    return bool(
        database.execute(
            "SELECT 1 FROM item WHERE owner = ? AND conversation = ? AND instr(body, ?) LIMIT 1",
            (*place, plain(written)),
        ).fetchone()
    )
