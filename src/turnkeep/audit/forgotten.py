"""What was forgotten of late, for whoever writes: a turn may still wait in another process, or in this one.

Who forgets writes it down and takes texts out while it holds the folder; who writes holds the folder, looks,
and writes. So a record is either there when texts are taken out, or written without its texts. Lines hold
owners, ids and numbers, which records keep anyway, each with a proof that only the journal's key makes.

Blocks; for a thread of its own.
"""

import json
from collections.abc import Iterable, Iterator

from .base import Which
from .chain import Secret
from .folder import Folder, open_private, sync, write_all, write_whole

KEPT_SECONDS = 7 * 86_400.0  # what waits for longer is written without its texts
TRIM_BYTES = 1 << 20  # of the file: from there on, lines whose time is over are taken out


def note_forgotten(folder: Folder, secret: Secret, forgotten: Iterable[Which], now: float) -> None:
    """Write down what is being forgotten, where it names a conversation or a time: else it would go on for ever."""
    lines = [
        _line(secret, which, now)
        for which in forgotten
        if which.conversation is not None or which.before is not None
    ]
    if not lines:
        return
    with open_private(folder.forgotten) as file:
        if file.seek(0, 2) < TRIM_BYTES:
            write_all(file, b"\n" + b"".join(lines))  # a crash may have left half a line
            sync(file)
            return
        file.seek(0)
        kept = [each for each in file.readlines() if _is_young(secret, each, now)]
    write_whole(folder.forgotten, b"".join([*kept, *lines]))


def _line(secret: Secret, which: Which, now: float) -> bytes:
    turns = None if which.turns is None else sorted(which.turns)
    text = json.dumps([which.owner, which.conversation, turns, which.before, now])
    return json.dumps({"which": text, "mac": secret.mac("forgotten", text.encode())}).encode() + b"\n"


def read_forgotten(folder: Folder, secret: Secret) -> list[Which]:
    """What was forgotten of late; lines that are not of our making say nothing."""
    try:
        lines = folder.forgotten.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [which for which, _ in _read(secret, lines)]


def _is_young(secret: Secret, line: bytes, now: float) -> bool:
    return any(now - at < KEPT_SECONDS for _, at in _read(secret, [line]))


def _read(secret: Secret, lines: list[bytes]) -> Iterator[tuple[Which, float]]:
    for line in lines:
        try:
            body = json.loads(line)
            text = body["which"]
            if body["mac"] != secret.mac("forgotten", text.encode()):
                continue
            owner, conversation, turns, before, at = json.loads(text)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        numbers = None if turns is None else frozenset(turns)
        yield Which(owner=owner, conversation=conversation, turns=numbers, before=before), at
