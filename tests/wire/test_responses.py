"""The body of a request to the Responses interface is checked once, field by field."""

from typing import Any

import pytest

from turnkeep.conversation.items import user
from turnkeep.errors import RequestRefused
from turnkeep.wire.responses import parse_create, parse_metadata

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
WIRE_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}


def test_a_short_request_is_read() -> None:
    request = parse_create({"input": "hi"})
    assert request.given == [user("hi")]
    assert (request.store, request.stream, request.background) == (None, False, False)
    assert (request.truncation, request.sampling, request.tools) == ("disabled", {}, [])
    assert request.compact_threshold is None
    assert not request.compact_now


def test_every_field_is_read() -> None:
    request = parse_create(
        {
            "input": [{"type": "compaction_trigger"}],
            "instructions": "Be brief.",
            "model": "m",
            "previous_response_id": "resp_1",
            "store": True,
            "stream": True,
            "background": True,
            "truncation": "auto",
            "temperature": 0.5,
            "max_output_tokens": 100,
            "top_p": 0.9,
            "min_p": 0.1,
            "reasoning": {"effort": "low"},
            "tools": [TOOL],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "context_management": [
                {"type": "compaction", "compact_threshold": 900},
                {"type": "compaction", "compact_threshold": 500},
            ],
            "metadata": {"a": "b"},
            "include": ["reasoning.encrypted_content"],
            "service_tier": "auto",
            "user": "u1",
            "something_new": 5,
        }
    )
    assert (request.instructions, request.model, request.previous) == ("Be brief.", "m", "resp_1")
    assert (request.store, request.stream, request.background) == (True, True, True)
    assert (request.truncation, request.temperature, request.max_output_tokens) == ("auto", 0.5, 100)
    assert request.sampling == {
        "top_p": 0.9,
        "min_p": 0.1,
        "reasoning_effort": "low",
        "tool_choice": "required",
        "parallel_tool_calls": False,
    }
    assert request.tools == [WIRE_TOOL]
    assert request.compact_threshold == 500
    assert request.compact_now
    assert request.metadata == {"a": "b"}
    assert request.echo["tools"][0]["name"] == "f"
    assert request.echo["temperature"] == 0.5
    assert request.echo["user"] == "u1"
    assert request.echo["service_tier"] == "default"


def test_the_conversation_is_an_id_or_an_object() -> None:
    assert parse_create({"conversation": "conv_1"}).conversation == "conv_1"
    assert parse_create({"conversation": {"id": "conv_1"}}).conversation == "conv_1"


def test_both_previous_response_and_conversation_are_refused_by_name() -> None:
    with pytest.raises(RequestRefused, match=r"previous_response_id and conversation"):
        parse_create({"conversation": "conv_1", "previous_response_id": "resp_1"})


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
            },
        ),
    ],
)
def test_the_format_is_worded_for_the_engine(form: dict[str, Any], sent: dict[str, Any] | None) -> None:
    request = parse_create({"input": "x", "text": {"format": form, "verbosity": "low"}})
    assert request.sampling.get("response_format") == sent
    assert request.echo["text"] == {"format": form, "verbosity": "low"}


@pytest.mark.parametrize(
    ("choice", "sent", "tools"),
    [
        ("none", "none", ["f", "g"]),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}, ["f", "g"]),
        ({"type": "allowed_tools", "tools": [{"type": "function", "name": "g"}]}, "auto", ["g"]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            "required",
            ["f"],
        ),
    ],
)
def test_the_choice_of_tools_is_worded_for_the_engine(choice: Any, sent: Any, tools: list[str]) -> None:
    request = parse_create({"tools": [TOOL, TOOL | {"name": "g"}], "tool_choice": choice})
    assert request.sampling["tool_choice"] == sent
    assert [tool["function"]["name"] for tool in request.tools] == tools  # type: ignore[index]  # a dict of ours
    assert request.echo["tool_choice"] == choice


def test_a_choice_without_tools_is_not_sent() -> None:
    assert parse_create({"tool_choice": "auto"}).sampling == {}


def test_a_tool_may_be_described() -> None:
    request = parse_create({"tools": [{"type": "function", "name": "f", "description": "d"}]})
    assert request.tools == [{"type": "function", "function": {"name": "f", "description": "d"}}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"include": "x"}, "include"),
        ({"include": [5]}, "include"),
        ({"include": ["message.output_text.logprobs"]}, "top_logprobs"),
        ({"top_logprobs": 5}, "top_logprobs"),
        ({"top_logprobs": -1}, "top_logprobs"),
        ({"background": True, "store": False}, "background"),
        ({"background": "yes"}, "background"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [TOOL | {"parameters": 5}]}, "tools[0].parameters"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "tools": 5}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x", "tools": []}}, "tool_choice"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"text": 5}, "text"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"verbosity": "x"}}, "text.verbosity"),
        ({"truncation": "x"}, "truncation"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"max_tool_calls": "x"}, "max_tool_calls"),
        ({"context_management": 5}, "context_management"),
        ({"context_management": [{"type": "x"}]}, "context_management[0].type"),
        (
            {"context_management": [{"type": "compaction", "compact_threshold": "x"}]},
            "context_management[0].compact_threshold",
        ),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"reasoning": 5}, "reasoning"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"model": 5}, "model"),
        ({"user": 5}, "user"),
        ({"conversation": {"id": 5}}, "conversation.id"),
        ({"metadata": 5}, "metadata"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_field(body: Any, param: str | None) -> None:
    with pytest.raises(RequestRefused) as refused:
        parse_create(body)
    assert refused.value.param == param
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "value",
    [
        {str(n): "x" for n in range(17)},
        {"k" * 65: "x"},
        {"k": "x" * 513},
        {"k": 5},
    ],
)
def test_metadata_are_few_and_short_texts(value: Any) -> None:
    with pytest.raises(RequestRefused):
        parse_metadata(value)


def test_metadata_may_be_as_long_as_the_interface_says() -> None:
    value = {f"{n:064}": "x" * 512 for n in range(16)}
    assert parse_metadata(value) == value
    assert parse_metadata(None) == {}
