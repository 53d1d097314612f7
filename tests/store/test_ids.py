"""Ids say where they belong, and nothing else."""

from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.store.ids import (
    MOST_PLACES,
    IdKind,
    ParsedId,
    compaction_id,
    completion_id,
    conversation_id,
    item_id,
    make_id,
    make_key,
    make_tag,
    parse_id,
    parse_key,
    reasoning_id,
    response_id,
    tool_call_id,
    tool_result_id,
)

TAGGED: dict[str, Callable[[str, int], str]] = {
    "msg": item_id,
    "rs": reasoning_id,
    "cmp": compaction_id,
    "resp": response_id,
    "chatcmpl": completion_id,
}
PLACED: dict[str, Callable[[str, int, int], str]] = {"fc": tool_call_id, "fco": tool_result_id}
TAGS = st.integers(0, 2**60 - 1)


def test_keys_and_tags_do_not_repeat() -> None:
    assert len({make_key() for _ in range(1000)}) == 1000
    assert len({make_tag() for _ in range(1000)}) == 1000


def test_a_tag_fits_an_integer_column() -> None:
    assert all(0 <= make_tag() < 2**60 for _ in range(1000))


def test_an_item_id_spells_its_tag_in_base_32() -> None:
    assert item_id("k", 0) == "msg_k" + "0" * 12
    assert item_id("k", 2**60 - 1) == "msg_k" + "z" * 12
    assert item_id("k", 33) == "msg_k" + "0" * 10 + "11"
    assert tool_call_id("k", 33, 34) == "fc_k" + "0" * 10 + "11" + "12"
    assert completion_id("k", 1) == "chatcmpl-k" + "0" * 11 + "1"


def test_a_conversation_s_id_is_its_key() -> None:
    key = make_key()
    assert parse_key(conversation_id(key)) == key
    assert parse_id(conversation_id(key)) == ParsedId(kind="conv", key=key)


@pytest.mark.parametrize("kind", TAGGED)
@given(tag=TAGS)
def test_an_id_is_taken_apart_into_what_it_was_made_of(kind: str, tag: int) -> None:
    key = make_key()
    made = TAGGED[kind](key, tag)
    parsed = parse_id(made)
    assert parsed == ParsedId(kind=cast(IdKind, kind), key=key, tag=tag)
    assert make_id(parsed) == made
    assert parsed.conversation == conversation_id(key)
    assert parse_key(made) == key


@pytest.mark.parametrize("kind", PLACED)
@given(tag=TAGS, place=st.integers(0, MOST_PLACES - 1))
def test_the_id_of_a_call_or_result_says_its_place(kind: str, tag: int, place: int) -> None:
    key = make_key()
    made = PLACED[kind](key, tag, place)
    parsed = parse_id(made)
    assert parsed == ParsedId(kind=cast(IdKind, kind), key=key, tag=tag, place=place)
    assert make_id(parsed) == made
    assert parse_key(made) == key


@pytest.mark.parametrize("place", [-1, MOST_PLACES])
def test_a_place_that_no_id_can_say_is_refused(place: int) -> None:
    with pytest.raises(ValueError, match=str(MOST_PLACES - 1)):
        tool_call_id("k", 1, place)


@pytest.mark.parametrize(
    "text",
    [
        "", "_", "-", "conv", "conv_", "conv_" + "u" * 16, "conv_" + "0" * 17, "conv-" + "0" * 16, "conv_" + "A" * 16,
        "msg_" + "0" * 16, "x_" + "0" * 16, "fc_" + "0" * 28, "msg_" + "0" * 30, "chatcmpl_" + "0" * 28,
        "chatcmpl-" + "0" * 27, "resp_677efb5139a88190b512bc3fef8e535d", "conv_123", "msg_" + "0" * 27 + "\u0660",
    ],
)  # fmt: skip
def test_what_is_no_id_has_no_key(text: str) -> None:
    assert parse_key(text) is None
    assert parse_id(text) is None
