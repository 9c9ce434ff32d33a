"""Alerts as their senders tell them, what was opened for them, and how severe that is; what can be done about it by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.alerting import AlertStory
from middlewatch.app import App
from middlewatch.frontends.alert_wording import course_words, deadline_words, place_words, state_words
from middlewatch.frontends.web.handling import acted, answered, typed
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import FACE, Acting, Application, Id, SignedIn, Visitor
from middlewatch.records import LONGEST_NOTE, Occurrence, Severity
from middlewatch.records.errors import BadInput, MiddlewatchError

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 100
SHOWN = 50
"""Alerts on the page of an investigation; all of them are a link away."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert."""

    one: Occurrence
    state: str
    course: str
    became: str

    @classmethod
    def of(cls, one: Occurrence) -> AlertRow:
        return cls(one, state_words(one), course_words(one), place_words(one))


@dataclass(frozen=True, slots=True)
class StoryView:
    """The alerts and the severity of an investigation."""

    story: AlertStory
    rows: tuple[AlertRow, ...]
    deadline: str
    late: bool
    may_act: bool
    severities: tuple[Severity, ...] = tuple(Severity)
    chosen: str = ""
    """In the form: as it was sent, or the severity that it has."""
    why: str = ""
    """Typed in the form, as it was sent."""
    longest_note: int = LONGEST_NOTE
    error: MiddlewatchError | None = None


def alerts_view(app: App, visitor: Visitor, investigation: str) -> StoryView:
    """What `_alerts.html` shows.

    Raises:
        UnknownInvestigation: there is none.
    """
    story, now = app.alerting.story(investigation), app.approvals.now()
    rating = story.rating
    return StoryView(
        story=story,
        rows=tuple(map(AlertRow.of, story.alerts[:SHOWN])),
        deadline=deadline_words(rating, now, answered=story.answered, called=story.called) if rating else "",
        late=story.is_late(now),
        may_act=visitor.principal is not None,
        chosen=rating.severity if rating else "",
    )


@router.get("/investigations/{investigation}/alerts")
def section(request: Request, app: Application, visitor: SignedIn, investigation: Id) -> Response:
    """The section alone."""
    return answered(request, "_alerts.html", investigation, story=alerts_view(app, visitor, investigation))


@router.post("/investigations/{investigation}/severity")
def set_severity(  # a form is said whole
    request: Request,
    app: Application,
    visitor: Acting,
    investigation: Id,
    severity: Annotated[str, Form()] = "",
    why: Annotated[str, Form()] = "",
) -> Response:
    """Say how severe it is."""
    why = typed(why)

    def do() -> None:
        if severity not in set(Severity):
            raise BadInput("No severity is chosen.", remedy="Choose one of SEV-1 to SEV-4.")
        app.alerting.ratings.set(investigation, Severity(severity), visitor.principal, why=why[:LONGEST_NOTE], face=FACE)

    def explained(error: MiddlewatchError) -> dict[str, object]:
        view = alerts_view(app, visitor, investigation)
        chosen = severity if severity in set(Severity) else view.chosen
        return {"story": replace(view, chosen=chosen, why=why, error=error)}

    return acted(request, "alerts", investigation, do, explained)


@router.post("/investigations/{investigation}/again")
def again(app: Application, _visitor: Acting, investigation: Id) -> Response:
    """Run it again, over the same time."""
    return RedirectResponse(f"/investigations/{app.alerting.again(investigation).id}", 303)


@router.get("/alerts")
def alerts_page(
    request: Request,
    app: Application,
    _visitor: SignedIn,
    about: Annotated[str, Query(max_length=128)] = "",
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """All alerts, newest first; or those that an investigation shows."""
    start = (page - 1) * PAGE_SIZE
    if about:
        found = app.occurrences.of(about)[start : start + PAGE_SIZE + 1]
    else:
        found = app.occurrences.list(start=start, limit=PAGE_SIZE + 1)
    rows = [AlertRow.of(one) for one in found[:PAGE_SIZE]]
    return render(request, "alerts.html", page="alerts", rows=rows, more=len(found) > PAGE_SIZE, page_number=page, about=about)


@router.get("/alerts/{alert}")
def alert_page(request: Request, app: Application, _visitor: SignedIn, alert: Id) -> Response:
    """One alert, with its labels."""
    one = app.occurrences.occurrence(alert)
    labels = sorted((one.message.labels | one.message.annotations).items())
    return render(request, "alert.html", page="alerts", row=AlertRow.of(one), labels=labels)


@router.post("/alerts/{alert}/investigate")
def investigate(app: Application, _visitor: Acting, alert: Id) -> Response:
    """Investigate it by hand, also where it is held."""
    return RedirectResponse(f"/investigations/{app.alerting.investigate(alert).id}", 303)
