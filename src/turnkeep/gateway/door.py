"""Who may come in: keys, and the places that a request may come from.

On loopback nobody needs a key, so a web page must not be able to call either: neither one that
had its own name point at this machine (DNS rebinding: the Host header gives it away), nor one
that just sends requests (its Origin does). Anywhere else a key is asked for, and each key sees
only its own conversations.
"""

import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from ..audit.base import caller
from ..errors import RequestRefused, UsageError
from ..settings import OWNER
from ..store.keys import SECRET_PREFIX, digest_secret
from ..store.ledger import ApiKey, Ledger
from .gateway import ServeSettings

KNOWN_SECONDS = 5.0  # for which a key is not looked up again: so soon a revoked one is refused
MOST_KNOWN = 1024
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
ANY = "*"  # any web page


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    name = host.strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.rstrip(".").lower() == "localhost"


class Door:
    """Looks at each request before anything of it is read.

    Args:
        settings: where the gateway listens, and whom it lets in.
        keys: where keys are looked up.
        clock: seconds since the epoch.

    Raises:
        UsageError: any web page might use the conversations of this machine's user.
    """

    def __init__(self, settings: ServeSettings, keys: Ledger, clock: Callable[[], float]) -> None:
        local = is_loopback(settings.host)
        self.require_key = settings.require_key or not local
        if ANY in settings.origins and not self.require_key:
            raise UsageError(
                "Any web page could read your conversations: name the origins, or ask for keys with --require-key."
            )
        named = {name.lower() for name in settings.hosts}
        # Elsewhere than on loopback the machine has names that nobody told us; the key protects there.
        checked = local or bool(named)
        self._hosts = {*named, *_LOOPBACK_NAMES, bracket(settings.host).lower()} if checked else None
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.origins)
        self._keys = keys
        self._clock = clock
        self._known: dict[bytes, tuple[ApiKey | None, float]] = {}

    def check_place(self, headers: Mapping[str, str]) -> str | None:
        """Look at Host and Origin.

        Returns:
            The origin that may read the answer, where the request is from another one's page.

        Raises:
            RequestRefused: it comes from a place that may not call.
        """
        host = headers.get("host", "").lower()
        if self._hosts is not None and host and _name_of(host) not in self._hosts:
            raise RequestRefused(
                "This gateway is not called by that name: use the address it listens on, or start it with --allow-host.",
                status=403,
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is None:
            return None
        if origin.lower() in self._origins or ANY in self._origins:
            return origin
        if _place_of(origin) == host != "":
            return None
        raise RequestRefused(
            "Web pages of that origin may not call: start the gateway with --allow-origin and the page's address.",
            status=403,
            code="origin_not_allowed",
        )

    async def let_in(self, headers: Mapping[str, str]) -> str:
        """Whose conversations a request may see. What runs in its context learns the name of its key (`caller`).

        Raises:
            RequestRefused: it needs a key and brings none, or one that is not known.
        """
        secret = _secret_of(headers)
        # Programs send some key because they cannot send none; one that looks like ours must be ours.
        if secret and (self.require_key or secret.startswith(SECRET_PREFIX)):
            found = await self._find_key(digest_secret(secret))
            if found is not None:
                caller.set(found.name)
                return found.owner
        elif not self.require_key:
            return OWNER
        raise RequestRefused(
            "This key is not known: check it, or make another with turnkeep key make NAME."
            if secret
            else "A key is needed: send it as Authorization: Bearer KEY; turnkeep key make NAME makes one.",
            status=401,
            code="invalid_api_key",
        )

    async def _find_key(self, digest: bytes) -> ApiKey | None:
        now = self._clock()
        known, until = self._known.get(digest, (None, 0.0))
        if now < until:
            return known
        found = await self._keys.find_key(digest, now=now)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = (found, now + KNOWN_SECONDS)
        return found


def bracket(host: str) -> str:
    """An address as it stands in a URL. Example: "::1" → "[::1]"."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def read_query(raw: bytes) -> dict[str, str]:
    """What stands behind the question mark, the last of each name."""
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}


def _name_of(host: str) -> str:
    """The name in a Host header, without its port. Examples: "a:80" → "a", "[::1]" → "[::1]"."""
    name, _, port = host.rpartition(":")
    return (name if port.isdigit() else host).rstrip(".")


def _place_of(origin: str) -> str:
    """The host and port of an origin; nothing of what is none, such as "null" or "http://["."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _secret_of(headers: Mapping[str, str]) -> str:
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and secret.strip():
        return secret.strip()
    return headers.get("x-api-key", "").strip()
