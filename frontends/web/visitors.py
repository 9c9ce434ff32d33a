"""Who asks: the session of a browser, or the token of a program, and whom policy says that is at this moment."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from middlewatch.app import App
from middlewatch.bearers import Bearers
from middlewatch.frontends.web.attempts import Attempts
from middlewatch.records import Principal
from middlewatch.records.errors import Misconfigured, Refused
from middlewatch.sessions import kept_identity

FACE = "web"
PROGRAM_FACE = "api"
"""Where a token is shown with every request in place of a session."""
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
LOCAL = "local:"
Id = Annotated[str, Path(max_length=128)]
"""Of an investigation, an alert or a request, in an address."""


class NotSignedIn(Exception):
    """Whoever asks has to sign in first."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in."""

    identity: str
    """As policy maps them; of a token only the SHA-256."""
    principal: Principal | None
    """As policy has them now; None for the system's user whom policy does not name, or where there is no policy."""
    csrf: str = ""
    """What the forms of this session carry; empty for a program, which has no forms."""
    secret: str = ""
    """Of the session's cookie; empty for a program."""

    @property
    def name(self) -> str:
        """What a page calls them: foreign text."""
        return (self.principal.name or self.principal.id) if self.principal else self.identity.removeprefix(LOCAL)


def application(request: Request) -> App:
    """The application behind this site."""
    app = request.app.state.app
    assert isinstance(app, App)  # noqa: S101  `create_site` put it there
    return app


Application = Annotated[App, Depends(application)]


def signed_in(request: Request, app: Application) -> Visitor:
    """Who asks. Everything but signing in needs this.

    Raises:
        NotSignedIn: nobody whom policy knows.
    """
    visitor = _by_token(request) if "authorization" in request.headers else _by_session(request, app)
    if visitor is None:
        raise NotSignedIn
    request.state.visitor = visitor
    return visitor


SignedIn = Annotated[Visitor, Depends(signed_in)]
"""For whatever only reads."""


async def acting(request: Request, visitor: SignedIn) -> Visitor:
    """Who asks for a change, from a page of this very session. Whether they may make it, the gateway says.

    Raises:
        Refused: the form is of another session, or of another site.
    """
    if visitor.csrf:
        given = request.headers.get(CSRF_HEADER) or (await request.form()).get(CSRF_FIELD)
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), visitor.csrf.encode()):
            raise Refused("This form is not of your present session.", remedy="Load the page again and send it once more.")
    return visitor


Acting = Annotated[Visitor, Depends(acting)]
"""For whatever changes something."""


def cookie_name(request: Request) -> str:
    """Of the session's cookie. With the prefix, no other host and no plain HTTP can set it."""
    return "__Host-middlewatch" if request.app.state.secure else "middlewatch"


def principal_of(app: App, identity: str) -> Principal | None:
    """Whom policy says that somebody is who signed in before. Asked at every request: who was deactivated is nobody at once.

    Raises:
        Misconfigured: the policy has a mistake.
        Refused: there is none.
    """
    try:
        return app.approvals.recognise(identity)
    except (Refused, Misconfigured):
        if identity.startswith(LOCAL):
            return None  # reading goes on for whom the data belongs to; deciding is refused, with the reason
        raise


def _by_session(request: Request, app: App) -> Visitor | None:
    secret = request.cookies.get(cookie_name(request), "")
    session = app.sessions.look(secret) if secret else None
    if session is None:
        return None
    principal = principal_of(app, session.identity)
    known = request.app.state.local if session.identity.startswith(LOCAL) else principal is not None
    return Visitor(session.identity, principal, session.csrf, secret) if known else None


def _by_token(request: Request) -> Visitor | None:
    """Of a program. A wrong token counts as a failed sign-in; somebody else's failures do not stop one that was right before."""
    scheme, _, token = request.headers["authorization"].partition(" ")
    token = token.strip()
    attempts: Attempts = request.app.state.attempts
    bearers: Bearers = request.app.state.bearers
    if not bearers.has_seen(token):
        attempts.check(request)
    principal = bearers.identify(token) if scheme.lower() == "bearer" else None
    if principal is None:
        attempts.failed(request)
        return None
    return Visitor(kept_identity(f"token:{token}"), principal)
