"""Approval requests: what waits, one request whole, and the decision on it; by links and plain forms, with a page between.

Whatever the gateway refuses is explained beside the request as it stands then, and what was typed is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.app import App
from middlewatch.cards import Line, already, ends_at, line
from middlewatch.frontends.web.asking import Asking, Deciding, Looking, Reason
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.problems import kind_of
from middlewatch.frontends.web.requests_view import RequestView, Untold, left, look_of, remediation_view
from middlewatch.frontends.web.visitors import FACE, Application, Id, SignedIn
from middlewatch.records import ApprovalRequest, Decision, RequestState
from middlewatch.records.errors import MiddlewatchError, Misconfigured, Refused

router = APIRouter(include_in_schema=False, prefix="/approvals")
of_investigations = APIRouter(include_in_schema=False, prefix="/investigations")

Digest = Annotated[str, Form(max_length=64)]
All = Annotated[bool, Query(alias="all")]
Because = Annotated[Literal["", "Wrong cause", "Too risky now", "I will fix it by hand"], Form()]
S = RequestState
_URGENCY = (S.UNKNOWN, S.PENDING, S.APPROVED, S.EXECUTING, S.PREPARING)
"""What waits for a person comes first."""
_ROWS = 100
_LONGEST_REASON = 2000
"""As the gateway keeps it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A request in the list."""

    line: Line
    investigation: str
    look: str
    left: str
    held: str


@router.get("")
def approvals_page(request: Request, app: Application, _visitor: SignedIn, *, everything: All = False) -> Response:
    """What waits for somebody, the most urgent first."""
    return render(request, "approvals.html", page="approvals", everything=everything, rows=_rows(app, waiting=not everything))


@router.get("/list")
def approvals_list(request: Request, app: Application, _visitor: SignedIn, *, everything: All = False) -> Response:
    """The rows alone, for a page that follows them."""
    return render(request, "_requests.html", everything=everything, rows=_rows(app, waiting=not everything))


@router.get("/{id_}")
def request_page(asking: Looking) -> Response:
    """One request. That somebody who may decide saw it is an event."""
    return request_answer(asking)


@router.get("/{id_}/card")
def request_card(asking: Looking) -> Response:
    """The same without the page around it."""
    return render(asking.request, "_one_request.html", **view_context(asking.view()))


@router.get("/{id_}/confirm")
def confirm_page(asking: Looking, decision: Decision, digest: Annotated[str, Query(max_length=64)] = "") -> Response:
    """The signed action once more, before it is decided on. `digest` is of what the visitor was shown."""
    view = asking.view()
    if isinstance(view, Untold) or str(decision) not in view.can:
        return refused(asking, _why_not(view, decision))
    return _confirm(asking, view, decision, changed=digest not in {"", view.request.digest})


@router.post("/{id_}/decision")
def decide(
    asking: Deciding, decision: Annotated[Decision, Form()], digest: Digest = "", reason: Reason = "", because: Because = ""
) -> Response:
    """Decide on what was shown. Sent again, it changes nothing."""
    words = ": ".join(part for part in (because, reason.strip()) if part)[:_LONGEST_REASON]
    try:
        answer = asking.app.approvals.decide(asking.id, decision, asking.principal, digest=digest, reason=words, face=FACE)
    except MiddlewatchError as error:
        return refused(asking, error, again=decision)
    if not answer.changed and not _is_own(answer.request, decision, asking):
        return refused(asking, already(answer.request), status=HTTPStatus.CONFLICT)
    return RedirectResponse(f"/approvals/{asking.id}", 303)


@of_investigations.get("/{investigation}/requests")
def requests_part(request: Request, app: Application, visitor: SignedIn, investigation: Id) -> Response:
    """The cards of an investigation, for a page that follows them."""
    view = remediation_view(app, visitor, app.snapshot(investigation))
    return render(request, "_remediation.html", **view)


def request_answer(asking: Asking, *, status: int = 200, error: MiddlewatchError | None = None) -> Response:
    """The page of a request, with what went wrong above it."""
    app, found = asking.app, asking.app.approvals.show(asking.id, face="")
    investigation = found.remediation.investigation
    try:
        stream = f"/investigations/{investigation}/stream?after={app.live.end(investigation)}"
    except MiddlewatchError:  # its investigation is gone: nothing to follow
        stream = ""
    return render(
        asking.request,
        "request.html",
        page="approvals",
        status=status,
        request_id=asking.id,
        stream=stream,
        problem=error,
        **view_context(asking.view()),
    )


def view_context(view: RequestView | Untold) -> dict[str, Any]:
    """A request for a template."""
    untold = isinstance(view, Untold)
    return {"view": None if untold else view, "untold": view if untold else None}


def refused(asking: Asking, error: MiddlewatchError, *, status: int | None = None, again: Decision | None = None) -> Response:
    """Why not, beside the request as it stands now.

    Args:
        asking: who asked about what.
        error: why not.
        status: of the answer, where it is not the error's.
        again: what was decided; where it can be decided still, what was typed stands in the form again.

    Raises:
        UnknownRequest: there is none.
    """
    view = asking.view()
    code = status or _status_of(view, error)
    if again is not None and isinstance(view, RequestView) and str(again) in view.can:
        changed = asking.typed.get("digest") != view.request.digest
        return _confirm(asking, view, again, changed=changed, status=HTTPStatus.CONFLICT if changed else code, error=error)
    return request_answer(asking, status=code, error=error)


def _status_of(view: RequestView | Untold, error: MiddlewatchError) -> int:
    """Gone, where its time is over; somebody was first, where it is decided; otherwise as the error has it."""
    if isinstance(error, Refused):
        if view.request.state is S.EXPIRED or (isinstance(view, RequestView) and view.card.overdue):
            return HTTPStatus.GONE
        if view.request.state is not S.PENDING:
            return HTTPStatus.CONFLICT
    return kind_of(error).status


def _why_not(view: RequestView | Untold, decision: Decision) -> MiddlewatchError:
    """Why a decision is not offered."""
    if isinstance(view, Untold):
        return Refused(view.problem)
    if not view.waits or (view.request.state is not S.PENDING and decision is Decision.APPROVE):
        return already(view.request)
    if view.card.viewer is None:
        return Refused("Policy does not know you, so you may look and not decide.", remedy="Ask whoever keeps the policy.")
    if view.card.overdue:
        return Refused("Its time is over: it can only expire.", remedy="Propose it again when it has.")
    return Refused(f"You may not approve it: {view.card.objection}.", remedy=f"It takes {view.card.needs}.")


def _is_own(found: ApprovalRequest, decision: Decision, asking: Asking) -> bool:
    """Whether the visitor said the same before."""
    who = asking.principal.id if asking.principal else None
    return any(said.principal == who and said.decision is decision for said in found.approvals)


def _confirm(
    asking: Asking,
    view: RequestView,
    decision: Decision,
    *,
    changed: bool,
    status: int = 200,
    error: MiddlewatchError | None = None,
) -> Response:
    return render(
        asking.request,
        "confirm.html",
        page="approvals",
        status=status,
        view=view,
        approving=decision is Decision.APPROVE,
        changed=changed,
        problem=error,
    )


def _rows(app: App, *, waiting: bool) -> list[Row]:
    found = app.approvals.waiting() if waiting else app.approvals.list(limit=_ROWS)
    now, halted = app.approvals.now(), app.approvals.halted() is not None

    def held(one: ApprovalRequest) -> str:
        if halted and one.state in {S.PENDING, S.APPROVED}:
            return "halted"
        try:
            frozen = app.approvals.desk.frozen(one, now) if one.state in {S.PENDING, S.APPROVED} else ""
        except (Misconfigured, Refused):  # no policy that can be used: the list says what it can
            frozen = ""
        return frozen or one.held_up

    def key(one: ApprovalRequest) -> tuple[int, float]:
        end = ends_at(one)
        rank = _URGENCY.index(one.state) if one.state in _URGENCY else len(_URGENCY)
        return rank, (end - now).total_seconds() if end else -one.created_at.timestamp()

    def row(one: ApprovalRequest) -> Row:
        end = ends_at(one)
        return Row(line(one), one.remediation.investigation, look_of(one), left(end, now) if end else "", held(one))

    return [row(one) for one in (sorted(found, key=key) if waiting else found)]
