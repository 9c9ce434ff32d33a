"""How a sender shows who it is: a token, a password, or a signature over what it sends."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from middlewatch.frontends.intake.delivery import Delivery
from middlewatch.records.tokens import is_known

FRESH: Final = timedelta(minutes=5)
"""How far the time of a signed delivery may be from ours: Slack's and Stripe's figure."""
TOKEN_HEADER: Final = "x-middlewatch-token"  # noqa: S105  a name
"""For senders whose `Authorization` header cannot be set."""
_MOST_SIGNATURES: Final = 8
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


def shows_token(delivery: Delivery, _secrets: Sequence[bytes] = ()) -> bool:
    """Whether it shows a token of the sender: as a bearer, as the password of its user, or in a header of its own.

    It is the proof of senders that sign nothing, so that they have no secrets.
    """
    entry = delivery.entry
    scheme, _, given = delivery.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and entry.user:
        user, _, password = _decoded(given.strip()).partition(":")
        known = is_known(password, entry.token_sha256)
        return hmac.compare_digest(user.encode(), entry.user.encode()) and known
    if scheme.lower() == "bearer":
        return is_known(given.strip(), entry.token_sha256)
    own = delivery.headers.get(TOKEN_HEADER, "")
    return bool(own) and is_known(own.strip(), entry.token_sha256)


def is_signed(secrets: Sequence[bytes], signed: bytes, signatures: Iterable[str]) -> bool:
    """Whether one of the signatures is one of the secrets' HMAC-SHA256, hexadecimal; while one rotates there are several."""
    expected = [hmac.new(secret, signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    given = [one.strip().lower().encode("utf-8", "replace") for one in list(signatures)[:_MOST_SIGNATURES]]
    return bool(sum(hmac.compare_digest(right, one) for right in expected for one in given))


def is_fresh(timestamp: str, delivery: Delivery) -> bool:
    """Whether seconds since 1970 are about now: what was signed long ago may be somebody else's copy."""
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return False
    return abs(delivery.now.timestamp() - int(timestamp)) <= FRESH.total_seconds()


def _decoded(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
