"""Investigations over the API: start, list, poll, cancel, and everything that one holds."""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field, model_validator

from middlewatch.alerts import recorded_alert, service_alert
from middlewatch.app import App
from middlewatch.frontends.web.api.answers import ACCEPTED, Responses, answers, json_of
from middlewatch.frontends.web.api.callers import FACE, Calling, KeyedOnce
from middlewatch.frontends.web.live import After, LastId, investigation_stream
from middlewatch.frontends.web.problems import NoFact, NoReport
from middlewatch.frontends.web.visitors import SignedIn
from middlewatch.idempotency import Turn
from middlewatch.listing import Place, Wanted, page
from middlewatch.live import Cursor, Update
from middlewatch.model_costs import calls_of
from middlewatch.records import (
    AgentName,
    Evidence,
    Handling,
    Hypothesis,
    Identifier,
    Investigation,
    InvestigationState,
    Record,
    Report,
    TaskState,
    UtcDatetime,
    Vote,
)
from middlewatch.records.errors import BadInput
from middlewatch.records.model_spend import ModelSum, spends, summed
from middlewatch.similar import Precedents

router = APIRouter(prefix="/investigations", tags=["investigations"])

AT_MOST = 200
"""Rows of a page."""
LONGEST_WAIT_SECONDS = 10.0
"""Of a poll: it holds a thread meanwhile (chosen, not derived)."""
WAITERS = BoundedSemaphore(16)
"""Who waits, of the 40 threads that answer requests. Who comes when all wait is answered at once, so that the others are too."""

STREAM: Responses = {200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}}

Id = Annotated[Identifier, Path(description="the investigation's id", examples=["inv-0123456789ab"])]


class Start(Record):
    """What to investigate: a service of the configured telemetry, or an incident of an imported recording."""

    service: str | None = Field(
        default=None, min_length=1, max_length=256, description="the degraded service, as the telemetry has it"
    )
    metric: str | None = Field(default=None, min_length=1, max_length=512, description="the metric of it that alarmed")
    at: UtcDatetime | None = Field(default=None, description="when it was noticed; now where it is left out")
    recording: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,80}$", description="the name of an imported recording")
    incident: str | None = Field(
        default=None, min_length=1, max_length=128, description="which of its incidents; may be left out where it has one"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.service is None) == (self.recording is None):
            message = "give either `service` or `recording`"
            raise ValueError(message)
        other = (self.metric, self.at) if self.recording is not None else (self.incident,)
        if any(value is not None for value in other):
            message = "`metric` and `at` go with `service`, `incident` with `recording`"
            raise ValueError(message)
        return self


class Rows(Record):
    """A page of the list."""

    investigations: tuple[Investigation, ...]
    next: str | None = Field(description="give it as `after` for the page that follows; null on the last one")


class Standing(Record):
    """How an investigation stands."""

    investigation: Investigation
    tasks_done: int = Field(ge=0)
    tasks: int = Field(ge=0, description="that are known of so far")
    evidence: int = Field(ge=0, description="facts so far")
    preliminary: bool = Field(
        description="whether the rules have answered, and language models are looking at it, or were when it was cancelled"
    )
    models: ModelSum = Field(description="what language models did and cost so far")
    handling: Handling = Field(description="who has it, and what people said of its answer")
    cursor: str = Field(description="the place in the stream of what happens to which all of this is as new, at least")


class Facts(Record):
    """A page of evidence, in order of round, agent and id."""

    evidence: tuple[Evidence, ...]
    total: int = Field(ge=0, description="of those that are asked for")
    next: str | None = Field(description="give it as `after` for the page that follows; null on the last one")


class Proposed(Record):
    """A hypothesis and what the agents say of it."""

    hypothesis: Hypothesis
    votes: tuple[Vote, ...]


class Hypotheses(Record):
    """All of an investigation."""

    hypotheses: tuple[Proposed, ...]


class Happened(Record):
    """What happened after a place in the stream."""

    updates: tuple[Update, ...]
    cursor: str = Field(description="the place after the last of them; give it as `after` for what comes next")


