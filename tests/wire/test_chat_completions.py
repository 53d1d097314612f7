"""Items become messages and requests; chunks of every dialect become deltas."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.conversation.items import (
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    assistant,
    user,
)
from turnkeep.errors import UsageError, WireError
from turnkeep.wire.chat_completions import (
    Chunk,
    parse_chunk,
    parse_reply,
    parse_usage,
    read_text,
    render_body,
    render_messages,
)
from turnkeep.wire.exchange import Progress, ReasoningDelta, Request, TextDelta, ToolCallDelta

HI = [{"role": "user", "content": "Hi"}]


def delta(**fields: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


# -- items -> request


def test_text_is_sent_as_a_string() -> None:
    assert render_messages([Message("system", (Text("Be "), Text("kind."))), user("Hi")]) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
    ]


def test_images_are_sent_as_parts_in_their_order() -> None:
    image = Message("user", (Text("What is"), Image("data:a"), Image("data:b", "low"), Text("this?")))
    assert render_messages([image])[0]["content"] == [
        {"type": "text", "text": "What is"},
        {"type": "image_url", "image_url": {"url": "data:a"}},
        {"type": "image_url", "image_url": {"url": "data:b", "detail": "low"}},
        {"type": "text", "text": "this?"},
    ]


def test_tool_calls_and_results_are_sent_as_they_came() -> None:
    call = ToolCall(call_id="call_1", name="roll", arguments='{ "sides":6}')
    result = Message("tool", (ToolResult(call_id="call_1", text="4"), ToolResult(call_id="call_2", text="5")))
    assert render_messages([Message("assistant", (call,)), result]) == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "roll", "arguments": '{ "sides":6}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "4"},
        {"role": "tool", "tool_call_id": "call_2", "content": "5"},
    ]


def test_reasoning_is_sent_only_when_asked_for() -> None:
    reply = assistant(" Rex. ", "A dog.")
    assert render_messages([reply]) == [{"role": "assistant", "content": " Rex. "}]
    assert render_messages([reply], reasoning=True) == [
        {"role": "assistant", "content": " Rex. ", "reasoning_content": "A dog."}
    ]


def test_what_a_request_leaves_open_is_left_out() -> None:
    assert render_body(Request(messages=HI), "m") == {
        "model": "m",
        "messages": HI,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert render_body(Request(messages=HI), "m", stream=False) == {
        "model": "m",
        "messages": HI,
        "stream": False,
    }


def test_what_a_request_says_is_sent_as_given() -> None:
    request = Request(
        messages=HI,
        max_tokens=-1,
        temperature=0.0,
        sampling={"top_k": 3, "stop": ["x"], "custom": {"a": None}},
        tools=[{"type": "function"}],
        template_args={"date_string": "1 May 2026"},
    )
    body = render_body(request, "m")
    assert (body["max_tokens"], body["temperature"]) == (-1, 0.0)
    assert (body["top_k"], body["stop"], body["custom"]) == (3, ["x"], {"a": None})
    assert body["tools"] == [{"type": "function"}]
    assert body["chat_template_kwargs"] == {"date_string": "1 May 2026"}


def test_template_arguments_of_the_caller_come_before_pins() -> None:
    request = Request(
        messages=HI,
        sampling={"chat_template_kwargs": {"date_string": "mine", "enable_thinking": False}},
        template_args={"date_string": "pin", "today": "pin"},
    )
    assert render_body(request, "m")["chat_template_kwargs"] == {
        "date_string": "mine",
        "today": "pin",
        "enable_thinking": False,
    }


@pytest.mark.parametrize("field", ["messages", "model", "stream", "stream_options"])
def test_sampling_may_not_set_what_turnkeep_sets(field: str) -> None:
    with pytest.raises(UsageError, match=field):
        render_body(Request(messages=HI, sampling={field: 1}), "m")


# -- response -> deltas


@pytest.mark.parametrize(
    ("fields", "deltas"),
    [
        ({"role": "assistant", "content": None}, ()),
        ({"content": ""}, ()),
        ({"content": " a"}, (TextDelta(" a"),)),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, (TextDelta("ab"),)),
        ({"reasoning_content": "r"}, (ReasoningDelta("r"),)),
        ({"reasoning": "r", "content": "a"}, (ReasoningDelta("r"), TextDelta("a"))),
        ({"reasoning": "r", "reasoning_content": "r"}, (ReasoningDelta("r"),)),
        ({"tool_calls": None}, ()),
        (
            {"tool_calls": [{"index": 1, "id": "c", "function": {"name": "f", "arguments": "{"}}]},
            (ToolCallDelta(index=1, call_id="c", name="f", arguments="{"),),
        ),
        (
            {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
            (ToolCallDelta(index=0, arguments="}"),),
        ),
        (
            {"tool_calls": [{"id": "a", "function": {"name": "f"}}, {"id": "b", "function": None}]},
            (ToolCallDelta(index=0, call_id="a", name="f"), ToolCallDelta(index=1, call_id="b")),
        ),
        (
            {"tool_calls": [{"function": {"name": "f", "arguments": {"ä": 1}}}]},
            (ToolCallDelta(index=0, name="f", arguments='{"ä": 1}'),),
        ),
        ({"unknown": {"key": 1}}, ()),
    ],
)
def test_a_delta_of_any_dialect_is_read(fields: dict[str, Any], deltas: tuple[object, ...]) -> None:
    assert parse_chunk(delta(**fields)) == Chunk(deltas=deltas)  # type: ignore[arg-type]  # of the table above


@pytest.mark.parametrize(
    "value", [{}, {"choices": None}, {"choices": []}, {"choices": [{"delta": None}]}, {"error": None}]
)
def test_a_chunk_without_a_choice_says_nothing(value: dict[str, Any]) -> None:
    assert parse_chunk(value) == Chunk()


def test_only_the_first_choice_counts() -> None:
    choices = [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]
    assert parse_chunk({"choices": choices}).deltas == (TextDelta("a"),)
    assert parse_chunk({"choices": choices[:1]}).deltas == ()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("abort", "cancelled"),
        ("", None),
        (None, None),
    ],
)
def test_finish_reasons_have_one_name(word: str | None, reason: str | None) -> None:
    assert parse_chunk({"choices": [{"finish_reason": word, "delta": {}}]}).finish_reason == reason


def test_a_whole_response_is_read_like_a_chunk() -> None:
    message = {"role": "assistant", "content": "Rex.", "reasoning_content": "A dog."}
    chunk = parse_chunk(
        {
            "choices": [{"finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        }
    )
    assert chunk.deltas == (ReasoningDelta("A dog."), TextDelta("Rex."))
    assert (chunk.finish_reason, chunk.usage) == ("stop", Usage(prompt_tokens=3, completion_tokens=2))


def test_missing_figures_are_unknown_not_zero() -> None:
    assert parse_chunk({"usage": {"prompt_tokens": 3}}).usage == Usage(prompt_tokens=3)
    assert parse_chunk({"usage": {"prompt_tokens": -1, "completion_tokens": True}}).usage is None
    assert parse_chunk({"usage": None}).usage is None


def test_cached_tokens_are_read() -> None:
    usage = {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 0}}
    assert parse_chunk({"usage": usage}).usage == Usage(prompt_tokens=9, cached_tokens=0)
    assert parse_chunk({"usage": {"prompt_tokens": 9, "prompt_tokens_details": None}}).usage == Usage(
        prompt_tokens=9
    )


def test_timings_of_llama_cpp_fill_in_what_usage_leaves_out() -> None:
    timings = {
        "cache_n": 40,
        "prompt_n": 6,
        "predicted_n": 8,
        "prompt_per_second": 500,
        "predicted_per_second": 50.5,
    }
    chunk = parse_chunk({"timings": timings})
    assert chunk.usage == Usage(prompt_tokens=46, completion_tokens=8, cached_tokens=40)
    assert (chunk.read_per_second, chunk.tokens_per_second) == (500.0, 50.5)
    usage = parse_chunk({"timings": timings, "usage": {"prompt_tokens": 46, "completion_tokens": 9}}).usage
    assert usage == Usage(prompt_tokens=46, completion_tokens=9, cached_tokens=40)


@pytest.mark.parametrize("rate", [None, 0, "fast", True, float("inf"), float("nan")])
def test_a_senseless_rate_is_unknown(rate: object) -> None:
    assert parse_chunk({"timings": {"predicted_per_second": rate}}).tokens_per_second is None


def test_progress_of_the_prefill_is_read() -> None:
    progress = {"total": 46, "cache": 10, "processed": 30, "time_ms": 7}
    assert parse_chunk({"prompt_progress": progress}).deltas == (Progress(total=46, cached=10, processed=30),)
    assert parse_chunk({"prompt_progress": {"total": 46}}).deltas == ()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"error": "went wrong"}, "went wrong"),
        ({"error": {"message": "went wrong"}}, {"message": "went wrong"}),
        (
            {"object": "error", "message": "went wrong"},
            {"object": "error", "message": "went wrong"},
        ),
    ],
)
def test_an_error_in_any_form_is_seen(value: dict[str, Any], error: object) -> None:
    assert parse_chunk(value).error == error


def test_a_choice_that_ended_in_an_error_is_one() -> None:
    assert parse_chunk({"choices": [{"finish_reason": "error", "delta": {}}]}).error is not None


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {"choices": "text"},
        {"choices": {"delta": {}}},
        {"choices": [1]},
        delta(content=5),
        delta(tool_calls="x"),
        delta(tool_calls=[1]),
        delta(tool_calls=[{"function": [1]}]),
        {"choices": [{"delta": "text"}]},
    ],
)
def test_what_no_engine_sends_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        parse_chunk(value)


def test_a_part_that_is_not_text_does_not_count_as_text() -> None:
    message = Message("assistant", (Reasoning("r"), Text("a"), Image("data:x")))
    assert render_messages([message])[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:x"}},
    ]


# -- what a program hands over


def test_a_reply_may_be_handed_over_as_text_or_as_a_message() -> None:
    assert parse_reply(" Rex ") == assistant(" Rex ")
    assert parse_reply({"role": "assistant", "content": "Rex", "reasoning": "A dog."}) == assistant(
        "Rex", "A dog."
    )
    call = {"id": "c", "type": "function", "function": {"name": "roll", "arguments": "{}"}}
    assert parse_reply({"content": None, "tool_calls": [call]}) == Message(
        "assistant", (ToolCall(call_id="c", name="roll", arguments="{}"),)
    )
    assert parse_reply({}) == assistant("")


@pytest.mark.parametrize("value", [None, 5, ["Rex"], {"role": "user", "content": "Rex"}, {"content": 5}])
def test_what_is_no_reply_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        parse_reply(value)


def test_usage_alone_is_read() -> None:
    assert parse_usage({"prompt_tokens": 5, "completion_tokens": 2}) == Usage(
        prompt_tokens=5, completion_tokens=2
    )
    assert parse_usage(None) == Usage()


# -- the short way


VALUES = st.sampled_from([None, "", "a", 0, 1, [], {}, {"content": "x"}, [{"type": "text", "text": "y"}]])
NAMES = ("content", "reasoning", "reasoning_content", "tool_calls", "role")
CHOICES = st.fixed_dictionaries(
    {"delta": st.one_of(VALUES, st.dictionaries(st.sampled_from(NAMES), VALUES))},
    optional={"index": VALUES, "finish_reason": st.sampled_from([None, "", "stop", "error"])},
)
EVENTS = st.fixed_dictionaries(
    {"choices": st.one_of(VALUES, st.lists(st.one_of(CHOICES, VALUES), max_size=2))},
    optional=dict.fromkeys(("error", "usage", "timings", "prompt_progress", "object"), VALUES),
)


@given(EVENTS)
def test_what_is_read_as_plain_text_says_nothing_else(event: dict[str, Any]) -> None:
    text = read_text(event)
    if text is not None:
        assert parse_chunk(event) == Chunk(deltas=(TextDelta(text),))


def test_the_usual_event_is_read_as_plain_text() -> None:
    event = {
        "id": "c",
        "object": "chat.completion.chunk",
        "usage": None,
        **delta(role="assistant", content="Hi"),
    }
    assert read_text(event) == "Hi"
    assert read_text({**event, "usage": {"prompt_tokens": 1}}) is None
    assert read_text(delta(tool_calls=[{}], content="Hi")) is None
    assert read_text([]) is None
