"""What is said when something is wrong, from one table of the errors; to programs as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import Response
from pydantic import Field

from middlewatch.idempotency import Answer, KeyUsed, UnderWay
from middlewatch.records import Record
from middlewatch.records.errors import (
    AlreadyDecided,
    AuditBroken,
    BadInput,
    BoundExceeded,
    Conflict,
    Halted,
    IntakeFull,
    LeaseLost,
    MiddlewatchError,
    Misconfigured,
    Refused,
    StaleEpoch,
    Stalled,
    StoreFull,
    Unavailable,
    UnknownAlert,
    UnknownIncident,
    UnknownInvestigation,
    UnknownRequest,
)
from middlewatch.records.misfit import misfit_words

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:middlewatch:problem:"
UNAVAILABLE_SECONDS = 5
"""When a store that does not answer is worth asking again: a failover takes a few seconds (chosen, not derived)."""
FULL_SECONDS = 60
"""A store that is full takes new investigations when some were archived, which takes minutes (chosen, not derived)."""
LIMITED_SECONDS = 60
"""Where whoever limits does not say for how long."""
FAULTS = 20
"""Of one request, at most."""


class NoReport(MiddlewatchError):
    """There is no report yet, or there will be none."""


class NoFact(MiddlewatchError):
    """The investigation has no such fact."""


class Fault(Record):
    """One place of a request that cannot be used."""

    where: str = Field(description="such as `body.service` or `query.limit`")
    what: str


class Problem(Record):
    """Problem details (RFC 9457)."""

    type: str = Field(description="names the sort of problem; the one thing here to branch on")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(default="", description="what is wrong this time, for people; the wording is no contract")
    remedy: str = Field(default="", description="what can be done about it; empty where nothing is known")
    errors: tuple[Fault, ...] = Field(default=(), description="of a request that cannot be used: where")


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of problem."""

    name: str
    status: int
    title: str
    retry_seconds: int | None = None
    """What `Retry-After` says."""

    @property
    def headers(self) -> dict[str, str]:
        """That go with it."""
        found = {} if self.retry_seconds is None else {"Retry-After": str(self.retry_seconds)}
        return found | ({"WWW-Authenticate": 'Bearer realm="middlewatch"'} if self.status == HTTPStatus.UNAUTHORIZED else {})

    @property
    def type(self) -> str:
        return PREFIX + self.name


KINDS: Final[Mapping[type[MiddlewatchError], Kind]] = {
    KeyUsed: Kind("key-used", 422, "The idempotency key stands for another request"),
    UnderWay: Kind("under-way", 409, "The same request is being done", UnderWay.seconds),
    UnknownInvestigation: Kind("unknown-investigation", 404, "No such investigation"),
    UnknownAlert: Kind("unknown-alert", 404, "No such alert"),
    UnknownRequest: Kind("unknown-request", 404, "No such approval request"),
    NoReport: Kind("no-report", 404, "There is no report"),
    NoFact: Kind("unknown-fact", 404, "No such fact"),
    UnknownIncident: Kind("unknown-incident", 404, "No such recording or incident"),
    BadInput: Kind("bad-input", 422, "What was given cannot be used"),
    Halted: Kind("halted", 403, "Everything is halted"),
    AlreadyDecided: Kind("already-decided", 409, "It was decided otherwise before"),
    Refused: Kind("refused", 403, "Refused"),
    Conflict: Kind("conflict", 409, "Somebody else was first", 1),
    LeaseLost: Kind("conflict", 409, "Somebody else was first", 1),
    BoundExceeded: Kind("bound-exceeded", 422, "The question costs more than one query may"),
    IntakeFull: Kind("intake-full", 503, "More telemetry waits to be stored than may", FULL_SECONDS),
    StoreFull: Kind("store-full", 503, "The context store is full", FULL_SECONDS),
    Unavailable: Kind("unavailable", 503, "Something that is needed does not answer", UNAVAILABLE_SECONDS),
    Stalled: Kind("stalled", 409, "The investigation cannot go on"),
    StaleEpoch: Kind("stale-epoch", 503, "This process must be restarted", UNAVAILABLE_SECONDS),
    Misconfigured: Kind("misconfigured", 503, "The configuration cannot work"),
    AuditBroken: Kind("audit-broken", 500, "The audit log is broken"),
    MiddlewatchError: Kind("failed", 500, "Something went wrong"),
}
"""The error tree of `middlewatch.records.errors`, as the web tells it; of an error the first line that it is one of."""

