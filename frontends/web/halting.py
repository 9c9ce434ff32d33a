"""The kill switch: set by anybody whom policy knows, lifted by a manager; both with a reason."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.app import App
from middlewatch.frontends.web.asking import Reason
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.people import People
from middlewatch.frontends.web.problems import kind_of
from middlewatch.frontends.web.visitors import FACE, Acting, Application, SignedIn
from middlewatch.records import Role
from middlewatch.records.errors import BadInput, MiddlewatchError

router = APIRouter(include_in_schema=False, prefix="/halt")


@router.get("")
def halt_page(request: Request, app: Application, _visitor: SignedIn) -> Response:
    """Whether everything is halted, and the form that changes it."""
    return _page(request, app)


@router.post("")
def halt(request: Request, app: Application, visitor: Acting, reason: Reason = "") -> Response:
    """Nothing begins from now on."""
    return _done(request, app, reason, lambda: app.approvals.halt(visitor.principal, reason, face=FACE))


@router.post("/lift")
def lift(request: Request, app: Application, visitor: Acting, reason: Reason = "") -> Response:
    """What was approved meanwhile begins, where its time is not over."""
    return _done(request, app, reason, lambda: app.approvals.lift(visitor.principal, reason, face=FACE))


def _done(request: Request, app: App, reason: str, do: Callable[[], object]) -> Response:
    try:
        if not reason.strip():
            raise BadInput("Say why: everybody sees it.", remedy="Write a reason.")
        do()
    except MiddlewatchError as error:
        return _page(request, app, reason, error)
    return RedirectResponse("/halt", 303)


def _page(request: Request, app: App, reason: str = "", error: MiddlewatchError | None = None) -> Response:
    status = kind_of(error).status if error else 200
    people = People.of(app)
    managers = [people.called(one.id) for one in people.active if one.role is Role.MANAGER]
    context = {"page": "approvals", "reason": reason, "problem": error, "managers": managers}
    return render(request, "halt.html", status=status, **context)
