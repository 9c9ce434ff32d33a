"""How a webhook's calls are signed, and how the receiver checks it. The scheme is in docs/actions.md."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

SIGNATURE = "Middlewatch-Signature"
TIMESTAMP = "Middlewatch-Timestamp"
VERSION = "v1"

TOLERANCE_SECONDS = 300
"""How old or how far ahead a receiver should let a signed call be: as much as other signed webhooks do, for clocks that differ."""


def signed(secret: str, timestamp: int, method: str, path: str, body: bytes) -> str:
    """HMAC-SHA256 over everything that says what is asked for, as ``v1=`` and hexadecimal digits.

    Args:
        secret: known to both ends.
        timestamp: seconds since 1970 in UTC.
        method: of HTTP, in capitals.
        path: as it is sent, with the query.
        body: as it is sent; empty where there is none.
    """
    message = f"{VERSION}\n{timestamp}\n{method}\n{path}\n".encode("ascii") + body
    return f"{VERSION}={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


def signer(secret: Callable[[], str]) -> Callable[[str, str, bytes], Mapping[str, str]]:
    """Signs each call with the time of this machine."""

    def headers(method: str, path: str, body: bytes) -> Mapping[str, str]:
        now = int(time.time())
        return {TIMESTAMP: str(now), SIGNATURE: signed(secret(), now, method, path, body)}

    return headers


def verified(secret: str, headers: Mapping[str, str], method: str, path: str, body: bytes, *, now: float | None = None) -> bool:
    """Whether a call was signed with the secret, lately. For receivers; a repeated one is theirs to recognise by its request.

    Args:
        secret: known to both ends.
        headers: with names in lower case.
        method: of HTTP, in capitals.
        path: as it was sent, with the query.
        body: as it was sent.
        now: seconds since 1970; this machine's clock where it is not given.
    """
    timestamp = headers.get(TIMESTAMP.lower(), "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):  # noqa: PLR2004  until the year 33658
        return False
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    expected = signed(secret, int(timestamp), method, path, body)
    return hmac.compare_digest(expected.encode(), headers.get(SIGNATURE.lower(), "").encode())
