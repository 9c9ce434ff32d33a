"""Signing in and out: with a token, with a link that was printed for the system's user, or at an OpenID provider."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.app import App
from middlewatch.frontends.web.attempts import Attempts
from middlewatch.frontends.web.oidc import Provider, flow_from
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import FACE, Acting, Application, cookie_name
from middlewatch.records.errors import MiddlewatchError, Misconfigured, Refused
from middlewatch.sessions import SECRET_BYTES

router = APIRouter(include_in_schema=False)

TOKEN_CHARACTERS = 200
FORM_SECONDS = 3600
"""How long a sign-in form can be sent, and how long somebody can stay at the provider. Chosen, not derived."""
CALLBACK = "/sign-in/oidc/callback"


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:  # noqa: A002  as in the address
    """The form."""
    return _form(request, next)


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
    if not expected or not hmac.compare_digest(csrf.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")):
        return _form(request, next, problem="This form was too old. Send it once more.", status=403)
    attempts = _attempts(request)
    try:
        attempts.check(request)
        principal = app.approvals.identify(f"token:{token.strip()}", face=FACE)
    except HTTPException as limited:
        return _form(request, next, problem=f"{limited.detail}.", status=429, headers=dict(limited.headers or {}))
    except (Refused, Misconfigured) as error:
        return _form(request, next, problem=f"{error.message} {error.remedy}", status=403)
    if principal is None:
        attempts.failed(request)
        return _form(request, next, problem="Policy knows nobody by this token.", status=403)
    return _begin(request, app, f"token:{token.strip()}", next)


@router.get("/sign-in/link")
def use_link(request: Request, app: Application, key: str = "", next: str = "/") -> Response:  # noqa: A002  likewise
    """Sign in the system's user with the link that was printed for them. A browser that only looks ahead does not use it up."""
    if "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", "")):
        raise HTTPException(403, "This link is used once, by whoever follows it")
    attempts = _attempts(request)
    attempts.check(request)
    identity = app.sessions.use_link(key) if request.app.state.local else ""
    if not identity:
        attempts.failed(request)
        words = f"This link was used already, or is too old. Another one: {request.app.state.program} sign-in"
        return _form(request, next, problem=words, status=403)
    try:
        if app.approvals.recognise(identity) is not None:
            app.approvals.identify(identity, face=FACE)  # that somebody whom policy names signed in is an event
    except (Refused, Misconfigured):
        pass  # the data is theirs: they may read it, whatever policy says
    return _begin(request, app, identity, next)


@router.get("/sign-in/oidc")
def leave_for_provider(request: Request, next: str = "/") -> Response:  # noqa: A002  likewise
    """Go to the OpenID provider."""
    url, flow = _provider(request).leave(_callback(request), own_path(next))
    answer = RedirectResponse(url, 303)
    kept = base64.urlsafe_b64encode(flow.model_dump_json().encode()).decode()
    _set_cookie(request, answer, _flow_cookie(request), kept, FORM_SECONDS)
    return answer


@router.get(CALLBACK)
def return_from_provider(request: Request, app: Application, state: str = "", code: str = "", error: str = "") -> Response:
    """Come back from it."""
    provider = _provider(request)
    attempts = _attempts(request)
    attempts.check(request)
    kept = request.cookies.get(_flow_cookie(request), "")
    try:
        flow = flow_from(base64.urlsafe_b64decode(kept).decode())
    except ValueError:
        flow = None
    back = "/" if flow is None else flow.back
    try:
        if error:
            raise Refused(f"{provider.name} did not sign you in: {error[:100]}.")
        if flow is None:
            raise Refused("This sign-in was not begun in this browser, or took too long.")
        identity = provider.return_from(flow, _callback(request), state=state, code=code)
        if app.approvals.identify(identity, face=FACE) is None:
            words = f"Policy names nobody with the identity {identity.removeprefix('oidc:')}."
            raise Refused(words, remedy="Ask whoever keeps the policy to add it to your `oidc` list.")
    except MiddlewatchError as problem:
        if isinstance(problem, Refused):
            attempts.failed(request)
        answer = _form(request, back, problem=f"{problem.message} {problem.remedy}", status=503 if problem.retryable else 403)
    else:
        answer = _begin(request, app, identity, back)
    _drop_cookie(request, answer, _flow_cookie(request))
    return answer


@router.post("/sign-out")
def sign_out(request: Request, app: Application, visitor: Acting) -> Response:
    """End this session."""
    app.sessions.end(visitor.secret)
    answer = RedirectResponse("/sign-in", 303)
    _drop_cookie(request, answer, cookie_name(request))
    return answer


def own_path(back: str) -> str:
    """A path of this site; the inbox where it would lead anywhere else."""
    plain = back.isprintable() and back.isascii() and "\\" not in back
    return back if plain and back.startswith("/") and not back.startswith("//") else "/"


def _begin(request: Request, app: App, identity: str, back: str) -> Response:
    """Open a session for an identity that was proved just now, under a new secret, and go on to where they wanted to."""
    app.sessions.end(request.cookies.get(cookie_name(request), ""))
    secret, _ = app.sessions.open(identity, device=request.headers.get("user-agent", ""))
    answer = RedirectResponse(own_path(back), 303)
    _set_cookie(request, answer, cookie_name(request), secret, int(app.settings.session_hours * 3600))
    _drop_cookie(request, answer, _form_cookie(request))
    return answer


def _form(request: Request, back: str, *, problem: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Response:
    form_csrf = request.cookies.get(_form_cookie(request), "") or secrets.token_urlsafe(SECRET_BYTES)
    provider: Provider | None = request.app.state.provider
    page = render(
        request,
        "sign_in.html",
        status=status,
        next=own_path(back),
        form_csrf=form_csrf,
        problem=problem,
        provider="" if provider is None else provider.name,
        local=request.app.state.local,
    )
    page.headers.update(headers or {})
    # Only a page of this site can have both the cookie and the field.
    _set_cookie(request, page, _form_cookie(request), form_csrf, FORM_SECONDS)
    return page


def _set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
    # Lax and not Strict: whoever follows a link from a chat, or comes back from the provider, is who they were. What changes
    # anything needs the form's token besides.
    secure = request.app.state.secure
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax")


def _drop_cookie(request: Request, answer: Response, name: str) -> None:
    answer.delete_cookie(name, path="/", secure=request.app.state.secure, httponly=True, samesite="lax")


def _form_cookie(request: Request) -> str:
    return cookie_name(request) + "-form"


def _flow_cookie(request: Request) -> str:
    return cookie_name(request) + "-flow"


def _attempts(request: Request) -> Attempts:
    found = request.app.state.attempts
    assert isinstance(found, Attempts)  # noqa: S101  `create_site` put it there
    return found


def _provider(request: Request) -> Provider:
    found = request.app.state.provider
    if not isinstance(found, Provider):
        raise HTTPException(404, "No OpenID provider is configured")
    return found


def _callback(request: Request) -> str:
    """Where the provider sends people back to. The host is one of ours: the guard saw to it."""
    return (str(request.app.state.app.settings.public_url or request.base_url)).rstrip("/") + CALLBACK
