"""Read a JSON list of conversations one by one, so that a file of any size needs the memory of one.

`ijson` takes bytes as they come and gives each element whole.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol

from ..errors import MissingExtra
from .imported import Json, Unreadable

_EVENTS = 4000  # pieces of JSON that are looked at to recognise a file


class Readable(Protocol):
    """What is asked of a file."""

    def read(self, count: int = -1, /) -> bytes:
        """Read up to `count` bytes."""
        ...

    def tell(self) -> int:
        """Where it stands."""
        ...

    def seek(self, place: int, /) -> int:
        """Go there."""
        ...


def read_elements(file: Readable) -> Iterator[Json]:
    """Yield the elements of the list, or the one value where the file holds no list.

    Raises:
        Unreadable: from where the file is damaged or ends early; what came before was yielded.
    """
    ijson = _load()
    try:
        yield from ijson.items(file, "item" if _begins_list(file) else "", use_float=True)
    except (ijson.JSONError, ValueError) as error:  # ValueError: text that is not UTF-8
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("the file is damaged or cut short") from error


def first_keys(file: Readable) -> set[str]:
    """The keys of the first objects in the file; empty where there are none."""
    ijson = _load()
    _begins_list(file)
    keys: set[str] = set()
    try:
        for _, event, value in islice(ijson.parse(file, multiple_values=True), _EVENTS):
            if event == "map_key":
                keys.add(value)
    except (ijson.JSONError, ValueError):
        pass  # damaged further on: what was seen may tell
    return keys


def _begins_list(file: Readable) -> bool:
    """Tell whether a list begins here, and go to what stands behind a byte order mark."""
    place = file.tell()
    if file.read(3) != b"\xef\xbb\xbf":  # a byte order mark, as some editors leave it
        file.seek(place)
    place = file.tell()
    while (first := file.read(1)).isspace():
        pass
    file.seek(place)
    return first == b"["


def _load() -> Any:  # Any: a module without types
    try:
        import ijson
    except ImportError:
        raise MissingExtra("Install what reads large files with: pip install 'turnkeep[chat]'") from None
    return ijson
