"""Take texts out of the journal, for good, so that the chain still holds.

What is to be forgotten is written down first, with a proof that only the journal's key makes; then each
file is written anew without those texts and their keys, put in the old one's place, and the old bytes are
overwritten. Whatever is cut short goes on with the next writer: it is wholly done, or not begun.

Blocks; for a thread of its own.
"""

import json
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from ..errors import AuditFailed
from .base import Entry, Forgotten, Spans, Which
from .chain import Record, Secret, forget_line, read_line
from .folder import Folder, open_held, open_private, replace_file, sync, write_all, write_whole
from .forgotten import note_forgotten
from .journal import read_lines
from .verify import ranges


def is_meant(which: Which, entry: Entry) -> bool:
    """Whether a turn is one of those."""
    fields = {
        "owner": entry.owner, "conversation": entry.conversation, "turn": entry.turn, "at": entry.at,
    }  # fmt: skip
    return _matches(which, fields, {**entry.texts, "key_name": entry.key})


def _matches(which: Which, fields: Any, texts: Any) -> bool:  # Any: JSON values of our own making
    said = "\n".join(texts.values()) if which.holding is not None else ""
    return (
        (which.owner is None or fields["owner"] == which.owner)
        and (which.conversation is None or fields["conversation"] == which.conversation)
        and (which.turns is None or fields["turn"] in which.turns)
        and (which.before is None or fields["at"] < which.before)
        and (which.key_names is None or texts.get("key_name") in which.key_names)
        and (which.holding is None or which.holding in said or json.dumps(which.holding)[1:-1] in said)
    )


def forget_texts(folder: Folder, which: Which, *, dry_run: bool = False) -> Forgotten:
    """Find the records, and take their texts out; the intent stays until the chain says so (recorder.py).

    Raises:
        AuditFailed: it cannot be read or written.
    """
    try:
        secret = folder.load_secret()
        if dry_run:
            return _find(folder, secret, which)
        with folder.hold():
            folder.sweep()
            spans = _read_intent(folder, secret)
            note_forgotten(folder, secret, which, time.time())
            found = _find(folder, secret, which)
            for file, more in found.records.items():
                spans[file] = _join(spans.get(file, []), more)
            if spans:
                _write_intent(folder, secret, spans)
                _rewrite(folder, secret, spans)
    except OSError as error:
        raise _failed(folder, error) from error
    return Forgotten(records=spans, turns=found.turns, bytes=found.bytes)


def finish_forgetting(folder: Folder) -> Forgotten | None:
    """Go on with what a crash has broken off, and sweep up; None: there was nothing to finish.

    Raises:
        AuditFailed: it cannot be read or written.
    """
    try:
        secret = folder.load_secret()
        with folder.hold():
            folder.sweep()
            spans = _read_intent(folder, secret)
            _rewrite(folder, secret, spans)
    except OSError as error:
        raise _failed(folder, error) from error
    return Forgotten(records=spans) if spans else None


def _find(folder: Folder, secret: Secret, which: Which) -> Forgotten:
    records: Spans = {}
    turns = size = 0
    for file in folder.list():
        numbers = []
        with folder.file(file).open("rb", buffering=0) as source:
            for record in _records(secret, file, source):
                if record.texts is not None and _matches(which, record.fields, record.texts):
                    numbers.append(record.number)
                    turns += 1
                    size += sum(len(text.encode()) for text in record.texts.values())
        if numbers:
            records[file] = ranges(numbers)
    return Forgotten(records=records, turns=turns, bytes=size)


def _records(secret: Secret, file: str, source: IO[bytes]) -> Iterator[Record]:
    for line in read_lines(source):
        record = read_line(secret, file, line)
        if isinstance(record, Record) and record.kind == "turn":
            yield record


def _rewrite(folder: Folder, secret: Secret, spans: Spans) -> None:
    for file in spans:
        try:
            with open_held(folder.file(file)) as source:
                _rewrite_file(folder, secret, file, source, spans[file])
        except FileNotFoundError:
            continue  # its time was over meanwhile


def _rewrite_file(
    folder: Folder, secret: Secret, file: str, source: IO[bytes], spans: Sequence[tuple[int, int]]
) -> None:
    """Write a file anew without the texts of some records; every other line stays byte for byte."""
    path = folder.file(file)
    part = path.with_name(f"{file}.tmp")
    changed = False
    with open_private(part) as copy:
        copy.truncate(0)
        for line in read_lines(source):
            kept = line
            record = read_line(secret, file, line)
            if isinstance(record, Record) and record.texts is not None and _is_in(record.number, spans):
                kept, changed = forget_line(secret, file, line), True
            write_all(copy, kept)
        sync(copy)
    if changed:
        replace_file(path, part)
    else:
        part.unlink()


def _is_in(number: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(first <= number <= last for first, last in spans)


def _join(some: Sequence[tuple[int, int]], more: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return ranges({number for first, last in (*some, *more) for number in range(first, last + 1)})


# -- what is being forgotten, written down before -------------------------------------------------
def _write_intent(folder: Folder, secret: Secret, spans: Spans) -> None:
    text = json.dumps(spans, sort_keys=True)
    write_whole(
        folder.intent, json.dumps({"records": text, "mac": secret.mac("intent", text.encode())}).encode()
    )


def _read_intent(folder: Folder, secret: Secret) -> Spans:
    """What was being forgotten; nothing where the note is not of our making."""
    try:
        body = json.loads(folder.intent.read_bytes())
        text = body["records"]
        if body["mac"] != secret.mac("intent", text.encode()):
            return {}
        return {file: [(first, last) for first, last in spans] for file, spans in json.loads(text).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _failed(folder: Folder, error: OSError) -> AuditFailed:
    why = error.strerror or error
    return AuditFailed(
        f"Nothing can be forgotten in the audit journal {folder.path} ({why}): make room and give leave to write there."
    )
