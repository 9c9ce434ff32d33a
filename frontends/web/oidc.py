"""Signing in with an OpenID provider: the authorization code flow with PKCE, state and nonce."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, Self

import httpx2
from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OAuthError, OpenIDMixin
from authlib.integrations.httpx_client import OAuth2Client
from joserfc.errors import JoseError
from pydantic import ValidationError

from middlewatch.records import Record
from middlewatch.records.errors import Misconfigured, Refused, Unavailable
from middlewatch.records.loopback import is_loopback
from middlewatch.settings import Settings

ANSWER_SECONDS = 10.0
"""The provider's, for one request. Chosen, not derived."""
AT_ONCE = 8
"""Who waits for the provider, of the 40 threads that answer requests: anybody may begin a sign-in, and where it does not answer,
all other pages still do. Chosen, not derived."""
LEEWAY_SECONDS = 60
"""By which its clock may differ from ours. Chosen, not derived."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that nobody but the provider can make: with a shared secret, or with none, others could."""

_NO_PROOF = (OAuthError, JoseError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
"""What the library raises where an answer is not what it should be: whatever it is, it proves nothing."""


class _Client(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]  # the library is untyped
    client_cls = OAuth2Client


class Flow(Record):
    """What the browser keeps while it is at the provider: in a cookie, for nobody else."""

    state: str
    nonce: str
    code_verifier: str
    back: str
    """The path that they wanted to."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The one that people sign in with."""

    issuer: str
    """As configured, without a slash at its end."""
    client_id: str
    client: Any
    places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """As the settings have it; None where they have none. Nothing is asked of it yet.

        Raises:
            Misconfigured: half of what it takes, or anybody on the way could read what is sent.
        """
        issuer, client_id = settings.oidc_issuer, settings.oidc_client_id
        if issuer is None and client_id is None:
            return None
        if issuer is None or not client_id:
            raise Misconfigured(
                "MIDDLEWATCH_OIDC_ISSUER and MIDDLEWATCH_OIDC_CLIENT_ID go together.", remedy="Set both, or neither."
            )
        refuse_overheard(settings)
        url, secret = str(issuer).rstrip("/"), settings.oidc_client_secret
        client = _Client(
            None,
            "oidc",
            client_id=client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            server_metadata_url=f"{url}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile",
                "code_challenge_method": "S256",
                "timeout": ANSWER_SECONDS,
                "token_endpoint_auth_method": "none" if secret is None else "client_secret_basic",
            },
        )
        return cls(url, client_id, client)

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.issuer.partition("://")[2]

    def leave(self, callback: str, back: str) -> tuple[str, Flow]:
        """Where to send the browser, and what it keeps meanwhile.

        Args:
            callback: the address here to which the provider sends it back.
            back: the path that they wanted to.

        Raises:
            Unavailable: the provider does not answer, or not as one does.
        """
        with self._waiting():
            self._metadata()
            try:
                made = self.client.create_authorization_url(callback)
            except (httpx2.HTTPError, OAuthError, ValueError, RuntimeError, TypeError) as error:
                raise self._unavailable(error) from None
        return made["url"], Flow(state=made["state"], nonce=made["nonce"], code_verifier=made["code_verifier"], back=back)

    def return_from(self, flow: Flow, callback: str, *, state: str, code: str) -> str:
        """Whose identity the provider vouches for: ``oidc:ISSUER|SUBJECT``.

        Raises:
            Refused: this browser did not ask for it, or the provider's word does not hold.
            Unavailable: the provider does not answer.
        """
        if not code or not hmac.compare_digest(state.encode(), flow.state.encode()):
            raise Refused("This sign-in was not begun in this browser.", remedy="Begin it again from the sign-in page.")
        with self._waiting():
            issuer, claims = self._claims(flow, callback, code)
        if not claims or not isinstance(claims["sub"], str) or not claims["sub"]:
            raise Refused(f"What {self.name} answered does not prove who you are.", remedy="Begin again from the sign-in page.")
        return f"oidc:{issuer}|{claims['sub']}"

    def _claims(self, flow: Flow, callback: str, code: str) -> tuple[str, Any]:
        """The issuer, and what it says in exchange for a code; None where that proves nothing."""
        issuer = self._metadata()["issuer"]
        held = {  # to these it holds a token only when it is told; to its nonce, subject and times always
            "iss": {"essential": True, "values": [issuer]},
            "aud": {"essential": True, "values": [self.client_id]},
        }
        try:
            token = self.client.fetch_access_token(callback, code=code, code_verifier=flow.code_verifier)
            return issuer, self.client.parse_id_token(token, flow.nonce, claims_options=held, leeway=LEEWAY_SECONDS)
        except httpx2.HTTPError as error:
            raise self._unavailable(error) from None
        except _NO_PROOF:
            return issuer, None

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """A place among those who wait for the provider.

        Raises:
            Unavailable: there is none.
        """
        if not self.places.acquire(blocking=False):
            raise Unavailable(f"Too many wait for {self.name} at this moment.", remedy="Try again in a moment.")
        try:
            yield
        finally:
            self.places.release()

    def _metadata(self) -> dict[str, Any]:
        """What it says of itself: read once, and checked.

        Raises:
            Unavailable: it does not answer, or is another one.
        """
        try:
            found: dict[str, Any] = self.client.load_server_metadata()
            if str(found["issuer"]).rstrip("/") != self.issuer:
                raise ValueError(f"it calls itself {found['issuer']}")  # noqa: TRY301  joins the others below
            offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
            found["id_token_signing_alg_values_supported"] = [one for one in offered if one in ALGORITHMS]
        except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.client.server_metadata.clear()  # asked again the next time
            raise self._unavailable(error) from None
        return found

    def _unavailable(self, error: Exception) -> Unavailable:
        why = f"{type(error).__name__}: {error}"[:200]
        return Unavailable(f"{self.name} does not answer as an OpenID provider does ({why}).", remedy="Try again in a moment.")


def refuse_overheard(settings: Settings) -> None:
    """Whoever is on the way to the provider must not be able to change what it says.

    Raises:
        Misconfigured: they are.
    """
    issuer = settings.oidc_issuer
    if issuer is not None and issuer.scheme != "https" and not is_loopback(issuer.host or ""):
        raise Misconfigured("MIDDLEWATCH_OIDC_ISSUER is not https.", remedy="Use the provider's https address.")


def flow_from(text: str) -> Flow | None:
    """What a browser kept; None where it is nothing of the kind."""
    try:
        return Flow.model_validate_json(text)
    except ValidationError:
        return None
