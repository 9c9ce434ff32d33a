"""Who has an investigation: acknowledge, give or take it with a note, cancel it. Plain forms; each answers with the page again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from middlewatch.app import App
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.web.pages import View, render
from middlewatch.frontends.web.people import People
from middlewatch.frontends.web.problems import kind_of
from middlewatch.frontends.web.visitors import FACE, Acting, Application, Id, SignedIn, Visitor
from middlewatch.records import LONGEST_NOTE, Handling, InvestigationState, Principal
from middlewatch.records.errors import BadInput, Conflict, MiddlewatchError, Refused

router = APIRouter(include_in_schema=False)

_SAY = Quotation()
EXPLAINED = (BadInput, Refused, Conflict)
"""What the form itself explains, with what was typed still in it; anything else has a page of its own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody did with it."""

    at: datetime
    who: str
    words: str
    note: str
    """As they typed it, harmless, in its lines."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was in the form."""

    to: str
    note: str


@dataclass(frozen=True, slots=True)
class HandlingView:
    """Who has it, how that came, and what may be done."""

    investigation: str
    running: bool
    acknowledged: bool
    assignee: str
    """Their name; empty where nobody has it."""
    assignee_id: str
    steps: tuple[Step, ...]
    """Newest first."""
    people: tuple[Principal, ...]
    may_act: bool
    mine: bool
    longest_note: int = LONGEST_NOTE
    to: str = ""
    """Chosen in the form, as it was sent."""
    note: str = ""
    """Typed in the form, likewise."""
    error: MiddlewatchError | None = None


def handling_view(app: App, visitor: Visitor, investigation: str) -> HandlingView:
    """What `_handling.html` shows.

    Raises:
        UnknownInvestigation: there is none.
    """
    found = app.investigation(investigation)
    handling, people = app.handlings.of(found.id), People.of(app)
    me = visitor.principal.id if visitor.principal else ""
    return HandlingView(
        investigation=found.id,
        running=found.state is InvestigationState.OPEN,
        acknowledged=handling.acknowledged_by is not None,
        assignee=people.called(handling.assignee) if handling.assignee else "",
        assignee_id=handling.assignee or "",
        steps=tuple(_steps(handling, people)),
        people=people.active,
        may_act=visitor.principal is not None,
        mine=bool(me) and handling.assignee == me,
        to="" if handling.assignee == me else me,
    )


@router.get("/investigations/{investigation}/handling")
def handling_page(request: Request, app: Application, visitor: SignedIn, investigation: Id) -> Response:
    """The section alone: for a page that is live, and for whoever was told what is wrong with a form."""
    return answered(request, "_handling.html", investigation, handling=handling_view(app, visitor, investigation))


@router.post("/investigations/{investigation}/acknowledge")
def acknowledge(request: Request, app: Application, visitor: Acting, investigation: Id) -> Response:
    """Say that one has seen it."""
    return _done(
        request, app, visitor, investigation, lambda: app.handlings.acknowledge(investigation, visitor.principal, face=FACE)
    )


@router.post("/investigations/{investigation}/assign")
def assign(  # a form is said whole
    request: Request,
    app: Application,
    visitor: Acting,
    investigation: Id,
    to: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    """Give it to somebody, or take it."""
    note = typed(note)

    def do() -> None:
        if not to:
            raise BadInput("Nobody is chosen.", remedy="Choose who should have it.")
        app.handlings.assign(investigation, to, visitor.principal, note=note, face=FACE)

    return _done(request, app, visitor, investigation, do, sent=Sent(to, note))


@router.post("/investigations/{investigation}/cancel")
def cancel(request: Request, app: Application, visitor: Acting, investigation: Id) -> Response:
    """Stop it; nothing more is recorded for it."""
    return _done(request, app, visitor, investigation, lambda: app.handlings.cancel(investigation, visitor.principal, face=FACE))


def answered(request: Request, template: str, investigation: str, *, status: int = 200, **context: object) -> Response:
    """A section: by itself for a page that loads it anew, in a page of its own for a person."""
    if "hx-request" in request.headers:
        return render(request, template, status=status, **context)
    context |= {"section": template, "about": investigation}
    return render(request, "section.html", status=status, page="investigation", **context)


def acted(  # a form is said whole
    request: Request, section: str, investigation: str, do: Callable[[], object], view: Callable[[MiddlewatchError], View]
) -> Response:
    """Do what a form asks, and show the page again at its section; or the section alone, where it can explain what is wrong.

    Args:
        request: that sent the form.
        section: by the name of its template and of its place on the page.
        investigation: its id.
        do: what is asked.
        view: what the section shows, told what is wrong.
    """
    try:
        do()
    except EXPLAINED as error:
        return answered(request, f"_{section}.html", investigation, status=kind_of(error).status, **view(error))
    return RedirectResponse(f"/investigations/{investigation}#{section}", 303)


def typed(text: str) -> str:
    """What somebody typed, with lines as everywhere else: browsers send CR LF."""
    return text.replace("\r\n", "\n").strip()


def lines_of(text: str) -> str:
    """What somebody typed, made harmless, in its lines."""
    return "\n".join(_SAY.clean(line) for line in text.splitlines())


def _done(  # a form is said whole
    request: Request, app: App, visitor: Visitor, investigation: str, do: Callable[[], object], *, sent: Sent | None = None
) -> Response:
    found = app.investigation(investigation).id

    def view(error: MiddlewatchError) -> View:
        asked = replace(handling_view(app, visitor, found), error=error)
        return {"handling": asked if sent is None else replace(asked, to=sent.to, note=sent.note)}

    return acted(request, "handling", found, do, view)


def _steps(handling: Handling, people: People) -> list[Step]:
    found = [
        Step(
            one.at,
            people.called(one.by),
            "took it" if one.by == one.to else f"gave it to {people.called(one.to)}",
            lines_of(one.note),
        )
        for one in handling.handovers
    ]
    if handling.acknowledged_by is not None and handling.acknowledged_at is not None:
        found.append(Step(handling.acknowledged_at, people.called(handling.acknowledged_by), "acknowledged it", ""))
    return sorted(found, key=lambda one: one.at, reverse=True)
