"""Tampering with a journal of 30 records: whatever is done to its bytes without its key is found."""

import random
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from tests.audit.journals import check, folder_in, write_journal
from turnkeep.audit.base import AuditRules, Which
from turnkeep.audit.folder import Folder
from turnkeep.audit.forgetting import forget_texts
from turnkeep.audit.verify import FileCheck, check_journal, check_lines, ranges

RECORDS = 30  # turns; with the file's first record there are 31 lines


@pytest.fixture
def journal(tmp_path: Path):
    folder = folder_in(tmp_path)
    heads = write_journal(folder, RECORDS)
    return folder, heads, folder.file(folder.list()[0])


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def findings(folder: Folder, heads, lines: list[bytes]) -> list[str]:
    secret, name = folder.load_secret(), folder.list()[0]
    report = check_lines(secret, name, lines, next(head for head in heads if head.file == name))
    return [f"{each.kind} {each.number}" for each in check_journal(secret, [report], heads)]


def test_a_journal_that_nobody_touched_is_what_was_written(journal) -> None:
    folder, heads, _ = journal
    assert check(folder, heads) == []
    assert check(folder, None) == []


def test_every_byte_that_is_flipped_is_found(journal) -> None:
    folder, _, path = journal
    lines, chosen, flipped = lines_of(path), random.Random(7), 0
    assert len(lines) == RECORDS + 1
    so_far = FileCheck(folder.load_secret(), path.name)
    for number, line in enumerate(lines):
        for place in range(len(line)):
            other = bytearray(line)
            other[place] ^= 1 << chosen.randrange(8)
            # As a reader finds it: a byte that becomes the end of a line cuts it in two, an end that goes joins two.
            text = b"".join([bytes(other), *lines[number + 1 : number + 3]])
            check_rest = deepcopy(so_far)
            for piece in BytesIO(text):
                check_rest.add(piece)
            report = check_rest.end()
            assert report.findings, (number, place)
            flipped += 1
        so_far.add(line)
    assert flipped == path.stat().st_size


def test_a_flipped_byte_names_its_record(journal) -> None:
    folder, heads, path = journal
    lines = lines_of(path)
    lines[11] = lines[11].replace(b"scripted", b"Scripted")
    assert findings(folder, heads, lines) == ["changed 12"]


@pytest.mark.parametrize("count", range(1, RECORDS + 2))
def test_records_cut_off_the_end_are_found(journal, count: int) -> None:
    folder, heads, path = journal
    assert findings(folder, heads, lines_of(path)[:-count]) == [f"cut off {RECORDS + 2 - count}"]


@pytest.mark.parametrize("number", range(1, RECORDS + 1))
def test_every_record_that_is_dropped_is_found(journal, number: int) -> None:
    folder, heads, path = journal
    lines = lines_of(path)
    del lines[number - 1]
    assert findings(folder, heads, lines) == [f"missing {number}"]


def test_records_that_are_swapped_are_found(journal) -> None:
    folder, heads, path = journal
    lines = lines_of(path)
    for first in range(RECORDS):
        for second in {first + 1, first + 2, RECORDS} - {RECORDS + 1}:
            other = [*lines]
            other[first], other[second] = other[second], other[first]
            found = findings(folder, heads, other)
            assert found
            assert {each.split()[0] for each in found} <= {"reordered", "missing", "cut off", "changed"}
            assert any(str(first + 1) in each or str(second + 1) in each for each in found)


@pytest.mark.parametrize("number", range(1, RECORDS + 2))
def test_every_record_that_stands_there_twice_is_found(journal, number: int) -> None:
    folder, heads, path = journal
    lines = lines_of(path)
    for place in (number, len(lines)):
        other = [*lines]
        other.insert(place, lines[number - 1])
        assert findings(folder, heads, other) == [f"doubled {number}"]


def test_half_a_last_line_is_found(journal) -> None:
    folder, heads, path = journal
    path.write_bytes(path.read_bytes()[:-5])
    assert check(folder, heads) == [
        f"{path.name}: torn: the last line is half written ({len(lines_of(path)[-1])} bytes)",
        f"{path.name}: cut off: record 31 is missing at the end",
    ]


def test_a_key_or_database_alone_does_not_hide_a_cut(journal) -> None:
    folder, (roll, head), path = journal
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[:-1]))
    earlier = check_lines(folder.load_secret(), path.name, lines[:-1])
    forged = replace(head, count=earlier.count, link=earlier.link)  # with the proof of another count
    assert [line.split(": ")[1] for line in check(folder, [roll, forged])] == ["unknown"]
    assert [line.split(": ")[1] for line in check(folder, [roll, head])] == ["cut off"]


def test_a_file_that_was_taken_away_is_found(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    heads = write_journal(folder, RECORDS, AuditRules(rotate_bytes=4_096))
    names = folder.list()
    assert len(names) >= 4
    assert check(folder, heads) == []
    for name in names:
        text = folder.file(name).read_bytes()
        folder.file(name).unlink()
        assert any(name in line and "missing" in line for line in check(folder, heads)), name
        without = [head for head in heads if head.file != name]  # the database's row with it
        assert any("list of the journal's files was changed" in line for line in check(folder, without))
        folder.file(name).write_bytes(text)


def test_files_that_change_names_are_found(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    heads = write_journal(folder, RECORDS, AuditRules(rotate_bytes=4_096))
    first, second = (folder.file(name) for name in folder.list()[:2])
    texts = first.read_bytes(), second.read_bytes()
    first.write_bytes(texts[1])
    second.write_bytes(texts[0])
    assert len(check(folder, heads)) > RECORDS // 2


def test_a_file_that_the_database_does_not_know_is_found(journal) -> None:
    folder, heads, _ = journal
    assert [line.split(": ")[1] for line in check(folder, heads[:1])] == ["unknown", "unknown"]


def test_a_text_that_was_forgotten_and_came_back_is_found(journal) -> None:
    folder, heads, path = journal
    before = lines_of(path)
    found = forget_texts(folder, Which(turns=frozenset({4, 5})))
    assert found.records == {path.name: [(5, 6)]}
    assert check(folder, heads) == []
    write_tombstone(folder, found.records)
    after = lines_of(path)
    after[4] = before[4]
    path.write_bytes(b"".join(after))
    assert [line.split(": ", 1)[1] for line in check(folder, None)] == [
        "changed: record 5 was forgotten, and its text is there again"
    ]


def write_tombstone(folder: Folder, records) -> None:
    from turnkeep.audit.journal import Draft, Journal

    journal = Journal(folder, AuditRules())
    journal.open()
    if journal.wanted() is not None:
        journal.begin()
    journal.append([Draft({"kind": "forget", "at": 1.0, "records": records})])
    journal.close()


def test_numbers_are_folded_into_ranges() -> None:
    assert ranges([5, 1, 2, 3]) == [(1, 3), (5, 5)]
    assert ranges([]) == []
