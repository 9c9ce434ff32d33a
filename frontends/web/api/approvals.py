"""Approval requests over the API. Who may do what is the gateway's to say; what it refuses is told as it tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import Field

from middlewatch.cards import Card, Line, card, line
from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import FACE, Calling, KeyedOnce, Once
from middlewatch.frontends.web.api.investigations import AT_MOST
from middlewatch.idempotency import Turn
from middlewatch.listing import Place, requests
from middlewatch.records import ActionName, ApprovalRequest, Decision, Identifier, Record, Remediation, Scalar

router = APIRouter(prefix="/approvals", tags=["approvals"])

Id = Annotated[Identifier, Path(description="the request's id", examples=["apr-0123456789ab"])]
Reason = Annotated[str, Field(max_length=2000, description="why, in your words; kept in the audit log as a salted digest")]


class Lines(Record):
    """A page of the list."""

    approvals: tuple[Line, ...]
    next: str | None = Field(description="give it as `after` for the page that follows; null on the last one")


class LinesQuery(Record):
    """Which requests."""

    waiting: bool = Field(default=False, description="only those that wait for somebody or something")
    investigation: Identifier | None = None
    after: str | None = Field(default=None, max_length=160, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=AT_MOST, description="rows of a page, at most")


class Decide(Record):
    """A decision on what was shown."""

    decision: Decision
    digest: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="`request.digest` of the card that you saw; an approval of one that is stale is refused",
    )
    reason: Reason = ""


class Decided(Record):
    """The request as it stands after a call."""

    request: ApprovalRequest
    changed: bool = Field(description="false where it was so already")


class Propose(Record):
    """An action to put to people. Who proposes it, how sure that is and what it brings about is not the caller's to say."""

    investigation: Identifier
    action: ActionName
    target: str = Field(min_length=1, max_length=256, description="GET /api/v1/targets lists them")
    parameters: dict[str, Scalar] = Field(default_factory=dict, max_length=64)
    evidence: tuple[Identifier, ...] = Field(
        default=(), max_length=100, description="ids of the facts that it rests on; those about the target where left out"
    )
    undoes: Identifier | None = Field(default=None, description="evidence id of the recorded change that it takes back")
    note: str = Field(default="", max_length=4000, description="for whoever decides; shown apart, and trusted by nobody")


class Edit(Record):
    """The same action with other parameters."""

    parameters: dict[str, Scalar] = Field(max_length=64)


class Reconcile(Record):
    """What became of an execution that nobody saw the end of."""

    happened: bool
    reason: Reason = ""


class BreakTheGlass(Record):
    """Let an approved request begin in a freeze."""

    credential: str = Field(
        min_length=1, max_length=1024, description="your separate one; it is not logged", json_schema_extra={"format": "password"}
    )
    reason: Reason


class Because(Record):
    """Why."""

    reason: Reason = ""


@router.get("", response_model=Lines, responses=answers())
def list_(caller: Calling, query: Annotated[LinesQuery, Query()]) -> Response:
    """List approval requests, newest first. A line has neither the steps nor the digest: look at the card before you decide."""
    after = None if query.after is None else Place.parse(query.after)
    found = requests(
        caller.app.approvals.desk.store,
        caller.app.settings.tenant,
        waiting=query.waiting,
        investigation=query.investigation,
        after=after,
        limit=query.limit,
    )
    return json_of(Lines(approvals=tuple(map(line, found.rows)), next=str(found.next) if found.next else None))


@router.post("", status_code=201, response_model=ApprovalRequest, responses=answers(404, 409))
def propose(body: Propose, caller: Calling, once: KeyedOnce) -> Response:
    """Propose an action; somebody else decides on it."""
    approvals = caller.app.approvals

    def do(turn: Turn) -> ApprovalRequest:
        evidence = body.evidence or approvals.facts_about(body.investigation, body.target)
        who = "" if caller.principal is None else caller.principal.id
        wanted = body.model_dump(exclude={"evidence"}) | {"evidence": evidence, "confidence": 0.0, "proposed_by": who}
        return approvals.propose_as(caller.principal, Remediation(tenant=caller.app.settings.tenant, **wanted), name=turn.name)

    return once(do, status=201, location=_location)


