"""Random bytes for ids: from the system, many at a time, since each call there lets other threads go first.

Secrets that somebody keeps (keys, tokens) are drawn one by one, by `secrets`.
"""

import os
import threading

FETCHED_BYTES = 1024


class _Supply(threading.local):
    left = b""  # fetched and not given out yet, by this thread


_supply = _Supply()


def draw_bytes(count: int) -> bytes:
    """Draw bytes that nobody can guess, and that no other call is given, in a forked process neither."""
    left = _supply.left
    if len(left) < count:
        left = os.urandom(max(count, FETCHED_BYTES))
    _supply.left = left[count:]
    return left[:count]


def draw_bits(count: int) -> int:
    """Draw a number of so many bits."""
    size = -(-count // 8)
    return int.from_bytes(draw_bytes(size), "big") >> (8 * size - count)


def _forget() -> None:
    _supply.left = b""


if hasattr(os, "register_at_fork"):  # POSIX
    os.register_at_fork(after_in_child=_forget)
