"""A stream becomes one message, and only a stream that ended as it should passes for a reply."""

import json
from typing import Any

import pytest

from turnkeep.conversation.items import Message, Reasoning, Text, ToolCall, Usage
from turnkeep.errors import (
    ContextOverflow,
    EngineBusy,
    EngineProtocolError,
    EngineRefused,
    TurnkeepError,
)
from turnkeep.wire.assemble import Assembler, ReplyStream, read_response, split_inline_reasoning
from turnkeep.wire.exchange import Delta, End, Progress, ReasoningDelta, TextDelta, ToolCallDelta

DONE = b"data: [DONE]\n\n"


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def piece(text: str | None = None, finish: str | None = None, **fields: object) -> bytes:
    delta = {} if text is None else {"content": text}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields})


def replay(*pieces: bytes) -> list[Delta]:
    reply = ReplyStream("The engine")
    deltas = [delta for data in pieces for delta in reply.feed(data)]
    return [*deltas, reply.end()]


def test_a_reply_ends_with_its_reason_and_usage() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1}
    deltas = replay(piece("Rex"), piece(finish="length"), event({"choices": [], "usage": usage}), DONE)
    assert deltas == [
        TextDelta("Rex"),
        End(finish_reason="length", usage=Usage(prompt_tokens=5, completion_tokens=1)),
    ]


def test_done_is_optional_after_a_finish_reason() -> None:
    assert replay(piece("Rex"), piece(finish="stop"))[-1] == End(finish_reason="stop")


def test_a_finish_reason_is_optional_before_done() -> None:
    assert replay(piece("Rex"), DONE)[-1] == End(finish_reason="stop")


def test_an_end_without_either_is_none() -> None:
    with pytest.raises(EngineProtocolError, match="broke off"):
        replay(piece("Rex"))


def test_nothing_at_all_is_no_reply() -> None:
    with pytest.raises(EngineProtocolError, match="broke off"):
        replay(b"")


def test_the_newest_figures_count() -> None:
    timings = {"predicted_per_second": 9.0, "prompt_per_second": 90.0}
    end = replay(
        piece("R", usage={"prompt_tokens": 5, "completion_tokens": 1}, timings=timings),
        piece(finish="stop", usage={"prompt_tokens": 5, "completion_tokens": 2}),
    )[-1]
    assert end == End(
        finish_reason="stop",
        usage=Usage(prompt_tokens=5, completion_tokens=2),
        tokens_per_second=9.0,
        read_per_second=90.0,
    )


def test_what_follows_done_is_not_read() -> None:
    assert replay(piece("a"), DONE + piece("b"), piece("c"))[:-1] == [TextDelta("a")]


def test_a_stream_tells_when_it_is_finished_and_when_complete() -> None:
    reply = ReplyStream()
    list(reply.feed(piece("a")))
    assert (reply.finished, reply.complete) == (False, False)
    list(reply.feed(piece(finish="stop")))
    assert (reply.finished, reply.complete) == (True, False)
    list(reply.feed(DONE))
    assert (reply.finished, reply.complete) == (True, True)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}, EngineBusy),
        ({"error": "The model has crashed"}, EngineRefused),
        ({"error": {"message": "Prompt length 9 exceeds the available context size of 5 tokens"}}, ContextOverflow),
        ({"object": "error", "message": "stopped", "code": 500}, EngineRefused),
    ],
)  # fmt: skip
@pytest.mark.parametrize("done", [b"", DONE])
def test_an_error_in_a_stream_is_raised_after_what_came_before(
    error: dict[str, Any], kind: type[TurnkeepError], done: bytes
) -> None:
    deltas = ReplyStream().feed(piece("Re") + event(error) + done)
    assert next(deltas) == TextDelta("Re")
    with pytest.raises(kind):
        next(deltas)