BY_STATUS: Final[Mapping[int, Kind]] = {
    kind.status: kind
    for kind in (
        Kind("unreadable", 400, "The request cannot be read"),
        Kind("unauthenticated", 401, "Who are you?"),
        Kind("forbidden", 403, "Not allowed"),
        Kind("not-found", 404, "There is nothing here"),
        Kind("method-not-allowed", 405, "Not with this method"),
        Kind("not-acceptable", 406, "Not in this form"),
        Kind("too-slow", 408, "The request did not arrive in time"),
        Kind("too-large", 413, "The request is too large"),
        Kind("wrong-media-type", 415, "The body must be JSON"),
        Kind("wrong-host", 421, "This is another host"),
        Kind("invalid", 422, "The request does not fit its description"),
        Kind("limited", 429, "Too many attempts", LIMITED_SECONDS),
        Kind("unexpected", 500, "Something went wrong"),
        Kind("unavailable", 503, "Something that is needed does not answer", UNAVAILABLE_SECONDS),
    )
}


BUSY: Final = Kind("busy", 503, "Others tell of the same at this moment", 1)
"""A conflict, to senders of alerts and changes: they repeat what is answered 503, and give up what is answered 409."""


def kind_of(error: MiddlewatchError) -> Kind:
    """Its line of the table."""
    return next(kind for sort, kind in KINDS.items() if isinstance(error, sort))


def told(kind: Kind, detail: str = "", remedy: str = "", errors: Sequence[Fault] = ()) -> Answer:
    """A problem as it is answered."""
    problem = Problem(type=kind.type, title=kind.title, status=kind.status, detail=detail, remedy=remedy, errors=tuple(errors))
    body = problem.model_dump_json(exclude_defaults=True)
    return Answer(status=kind.status, body=body, media_type=MEDIA_TYPE, headers=kind.headers)


def told_of(error: MiddlewatchError, *, to_sender: bool = False) -> Answer:
    """The same of an error; to a sender of alerts or changes in a way that it knows."""
    kind = BUSY if to_sender and isinstance(error, Conflict) else kind_of(error)
    return told(kind, error.message, error.remedy)


def respond(answer: Answer, headers: Mapping[str, str] | None = None) -> Response:
    """An answer as a response; nothing of the API is kept by whoever passes it on."""
    all_headers = {"Cache-Control": "no-store", **answer.headers, **(headers or {})}
    return Response(answer.body, status_code=answer.status, media_type=answer.media_type, headers=all_headers)


def kind_of_status(status: int) -> Kind:
    """A problem that has no error of ours."""
    return BY_STATUS.get(status) or Kind(f"http-{status}", status, _phrase(status))


def invalid(faults: Sequence[Mapping[str, Any]]) -> Response:
    """A request that does not fit its description, by the faults that pydantic found."""
    found = [_fault(one) for one in faults[:FAULTS]]
    first = f"{found[0].where}: {found[0].what}" if found else ""
    return respond(told(BY_STATUS[422], first, "Mend what `errors` names; /api/v1/docs describes every request.", found))


def _fault(one: Mapping[str, Any]) -> Fault:
    """Where and what, without what was given: it may be a credential."""
    return Fault(where=".".join(str(part)[:64] for part in one["loc"]), what=misfit_words(one))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Something went wrong"
