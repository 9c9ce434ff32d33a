"""Who may come in over HTTP: everybody shows a token with every request, also on loopback, where other users and web pages are.

The server is a resource server (RFC 6750, RFC 9728): it takes the tokens of the policy, access tokens that the OpenID provider
issued for it, and on loopback the token in the data directory. It issues none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from middlewatch.bearers import Bearers
from middlewatch.frontends.listening import address_of
from middlewatch.frontends.mcp.callers import PRINCIPAL_KEY
from middlewatch.frontends.mcp.tokens import LONGEST_TOKEN, AccessTokens
from middlewatch.frontends.web.attempts import Attempts
from middlewatch.frontends.web.guards import allowed_hosts, host_of, origin_of
from middlewatch.frontends.web.oidc import refuse_overheard
from middlewatch.records import MCP
from middlewatch.records.errors import MiddlewatchError, Misconfigured, Refused, Unavailable
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.app import App

PATH = "/mcp"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
PATHS = (PATH, f"{PATH}/", WELL_KNOWN + PATH, WELL_KNOWN)
"""What is answered here. The metadata stand where RFC 9728 has them for this path, and where older clients look for them."""
AT_ONCE = 8
"""Whose tokens are looked at, of the 40 threads that answer requests: a provider that does not answer stops no page. Chosen."""
_UNAUTHORIZED = 401
_OTHER_SITES = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who may come in."""

    session_owner: str
    """Whose sessions those are that this token opens; nobody else's token can use them."""
    principal: str
    """The principal's id; empty for the owner of the data directory whom policy does not name."""
    expires_at: int | None = None


class Turned(Exception):
    """Somebody who may not come in."""

    def __init__(self, status: int, why: str, *, error: str = "") -> None:
        """What they are told.

        Args:
            status: of HTTP.
            why: one sentence.
            error: the code of RFC 6750; empty where there was no token at all.
        """
        super().__init__(why)
        self.status, self.why, self.error = status, why, error


