"""Grafana: its webhook contact point, with a token, basic authentication, or an HMAC signature (since Grafana 12)."""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.frontends.intake.credentials import is_fresh, is_signed, shows_token
from middlewatch.frontends.intake.delivery import Delivery


def is_authentic(delivery: Delivery, secrets: Sequence[bytes]) -> bool:
    """It is signed, where it has a secret; where a header for the time is configured that is signed too, and about now."""
    entry = delivery.entry
    if not secrets:
        return shows_token(delivery)
    if entry.token_sha256 and not shows_token(delivery):
        return False
    signature = delivery.headers.get(entry.signature_header.lower(), "")
    if entry.timestamp_header is None:
        return is_signed(secrets, delivery.body, [signature])
    timestamp = delivery.headers.get(entry.timestamp_header.lower(), "")
    if not is_fresh(timestamp, delivery):
        return False
    return is_signed(secrets, timestamp.encode() + b":" + delivery.body, [signature])
