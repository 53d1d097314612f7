"""Secrets of the gateway's keys: how they are made, and what is kept of them.

A secret is 256 random bits, so nobody can try them all, and a plain hash is enough: a slow one, made
for passwords that people choose, would only make each request slow.
"""

import hashlib
import secrets

SECRET_BYTES = 32
SECRET_PREFIX = "tk-"  # noqa: S105 - what all secrets begin with, so that scanners for leaked ones know them
KEY_OWNER_PREFIX = "key:"  # of the owner that a key stands for; the person at the terminal is "local"


def make_secret() -> str:
    """Make the secret of a new key, to be shown once and never kept."""
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_secret(secret: str) -> bytes:
    """Make what is kept of a secret: its SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