class Access:
    """Lets requests through to the server that show who they are of, and says to others how to."""

    def __init__(self, app: App, inner: ASGIApp, *, local_token: str = "") -> None:
        """Nothing is asked of the OpenID provider before the first of its tokens.

        Args:
            app: whose policy and settings.
            inner: what is behind it.
            local_token: what the owner of the data directory shows; empty where that is not taken.

        Raises:
            Misconfigured: anybody on the way to the provider could change its keys.
        """
        self._app = app
        self._inner = inner
        self._local_token = local_token
        self._bearers = Bearers(app.approvals, face=MCP)
        self.resource = resource_of(app.settings)
        self._hosts = allowed_hosts(app.settings)
        self._own_origin = origin_of(self.resource)
        self._attempts = Attempts()
        self._places = anyio.CapacityLimiter(AT_ONCE)
        refuse_overheard(app.settings)
        issuer = app.settings.oidc_issuer
        self._issued = None if issuer is None else AccessTokens(str(issuer), self.resource)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._refuse_others(headers, scope["scheme"])
            if scope["path"].startswith(WELL_KNOWN):
                await self._metadata(scope["method"])(scope, receive, send)
                return
            admitted = await anyio.to_thread.run_sync(self._admit, Request(scope), limiter=self._places)
        except Turned as turned:
            await self._turned(turned)(scope, receive, send)
            return
        token = AccessToken(
            token="",
            client_id=admitted.session_owner,
            scopes=[],
            expires_at=admitted.expires_at,
            subject=admitted.principal or None,
        )
        known: dict[str, object] = {"user": AuthenticatedUser(token), "auth": AuthCredentials(), PRINCIPAL_KEY: admitted.principal}
        await self._inner({**scope, **known}, receive, send)

    def _refuse_others(self, headers: Headers, scheme: str) -> None:
        """Of a name that an attacker made point here nothing is answered, and nothing to a page of another site.

        Raises:
            Turned: it is one of these.
        """
        if host_of(headers) not in self._hosts:
            raise Turned(421, "This server does not go by that name.")
        own = {self._own_origin, f"{scheme}://{headers['host']}".lower()}
        if set(headers.getlist("origin")) - own or headers.get("sec-fetch-site") in _OTHER_SITES:
            raise Turned(403, "This came from another site.")

    def _admit(self, request: Request) -> Admitted:
        """Who shows this token, by policy as it is now.

        Raises:
            Turned: nobody who may come in.
        """
        given = request.headers.getlist("authorization")
        scheme, _, token = given[0].strip().partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not (token := token.strip()):
            raise Turned(401, "Show a token: Authorization: Bearer TOKEN")
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise Turned(401, "That is no token.", error="invalid_token")
        try:
            if self._local_token and hmac.compare_digest(token, self._local_token):
                return Admitted(_owner("local", token), self._local_principal())
            if self._issued is not None and token.count(".") == 2:  # noqa: PLR2004  the three parts of a signed token
                return self._issued_to(self._issued, token)
            return self._held_by(token, request)
        except HTTPException as limited:
            raise Turned(limited.status_code, f"{limited.detail}.") from limited
        except Unavailable as error:
            raise Turned(503, f"{error.message} Try again later.") from error
        except MiddlewatchError as error:
            raise Turned(503, f"{error.message} {error.remedy}".strip()) from error

    def _held_by(self, token: str, request: Request) -> Admitted:
        """By a token of the policy. Wrong ones are counted; somebody else's do not stop one that was right before."""
        if not self._bearers.has_seen(token):
            self._attempts.check(request)
        person = self._bearers.identify(token)
        if person is None:
            self._attempts.failed(request)
            raise Turned(401, "Policy knows nobody by this token.", error="invalid_token")
        return Admitted(_owner("token", token), person.id)

    def _issued_to(self, issued: AccessTokens, token: str) -> Admitted:
        """By one that the provider signed, which nobody guesses."""
        claimed = issued.verify(token)
        if claimed is None:
            raise Turned(401, f"That is no valid access token of {issued.issuer} for {issued.resource}.", error="invalid_token")
        identity = f"{claimed.issuer}|{claimed.subject}"
        try:
            person = self._bearers.recognise(f"oidc:{identity}")
        except Refused:
            person = None
        if person is None:
            why = f"Policy does not know {identity!r}. Whoever keeps it can add it to the oidc of a principal."
            raise Turned(403, why, error="insufficient_scope")
        return Admitted(_owner("oidc", identity), person.id, claimed.expires_at)

    def _local_principal(self) -> str:
        try:
            person = self._bearers.recognise(self._app.approvals.local_identity())
        except (Refused, Misconfigured):  # reading goes on for whom the data belongs to; deciding is refused, with the reason
            person = None
        return person.id if person else ""

    def _turned(self, turned: Turned) -> Response:
        told = {"error": turned.error, "error_description": turned.why} if turned.error else {}
        if self._issued is not None:
            told["resource_metadata"] = f"{self._own_origin}{WELL_KNOWN}{PATH}"
        challenge = ", ".join(f'{name}="{_quotable(value)}"' for name, value in told.items())
        headers = {"WWW-Authenticate": f"Bearer {challenge}".strip()} if turned.status == _UNAUTHORIZED or turned.error else {}
        return JSONResponse({"error": turned.error or "refused", "error_description": turned.why}, turned.status, headers)

    def _metadata(self, method: str) -> Response:
        """Of this resource (RFC 9728). Whoever looks for it has no token yet."""
        if method not in {"GET", "HEAD"}:
            return Response(status_code=405, headers={"Allow": "GET"})
        if self._issued is None:
            return JSONResponse(
                {"error": "no_provider", "error_description": "Tokens are of the policy here; nobody issues any."}, 404
            )
        about: Mapping[str, object] = {
            "resource": self.resource,
            "resource_name": "middlewatch",
            "authorization_servers": [self._issued.issuer],
            "bearer_methods_supported": ["header"],
        }
        return Response(json.dumps(about), media_type="application/json", headers={"Cache-Control": "max-age=3600"})


def resource_of(settings: Settings) -> str:
    """The URL of this server, which access tokens must be for."""
    return address_of(settings) + PATH


def _owner(kind: str, secret: str) -> str:
    """A name for the holder of a secret that tells nothing of it."""
    return f"{kind}:{hashlib.sha256(secret.encode()).hexdigest()[:32]}"


def _quotable(text: str) -> str:
    """Text inside a quoted string of a header."""
    return "".join(one if one.isascii() and one.isprintable() and one not in '"\\' else "?" for one in text)
