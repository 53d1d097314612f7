"""One record of the journal as a line of bytes, and what chains it to the line before.

A line is a JSON object in one form only: the fields, a keyed digest of the texts, the link of the line
before, its own link; then the texts and the key of their digest. The link is an HMAC under the journal's
key over the file's name and all that stands before it, so a line of another file or place does not fit.
It covers the digest of the texts, not the texts: forgetting takes texts and their key out, and the
digest that stays proves nothing about them any more. In their place stands a mark that only a holder
of the journal's key can make, for this one line.

Pure: keys and times are given. What a whole file must look like is verify.py's.
"""

import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]  # Any: JSON values

KEY_BYTES = 32
TEXT_KEY_BYTES = 32
START = "0" * 64  # the link before the first record
_SURROGATE = re.compile("[\ud800-\udfff]")
_OWN = frozenset({"n", "digest", "prev", "link", "key", "texts", "forgotten"})  # not to be used by fields


@dataclass(frozen=True, slots=True)
class Secret:
    """The journal's key: whoever holds it can write and forget; nobody else can without being found out."""

    key: bytes

    def mac(self, purpose: str, *parts: bytes) -> str:
        """HMAC-SHA-256 over a purpose and parts, each with its length, in hexadecimal."""
        text = b"".join(b"%d:%b" % (len(part), part) for part in (purpose.encode(), *parts))
        return hmac.digest(self.key, text, "sha256").hex()

    def mac_head(self, file: str, count: int, link: str, state: str) -> str:
        """What the database keeps of a file cannot be wound back without the key: this is its proof."""
        return self.mac("head", file.encode(), b"%d" % count, link.encode(), state.encode())

    def mac_roll(self, files: int) -> str:
        """The proof of how many files there have ever been."""
        return self.mac("roll", b"%d" % files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line that was read and is whole and authentic.

    number: 1, 2, 3 ... within its file.
    texts: None where there never were any, or they were forgotten.
    """

    number: int
    prev: str
    link: str
    fields: Body
    texts: Body | None
    forgotten: bool

    @property
    def kind(self) -> str:
        """What it records: "begin", "turn", "gap", "repair", "forget", "expired", "end"."""
        return str(self.fields.get("kind"))


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is not what was written there, and why, as the end of a sentence."""

    why: str


def clean(value: Any) -> Any:  # Any: JSON values
    """Make JSON values that are the same when they are read again: no half characters, no infinities."""
    match value:
        case str():
            return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {clean(str(name)): clean(each) for name, each in value.items()}
        case list() | tuple():
            return [clean(each) for each in value]
        case _:
            return value


def make_line(
    secret: Secret, file: str, number: int, prev: str, fields: Body, texts: Body | None, text_key: bytes
) -> tuple[bytes, str]:
    """Render a record.

    Args:
        secret: the journal's key.
        file: name of the file that it is for.
        number: its place there, from 1.
        prev: link of the record before; `START` for the first.
        fields: what stays when its texts are forgotten; "kind" among them.
        texts: what can be forgotten; None: there is nothing.
        text_key: random, of this record alone.

    Returns:
        The line with its end, and its link.
    """
    assert not _OWN & fields.keys()
    body: dict[str, Any] = {"n": number, **clean(fields)}
    said = None if texts is None else clean(texts)
    if said is not None:
        body["digest"] = _digest(text_key, said)
    body["prev"] = prev
    link = body["link"] = _link(secret, file, body)
    if said is not None:
        body["key"], body["texts"] = text_key.hex(), said
    return _render(body), link


def forget_line(secret: Secret, file: str, line: bytes) -> bytes:
    """Take the texts and their key out of a line that holds some, and mark it so."""
    body = json.loads(line)
    del body["key"], body["texts"]
    body["forgotten"] = _mark(secret, file, body["n"], body["link"])
    return _render(body)


def read_line(secret: Secret, file: str, line: bytes) -> Record | Broken:
    """Read a line, its end included, and hold it to what was written."""
    try:
        body = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return Broken("is no record")
    if not isinstance(body, dict) or not _is_shaped(body) or not _renders(body, line):
        return Broken("is no record as turnkeep writes them")
    if not hmac.compare_digest(_link(secret, file, _linked(body)), body["link"]):
        return Broken("was changed, or belongs elsewhere")
    if (why := _check_texts(secret, file, body)) is not None:
        return Broken(why)
    fields = {name: value for name, value in body.items() if name not in _OWN}
    return Record(
        number=body["n"],
        prev=body["prev"],
        link=body["link"],
        fields=fields,
        texts=body.get("texts"),
        forgotten="forgotten" in body,
    )


def _check_texts(secret: Secret, file: str, body: dict[str, Any]) -> str | None:
    """Say what is wrong with a record's texts; None: nothing."""
    there = body.keys() & {"key", "texts", "forgotten"}
    if "digest" not in body:
        return "has a text that was put in later" if there else None
    if there == {"key", "texts"}:
        try:
            key = bytes.fromhex(body["key"])
        except ValueError:
            return "has a text that was changed"
        exact = len(key) == TEXT_KEY_BYTES and key.hex() == body["key"]  # 4A and 4a are one byte
        same = exact and hmac.compare_digest(_digest(key, body["texts"]), body["digest"])
        return None if same else "has a text that was changed"
    if there == {"forgotten"}:
        mark = _mark(secret, file, body["n"], body["link"])
        return None if hmac.compare_digest(mark, body["forgotten"]) else "has lost its text without leave"
    return "has lost its text without leave"


def _is_shaped(body: dict[str, Any]) -> bool:
    texts = body.get("texts", {})
    return (
        type(body.get("n")) is int
        and all(_is_ascii(body[name]) for name in ("digest", "key", "forgotten") if name in body)
        and _is_ascii(body.get("prev"))
        and _is_ascii(body.get("link"))
        and isinstance(body.get("kind"), str)
        and isinstance(texts, dict)
    )


def _is_ascii(value: object) -> bool:
    return isinstance(value, str) and value.isascii()


def _renders(body: dict[str, Any], line: bytes) -> bool:
    try:
        return _render(body) == line
    except (ValueError, RecursionError):  # half a character, or a number that no line of ours holds
        return False


def _linked(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("link", "key", "texts", "forgotten")}


def _link(secret: Secret, file: str, linked: dict[str, Any]) -> str:
    return secret.mac("link", file.encode(), _render(linked))


def _digest(text_key: bytes, texts: Body) -> str:
    return hmac.digest(text_key, _render(texts), "sha256").hex()


def _mark(secret: Secret, file: str, number: int, link: str) -> str:
    return secret.mac("forgotten", file.encode(), b"%d" % number, link.encode())


def _render(body: Body) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8") + b"\n"
