"""What each form means, said in the common value."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.portable.files import (
    MESSAGES,
    PIXEL,
    chatgpt_branches,
    chatgpt_tools,
    openwebui_chat,
    sillytavern_lines,
    write_archive,
    write_lines,
    write_list,
    write_log,
)

from turnkeep.conversation.items import Image, Message, Reasoning, Text, ToolCall, ToolResult
from turnkeep.errors import UsageError
from turnkeep.portable.chatgpt import FILES, HIDDEN, parse_chatgpt
from turnkeep.portable.imported import ImportedConversation, ImportedTurn, Unreadable, read_time
from turnkeep.portable.llm_logs import open_log, read_log
from turnkeep.portable.openai_messages import parse_openai
from turnkeep.portable.openwebui import parse_openwebui
from turnkeep.portable.recognise import FORMS, recognise
from turnkeep.portable.sillytavern import parse_sillytavern, read_date
from turnkeep.portable.tree import UNHUNG, Node, cut_turns
from turnkeep.terminal.carrying import READ


def said(turn: ImportedTurn) -> list[str]:
    """A turn's messages in short: "u:words", "a:words", calls and results in brackets."""
    short = []
    for item, _ in turn.items:
        assert isinstance(item, Message)
        for part in item.parts:
            match part:
                case Text(text):
                    short.append(f"{item.role[0]}:{text}")
                case Reasoning(text):
                    short.append(f"thought:{text}")
                case ToolCall():
                    short.append(f"call {part.name} {part.arguments} {part.call_id}")
                case ToolResult():
                    short.append(f"result {part.text} {part.call_id}")
                case Image():
                    short.append("image")
    return short


def turns_of(one: ImportedConversation) -> list[tuple[int | None, list[str]]]:
    return [(turn.after, said(turn)) for turn in one.turns]


def current_of(turns: list[ImportedTurn]) -> list[int]:
    return [place for place, turn in enumerate(turns) if turn.current]


def test_the_commands_forms_are_the_forms() -> None:
    assert READ == FORMS


# -- ChatGPT ----------------------------------------------------------------------
def test_a_chatgpt_tree_becomes_branches_in_the_order_of_asking() -> None:
    one = parse_chatgpt(chatgpt_branches(), 1.0)
    turns = list(one.turns)
    assert [(turn.after, said(turn)) for turn in turns] == [
        (None, ["u:What is a fen?", "a:A wet meadow."]),
        (0, ["u:And a bog?", "a:It is fed by rain."]),
        (None, ["u:What is a fen?", "a:A kind of mire."]),
        (0, ["u:And a marsh?", "a:It has reeds."]),
    ]
    assert [turn.model for turn in turns] == ["gpt-4o", "gpt-4o", "o3", "gpt-4o"]
    assert current_of(turns) == [1]
    assert [time for _, time in turns[0].items] == [1_700_000_002.5, 1_700_000_003.5]
    assert (one.name, one.created, one.updated) == ("Branches", 1_700_000_000.5, 1_700_000_008.5)
    assert not +one.left_out


def test_chatgpts_tools_thoughts_and_pictures_are_read() -> None:
    one = parse_chatgpt(chatgpt_tools(), 1.0)
    ((after, parts),) = turns_of(one)
    assert after is None
    assert parts == [
        "u:[image]",
        "u:How long is the board?",
        "thought:Measure\nThe scale is 1:10.",
        'call python {"input": "12 * 10"} call_n5',
        "result 120 call_n5",
        "call browser {} call_n7",
        "result A page about boards. call_n7",
        "a:120 cm.",
    ]
    assert dict(one.left_out) == {HIDDEN: 1, FILES: 1}


@pytest.mark.parametrize("value", [None, 3, [], {}, {"mapping": []}])
def test_what_is_no_conversation_of_chatgpts_is_unreadable(value: Any) -> None:
    with pytest.raises(Unreadable):
        parse_chatgpt(value, 1.0)


