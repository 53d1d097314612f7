"""A request's input becomes items, and items are shown as the wire words them."""

from typing import Any

import pytest
from openai.types.conversations import ConversationItem
from openai.types.responses import ResponseItem, ResponseOutputItem
from pydantic import TypeAdapter

from turnkeep.conversation.items import Image, Message, Reasoning, Text, ToolCall, ToolResult, assistant, user
from turnkeep.errors import RequestRefused
from turnkeep.wire.response_items import (
    CompactNow,
    Reference,
    Sealed,
    parse_input,
    show_compaction,
    show_message,
    unanswered,
)

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "4"}


def name(kind: str, place: int) -> str:
    return f"{kind}_{place}"


def test_a_text_is_a_users_message() -> None:
    assert parse_input("hi") == [user("hi")]


def test_no_input_is_no_item() -> None:
    assert parse_input(None) == []


def test_messages_may_leave_their_type_out() -> None:
    given = parse_input([{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}])
    assert given == [Message("developer", (Text("Be brief."),)), user("hi")]


def test_the_parts_of_a_message_are_read() -> None:
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
    ]
    assert parse_input([{"role": "user", "content": parts}]) == [
        Message(
            "user",
            (
                Text("What is this?"),
                Image("data:image/png;base64,AA", "low"),
                Image("https://example.org/a.png"),
            ),
        )
    ]


def test_what_a_reply_held_is_one_item_again() -> None:
    given = parse_input(
        [
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "t", "text": "hm"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "I look."}],
            },
            CALL,
            CALL | {"call_id": "c2"},
            RESULT,
            RESULT | {"call_id": "c2", "output": [{"type": "input_text", "text": "5"}]},
        ]
    )
    calls = tuple(ToolCall(call_id=call_id, name="f", arguments="{}") for call_id in ("c1", "c2"))
    assert given == [
        Message("assistant", (Reasoning("hm"), Text("I look."), *calls)),
        Message("tool", (ToolResult(call_id="c1", text="4"), ToolResult(call_id="c2", text="5"))),
    ]


def test_two_replies_stay_two_items() -> None:
    said = [{"role": "assistant", "content": text} for text in ("a", "b")]
    assert parse_input(said) == [assistant("a"), assistant("b")]


def test_no_item_holds_more_results_than_ids_can_tell_apart() -> None:
    given = parse_input([CALL, *[RESULT] * 1_001])
    assert [len(item.parts) for item in given if isinstance(item, Message)] == [1, 1_000, 1]


def test_reasoning_that_is_not_sent_along_is_read_from_its_summary() -> None:
    shown = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "short"}]}
    assert parse_input([shown]) == [Message("assistant", (Reasoning("short"),))]
    assert parse_input([shown | {"summary": []}]) == [Message("assistant", (Reasoning(""),))]


def test_a_refusal_is_a_text() -> None:
    content = [{"type": "refusal", "refusal": "No."}]
    assert parse_input([{"role": "assistant", "content": content}]) == [assistant("No.")]


