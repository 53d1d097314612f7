"""Writing chat completions: the client's own types are the judge of the form."""

import json
from typing import Any

import pytest
from openai.types import chat

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
from turnkeep.wire.chat_replies import (
    DONE,
    ChunkWriter,
    render_completion,
    render_list,
    render_stored_messages,
    render_usage,
    replay_completion,
)

USAGE = Usage(prompt_tokens=10, completion_tokens=3, cached_tokens=4)
RECEIPT = {"window": 4096}
CALL = ToolCall(call_id="c1", name="look", arguments='{"at":"sky"}')


def writer(*, usage: bool = False) -> ChunkWriter:
    return ChunkWriter(completion="chatcmpl-1", model="m", created=5, usage=usage)


def read(data: bytes) -> list[dict[str, Any]]:
    """The chunks of a piece of a stream, checked by the client's own type."""
    events = [line.removeprefix(b"data: ") for line in data.split(b"\n\n") if line]
    chunks = [json.loads(event) for event in events if event != b"[DONE]"]
    for chunk in chunks:
        chat.ChatCompletionChunk.model_validate(chunk, strict=True)
    return chunks


def delta(data: bytes) -> dict[str, Any]:
    (chunk,) = read(data)
    (choice,) = chunk["choices"]
    said: dict[str, Any] = choice["delta"]
    assert (chunk["id"], chunk["model"], chunk["created"], choice["index"]) == ("chatcmpl-1", "m", 5, 0)
    assert choice["finish_reason"] is None
    return said


def test_the_first_chunk_says_who_speaks():
    assert delta(writer().role()) == {"role": "assistant", "content": "", "refusal": None}


@pytest.mark.parametrize(
    "text", ["Hello", 'a "quoted"\nline\u2028', "\x00", "né 漢 😀", '"\\u0000"', "\ud83d"]
)
def test_a_piece_arrives_as_it_was_said(text):
    assert delta(writer().text(text)) == {"content": text}
    assert delta(writer(usage=True).thought(text)) == {"reasoning_content": text}


def test_a_call_is_named_once():
    first = writer().call(index=1, call_id="c1", name="look", arguments="")
    assert delta(first)["tool_calls"] == [
        {"index": 1, "id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}
    ]
    more = writer().call(index=1, call_id="", name="", arguments='{"at"')
    assert delta(more)["tool_calls"] == [{"index": 1, "function": {"arguments": '{"at"'}}]


def test_the_last_chunk_carries_the_receipt():
    data = writer().end("length", USAGE, RECEIPT)
    assert data.endswith(DONE)
    (chunk,) = read(data)
    assert chunk["turnkeep"] == RECEIPT
    assert chunk["choices"][0]["finish_reason"] == "length"
    assert "usage" not in chunk


def test_usage_comes_in_a_chunk_of_its_own_and_is_null_in_all_others():
    write = writer(usage=True)
    finish, last = read(write.end("tool_calls", USAGE, RECEIPT))
    assert (finish["usage"], finish["choices"][0]["finish_reason"]) == (None, "tool_calls")
    assert "turnkeep" not in finish
    assert (last["choices"], last["usage"]["total_tokens"], last["turnkeep"]) == ([], 13, RECEIPT)
    assert read(write.text("a"))[0]["usage"] is None


@pytest.mark.parametrize(("finish", "named"), [("cancelled", "length"), (None, "stop")])
def test_an_end_that_the_interface_has_no_name_for_says_whether_the_reply_is_whole(finish, named):
    assert read(writer().end(finish, USAGE, RECEIPT))[0]["choices"][0]["finish_reason"] == named


def test_a_reply_that_is_there_is_streamed_whole():
    message = Message("assistant", (Reasoning("Hm."), Text("Blue."), CALL))
    role, thought, text, call, end = read(replay_completion(writer(), message, "tool_calls", USAGE, RECEIPT))
    deltas = [chunk["choices"][0]["delta"] for chunk in (role, thought, text, call)]
    assert deltas[1:3] == [{"reasoning_content": "Hm."}, {"content": "Blue."}]
    assert deltas[3]["tool_calls"][0]["function"]["arguments"] == CALL.arguments
    assert end["turnkeep"] == RECEIPT
    assert len(read(replay_completion(writer(), Message("assistant", ()), "stop", USAGE, RECEIPT))) == 2


def whole(message: Message, **options: Any) -> dict[str, Any]:
    options = {"finish": "stop", "usage": USAGE, **options}
    body = render_completion(completion="chatcmpl-1", model="m", created=5, message=message, **options)
    chat.ChatCompletion.model_validate(body, strict=True)
    return body


def test_a_whole_completion_is_one_by_the_clients_types():
    body = whole(assistant("Blue.", "Hm."), receipt=RECEIPT)
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Blue.", "refusal": None, "reasoning_content": "Hm."},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert body["turnkeep"] == RECEIPT


def test_calls_stand_in_place_of_words():
    message = whole(Message("assistant", (CALL,)), finish="tool_calls")["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
    ]


def test_nothing_said_is_an_empty_text():
    assert whole(assistant(""))["choices"][0]["message"]["content"] == ""


def test_a_stored_completion_shows_fields_of_its_request():
    body = whole(assistant("a"), head={"metadata": {"k": "v"}})
    assert body["metadata"] == {"k": "v"}
    assert "turnkeep" not in body


def test_missing_usage_is_not_zero():
    assert render_usage(Usage(prompt_tokens=3)) is None
    assert render_usage(Usage(prompt_tokens=3, completion_tokens=0)) == {
        "prompt_tokens": 3,
        "completion_tokens": 0,
        "total_tokens": 3,
    }
    assert whole(assistant("a"), usage=Usage())["usage"] is None


def test_stored_messages_have_ids():
    image = Message("user", (Text("See"), Image("data:image/png;base64,AA")))
    results = Message("tool", (ToolResult(call_id="c1", text="a"), ToolResult(call_id="c2", text="b")))
    (plain,) = render_stored_messages(["msg_1"], user("Hello"))
    assert plain == {"id": "msg_1", "role": "user", "content": "Hello", "content_parts": None}
    (shown,) = render_stored_messages(["msg_2"], image)
    assert (shown["content"], len(shown["content_parts"])) == (None, 2)
    both = render_stored_messages(["fco_1", "fco_2"], results)
    assert [(row["id"], row["tool_call_id"]) for row in both] == [("fco_1", "c1"), ("fco_2", "c2")]


def test_a_list_names_its_ends():
    assert render_list([{"id": "a"}, {"id": "b"}], more=True) == {
        "object": "list", "data": [{"id": "a"}, {"id": "b"}], "first_id": "a", "last_id": "b", "has_more": True
    }  # fmt: skip
    assert render_list([], more=False)["last_id"] is None
