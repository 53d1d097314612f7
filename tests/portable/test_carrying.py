"""Into the store: whole or not at all, not twice, in little memory; and out again, byte for byte."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.portable.files import (
    MESSAGES,
    ChatGPT,
    chatgpt_branches,
    chatgpt_many,
    chatgpt_tools,
    openwebui_chat,
    sillytavern_lines,
    write_archive,
    write_lines,
    write_list,
    write_log,
)
from tests.stores import with_store

from turnkeep.carrying import NO_ANSWER, Outcome, Wish, import_file, sweep_imports
from turnkeep.errors import TurnkeepError, UsageError
from turnkeep.exporting import Change, export_all, export_all_openai, export_jsonl, export_openai, list_all
from turnkeep.store.base import Conversation
from turnkeep.store.carrying import Carrier
from turnkeep.store.sqlite import SqliteStore

OWNER = "local"
ROOT = Path(__file__).parents[2]


def nothing(_done: int, _total: int) -> None:
    pass


async def bring(store: Carrier, path: Path, **wish: Any) -> list[Outcome]:
    return [outcome async for outcome in import_file(store, OWNER, path, Wish(**wish), nothing)]


async def whole_export(store: SqliteStore) -> str:
    return "".join([line async for line in export_all(store, OWNER)])


def kinds(outcomes: list[Outcome]) -> list[str]:
    return [outcome.kind for outcome in outcomes]


def files_of_all_programs(folder: Path) -> list[Path]:
    return [
        write_archive(folder / "gpt.zip", [chatgpt_branches(), chatgpt_tools()]),
        write_list(folder / "webui.json", [openwebui_chat(), openwebui_chat("c2")]),
        write_lines(folder / "tavern.jsonl", sillytavern_lines()),
        write_list(folder / "messages.json", list(MESSAGES)),
        write_log(folder / "logs.db"),
    ]


def test_what_all_programs_wrote_comes_in_once_and_goes_out_as_it_came(tmp_path: Path) -> None:
    paths = files_of_all_programs(tmp_path)

    async def work(store: SqliteStore) -> None:
        for path in paths:
            assert set(kinds(await bring(store, path))) == {"imported"}
        first = await whole_export(store)
        for path in paths:
            assert set(kinds(await bring(store, path))) == {"known"}
        assert await whole_export(store) == first
        names = [row.name async for row in list_all(store, OWNER)]
        assert {"Weather", "Weather (2)", "Branches", "Aqua", "Fens", "Bogs"} <= set(names)
        (tmp_path / "all.jsonl").write_text(first, "utf-8")
        assert set(kinds(await bring(store, tmp_path / "all.jsonl"))) == {"known"}

    with_store(tmp_path / "a.db", work)

    async def again(store: SqliteStore) -> None:
        assert set(kinds(await bring(store, tmp_path / "all.jsonl"))) == {"imported"}
        lines = (await whole_export(store)).splitlines()
        assert sorted(lines) == sorted((tmp_path / "all.jsonl").read_text("utf-8").splitlines())
        assert set(kinds(await bring(store, tmp_path / "all.jsonl"))) == {"known"}

    with_store(tmp_path / "b.db", again)


def test_branches_times_models_and_the_tip_are_kept(tmp_path: Path) -> None:
    path = write_list(tmp_path / "x.json", [chatgpt_branches()])

    async def work(store: SqliteStore) -> None:
        await bring(store, path)
        row = await store.find_conversation(OWNER, "Branches")
        assert row is not None
        on_path = await store.load_turns(OWNER, row.id, tip=row.tip)
        assert [turn.number for turn in on_path] == [1, 2]
        assert row.turns == 4
        assert (row.created, row.updated) == (1_700_000_000.5, 1_700_000_008.5)
        receipts = [await store.load_receipt(OWNER, row.id, n) for n in range(1, 5)]
        assert [(one or {}).get("model") for one in receipts] == ["gpt-4o", "gpt-4o", "o3", "gpt-4o"]
        hits = await store.search_text(OWNER, "reeds")
        assert [hit.turn for hit in hits] == [4]

    with_store(None, work)


def test_an_unanswered_question_is_kept_beside_the_tip(tmp_path: Path) -> None:
    path = write_list(tmp_path / "x.json", [openwebui_chat()])

    async def work(store: SqliteStore) -> None:
        await bring(store, path)
        row = await store.find_conversation(OWNER, "Weather")
        assert row is not None
        turn = await store.load_turn(OWNER, row.id, 3)
        assert (turn.state, turn.error) == ("failed", NO_ANSWER)
        assert [one.number for one in await store.load_turns(OWNER, row.id, tip=row.tip)] == [2]
        assert await store.load_instructions(OWNER, row.id, row.instructions or 0) == "Speak of weather."

    with_store(None, work)


def test_what_went_on_elsewhere_is_told_and_comes_again_only_when_asked(tmp_path: Path) -> None:
    chat = ChatGPT("Talk")
    last = chat.node("assistant", chat.node("user", "n1", ["Hi."]), ["Hello."])
    path = write_list(tmp_path / "x.json", [chat.value])

    async def work(store: SqliteStore) -> None:
        assert kinds(await bring(store, path)) == ["imported"]
        chat.node("assistant", chat.node("user", last, ["More?"]), ["Yes."])
        write_list(path, [chat.value])
        assert kinds(await bring(store, path)) == ["changed"]
        (outcome,) = await bring(store, path, again=True)
        assert (outcome.kind, outcome.name, outcome.turns) == ("imported", "Talk (2)", 2)

    with_store(None, work)


def test_what_is_here_is_passed_over_however_its_lines_are_written(tmp_path: Path) -> None:
    chats = write_list(tmp_path / "x.json", [chatgpt_branches(), chatgpt_tools()])

    async def work(store: SqliteStore) -> None:
        await bring(store, chats)
        rows = [json.loads(line) for line in (await whole_export(store)).splitlines()]
        path = write_lines(tmp_path / "spaced.jsonl", rows)
        assert b'{"kind": "end"' in path.read_bytes()
        assert kinds(await bring(store, path)) == ["known", "known"]

    with_store(None, work)


def test_a_log_that_went_on_is_told_as_the_same_conversation(tmp_path: Path) -> None:
    path = write_log(tmp_path / "logs.db", both=False)

    async def work(store: SqliteStore) -> None:
        assert kinds(await bring(store, path)) == ["imported", "imported"]
        with sqlite3.connect(path) as log:
            log.execute(
                "INSERT INTO responses (id, model, prompt, response, conversation_id, duration_ms, datetime_utc) "
                "VALUES ('r9', 'm', 'And a bog?', 'Rain.', 'c1', 500, '2025-01-03T03:04:05.5')"
            )
        log.close()
        assert kinds(await bring(store, path)) == ["changed", "known"]

    with_store(None, work)


def test_what_was_deleted_can_be_imported_again(tmp_path: Path) -> None:
    path = write_list(tmp_path / "x.json", [chatgpt_branches()])

    async def work(store: SqliteStore) -> None:
        await bring(store, path)
        row = await store.find_conversation(OWNER, "Branches")
        assert row is not None
        await store.delete_conversation(OWNER, row.id)
        assert kinds(await bring(store, path)) == ["imported"]

    with_store(None, work)


def test_an_openai_export_comes_in_and_goes_out_alike(tmp_path: Path) -> None:
    path = write_list(tmp_path / "m.json", list(MESSAGES))

    async def work(store: SqliteStore) -> None:
        (outcome,) = await bring(store, path)
        row = await store.find_conversation(OWNER, outcome.name)
        assert row is not None
        assert json.loads("".join([piece async for piece in export_openai(store, row)])) == MESSAGES
        (line,) = [line async for line in export_all_openai(store, OWNER)]
        assert json.loads(line)["messages"] == MESSAGES

    with_store(None, work)


def test_every_text_of_an_export_can_be_changed_and_nothing_else(tmp_path: Path) -> None:
    paths = files_of_all_programs(tmp_path)

    async def work(store: SqliteStore) -> None:
        for path in paths:
            await bring(store, path)
        rows = [row async for row in list_all(store, OWNER)]
        texts = "".join([line for row in rows async for line in export_jsonl(store, row, lambda _: "*")])
        assert not any(word in texts for word in ("fen", "board", "Rain", "river", "Gladly", "Ulm", "Aqua"))
        for line in texts.splitlines():
            json.loads(line)
        (tmp_path / "masked").write_text(texts.splitlines(keepends=True)[0], "utf-8")

        async def stars(_row: Conversation) -> Change:
            return lambda _: "*"

        openai = "".join([line async for line in export_all_openai(store, OWNER, stars)])
        assert not any(word in openai for word in ("fen", "board", "Rain", "river", "Gladly", "Ulm", "Aqua"))

    with_store(None, work)


def test_a_masked_export_can_be_imported(tmp_path: Path) -> None:
    path = write_list(tmp_path / "x.json", [chatgpt_tools(), chatgpt_branches()])

    async def work(store: SqliteStore) -> None:
        await bring(store, path)

        async def brackets(_row: Conversation) -> Change:
            return lambda text: f"<{text}>"

        masked = [line async for line in export_all(store, OWNER, brackets)]
        (tmp_path / "masked").write_text("".join(masked), "utf-8")

    with_store(None, work)

    async def again(store: SqliteStore) -> None:
        assert kinds(await bring(store, tmp_path / "masked")) == ["imported", "imported"]

    with_store(None, again)


# -- damage -------------------------------------------------------------------------
def state_of(store_file: Path) -> tuple[int, int, int]:
    database = sqlite3.connect(store_file)
    counts = tuple(
        database.execute(question).fetchone()[0]
        for question in (
            "SELECT count(*) FROM conversation",
            "SELECT count(*) FROM imported WHERE finished IS NULL",
            "SELECT count(*) FROM conversation WHERE turns = 0",
        )
    )
    database.close()
    return counts


@pytest.mark.parametrize("program", range(5))
def test_a_file_damaged_anywhere_is_told_and_nothing_is_half_imported(tmp_path: Path, program: int) -> None:
    source = files_of_all_programs(tmp_path)[program].read_bytes()
    draw = random.Random(program)
    sentences: list[str] = []
    for number in range(12):
        damaged = bytearray(source)
        place = draw.randrange(len(source))
        if number % 3 == 0:
            damaged = damaged[:place]
        else:
            damaged[place : place + draw.randint(1, 8)] = draw.randbytes(draw.randint(0, 8))
        path, store_file = tmp_path / "damaged", tmp_path / f"{number}.db"
        path.write_bytes(damaged)

        async def work(store: SqliteStore, path: Path = path) -> list[Outcome]:
            return await bring(store, path)

        try:
            outcomes = with_store(store_file, work)
        except TurnkeepError as error:
            outcomes = []
            sentences.append(str(error))
        imported = [outcome for outcome in outcomes if outcome.kind == "imported"]
        if store_file.exists():
            assert state_of(store_file) == (len(imported), 0, 0)
    assert all(sentence.endswith(".") for sentence in sentences)


def test_what_came_before_the_damage_is_there(tmp_path: Path) -> None:
    path = write_list(tmp_path / "x.json", list(chatgpt_many(20, 500)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    async def work(store: SqliteStore) -> None:
        outcomes = await bring(store, path)
        assert kinds(outcomes[:-1]) == ["imported"] * (len(outcomes) - 1)
        assert 8 <= len(outcomes) - 1 <= 11
        assert outcomes[-1].ended
        assert len([row async for row in list_all(store, OWNER)]) == len(outcomes) - 1

    with_store(None, work)


def test_one_conversation_that_cannot_be_read_does_not_keep_the_others_out(tmp_path: Path) -> None:
    path = write_list(tmp_path / "x.json", [chatgpt_branches(), {"mapping": 3}, chatgpt_tools()])

    async def work(store: SqliteStore) -> None:
        assert kinds(await bring(store, path)) == ["imported", "unread", "imported"]

    with_store(None, work)


def test_a_tavern_chat_cut_in_a_line_leaves_nothing(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", sillytavern_lines())
    path.write_bytes(path.read_bytes()[:-9])

    async def work(store: SqliteStore) -> None:
        (outcome,) = await bring(store, path)
        assert (outcome.kind, outcome.why) == ("unread", "line 7 is not JSON")
        assert await store.list_conversations(OWNER) == []

    with_store(None, work)


def test_a_file_of_all_that_was_cut_is_told(tmp_path: Path) -> None:
    chats = write_list(tmp_path / "x.json", [chatgpt_branches(), chatgpt_tools()])

    async def export(store: SqliteStore) -> str:
        await bring(store, chats)
        return await whole_export(store)

    lines = with_store(None, export).splitlines(keepends=True)
    for upto in (1, 3, len(lines) - 2, len(lines) - 1):
        (tmp_path / "cut").write_text("".join(lines[:upto]), "utf-8")

        async def work(store: SqliteStore) -> None:
            outcomes = await bring(store, tmp_path / "cut")
            assert outcomes[-1].ended
            assert len(await store.list_conversations(OWNER)) == kinds(outcomes).count("imported")

        with_store(None, work)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(["user", "assistant", "tool", "system", "root", "n1", "all", "text", "code"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from([
            "mapping", "message", "parent", "author", "role", "content", "content_type", "parts", "text", "metadata",
            "recipient", "create_time", "current_node", "chat", "history", "messages", "currentId", "parentId", "files",
            "url", "type", "tool_calls", "id", "function", "thoughts", "title", "params", "n1", "root", "name",
        ]),
        inner, max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=JSON, form=st.sampled_from(["chatgpt", "openwebui", "openai"]))
def test_no_json_of_any_shape_breaks_an_import(value: Any, form: Any) -> None:
    from turnkeep.portable.chatgpt import parse_chatgpt
    from turnkeep.portable.imported import Unreadable
    from turnkeep.portable.openai_messages import parse_openai
    from turnkeep.portable.openwebui import parse_openwebui

    parse = {
        "chatgpt": lambda: parse_chatgpt(
            {"mapping": value, **(value if isinstance(value, dict) else {})}, 1.0
        ),
        "openwebui": lambda: parse_openwebui({"chat": value, "history": value}, 1.0),
        "openai": lambda: parse_openai(value, 1.0, "x"),
    }[form]
    try:
        for turn in parse().turns:
            assert turn.items
    except Unreadable:
        pass


TEXTS = st.text(max_size=20)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    said=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["user", "assistant"]), TEXTS), min_size=1, max_size=14
    ),
    name=TEXTS,
)
def test_any_tree_goes_through_the_store_and_out_byte_for_byte(
    said: list[tuple[int, str, str]], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chat = ChatGPT(name)
    keys = ["n1"]
    for back, role, text in said:
        keys.append(chat.node(role, keys[-1 - back % len(keys)], [text]))
    path = write_list(tmp_path_factory.mktemp("tree") / "x.json", [chat.value])

    async def work(store: SqliteStore) -> str:
        await bring(store, path)
        return await whole_export(store)

    first = with_store(None, work)
    path.write_text(first, "utf-8")
    assert with_store(None, work) == first


# -- death --------------------------------------------------------------------------
KILLED = """
import asyncio, sys
from pathlib import Path
from turnkeep.carrying import Wish, import_file
from turnkeep.store.sqlite import SqliteStore
async def run():
    store = SqliteStore(Path(sys.argv[1]))
    print("begun", flush=True)
    async for _ in import_file(store, "local", Path(sys.argv[2]), Wish(), lambda done, total: None):
        print("one", flush=True)
asyncio.run(run())
"""


def test_a_killed_import_leaves_whole_conversations_and_can_be_gone_on_with(tmp_path: Path) -> None:
    chats = list(chatgpt_many(12, 3_000))
    path, store_file = write_list(tmp_path / "x.json", chats), tmp_path / "t.db"
    draw = random.Random(5)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(store_file), str(path)],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(draw.randint(1, 4)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        database = sqlite3.connect(store_file)
        with database:
            database.execute("UPDATE lease SET expires = 0")  # as after a minute
        database.close()
        with_store(store_file, lambda store: sweep_imports(store, OWNER))
        assert state_of(store_file)[1:] == (0, 0)
    outcomes = with_store(store_file, lambda store: bring(store, path))
    assert set(kinds(outcomes)) <= {"known", "imported"}
    assert "known" in kinds(outcomes)
    assert state_of(store_file) == (12, 0, 0)


def test_own_damage_is_a_sentence_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'{"kind":"conversation","turnkeep":1}\n')

    async def work(store: SqliteStore) -> None:
        with pytest.raises(UsageError, match="Line 1 is damaged"):
            await bring(store, tmp_path / "x")

    with_store(None, work)
