"""Access tokens of an OpenID provider: signed by its keys, for this server, and not over."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from middlewatch.records.errors import Unavailable

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures of a key pair. Never `none`, and none with a secret that two sides share."""
LEEWAY_SECONDS = 60
"""How far two clocks may be apart."""
KEYS_SECONDS = 3600.0
"""How long the provider's keys are believed."""
AGAIN_SECONDS = 60.0
"""How soon they are fetched again for a key that is not known: an unknown one costs the provider one request a minute at most."""
AWAY_SECONDS = 5.0
"""How long nobody asks a provider again that did not answer: who sends it nonsense does not keep others waiting for it."""
FETCH_SECONDS = 10.0
LONGEST_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whom a token speaks for."""

    issuer: str
    """As the provider calls itself."""
    subject: str
    expires_at: int


class AccessTokens:
    """The access tokens that one provider issues for one resource."""

    def __init__(self, issuer: str, resource: str) -> None:
        """Nothing is fetched before the first token.

        Args:
            issuer: the provider's address, with or without a slash at its end.
            resource: the URL of this server, which the tokens must be for.
        """
        self.issuer = issuer
        self.resource = resource
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._named = ""
        self._fetched = self._failed = float("-inf")

    def verify(self, token: str) -> Claimed | None:
        """Whom a token speaks for; None where it is not one of this provider's for this resource, or is over.

        Raises:
            Unavailable: the provider's keys cannot be fetched.
        """
        if len(token) > LONGEST_TOKEN:
            return None
        for fresh in (False, True):
            try:
                decoded = jwt.decode(token, self._keys_now(fresh=fresh), algorithms=ALGORITHMS)
            except (JoseError, ValueError, TypeError, KeyError):
                continue  # it may be signed by a key that is newer than ours
            return self._claimed(decoded.header, decoded.claims)
        return None

    def _claimed(self, header: dict[str, Any], claims: dict[str, Any]) -> Claimed | None:
        now = time.time()
        audience, expiry, begin, subject = (claims.get(name) for name in ("aud", "exp", "nbf", "sub"))
        audiences = audience if isinstance(audience, list) else [audience]
        fits = (
            claims.get("iss") == self._named
            and any(isinstance(one, str) and _same(one, self.resource) for one in audiences)
            and isinstance(expiry, int | float)
            and expiry + LEEWAY_SECONDS > now
            and (begin is None or (isinstance(begin, int | float) and begin - LEEWAY_SECONDS <= now))
            and isinstance(subject, str)
            and subject != ""
            and str(header.get("typ", "JWT")).lower() in {"jwt", "at+jwt", "application/at+jwt"}
        )
        return Claimed(self._named, str(subject), int(expiry or 0)) if fits else None

    def _keys_now(self, *, fresh: bool) -> KeySet:
        with self._lock:
            age = time.monotonic() - self._fetched
            if self._keys is None or age > (AGAIN_SECONDS if fresh else KEYS_SECONDS):
                if time.monotonic() - self._failed < AWAY_SECONDS:
                    raise Unavailable(f"The keys of {self.issuer} could not be fetched a moment ago.")
                try:
                    self._keys = self._fetch()
                except (httpx.HTTPError, ValueError, KeyError, TypeError, JoseError) as error:
                    self._failed = time.monotonic()
                    raise Unavailable(f"The keys of {self.issuer} cannot be fetched: {type(error).__name__}.") from error
                self._fetched = time.monotonic()
            return self._keys

    def _fetch(self) -> KeySet:
        with httpx.Client(timeout=FETCH_SECONDS, follow_redirects=False) as client:
            about = client.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration").raise_for_status().json()
            if not _same(about["issuer"], self.issuer):
                raise ValueError("another issuer")
            self._named = about["issuer"]
            return KeySet.import_key_set(client.get(about["jwks_uri"]).raise_for_status().json())


def _same(one: str, other: str) -> bool:
    """Whether two addresses are the same, a slash at the end aside: settings write one where there is no path."""
    return one.removesuffix("/") == other.removesuffix("/")
