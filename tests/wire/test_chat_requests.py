"""Reading chat-completions requests: what is served, and what is refused by name."""

import pytest

from turnkeep.conversation.items import Image, Message, Reasoning, Text, ToolCall, ToolResult, assistant, user
from turnkeep.errors import RequestRefused
from turnkeep.wire.chat_requests import parse_messages, parse_request

HELLO = [{"role": "user", "content": "Hello!"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def with_messages(*messages: object) -> dict[str, object]:
    return {"messages": [*messages]}


def test_the_usual_example_is_read():
    request = parse_request(
        {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "You are kind."}, *HELLO],
            "temperature": 0.7,
            "max_tokens": -1,
            "stream": True,
        }
    )
    assert request.instructions == "You are kind."
    assert request.messages == (user("Hello!"),)
    assert (request.model, request.temperature, request.max_tokens, request.stream) == (
        "gpt-4o",
        0.7,
        -1,
        True,
    )
    assert (request.store, request.conversation, request.include_usage, request.sampling) == (
        None,
        None,
        False,
        {},
    )


def test_several_system_messages_at_the_front_become_the_instructions():
    instructions, messages = parse_messages(
        [
            {"role": "system", "content": "One."},
            {"role": "developer", "content": [{"type": "text", "text": "Two."}]},
            *HELLO,
            {"role": "system", "content": "Later."},
        ]
    )
    assert instructions == "One.\n\nTwo."
    assert messages == (user("Hello!"), Message("system", (Text("Later."),)))


def test_system_messages_alone_are_answered_the_last_of_them():
    _, messages = parse_messages([{"role": "developer", "content": "One."}])
    assert messages == (Message("developer", (Text("One."),)),)
    both = [{"role": "system", "content": "One."}, {"role": "system", "content": "Two."}]
    assert parse_messages(both) == ("One.", (Message("system", (Text("Two."),)),))


def test_an_empty_system_message_is_none():
    assert parse_messages([{"role": "system", "content": ""}, *HELLO])[0] is None


def test_results_that_follow_one_another_are_one_message():
    _, messages = parse_messages(
        [
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
            {"role": "tool", "tool_call_id": "c1", "content": "blue"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "grey"}]},
        ]
    )
    calls = tuple(ToolCall(call_id=name, name="look", arguments='{"at":"sky"}') for name in ("c1", "c2"))
    results = (ToolResult(call_id="c1", text="blue"), ToolResult(call_id="c2", text="grey"))
    assert messages == (user("Hello!"), Message("assistant", calls), Message("tool", results))


def test_images_are_read_in_a_users_message():
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
        {"type": "image_url", "image_url": "https://example.org/a.png"},
    ]
    _, messages = parse_messages([{"role": "user", "content": parts}])
    assert messages[0].parts == (
        Text("What is it?"),
        Image("data:image/png;base64,AA", "low"),
        Image("https://example.org/a.png"),
    )


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_that_comes_back_is_a_part_of_its_own(name):
    _, messages = parse_messages([{"role": "assistant", "content": "Yes.", name: "Hm."}, *HELLO])
    assert messages[0].parts == (Reasoning("Hm."), Text("Yes."))


def test_a_refusal_is_text_and_nothing_said_is_empty():
    _, messages = parse_messages(
        [
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": ""},
            *HELLO,
        ]
    )
    assert messages == (assistant("No."), assistant(""), user(""), user("Hello!"))


def test_arguments_may_come_as_an_object_or_not_at_all():
    def arguments(value: object) -> str:
        function = {"name": "look", "arguments": value}
        said = {"role": "assistant", "tool_calls": [{"id": "c1", "function": function}]}
        return parse_messages([*HELLO, said, *HELLO])[1][1].tool_calls[0].arguments

    assert [arguments({"a": 1}), arguments(None)] == ['{"a": 1}', ""]


def test_the_newer_limit_comes_first():
    body = {"messages": HELLO, "max_tokens": 5, "max_completion_tokens": 7}
    assert parse_request(body).max_tokens == 7


def test_what_turnkeep_does_not_know_is_passed_on():
    body = {
        "messages": HELLO,
        "top_p": 0.5,
        "response_format": {"type": "json_object"},
        "min_p": 0.1,
        "seed": None,
    }
    assert parse_request(body).sampling == {
        "top_p": 0.5,
        "response_format": {"type": "json_object"},
        "min_p": 0.1,
    }


def test_what_means_nothing_to_an_engine_is_left_out():
    body = {
        "messages": HELLO,
        "service_tier": "auto",
        "prompt_cache_key": "k",
        "n": 1,
        "modalities": ["text"],
    }
    assert parse_request(body).sampling == {}


