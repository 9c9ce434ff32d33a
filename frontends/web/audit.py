"""The audit log, for reading: the newest first, and what is about one investigation. Proof is `middlewatch audit verify`'s."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from middlewatch.app import App
from middlewatch.auditing import Entry, Standing, beginning, page, standing
from middlewatch.frontends.acts import why
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.web.handling import answered, lines_of
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.people import People
from middlewatch.frontends.web.visitors import Application, Id, SignedIn
from middlewatch.records import REQUEST_PREFIX
from middlewatch.records.errors import MiddlewatchError

router = APIRouter(include_in_schema=False)

ROWS = 50
NEWEST = 20
"""Events that the page of an investigation lists: it is read in an incident, and the log has all. Chosen, not derived."""
INVESTIGATION_PREFIX = "inv-"
_SAY = Quotation()


@dataclass(frozen=True, slots=True)
class Row:
    """One event, in words. All texts are harmless."""

    seq: int
    at: datetime
    who: str
    words: str
    event: str
    obj: str
    link: str
    """Where the object is shown; empty where nowhere."""
    reason: str
    """That middlewatch noted."""
    typed: tuple[str, ...]
    """What people typed, where it was not deleted."""
    digest: str
    details: str
    """Everything that the event holds, as JSON."""
    signed: bool
    """Whether it is under the newest checkpoint."""


@dataclass(frozen=True, slots=True)
class AuditView:
    """Rows of the log, and how far it is signed."""

    rows: tuple[Row, ...]
    """Newest first."""
    standing: Standing
    about: str = ""
    """The object that they are about; empty for all."""
    older: int | None = None
    more: int = 0
    """How many events about it are not among the rows: older ones, and those that changed nothing."""
    whole: bool = True
    """Whether nothing about it may be missing."""


def audit_view(app: App, investigation: str) -> AuditView:
    """What `_audit.html` shows: what is about an investigation and its requests.

    Raises:
        UnknownInvestigation: there is none.
    """
    found = app.investigation(investigation)
    start = app.live.start(found.opened_at).seq if found.opened_at else 0
    entries, more, whole = beginning(app.store.server, app.settings.tenant, _with_requests(app, found.id), start, limit=NEWEST)
    return replace(_view(app, tuple(reversed(entries)), about=found.id), more=more, whole=whole)


@router.get("/investigations/{investigation}/audit")
def investigation_audit(request: Request, app: Application, _visitor: SignedIn, investigation: Id) -> Response:
    """The section alone."""
    return answered(request, "_audit.html", investigation, audit=audit_view(app, investigation))


@router.get("/audit")
def audit_page(
    request: Request,
    app: Application,
    _visitor: SignedIn,
    about: Annotated[str, Query(max_length=128)] = "",
    before: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """The log, going back in time."""
    about = _SAY.clean(about.strip())  # no id has anything else
    known = _is_known(app, about)
    objects = _with_requests(app, about) if known else {about} - {""}
    found = page(app.store.server, app.settings.tenant, limit=ROWS, about=objects, before=before)
    view = replace(_view(app, found.entries, about=about), older=found.older)
    return render(request, "audit.html", page="audit", audit=view, newest=before is None, known=known)


def _with_requests(app: App, investigation: str) -> set[str]:
    """Whose events are about an investigation: its own, and those of its requests."""
    return {investigation, *(one.id for one in app.approvals.of(investigation))}


def _is_known(app: App, about: str) -> bool:
    """Whether an investigation is called that, so that a person can go there."""
    if not about.startswith(INVESTIGATION_PREFIX):
        return False
    try:
        return app.investigation(about).id == about
    except MiddlewatchError:
        return False


def _view(app: App, entries: Sequence[Entry], *, about: str) -> AuditView:
    stands, people = standing(app.store.server, app.settings.tenant), People.of(app)
    rows = tuple(_row(entry, people, stands) for entry in entries)
    return AuditView(rows, stands, about=about)


def _row(entry: Entry, people: People, stands: Standing) -> Row:
    return Row(
        seq=entry.seq,
        at=datetime.fromisoformat(entry.ts),
        who=people.called(entry.actor),
        words=people.act(entry.event, entry.data, entry.actor),
        event=_SAY.clean(entry.event),
        obj=entry.obj,
        link=_link(entry.obj),
        reason=_SAY.clean(why(entry.data)),
        typed=tuple(lines_of(text) for text in entry.texts.values()),
        digest=entry.digest,
        details=_SAY.clean(json.dumps(entry.data, ensure_ascii=False, sort_keys=True)) if entry.data else "",
        signed=entry.seq < stands.signed,
    )


def _link(obj: str) -> str:
    """Ids are identifiers, and nothing else becomes an address."""
    if not obj.replace("-", "").replace("_", "").isalnum() or not obj.isascii():
        return ""
    if obj.startswith(REQUEST_PREFIX):
        return f"/approvals/{obj}"
    return f"/investigations/{obj}" if obj.startswith(INVESTIGATION_PREFIX) else ""
