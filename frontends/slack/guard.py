"""What comes in over HTTP is Slack's, and fresh, before anything else looks at it.

slack-bolt verifies the signature as well, but answers some malformed headers with an error of its own (a timestamp that is no
number, a signature outside ASCII, a body that is not UTF-8): none of these reach it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from slack_sdk.signature import SignatureVerifier

LARGEST_BODY = 256 * 1024
"""Bytes. Slack's largest interaction carries a message of some 50 blocks, far below it (chosen, not derived)."""
FRESH_SECONDS = 300
"""How far a request's time may be from ours, as Slack recommends."""
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)


class Guard:
    """Knows the signing secret."""

    def __init__(self, secret: str) -> None:
        self._verifier = SignatureVerifier(secret)

    def objection(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Why a request is refused, as a status and a word; 0 where it is not.

        Args:
            headers: by lower-case name.
            body: as it came, to the last byte.
        """
        timestamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if len(body) > LARGEST_BODY:
            return 413, "too large"
        if _TIMESTAMP.fullmatch(timestamp) is None or _SIGNATURE.fullmatch(signature) is None:
            return 401, "not signed"
        if abs(time.time() - int(timestamp)) > FRESH_SECONDS:
            return 401, "too old"
        try:
            body.decode()
        except UnicodeDecodeError:
            return 401, "not signed"  # Slack signs text
        if not self._verifier.is_valid(body, timestamp, signature):
            return 401, "not signed"
        return 0, ""
