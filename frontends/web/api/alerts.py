"""Alerts over the API: what senders tell, what was opened for it, how severe that is, and what is done about it by hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import Field

from middlewatch.frontends.web.api.answers import answers, json_of
from middlewatch.frontends.web.api.callers import FACE, Calling, KeyedOnce
from middlewatch.frontends.web.api.investigations import Id
from middlewatch.records import LONGEST_NOTE, Identifier, Investigation, Occurrence, Rating, Record, Severity, UtcDatetime

router = APIRouter(tags=["alerts"])

AT_MOST = 500
Alert = Annotated[Identifier, Path(description="the occurrence's id", examples=["occ-0123456789abcdef"])]


class AlertQuery(Record):
    """Which alerts."""

    start: int = Field(default=0, ge=0, le=1_000_000, description="so many of the newest are left out")
    limit: int = Field(default=50, ge=1, le=AT_MOST, description="rows of a page, at most")


class AlertRows(Record):
    """A page of alerts, newest first."""

    alerts: tuple[Occurrence, ...]
    total: int = Field(ge=0, description="that there are")


class Told(Record):
    """The alerts and the severity of an investigation."""

    alerts: tuple[Occurrence, ...]
    total: int = Field(ge=0, description="that it shows; the newest may be missing here where there are thousands")
    rating: Rating | None = Field(description="how severe it is and why; null where nobody rated it")
    respond_by: UtcDatetime | None = Field(
        description="until when somebody must have acknowledged it; null where nobody is called for it"
    )
    answered: bool = Field(description="whether somebody did, here or at a sender")
    follows: Identifier | None = Field(description="the investigation of the time before")
    since: tuple[str, ...] = Field(description="what that one found, and what changed since, in words")
    followed_by: tuple[Identifier, ...]


class Rate(Record):
    """How severe it is; it stays so, whatever is measured."""

    severity: Severity
    why: str = Field(default="", max_length=LONGEST_NOTE, description="the audit log keeps its digest")


@router.get("/alerts", response_model=AlertRows, responses=answers())
def list_(caller: Calling, query: Annotated[AlertQuery, Query()]) -> Response:
    """List alerts, newest first: one row is one time that an alert fired. Those that opened nothing say why in `held`."""
    alerts, total = caller.app.occurrences.page(start=query.start, limit=query.limit)
    return json_of(AlertRows(alerts=alerts, total=total))


@router.get("/alerts/{alert}", response_model=Occurrence, responses=answers(404))
def alert(alert: Alert, caller: Calling) -> Response:
    """One alert."""
    return json_of(caller.app.occurrences.occurrence(alert))


@router.post("/alerts/{alert}/investigate", response_model=Investigation, responses=answers(404, 409))
def investigate(alert: Alert, caller: Calling, once: KeyedOnce) -> Response:
    """Investigate an alert by hand, also one that is held. Where its investigation is open, that one is the answer."""
    return once(lambda _: caller.app.alerting.investigate(alert))


@router.get("/investigations/{investigation}/alerts", response_model=Told, responses=answers(404))
def told(investigation: Id, caller: Calling) -> Response:
    """The alerts of an investigation, how severe it is, and which investigations it stands between."""
    story = caller.app.alerting.story(investigation)
    known = story.investigation.alert
    return json_of(
        Told(
            alerts=story.alerts,
            total=story.count,
            rating=story.rating,
            respond_by=story.rating.respond_by if story.rating and story.called else None,
            answered=story.answered,
            follows=known.follows,
            since=known.since,
            followed_by=story.followed_by,
        )
    )


@router.post("/investigations/{investigation}/severity", response_model=Rating, responses=answers(404, 409))
def rate(investigation: Id, body: Rate, caller: Calling, once: KeyedOnce) -> Response:
    """Say how severe it is."""
    return once(lambda _: caller.app.alerting.ratings.set(investigation, body.severity, caller.principal, why=body.why, face=FACE))


@router.post("/investigations/{investigation}/again", response_model=Investigation, responses=answers(404, 409))
def again(investigation: Id, caller: Calling, once: KeyedOnce) -> Response:
    """Run an investigation again, over the same time. One that is open is the answer itself."""
    return once(lambda turn: caller.app.alerting.again(investigation, name=turn.name))