# -- Open WebUI -------------------------------------------------------------------
def test_open_webuis_tree_details_and_pictures_are_read() -> None:
    one = parse_openwebui(openwebui_chat(), 1.0)
    turns = list(one.turns)
    assert [(turn.after, said(turn)) for turn in turns] == [
        (None, ["u:Rain today?", "image", "a:Perhaps."]),
        (None, [
            "u:Rain today?", "image", "thought:Is it rain?\n\nI look.", 'call weather {"city": "Ulm"} call_9',
            'result "wet" call_9', "a:It is wet.",
        ]),
        (1, ["u:And tomorrow?"]),
    ]  # fmt: skip
    assert [turn.model for turn in turns] == ["llama3", "qwen3", ""]
    assert current_of(turns) == [2]
    assert not turns[2].answered
    assert one.instructions == "Speak of weather."
    assert (one.created, one.updated) == (1_710_000_000.0, 1_710_000_009.0)
    assert sum(one.left_out.values()) == 1, "the attached map, once"


def test_an_old_open_webui_chat_is_a_plain_list() -> None:
    chat = openwebui_chat()["chat"]
    del chat["history"]
    one = parse_openwebui(chat, 1.0)
    assert [after for after, _ in turns_of(one)] == [None, 0]


# -- SillyTavern ------------------------------------------------------------------
def test_swipes_are_branches_and_hidden_lines_are_counted() -> None:
    lines = [json.dumps(row).encode() for row in sillytavern_lines()]
    one = parse_sillytavern(lines, 1.0, 9)
    turns = list(one.turns)
    assert [(turn.after, said(turn)) for turn in turns] == [
        (None, ["a:Hello there!"]),
        (None, ["a:Welcome!"]),
        (1, ["u:Hi.", "thought:River?", "a:A river!"]),
        (1, ["u:Hi.", "a:The river is high."]),
        (3, ["u:How high?", "a:Rex: Very."]),
    ]
    assert [turn.model for turn in turns] == ["", "", "mythomax", "mixtral", ""]
    assert turns[3].items[0][1] == read_date("October 2, 2023 7:31pm")
    assert current_of(turns)[-1] == 4
    assert sum(one.left_out.values()) == 2, "a hidden line and a picture"
    assert one.name == "Aqua"


@pytest.mark.parametrize(
    "written",
    ["October 2, 2023 7:30pm", "2023-10-02@19h30m00s", "2023-10-2 @19h 30m 0s 450ms", "2023-10-02T19:30:00Z", 1696275000000],
)  # fmt: skip
def test_dates_of_all_versions_are_read(written: object) -> None:
    assert read_date(written) == 1696275000.0


