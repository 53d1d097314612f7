"""The header of a model file tells what must be known before it is loaded."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines import MODEL

from turnkeep.engine.gguf import GgufFacts, read_gguf
from turnkeep.errors import UsageError


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def header(*entries: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(entries)) + b"".join(entries)


def facts(path: Path, data: bytes) -> GgufFacts:
    path.write_bytes(data)
    return read_gguf(path)


HEAD = MODEL.read_bytes()[:500]
ARCHITECTURE = entry("general.architecture", 8, text("llama"))
WINDOW = entry("llama.context_length", 4, struct.pack("<I", 4096))


def test_the_packaged_model_is_read() -> None:
    assert read_gguf(MODEL) == GgufFacts(architecture="llama", trained_window=2048)


def test_entries_of_every_type_are_passed_over(tmp_path: Path) -> None:
    plain = "BbHhIif?Qqd"
    kinds = (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12)
    others = [
        entry(f"x.{kind}", kind, struct.pack(f"<{code}", 1)) for kind, code in zip(kinds, plain, strict=True)
    ]
    numbers = entry("x.numbers", 9, struct.pack("<IQ3i", 5, 3, 1, 2, 3))
    words = entry("x.words", 9, struct.pack("<IQ", 8, 2) + text("a") + text("ü"))
    nested = entry("x.nested", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ2B", 0, 2, 1, 2))
    data = header(*others, numbers, words, nested, WINDOW, ARCHITECTURE)
    assert facts(tmp_path / "a", data) == GgufFacts(architecture="llama", trained_window=4096)


def test_what_a_header_does_not_tell_is_unknown(tmp_path: Path) -> None:
    assert facts(tmp_path / "a", header(version=2)) == GgufFacts(architecture=None, trained_window=None)


def test_reading_stops_before_a_long_vocabulary(tmp_path: Path) -> None:
    data = header(ARCHITECTURE, WINDOW, b"not read")
    assert facts(tmp_path / "a", data).trained_window == 4096


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin with GGUF"),
        (b"PK\x03\x04 a zip", "does not begin with GGUF"),
        (b"GGUF", "ends too early"),
        (header(ARCHITECTURE)[:-3], "ends too early"),
        (header(version=1), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "entries"),
        (header(struct.pack("<Q", 1 << 60)), "a text of"),
        (header(entry("x", 99, b"")), "value type 99"),
        (header(struct.pack("<Q", 2) + b"\xff\xff" + struct.pack("<I", 0) + b"\0"), "codec"),
    ],
)
def test_what_is_no_whole_model_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        facts(tmp_path / "broken.gguf", data)
    assert words in str(caught.value)
    assert "broken.gguf" in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        read_gguf(tmp_path / "none.gguf")
    with pytest.raises(UsageError, match="is a folder"):
        read_gguf(tmp_path)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_a_damaged_header_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    data = bytearray(HEAD)
    data[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    refusal = "damaged.gguf"
    try:
        facts(path, bytes(data))
    except UsageError as error:
        refusal = str(error)
    assert "damaged.gguf" in refusal, "a refusal names the file"
