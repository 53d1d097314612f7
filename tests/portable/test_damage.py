"""Files that are damaged in any way: a sentence, what was read is said, nothing half, and no waiting."""

import json
import os
import random
import re
import sqlite3
import struct
import time
import tracemalloc
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from tests.portable.damage import DAMAGES, damage_bytes
from tests.portable.files import (
    MESSAGES,
    OLD_LOG,
    chatgpt_branches,
    chatgpt_tools,
    openwebui_chat,
    sillytavern_lines,
    write_archive,
    write_lines,
    write_list,
    write_log,
)
from tests.stores import with_store

from turnkeep.carrying import Outcome, Wish, import_file
from turnkeep.cli import run
from turnkeep.conversation.items import assistant, user
from turnkeep.exporting import export_all
from turnkeep.portable import arrays
from turnkeep.portable.imported import Unreadable
from turnkeep.portable.openwebui import parse_openwebui
from turnkeep.portable.recognise import read_conversations
from turnkeep.portable.sillytavern import read_date
from turnkeep.portable.tree import UNHUNG, Node, cut_turns
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.examine import examine

OWNER = "local"
TIMES = int(os.environ.get("IMPORT_TEST_DAMAGES", "8"))  # for each form; 200 for the whole test
MOST_SECONDS = 10.0  # of processor time for one damaged file


def nothing(_done: int, _total: int) -> None:
    pass


def make(folder: Path, form: str) -> Path:
    path = folder / "whole"
    match form:
        case "chatgpt":
            return write_list(path, [chatgpt_branches(), chatgpt_tools()])
        case "archive":
            return write_archive(path, [chatgpt_branches(), chatgpt_tools()])
        case "openwebui":
            return write_list(path, [openwebui_chat(), openwebui_chat("c2", "Other")])
        case "sillytavern":
            return write_lines(path, sillytavern_lines())
        case "openai":
            return write_list(path, list(MESSAGES))
        case "llm":
            return write_log(path)
    source = make(folder, "chatgpt").rename(folder / "source")

    async def work(store: SqliteStore) -> str:
        async for _ in import_file(store, OWNER, source, Wish(), nothing):
            pass
        return "".join([line async for line in export_all(store, OWNER)])

    path.write_text(with_store(None, work), "utf-8")
    return path


def count(database_file: Path) -> tuple[int, int, int]:
    """Conversations, those not finished, and those without a turn."""
    if not database_file.exists():
        return (0, 0, 0)
    database = sqlite3.connect(database_file)
    questions = (
        "",
        "WHERE number IN (SELECT conversation FROM imported WHERE finished IS NULL)",
        "WHERE turns = 0",
    )
    counts = [database.execute(f"SELECT count(*) FROM conversation {one}").fetchone()[0] for one in questions]
    database.close()
    return counts[0], counts[1], counts[2]


@pytest.mark.parametrize("form", DAMAGES)
def test_whatever_is_damaged_is_told_in_a_sentence(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path / "home"))
    whole = make(tmp_path, form).read_bytes()
    draw = random.Random(form)
    for number in range(TIMES):
        damaged = tmp_path / f"damaged{number}"
        damaged.write_bytes((damage_bytes if number % 2 else DAMAGES[form])(whole, draw))
        database = tmp_path / f"{number}.db"
        began = time.process_time()
        status = run(["import", str(damaged), "--db", str(database)])
        assert time.process_time() - began < MOST_SECONDS
        said = capsys.readouterr()
        assert status in (0, 1, 2)
        assert (status == 0) or said.err, "what is wrong is said"
        assert "Traceback" not in said.err
        told = re.match(r"Imported (?:(\d+) conversations? with|.*:) [\d,]+ turns?\.", said.out)
        imported = 0 if told is None else int(told[1]) if told[1] else 1
        assert count(database) == (imported, 0, 0), (said, number)
        if imported:
            assert examine(database, time.time()).problems == []
            exported = tmp_path / f"{number}.jsonl"
            assert run(["export", "--all", "--db", str(database), "-o", str(exported)]) == 0
            again = tmp_path / f"{number}-again.db"
            assert run(["import", str(exported), "--db", str(again)]) == 0
            assert count(again) == (imported, 0, 0)
            capsys.readouterr()
        for file in tmp_path.glob(f"{number}*"):
            file.unlink()
        damaged.unlink()


