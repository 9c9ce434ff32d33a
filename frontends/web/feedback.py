"""Whether the answer was right, by people who know by now: what later votes are calibrated with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from middlewatch.app import App
from middlewatch.frontends.web.handling import acted, answered, lines_of, typed
from middlewatch.frontends.web.pages import View
from middlewatch.frontends.web.people import People
from middlewatch.frontends.web.visitors import FACE, Acting, Application, Id, SignedIn, Visitor
from middlewatch.records import LONGEST_CAUSE, InvestigationState, Verdict
from middlewatch.records.errors import BadInput, MiddlewatchError

router = APIRouter(include_in_schema=False)

VERDICTS: Final = {Verdict.RIGHT: "right", Verdict.PARTLY: "partly right", Verdict.WRONG: "wrong"}
"""How each is said."""


@dataclass(frozen=True, slots=True)
class Said:
    """One person's word."""

    at: datetime
    who: str
    verdict: str
    cause: str
    """As they typed it, harmless, in its lines."""


@dataclass(frozen=True, slots=True)
class FeedbackView:
    """What people said of the answer, and the form for one's own word."""

    investigation: str
    closed: bool
    """Whether there is an answer."""
    said: tuple[Said, ...]
    """Newest first."""
    may_act: bool
    verdicts: tuple[str, ...] = tuple(Verdict)
    longest_cause: int = LONGEST_CAUSE
    verdict: str = ""
    """Chosen in the form: one's own word so far, or as it was sent."""
    cause: str = ""
    """Typed in the form, likewise."""
    error: MiddlewatchError | None = None


def feedback_view(app: App, visitor: Visitor, investigation: str) -> FeedbackView:
    """What `_feedback.html` shows.

    Raises:
        UnknownInvestigation: there is none.
    """
    found = app.investigation(investigation)
    given, people = app.handlings.of(found.id).feedback, People.of(app)
    mine = next((one for one in given if visitor.principal and one.by == visitor.principal.id), None)
    said = [Said(one.at, people.called(one.by), VERDICTS[one.verdict], lines_of(one.cause)) for one in given]
    return FeedbackView(
        investigation=found.id,
        closed=found.state is InvestigationState.CLOSED,
        said=tuple(sorted(said, key=lambda one: one.at, reverse=True)),
        may_act=visitor.principal is not None,
        verdict=mine.verdict if mine else "",
        cause=mine.cause if mine else "",
    )


@router.get("/investigations/{investigation}/feedback")
def feedback_page(request: Request, app: Application, visitor: SignedIn, investigation: Id) -> Response:
    """The section alone."""
    return answered(request, "_feedback.html", investigation, feedback=feedback_view(app, visitor, investigation))


@router.post("/investigations/{investigation}/feedback")
def give_feedback(  # a form is said whole
    request: Request,
    app: Application,
    visitor: Acting,
    investigation: Id,
    verdict: Annotated[str, Form()] = "",
    cause: Annotated[str, Form()] = "",
) -> Response:
    """Say whether it was right."""
    found, cause = app.investigation(investigation).id, typed(cause)

    def do() -> None:
        if verdict not in tuple(Verdict):
            raise BadInput("No verdict is chosen.", remedy="Choose whether the answer was right, partly right, or wrong.")
        app.handlings.give_feedback(found, Verdict(verdict), visitor.principal, cause=cause, face=FACE)

    def view(error: MiddlewatchError) -> View:
        return {"feedback": replace(feedback_view(app, visitor, found), verdict=verdict, cause=cause, error=error)}

    return acted(request, "feedback", found, do, view)