class ListQuery(Record):
    """Which investigations."""

    state: InvestigationState | None = Field(default=None, description="`open`, `closed` or `cancelled`")
    service: str | None = Field(default=None, min_length=1, max_length=256, description="that alarmed, or that the answer names")
    since: UtcDatetime | None = Field(default=None, description="opened then or later; RFC 3339 with its offset")
    after: str | None = Field(default=None, max_length=160, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=AT_MOST, description="rows of a page, at most")


class EvidenceQuery(Record):
    """Which facts."""

    agent: AgentName | None = Field(default=None, description="who found them")
    service: str | None = Field(default=None, min_length=1, max_length=256, description="whom they are about")
    after: Identifier | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=AT_MOST, description="rows of a page, at most")


class EventsQuery(Record):
    """From where, and how long to wait."""

    after: str | None = Field(
        default=None, max_length=64, description="`cursor` of the answer before; from the beginning where left out"
    )
    wait: float = Field(default=0.0, ge=0.0, le=LONGEST_WAIT_SECONDS, description="seconds to wait where nothing happened yet")


@router.post("", status_code=202, response_model=Investigation, responses=answers(404, 409) | ACCEPTED)
def start(wanted: Start, caller: Calling, once: KeyedOnce) -> Response:
    """Start an investigation.

    An open investigation of the same alert is joined. With an `Idempotency-Key` it is started once however often you ask, also
    where the answer was lost on the way.
    """
    return once(lambda turn: _start(caller.app, wanted, turn), status=202, location=_location)


def _start(app: App, wanted: Start, turn: Turn) -> Investigation:
    tenant = app.settings.tenant
    if wanted.recording is None:
        noticed = wanted.at or turn.at
        alert = service_alert(tenant, wanted.service or "", wanted.metric, noticed, turn.at, source=FACE)
        return app.investigate(alert, name=turn.name)
    alert = recorded_alert(tenant, app.recordings(), wanted.recording, wanted.incident)
    return app.investigate(alert, recording=wanted.recording, name=turn.name)


def _location(made: Record) -> str:
    assert isinstance(made, Investigation)  # noqa: S101  as `_start` has it
    return f"/api/v1/investigations/{made.id}"


@router.get("", response_model=Rows, responses=answers())
def list_(caller: Calling, query: Annotated[ListQuery, Query()]) -> Response:
    """List investigations, newest first."""
    wanted = Wanted(state=query.state, service=query.service, since=query.since)
    after = None if query.after is None else Place.parse(query.after)
    found = page(lambda limit: caller.app.investigations(limit=limit), wanted, after=after, limit=query.limit)
    return json_of(Rows(investigations=found.rows, next=None if found.next is None else str(found.next)))


@router.get("/{investigation}", response_model=Standing, responses=answers(404))
def poll(investigation: Id, caller: Calling) -> Response:
    """How an investigation stands: poll this, or read the stream of events from `cursor` on."""
    app = caller.app
    cursor = app.live.end(investigation)
    snapshot = app.snapshot(investigation)
    return json_of(
        Standing(
            investigation=snapshot.investigation,
            tasks_done=sum(task.state is TaskState.DONE for task in snapshot.tasks),
            tasks=len(snapshot.tasks),
            evidence=len(snapshot.evidence),
            preliminary=snapshot.preliminary is not None,
            models=summed(spends(calls_of(app, snapshot))),
            handling=app.handlings.of(investigation),
            cursor=str(cursor),
        )
    )


@router.post("/{investigation}/cancel", response_model=Investigation, responses=answers(404, 409))
def cancel(investigation: Id, caller: Calling, once: KeyedOnce) -> Response:
    """Stop an investigation; nothing more is recorded for it. One that is cancelled already stays so.

    Whoever policy names may; that you did is written to the audit log.
    """
    return once(lambda _: caller.app.handlings.cancel(investigation, caller.principal, face=FACE))


@router.get("/{investigation}/report", response_model=Report, responses=answers(404))
def report(investigation: Id, caller: Calling) -> Response:
    """The report, `middlewatch.report/v1`; docs/report.md says what it promises. 404 until there is one."""
    found = caller.app.report(investigation)
    if found is None:
        state = caller.app.investigation(investigation).state
        raise NoReport(f"The investigation {investigation} is {state}: it has no report.", remedy="Poll it until it is closed.")
    return json_of(found)