def test_references_seals_and_triggers_are_told_apart() -> None:
    given = parse_input(
        [
            {"id": "msg_1"},
            {"type": "item_reference", "id": "fc_1"},
            {"type": "compaction", "encrypted_content": "s"},
            {"type": "compaction_trigger"},
        ]
    )
    assert given == [
        Reference("msg_1", "input[0]"),
        Reference("fc_1", "input[1]"),
        Sealed("s", "input[2]"),
        CompactNow(),
    ]


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (5, "input"),
        (["hi"], "input[0]"),
        ([{"type": "computer_call"}], "input[0]"),
        ([{"role": "tool", "content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": []}], "input[0].content"),
        ([{"role": "user", "content": ["x"]}], "input[0].content[0]"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}], "input[0].content[0]"),
        (
            [{"role": "system", "content": [{"type": "input_image", "image_url": "x"}]}],
            "input[0].content[0]",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
            "input[0].content[0].image_url",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "x", "detail": 5}]}],
            "input[0].content[0].detail",
        ),
        ([CALL | {"arguments": "{"}], "input[0].arguments"),
        ([CALL | {"name": ""}], "input[0].name"),
        ([RESULT | {"output": 5}], "input[0].output"),
        ([RESULT | {"output": [{"type": "input_image", "image_url": "x"}]}], "input[0].output[0]"),
        ([RESULT | {"call_id": None}], "input[0].call_id"),
        ([{"type": "reasoning", "content": "x"}], "input[0].content"),
        ([{"type": "item_reference"}], "input[0].id"),
        ([{"type": "compaction_trigger"}, {"role": "user", "content": "x"}], "input[1]"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(value: Any, param: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        parse_input(value)
    assert refused.value.param == param


def test_results_whose_calls_are_not_there_are_found() -> None:
    assert unanswered(parse_input([CALL, RESULT, RESULT | {"call_id": "c2"}])) == {"c2"}
    assert unanswered(parse_input([RESULT, {"id": "msg_1"}])) == {"c1"}


def test_a_call_is_open_until_its_result_or_the_user_comes() -> None:
    call, result, said = parse_input([CALL]), parse_input([RESULT]), [user("hi")]
    assert unanswered([*call, *result, *said, *call, *result]) == set()
    assert unanswered(result, call) == set()
    for given in ([*result, *call], [*call, *said, *result], [*call, *result, *result]):
        assert unanswered(given) == {"c1"}
    for before in ([*call, *result], [*call, *said], said):
        assert unanswered(result, before) == {"c1"}


def test_calls_that_share_an_id_are_answered_one_by_one() -> None:
    calls, results = parse_input([CALL, CALL]), parse_input([RESULT, RESULT])
    assert unanswered([*calls, *results]) == set()
    assert unanswered([*calls, *results, *results]) == {"c1"}


# -- showing ----------------------------------------------------------------------

ITEMS: list[Message] = [
    user("hi"),
    Message("user", (Text("a"), Image("https://example.org/a.png"))),
    Message("system", (Text("Be brief."),)),
    assistant("yes", reasoning="hm"),
    Message("assistant", (Text("I look."), ToolCall(call_id="c1", name="f", arguments="{}"))),
    Message("assistant", (ToolCall(call_id="c1", name="f", arguments="{}"),)),
    Message("assistant", (Text("a"), Text("b"))),
    Message("tool", (ToolResult(call_id="c1", text="4"), ToolResult(call_id="c2", text="5"))),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.role))
def test_a_shown_item_is_one_that_the_official_client_knows(item: Message) -> None:
    for shown in show_message(item, name):
        found: list[Any] = [
            TypeAdapter(ResponseItem).validate_python(shown, strict=True),
            TypeAdapter(ConversationItem).validate_python(shown, strict=True),
        ]
        if item.role == "assistant":
            found.append(TypeAdapter(ResponseOutputItem).validate_python(shown, strict=True))
        assert {(each.id, each.type) for each in found} == {(shown["id"], shown["type"])}


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.role))
def test_a_shown_item_is_read_as_the_same_item(item: Message) -> None:
    again = parse_input(show_message(item, name))
    assert [part for found in again if isinstance(found, Message) for part in found.parts] == [
        Image(part.url, part.detail or "auto") if isinstance(part, Image) else part for part in item.parts
    ]


def test_the_items_of_a_reply_have_ids_of_their_kinds() -> None:
    calls = tuple(ToolCall(call_id=f"c{n}", name="f", arguments="{}") for n in range(2))
    shown = show_message(Message("assistant", (Reasoning("hm"), Text("x"), *calls)), name, "incomplete")
    assert [item["id"] for item in shown] == ["rs_0", "msg_0", "fc_0", "fc_1"]
    assert [item["status"] for item in shown] == ["completed"] * 3 + ["incomplete"]


def test_an_empty_reply_is_shown_as_an_empty_text() -> None:
    (shown,) = show_message(assistant(""), name)
    assert shown["content"] == [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}]


def test_a_compaction_is_shown_as_the_official_client_knows_it() -> None:
    found: Any = TypeAdapter(ResponseOutputItem).validate_python(show_compaction("s", "cmp_1"), strict=True)
    assert (found.type, found.id, found.encrypted_content) == ("compaction", "cmp_1", "s")
