"""A compaction item opens under the key that sealed it, and under no other."""

import base64
import hashlib
import hmac
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.conversation.items import Message, Text, assistant, user
from turnkeep.errors import RequestRefused, WireError
from turnkeep.wire.compactions import HEADER, VERSION, seal, unseal

KEY = b"k" * 32
LINES = ["The user is called Ann.", "She lives in Oslo."]


def test_what_was_sealed_is_opened() -> None:
    items = [user("And now?"), assistant("Now this.")]
    opened = unseal(seal(LINES, items, KEY), KEY, "input[0]")
    assert opened == [Message("user", (Text("\n".join([HEADER, *(f"- {line}" for line in LINES)])),)), *items]


def test_without_lines_only_the_items_are_there() -> None:
    assert unseal(seal([], [user("hi")], KEY), KEY, "input[0]") == [user("hi")]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.binary(min_size=1))
def test_any_lines_come_back(lines: list[str], key: bytes) -> None:
    opened = unseal(seal(lines, [], key), key, "input[0]")
    assert len(opened) == bool(lines)


SEALED = seal(LINES, [], KEY)


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "gAAAA-of-somebody-else",
        VERSION,
        VERSION + "=",
        VERSION + "é",
        SEALED[:-4] + "AAAA",
        SEALED[:6] + "A" + SEALED[7:],
        seal(LINES, [], b"another key"),
    ],
)
def test_what_was_not_sealed_here_is_refused(sealed: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        unseal(sealed, KEY, "input[3]")
    assert refused.value.param == "input[3].encrypted_content"


def test_a_seal_of_another_version_is_refused() -> None:
    packed = zlib.compress(b"[]")
    mark = hmac.new(KEY, b"compaction\n" + packed, hashlib.sha256).digest()[:16]
    with pytest.raises(WireError):
        unseal(VERSION + base64.urlsafe_b64encode(mark + packed).decode(), KEY, "input[0]")
