"""What a query string says of a list or a stream."""

from collections.abc import Mapping

from ..errors import RequestRefused
from ..wire.response_objects import Order

MOST_LISTED = 100
LISTED = 20


def read_page(query: Mapping[str, str]) -> tuple[int, Order]:
    """Read which page of a list is asked for: limit 0 to 100 (20), order asc or desc (desc).

    Raises:
        RequestRefused: it is neither.
    """
    limit, order = read_whole(query, "limit", LISTED), query.get("order", "desc")
    if limit > MOST_LISTED:
        raise RequestRefused(f"limit has to be 0 to {MOST_LISTED}.", param="limit")
    if order == "asc":
        return limit, "asc"
    if order == "desc":
        return limit, "desc"
    raise RequestRefused("order has to be asc or desc.", param="order")


def read_whole(query: Mapping[str, str], name: str, default: int) -> int:
    """Read a whole number of 0 or more.

    Raises:
        RequestRefused: it is none.
    """
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise RequestRefused(f"{name} has to be a whole number.", param=name)
    return int(text)


def read_flag(query: Mapping[str, str], name: str) -> bool:
    """Read true or false; false where it is missing.

    Raises:
        RequestRefused: it is neither.
    """
    text = query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise RequestRefused(f"{name} has to be true or false.", param=name)
    return text == "true"