# -- what was met -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE responses SET prompt = x'00ff' WHERE id = 'r3'", "prompt is no text"),
        ("UPDATE responses SET response = x'00ff' WHERE id = 'r3'", "response is no text"),
        ("UPDATE responses SET conversation_id = x'00ff' WHERE id = 'r3'", "the id of a conversation is no text"),
        ("UPDATE parts SET payload = '[]' WHERE message_hash = 'm4'", "a piece of a message is no JSON object"),
        ("UPDATE parts SET payload = '{\"text_ref\": [7]}' WHERE message_hash = 'm1'", None),
        ("UPDATE parts SET payload = '{\"text_ref\": [{\"fragment\": []}]}' WHERE message_hash = 'm1'", None),
        ("UPDATE messages SET role = 'king' WHERE hash = 'm2'", "a message has the role 'king'"),
        ("UPDATE responses SET duration_ms = 'long'", None),
        ("ALTER TABLE responses RENAME COLUMN duration_ms TO gone", None),
        ("ALTER TABLE prompt_attachments RENAME COLUMN attachment_id TO gone", None),
    ],
)  # fmt: skip
def test_a_damaged_conversation_of_a_log_does_not_keep_the_others_out(
    tmp_path: Path, change: str, told: str | None
) -> None:
    path = write_log(tmp_path / "logs.db")
    log = sqlite3.connect(path)
    assert log.execute(change).rowcount != 0
    log.commit()
    log.close()
    outcomes = with_store(None, lambda store: bring(store, path))
    assert [one.why for one in outcomes if one.kind == "unread"] == ([] if told is None else [told])
    assert sum(one.kind == "imported" for one in outcomes) == 3 - (told is not None)
    assert not outcomes[-1].ended


@pytest.mark.parametrize("name", [b"turns", b"tool_calls"])
def test_a_log_whose_names_are_no_text_is_damaged(
    tmp_path: Path, name: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path / "home"))
    path = write_log(tmp_path / "logs.db")
    log = sqlite3.connect(path)
    log.execute("PRAGMA writable_schema = ON")
    log.execute(
        "UPDATE sqlite_master SET sql = 'CREATE TABL', name = CAST(x'82' || name AS TEXT) WHERE name = ?",
        (name.decode(),),
    )
    log.commit()
    log.close()
    assert run(["import", str(path), "--format", "llm"]) == 2
    assert "the database is damaged (" in capsys.readouterr().err
    assert run(["import", str(path)]) == 2
    assert "is a database, but not llm's log" in capsys.readouterr().err


def test_numbers_that_no_database_holds_are_damage(tmp_path: Path) -> None:
    lines = make(tmp_path, "own").read_text("utf-8")
    huge = "9" * 400
    for damaged in (
        lines.replace('"tip":[0,7]', f'"tip":[0,{huge}]'),
        lines.replace('"after":[0,0]', f'"after":[{huge},0]'),
    ):
        assert huge in damaged
        path = tmp_path / "x"
        path.write_text(damaged, "utf-8")
        (*_, last) = with_store(None, partial(bring, path=path))
        assert last.ended
        assert last.why.endswith("is no position; nothing was imported.")
        assert len(last.why) < 120


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = make(tmp_path, "own")
    path.write_text(path.read_text("utf-8").replace('"receipt"', '"gone"', 1), "utf-8")
    (only,) = with_store(None, lambda store: bring(store, path))
    assert only.why == "Line 3 is damaged: receipt is missing; nothing was imported."


def test_an_archive_that_points_before_its_beginning_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNKEEP_HOME", str(tmp_path / "home"))
    path = make(tmp_path, "archive")
    packed = bytearray(path.read_bytes())
    end = packed.rindex(b"PK\x05\x06")
    size, offset = struct.unpack_from("<II", packed, end + 12)
    struct.pack_into(
        "<II", packed, end + 12, size, offset + 40_000
    )  # of the directory: before the file's own
    path.write_bytes(packed)
    assert run(["import", str(path)]) == 2
    assert "archive is damaged" in (said := capsys.readouterr().err) or "is a damaged archive" in said


# -- what takes more than it says -------------------------------------------------------------------
async def bring(store: SqliteStore, path: Path) -> list[Outcome]:
    return [outcome async for outcome in import_file(store, OWNER, path, Wish(), nothing)]


