"""What opens an encrypted store: a passphrase, or a file with a key. Each derives the key that wraps the store's key.

Knows nothing of databases; the stored parameters say how a key was derived, so that a later
version may choose others.
"""

import base64
import hashlib
import os
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .. import private
from ..errors import StoreDamaged, UsageError

KEY_BYTES = 32
# OWASP's Password Storage Cheat Sheet: N = 2^17, r = 8, p = 1; 128 MiB for a third of a second.
SCRYPT_COST = 17
_SCRYPT_BLOCK = 8
_HIGHEST_COST = 22  # 4 GiB: parameters beyond that are nobody's choice
_SALT_BYTES = 16
_MOST_KEY_FILE_BYTES = 65_536

Method: TypeAlias = Literal["passphrase", "key_file"]
Parameters: TypeAlias = Mapping[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Words that somebody remembers.

    Args:
        text: the words; characters that look the same count as the same (NFKC).
        cost: exponent of scrypt's N, for a store that is made with it.

    Raises:
        UsageError: it is empty.
    """

    text: str = field(repr=False)
    cost: int = SCRYPT_COST
    method: Method = field(default="passphrase", init=False)

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise UsageError("The passphrase is empty: give some words.")

    def choose_parameters(self) -> Parameters:
        """Make parameters for a new store."""
        return {"kdf": "scrypt", "cost": self.cost, "block": _SCRYPT_BLOCK, "salt": _salt()}

    def derive(self, parameters: Parameters) -> bytes:
        """Derive the key that wraps."""
        cost, block, salt = parameters.get("cost"), parameters.get("block"), parameters.get("salt")
        if not (
            isinstance(cost, int)
            and isinstance(block, int)
            and 1 <= cost <= _HIGHEST_COST
            and 1 <= block <= 64
        ):
            raise StoreDamaged("The parameters of the database's encryption are damaged: put back a copy.")
        return hashlib.scrypt(
            unicodedata.normalize("NFKC", self.text).encode("utf-8", "surrogatepass"),
            salt=base64.b64decode(str(salt)),
            n=1 << cost,
            r=block,
            p=1,
            maxmem=(128 * block << cost) + (1 << 20),
            dklen=KEY_BYTES,
        )


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of random bytes that is kept elsewhere than the database.

    Args:
        path: the file, of 32 bytes or more, readable by its owner alone.
    """

    path: Path
    method: Method = field(default="key_file", init=False)

    def choose_parameters(self) -> Parameters:
        """Make parameters for a new store."""
        return {"kdf": "blake2b", "salt": _salt()}

    def derive(self, parameters: Parameters) -> bytes:
        """Derive the key that wraps.

        Raises:
            UsageError: the file cannot be read, or holds no key.
            StoreError: others can read it.
        """
        salt = base64.b64decode(str(parameters.get("salt")))
        return hashlib.blake2b(
            _read_key(self.path), key=salt, digest_size=KEY_BYTES, person=b"turnkeep file"
        ).digest()


Secret: TypeAlias = Passphrase | KeyFile


def make_key_file(path: Path) -> KeyFile:
    """Make a key file of random bytes, for its owner alone.

    Raises:
        UsageError: there is a file already, or it cannot be written.
    """
    try:
        private.make_folder(path.parent)
        with open(_create(path), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        private.sync_folder(path.parent)  # its name too is on the disk before anything is sealed by it
    except FileExistsError as error:
        raise UsageError(f"{path} exists already: name another file.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    return KeyFile(path)


def has_key(path: Path) -> bool:
    """Tell whether something is in the file; an empty one is left where the making of a key file was killed."""
    return path.exists() and not _is_empty(path)


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _create(path: Path) -> int:
    try:
        return private.create(path)
    except FileExistsError:
        if not _is_empty(path):
            raise
    private.check(path)
    return os.open(path, os.O_RDWR)


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"The key file {path} cannot be read: {error.strerror}.") from error
    private.check(path)
    if not KEY_BYTES <= len(content) <= _MOST_KEY_FILE_BYTES:
        raise UsageError(
            f"The key file {path} must hold 32 to 65,536 bytes: name the file that turnkeep encrypt made."
        )
    return content


def _salt() -> str:
    return base64.b64encode(secrets.token_bytes(_SALT_BYTES)).decode()
