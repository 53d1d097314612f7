"""Read and write JSON, by orjson where that is installed: it takes a quarter of the time.

What comes out is the same, but for spaces. What orjson would take or leave otherwise than the
standard library (numbers that are none, half a surrogate pair) is left to that. Of numbers, only
whole ones beyond 64 bits come otherwise: as floats; no engine sends any.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

try:
    import orjson  # type: ignore[import-not-found, unused-ignore]  # not one of our requirements
except ImportError:
    _loads: Callable[[str | bytes], Any] = json.loads
    _dumps: Callable[[Any], bytes] | None = None
else:
    _loads, _dumps = orjson.loads, orjson.dumps

_PLAIN = (str, int, bool, type(None))


def parse_json(text: str) -> Any:  # Any: JSON, checked field by field by whoever reads it
    """Read a JSON text.

    Raises:
        ValueError: it is none; RecursionError: it is nested too deeply.
    """
    try:
        return _loads(text)
    except ValueError:
        return json.loads(text)  # what only the standard library takes, such as NaN


def parse_string(raw: bytes) -> str:
    """Read a JSON string with its quotation marks; "" where these bytes are something else."""
    if raw[:1] != b'"':
        return ""
    try:
        text = _loads(raw if _dumps is not None else raw.decode())
    except (ValueError, RecursionError):
        return ""
    return text if type(text) is str else ""


def parse_strings(raw: list[bytes]) -> list[str]:
    """Read the insides of JSON strings, all at once; [] where one of them is something else, or empty."""
    lines = b"\n".join(raw)  # a string holds no line's end
    if b'"' in lines or lines.count(b"\n") >= len(raw):
        return []
    # Without a quotation mark in it, no piece can make two strings of one; so as many as there are
    # pieces means that each is one: what swallows the mark behind it makes them fewer.
    joined = b'["%b"]' % lines.replace(b"\n", b'","')
    try:
        texts = _loads(joined if _dumps is not None else joined.decode())
    except (ValueError, RecursionError):
        return []
    return texts if len(texts) == len(raw) and all(texts) else []


def dump_body(body: Mapping[str, Any]) -> bytes:  # Any: JSON values, if the caller is right
    """Write a request's body; half a surrogate pair in it becomes "?".

    Raises:
        TypeError, ValueError: a field is no JSON value.
    """
    if _dumps is not None and all(
        type(value) in _PLAIN for name, value in body.items() if name not in ("messages", "stream_options")
    ):
        try:
            return _dumps(body)
        except TypeError:
            pass  # text that UTF-8 cannot hold
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode(errors="replace")