def test_a_conversation_without_an_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_MOST", 500_000)  # characters: the real bound is 64 million
    path = tmp_path / "x.zip"
    first = json.dumps(chatgpt_branches())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", f'[{first}, {{"title": "' + "a" * 30_000_000)
    tracemalloc.start()
    try:
        outcomes = with_store(None, lambda store: bring(store, path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [(one.kind, one.why) for one in outcomes] == [
        ("imported", ""),
        ("unread", "a conversation in it is too long to be read"),
    ]
    assert peak < 10_000_000


def test_a_column_that_makes_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = write_log(tmp_path / "logs.db")
    log = sqlite3.connect(path)
    log.execute("DROP TABLE attachments")
    log.execute(
        "CREATE TABLE attachments (id TEXT PRIMARY KEY, type TEXT, path TEXT, url TEXT, "
        "content BLOB AS (zeroblob(900000000)))"
    )
    log.execute("INSERT INTO attachments (id, type) VALUES ('a', 'image/png')")
    log.commit()
    log.close()
    began = time.process_time()
    outcomes = with_store(None, lambda store: bring(store, path))
    assert time.process_time() - began < MOST_SECONDS
    assert outcomes[-1].ended
    assert "too big" in outcomes[-1].why


LONG = 60_000


@pytest.mark.parametrize(
    "text",
    [
        "<details>" * LONG,
        "<details" * LONG,
        f"<details {'a' * LONG}>x</details>",
        f'<details type="reasoning">{" " * LONG}x</details>',
        f'<details type="reasoning">{"<summary>" * LONG}x</details>',
        "<details></details>" * LONG,
    ],
)
def test_details_of_any_shape_are_read_at_once(text: str) -> None:
    value = openwebui_chat()
    value["chat"]["history"]["messages"]["a2"]["content"] = text
    began = time.process_time()
    assert list(parse_openwebui(value, 1.0).turns)
    assert time.process_time() - began < 2  # seconds; 10 to 400 where each beginning looks for its end


def test_a_date_of_any_length_is_read_at_once() -> None:
    began = time.process_time()
    assert read_date(f"a{' ' * LONG}b") is None
    assert time.process_time() - began < 1


def test_many_that_hang_on_a_long_empty_chain_are_placed_at_once() -> None:
    nodes = {
        f"e{n}": Node(parent=f"e{n - 1}" if n else None, messages=(), created=None) for n in range(20_000)
    }
    for n in range(20_000):
        nodes[f"m{n}"] = Node(parent="e19999", messages=(user("Hello."),), created=None)
    began = time.process_time()
    assert len(cut_turns(nodes, None, 1.0, Counter())) == 20_000
    assert time.process_time() - began < 5  # seconds; 100 where each goes the whole way


def test_who_hangs_on_an_empty_ring_is_counted_and_not_followed() -> None:
    nodes = {
        "e1": Node(parent="e2", messages=(), created=None),
        "e2": Node(parent="e1", messages=(), created=None),
        "e3": Node(parent="e2", messages=(), created=None),
        "lost": Node(parent="e3", messages=(user("Lost."),), created=None),
        "lost too": Node(parent="e1", messages=(user("Lost."),), created=None),
        "said": Node(parent=None, messages=(user("Here."),), created=None),
        "empty": Node(parent="said", messages=(), created=None),
        "answer": Node(parent="empty", messages=(assistant("Yes."),), created=None),
    }
    left_out = Counter[str]()
    (turn,) = cut_turns(nodes, "e3", 1.0, left_out)
    assert len(turn.items) == 2
    assert left_out == {UNHUNG: 2}


def test_branches_that_would_fill_the_disk_are_refused() -> None:
    nodes = {"q": Node(parent=None, messages=(user("?"),), created=None)}
    before = "q"
    for n in range(3_000):
        nodes[f"a{n}"] = Node(parent=before, messages=(assistant("."),), created=None)
        nodes[f"end{n}"] = Node(parent=before, messages=(assistant("!"),), created=None)
        before = f"a{n}"
    with pytest.raises(Unreadable, match="too many long branches"):
        cut_turns(nodes, None, 1.0, Counter())


def test_a_long_tavern_chat_that_nobody_answers_stays_small(tmp_path: Path) -> None:
    header, *_ = sillytavern_lines()
    rows = [
        {"name": "Aqua", "is_user": False, "mes": f"Line {n}.", "swipe_id": 0, "swipes": [f"Line {n}.", f"Other {n}."]}
        for n in range(300)
    ]  # fmt: skip
    path = write_lines(tmp_path / "x.jsonl", [header, *rows])

    async def work(store: SqliteStore) -> None:
        (outcome,) = await bring(store, path)
        assert outcome.kind == "imported"
        (row,) = await store.list_conversations(OWNER)
        turns = [turn async for turn, _ in store.export_items(OWNER, row.id)]
        on_path = await store.load_turns(OWNER, row.id, tip=row.tip)
        assert len(on_path) == 5
        assert len(turns) == 305
        assert (await store.stats()).items < 12_000  # 45,000 where each stands behind all before it

    with_store(None, work)


def test_a_log_without_an_index_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    log = sqlite3.connect(path)
    log.executescript(OLD_LOG)
    for number in range(3_000):
        log.execute("INSERT INTO conversations VALUES (?, NULL, 'm')", (f"c{number}",))
        log.execute(
            "INSERT INTO responses (id, model, prompt, response, conversation_id) VALUES (?, 'm', ?, 'Yes.', ?)",
            (f"r{number}", "word " * 2_000, f"c{number}"),
        )
        log.execute("INSERT INTO tool_calls VALUES (?, ?, 1, 'count', '{}', 'k')", (number, f"r{number}"))
    log.commit()
    log.close()
    began = time.process_time()
    found = read_conversations(path, "llm", 1.0, nothing)
    assert sum(not isinstance(one, Unreadable) for one in found) == 3_000
    assert time.process_time() - began < 10  # seconds; 60 where each looks through all
