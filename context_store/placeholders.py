"""A second pass of the redaction, over every text before it leaves the process: placeholders that only this process can put back.

What is stored has lost its secrets already, but names that link records keep theirs, and what a tool has just read was stored
nowhere. A placeholder says of which kind a secret is, and the same secret has the same letters wherever it stands in an
investigation, so a reader can tell that two are one. The letters come of a salt that is the investigation's own and never leaves
the context store: from outside nobody can try secrets until one fits. What a placeholder stands for is kept in memory alone.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Final, NoReturn, Self

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import salt_keys
from middlewatch.context_store.redaction import redact_as
from middlewatch.context_store.script import Server

SALT_BYTES: Final = 32
"""As many as the digest has."""
KEPT_SECONDS: Final = 8 * 24 * 3600.0
"""Of a salt, after it was asked for last: longer than an investigation takes (chosen, not derived)."""

_LETTERS: Final = 12
"""48 bits: of a thousand secrets in one investigation two share a placeholder with a probability of 2e-9."""
_ALPHABET: Final = "bcdfghjkmnpqrstv"
"""Sixteen, for four bits each. No digits, which a reader could take for a measurement, and no vowels, which would make words."""
_PLACEHOLDER: Final = re.compile(rf"\[redacted:([a-z-]{{1,32}})#[{_ALPHABET}]{{{_LETTERS}}}\]")


class Placeholders:
    """The placeholders of one investigation, in one process."""

    __slots__ = ("_salt", "_secrets")

    def __init__(self, salt: bytes) -> None:
        """Prefer `of`.

        Args:
            salt: the investigation's own.
        """
        self._salt = salt
        self._secrets: dict[str, str] = {}

    @classmethod
    def of(cls, server: Server, tenant: str, investigation: str) -> Self:
        """Those of an investigation: the same placeholders in every process.

        Raises:
            StoreUnavailable: the salt cannot be read, so nothing may leave.
        """
        fresh = secrets.token_hex(SALT_BYTES)
        keys = salt_keys(tenant, investigation)
        return cls(bytes.fromhex(str(scripts.keep_salt(server, keys, salt=fresh, keep_ms=int(KEPT_SECONDS * 1000))[1])))

    def veil(self, text: str) -> str:
        """The text with a placeholder for each secret. Veiled again it stays as it is."""
        return redact_as(text, self._placeholder)

    def unveil(self, text: str) -> str:
        """The text with what the placeholders of this process stand for: to ask telemetry, never to be stored, shown or sent."""
        return _PLACEHOLDER.sub(lambda found: self._secrets.get(found[0], found[0]), text)

    def mark(self, text: str) -> str:
        """The text as it may be stored and shown: every placeholder is a marker as the redaction of the store makes it."""
        return _PLACEHOLDER.sub(lambda found: f"[redacted:{found[1]}]", text)

    @staticmethod
    def found_in(text: str) -> list[str]:
        """The placeholders that stand in a text, each once, in their order."""
        return list(dict.fromkeys(found[0] for found in _PLACEHOLDER.finditer(text)))

    def _placeholder(self, rule: str, found: str) -> str:
        secret = self.unveil(found)  # what one rule finds may hold what another found before it
        digest = hmac.digest(self._salt, secret.encode("utf-8", "surrogatepass"), "sha256").hex()[:_LETTERS]
        placeholder = f"[redacted:{rule}#{''.join(_ALPHABET[int(digit, 16)] for digit in digest)}]"
        self._secrets[placeholder] = secret
        return placeholder

    def __repr__(self) -> str:
        return f"<Placeholders, {len(self._secrets)}>"

    def __reduce__(self) -> NoReturn:
        message = "what placeholders stand for stays in the process"
        raise TypeError(message)