@pytest.mark.parametrize(
    "value", [None, True, "soon", "", float("nan"), float("inf"), -5, 0, [], {}, 10**400]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert read_time(value) is None


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
def test_times_of_every_unit_are_seconds(factor: int) -> None:
    assert read_time(1_710_000_000 * factor) == 1_710_000_000.0


# -- llm --------------------------------------------------------------------------
def read_whole(log: sqlite3.Connection) -> list[ImportedConversation]:
    """The conversations of a log, none of which is damaged."""
    found = list(read_log(log, 1.0))
    whole = [one for one in found if isinstance(one, ImportedConversation)]
    assert len(whole) == len(found)
    return whole


def test_both_generations_of_llms_log_are_read(tmp_path: Path) -> None:
    log = open_log(write_log(tmp_path / "logs.db"))
    new, old, alone = read_whole(log)
    assert turns_of(new) == [
        (None, ["u:A text about fens.\nSo?", "a:Well."]),
        (None, ["u:A text about fens.\nSo?", 'call up {"t": "x"} k', "result X k", "a:X it is."]),
    ]
    assert (new.name, new.instructions) == ("Bogs", "Be kind.")
    assert turns_of(old) == [
        (None, ["u:A text about fens.\nWhat is a fen?", "image", "a:A mire."]),
        (0, ["u:Count.", 'call count {"n": 7} tc1', "result 7 tc1", "a:It is 7."]),
    ]
    assert (old.name, old.instructions, sum(old.left_out.values())) == ("Fens", "Be brief.", 1)
    assert turns_of(alone) == [(None, ["u:Alone.", "a:Yes."])]
    log.close()


def test_a_log_without_the_newer_tables_is_read(tmp_path: Path) -> None:
    path = write_log(tmp_path / "logs.db", both=False)
    with sqlite3.connect(path) as older:
        for table in (
            "fragments",
            "prompt_fragments",
            "system_fragments",
            "tool_calls",
            "tool_results",
            "attachments",
        ):
            older.execute(f"DROP TABLE {table}")
    older.close()
    log = open_log(path)
    assert [len(list(one.turns)) for one in read_whole(log)] == [3, 1]
    log.close()


# -- OpenAI messages ----------------------------------------------------------------
def test_messages_with_tools_and_pictures_are_read() -> None:
    one = parse_openai({"messages": MESSAGES, "model": "m"}, 5.0, "x")
    turns = list(one.turns)
    assert one.instructions == "Be brief."
    assert [(turn.after, said(turn)) for turn in turns] == [
        (None, [
            "u:What is it?", "image", 'call look {"at": "it"} call_1', "call smell {} call_2", "result a dot call_1",
            "result nothing call_2", "a:A dot.",
        ]),
        (0, ["u:Thanks.", "a:Gladly."]),
    ]  # fmt: skip
    image = next(part for part in turns[0].items[0][0].parts if isinstance(part, Image))  # type: ignore[union-attr]  # a message
    assert image == Image(PIXEL, "low")


@pytest.mark.parametrize(
    "value", [[{"role": "wizard", "content": "x"}], [{"role": "assistant", "tool_calls": [{}]}]]
)
def test_messages_that_are_none_are_unreadable(value: Any) -> None:
    with pytest.raises(Unreadable):
        list(parse_openai(value, 1.0, "x").turns)


# -- trees --------------------------------------------------------------------------
def node(parent: str | None, role: Any = "user") -> Node:
    return Node(parent=parent, messages=(Message(role, (Text("x"),)),), created=None)


def test_a_ring_of_messages_is_counted_and_not_followed() -> None:
    from collections import Counter

    lost: Counter[str] = Counter()
    turns = cut_turns({"a": node("b"), "b": node("a"), "c": node(None), "d": node("d")}, "a", 1.0, lost)
    assert [len(turn.items) for turn in turns] == [1]
    assert lost == {UNHUNG: 3}


def test_a_chain_of_any_length_is_cut() -> None:
    from collections import Counter

    nodes = {str(n): node(str(n - 1) if n else None, ("user", "assistant")[n % 2]) for n in range(20_000)}
    turns = cut_turns(nodes, None, 1.0, Counter())
    assert [turn.after for turn in turns] == [None, *range(9_999)]
    assert turns[-1].current


# -- recognition ----------------------------------------------------------------------
def test_each_form_is_recognised_by_its_content(tmp_path: Path) -> None:
    made = {
        "chatgpt": [
            write_list(tmp_path / "a", [chatgpt_branches()]),
            write_archive(tmp_path / "b", [chatgpt_branches(), chatgpt_tools()]),
        ],
        "openwebui": [write_list(tmp_path / "c", [openwebui_chat()])],
        "sillytavern": [write_lines(tmp_path / "d", sillytavern_lines())],
        "openai": [
            write_list(tmp_path / "e", list(MESSAGES)),
            write_lines(tmp_path / "f", [{"messages": MESSAGES}] * 2),
            write_list(tmp_path / "g", [MESSAGES, MESSAGES]),
        ],
        "llm": [write_log(tmp_path / "h")],
    }
    assert {form: {recognise(path) for path in paths} for form, paths in made.items()} == {
        form: {form} for form in made
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"[1, 2]", b"{}", b"PK\x03\x04", b"SQLite format 3\0" + b"x" * 200, b"\xff" * 9],
)
def test_what_no_program_wrote_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"\.$"):
        recognise(path)
