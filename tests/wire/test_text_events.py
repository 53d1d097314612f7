"""Events that are alike are read by their text alone, and say the same as when each is read whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.wire.assemble import ReplyStream
from turnkeep.wire.exchange import TextDelta
from turnkeep.wire.text_events import PATIENCE, TextEvents


def event(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return f"data: {json.dumps({'id': 'x', 'choices': [choice], **more}, ensure_ascii=False)}\n\n".encode()


def learned(text: str = "a") -> TextEvents:
    texts = TextEvents(1_000)
    texts.learn(event(text)[6:-2].decode(), text)
    return texts


def read(*pieces: bytes) -> str:
    stream = ReplyStream()
    return "".join(
        delta.text for piece in pieces for delta in stream.feed(piece) if isinstance(delta, TextDelta)
    )


def test_nothing_is_read_before_an_event_was_learned_from() -> None:
    assert TextEvents(1_000).take(event("a")) == ("", event("a"))


def test_events_like_the_one_before_are_read_at_once() -> None:
    assert learned().take(event("b") + event('"ü"\n')) == ('b"ü"\n', b"")


@pytest.mark.parametrize(
    "other",
    [
        event(""),
        event("b", usage={"prompt_tokens": 1}),
        event("b", id="y"),
        event("b")[:-1],
        event("b").replace(b'"b"', b'"b\xff"'),
        event("b").replace(b'"b"', b'"b","role":"x"'),
        event("b").replace(b'"b"', b"7"),
        event("b" * 2_000),
        b"data: [DONE]\n\n",
    ],
)
def test_an_event_that_is_made_otherwise_is_left(other: bytes) -> None:
    assert learned().take(event("b") + other + event("c")) == ("b", other + event("c"))


def test_an_engine_that_writes_each_event_otherwise_is_not_learned_from_for_ever() -> None:
    texts = TextEvents(1_000)
    for number in range(PATIENCE):
        texts.learn(event("a", created=number)[6:-2].decode(), "a")
        assert texts.take(event("b", created=-1)) == ("", event("b", created=-1))
    assert texts.part(event("a") + event("b")) == (event("a") + event("b"), b"")


def test_what_two_places_name_alike_is_not_learned_from() -> None:
    texts = TextEvents(1_000)
    texts.learn('{"content":"a","choices":[{"delta":{"content":"a"}}]}', "a")
    assert texts.take(b'data: {"content":"b","choices":[{"delta":{"content":"a"}}]}\n\n')[0] == ""


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=8), st.integers(0, 600)
)
def test_a_stream_says_what_its_events_say_wherever_it_is_parted(said: list[str], cut: int) -> None:
    stream = b"".join(map(event, said))
    assert read(stream) == read(stream[:cut], stream[cut:]) == "".join(said)
