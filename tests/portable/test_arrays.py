"""Lists of any size are read element by element, however the file is cut, and damage ends them with a sentence."""

import io
import json

import pytest

from turnkeep.portable.arrays import first_keys, read_elements
from turnkeep.portable.imported import Unreadable

VALUE = [{"a": 'ü😀\\"[', "b": [1, 2.5, None]}, 12, "x]", [], {}, "cut \ud83d"]


class Dribbling(io.BytesIO):
    """Gives a few bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most

    def read(self, count: int | None = -1, /) -> bytes:
        return super().read(self.most if count is None or count < 0 else min(self.most, count))


def read(data: bytes) -> list[object]:
    """What is read, and "damaged" where it ends early."""
    found: list[object] = []
    try:
        found.extend(iter(read_elements(io.BytesIO(data))))
    except Unreadable:
        found.append("damaged")
    return found


@pytest.mark.parametrize("most", [1, 2, 3, 7, 1_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_elements_are_the_same_however_the_file_comes(most: int, indent: int | None) -> None:
    data = json.dumps(VALUE, indent=indent).encode()
    assert list(read_elements(Dribbling(data, most))) == VALUE
    plain = json.dumps(VALUE[:-1], ensure_ascii=False, indent=indent).encode("utf-8-sig")
    assert list(read_elements(Dribbling(plain, most))) == VALUE[:-1]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b" [ ] ", []),
        (b'{"a": 1}', [{"a": 1}]),
        (b"", ["damaged"]),
        (b"[1", [1, "damaged"]),
        (b"[1,]", [1, "damaged"]),
        (b"[1, 2 3]", [1, 2, "damaged"]),
        (b'{"a": 1} x', [{"a": 1}, "damaged"]),
        (b'[1, "\xff", 2]', [1, "damaged"]),
        (b'[{"a": 1}, {"b": tru', [{"a": 1}, "damaged"]),
        (b"[1, " + b"9" * 5_000 + b", 2]", [1, "damaged"]),
        (b"[1, " + b"[" * 100_000 + b"]" * 100_000 + b"]", [1, "damaged"]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_damage_is_told_after_what_came_before(data: bytes, found: list[object]) -> None:
    assert read(data) == found


def test_keys_are_told_from_texts() -> None:
    assert first_keys(io.BytesIO(b'[{"role": "user", "content": "\\"mapping\\": no, and the end is')) == {
        "role",
        "content",
    }
    assert first_keys(io.BytesIO(b'"\\' * 200_000)) == set()
    assert first_keys(io.BytesIO(b"[" * 200_000)) == set()
