"""Read from a GGUF file what must be known before an engine loads it.

Only the header is read. Source: ggml's docs/gguf.md, versions 2 and 3 (little-endian).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_STRING_BYTES = 16 * 1024 * 1024  # a chat template has 20 kB; anything near this is damage
MAX_ENTRIES = 100_000  # of metadata; models have about forty

# Value types of the format: struct codes of the plain ones, then string and array.
_PLAIN: Mapping[int, str] = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFacts:
    """What a header tells; trained_window is in tokens, None when it does not say."""

    architecture: str | None
    trained_window: int | None


def read_gguf(path: Path) -> GgufFacts:
    """Read the header of a model file.

    Raises:
        UsageError: there is no such file, it cannot be read, or it is not a GGUF model.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the GGUF file in it.")
    try:
        with path.open("rb") as file:
            return _read_facts(file)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}: name a GGUF model file.") from error
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, struct.error) as error:
        raise UsageError(f"{path} is not a whole GGUF model file ({error}): download it again.") from error


def _read_facts(file: BinaryIO) -> GgufFacts:
    if file.read(4) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, _, entries = struct.unpack("<IQQ", _read(file, 20))
    if version not in VERSIONS or entries > MAX_ENTRIES:
        raise ValueError(f"version {version} with {entries} entries")
    architecture: object = None
    window: object = None
    for _ in range(entries):
        key = _read_string(file).decode()
        value = _read_value(file, _read_number(file, "I"))
        if key == "general.architecture":
            architecture = value
        elif key.endswith(".context_length"):
            window = value
        if architecture is not None and window is not None:
            break  # the vocabulary, which follows, is long
    return GgufFacts(
        architecture=architecture if isinstance(architecture, str) else None,
        trained_window=window if isinstance(window, int) and window > 0 else None,
    )


def _read_value(file: BinaryIO, kind: int) -> object:
    if kind == _STRING:
        return _read_string(file).decode(errors="replace")
    if kind == _ARRAY:
        element, length = _read_number(file, "I"), _read_number(file, "Q")
        if element in _PLAIN:
            file.seek(length * struct.calcsize(_PLAIN[element]), 1)
        else:
            for _ in range(length):
                _read_value(file, element)
        return None  # no array is asked for
    if kind not in _PLAIN:
        raise ValueError(f"value type {kind}")
    return struct.unpack(f"<{_PLAIN[kind]}", _read(file, struct.calcsize(_PLAIN[kind])))[0]


def _read_string(file: BinaryIO) -> bytes:
    length = _read_number(file, "Q")
    if length > MAX_STRING_BYTES:
        raise ValueError(f"a text of {length} bytes")
    return _read(file, length)


def _read_number(file: BinaryIO, code: str) -> int:
    return int(struct.unpack(f"<{code}", _read(file, struct.calcsize(code)))[0])


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise ValueError("it ends too early")
    return data