@router.get("/{request}", response_model=Card, responses=answers(404))
def show(request: Id, caller: Calling) -> Response:
    """A request with what surrounds it now: what will run, who may decide, until when, and why you may not.

    That you saw it is written to the audit log.
    """
    return json_of(card(caller.app.approvals, request, caller.principal, face=FACE))


@router.post("/{request}/decision", response_model=Decided, responses=answers(404, 409))
def decide(request: Id, body: Decide, caller: Calling, once: KeyedOnce) -> Response:
    """Approve or deny what you were shown. Said again, it changes nothing."""

    def do() -> Decided:
        answer = caller.app.approvals.decide(
            request, body.decision, caller.principal, digest=body.digest, reason=body.reason, face=FACE
        )
        return Decided(request=answer.request, changed=answer.changed)

    return once(lambda _: do())


@router.post("/{request}/edit", status_code=201, response_model=ApprovalRequest, responses=answers(404, 409))
def edit(request: Id, body: Edit, caller: Calling, once: KeyedOnce) -> Response:
    """Ask for the same action with other parameters: this request is void, and yours takes its place."""
    return _made(once, lambda _: caller.app.approvals.edit(request, body.parameters, caller.principal, face=FACE))


@router.post("/{request}/again", status_code=201, response_model=ApprovalRequest, responses=answers(404, 409))
def again(request: Id, caller: Calling, once: KeyedOnce) -> Response:
    """Ask anew for what is over without having been done."""
    return _made(once, lambda _: caller.app.approvals.propose_again(request, caller.principal, face=FACE))


@router.post("/{request}/undo", status_code=201, response_model=ApprovalRequest, responses=answers(404, 409))
def undo(request: Id, caller: Calling, once: KeyedOnce) -> Response:
    """Propose what takes an execution back; somebody decides on that as on anything else."""
    return _made(once, lambda turn: caller.app.approvals.undo(request, caller.principal, face=FACE, name=turn.name))


@router.post("/{request}/reconcile", response_model=Decided, responses=answers(404, 409))
def reconcile(request: Id, body: Reconcile, caller: Calling, once: KeyedOnce) -> Response:
    """Say what became of an execution whose executor died, where no probe could tell."""

    def do() -> Decided:
        answer = caller.app.approvals.reconcile(request, caller.principal, happened=body.happened, reason=body.reason, face=FACE)
        return Decided(request=answer.request, changed=answer.changed)

    return once(lambda _: do())


@router.post("/{request}/break-glass", response_model=ApprovalRequest, responses=answers(404, 409))
def break_glass(request: Id, body: BreakTheGlass, caller: Calling, once: KeyedOnce) -> Response:
    """Let an approved request begin in a freeze. It takes a manager and their separate credential; a review stays open."""
    return once(
        lambda _: caller.app.approvals.break_glass(
            request, caller.principal, credential=body.credential, reason=body.reason, face=FACE
        )
    )


@router.post("/{request}/review", response_model=ApprovalRequest, responses=answers(404, 409))
def review(request: Id, body: Because, caller: Calling, once: KeyedOnce) -> Response:
    """Close the review of a broken glass; takes another manager."""
    return once(lambda _: caller.app.approvals.review_glass(request, caller.principal, reason=body.reason, face=FACE))


def _made(once: Once, do: Callable[[Turn], ApprovalRequest]) -> Response:
    return once(do, status=201, location=_location)


def _location(made: Record) -> str:
    assert isinstance(made, ApprovalRequest)  # noqa: S101  as they all are
    return f"/api/v1/approvals/{made.id}"
