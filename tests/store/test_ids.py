"""Ids say where they belong, and nothing else."""

import pytest

from turnkeep.store.ids import conversation_id, item_id, make_key, make_tag, parse_key


def test_keys_and_tags_do_not_repeat() -> None:
    assert len({make_key() for _ in range(1000)}) == 1000
    assert len({make_tag() for _ in range(1000)}) == 1000


def test_a_tag_fits_an_integer_column() -> None:
    assert all(0 <= make_tag() < 2**60 for _ in range(1000))


def test_every_id_embeds_the_key() -> None:
    key = make_key()
    assert parse_key(conversation_id(key)) == key
    assert parse_key(item_id(key, make_tag())) == key


def test_an_item_id_spells_its_tag_in_base_32() -> None:
    assert item_id("k", 0) == "msg_k" + "0" * 12
    assert item_id("k", 2**60 - 1) == "msg_k" + "z" * 12
    assert item_id("k", 33) == "msg_k" + "0" * 10 + "11"


@pytest.mark.parametrize(
    "text", ["", "conv", "conv_", "conv_" + "u" * 16, "conv_" + "0" * 17, "msg_" + "0" * 16, "x_" + "0" * 16]
)
def test_what_is_no_id_has_no_key(text: str) -> None:
    assert parse_key(text) is None
