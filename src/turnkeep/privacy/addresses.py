"""Find addresses: e-mail, IP and MAC. Forms decide, since these have one."""

import ipaddress
import re
from collections.abc import Iterator

from .kinds import EMAIL, IP, MAC, Found

# A local part has 64 characters at most (RFC 5321 4.5.3.1.1), and each run of them is tried once:
# a long word costs nothing. A domain ends in letters: `left-pad@1.3.0` is a package.
_EMAIL = re.compile(
    r"(?<![\w.%+-])\w[\w.%+'-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:xn--[a-z0-9-]{2,40}|[^\W\d_]{2,24})(?![\w@])",
    re.IGNORECASE,
)
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "py", "html", "json"})
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-f]{1,4}|:):[0-9a-f:]{2,36}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])", re.IGNORECASE
)
_MAC = re.compile(
    r"(?<![\w:.-])(?:[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5})|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?![\w:-])",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?:version|release|firmware|build|driver|v\.?)\s*[:=]?\s*$", re.IGNORECASE)


def find_emails(text: str) -> Iterator[Found]:
    """Yield e-mail addresses."""
    for match in _EMAIL.finditer(text):
        value = match[0]
        ending = value.rpartition(".")[2].lower()
        # git@host:path is where a program fetches from; icon@2x.png is a file
        if ending in _FILES or (value.startswith("git@") and text[match.end() : match.end() + 1] == ":"):
            continue
        yield Found(match.start(), match.end(), EMAIL)


def find_ips(text: str) -> Iterator[Found]:
    """Yield IP addresses, but for those that every machine has: loopback, unspecified, netmasks."""
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - 12) : match.start()]
        if _is_personal(match[0]) and not _VERSION.search(before):
            yield Found(match.start(), match.end(), IP)
    if text.count(":") < 2:
        return
    for match in _IPV6.finditer(text):
        value = match[0].rstrip(":") if not match[0].endswith("::") else match[0]
        # `ab::cd` is C++ and `1::2` an index as well as an address: three groups make one
        if sum(map(bool, value.split(":"))) >= 3 and _is_personal(value):
            yield Found(match.start(), match.start() + len(value), IP)


def _is_personal(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or value.startswith("255."))


def find_macs(text: str) -> Iterator[Found]:
    """Yield hardware addresses, but for the empty one and the one that means all."""
    for match in _MAC.finditer(text):
        digits = re.sub(r"[:.-]", "", match[0]).lower()
        if len(set(digits)) > 1 and any(char.isdigit() for char in digits):
            yield Found(match.start(), match.end(), MAC)
