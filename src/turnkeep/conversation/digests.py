"""Recognise a conversation by its messages: keyed digests of a normal form, chained.

A chat page resends everything at each turn, and never byte for byte what it was given: it
trims and re-wraps text, hides reasoning, splits text into parts, writes a tool's arguments
anew. So each message is first brought into a normal form, in which such things do not show.
The digest after a message is an HMAC over the digest before it and the message, under a key
of the owner: who has the digests alone learns nothing of what was said, and one digest
stands for everything up to there.

Pure: the key is given; what is known under a digest is the store's business.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache

from .items import Image, Message, Text, ToolCall, ToolResult

DIGEST_BYTES = 16  # half of SHA-256: nobody finds two histories of one digest without the key
_BLOCK_BYTES = 64  # of SHA-256
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_APART = "\x1f"  # str.split() takes it for a space, so that no normal text holds it
# What the model thought aloud, as engines and chat pages leave it inside the text: (begin, end).
_THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ('<details type="reasoning"', "</details>"),  # Open WebUI
)


def begin_chain(key: bytes, label: str = "") -> bytes:
    """The digest before the first message.

    Args:
        key: the owner's.
        label: what else tells conversations apart, such as a chat id that came with the request.
    """
    return _digest(key, f"turnkeep history{_APART}{label}".encode(errors="surrogatepass"))


def chain_digests(key: bytes, before: bytes, messages: Iterable[Message]) -> list[bytes]:
    """The digests after each of the messages; `before` is the one that they follow.

    Tool results count one by one, so that it does not matter which of them stand in one message.
    """
    digests = []
    for message in messages:
        for form in _normal_forms(message):
            before = _digest(key, before + form)
        digests.append(before)
    return digests


def _digest(key: bytes, data: bytes) -> bytes:
    """The beginning of HMAC-SHA256, as RFC 2104 defines it; `hmac.digest` sets up the key anew each time."""
    inner, outer = (begun.copy() for begun in _begin_hmac(key))
    inner.update(data)
    outer.update(inner.digest())
    return outer.digest()[:DIGEST_BYTES]


@lru_cache(maxsize=64)
def _begin_hmac(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    short = key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()
    padded = short.ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(padded.translate(_INNER)), hashlib.sha256(padded.translate(_OUTER))


def without_thoughts(text: str) -> str:
    """Leave out reasoning that stands in a text.

    Example: "<think>Hm.</think> Yes." → " Yes."; so does "Hm.</think> Yes.", where the
    template had written the beginning.
    """
    if "<" not in text:
        return text
    for begin, end in _THOUGHTS:
        text = _without_spans(text, begin, end)
    head, mark, rest = text.partition("</think>")
    return rest if mark else head


def _without_spans(text: str, begin: str, end: str) -> str:
    """Leave out what stands between the marks; a beginning without an end stays."""
    if begin not in text:
        return text
    kept, place = [], 0
    while (start := text.find(begin, place)) >= 0 and (stop := text.find(end, start)) >= 0:
        kept.append(text[place:start])
        place = stop + len(end)
    return "".join([*kept, text[place:]])


def _normal_forms(message: Message) -> Iterator[bytes]:
    """The normal form of a message, or of each tool result in it."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if results:
        yield from (_pack("tool", "result", result.call_id, _collapse(result.text)) for result in results)
        return
    if message.role == "assistant":
        calls = [
            _APART.join(("call", call.call_id, call.name, _normal_arguments(call.arguments)))
            for call in message.parts
            if isinstance(call, ToolCall)
        ]
        yield _pack("assistant", _collapse(without_thoughts(message.text)), *calls)
        return
    role = "system" if message.role == "developer" else message.role
    images = ["image" + _APART + _collapse(part.url) for part in message.parts if isinstance(part, Image)]
    yield _pack(role, _collapse("".join(_texts(message))), *images)


def _texts(message: Message) -> Iterator[str]:
    return (part.text for part in message.parts if isinstance(part, Text))


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _normal_arguments(arguments: str) -> str:
    """Write the arguments of a call in one way; what is not JSON stays, its space collapsed."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return _collapse(arguments)


def _pack(*fields: str) -> bytes:
    return _APART.join(fields).encode(errors="surrogatepass")
