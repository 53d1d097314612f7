"""Items survive the store, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.conversation.items import (
    Forgotten,
    Image,
    Message,
    Note,
    Reasoning,
    Recalled,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    assistant,
    dump_item,
    load_item,
    user,
)
from turnkeep.errors import WireError

texts = st.text(max_size=20)
parts = st.one_of(
    st.builds(Text, texts),
    st.builds(Reasoning, texts),
    st.builds(Image, texts, st.none() | texts),
    st.builds(ToolCall, call_id=texts, name=texts, arguments=texts),
    st.builds(ToolResult, call_id=texts, text=texts),
)
messages = st.builds(
    Message,
    st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    st.lists(parts, max_size=4).map(tuple),
)
recalled = st.builds(Recalled, st.lists(texts).map(tuple), st.lists(st.integers(1)).map(tuple))

notes = st.builds(
    Note,
    op=st.sampled_from(["remember", "edit_line", "remove_line", "edit_fact", "remove_fact"]),
    text=texts,
    old=texts,
    turn=st.integers(0),
)
tombs = st.builds(Forgotten, st.sampled_from(["user", "assistant", "recalled", "partial", "note"]))


@given(messages | recalled | notes | tombs)
def test_an_item_is_read_back_as_it_was_written(item):
    assert load_item(*dump_item(item)) == item


def test_plain_text_takes_little_room_and_is_not_escaped():
    assert dump_item(user("Grüße, 世界")) == ("user", '"Grüße, 世界"')


def test_a_message_tells_its_parts_apart():
    call = ToolCall(call_id="1", name="f", arguments="{}")
    message = Message("assistant", (Reasoning("hm"), Text("a"), call, Text("b")))
    assert (message.text, message.reasoning, message.tool_calls) == ("ab", "hm", (call,))
    assert assistant("a", "hm").parts == (Reasoning("hm"), Text("a"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("user", "{"),
        ("alien", '"x"'),
        ("note", '["shout","x","",0]'),
        ("note", '["remember"]'),
        ("user", '[{"type":"video"}]'),
        ("user", '[{"type":"text"}]'),
        ("recalled", "3"),
    ],
)
def test_what_cannot_be_read_is_said(kind, body):
    with pytest.raises(WireError, match=kind):
        load_item(kind, body)


def test_missing_figures_are_not_zero():
    assert Usage(prompt_tokens=10).read_tokens is None
    assert Usage(cached_tokens=10).read_tokens is None
    assert Usage(prompt_tokens=10, cached_tokens=4).read_tokens == 6
