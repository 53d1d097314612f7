"""What a client sent, as JSON: read strictly, with limits on its depth and its lists.

What passes here can be stored and sent on: it is an object of finite numbers and of text that
UTF-8 can say.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from ..errors import RequestRefused

_quick: Callable[[bytes], Any] | None  # Any: JSON
try:
    import orjson
except ImportError:
    _quick = None
else:
    _quick = orjson.loads  # takes a quarter of the time, and is as strict

MOST_DEPTH = 100  # of brackets within brackets; JSON schemas of tools go to about 20
LISTS = ("input", "messages", "items", "tools")  # of a request, whose entries are counted


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_body(raw: bytes, *, most_items: int) -> dict[str, Any]:  # Any: JSON, unchecked
    """Read a body.

    Args:
        raw: its bytes; empty is an empty object.
        most_items: that each of its lists may hold.

    Raises:
        RequestRefused: it is no JSON object, or larger than the limits.
    """
    if not raw:
        return {}
    value = _parse(raw)
    if not isinstance(value, dict):
        raise RequestRefused("The body must be a JSON object: send one.")
    # No value is deeper than it has brackets: most bodies need no walk.
    if raw.count(b"[") + raw.count(b"{") > MOST_DEPTH and _is_deeper(value, MOST_DEPTH):
        raise _too_deep()
    for name in LISTS:
        if isinstance(value.get(name), list) and len(value[name]) > most_items:
            raise RequestRefused(
                f"{name} holds {len(value[name]):,} entries: send at most {most_items:,}.", param=name
            )
    return value


def _parse(raw: bytes) -> Any:  # Any: JSON
    if _quick is not None:
        try:
            return _quick(raw)
        except ValueError:
            pass  # the library's own parser says why
    return _parse_slowly(raw)


def _parse_slowly(raw: bytes) -> Any:  # Any: JSON
    try:
        value = _decode(raw.decode("utf-8"))
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise _too_deep() from None
    except UnicodeError:
        raise RequestRefused("The body must be text in UTF-8: encode it so.") from None
    except ValueError:  # what the parser says of it may quote what people wrote
        raise RequestRefused(
            "The body is not JSON: send an object with Content-Type: application/json."
        ) from None
    return value


def _too_deep() -> RequestRefused:
    return RequestRefused(f"The body is nested more than {MOST_DEPTH} deep: send a flatter one.")


def _is_deeper(value: object, most: int) -> bool:
    """Whether lists and objects stand within each other more than `most` deep."""
    level: list[object] = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    held: Iterable[object] = ()
    if isinstance(value, dict):
        held = value.values()
    elif isinstance(value, list):
        held = value
    return [inner for inner in held if isinstance(inner, dict | list)]