@pytest.mark.parametrize(
    "data",
    [
        b"data: no json\n\n",
        b"data: 5\n\n",
        b'data: {"choices": 5}\n\n',
        b"data: \xff\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_is_not_the_protocol_is_refused(data: bytes) -> None:
    with pytest.raises(EngineProtocolError, match="cannot be read"):
        replay(data)


def test_an_event_beyond_the_limit_is_refused() -> None:
    reply = ReplyStream("The engine", max_event_bytes=50)
    with pytest.raises(EngineProtocolError, match="longer than 50 bytes"):
        list(reply.feed(b"data: " + b"x" * 60))


def test_an_empty_reply_that_hides_an_overflow_is_one() -> None:
    with pytest.raises(ContextOverflow, match="nothing"):
        replay(piece(finish="length"), DONE)
    with pytest.raises(ContextOverflow) as caught:
        replay(event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 0}}), DONE)
    assert caught.value.needed == 7


def test_an_empty_reply_may_also_be_meant() -> None:
    assert replay(piece(finish="stop"), DONE) == [End(finish_reason="stop")]


def test_progress_alone_says_nothing() -> None:
    progress = event({"prompt_progress": {"total": 9, "cache": 0, "processed": 9}})
    with pytest.raises(ContextOverflow):
        replay(progress, piece(finish="length"))


def test_a_response_that_came_whole_is_read() -> None:
    value = {"choices": [{"message": {"content": "Rex."}, "finish_reason": "stop"}]}
    assert read_response(value) == [TextDelta("Rex."), End(finish_reason="stop")]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"error": "crashed"}, EngineRefused),
        ({"choices": []}, EngineProtocolError),
        ({"choices": [{"message": {"content": "Rex."}}]}, EngineProtocolError),
        ([], EngineProtocolError),
        ({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}, ContextOverflow),
    ],
)
def test_a_whole_response_is_held_to_the_same_rules(value: object, kind: type[TurnkeepError]) -> None:
    with pytest.raises(kind):
        read_response(value)


# -- deltas -> message


def assemble(*deltas: Delta) -> Message:
    assembler = Assembler()
    for delta in deltas:
        assembler.add(delta)
    return assembler.message


def test_deltas_become_a_message() -> None:
    assert assemble(
        Progress(total=1, cached=0, processed=1),
        ReasoningDelta("a "),
        ReasoningDelta("dog"),
        TextDelta(" Re"),
        TextDelta("x \n"),
        ToolCallDelta(index=1, call_id="c2", name="g", arguments="{}"),
        ToolCallDelta(index=0, call_id="c1", name="f", arguments="{"),
        ToolCallDelta(index=0, call_id="c9", name="h", arguments="}"),
        End(finish_reason="tool_calls"),
    ) == Message(
        "assistant",
        (
            Reasoning("a dog"),
            Text(" Rex \n"),
            ToolCall(call_id="c1", name="f", arguments="{}"),
            ToolCall(call_id="c2", name="g", arguments="{}"),
        ),
    )


def test_a_message_of_tool_calls_alone_has_no_text() -> None:
    call = ToolCallDelta(index=0, call_id="c", name="f", arguments="{}")
    assert assemble(call).parts == (ToolCall(call_id="c", name="f", arguments="{}"),)


def test_nothing_said_is_an_empty_text() -> None:
    assert assemble() == Message("assistant", (Text(""),))


def test_a_partial_message_can_be_had_at_any_moment() -> None:
    assembler = Assembler()
    assembler.add(TextDelta("Re"))
    assert (assembler.message.text, assembler.text, assembler.end) == ("Re", "Re", None)
    assembler.add(TextDelta("x"))
    assembler.add(End(finish_reason="stop"))
    assert (assembler.text, assembler.end) == ("Rex", End(finish_reason="stop"))


def test_inline_reasoning_is_kept_as_text() -> None:
    text = "<think>a dog</think>\n\nRex"
    assert assemble(TextDelta(text)) == Message("assistant", (Text(text),))


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("<think>a dog</think>\n\nRex", ("a dog", "Rex")),
        ("\n<think>\n</think>Rex", ("", "Rex")),
        ("<think>a do", ("a do", "")),
        ("Rex <think>no</think>", ("", "Rex <think>no</think>")),
        (" Rex", ("", " Rex")),
    ],
)
def test_inline_reasoning_can_be_told_from_the_answer(text: str, split: tuple[str, str]) -> None:
    assert split_inline_reasoning(text) == split
