"""Secrets that are shown as they are: of one that is given out only the digest is kept, so that what is kept opens nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

TOKEN_BYTES: Final = 32
"""Of randomness in a token: what is kept of it, its SHA-256, cannot be guessed backwards."""


def new_token(sort: str) -> str:
    """One that nobody has.

    Args:
        sort: with what it begins, so that a token that is found somewhere tells what it opens.
    """
    return f"{sort}_{secrets.token_urlsafe(TOKEN_BYTES)}"


def digest_of_token(token: str) -> str:
    """What is kept of one: its SHA-256, hexadecimal. Any text has one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def is_known(token: str, digests: Iterable[str]) -> bool:
    """Whether a token has one of the digests. All are compared, each in constant time: how long it takes tells nothing."""
    shown = digest_of_token(token)
    return bool(sum(hmac.compare_digest(shown, digest) for digest in digests))


def line_of_token(token: str) -> str:
    """The line of a configuration file that knows it."""
    return f'token_sha256 = ["{digest_of_token(token)}"]'
