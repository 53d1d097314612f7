"""An engine's address, as people write it and as the client uses it.

Pure: nobody is called.
"""

from urllib.parse import SplitResult, urlsplit

from ..errors import UsageError

EXAMPLE = "http://localhost:8080"
_API_PATHS = ("/chat/completions", "/v1")  # what people paste; the client adds it itself


def parse_url(text: str) -> str:
    """Bring an address into its one form: no /v1, no slash at the end, the host in small letters.

    Example: "http://LocalHost:8080/v1/" → "http://localhost:8080". Two forms of one address come out equal.

    Raises:
        UsageError: it is no http(s) address, or it carries a password.
    """
    text = text.strip()
    if "://" not in text:
        raise UsageError(f"{text!r} is not an engine's address: begin it with http://, such as {EXAMPLE}.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(
            f"The engine's address cannot be read ({error}): write it like {EXAMPLE}."
        ) from error
    _check(parts)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    path = parts.path.rstrip("/")
    for ending in _API_PATHS:
        path = path.removesuffix(ending).rstrip("/")
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{path}"


def _check(parts: SplitResult) -> None:
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"An engine is reached by http or https, not by {parts.scheme!r}: write {EXAMPLE}.")
    if not parts.hostname or any(char.isspace() for char in parts.netloc + parts.path):
        raise UsageError(f"The engine's address names no host: write it like {EXAMPLE}.")
    if parts.username is not None or parts.password is not None:
        # Not repeated here: the address stands in receipts and messages, a password must not.
        raise UsageError("The engine's address must not hold a password: give the key with --api-key.")
