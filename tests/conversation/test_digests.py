"""Digests of histories: what counts as the same, and what does not."""

import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.conversation.digests import DIGEST_BYTES, begin_chain, chain_digests, without_thoughts
from turnkeep.conversation.items import (
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    user,
)

KEY = b"k" * 32
ROOT = begin_chain(KEY)


def digest(*messages: Message) -> bytes:
    return chain_digests(KEY, ROOT, messages)[-1]


def call(arguments: str, name: str = "look", call_id: str = "c1") -> Message:
    return Message("assistant", (ToolCall(call_id=call_id, name=name, arguments=arguments),))


def results(*texts: str) -> Message:
    return Message("tool", tuple(ToolResult(call_id=f"c{n}", text=text) for n, text in enumerate(texts)))


SAME: dict[str, tuple[Message, Message]] = {
    "space is collapsed": (user("  Hello,\n\n world "), user("Hello, world")),
    "text parts are joined": (Message("user", (Text("Hello, "), Text("world"))), user("Hello, world")),
    "reasoning does not count": (assistant("Yes.", "Let me think."), assistant("Yes.")),
    "thoughts in the text do not count": (assistant("<think>Hm.</think>\n\nYes."), assistant("Yes.")),
    "nor where the template began them": (assistant("Hm.</think>\n\nYes."), assistant("Yes.")),
    "nor as Open WebUI folds them": (
        assistant('<details type="reasoning" done="true">\n> Hm.\n</details>\nYes.'),
        assistant("Yes."),
    ),
    "arguments are compared as values": (call('{"b":1,"a":[2]}'), call('{ "a": [2], "b": 1 }')),
    "broken arguments by their words": (call('{"b": '), call('{"b":  ')),
    "a developer is a system": (
        Message("developer", (Text("Be brief."),)),
        Message("system", (Text("Be brief."),)),
    ),
    "the detail of an image does not count": (
        Message("user", (Image("data:image/png;base64,AA", "low"),)),
        Message("user", (Image("data:image/png;base64,AA"),)),
    ),
}
OTHER: dict[str, tuple[Message, Message]] = {
    "another word": (user("Hello"), user("Hallo")),
    "another speaker": (user("Hello"), assistant("Hello")),
    "another image": (Message("user", (Image("data:a"),)), Message("user", (Image("data:b"),))),
    "a user's thoughts are words": (user("<think>Hm.</think> Yes."), user("Yes.")),
    "another tool": (call("{}"), call("{}", name="search")),
    "another call": (call("{}"), call("{}", call_id="c2")),
    "a call and no call": (call("{}"), assistant("")),
    "another result": (results("1"), results("2")),
    "another number": (call('{"a": 1}'), call('{"a": 2}')),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_it_is_the_same_message(one, other):
    assert digest(one) == digest(other)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER.keys())
def test_it_is_another_message(one, other):
    assert digest(one) != digest(other)


def test_results_of_tools_count_one_by_one():
    one, both = results("sunny", "dry"), results("sunny", "dry").parts
    apart = [Message("tool", (part,)) for part in both]
    assert chain_digests(KEY, ROOT, [one])[-1] == chain_digests(KEY, ROOT, apart)[-1]


def test_a_digest_stands_for_all_that_came_before():
    here, there = [user("a"), assistant("b"), user("c")], [user("x"), assistant("b"), user("c")]
    assert len(set(chain_digests(KEY, ROOT, here)) & set(chain_digests(KEY, ROOT, there))) == 0


def test_a_chain_can_be_taken_up_where_it_was_left():
    messages = [user("a"), assistant("b"), user("c"), assistant("d")]
    whole = chain_digests(KEY, ROOT, messages)
    first = chain_digests(KEY, ROOT, messages[:2])
    assert first + chain_digests(KEY, first[-1], messages[2:]) == whole


def test_two_messages_are_not_one():
    assert digest(user("a"), user("b")) != digest(user("a b"))


def test_another_key_and_another_label_give_other_digests():
    other_key, labelled = begin_chain(b"x" * 32), begin_chain(KEY, "chat 1")
    assert len({ROOT, other_key, labelled}) == 3
    hello = [user("hello")]
    assert chain_digests(KEY, labelled, hello) != chain_digests(KEY, ROOT, hello)


def test_digests_hold_no_text():
    assert all(len(value) == DIGEST_BYTES for value in chain_digests(KEY, ROOT, [user("hello" * 100)]))


def test_half_a_surrogate_pair_is_digested_as_well():
    assert digest(user("\ud83d")) != digest(user("?"))
    assert begin_chain(KEY, "\ud83d") != ROOT


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("plain < text", "plain < text"),
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("<think>never closed", "<think>never closed"),
        ("a<thinking>b</thinking>c", "ac"),
        ("<|begin_of_thought|>b<|end_of_thought|>c", "c"),
        ("a</think>b</think>c", "b</think>c"),
    ],
)
def test_thoughts_are_left_out_of_a_text(text, rest):
    assert without_thoughts(text) == rest


def test_many_beginnings_without_an_end_take_no_longer():
    began = time.process_time()
    without_thoughts("<think>" * 200_000)
    assert time.process_time() - began < 2  # a search from each of them would take minutes


def test_a_history_of_500_messages_takes_milliseconds():
    messages = [(user if n % 2 == 0 else assistant)(f"{n} " + "some words " * 40) for n in range(500)]
    best = min(_seconds(messages) for _ in range(5))
    assert best < 0.05  # 4 ms here; the machine may be busy


def _seconds(messages: list[Message]) -> float:
    began = time.process_time()
    chain_digests(KEY, ROOT, messages)
    return time.process_time() - began


PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Reasoning, st.text()),
    st.builds(ToolCall, call_id=st.text(), name=st.text(), arguments=st.text()),
    st.builds(Image, st.text()),
)
MESSAGES = st.builds(
    Message, st.sampled_from(["user", "assistant", "system"]), st.lists(PARTS, max_size=3).map(tuple)
)


@given(st.lists(MESSAGES, max_size=4), st.integers(0, 3), MESSAGES)
def test_any_messages_have_digests_and_a_change_changes_all_that_follow(messages, place, other):
    before = chain_digests(KEY, ROOT, messages)
    assert len(before) == len(messages)
    if place < len(messages) and digest(messages[place]) != digest(other):
        after = chain_digests(KEY, ROOT, [*messages[:place], other, *messages[place + 1 :]])
        assert after[:place] == before[:place]
        assert not set(after[place:]) & set(before[place:])


@pytest.mark.parametrize("length", [0, 32, 64, 100])
def test_a_digest_is_the_beginning_of_an_hmac(length: int) -> None:
    key = bytes(range(length))
    assert begin_chain(key, "a") == hmac.digest(key, b"turnkeep history\x1fa", "sha256")[:16]
