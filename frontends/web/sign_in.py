"""Signing in and out: with a token, or with a link that was printed for the system's user."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import FACE, Acting, Application, cookie_name
from middlewatch.records.errors import Misconfigured, Refused

router = APIRouter(include_in_schema=False)

TOKEN_CHARACTERS = 200
FORM_SECONDS = 3600
"""How long a sign-in form can be sent. Chosen, not derived."""


@router.get("/sign-in")
def sign_in_page(request: Request, app: Application, next: str = "/") -> Response:  # noqa: A002  as in the address
    """The form."""
    return _form(request, app, next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    app: Application,
    token: Annotated[str, Form(max_length=TOKEN_CHARACTERS)] = "",
    csrf: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002  as in the form
) -> Response:
    """Sign in with a token."""
    expected = request.cookies.get(_form_cookie(request), "")
    if not expected or not hmac.compare_digest(csrf.encode(), expected.encode()):
        return _form(request, app, next, problem="This form was too old. Try again.", status=403)
    try:
        principal = app.approvals.identify(f"token:{token.strip()}", face=FACE)
    except (Refused, Misconfigured) as error:
        return _form(request, app, next, problem=f"{error.message} {error.remedy}", status=403)
    if principal is None:
        return _form(request, app, next, problem="Policy knows nobody by this token.", status=403)
    return begin(request, app, f"token:{token.strip()}", next)


@router.post("/sign-out")
def sign_out(request: Request, app: Application, visitor: Acting) -> Response:
    """End this session."""
    app.sessions.end(visitor.secret)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(cookie_name(request), path="/", secure=request.app.state.secure, httponly=True, samesite="lax")
    return answer


def begin(request: Request, app: Application, identity: str, back: str) -> Response:
    """Open a session for an identity that was proved just now, under a new secret, and go on to where they wanted to."""
    app.sessions.end(request.cookies.get(cookie_name(request), ""))
    secret, _ = app.sessions.open(identity, device=request.headers.get("user-agent", ""))
    answer = RedirectResponse(own_path(back), 303)
    # Lax and not Strict: whoever follows a link from a chat is signed in. A change needs the form's token besides.
    life = int(app.settings.session_hours * 3600)
    answer.set_cookie(
        cookie_name(request), secret, max_age=life, path="/", secure=request.app.state.secure, httponly=True, samesite="lax"
    )
    answer.delete_cookie(_form_cookie(request), path="/", secure=request.app.state.secure, httponly=True, samesite="strict")
    return answer


def own_path(back: str) -> str:
    """A path of this site; the inbox where it would lead anywhere else."""
    plain = back.isprintable() and back.isascii() and "\\" not in back
    return back if plain and back.startswith("/") and not back.startswith("//") else "/"


def _form(request: Request, app: Application, back: str, *, problem: str = "", status: int = 200) -> Response:
    form_csrf = request.cookies.get(_form_cookie(request), "") or secrets.token_urlsafe(32)
    page = render(
        request,
        "sign_in.html",
        status=status,
        next=own_path(back),
        form_csrf=form_csrf,
        problem=problem,
        oidc=None,
        local=app.settings.redis_url is None,
    )
    # Only a page of this site can have both the cookie and the field.
    page.set_cookie(
        _form_cookie(request),
        form_csrf,
        max_age=FORM_SECONDS,
        path="/",
        secure=request.app.state.secure,
        httponly=True,
        samesite="strict",
    )
    return page


def _form_cookie(request: Request) -> str:
    return cookie_name(request) + "-form"
