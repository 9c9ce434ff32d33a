"""What whoever asks is told when something is wrong: what it is and what to do, and nothing of what is inside."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from middlewatch.frontends.web import problems
from middlewatch.frontends.web.pages import environment, render
from middlewatch.frontends.web.visitors import NotSignedIn
from middlewatch.idempotency import Answer
from middlewatch.records.errors import MiddlewatchError
from middlewatch.records.misfit import misfit_words

LOG = logging.getLogger(__name__)

API = "/api/"
INTAKE = "/intake/"
"""What programs alone ask for."""
_REMEDIES = {
    404: "Go to the inbox, or ask whoever gave you the address.",
    405: "Go back and use the page's own buttons.",
    422: "Go back and correct what was sent.",
}


def install(site: FastAPI) -> None:
    """Let a site answer every error in these words."""
    site.add_exception_handler(NotSignedIn, _not_signed_in)
    site.add_exception_handler(MiddlewatchError, _ours)
    site.add_exception_handler(HTTPException, _http)
    site.add_exception_handler(RequestValidationError, _invalid)


def problem(request: Request, status: int, message: str, remedy: str = "") -> Response:
    """An error as whoever asks can use it: `application/problem+json` (RFC 9457) for programs, a page for people."""
    kind = problems.kind_of_status(status)
    if is_api(request):
        return problems.respond(problems.told(kind, message, remedy))
    return _page(request, problems.told(kind), message, remedy)


def _page(request: Request, answer: Answer, message: str, remedy: str) -> Response:
    """A problem for people."""
    status, title = answer.status, HTTPStatus(answer.status).phrase
    remedy = remedy or _REMEDIES.get(status, "")
    try:
        page: Response = render(request, "error.html", status=status, title=title, message=message, remedy=remedy)
    except MiddlewatchError:  # the store that a page looks at may be what is wrong
        text = environment().get_template("bare_error.html").render(title=title, message=message, remedy=remedy)
        page = HTMLResponse(text, status)
    page.headers.update(answer.headers)
    return page


def is_api(request: Request) -> bool:
    """Whether a program asks, which wants no page; or there is no site here, and so no page."""
    return f"{request.url.path}/".startswith((API, INTAKE)) or "app" not in request.scope


def _not_signed_in(request: Request, _error: Exception) -> Response:
    if is_api(request):
        return problem(
            request, 401, "Nobody whom policy knows.", "Send `Authorization: Bearer TOKEN`: `middlewatch policy token` makes one."
        )
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    to_sign_in = "/sign-in" if request.method != "GET" or back == "/" else f"/sign-in?next={quote(back, safe='/')}"
    if "hx-request" in request.headers:  # a part of a page cannot become the sign-in page
        return Response(status_code=401, headers={"HX-Redirect": to_sign_in})
    return RedirectResponse(to_sign_in, 303)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, MiddlewatchError)  # noqa: S101  it is registered for these
    answer = problems.told_of(error, to_sender=request.url.path.startswith(INTAKE))
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        LOG.warning("%s %s: %s", request.method, request.url.path, error)
    return problems.respond(answer) if is_api(request) else _page(request, answer, error.message, error.remedy)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  likewise
    words = "There is nothing at this address." if error.status_code == HTTPStatus.NOT_FOUND else f"{error.detail}."
    answer = problem(request, error.status_code, words)
    answer.headers.update(error.headers or {})
    return answer


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  likewise
    if is_api(request):
        return problems.invalid(error.errors())
    words = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {misfit_words(one)}" for one in error.errors())
    return problem(request, 422, f"What was sent cannot be used: {words}.")


class LastResort:
    """Answers a request that failed for a reason that nobody thought of, inside the guards, so that they see this answer too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect:
            LOG.debug("%s %s: whoever asked is gone", scope["method"], scope["path"])
        except Exception:  # of whatever kind: nobody is left who would answer, and the answer says nothing of it
            if scope["type"] != "http" or begun:
                raise
            LOG.exception("%s %s failed", scope["method"], scope["path"])
            words = "Something went wrong inside middlewatch."
            await problem(Request(scope), 500, words, "Try again; the server's log has the details.")(scope, receive, send)
