"""Seal and open single values: the keys of an encrypted store and what they do. Knows no SQL.

A secret (secret.py) wraps the store's key, the store's key wraps a key for each
conversation, and that seals what was said there. A sealed value is bound to its row: opened
under another column, conversation or place, it is not accepted. All by AES-256-GCM with random
nonces; digests are BLAKE2b, keyed.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import MissingExtra, StoreDamaged, StoreLocked
from .secret import KEY_BYTES, Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK = b"\xe7k\x01"  # begins every sealed value: no text in UTF-8 begins so, and 1 is the form's version
HIGHEST_DIGEST = -(1 << 32)  # of a term: below all terms, so that one that is no digest is known and refused
_NONCE_BYTES = 12
_DIGEST_BYTES = 16
_KEPT = 256  # keys of conversations that are kept unwrapped, for a process that serves many
_TEXT, _BYTES = b"t", b"b"  # what a sealed value was


def require_cryptography() -> None:
    """Raise `MissingExtra` unless the library for encryption is installed."""
    try:
        import cryptography  # noqa: F401 - 30 ms, and only where a store is encrypted
    except ImportError as error:
        raise MissingExtra(
            "An encrypted database needs the extra encryption: pip install 'turnkeep[encryption]'."
        ) from error


@dataclass(frozen=True, slots=True)
class Header:
    """The row that says how a store's key is kept."""

    method: str
    parameters: str  # JSON
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class _Cipher:
    """One key: what seals, and what digests."""

    aead: "AESGCM"
    terms: bytes


class Sealer:
    """The store's key, and with it all others.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._own = _cipher(key)
        self._unwrap = lru_cache(_KEPT)(self._unwrap_anew)

    def wrap_with(self, secret: Secret) -> Header:
        """Wrap the store's key by a secret."""
        parameters = json.dumps(secret.choose_parameters(), sort_keys=True)
        wrapping = _cipher(secret.derive(json.loads(parameters)))
        return Header(
            secret.method, parameters, _seal(wrapping, self._key, _about(secret.method, parameters))
        )

    # -- keys of conversations --------------------------------------------------------------------
    def make_key(self, owner: int, conversation: int) -> bytes:
        """Make a conversation's key, wrapped."""
        return _seal(self._own, secrets.token_bytes(KEY_BYTES), _about("key", owner, conversation))

    def _unwrap_anew(self, wrapped: bytes, owner: int, conversation: int) -> _Cipher:
        return _cipher(_open(self._own, wrapped, _about("key", owner, conversation)))

    def _cipher_of(self, wrapped: bytes | None, owner: object, conversation: object) -> _Cipher:
        if not isinstance(wrapped, bytes) or not isinstance(owner, int) or not isinstance(conversation, int):
            raise StoreDamaged("A conversation's key is missing: put back a copy.")
        return self._unwrap(wrapped, owner, conversation)

    # -- values -----------------------------------------------------------------------------------
    def seal(
        self,
        value: str | bytes | None,
        wrapped: bytes | None,
        column: str,
        owner: object,
        conversation: object,
        *row: object,
    ) -> bytes | None:
        """Seal a value of a conversation's row; None stays None."""
        if value is None:
            return None
        cipher = self._cipher_of(wrapped, owner, conversation)
        return _seal_value(cipher, value, _about(column, owner, conversation, *row))

    def unseal(
        self,
        value: object,
        wrapped: bytes | None,
        column: str,
        owner: object,
        conversation: object,
        *row: object,
    ) -> str | bytes | None:
        """Open a value of a conversation's row.

        Raises:
            StoreDamaged: it is not what was sealed for this column of this row.
        """
        if value is None:
            return None
        cipher = self._cipher_of(wrapped, owner, conversation)
        return _unseal_value(cipher, value, _about(column, owner, conversation, *row))

    def seal_own(self, value: str | bytes | None, column: str, *row: object) -> bytes | None:
        """Seal a value that belongs to no conversation."""
        return None if value is None else _seal_value(self._own, value, _about(column, *row))

    def unseal_own(self, value: object, column: str, *row: object) -> str | bytes | None:
        """Open a value that belongs to no conversation."""
        return None if value is None else _unseal_value(self._own, value, _about(column, *row))

    # -- digests ----------------------------------------------------------------------------------
    def digest(self, text: str | None, column: str, owner: object = None) -> bytes | None:
        """A digest by which a text is found again, and by which nobody without the key can tell it."""
        if text is None:
            return None
        data = _about(column, owner, text)
        return MARK + hashlib.blake2b(data, key=self._own.terms, digest_size=_DIGEST_BYTES).digest()

    def term_digests(self, wrapped: bytes | None, owner: int, conversation: int) -> Callable[[int], int]:
        """What turns the number of a term (32 bits) into the one that stands in this conversation's index."""
        key, blake2b = self._cipher_of(wrapped, owner, conversation).terms, hashlib.blake2b

        def digest(term: int) -> int:
            hashed = blake2b(term.to_bytes(4, "little", signed=True), key=key, digest_size=4).digest()
            return HIGHEST_DIGEST - int.from_bytes(hashed, "little")

        return digest


def make_sealer() -> Sealer:
    """Make the key of a new store."""
    require_cryptography()
    return Sealer(secrets.token_bytes(KEY_BYTES))


def open_sealer(header: Header, secret: Secret, where: str) -> Sealer:
    """Unwrap a store's key.

    Raises:
        StoreLocked: the secret is another one.
    """
    require_cryptography()
    if header.method != secret.method:
        raise StoreLocked(f"{where} is opened by {_SPOKEN[header.method]}, not by {_SPOKEN[secret.method]}.")
    try:
        wrapping = _cipher(secret.derive(json.loads(header.parameters)))
    except ValueError as error:
        raise StoreDamaged(
            f"{where} is damaged (the parameters of its encryption): put back a copy."
        ) from error
    try:
        return Sealer(_open(wrapping, header.wrapped, _about(header.method, header.parameters)))
    except StoreDamaged as error:
        raise StoreLocked(
            f"This is not {_SPOKEN[header.method]} of {where}: nothing was changed; give the right one."
        ) from error


_SPOKEN = {"passphrase": "the passphrase", "key_file": "the key file"}


def _cipher(key: bytes) -> _Cipher:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return _Cipher(AESGCM(key), hashlib.blake2b(b"terms", key=key, digest_size=KEY_BYTES).digest())


def _about(*row: object) -> bytes:
    """What a value is bound to. Of the parts only the last may be a text of others' making."""
    return "\x1f".join(map(str, row)).encode("utf-8", "surrogatepass")


def _seal(cipher: _Cipher, value: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return MARK + nonce + cipher.aead.encrypt(nonce, value, about)


def _open(cipher: _Cipher, sealed: object, about: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    begin = len(MARK) + _NONCE_BYTES
    if not isinstance(sealed, bytes) or not sealed.startswith(MARK) or len(sealed) < begin:
        raise StoreDamaged("A value that should be encrypted is not: put back a copy.")
    try:
        return cipher.aead.decrypt(sealed[len(MARK) : begin], sealed[begin:], about)
    except InvalidTag as error:
        raise StoreDamaged(
            "An encrypted value is not what was written in its place: put back a copy."
        ) from error


def _seal_value(cipher: _Cipher, value: str | bytes, about: bytes) -> bytes:
    return _seal(cipher, _TEXT + value.encode() if isinstance(value, str) else _BYTES + value, about)


def _unseal_value(cipher: _Cipher, sealed: object, about: bytes) -> str | bytes:
    value = _open(cipher, sealed, about)
    return value[1:].decode() if value[:1] == _TEXT else value[1:]