def test_tools_metadata_and_user_are_read():
    request = parse_request(
        {
            "messages": HELLO,
            "tools": [TOOL],
            "metadata": {"topic": "sky"},
            "user": "ann",
            "store": False,
            "truncation": "auto",
            "stream_options": {"include_usage": True},
        }
    )
    assert (request.tools, request.metadata, request.user) == ((TOOL,), {"topic": "sky"}, "ann")
    assert (request.store, request.include_usage, request.truncation) == (False, True, "auto")


@pytest.mark.parametrize("value", ["trip", {"id": "trip"}, " trip "])
def test_a_conversation_is_named_in_either_way(value):
    assert parse_request({"messages": HELLO, "conversation": value}).conversation == "trip"


REFUSED = [
    ([], None),
    ({}, "messages"),
    (with_messages(), "messages"),
    ({"messages": "Hello"}, "messages"),
    (with_messages("Hello"), "messages[0]"),
    (with_messages({"role": "robot", "content": "a"}), "messages[0].role"),
    (with_messages({"role": "function", "content": "a"}), "messages[0].role"),
    (with_messages({"role": ["user"], "content": "a"}), "messages[0].role"),
    (with_messages({"role": "system", "content": " "}), "messages[0].content"),
    (with_messages(*HELLO, *[{"role": "assistant", "content": "a"}] * 2), "messages[2]"),
    (with_messages(*HELLO, {"role": "assistant", "content": ""}), "messages[1]"),
    (with_messages(*HELLO, {"role": "assistant", "content": "a", "tool_calls": [CALL]}), "messages[1]"),
    (with_messages({"role": "assistant", "content": "a"}), "messages[0]"),
    (with_messages({"role": "user", "content": "  "}), "messages[0].content"),
    (with_messages({"role": "user"}), "messages[0].content"),
    (with_messages({"role": "user", "content": 5}), "messages[0].content"),
    (with_messages({"role": "user", "content": ["a"]}), "messages[0].content[0]"),
    (with_messages({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
    (with_messages({"role": "user", "content": [{"type": "file"}]}), "messages[0].content[0].type"),
    (with_messages({"role": "user", "content": [{"type": "input_audio"}]}), "messages[0].content[0].type"),
    (
        with_messages({"role": "system", "content": [{"type": "image_url"}]}, *HELLO),
        "messages[0].content[0].type",
    ),
    (
        with_messages(
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}
        ),
        "messages[0].content[0].image_url.url",
    ),
    (with_messages({"role": "tool", "content": "a"}), "messages[0].tool_call_id"),
    (
        with_messages({"role": "assistant", "content": "a", "function_call": {"name": "f"}}, *HELLO),
        "messages[0].function_call",
    ),
    (
        with_messages({"role": "assistant", "content": "a", "tool_calls": "look"}, *HELLO),
        "messages[0].tool_calls",
    ),
    (with_messages({"role": "assistant", "tool_calls": ["look"]}, *HELLO), "messages[0].tool_calls[0]"),
    (
        with_messages({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}, *HELLO),
        "messages[0].tool_calls[0]",
    ),
    ({"messages": HELLO, "n": 2}, "n"),
    ({"messages": HELLO, "logprobs": True}, "logprobs"),
    ({"messages": HELLO, "modalities": ["audio"]}, "modalities"),
    ({"messages": HELLO, "audio": {"voice": "a"}}, "audio"),
    ({"messages": HELLO, "functions": [{}]}, "functions"),
    ({"messages": HELLO, "function_call": "auto"}, "function_call"),
    ({"messages": HELLO, "web_search_options": {"user_location": None}}, "web_search_options"),
    ({"messages": HELLO, "id_slot": 0}, "id_slot"),
    ({"messages": HELLO, "tools": "look"}, "tools"),
    ({"messages": HELLO, "tools": [{"type": "web_search"}]}, "tools[0]"),
    ({"messages": HELLO, "stream": "yes"}, "stream"),
    ({"messages": HELLO, "stream_options": True}, "stream_options"),
    ({"messages": HELLO, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"messages": HELLO, "model": 5}, "model"),
    ({"messages": HELLO, "temperature": "warm"}, "temperature"),
    ({"messages": HELLO, "temperature": float("nan")}, "temperature"),
    ({"messages": HELLO, "max_tokens": 0}, "max_tokens"),
    ({"messages": HELLO, "max_completion_tokens": -2}, "max_completion_tokens"),
    ({"messages": HELLO, "conversation": 5}, "conversation"),
    ({"messages": HELLO, "conversation": {"id": " "}}, "conversation"),
    ({"messages": HELLO, "metadata": {"a": 1}}, "metadata"),
    ({"messages": HELLO, "truncation": "maybe"}, "truncation"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED)
def test_what_cannot_be_served_is_refused_by_name(body, param):
    with pytest.raises(RequestRefused) as refused:
        parse_request(body)
    assert refused.value.param == param
    assert str(refused.value).endswith(".")
