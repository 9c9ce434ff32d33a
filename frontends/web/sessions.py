"""One's own sign-ins: where, since when, until when; and ending them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.app import App
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import Acting, Application, SignedIn, Visitor, principal_of
from middlewatch.sessions import OpenSession, name_of

router = APIRouter(include_in_schema=False)


@router.get("/sessions")
def sessions_page(request: Request, app: Application, visitor: SignedIn) -> Response:
    """The list."""
    return render(request, "sessions.html", page="sessions", sessions=_own(app, visitor), current=name_of(visitor.secret))


@router.post("/sessions/end")
def end_session(app: Application, visitor: Acting, name: Annotated[str, Form()]) -> Response:
    """End one of one's own; of somebody else's, nothing happens."""
    app.sessions.end_all([one.name for one in _own(app, visitor) if one.name == name])
    return RedirectResponse("/sessions", 303)


@router.post("/sessions/end-all")
def end_all_sessions(app: Application, visitor: Acting) -> Response:
    """Sign out everywhere."""
    app.sessions.end_all([one.name for one in _own(app, visitor)])
    return RedirectResponse("/sign-in", 303)


def _own(app: App, visitor: Visitor) -> tuple[OpenSession, ...]:
    """Of whoever policy says that they are, by whichever identity they signed in."""

    def theirs(identity: str) -> bool:
        if visitor.principal is None or identity == visitor.identity:
            return identity == visitor.identity
        return principal_of(app, identity) == visitor.principal

    return app.sessions.of(theirs)