@router.get("/{investigation}/preliminary", response_model=Report, responses=answers(404))
def preliminary(investigation: Id, caller: Calling) -> Response:
    """What the rules alone answer while models look at it, in the form of a report. 404 before, and once there is a report.

    It proposes no action, and the report takes its place within the time that models have. Of an investigation that is cancelled
    meanwhile it stays.
    """
    found = caller.app.snapshot(investigation).preliminary
    if found is None:
        raise NoReport(
            f"The investigation {investigation} has no preliminary report.", remedy="Read how it stands, and its report."
        )
    return json_of(found)


@router.get("/{investigation}/evidence", response_model=Facts, responses=answers(404))
def evidence(investigation: Id, caller: Calling, query: Annotated[EvidenceQuery, Query()]) -> Response:
    """The facts. While it runs, one may come before a page that was read: read them again when it is closed."""
    facts = [
        fact
        for fact in caller.app.snapshot(investigation).evidence
        if query.agent in {None, fact.agent} and query.service in {None, fact.anomaly.service}
    ]
    start = _after(facts, query.after)
    rows = tuple(facts[start : start + query.limit])
    more = start + len(rows) < len(facts)
    return json_of(Facts(evidence=rows, total=len(facts), next=rows[-1].id if more else None))


def _after(facts: list[Evidence], identifier: str | None) -> int:
    if identifier is None:
        return 0
    found = next((place for place, fact in enumerate(facts) if fact.id == identifier), None)
    if found is None:
        raise BadInput(
            f"There is no fact {identifier} among those.", remedy="Give the `next` of the page before, and the same filters."
        )
    return found + 1


@router.get("/{investigation}/evidence/{fact}", response_model=Evidence, responses=answers(404))
def one_fact(investigation: Id, fact: Annotated[Identifier, Path(description="its id")], caller: Calling) -> Response:
    """One fact."""
    for found in caller.app.snapshot(investigation).evidence:
        if found.id == fact:
            return json_of(found)
    raise NoFact(f"The investigation {investigation} has no fact {fact}.", remedy="List them: GET .../evidence.")


@router.get("/{investigation}/hypotheses", response_model=Hypotheses, responses=answers(404))
def hypotheses(investigation: Id, caller: Calling) -> Response:
    """The hypotheses with the votes on each, also while it runs. The report has them ranked."""
    snapshot = caller.app.snapshot(investigation)
    return json_of(
        Hypotheses(
            hypotheses=tuple(
                Proposed(hypothesis=one, votes=tuple(vote for vote in snapshot.votes if vote.hypothesis == one.id))
                for one in snapshot.hypotheses
            )
        )
    )


@router.get("/{investigation}/events", response_model=Happened, responses=answers(404))
def events(investigation: Id, caller: Calling, query: Annotated[EventsQuery, Query()]) -> Response:
    """What happened: the work on it, its approvals, and what people did, in one stream.

    Give the `cursor` of an answer as `after` and none is lost and none comes twice, also in another process.
    """
    live = caller.app.live
    if query.after is None:
        opened_at = caller.app.investigation(investigation).opened_at
        cursor = Cursor() if opened_at is None else live.start(opened_at)
    else:
        cursor = Cursor.parse(query.after)
    waits = query.wait > 0 and WAITERS.acquire(blocking=False)
    try:
        updates, cursor = live.since(investigation, cursor, wait_seconds=query.wait if waits else 0.0)
    finally:
        if waits:
            WAITERS.release()
    return json_of(Happened(updates=updates, cursor=str(cursor)))


@router.get("/{investigation}/stream", response_class=StreamingResponse, responses=STREAM | answers(404))
def stream(
    request: Request, caller: Calling, visitor: SignedIn, investigation: Id, after: After = None, last: LastId = None
) -> Response:
    """The same as it happens, as server-sent events.

    Each `update` has a cursor as its `id`, and `kind`, `at`, `actor` and `words` in JSON as its data; a `beat` every few seconds
    says that the connection lives. Send the last id as `Last-Event-ID`, or as `after`, to go on there.
    """
    return investigation_stream(request, caller.app, visitor, investigation, after, last)


@router.get("/{investigation}/similar", response_model=Precedents, responses=answers(404))
def similar(investigation: Id, caller: Calling) -> Response:
    """Earlier investigations that are like this one, and what came of them."""
    return json_of(caller.app.similar.to(caller.app.snapshot(investigation)))
