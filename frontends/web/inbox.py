"""The inbox: what needs a person now, and the investigations, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from middlewatch.app import App
from middlewatch.cards import asked_now, ends_at
from middlewatch.frontends import quantity
from middlewatch.frontends.web.pages import render
from middlewatch.frontends.web.visitors import Application, SignedIn, Visitor
from middlewatch.records import ApprovalRequest, Handling, Investigation, InvestigationState, RequestState
from middlewatch.standing import Standing, by_investigation, standing_of

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 25
MOST = 1000
"""Investigations and requests that are looked through; older ones are found by their address."""
MOST_WAITING = 20
_LOOKS = {
    Standing.AWAITING_APPROVAL: "approval",
    Standing.UNKNOWN: "approval",
    Standing.INCONCLUSIVE: "inconclusive",
    Standing.NOT_RECOVERED: "approval",
    Standing.ACTING: "working",
    Standing.VERIFYING: "working",
    Standing.INVESTIGATING: "working",
    Standing.FINDING: "finding",
    Standing.RECOVERED: "resolved",
    Standing.CANCELLED: "cancelled",
}
_WORKING = frozenset({Standing.ACTING, Standing.VERIFYING, Standing.INVESTIGATING})
FILTERS = {"all": "All", "open": "Open", "mine": "Mine", "finished": "Finished"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a person."""

    title: str
    href: str
    remark: str
    tier: str
    deadline: datetime | None
    since: datetime | None
    who: str
    mine: bool
    """Whether the visitor can do something about it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One investigation."""

    found: Investigation
    standing: Standing
    look: str
    working: bool
    answer: str
    confidence: str
    taken: str
    """How long it took to the answer."""
    assignee: str


def inbox_view(app: App, visitor: Visitor, *, show: str, text: str, page: int) -> Mapping[str, Any]:
    """Everything on the page.

    Args:
        app: whose.
        visitor: for whom.
        show: one of `FILTERS`.
        text: only those whose service, title or id contains it.
        page: counted from 1.
    """
    found, requests = app.investigations(limit=MOST), app.approvals.list(limit=MOST)
    of = by_investigation(requests)
    standings = {row.id: standing_of(row, of.get(row.id, ())) for row in found}
    chosen = [row for row in found if _fits(row, text)]
    handlings = app.handlings.of_all([row.id for row in found])
    own = visitor.principal.id if visitor.principal else ""
    sets = {name: [row for row in chosen if _shown(name, row, standings[row.id], handlings[row.id], own)] for name in FILTERS}
    rows = sets[show][(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    waiting = _waiting(app, visitor, found, requests, standings, handlings)
    return {
        "waiting": waiting[:MOST_WAITING],
        "waiting_more": max(0, len(waiting) - MOST_WAITING),
        "rows": [_row(row, standings[row.id], handlings[row.id]) for row in rows],
        "filters": [(name, words, len(sets[name])) for name, words in FILTERS.items()],
        "show": show,
        "text": text,
        "page_number": page,
        "more": len(sets[show]) > page * PAGE_SIZE,
        "any": bool(found),
        "recordings": not found and bool(app.recordings()),
    }


@router.get("/")
def inbox(  # the address of a list says all of it
    request: Request,
    app: Application,
    visitor: SignedIn,
    show: Annotated[str, Query(max_length=20)] = "all",
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=MOST)] = 1,
) -> Response:
    """The page."""
    show = show if show in FILTERS else "all"
    return render(request, "inbox.html", page="inbox", **inbox_view(app, visitor, show=show, text=q, page=page))


@router.get("/parts/inbox")
def inbox_part(
    request: Request,
    app: Application,
    visitor: SignedIn,
    show: Annotated[str, Query(max_length=20)] = "all",
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=MOST)] = 1,
) -> Response:
    """What of the page changes while it is open."""
    show = show if show in FILTERS else "all"
    return render(request, "_inbox.html", **inbox_view(app, visitor, show=show, text=q, page=page))
